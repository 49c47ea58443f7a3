# SPDX-License-Identifier: Apache-2.0
"""Load profile of a set of meters: energy, peak, load factor, coincidence, diversity. Nothing is estimated."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table

# Sums of the same numbers in another order differ in the last digits: peaks this near are one peak.
SAME = 1e-12


@dataclass(frozen=True, kw_only=True)
class Profile:
    """None is undefined: no energy, or no peak to divide by. `peak_at` is the end of the earliest peak interval, UTC."""

    energy_kwh: float
    peak_kw: float | None
    peak_at: dt.datetime | None
    load_factor: float | None
    coincidence: float | None
    diversity: float | None


def load_curve(readings: Table, interval_min: float) -> Table:
    """`ts`, `kw`: the summed power of all meters in each interval, from energy in Wh; one row a `ts` with energy."""
    known = readings.filter(readings.energy_wh.notnull())
    return known.group_by("ts").agg(kw=known.energy_wh.sum() * 60.0 / (1000.0 * interval_min))


def own_peaks(readings: Table, interval_min: float) -> Table:
    """`meter_id`, `peak_kw`: the highest interval of each meter."""
    known = readings.filter(readings.energy_wh.notnull())
    return known.group_by("meter_id").agg(peak_kw=known.energy_wh.max() * 60.0 / (1000.0 * interval_min))


def profiles(readings: Table, groups: Table, interval_min: float) -> Table:
    """
    The profile of each group of meters: transformers, feeders, tariff groups.

    Args:
        readings: `meter_id`, `ts` at interval end, `energy_wh`; one row a meter and instant.
        groups: `meter_id`, `group`.

    Returns: `group`, `energy_kwh`, `peak_kw`, `peak_ts` (earliest of equal peaks), `load_factor`, `coincidence`,
        `diversity`; factors are null where they would divide by 0. The hours are those of the group's own first to last
        instant with energy, plus one interval.
    """
    known = readings.filter(readings.energy_wh.notnull()).select("meter_id", "ts", "energy_wh")
    placed = known.inner_join(groups, "meter_id")
    to_kw = 60.0 / (1000.0 * interval_min)
    curve = placed.group_by("group", "ts").agg(wh=placed.energy_wh.sum())
    # By a window, not by a join of the curve with its own maxima: that would sum all readings twice.
    curve = curve.mutate(peak_wh=curve.wh.max().over(ibis.window(group_by="group")))
    tops = curve.group_by("group").agg(
        energy_kwh=curve.wh.sum() / 1000,
        peak_wh=curve.wh.max(),
        peak_ts=curve.ts.min(where=curve.wh >= curve.peak_wh - curve.peak_wh.abs() * SAME),
        first_at=curve.ts.min(),
        last_at=curve.ts.max(),
    )
    # From the readings and not from `known`: what is asked for twice, DuckDB keeps, and that would be all rows.
    own = readings.group_by("meter_id").agg(peak_wh=readings.energy_wh.max())
    sums = own.inner_join(groups, "meter_id").group_by("group").agg(own_wh=ibis._.peak_wh.sum())
    both = tops.inner_join(sums, "group")
    peak_kw = both.peak_wh * to_kw
    hours = both.last_at.delta(both.first_at, unit="second") / 3600 + interval_min / 60
    return both.select(
        *("group", "energy_kwh", "peak_ts"),
        peak_kw=peak_kw,
        load_factor=both.energy_kwh / (peak_kw * hours).nullif(0),
        coincidence=both.peak_wh / both.own_wh.nullif(0),
        diversity=both.own_wh / both.peak_wh.nullif(0),
    )


def profile(readings: Table, interval_min: float, connection: BaseBackend) -> Profile | None:
    """
    The profile of the meters in `readings` (`meter_id`, `ts` at interval end, `energy_wh`; one row a meter and instant).

    load factor = energy / (peak x hours), hours from the first to the last instant plus one interval; coincidence = peak /
    sum of the meters' own peaks; diversity = 1 / coincidence.

    Returns: None without a reading.
    """
    curve = load_curve(readings, interval_min)
    span: dict[str, Any] = connection.execute(
        readings.agg(first=readings.ts.min(), last=readings.ts.max(), wh=readings.energy_wh.sum()),
    ).to_dict("records")[0]
    if pd.isna(span["first"]):
        return None
    energy_kwh = 0.0 if pd.isna(span["wh"]) else float(span["wh"]) / 1000
    points: pd.DataFrame = connection.execute(curve)
    if points.empty:
        return Profile(
            energy_kwh=energy_kwh, peak_kw=None, peak_at=None, load_factor=None, coincidence=None, diversity=None
        )
    peak_kw = float(points["kw"].max())
    own = own_peaks(readings, interval_min)
    own_kw = float(connection.execute(own.agg(kw=own.peak_kw.sum()))["kw"].iloc[0])
    near = points["kw"] >= peak_kw - abs(peak_kw) * SAME
    hours = (utc(span["last"]) - utc(span["first"])).total_seconds() / 3600 + interval_min / 60
    coincidence = peak_kw / own_kw if own_kw else None
    return Profile(
        energy_kwh=energy_kwh,
        peak_kw=peak_kw,
        peak_at=utc(points["ts"][near].min()),
        load_factor=energy_kwh / (peak_kw * hours) if peak_kw else None,
        coincidence=coincidence,
        diversity=1 / coincidence if coincidence else None,
    )


def utc(value: pd.Timestamp) -> dt.datetime:
    """A result's instant as Python's, in UTC, whether or not the engine named the zone."""
    local: dt.datetime = value.to_pydatetime()
    return local.replace(tzinfo=dt.UTC) if local.tzinfo is None else local.astimezone(dt.UTC)
