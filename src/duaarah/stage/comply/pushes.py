# SPDX-License-Identifier: Apache-2.0
"""Where the meter's pushes arrive: a TCP and a UDP port of one number, or whatever else calls `put`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from duaarah.core.intent import Report
from duaarah.drivers import Profile, decode_report
from duaarah.wire.dlms import ciphering, wrapper
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError
from duaarah.wire.dlms.wrapper import WRAPPER_OCTETS

KEPT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Push:
    """One push: proven and read, or (`problem`) why not."""

    counter: int
    plain: bytes
    report: Report | None
    problem: str = ""


class Pushes:
    """What has come, and a way to wait for what comes."""

    def __init__(self, profile: Profile, keys: Keys) -> None:
        self._profile, self._keys = profile, keys
        self.all: list[Push] = []
        self._came = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None

    def put(self, apdu: bytes) -> None:
        """A ciphered APDU has arrived."""
        if len(self.all) < KEPT_MAX:
            self.all.append(self._read(apdu))
        self._came.set()

    def _read(self, apdu: bytes) -> Push:
        counter = 0
        try:
            ciphered = ciphering.parse(apdu)
            counter = ciphered.counter
            plain = ciphering.unprotect(ciphered, self._keys)
        except DlmsError as error:
            return Push(counter, b"", None, f"a push that is not authentic ({error.code})")
        try:
            return Push(counter, plain, decode_report(self._profile, plain))
        except Exception as error:  # a body that no profile describes is a finding, never an end
            return Push(counter, plain, None, f"a push that the profile does not describe ({error})")

    async def wait(self, wanted: Callable[[Push], bool], since: int, timeout_s: float) -> Push | None:
        """The first push behind number `since` that is wanted, now or in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while True:
                    self._came.clear()
                    for push in self.all[since:]:
                        if wanted(push):
                            return push
                    await self._came.wait()
        return None

    # -- over IP ---------------------------------------------------------------------------------------------------

    async def listen(self, host: str, port: int) -> int:
        """Bind; the port."""
        self._server = await asyncio.start_server(self._stream, host, port)
        number: int = self._server.sockets[0].getsockname()[1]
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(host, number)
        )
        self._datagrams = transport
        return number

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        if self._datagrams is not None:
            self._datagrams.close()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled when the bench ends: the callback of asyncio's streams (3.11) would print a trace into the report.
        with suppress(OSError, DlmsError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readexactly(WRAPPER_OCTETS)
                self.put(wrapper.unwrap(head + await reader.readexactly(wrapper.apdu_length(head))).apdu)
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, owner: Pushes) -> None:
        self._owner = owner

    def datagram_received(self, data: bytes, addr: object) -> None:
        with suppress(DlmsError):
            self._owner.put(wrapper.unwrap(data).apdu)
