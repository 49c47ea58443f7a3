# SPDX-License-Identifier: Apache-2.0
"""
Load profiles of many scopes at once (transformers, feeders, tariff groups), with the definitions of `profile`: peak of the
summed power, load factor over the span told, coincidence against the meters' own peaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import numpy as np

from duaarah.analytics.measures.profile import SAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibis.expr.types import Table

# Of the duration curve: the share of time in % over which the load is at least so high.
QUANTILES = (0, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 100)


@dataclass(frozen=True, slots=True)
class Load:
    """
    A scope over one day. `curve_w`: mean power of each interval, None where no meter told; `peak_slot`: the earliest.
    `duration_w`: at QUANTILES. Coincidence None: nobody drew anything.
    """

    energy_wh: float
    peak_w: float
    peak_slot: int
    load_factor: float | None
    coincidence: float | None
    curve_w: list[float | None]
    duration_w: list[float]

    @property
    def diversity(self) -> float | None:
        """1 / coincidence."""
        return 1 / self.coincidence if self.coincidence else None


def evenly(day: Table, period_s: int, periods: Sequence[int]) -> Table:
    """
    Readings of intervals longer than `period_s` as several of `period_s`, their energy spread evenly.

    Args:
        day: of `local_days.on_local_day`.
        periods: those that occur in it; multiples of `period_s`.
    """
    if all(period == period_s for period in periods):
        return day
    steps = [(period, step) for period in periods for step in range(max(period // period_s, 1))]
    table = ibis.memtable({"period_s": [s[0] for s in steps], "step": [s[1] for s in steps]}).cast(
        {"period_s": "int32"}
    )
    spread = day.inner_join(table, "period_s")
    share = ibis.greatest(spread.period_s / period_s, 1)
    return spread.mutate(energy_wh=spread.energy_wh / share, local_s=spread.local_s - spread.step * period_s)


def curves(day: Table, scope: str, period_s: int) -> Table:
    """
    scope, slot (of the local day), w, va, meters: summed power of each interval.

    `va` is by voltage times current; null where a meter of the interval does not tell its current.
    """
    told = day.filter(day.energy_wh.notnull(), day[scope].notnull())
    told = told.mutate(slot=(told.local_s // period_s).cast("int64"), flow=told.voltage_v * told.current_a)
    sums = told.group_by(scope, "slot").agg(
        w=told.energy_wh.sum() * 3600.0 / period_s,
        flow=told.flow.sum(),
        flows=told.flow.count(),
        meters=told.count(),
    )
    return sums.select(
        scope, "slot", "w", "meters", va=ibis.ifelse(sums.flows == sums.meters, sums.flow, ibis.null("float64"))
    )


def own_peaks(day: Table, scope: str, period_s: int) -> Table:
    """scope, peaks_w (the sum of its meters' own highest intervals), meters, intervals, estimated (of the intervals)."""
    told = day.filter(day.energy_wh.notnull(), day[scope].notnull())
    own = told.group_by(scope, "meter_id").agg(
        peak_w=told.energy_wh.max() * 3600.0 / period_s,
        intervals=told.count(),
        estimated=(told.quality == "estimated").sum(),
    )
    return own.group_by(scope).agg(
        peaks_w=own.peak_w.sum(),
        meters=own.count(),
        intervals=own.intervals.sum(),
        estimated=own.estimated.sum(),
    )


def load_of(slots: Sequence[int], watts: Sequence[float], peaks_w: float, period_s: int) -> Load:
    """
    The figures of one scope.

    Args:
        slots: intervals with a reading, 0 .. of the local day, in any order; not empty.
        watts: mean power of each.
        peaks_w: sum of the meters' own peaks.
    """
    order = np.argsort(slots)
    at, power = np.asarray(slots)[order], np.asarray(watts, float)[order]
    peak = float(power.max())
    # Sums in another order differ in their last digits: peaks this near are one, and the earliest counts.
    first = int(at[power >= peak - SAME * abs(peak)][0])
    curve: list[float | None] = [None] * max(86400 // period_s, int(at[-1]) + 1)
    for slot, value in zip(at.tolist(), power.tolist(), strict=True):
        curve[slot] = round(value, 1)
    hours = (int(at[-1]) - int(at[0]) + 1) * period_s / 3600
    energy_wh = float(power.sum()) * period_s / 3600
    duration = np.quantile(power, [1 - q / 100 for q in QUANTILES])
    return Load(
        energy_wh=energy_wh,
        peak_w=peak,
        peak_slot=first,
        load_factor=energy_wh / (peak * hours) if peak > 0 else None,
        coincidence=peak / peaks_w if peaks_w > 0 else None,
        curve_w=curve,
        duration_w=[round(float(value), 1) for value in duration],
    )
