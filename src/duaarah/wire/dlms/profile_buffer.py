# SPDX-License-Identifier: Apache-2.0
"""The buffer of a profile (IEC 62056-6-2, class 7, and its compressed forms): rows as they were captured, and back.

null-data stands for the value above; in the clock's column for the clock above and one capture period more. A delta
type (tags 28-33) stands for the value above plus the delta, and takes the type of the value above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from duaarah.wire.dlms.data import CODES, INTEGER_TAGS, NULL, Data, Tag
from duaarah.wire.dlms.datetime import OCTETS, DateTime
from duaarah.wire.dlms.errors import Malformed

Row = tuple[Data, ...]
# The signed deltas from the narrowest on: tag, lowest, highest.
_DELTAS = tuple(
    (tag, -(1 << bits - 1), (1 << bits - 1) - 1)
    for tag, bits in ((Tag.DELTA_INTEGER, 8), (Tag.DELTA_LONG, 16), (Tag.DELTA_DOUBLE_LONG, 32))
)
_DELTA_TAGS = frozenset(tag for tag in Tag if tag.name.startswith("DELTA"))
_OCTETS = {"b": 1, "h": 2, "i": 4, "q": 8}
_WIDTH = {tag: _OCTETS[CODES[tag].lower()] for tag in INTEGER_TAGS}


def next_clock(octets: bytes, period_s: int) -> bytes | None:
    """The 12 octets of a clock one period later; None when the date or the time is not specified."""
    clock = DateTime.from_octets(octets)
    try:
        later = datetime(  # noqa: DTZ001 local time of the meter; its deviation is kept
            clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second
        ) + timedelta(seconds=period_s)
    except (ValueError, OverflowError):
        return None
    weekday = clock.weekday if clock.weekday == 0xFF else later.isoweekday()
    return replace(
        clock,
        year=later.year,
        month=later.month,
        day=later.day,
        weekday=weekday,
        hour=later.hour,
        minute=later.minute,
        second=later.second,
    ).to_octets()


def _is_clock(data: Data) -> bool:
    return data.tag in (Tag.OCTET_STRING, Tag.DATE_TIME) and len(data.value) == OCTETS


def expand(buffer: Data, *, period_s: int) -> list[Row]:
    """The rows with every value in its place. The first column that holds a clock in the first row is the clock's.

    Raises:
        Malformed: rows of different widths, or a null or a delta with nothing above it to stand on.
    """
    rows: list[Row] = []
    above: Row = ()
    for row in buffer.value if buffer.tag is Tag.ARRAY else ():
        values = row.value if row.tag is Tag.STRUCTURE else (row,)
        if rows and len(values) != len(above):
            raise Malformed("The rows of a profile are of one width.")
        above = tuple([_expanded(values[at], above[at] if above else None, period_s) for at in range(len(values))])
        rows.append(above)
    return rows


def _expanded(value: Data, above: Data | None, period_s: int) -> Data:
    if value.tag is Tag.NULL:
        if above is None or not _is_clock(above):
            return value if above is None else above
        later = next_clock(above.value, period_s)
        return NULL if later is None else Data(above.tag, later)
    if value.tag not in _DELTA_TAGS:
        return value
    if above is None or above.tag not in INTEGER_TAGS:
        raise Malformed("A delta has no number above it.")
    return Data(above.tag, above.value + value.value)


def compress(rows: Sequence[Row], *, period_s: int, delta: bool) -> Data:
    """The buffer with null-data, and deltas if asked for, wherever they say the same in fewer octets."""
    out, above = [], None
    for row in rows:
        if above is None:
            out.append(Data(Tag.STRUCTURE, row))
        else:
            pairs = zip(row, above, strict=True)
            out.append(Data(Tag.STRUCTURE, tuple([_compressed(now, was, period_s, delta) for now, was in pairs])))
        above = row
    return Data(Tag.ARRAY, tuple(out))


def _compressed(value: Data, above: Data, period_s: int, delta: bool) -> Data:
    if _is_clock(above):
        return NULL if value == Data(above.tag, next_clock(above.value, period_s)) else value
    if value == above:
        return NULL
    if delta and value.tag is above.tag and value.tag in INTEGER_TAGS and value.tag not in _DELTA_TAGS:
        step = value.value - above.value
        for tag, lowest, highest in _DELTAS:
            if lowest <= step <= highest and _WIDTH[tag] < _WIDTH[value.tag]:
                return Data(tag, step)
    return value
