# SPDX-License-Identifier: Apache-2.0
"""A DLMS server over the TCP wrapper for one simulated meter, opened on request (IEC 62056-4-7).

It pumps wrapped frames between a socket and the meter's `answer_request`; a dropped frame closes the connection.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Protocol

from duaarah.wire.dlms import wrapper
from duaarah.wire.dlms.errors import DlmsError

IDLE_S = 30.0
REQUESTS_MAX = 1000  # per connection
CONNECTIONS_MAX = 4


class Answers(Protocol):
    """A meter as its server needs it; SimMeter is one."""

    def answer_request(self, payload: bytes) -> bytes | None:
        """The answer to one wrapped request; None when it is dropped."""


class MeterServer:
    """`async with MeterServer(meter) as server:` listens on `server.port` of the loopback until the block ends."""

    def __init__(self, meter: Answers, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._meter = meter
        self._host = host
        self._wanted_port = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        """The port that was bound."""
        if self._server is None:
            raise RuntimeError("The server is not open.")
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Bind and listen."""
        self._server = await asyncio.start_server(self._serve, self._host, self._wanted_port)

    async def close(self) -> None:
        """Stop listening and end what is connected."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> MeterServer:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._open.add(writer)
        try:
            for _ in range(REQUESTS_MAX):
                async with asyncio.timeout(IDLE_S):
                    header = await reader.readexactly(wrapper.WRAPPER_OCTETS)
                    request = header + await reader.readexactly(wrapper.apdu_length(header))
                answer = self._meter.answer_request(request)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, DlmsError):
            pass  # the peer left, or does not speak the wrapper: nothing to say to it
        finally:
            self._open.discard(writer)
            writer.close()
