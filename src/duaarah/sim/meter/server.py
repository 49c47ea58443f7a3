# SPDX-License-Identifier: Apache-2.0
"""A DLMS server over TCP for one simulated meter, opened on request: wrapper (IEC 62056-4-7) and HDLC on one port.

It pumps octets between sockets and `MeterSession`s; a dropped frame closes the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from duaarah.sim.meter.device import Device
from duaarah.sim.meter.session import Answers, HungUp, MeterSession

IDLE_S = 30.0
OCTETS_MAX = 4_000_000  # per connection
CONNECTIONS_MAX = 4


class MeterServer:
    """`async with MeterServer(meter) as server:` listens on `server.port` of the loopback until the block ends.

    With a `device` clients may associate. `asked` is called before octets are looked at, `answered` before an answer leaves.
    """

    def __init__(
        self,
        meter: Answers,
        device: Device | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        asked: Callable[[], None] = lambda: None,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        self._meter, self._device = meter, device
        self.asked, self.answered = asked, answered
        self._host = host
        self._wanted_port = port
        self._server: asyncio.Server | None = None
        self.open_connections: set[_Connection] = set()

    @property
    def port(self) -> int:
        """The port that was bound."""
        if self._server is None:
            raise RuntimeError("The server is not open.")
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Bind and listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self._host, self._wanted_port)

    async def close(self) -> None:
        """Stop listening and end what is connected."""
        if self._server is None:
            return
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()
        self._server = None

    def hang_up(self) -> None:
        """End every connection, as a power cut does."""
        for connection in list(self.open_connections):
            connection.hang_up()

    def session(self) -> MeterSession:
        """For one connection."""
        return MeterSession(self._meter, self._device)

    async def __aenter__(self) -> MeterServer:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Connection(asyncio.Protocol):
    """One client; silence of IDLE_S or too many octets end it."""

    def __init__(self, server: MeterServer) -> None:
        self._owner = server
        self._session = server.session()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._octets = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._owner.open_connections) >= CONNECTIONS_MAX:
            transport.close()
            return
        self._owner.open_connections.add(self)
        self._wait()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE_S, self.hang_up)

    def data_received(self, data: bytes) -> None:
        if self not in self._owner.open_connections or self._transport is None:
            return
        self._octets += len(data)
        self._wait()
        self._owner.asked()
        try:
            answer = self._session.receive(data)
        except HungUp as left:
            # The peer does not speak DLMS, or its frame was dropped: nothing more to say to it.
            answer = left.args[0] if left.args else b""
            self._owner.answered()
            self._transport.write(answer)
            self.hang_up()
            return
        if answer:
            self._owner.answered()
            self._transport.write(answer)
        if self._octets > OCTETS_MAX:
            self.hang_up()

    def hang_up(self) -> None:
        """Close this connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._owner.open_connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
