# SPDX-License-Identifier: Apache-2.0
"""A blocking client line of ISO 8583 messages over TCP, for a thread without a loop; every wait has a limit."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from duaarah.wire.iso8583 import Deframer, FrameError, Framing, ISOError, Message, decode, encode, frame

READ_OCTETS = 65536


class LineDown(Exception):
    """The other side cannot be reached, went away, or sent what is no message. What was sent may have arrived."""

    code = "line_down"
    retryable = True


class Line:
    """One connection, used by one thread at a time. Nothing is sent twice."""

    def __init__(self, host: str, port: int, *, framing: Framing, timeout_s: float) -> None:
        """`timeout_s`: to connect, to send, and for each answer."""
        self._where = (host, port)
        self._framing = framing
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._deframer = Deframer(framing)
        self._came: deque[Message] = deque()

    def open(self) -> None:
        """Raises LineDown."""
        try:
            self._socket = socket.create_connection(self._where, timeout=self._timeout_s)
        except OSError as error:
            raise LineDown(f"P2APST cannot be reached: {error}.") from error

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, mti: str, fields: Mapping[str, Any]) -> None:
        """Raises LineDown (it may have left all the same), ISOError and FrameError (it has not)."""
        octets = frame(encode(mti, fields), self._framing)
        if self._socket is None:
            raise LineDown("The line is not open.")
        try:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(octets)
        except OSError as error:
            self.close()
            raise LineDown(f"The line broke while sending: {error}.") from error

    def receive(self, wanted: Callable[[Message], bool]) -> Message | None:
        """The first answer that is wanted; None when none came in time. Others are dropped. Raises LineDown."""
        until_s = time.monotonic() + self._timeout_s
        while True:
            while self._came:
                message = self._came.popleft()
                if wanted(message):
                    return message
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return None
            self._read(left_s)

    def _read(self, timeout_s: float) -> None:
        if self._socket is None:
            raise LineDown("The line is not open.")
        try:
            self._socket.settimeout(timeout_s)
            octets = self._socket.recv(READ_OCTETS)
        except TimeoutError:
            return
        except OSError as error:
            self.close()
            raise LineDown(f"The line broke: {error}.") from error
        broken: Exception | None = None
        try:
            texts = self._deframer.feed(octets)
        except FrameError as error:
            texts, broken = error.messages, error
        try:
            # A message that came whole counts, whatever is behind it.
            for text in texts:
                self._came.append(decode(text))
        except ISOError as error:
            broken = error
        if broken is not None or not octets:
            self.close()
            if not self._came:
                raise LineDown(str(broken) if broken else "The other side closed the line.")
