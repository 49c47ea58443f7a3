# SPDX-License-Identifier: Apache-2.0
"""Many equal rows at once: interval data is the same few types over and over, so it is unpacked by columns.

A layout says where each row holds its tags and its values. One slice a tag proves that all rows are alike; the
values then come out by one compiled `struct`. What is not alike is left to the reader that goes value by value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from itertools import repeat
from typing import NamedTuple, cast

from duaarah.wire.dlms.data import CODES, NULL, Data, Tag

# What makes a Data out of a pair without a Python frame for each of the ten thousand values.
new = cast(Callable[[Iterable[object]], Data], partial(tuple.__new__, Data))
# One octet has 256 values: they are looked up, not made.
_SMALL = {tag: tuple(Data(tag, value) for value in range(256)) for tag, code in CODES.items() if code == "B"}
Shape = tuple[tuple[Tag, int], ...]  # a tag and, for an octet-string, its length


class Layout(NamedTuple):
    """`size` octets a row; `fixed` = (offset, octet) that every row shares; a null-data has a tag and no value."""

    size: int
    fixed: tuple[tuple[int, int], ...]
    unpack: struct.Struct
    tags: tuple[Tag, ...]
    in_structure: bool


@lru_cache(maxsize=512)
def layout(shape: Shape, *, in_structure: bool, tagged: bool) -> Layout | None:
    """The layout of rows of this shape, None when a row's width cannot be told from its shape."""
    code, fixed, offset = ">", list[tuple[int, int]](), 0

    def shared(octet: int) -> None:
        nonlocal code, offset
        code += "x"
        fixed.append((offset, octet))
        offset += 1

    if in_structure and tagged:
        shared(Tag.STRUCTURE)
        shared(len(shape))
    for tag, length in shape:
        if tagged:
            shared(tag)
        if tag is Tag.NULL:
            continue
        if tag is Tag.OCTET_STRING:
            shared(length)
        value = f"{length}s" if tag is Tag.OCTET_STRING else CODES[tag]
        code += value
        offset += struct.calcsize(">" + value)
    if not offset or len(shape) > 127:
        return None
    return Layout(offset, tuple(fixed), struct.Struct(code), tuple(tag for tag, _ in shape), in_structure)


def layout_like(row: Data) -> Layout | None:
    """The layout of rows that look like this one, its tags included; None when they have no fixed width."""
    in_structure = row.tag is Tag.STRUCTURE
    shape = list[tuple[Tag, int]]()
    for tag, value in row.value if in_structure else (row,):
        if tag is Tag.OCTET_STRING and len(value) < 0x80:
            shape.append((tag, len(value)))
        elif tag in CODES or tag is Tag.NULL:
            shape.append((tag, 0))
        else:
            return None
    return layout(tuple(shape), in_structure=in_structure, tagged=True)


def unpack(kind: Layout, octets: bytes, start: int, count: int) -> tuple[Data, ...] | None:
    """`count` rows from `start` on, or None when one of them is not of this layout."""
    size = kind.size
    part = octets[start : start + size * count]
    if len(part) != size * count:
        return None
    for offset, octet in kind.fixed:
        if part[offset::size].count(octet) != count:
            return None
    values = iter(zip(*kind.unpack.iter_unpack(part), strict=True))
    columns = [repeat(NULL, count) if tag is Tag.NULL else _column(tag, next(values)) for tag in kind.tags]
    if not kind.in_structure:
        return tuple(columns[0])
    return tuple(map(new, zip(repeat(Tag.STRUCTURE), zip(*columns, strict=True), strict=False)))


def _column(tag: Tag, values: Iterable[object]) -> Iterable[Data]:
    small = _SMALL.get(tag)
    if small is not None:
        return map(small.__getitem__, cast(Iterable[int], values))
    return map(new, zip(repeat(tag), values, strict=False))
