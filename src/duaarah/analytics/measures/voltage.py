# SPDX-License-Identifier: Apache-2.0
"""
End-of-line voltage (tegangan ujung): per transformer and phase the evening's lowest, and the time outside the limits.

`ts` is an interval's end: the window 18-22 holds the intervals that end after 18:00 up to 22:00 by the meter's clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import ibis

from duaarah.analytics.measures.balance import HIGH_V, LOW_V

if TYPE_CHECKING:
    from ibis.expr.types import BooleanColumn, Table, TimestampColumn

PHASE = ("transformer_id", "phase")
Span = tuple[dt.datetime, dt.datetime]


@dataclass(frozen=True, slots=True)
class Limits:
    """The evening's window in whole hours of the meter's day, and the voltages that are still within."""

    from_hour: int = 18
    to_hour: int = 22
    low_v: float = LOW_V
    high_v: float = HIGH_V


def evenings(first_date: dt.date, last_date: dt.date, zone: dt.tzinfo, limits: Limits = Limits()) -> list[Span]:
    """The evening windows in UTC that fall in a range of UTC days, both included: (after, up to and including)."""
    found = []
    day = first_date - dt.timedelta(days=1)
    while day <= last_date + dt.timedelta(days=1):
        after, until = (
            dt.datetime.combine(day, dt.time(hour), zone).astimezone(dt.UTC)
            for hour in (limits.from_hour, limits.to_hour)
        )
        if after.date() <= last_date and until.date() >= first_date:
            found.append((after, until))
        day += dt.timedelta(days=1)
    return found


def inside(ts: TimestampColumn, spans: Sequence[Span]) -> BooleanColumn:
    """Whether an interval ends in one of the spans."""
    tests = [(ts > ibis.literal(after)) & (ts <= ibis.literal(until)) for after, until in spans]
    found: BooleanColumn = reduce(or_, tests) if tests else ibis.literal(False)
    return found


def in_spans(readings: Table, spans: Sequence[Span]) -> Table:
    """
    The evening's readings with a voltage, where all meters are in one zone; for `by_phase` and `lowest_meters`.

    Keeping it between the two (`.cache()`) was measured: it saves no more than it costs.
    """
    late = readings.filter(readings.voltage_v.notnull(), inside(readings.ts, spans))
    return late.select("meter_id", "ts", "voltage_v")


def in_hours(day: Table, limits: Limits) -> Table:
    """The same of a local day of `local_days.on_local_day`, each meter by its own zone."""
    late = day.filter(
        day.voltage_v.notnull(), day.local_s >= limits.from_hour * 3600, day.local_s < limits.to_hour * 3600
    )
    return late.select("meter_id", "ts", "voltage_v")


def by_phase(readings: Table, evening: Table, topology: Table, limits: Limits = Limits()) -> Table:
    """
    The voltage of each transformer's phase, over customers' meters; phases of which nothing was told have no row.

    Args:
        readings: `meter_id`, `voltage_v` of the whole time; one row a meter and instant.
        evening: of `in_spans` or `in_hours`.
        topology: `meter_id`, `transformer_id`, `phase` of customers' meters.

    Returns: `transformer_id`, `phase`, `meters`, `intervals` with a voltage, `below`, `above` (of these, strictly outside the
        limits), `low_meters` (with one below); of the evening `evening_intervals`, and `evening_min_v`, `evening_p1_v`,
        `evening_p5_v`, `evening_median_v` over all its intervals (exact, interpolated), null without any.
    """
    # Per meter first: its key is a number and the rows lie together; the join then has few rows.
    own = readings.group_by("meter_id").agg(
        intervals=readings.voltage_v.count(),
        below=readings.count(where=readings.voltage_v < limits.low_v),
        above=readings.count(where=readings.voltage_v > limits.high_v),
    )
    places = topology.select("meter_id", *PHASE)
    placed = own.filter(own.intervals > 0).inner_join(places, "meter_id")
    whole = placed.group_by(*PHASE).agg(
        meters=placed.count(),
        intervals=placed.intervals.sum(),
        below=placed.below.sum(),
        above=placed.above.sum(),
        low_meters=placed.count(where=placed.below > 0),
    )
    late = evening.select("meter_id", "voltage_v").inner_join(places, "meter_id")
    # All quantiles of one state: exact ones hold every value of the window in memory, on either engine.
    lows = late.group_by(*PHASE).agg(
        evening_intervals=late.count(),
        evening_min_v=late.voltage_v.min(),
        low_v=late.voltage_v.quantile([0.01, 0.05, 0.5]),
    )
    both = whole.left_join(lows, PHASE)
    return both.select(
        *(*PHASE, "meters", "intervals", "below", "above", "low_meters", "evening_min_v"),
        evening_intervals=both.evening_intervals.fill_null(0),
        evening_p1_v=both.low_v[0],
        evening_p5_v=both.low_v[1],
        evening_median_v=both.low_v[2],
    )


def lowest_meters(evening: Table, topology: Table, limits: Limits = Limits(), count: int = 3) -> Table:
    """
    The meters with the lowest voltage of the evening, `count` a transformer and phase; ties by the smaller meter_id.

    Returns: `transformer_id`, `phase`, `place` (1 = lowest), `meter_id`, `min_v`, `ts` (end of its first such interval); of its
        evening `p5_v`, `below` the limit, `intervals`.
    """
    own = evening.group_by("meter_id").agg(min_v=evening.voltage_v.min())
    placed = own.inner_join(topology.select("meter_id", *PHASE), "meter_id")
    order = ibis.window(group_by=PHASE, order_by=[placed.min_v, placed.meter_id])
    ranked = placed.mutate(place=ibis.row_number().over(order) + 1)
    # Only these meters' instants and p5 are looked up.
    few = ranked.filter(ranked.place <= count)
    theirs = evening.inner_join(few, "meter_id")
    return theirs.group_by(*PHASE, "place", "meter_id", "min_v").agg(
        ts=theirs.ts.min(where=theirs.voltage_v == theirs.min_v),
        p5_v=theirs.voltage_v.quantile(0.05),
        below=theirs.count(where=theirs.voltage_v < limits.low_v),
        intervals=theirs.count(),
    )
