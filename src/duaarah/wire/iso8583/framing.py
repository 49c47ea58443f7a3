# SPDX-License-Identifier: Apache-2.0
"""Where one message ends on a stream: a two-byte length before it, or the byte 0xFF behind it."""

from __future__ import annotations

from enum import StrEnum

OCTETS_MAX = 8192
_LENGTH_OCTETS = 2
_END = 0xFF


class Framing(StrEnum):
    """LENGTH2: two bytes, big-endian, which do not count themselves. FF: the byte 0xFF ends a message."""

    LENGTH2 = "length2"
    FF = "ff"


class FrameError(Exception):
    """
    The stream, or a message for it, breaks the framing. `messages` came whole before it; what follows is lost.
    """

    code = "frame"
    retryable = False

    def __init__(self, text: str, messages: list[str] | None = None) -> None:
        super().__init__(text)
        self.messages = messages or []


class FrameTooLong(FrameError):
    """A message above the limit."""

    code = "frame_too_long"


class FrameEmpty(FrameError):
    """A frame without a message in it."""

    code = "frame_empty"


class FrameUnfit(FrameError):
    """A message that this framing cannot carry: 0xFF inside it would end it, or it is no Latin-1."""

    code = "frame_unfit"


def frame(message: str, framing: Framing) -> bytes:
    """One message as it goes on the wire, in Latin-1. Raises FrameTooLong, FrameEmpty, FrameUnfit."""
    try:
        octets = message.encode("latin_1")
    except UnicodeEncodeError:
        raise FrameUnfit("A message holds Latin-1 characters only.") from None
    if not octets:
        raise FrameEmpty("A message is not empty.")
    if framing is Framing.FF:
        if _END in octets:
            raise FrameUnfit("A message with the byte 0xFF inside cannot be ended by it.")
        return octets + bytes((_END,))
    if len(octets) >= 1 << 16:
        raise FrameTooLong(f"{len(octets)} bytes do not fit a length of two bytes.")
    return len(octets).to_bytes(_LENGTH_OCTETS, "big") + octets


class Deframer:
    """Cuts a stream into messages, however it was cut on its way. After an error it is of no more use."""

    def __init__(self, framing: Framing, octets_max: int = OCTETS_MAX) -> None:
        self._framing = framing
        self._octets_max = octets_max
        self._held = bytearray()
        self._broken: FrameError | None = None

    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._held)

    def feed(self, octets: bytes) -> list[str]:
        """The messages that are whole now, in Latin-1. Raises FrameTooLong, FrameEmpty, with those before it."""
        if self._broken is not None:
            raise type(self._broken)(str(self._broken))
        self._held += octets
        messages: list[str] = []
        try:
            while (message := self._next()) is not None:
                messages.append(message)
        except FrameError as error:
            self._broken = error
            self._held.clear()
            error.messages = messages
            raise
        return messages

    def _next(self) -> str | None:
        if self._framing is Framing.FF:
            at = self._held.find(_END)
            self._check(len(self._held) if at < 0 else at, empty=at == 0)
            return None if at < 0 else self._cut(0, at, at + 1)
        if len(self._held) < _LENGTH_OCTETS:
            return None
        length = int.from_bytes(self._held[:_LENGTH_OCTETS], "big")
        self._check(length, empty=length == 0)
        end = _LENGTH_OCTETS + length
        return None if len(self._held) < end else self._cut(_LENGTH_OCTETS, end, end)

    def _check(self, length: int, *, empty: bool) -> None:
        if empty:
            raise FrameEmpty("A frame has no message in it.")
        if length > self._octets_max:
            raise FrameTooLong(f"A message has at most {self._octets_max} bytes here, not {length}.")

    def _cut(self, start: int, end: int, after: int) -> str:
        text = self._held[start:end].decode("latin_1")
        del self._held[:after]
        return text
