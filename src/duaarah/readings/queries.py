# SPDX-License-Identifier: Apache-2.0
"""A meter's month: what counts of every interval, and its days in the meter's own zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from django.db import connection

DAY_S = 86_400
ENERGY = "energy_wh"

_CURRENT = """
SELECT DISTINCT ON (channel, period_s, start_at) channel, period_s, start_at, value, status, counter,
    count(*) OVER (PARTITION BY channel, period_s, start_at)
FROM readings_interval
WHERE meter_id = %(meter)s AND start_at >= %(begin)s AND start_at < %(end)s
ORDER BY channel, period_s, start_at, counter DESC, value DESC, status DESC
"""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One interval's value that counts; `versions` how many values the meter told of it, 1 mostly."""

    channel: str
    period_s: int
    start_at: dt.datetime
    value: int
    status: int
    counter: int
    versions: int


@dataclass(kw_only=True)
class Day:
    """
    A local day. `energy_wh` is what the meter said of the whole day, else the sum of its intervals; `whole` whether that is
    all of the day. `intervals` are its parts of the finest period, by their begin; `others` further values of the day.
    """

    date: dt.date
    energy_wh: int | None = None
    whole: bool = False
    intervals: list[Reading] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)


def month_begin(month_date: dt.date, zone: str) -> dt.datetime:
    """Local midnight of the first day of the month."""
    return dt.datetime(month_date.year, month_date.month, 1, tzinfo=ZoneInfo(zone))


def next_month(month_date: dt.date) -> dt.date:
    """The first day of the month after."""
    return (month_date.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def month_of_meter(*, meter_id: int, month_date: dt.date, zone: str) -> Iterator[Reading]:
    """Every value that counts of the intervals that begin in this local month: by channel, period and begin."""
    begin, end = month_begin(month_date, zone), month_begin(next_month(month_date), zone)
    yield from readings_between(meter_id=meter_id, begin_at=begin, end_at=end)


def readings_between(*, meter_id: int, begin_at: dt.datetime, end_at: dt.datetime) -> list[Reading]:
    """Every value that counts of the intervals that begin in this span: by channel, period and begin."""
    with connection.cursor() as cursor:
        cursor.execute(_CURRENT, {"meter": meter_id, "begin": begin_at, "end": end_at})
        return [
            Reading(
                channel=channel,
                period_s=period_s,
                start_at=start_at,
                value=value,
                status=status,
                counter=counter,
                versions=versions,
            )
            for channel, period_s, start_at, value, status, counter, versions in cursor.fetchall()
        ]


def days_of_month(*, meter_id: int, month_date: dt.date, zone: str) -> list[Day]:
    """The local days of the month of which the meter told anything, in their order."""
    days: dict[dt.date, Day] = {}
    parts: dict[tuple[dt.date, int], list[Reading]] = {}
    for one in month_of_meter(meter_id=meter_id, month_date=month_date, zone=zone):
        date = one.start_at.astimezone(ZoneInfo(zone)).date()
        day = days.setdefault(date, Day(date=date))
        if one.period_s == DAY_S:
            day.others[one.channel] = one.value
            if one.channel == ENERGY:
                day.energy_wh, day.whole = one.value, True
        elif one.channel == ENERGY:
            parts.setdefault((date, one.period_s), []).append(one)
    for (date, period_s), found in sorted(parts.items(), key=lambda item: (item[0][0], -item[0][1])):
        day = days[date]
        day.intervals = found  # the finest period comes last
        if not (day.whole and day.others):
            day.energy_wh = sum(one.value for one in found)
            day.whole = period_s * len(found) >= DAY_S
    return [days[date] for date in sorted(days)]
