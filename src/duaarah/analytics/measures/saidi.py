# SPDX-License-Identifier: Apache-2.0
"""
Reliability from outage records: overlaps and duplicates of a meter merged, daily SAIDI, T_MED, months with and without.

A record is one meter's interruption as one source told it: `meter_id`, `began_at`, `ended_at`. Two sources tell the same one
twice, or overlap; what touches is one interruption. Records without an end are still open and left out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis

from duaarah.core.indices import (
    SUSTAINED_AFTER_S,
    MedThreshold,
    SystemIndices,
    TooFewDays,
    med_days,
    system_indices,
    t_med,
)

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import IntegerColumn, Table, TimestampColumn

EPOCH_DATE = dt.date(1970, 1, 1)
_US = 1_000_000
_DAY_US = 86_400 * _US


@dataclass(frozen=True, kw_only=True)
class Month:
    """`first_date` is its first day; the indices with every day, and without the major event days."""

    first_date: dt.date
    with_med: SystemIndices
    without_med: SystemIndices


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """A range of local days. `threshold` is None with fewer than two days of SAIDI."""

    daily_saidi_min: dict[dt.date, float]
    threshold: MedThreshold | None
    med_dates: list[dt.date]
    months: list[Month]


def merged(records: Table) -> Table:
    """
    One row an interruption of a meter: `meter_id`, `began_us`, `ended_us` (microseconds since 1970 UTC).

    Gaps and islands: a record that begins after the latest end of all earlier ones of its meter begins an interruption. It
    lasts until the latest end known where the meter's next one begins, or over all its records.
    """
    plain = records.filter(records.ended_at.notnull()).select(
        "meter_id", began_us=_us(records.began_at), ended_us=_us(records.ended_at)
    )
    earlier = ibis.window(group_by="meter_id", order_by=["began_us", "ended_us"], preceding=(None, 1))
    flagged = plain.mutate(
        latest_us=plain.ended_us.max().over(earlier),
        last_us=plain.ended_us.max().over(ibis.window(group_by="meter_id")),
    )
    begins = flagged.filter(flagged.latest_us.isnull() | (flagged.began_us > flagged.latest_us))
    following = begins.latest_us.lead().over(ibis.window(group_by="meter_id", order_by="began_us"))
    return begins.select("meter_id", "began_us", ended_us=ibis.coalesce(following, begins.last_us))


def _us(column: TimestampColumn) -> IntegerColumn:
    """Microseconds since 1970 UTC; whole numbers sum to the same in any order."""
    origin = ibis.timestamp("1970-01-01T00:00:00")
    since: IntegerColumn = column.cast("timestamp").delta(origin, unit="microsecond")
    return since


def daily(records: Table, zone: dt.tzinfo, first_date: dt.date, last_date: dt.date) -> Table:
    """
    `day` (days since 1970), `ci`, `cm_us` (customer microseconds), `momentary` of each local day on which one began.

    The whole duration belongs to the local day of the beginning; days outside the range are left out.
    """
    whole = merged(records)
    length_us = whole.ended_us - whole.began_us
    sustained = length_us > SUSTAINED_AFTER_S * _US
    rows = whole.select(
        day=((whole.began_us + offset_us(whole.began_us, zone, first_date, last_date)) / _DAY_US).floor().cast("int64"),
        length_us=length_us,
        sustained=sustained,
    )
    rows = rows.filter(rows.day >= (first_date - EPOCH_DATE).days, rows.day <= (last_date - EPOCH_DATE).days)
    return rows.group_by("day").agg(
        ci=rows.count(where=rows.sustained),
        cm_us=ibis.ifelse(rows.sustained, rows.length_us, 0).sum(),
        momentary=rows.count(where=~rows.sustained),
    )


def reliability(
    records: Table,
    *,
    customers_served: Sequence[float],
    zone: dt.tzinfo,
    first_date: dt.date,
    last_date: dt.date,
    connection: BaseBackend,
) -> Reliability:
    """
    Daily SAIDI, the major event days of the range's own threshold, and each calendar month with and without them.

    Args:
        records: `meter_id`, `began_at`, `ended_at` of every source.
        customers_served: N_T of each calendar month that the range touches, in order.
        zone: whose days and months count.
        first_date, last_date: local days, both included.

    Raises:
        ValueError: there are not as many counts as months.
    """
    months = _months(first_date, last_date)
    if len(customers_served) != len(months):
        raise ValueError(f"{len(months)} months need as many counts of customers, not {len(customers_served)}.")
    found = connection.execute(daily(records, zone, first_date, last_date))
    sums: dict[dt.date, tuple[int, int, int]] = {
        EPOCH_DATE + dt.timedelta(days=int(row["day"])): (int(row["ci"]), int(row["cm_us"]), int(row["momentary"]))
        for row in found.to_dict("records")
    }
    served = dict(zip(months, customers_served, strict=True))
    saidi = {day: us / (_US * 60) / served[day.replace(day=1)] for day, (_, us, _) in sorted(sums.items()) if us}
    try:
        threshold = t_med(saidi.values())
    except TooFewDays:
        threshold = None
    major = med_days(saidi, threshold.t_med) if threshold else []
    return Reliability(
        daily_saidi_min=saidi,
        threshold=threshold,
        med_dates=major,
        months=[
            Month(
                first_date=month,
                with_med=_indices(month, sums, served[month], first_date, last_date, []),
                without_med=_indices(month, sums, served[month], first_date, last_date, major),
            )
            for month in months
        ],
    )


def _indices(
    month: dt.date,
    sums: dict[dt.date, tuple[int, int, int]],
    served: float,
    first_date: dt.date,
    last_date: dt.date,
    left_out: Sequence[dt.date],
) -> SystemIndices:
    inside = [s for day, s in sums.items() if day.replace(day=1) == month and day not in left_out]
    next_month = (month + dt.timedelta(days=31)).replace(day=1)
    begin, end = max(month, first_date), min(next_month, last_date + dt.timedelta(days=1))
    missing = sum(begin <= day < end for day in left_out)
    return system_indices(
        ci=sum(ci for ci, _, _ in inside),
        cmi=sum(us for _, us, _ in inside) / (_US * 60),
        momentary=sum(momentary for _, _, momentary in inside),
        customers_served=served,
        period_min=((end - begin).days - missing) * 1440,
    )


def _months(first_date: dt.date, last_date: dt.date) -> list[dt.date]:
    months = [first_date.replace(day=1)]
    while (following := (months[-1] + dt.timedelta(days=31)).replace(day=1)) <= last_date:
        months.append(following)
    return months


def offset_us(column: IntegerColumn, zone: dt.tzinfo, first_date: dt.date, last_date: dt.date) -> IntegerColumn:
    """
    What is added to microseconds UTC for the zone's wall clock: a constant, or one value a span between clock changes.

    Computed here and not by the engines, whose zone data differ and which are slow at it.
    """
    spans = _spans(zone, first_date, last_date)
    value = ibis.literal(spans[0][1], "int64")
    for since_us, offset in spans[1:]:
        value = ibis.ifelse(column >= since_us, ibis.literal(offset, "int64"), value)
    return value


def _spans(zone: dt.tzinfo, first_date: dt.date, last_date: dt.date) -> list[tuple[int, int]]:
    """(since, offset) in microseconds, from a day before the range to a day behind it; changes to the minute."""

    def offset(at_s: int) -> int:
        told = dt.datetime.fromtimestamp(at_s, zone).utcoffset() or dt.timedelta(0)
        return told // dt.timedelta(microseconds=1)

    begin = ((first_date - EPOCH_DATE).days - 1) * 86400
    end = ((last_date - EPOCH_DATE).days + 2) * 86400
    spans = [(begin * _US, offset(begin))]
    for hour in range(begin, end, 3600):
        if offset(hour + 3600) != offset(hour):
            change = next(at for at in range(hour, hour + 3601, 60) if offset(at) != offset(hour))
            spans.append((change * _US, offset(change)))
    return spans
