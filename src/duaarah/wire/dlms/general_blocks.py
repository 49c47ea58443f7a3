# SPDX-License-Identifier: Apache-2.0
"""General block transfer (IEC 62056-5-3, 9.4.6.13): any APDU in parts, streamed in windows, lost parts sent again.

`Transfer` is one direction-less exchange: what it is given to `send` goes out window by window, what it `take`s comes
back whole. Blocks are numbered from 1; a block without streaming asks for an acknowledgement.
"""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.wire.dlms.axdr import Reader, encode_length
from duaarah.wire.dlms.errors import Malformed, TooLong, Unencodable, UnknownApdu

GENERAL_BLOCK_TRANSFER = 0xE0
LAST, STREAMING, WINDOW_MAX = 0x80, 0x40, 0x3F
NUMBER_MAX = 0xFFFF
OCTETS_MAX = 1 << 20
HEAD_OCTETS = 9  # tag, control, number, acknowledgement, length in its longest form


@dataclass(frozen=True, slots=True)
class GeneralBlock:
    """A part of any APDU. `window` is how many blocks the sender receives unacknowledged; `ack` the last one it has."""

    last: bool
    streaming: bool
    window: int
    number: int
    ack: int
    raw: bytes


def encode(block: GeneralBlock) -> bytes:
    """The octets of one block."""
    if not 0 <= block.window <= WINDOW_MAX or not 0 <= block.number <= NUMBER_MAX or not 0 <= block.ack <= NUMBER_MAX:
        raise Unencodable("A window has 6 bits, a block's number 16.")
    control = LAST * block.last | STREAMING * block.streaming | block.window
    head = bytes((GENERAL_BLOCK_TRANSFER, control)) + block.number.to_bytes(2, "big") + block.ack.to_bytes(2, "big")
    return head + encode_length(len(block.raw)) + block.raw


def decode(octets: bytes) -> GeneralBlock:
    """Exactly one block."""
    reader = Reader(octets)
    if reader.octet() != GENERAL_BLOCK_TRANSFER:
        raise UnknownApdu("This is not general block transfer.")
    control = reader.octet()
    number, ack = int.from_bytes(reader.take(2), "big"), int.from_bytes(reader.take(2), "big")
    raw = reader.take(reader.length())
    reader.end()
    return GeneralBlock(bool(control & LAST), bool(control & STREAMING), control & WINDOW_MAX, number, ack, raw)


class Transfer:
    """One APDU each way in blocks of at most `size` octets; `window` is what we receive unacknowledged (1: no streaming)."""

    def __init__(self, *, size: int, window: int = 1) -> None:
        if size < 1 or not 1 <= window <= WINDOW_MAX:
            raise Unencodable("A block has octets, a window 1 to 63 blocks.")
        self._size, self._window = size, window
        self._parts: list[bytes] = []
        self._peer_window = 1
        self._received = bytearray()
        self._got = 0  # the latest block received without a gap
        self._sent = 0  # the latest block of ours acknowledged

    @property
    def sending(self) -> bool:
        """Whether parts of our APDU are still to go or to be acknowledged."""
        return self._sent < len(self._parts)

    def send(self, apdu: bytes) -> list[GeneralBlock]:
        """Begin to send: the blocks of the first window."""
        parts = [apdu[start : start + self._size] for start in range(0, len(apdu), self._size)]
        if not parts or len(parts) > NUMBER_MAX:
            raise TooLong("An APDU has 1 to 65535 blocks.")
        self._parts, self._sent = parts, 0
        return self._window_of_blocks()

    def _window_of_blocks(self) -> list[GeneralBlock]:
        first = self._sent
        end = min(first + self._peer_window, len(self._parts))
        return [
            GeneralBlock(
                last=index + 1 == len(self._parts),
                streaming=index + 1 < end,
                window=self._window,
                number=index + 1,
                ack=self._got,
                raw=self._parts[index],
            )
            for index in range(first, end)
        ]

    def take(self, block: GeneralBlock) -> tuple[list[GeneralBlock], bytes | None]:
        """A block of the peer: what goes out now, and the whole APDU once its last part is here."""
        self._peer_window = max(block.window, 1)
        if self._parts and not block.raw:
            if block.ack > len(self._parts):
                raise Malformed("A block is acknowledged that was never sent.")
            self._sent = max(self._sent, block.ack)
            return (self._window_of_blocks() if self.sending else []), None
        self._parts = []
        if block.number == self._got + 1:
            self._got = block.number
            self._received += block.raw
            if len(self._received) > OCTETS_MAX:
                raise TooLong(f"An APDU has at most {OCTETS_MAX} octets here.")
            if block.last:
                whole, self._received, self._got = bytes(self._received), bytearray(), 0
                return [], whole
        if block.streaming:
            return [], None
        return [GeneralBlock(True, False, self._window, 1, self._got, b"")], None
