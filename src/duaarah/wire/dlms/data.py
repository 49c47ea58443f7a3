# SPDX-License-Identifier: Apache-2.0
"""The COSEM type Data as records (IEC 62056-6-2, 4.1.5), and a cursor over its A-XDR octets. Coding itself: `axdr`."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from duaarah.wire.dlms.errors import Incomplete, Malformed, Unencodable

DEPTH_MAX = 12
ELEMENTS_MAX = 20_000
LENGTH_MAX = 0xFFFF


class Tag(IntEnum):
    """Type tags of Data."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DELTA_INTEGER = 28
    DELTA_LONG = 29
    DELTA_DOUBLE_LONG = 30
    DELTA_UNSIGNED = 31
    DELTA_LONG_UNSIGNED = 32
    DELTA_DOUBLE_LONG_UNSIGNED = 33
    DONT_CARE = 255


class Data(NamedTuple):
    """A typed value: None, bool, int, float, bytes (octets, date, time), str (text; "0101" for bits), tuple of Data."""

    tag: Tag
    value: Any


NULL = Data(Tag.NULL, None)
# Types of a fixed width: tag -> the struct module's code, big-endian. The date and time types stay octets.
CODES = {
    Tag.BOOLEAN: "?",
    Tag.DOUBLE_LONG: "i",
    Tag.DOUBLE_LONG_UNSIGNED: "I",
    Tag.BCD: "b",
    Tag.INTEGER: "b",
    Tag.LONG: "h",
    Tag.UNSIGNED: "B",
    Tag.LONG_UNSIGNED: "H",
    Tag.LONG64: "q",
    Tag.LONG64_UNSIGNED: "Q",
    Tag.ENUM: "B",
    Tag.FLOAT32: "f",
    Tag.FLOAT64: "d",
    Tag.DATE_TIME: "12s",
    Tag.DATE: "5s",
    Tag.TIME: "4s",
    Tag.DELTA_INTEGER: "b",
    Tag.DELTA_LONG: "h",
    Tag.DELTA_DOUBLE_LONG: "i",
    Tag.DELTA_UNSIGNED: "B",
    Tag.DELTA_LONG_UNSIGNED: "H",
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: "I",
}
INTEGER_TAGS = frozenset(tag for tag, code in CODES.items() if code in "bBhHiIqQ")


class Reader:
    """A cursor over octets that never reads past the end; `elements` counts what a message has unfolded so far."""

    __slots__ = ("_elements", "octets", "position")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self._elements = 0
        self.position = 0

    def take(self, count: int) -> bytes:
        """The next `count` octets, or Incomplete."""
        end = self.position + count
        if end > len(self.octets):
            raise Incomplete(f"{count} octets expected at offset {self.position}, the message ends before.")
        part = self.octets[self.position : end]
        self.position = end
        return part

    def octet(self) -> int:
        """The next octet as a number."""
        position = self.position
        if position >= len(self.octets):
            raise Incomplete(f"1 octet expected at offset {position}, the message ends before.")
        self.position = position + 1
        return self.octets[position]

    def peek(self) -> int | None:
        """The next octet without taking it, None at the end."""
        return self.octets[self.position] if self.position < len(self.octets) else None

    def remaining(self) -> int:
        """How many octets are left."""
        return len(self.octets) - self.position

    def length(self) -> int:
        """An A-XDR length: one octet below 128, else 0x80 + n and n octets (at most 4)."""
        first = self.octet()
        if first < 0x80:
            return first
        if not 1 <= first & 0x7F <= 4:
            raise Malformed("A length takes at most four octets.")
        value = int.from_bytes(self.take(first & 0x7F), "big")
        if value > LENGTH_MAX:
            raise Malformed(f"A length of {value} exceeds the limit of {LENGTH_MAX}.")
        return value

    def count_elements(self, count: int) -> None:
        """Charge `count` elements to the message's budget."""
        self._elements += count
        if self._elements > ELEMENTS_MAX:
            raise Malformed(f"A message holds at most {ELEMENTS_MAX} elements.")

    def end(self) -> None:
        """Assert that nothing is left over."""
        if self.remaining():
            raise Malformed(f"{self.remaining()} octets are left over.")


def encode_length(value: int) -> bytes:
    """The shortest A-XDR length."""
    if not 0 <= value <= LENGTH_MAX:
        raise Unencodable(f"A length is 0 to {LENGTH_MAX}, not {value}.")
    if value < 0x80:
        return bytes((value,))
    width = 1 if value < 0x100 else 2
    return bytes((0x80 | width,)) + value.to_bytes(width, "big")
