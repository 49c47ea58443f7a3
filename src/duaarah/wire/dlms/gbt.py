# SPDX-License-Identifier: Apache-2.0
"""general-block-transfer (IEC 62056-5-3, 9.3.5): the blocks of one long APDU, put together or made.

E0, block control (bit 7 last, bit 6 streaming, bits 0-5 window), block number (2), acknowledged number (2), length
and data. Blocks count from 1. They may come doubled or out of order; one that is missing is Incomplete.
"""

from __future__ import annotations

from collections.abc import Iterable

from duaarah.wire.dlms.data import Reader, encode_length
from duaarah.wire.dlms.errors import Incomplete, Malformed, Unencodable

TAG = 0xE0
LAST, STREAMING, WINDOW_MASK = 0x80, 0x40, 0x3F
BLOCK_MAX = 0xFFFF


def join(octets: Iterable[bytes], *, tail_ok: bool = False) -> bytes:
    """The APDU whose blocks these are, one or several in each item; `tail_ok` passes over what is no block."""
    blocks: dict[int, bytes] = {}
    last: int | None = None
    for item in octets:
        reader = Reader(item)
        while reader.remaining():
            if reader.peek() != TAG:
                if tail_ok and reader.position:
                    break
                raise Malformed("Something other than a block stands among the blocks.")
            reader.octet()
            control, number = reader.octet(), int.from_bytes(reader.take(2), "big")
            reader.take(2)
            data = reader.take(reader.length())
            if blocks.setdefault(number, data) != data:
                raise Malformed(f"Block {number} comes twice and is not the same.")
            if control & LAST:
                last = number
    if last is None:
        raise Incomplete("The last block is missing.")
    missing = [number for number in range(1, last + 1) if number not in blocks]
    if missing:
        raise Incomplete(f"Block {missing[0]} of {last} is missing.")
    return b"".join(blocks[number] for number in range(1, last + 1))


def split(apdu: bytes, *, size: int) -> list[bytes]:
    """The blocks of an APDU, `size` octets of it in each, as a streaming sender writes them."""
    parts = [apdu[start : start + size] for start in range(0, len(apdu), size)] or [b""]
    if len(parts) > BLOCK_MAX:
        raise Unencodable(f"An APDU has at most {BLOCK_MAX} blocks.")
    blocks = []
    for number, part in enumerate(parts, 1):
        control = (LAST if number == len(parts) else STREAMING) | 1
        head = bytes((TAG, control)) + number.to_bytes(2, "big") + b"\x00\x00"
        blocks.append(head + encode_length(len(part)) + part)
    return blocks
