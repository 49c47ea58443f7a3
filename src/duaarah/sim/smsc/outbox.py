# SPDX-License-Identifier: Apache-2.0
"""What leaves by one socket: whole, octet by octet, or many PDUs in one piece."""

from __future__ import annotations

import asyncio

OCTET_PAUSE_S = 0.0005
JOIN_S = 0.05


class Outbox:
    """Keeps the order whatever `chunks` says at the moment."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._chunks = "whole"
        self.closing = False

    def put(self, octets: bytes, chunks: str) -> None:
        """Whole PDUs. Nothing leaves after `end`."""
        if self.closing or not octets:
            return
        if chunks == "whole" and self._task is None:
            self._writer.write(octets)
            return
        self._waiting += octets
        self._chunks = chunks
        if self._task is None:
            self._task = asyncio.create_task(self._pump())

    async def _pump(self) -> None:
        try:
            while self._waiting:
                if self._chunks == "joined":
                    await asyncio.sleep(JOIN_S)
                n = 1 if self._chunks == "octets" else len(self._waiting)
                self._writer.write(bytes(self._waiting[:n]))
                del self._waiting[:n]
                if self._chunks == "octets":
                    await asyncio.sleep(OCTET_PAUSE_S)
        finally:
            self._task = None
            if self.closing:
                self._writer.close()

    def end(self, octets: bytes = b"") -> None:
        """These last octets (they need not be a whole PDU), then close."""
        if self.closing:
            return
        self.closing = True
        if self._task is None:
            self._writer.write(octets)
            self._writer.close()
        else:
            self._waiting += octets

    def abort(self) -> None:
        """At once, as a cable that is pulled."""
        self.closing = True
        if self._task is not None:
            self._task.cancel()
        self._writer.transport.abort()
