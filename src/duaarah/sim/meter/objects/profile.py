# SPDX-License-Identifier: Apache-2.0
"""Profile generic (7): rings of rows, selective access by range (1) and by entry (2); rows are encoded once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from duaarah.core.obis import Obis
from duaarah.sim.meter.objects.base import Attribute, CosemObject, Value, array, computed, constant, enum, u16, u32
from duaarah.wire.dlms import axdr
from duaarah.wire.dlms.apdu import SUCCESS, TYPE_UNMATCHED
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.datetime import DEVIATION_ANY, DateTime
from duaarah.wire.dlms.errors import DlmsError

BY_RANGE, BY_ENTRY = 1, 2
_FIFO = 1


@dataclass(frozen=True, slots=True)
class Column:
    """A capture object: class, logical name, attribute."""

    class_id: int
    obis: Obis
    attribute: int

    def definition(self) -> Data:
        """As capture_objects lists it."""
        return structure(u16(self.class_id), octets(self.obis.to_octets()), Data(Tag.INTEGER, self.attribute), u16(0))


@dataclass(frozen=True, slots=True)
class Row:
    """One entry: when, its values behind the clock, and the whole of it in A-XDR."""

    at: datetime
    cells: tuple[Data, ...]
    encoded: bytes


class Profile:
    """A ring of rows whose first column is the clock. `period_s` 0: rows come by events."""

    def __init__(self, obis: Obis, columns: tuple[Column, ...], *, period_s: int, capacity: int) -> None:
        self.obis, self.columns, self.period_s, self.capacity = obis, columns, period_s, capacity
        self.rows: deque[Row] = deque(maxlen=capacity)

    def add(self, at: datetime, *values: Data) -> None:
        """A row at the end; the oldest leaves a full ring."""
        if len(values) + 1 != len(self.columns):
            raise ValueError("A row has a value for each column behind the clock.")
        cells = (octets(DateTime.from_instant(at).to_octets()), *values)
        self.rows.append(Row(at, cells, axdr.encode(structure(*cells))))

    def due(self, now: datetime) -> list[datetime]:
        """The ends of periods since the latest row, at most a ring full of them; none before the first row."""
        if not self.rows or not self.period_s:
            return []
        step = timedelta(seconds=self.period_s)
        missing = (now - self.rows[-1].at) // step
        start = max(missing - self.capacity, 0) + 1
        return [self.rows[-1].at + step * number for number in range(start, missing + 1)]

    def cosem(self) -> CosemObject:
        """Class 7."""
        clock = self.columns[0]
        return CosemObject(
            7,
            1,
            self.obis,
            {
                2: Attribute(lambda: _encode(list(self.rows)), None, self.select, (BY_RANGE, BY_ENTRY)),
                3: constant(array(column.definition() for column in self.columns)),
                4: constant(u32(self.period_s)),
                5: constant(enum(_FIFO)),
                6: constant(clock.definition()),
                7: computed(lambda: u32(len(self.rows))),
                8: constant(u32(self.capacity)),
            },
            {1: self._reset},
        )

    def _reset(self, _parameter: Data | None) -> tuple[int, Data | None]:
        self.rows.clear()
        return SUCCESS, None

    def select(self, selector: int, selection: Data) -> Value:
        """The rows that a descriptor names; TYPE_UNMATCHED when it is none."""
        try:
            if selector == BY_RANGE:
                return self._by_range(selection)
            if selector == BY_ENTRY:
                return self._by_entry(selection)
        except (DlmsError, TypeError, ValueError, IndexError, AttributeError):
            pass
        return TYPE_UNMATCHED

    def _by_range(self, selection: Data) -> Value:
        restricting, first, last, selected = selection.value
        if Obis.from_octets(restricting.value[1].value) != self.columns[0].obis:
            return TYPE_UNMATCHED
        zone = (self.rows[0].at.tzinfo if self.rows else None) or UTC
        begin, end = _bound(first, zone, latest=False), _bound(last, zone, latest=True)
        rows = [row for row in self.rows if begin <= row.at <= end]
        if not selected.value:
            return _encode(rows)
        wanted = [
            number
            for item in selected.value
            for number, column in enumerate(self.columns)
            if column.definition().value[:3] == item.value[:3]
        ]
        return _cut(rows, wanted)

    def _by_entry(self, selection: Data) -> Value:
        first, last, first_column, last_column = (int(item.value) for item in selection.value)
        if first < 1 or first_column < 1:
            return TYPE_UNMATCHED
        rows = list(self.rows)[first - 1 : last or None]
        last_column = last_column or len(self.columns)
        if (first_column, last_column) == (1, len(self.columns)):
            return _encode(rows)
        return _cut(rows, list(range(first_column - 1, min(last_column, len(self.columns)))))


def _encode(rows: list[Row]) -> bytes:
    return bytes((Tag.ARRAY,)) + axdr.encode_length(len(rows)) + b"".join([row.encoded for row in rows])


def _cut(rows: list[Row], wanted: list[int]) -> Data:
    return array(structure(*(row.cells[number] for number in wanted)) for row in rows)


def _bound(value: Data, zone: tzinfo, *, latest: bool) -> datetime:
    """An end of a range; without a deviation in the meter's local time, a date of wildcards is without bound."""
    stamp = DateTime.from_octets(value.value)
    if stamp.year == 0xFFFF:
        return datetime.max.replace(tzinfo=UTC) if latest else datetime.min.replace(tzinfo=UTC)
    if stamp.deviation_min != DEVIATION_ANY:
        zone = timezone(-timedelta(minutes=stamp.deviation_min))
    month, day = (12 if latest else 1) if stamp.month > 12 else stamp.month, stamp.day if stamp.day <= 31 else 1
    parts = (stamp.hour, stamp.minute, stamp.second)
    limits = (23, 59, 59) if latest else (0, 0, 0)
    hour, minute, second = (limit if part == 0xFF else part for part, limit in zip(parts, limits, strict=True))
    return datetime(stamp.year, month, day, hour, minute, second, tzinfo=zone)
