# SPDX-License-Identifier: Apache-2.0
"""From the elements of a push body to the fields of its report, as the profile's columns say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, cast

from duaarah.core.reports import LOGGED_MAX, Interval, LoadProfile, LoggedOutage, ReportError
from duaarah.core.units import UnitError, to_whole
from duaarah.drivers.pushes import BUFFER, NUMBER, TEXT, TIME, Channel, Column, PushBody
from duaarah.wire.dlms import axdr, profile_buffer
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.data import INTEGER_TAGS
from duaarah.wire.dlms.datetime import DEVIATION_ANY, DateTime
from duaarah.wire.dlms.datetime import OCTETS as DATE_TIME_OCTETS
from duaarah.wire.dlms.errors import DlmsError

# The types that stand for their own number; a delta stands on the row above.
_PLAIN_TAGS = frozenset(tag for tag in INTEGER_TAGS if not tag.name.startswith("DELTA"))
_TAG, _VALUE = itemgetter(0), itemgetter(1)
_TEXT_TAGS = frozenset({Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING})
YEAR_MIN, YEAR_MAX = 2000, 2099
_CLOCK_TAGS = frozenset({Tag.OCTET_STRING, Tag.DATE_TIME})


class NoMatch(Exception):
    """This body is not that push."""


def may_be(body: PushBody, elements: Sequence[Data]) -> bool:
    """Whether these elements have the number and the mark of that push: of a dozen bodies most are told apart so."""
    mark = body.mark
    return len(elements) == len(body.columns) and (mark is None or elements[mark[0]].value == mark[1])


def match(body: PushBody, elements: Sequence[Data]) -> dict[str, Any]:
    """The fields of a push by name, or NoMatch at the first element that is not as the profile says."""
    if len(elements) != len(body.columns):
        raise NoMatch
    fields: dict[str, Any] = dict(body.fixed)
    for column, element in zip(body.columns, elements, strict=True):
        value = _element(column, element)
        if column.constant is not None:
            if value.value != column.constant:
                raise NoMatch
        elif column.field is not None and column.field != "skip":
            fields[column.field] = _field(column, value, body.utc_offset_min)
    return fields


def _element(column: Column, element: Data) -> Data:
    if column.obis is not None:
        if element.tag is not Tag.STRUCTURE or len(element.value) != 2:
            raise NoMatch
        name, element = element.value
        if name != axdr.octets(column.obis.to_octets()):
            raise NoMatch
    if element.tag is Tag.NULL and column.null_absent:
        return element
    if not _fits(column, element.tag):
        raise NoMatch
    return element


def _fits(column: Column, tag: Tag) -> bool:
    if column.tag is not None:
        return tag is column.tag
    if column.kind == TIME:
        return tag in _CLOCK_TAGS or tag is Tag.DOUBLE_LONG_UNSIGNED
    if column.kind in (NUMBER, TEXT):
        return tag in (INTEGER_TAGS if column.kind == NUMBER else _TEXT_TAGS)
    return tag is Tag.ARRAY  # a compact-array is read as the array it stands for


def _field(column: Column, data: Data, offset_min: int | None) -> Any:
    if column.kind == BUFFER:
        return data
    if column.entry:
        return _log(column, data, offset_min)
    if column.field == "clock" or column.kind == TIME:
        return instant(data, offset_min)
    if data.value is None or data.value == column.absent:
        return None
    if column.kind == TEXT:
        return _text(data)
    if column.words is not None:
        return _word(column, data.value)
    if column.field in ("relay_closed", "begins"):
        if data.value not in (0, 1):
            raise NoMatch
        return bool(data.value)
    return _whole(data.value, column.scaler)


def _whole(raw: int, scaler: int) -> int:
    try:
        return to_whole(raw, scaler)
    except UnitError:
        raise NoMatch from None


def _word(column: Column, number: int) -> str:
    assert column.words is not None
    try:
        return column.words[number]
    except KeyError:
        raise NoMatch from None


def _text(data: Data) -> str:
    text = data.value.decode("latin-1") if isinstance(data.value, bytes) else data.value
    return "".join(letter for letter in text if letter.isprintable()).strip()


def instant(data: Data, offset_min: int | None) -> datetime | None:
    """Twelve octets, or seconds since 1970; None when it is not set. `offset_min` serves where the deviation is absent."""
    if data.tag is Tag.NULL:
        return None
    if data.tag is Tag.DOUBLE_LONG_UNSIGNED:
        return plausible(datetime.fromtimestamp(data.value, UTC))
    if data.tag not in _CLOCK_TAGS or len(data.value) != DATE_TIME_OCTETS:
        raise NoMatch
    clock = DateTime.from_octets(data.value)
    if clock.deviation_min == DEVIATION_ANY and offset_min is not None:
        clock = dataclasses.replace(clock, deviation_min=-offset_min)
    return plausible(clock.to_instant())


def plausible(at: datetime | None) -> datetime | None:
    """None for a clock that was never set: no meter of ours lives outside this century."""
    return at if at is not None and YEAR_MIN <= at.year <= YEAR_MAX else None


def _log(column: Column, data: Data, offset_min: int | None) -> tuple[LoggedOutage, ...]:
    if data.tag is Tag.NULL:
        return ()
    if len(data.value) > LOGGED_MAX:
        raise NoMatch
    return tuple(_logged(column.entry, entry, offset_min) for entry in data.value)


def _logged(columns: tuple[Column, ...], entry: Data, offset_min: int | None) -> LoggedOutage:
    if entry.tag is not Tag.STRUCTURE or len(entry.value) != len(columns):
        raise NoMatch
    found: dict[str, Any] = {}
    for column, element in zip(columns, entry.value, strict=True):
        if column.field != "skip":
            found[str(column.field)] = _field(column, _element(column, element), offset_min)
    out_s = found.get("out_s")
    if out_s is None and found.get("end_at") is not None and found["begin_at"] is not None:
        out_s = int((found["end_at"] - found["begin_at"]).total_seconds())
    try:
        return LoggedOutage(found["begin_at"], out_s or 0)
    except ReportError:
        raise NoMatch from None


def load_profile(body: PushBody, fields: dict[str, Any], at: datetime | None) -> LoadProfile:
    """
    The intervals in a buffer: array or compact-array, null-compressed or with deltas, as one would find them in the
    meter. A row whose begin nobody can tell is left out. Raises NoMatch, ReportError.
    """
    period_s = body.period_s or fields.get("period_s") or 0
    start_at, step, buffer = fields.get("start_at"), timedelta(seconds=period_s), fields["buffer"]
    intervals = _plain_intervals(body, buffer, start_at, step)
    if intervals is None:
        try:
            rows = profile_buffer.expand(buffer, period_s=period_s)
        except DlmsError:
            raise NoMatch from None
        if any(len(row) != len(body.channels) for row in rows):
            raise NoMatch
        begins = [None if start_at is None else start_at + step * number for number in range(len(rows))]
        found = [_interval(body, row, begin_at, step) for row, begin_at in zip(rows, begins, strict=True)]
        intervals = [interval for interval in found if interval is not None]
    if buffer.value and not intervals:
        raise NoMatch
    names = tuple(channel.name for channel in body.channels if channel.name not in ("clock", "status", "skip"))
    return LoadProfile(period_s, names, tuple(intervals), at)


def _plain_intervals(body: PushBody, buffer: Data, start_at: datetime | None, step: timedelta) -> list[Interval] | None:
    """
    All rows at once, column by column, where each is complete and every column of one type, as most buffers are; None where
    it is not so: then they are read one by one.
    """
    columns = _columns(body, buffer)
    if columns is None:
        return None
    count = len(columns[0])
    begins: list[datetime | None] = [None if start_at is None else start_at + step * number for number in range(count)]
    statuses, values = [0] * count, []
    for channel, column in zip(body.channels, columns, strict=True):
        tag = column[0].tag
        if channel.name == "skip":
            continue
        if len(set(map(_TAG, column))) != 1 or tag is Tag.NULL:
            return None
        if channel.name == "clock":
            clocks = [instant(data, body.utc_offset_min) for data in column]
            back = step if body.stamped_at_end else timedelta(0)
            begins = [was if clock is None else clock - back for was, clock in zip(begins, clocks, strict=True)]
        elif channel.name == "status":
            statuses = [_status(data) for data in column]
        elif tag not in _PLAIN_TAGS:
            return None
        else:
            values.append(_numbers(channel, list(map(_VALUE, column))))
    rows = zip(*values, strict=True) if values else iter([()] * count)
    return [
        Interval(begin_at, status, row)
        for begin_at, status, row in zip(begins, statuses, rows, strict=True)
        if begin_at is not None
    ]


def _columns(body: PushBody, buffer: Data) -> list[tuple[Data, ...]] | None:
    """The buffer by columns; None where it has no rows, or rows of several widths."""
    found = buffer.value if buffer.tag is Tag.ARRAY else ()
    kinds = set(map(_TAG, found))
    if kinds == {Tag.STRUCTURE}:
        whole = set(map(len, map(_VALUE, found))) == {len(body.channels)}
        return list(zip(*map(_VALUE, found), strict=True)) if whole else None
    return [found] if len(kinds) == 1 and len(body.channels) == 1 else None


def _numbers(channel: Channel, raw: list[int]) -> list[int | None]:
    """Numbers of one column in the channel's unit, None for what is absent."""
    if channel.absent is not None and channel.absent in raw:
        return [None if number == channel.absent else _whole(number, channel.scaler) for number in raw]
    if channel.scaler == 0:
        return cast(list[int | None], raw)
    if channel.scaler < 0:
        return [_whole(number, channel.scaler) for number in raw]
    factor = _whole(1, channel.scaler)
    return [number * factor for number in raw]


def _interval(body: PushBody, row: Sequence[Data], begin_at: datetime | None, step: timedelta) -> Interval | None:
    status, values = 0, []
    for channel, data in zip(body.channels, row, strict=True):
        if channel.name == "clock":
            if (clock := instant(data, body.utc_offset_min)) is not None:
                begin_at = clock - step if body.stamped_at_end else clock
        elif channel.name == "status":
            status = _status(data)
        elif channel.name != "skip":
            values.append(_value(channel, data))
    return None if begin_at is None else Interval(begin_at, status, tuple(values))


def _status(data: Data) -> int:
    """The bits of a status, whatever type it has; bit 0 is the last of a bit-string."""
    if data.tag is Tag.NULL:
        return 0
    if data.tag is Tag.BIT_STRING:
        return int(data.value or "0", 2) & 0x7FFFFFFF
    if data.tag in INTEGER_TAGS or data.tag is Tag.BOOLEAN:
        return int(data.value) & 0x7FFFFFFF
    raise NoMatch


def _value(channel: Channel, data: Data) -> int | None:
    if data.tag is Tag.NULL or data.value == channel.absent:
        return None
    if data.tag not in INTEGER_TAGS:
        raise NoMatch
    return _whole(data.value, channel.scaler)
