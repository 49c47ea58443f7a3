# SPDX-License-Identifier: Apache-2.0
"""
Tegangan ujung, the voltage at the ends of the lines: p1, p5 and minimum of each transformer's phases in the evening.

`ts` is an interval's end: the window 18-22 holds the intervals that end after 18:00 up to 22:00, local time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import ibis

from duaarah.analytics.measures.balance import HIGH_V, LOW_V

if TYPE_CHECKING:
    from ibis.expr.types import BooleanColumn, Table, TimestampColumn

EVENING_HOURS = (18, 22)
Span = tuple[dt.datetime, dt.datetime]


def evenings(
    first_date: dt.date, last_date: dt.date, zone: dt.tzinfo, hours: tuple[int, int] = EVENING_HOURS
) -> list[Span]:
    """The evening windows in UTC that fall in a range of UTC days, both included: (after, up to and including)."""
    found = []
    day = first_date - dt.timedelta(days=1)
    while day <= last_date + dt.timedelta(days=1):
        after, until = (dt.datetime.combine(day, dt.time(hour), zone).astimezone(dt.UTC) for hour in hours)
        if after.date() <= last_date and until.date() >= first_date:
            found.append((after, until))
        day += dt.timedelta(days=1)
    return found


def inside(ts: TimestampColumn, spans: Sequence[Span]) -> BooleanColumn:
    """Whether an interval ends in one of the spans."""
    tests = [(ts > ibis.literal(after)) & (ts <= ibis.literal(until)) for after, until in spans]
    found: BooleanColumn = reduce(or_, tests) if tests else ibis.literal(False)
    return found


def by_phase(readings: Table, topology: Table, spans: Sequence[Span]) -> Table:
    """
    The voltage of each transformer's phase, over customers' meters.

    Args:
        readings: `meter_id`, `ts`, `voltage_v`; one row a meter and instant.
        topology: `meter_id`, `transformer_id`, `phase` of customers' meters.
        spans: of `evenings`.

    Returns: `transformer_id`, `phase`; `p1_v`, `p5_v`, `min_v` of the evening's intervals (exact, interpolated), null without
        any; of the whole time `intervals` with a voltage, `below_198`, `above_231` (strictly outside), `below_share`,
        `above_share`.
    """
    # Both scan the readings themselves: what is asked for twice, DuckDB keeps, and that would be all rows.
    own = readings.group_by("meter_id").agg(
        intervals=readings.voltage_v.count(),
        below=readings.count(where=readings.voltage_v < LOW_V),
        above=readings.count(where=readings.voltage_v > HIGH_V),
    )
    placed = own.inner_join(topology, "meter_id")
    whole = placed.group_by("transformer_id", "phase").agg(
        intervals=placed.intervals.sum(), below_198=placed.below.sum(), above_231=placed.above.sum()
    )
    known = readings.filter(readings.voltage_v.notnull(), inside(readings.ts, spans))
    late = known.select("meter_id", "voltage_v").inner_join(topology, "meter_id")
    # Both quantiles of one state: exact ones hold every value of the window in memory, on either engine.
    evening = late.group_by("transformer_id", "phase").agg(
        low_v=late.voltage_v.quantile([0.01, 0.05]), min_v=late.voltage_v.min()
    )
    evening = evening.select("transformer_id", "phase", "min_v", p1_v=evening.low_v[0], p5_v=evening.low_v[1])
    both = whole.left_join(evening, ["transformer_id", "phase"])
    return both.select(
        *("transformer_id", "phase", "p1_v", "p5_v", "min_v", "intervals", "below_198", "above_231"),
        below_share=both.below_198 / both.intervals.nullif(0),
        above_share=both.above_231 / both.intervals.nullif(0),
    )


def lowest_meters(readings: Table, topology: Table, spans: Sequence[Span], count: int = 3) -> Table:
    """
    The meters with the lowest evening voltage of each transformer's phase.

    Equal voltages: the earlier instant, then the smaller meter_id.

    Returns: `transformer_id`, `phase`, `place` (1 = lowest), `meter_id`, `min_v`, `ts` (first instant at it), `p5_v`.
    """
    late = readings.filter(readings.voltage_v.notnull(), inside(readings.ts, spans))
    late = late.select("meter_id", "ts", "voltage_v")
    own = late.group_by("meter_id").agg(min_v=late.voltage_v.min()).inner_join(topology, "meter_id")
    phase = ibis.window(group_by=["transformer_id", "phase"], order_by="min_v")
    # Ranks with their ties first: only these meters' instants and p5 are looked up.
    ranked = own.mutate(rank=ibis.rank().over(phase)).filter(ibis._.rank < count)
    few = ranked.select("transformer_id", "phase", "meter_id", "min_v")
    theirs = late.inner_join(few, "meter_id")
    found = theirs.group_by("transformer_id", "phase", "meter_id", "min_v").agg(
        ts=theirs.ts.min(where=theirs.voltage_v == theirs.min_v), p5_v=theirs.voltage_v.quantile(0.05)
    )
    order = ibis.window(group_by=["transformer_id", "phase"], order_by=["min_v", "ts", "meter_id"])
    placed = found.mutate(place=ibis.row_number().over(order) + 1)
    return placed.filter(placed.place <= count).select(
        "transformer_id", "phase", "place", "meter_id", "min_v", "ts", "p5_v"
    )
