# SPDX-License-Identifier: Apache-2.0
"""A-XDR (IEC 61334-6) coding of the COSEM type Data (IEC 62056-5-3, clause 9.5; types in IEC 62056-6-2, 4.1.5).

`Data` keeps the type beside the value, so that decoding and encoding give the same octets back. Limits on depth and
on the number of elements make every hostile input cheap to refuse. Two liberties with what real meters send: unused
bits of a bit-string may be set, and what is no text in a visible- or utf8-string is shown as U+FFFD.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from duaarah.wire.dlms import rows
from duaarah.wire.dlms.data import CODES, DEPTH_MAX, ELEMENTS_MAX, INTEGER_TAGS, Data, Reader, Tag, encode_length
from duaarah.wire.dlms.errors import Incomplete, Malformed, Unencodable

__all__ = [
    "DEPTH_MAX",
    "ELEMENTS_MAX",
    "INTEGER_TAGS",
    "Data",
    "Reader",
    "Tag",
    "decode",
    "encode",
    "encode_length",
    "octets",
    "read",
    "structure",
]

_TAGS = {int(tag): tag for tag in Tag}
_STRUCTS = {tag: struct.Struct(">" + code) for tag, code in CODES.items()}
# By tag: octets with the tag, the tag, and what reads the value; None where the width is not fixed.
_QUICK: list[tuple[int, Tag, Callable[[bytes, int], tuple[Any, ...]]] | None] = [None] * 256
for _tag, _struct in _STRUCTS.items():
    _QUICK[_tag] = (1 + _struct.size, _tag, _struct.unpack_from)
_QUICK[Tag.NULL] = (1, Tag.NULL, lambda octets, position: (None,))
_RUN_MIN = 4  # fewer equal rows are read one by one


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
    scalar = _SCALARS.get(tag)
    if scalar is not None:
        return Data(tag, scalar(reader))
    if depth >= DEPTH_MAX:
        raise Malformed(f"Values nest at most {DEPTH_MAX} deep.")
    if tag is Tag.COMPACT_ARRAY:
        return _read_compact_array(reader, depth)
    count = reader.length()
    if count > reader.remaining():  # every element takes at least its tag
        raise Incomplete(f"{count} elements are announced, {reader.remaining()} octets are left.")
    if tag is Tag.ARRAY and count > _RUN_MIN:
        return Data(tag, _read_rows(reader, count, depth + 1))
    return Data(tag, _read_elements(reader, count, depth + 1))


def _read_elements(reader: Reader, count: int, depth: int) -> tuple[Data, ...]:
    """`count` values of any types; those of a fixed width, which most are, without a call for each."""
    octets, elements = reader.octets, list[Data]()
    end, quick = len(octets), 0
    for _ in range(count):
        position = reader.position
        fixed = _QUICK[octets[position]] if position < end else None
        if fixed is None or position + fixed[0] > end:
            elements.append(read(reader, depth))
            continue
        width, tag, unpack_from = fixed
        elements.append(rows.new((tag, unpack_from(octets, position + 1)[0])))
        reader.position = position + width
        quick += 1
    reader.count_elements(quick)
    return tuple(elements)


def _read_rows(reader: Reader, count: int, depth: int) -> tuple[Data, ...]:
    """The elements of an array: as soon as one is like all that follow, they are taken at once."""
    elements: list[Data] = []
    while len(elements) < count:
        start = reader.position
        row = read(reader, depth)
        elements.append(row)
        left = count - len(elements)
        # Null compression changes the first row or two, so two trials find nearly every run.
        if len(elements) > 2 or left < _RUN_MIN or row.tag in (Tag.ARRAY, Tag.COMPACT_ARRAY):
            continue
        kind = rows.layout_like(row)
        if kind is None or kind.size != reader.position - start:
            continue
        run = rows.unpack(kind, reader.octets, reader.position, left)
        if run is not None:
            reader.count_elements(left * (len(kind.tags) + kind.in_structure))
            reader.position += left * kind.size
            return (*elements, *run)
    return tuple(elements)


def _read_bits(reader: Reader) -> str:
    count = reader.length()
    octets = reader.take((count + 7) // 8)
    return format(int.from_bytes(octets, "big"), f"0{len(octets) * 8}b")[:count] if octets else ""


def _fixed(kind: struct.Struct) -> Callable[[Reader], Any]:
    size, unpack = kind.size, kind.unpack
    return lambda reader: unpack(reader.take(size))[0]


_SCALARS: dict[Tag, Callable[[Reader], Any]] = {
    **{tag: _fixed(kind) for tag, kind in _STRUCTS.items()},
    Tag.NULL: lambda reader: None,
    Tag.DONT_CARE: lambda reader: None,
    Tag.BIT_STRING: _read_bits,
    Tag.OCTET_STRING: lambda reader: reader.take(reader.length()),
    Tag.VISIBLE_STRING: lambda reader: reader.take(reader.length()).decode("ascii", "replace"),
    Tag.UTF8_STRING: lambda reader: reader.take(reader.length()).decode("utf-8", "replace"),
}


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
    run = _compact_rows(reader, contents, kind)
    if run is not None:
        return Data(Tag.ARRAY, run)
    elements: list[Data] = []
    while contents.remaining():
        before = contents.position
        elements.append(_read_untagged(reader, contents, kind))
        if contents.position == before:
            raise Malformed("An element of a compact-array takes no octets.")
    return Data(Tag.ARRAY, tuple(elements))


def _compact_rows(budget: Reader, contents: Reader, kind: _Type) -> tuple[Data, ...] | None:
    """All elements at once when their width is fixed, else None."""
    in_structure = kind.tag is Tag.STRUCTURE
    inner = kind.inner if in_structure else (kind,)
    if not all(part.tag in CODES or part.tag is Tag.NULL for part in inner):
        return None
    flat = rows.layout(tuple([(part.tag, 0) for part in inner]), in_structure=in_structure, tagged=False)
    if flat is None or contents.remaining() % flat.size:
        return None
    count = contents.remaining() // flat.size
    budget.count_elements(count * (len(inner) + in_structure))
    return rows.unpack(flat, contents.octets, 0, count) if count else ()


def _read_untagged(budget: Reader, contents: Reader, kind: _Type) -> Data:
    budget.count_elements(1)
    if kind.tag is Tag.ARRAY:
        return Data(kind.tag, tuple([_read_untagged(budget, contents, kind.inner[0]) for _ in range(kind.size)]))
    if kind.tag is Tag.STRUCTURE:
        return Data(kind.tag, tuple([_read_untagged(budget, contents, inner) for inner in kind.inner]))
    return Data(kind.tag, _SCALARS[kind.tag](contents))


def encode(data: Data) -> bytes:
    """The octets of one value; Unencodable when it does not fit its type.

    A COMPACT_ARRAY takes its elements as an ARRAY does; they are of one type, which the first one shows, so that an
    empty one has none and is Unencodable. It is read back as the ARRAY it stands for.
    """
    out = bytearray()
    _write(out, data, 0)
    return bytes(out)


def _write(out: bytearray, data: Data, depth: int) -> None:
    tag, value = data
    out.append(tag)
    if tag in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY):
        if depth >= DEPTH_MAX:
            raise Unencodable(f"Values nest at most {DEPTH_MAX} deep.")
        if tag is Tag.COMPACT_ARRAY:
            _write_compact_array(out, value, depth)
            return
        out += encode_length(len(value))
        for element in value:
            _write(out, element, depth + 1)
        return
    _write_scalar(out, tag, value)


def _write_compact_array(out: bytearray, elements: tuple[Data, ...], depth: int) -> None:
    if not elements:
        raise Unencodable("A compact-array without elements has no type.")
    kind, contents = _type_of(elements[0], depth), bytearray()
    _write_type(out, kind)
    for element in elements:
        _write_untagged(contents, element, kind)
    if not contents:
        raise Unencodable("An element of a compact-array takes octets.")
    out += encode_length(len(contents)) + contents


def _type_of(data: Data, depth: int) -> _Type:
    if depth >= DEPTH_MAX:
        raise Unencodable(f"Types nest at most {DEPTH_MAX} deep.")
    if data.tag is Tag.COMPACT_ARRAY or (data.tag is Tag.ARRAY and not data.value):
        raise Unencodable("A compact-array or an empty array has no type description.")
    if data.tag is Tag.ARRAY:
        return _Type(data.tag, len(data.value), (_type_of(data.value[0], depth + 1),))
    if data.tag is Tag.STRUCTURE:
        return _Type(data.tag, len(data.value), tuple([_type_of(inner, depth + 1) for inner in data.value]))
    return _Type(data.tag, 0, ())


def _write_type(out: bytearray, kind: _Type) -> None:
    out.append(kind.tag)
    if kind.tag is Tag.ARRAY:
        if kind.size > 0xFFFF:
            raise Unencodable("An array in a compact-array has at most 65,535 elements.")
        out += kind.size.to_bytes(2, "big")
    elif kind.tag is Tag.STRUCTURE:
        out += encode_length(kind.size)
    for inner in kind.inner:
        _write_type(out, inner)


def _write_untagged(out: bytearray, data: Data, kind: _Type) -> None:
    container = kind.tag in (Tag.ARRAY, Tag.STRUCTURE)
    if data.tag is not kind.tag or (container and len(data.value) != kind.size):
        raise Unencodable("The elements of a compact-array are all of one type.")
    if container:
        inner = kind.inner * kind.size if kind.tag is Tag.ARRAY else kind.inner
        for element, part in zip(data.value, inner, strict=True):
            _write_untagged(out, element, part)
        return
    _write_scalar(out, data.tag, data.value)


def _write_scalar(out: bytearray, tag: Tag, value: Any) -> None:
    try:
        out += _scalar_octets(tag, value)
    except (OverflowError, UnicodeEncodeError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise Unencodable(f"The value does not fit the type {Tag(tag).name.lower()}.") from error


def _scalar_octets(tag: Tag, value: Any) -> bytes:
    kind = _STRUCTS.get(tag)
    if kind is not None:
        if tag not in INTEGER_TAGS and tag is not Tag.BOOLEAN and not isinstance(value, float):
            value = bytes(value) if isinstance(value, bytes | bytearray) else float(value)
            if isinstance(value, bytes) and len(value) != kind.size:  # struct would pad or cut
                raise ValueError("fixed width")
        return kind.pack(value)
    if tag is Tag.NULL or tag is Tag.DONT_CARE:
        return b""
    if tag is Tag.OCTET_STRING:
        return encode_length(len(value)) + bytes(value)
    if tag is Tag.VISIBLE_STRING or tag is Tag.UTF8_STRING:
        octets = value.encode("ascii" if tag is Tag.VISIBLE_STRING else "utf-8")
        return encode_length(len(octets)) + bytes(octets)
    padded = value + "0" * (-len(value) % 8)
    return encode_length(len(value)) + (int(padded, 2).to_bytes(len(padded) // 8, "big") if padded else b"")


def structure(*elements: Data) -> Data:
    """A structure of the given elements."""
    return Data(Tag.STRUCTURE, elements)


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(Tag.OCTET_STRING, value)
