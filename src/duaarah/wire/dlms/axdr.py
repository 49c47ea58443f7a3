# SPDX-License-Identifier: Apache-2.0
"""A-XDR (IEC 61334-6) coding of the COSEM type Data (IEC 62056-5-3, clause 9.5; types in IEC 62056-6-2, 4.1.5).

`Data` keeps the type beside the value, so that decoding and encoding give the same octets back. Limits on depth and
on the number of elements make every hostile input cheap to refuse.
"""

from __future__ import annotations

import struct
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


class Data(NamedTuple):
    """A typed value: None, bool, int, float, bytes (octets, date, time), str (text; "0101" for bits), tuple of Data."""

    tag: Tag
    value: Any


# tag -> (octets, signed)
_INTEGERS = {
    Tag.DOUBLE_LONG: (4, True),
    Tag.DOUBLE_LONG_UNSIGNED: (4, False),
    Tag.BCD: (1, True),
    Tag.INTEGER: (1, True),
    Tag.LONG: (2, True),
    Tag.UNSIGNED: (1, False),
    Tag.LONG_UNSIGNED: (2, False),
    Tag.LONG64: (8, True),
    Tag.LONG64_UNSIGNED: (8, False),
    Tag.ENUM: (1, False),
    Tag.DELTA_INTEGER: (1, True),
    Tag.DELTA_LONG: (2, True),
    Tag.DELTA_DOUBLE_LONG: (4, True),
    Tag.DELTA_UNSIGNED: (1, False),
    Tag.DELTA_LONG_UNSIGNED: (2, False),
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: (4, False),
}
INTEGER_TAGS = frozenset(_INTEGERS)
_FIXED_OCTETS = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}
_FLOATS = {Tag.FLOAT32: ">f", Tag.FLOAT64: ">d"}
_TAGS = {int(tag): tag for tag in Tag}


class Reader:
    """A cursor over octets that never reads past the end; `elements` counts what a message has unfolded so far."""

    __slots__ = ("_elements", "_octets", "position")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._elements = 0
        self.position = 0

    def take(self, count: int) -> bytes:
        """The next `count` octets, or Incomplete."""
        end = self.position + count
        if end > len(self._octets):
            raise Incomplete(f"{count} octets expected at offset {self.position}, the message ends before.")
        part = self._octets[self.position : end]
        self.position = end
        return part

    def octet(self) -> int:
        """The next octet as a number."""
        return self.take(1)[0]

    def peek(self) -> int | None:
        """The next octet without taking it, None at the end."""
        return self._octets[self.position] if self.position < len(self._octets) else None

    def remaining(self) -> int:
        """How many octets are left."""
        return len(self._octets) - self.position

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


def decode(octets: bytes) -> Data:
    """Exactly one value; anything left over is Malformed."""
    reader = Reader(octets)
    data = read(reader)
    reader.end()
    return data


def read(reader: Reader, depth: int = 0) -> Data:
    """One value, its tag first."""
    number = reader.octet()
    tag = _TAGS.get(number)
    if tag is None:
        raise Malformed(f"{number} is not a type tag of Data.")
    reader.count_elements(1)
    if tag is Tag.COMPACT_ARRAY:
        return _read_compact_array(reader, depth)
    if tag is Tag.ARRAY or tag is Tag.STRUCTURE:
        if depth >= DEPTH_MAX:
            raise Malformed(f"Values nest at most {DEPTH_MAX} deep.")
        count = reader.length()
        if count > reader.remaining():  # every element takes at least its tag
            raise Incomplete(f"{count} elements are announced, {reader.remaining()} octets are left.")
        return Data(tag, tuple([read(reader, depth + 1) for _ in range(count)]))
    return Data(tag, _read_scalar(reader, tag))


def _read_scalar(reader: Reader, tag: Tag) -> Any:
    integer = _INTEGERS.get(tag)
    if integer is not None:
        return int.from_bytes(reader.take(integer[0]), "big", signed=integer[1])
    if tag is Tag.NULL:
        return None
    if tag is Tag.BOOLEAN:
        return reader.octet() != 0
    if tag is Tag.OCTET_STRING:
        return reader.take(reader.length())
    if tag is Tag.VISIBLE_STRING or tag is Tag.UTF8_STRING:
        octets = reader.take(reader.length())
        try:
            return octets.decode("ascii" if tag is Tag.VISIBLE_STRING else "utf-8")
        except UnicodeDecodeError:
            raise Malformed(f"A {tag.name.lower()} holds octets outside its alphabet.") from None
    if tag is Tag.BIT_STRING:
        return _read_bits(reader)
    if tag in _FIXED_OCTETS:
        return reader.take(_FIXED_OCTETS[tag])
    layout = _FLOATS[tag]
    return struct.unpack(layout, reader.take(struct.calcsize(layout)))[0]


