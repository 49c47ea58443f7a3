# SPDX-License-Identifier: Apache-2.0
"""End-of-line voltage (tegangan ujung): per transformer and phase the evening's lowest, and the time outside the limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis

from duaarah.analytics.measures.balance import HIGH_V, LOW_V

if TYPE_CHECKING:
    from ibis.expr.types import Table

PHASE = ("transformer_id", "phase")


@dataclass(frozen=True, slots=True)
class Limits:
    """The evening's window in whole hours of the meter's day, and the voltages that are still within."""

    from_hour: int = 18
    to_hour: int = 22
    low_v: float = LOW_V
    high_v: float = HIGH_V


def by_phase(day: Table, limits: Limits) -> Table:
    """
    One row a transformer and phase. Percentiles and minimum over all its meters' means of an interval in the evening;
    outside is strictly below or above the limits, over the whole day.

    Args:
        day: `local_days.on_local_day` of customers' meters.

    Returns: transformer_id, phase, meters, intervals, below, above (intervals), low_meters (with one below),
        evening_intervals, evening_min_v, evening_p1_v, evening_p5_v, evening_median_v (null without an evening).
    """
    told = day.filter(day.voltage_v.notnull())
    low = told.voltage_v < limits.low_v
    evening = (told.local_s >= limits.from_hour * 3600) & (told.local_s < limits.to_hour * 3600)
    in_evening = ibis.ifelse(evening, told.voltage_v, ibis.null("float64"))
    told = told.mutate(evening_v=in_evening, low_meter=ibis.ifelse(low, told.meter_id, ibis.null("int64")))
    return told.group_by(*PHASE).agg(
        meters=told.meter_id.nunique(),
        intervals=told.count(),
        below=(told.voltage_v < limits.low_v).sum(),
        above=(told.voltage_v > limits.high_v).sum(),
        low_meters=told.low_meter.nunique(),
        evening_intervals=told.evening_v.count(),
        evening_min_v=told.evening_v.min(),
        evening_p1_v=told.evening_v.quantile(0.01),
        evening_p5_v=told.evening_v.quantile(0.05),
        evening_median_v=told.evening_v.quantile(0.5),
    )


def lowest_meters(day: Table, limits: Limits, count: int = 3) -> Table:
    """
    The meters with the lowest voltage of the evening, `count` a transformer and phase; ties by the smaller meter_id.

    Returns: transformer_id, phase, meter_id, v_min, ts (end of its first such interval), below, intervals, place (0 ..).
    """
    told = day.filter(day.voltage_v.notnull())
    evening = told.filter(told.local_s >= limits.from_hour * 3600, told.local_s < limits.to_hour * 3600)
    low = evening.group_by(*PHASE, "meter_id").agg(
        v_min=evening.voltage_v.min(),
        ts=evening.ts.argmin(evening.voltage_v),
        below=(evening.voltage_v < limits.low_v).sum(),
        intervals=evening.count(),
    )
    place = ibis.row_number().over(ibis.window(group_by=PHASE, order_by=[low.v_min, low.meter_id]))
    return low.mutate(place=place).filter(ibis._.place < count)