def _read_bits(reader: Reader) -> str:
    count = reader.length()
    octets = reader.take((count + 7) // 8)
    bits = format(int.from_bytes(octets, "big"), f"0{len(octets) * 8}b") if octets else ""
    if "1" in bits[count:]:
        raise Malformed("The unused bits of a bit-string are not zero.")
    return bits[:count]


class _Type(NamedTuple):
    """A type description of a compact-array: a simple tag, or an array/structure of further descriptions."""

    tag: Tag
    size: int
    inner: tuple[_Type, ...]


def _read_type(reader: Reader, depth: int) -> _Type:
    if depth >= DEPTH_MAX:
        raise Malformed(f"Types nest at most {DEPTH_MAX} deep.")
    number = reader.octet()
    tag = _TAGS.get(number)
    if tag is None or tag is Tag.COMPACT_ARRAY:
        raise Malformed(f"{number} is not a type of a compact-array.")
    reader.count_elements(1)
    if tag is Tag.ARRAY:
        return _Type(tag, int.from_bytes(reader.take(2), "big"), (_read_type(reader, depth + 1),))
    if tag is Tag.STRUCTURE:
        count = reader.length()
        if count > reader.remaining():
            raise Incomplete(f"{count} types are announced, {reader.remaining()} octets are left.")
        return _Type(tag, count, tuple([_read_type(reader, depth + 1) for _ in range(count)]))
    return _Type(tag, 0, ())


def _read_compact_array(reader: Reader, depth: int) -> Data:
    """A compact-array, given back expanded as the array it stands for."""
    kind = _read_type(reader, depth)
    contents = Reader(reader.take(reader.length()))
    elements: list[Data] = []
    while contents.remaining():
        before = contents.position
        elements.append(_read_untagged(reader, contents, kind))
        if contents.position == before:
            raise Malformed("An element of a compact-array takes no octets.")
    return Data(Tag.ARRAY, tuple(elements))


def _read_untagged(budget: Reader, contents: Reader, kind: _Type) -> Data:
    budget.count_elements(1)
    if kind.tag is Tag.ARRAY:
        return Data(kind.tag, tuple([_read_untagged(budget, contents, kind.inner[0]) for _ in range(kind.size)]))
    if kind.tag is Tag.STRUCTURE:
        return Data(kind.tag, tuple([_read_untagged(budget, contents, inner) for inner in kind.inner]))
    return Data(kind.tag, _read_scalar(contents, kind.tag))


def encode(data: Data) -> bytes:
    """The octets of one value; Unencodable when it does not fit its type."""
    out = bytearray()
    _write(out, data, 0)
    return bytes(out)


def _write(out: bytearray, data: Data, depth: int) -> None:
    tag, value = data
    out.append(tag)
    if tag in (Tag.ARRAY, Tag.STRUCTURE):
        if depth >= DEPTH_MAX:
            raise Unencodable(f"Values nest at most {DEPTH_MAX} deep.")
        out += encode_length(len(value))
        for element in value:
            _write(out, element, depth + 1)
        return
    try:
        out += _scalar_octets(tag, value)
    except (OverflowError, UnicodeEncodeError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise Unencodable(f"The value does not fit the type {Tag(tag).name.lower()}.") from error


def _scalar_octets(tag: Tag, value: Any) -> bytes:
    integer = _INTEGERS.get(tag)
    if integer is not None:
        return int(value).to_bytes(integer[0], "big", signed=integer[1])
    if tag is Tag.NULL:
        return b""
    if tag is Tag.BOOLEAN:
        return b"\x01" if value else b"\x00"
    if tag is Tag.OCTET_STRING:
        return encode_length(len(value)) + bytes(value)
    if tag is Tag.VISIBLE_STRING or tag is Tag.UTF8_STRING:
        octets = value.encode("ascii" if tag is Tag.VISIBLE_STRING else "utf-8")
        return encode_length(len(octets)) + bytes(octets)
    if tag is Tag.BIT_STRING:
        padded = value + "0" * (-len(value) % 8)
        return encode_length(len(value)) + (int(padded, 2).to_bytes(len(padded) // 8, "big") if padded else b"")
    if tag in _FIXED_OCTETS:
        if len(value) != _FIXED_OCTETS[tag]:
            raise ValueError("fixed width")
        return bytes(value)
    if tag in _FLOATS:
        return struct.pack(_FLOATS[tag], value)
    raise Unencodable("A compact-array is read, never written.")


def structure(*elements: Data) -> Data:
    """A structure of the given elements."""
    return Data(Tag.STRUCTURE, elements)


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(Tag.OCTET_STRING, value)
