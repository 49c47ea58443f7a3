# SPDX-License-Identifier: Apache-2.0
"""Energy balance and voltages of transformers: what went in, what customers' meters say, where 198-231 V was left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd

from duaarah.analytics.measures.profile import utc

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table

CUSTOMER, TOTAL = "customer", "total"
ROLES = (CUSTOMER, TOTAL)
LOW_V, HIGH_V = 198.0, 231.0  # 220 V less 10 %, plus 5 %


@dataclass(frozen=True, kw_only=True)
class Balance:
    """
    One transformer over the span of the readings. Energies in kWh, `loss_pct` of input, voltages in V over customers only.

    None: no total meter (`input_kwh`, `loss_*`), an input of 0 (`loss_pct`), no voltage (`v_*`).
    """

    transformer_id: str
    input_kwh: float | None
    sold_kwh: float
    loss_kwh: float | None
    loss_pct: float | None
    completeness: float
    v_min: float | None
    v_min_at: dt.datetime | None
    v_min_meter: str | None
    below_198_intervals: int
    below_198_meters: int
    above_231_intervals: int


def by_meter(readings: Table, topology: Table) -> Table:
    """
    Sums of each meter of the topology that has readings.

    Args:
        readings: `meter_id`, `ts`, `energy_wh`, `voltage_v`; one row a meter and instant.
        topology: `meter_id`, `transformer_id`, `role`.

    Returns: `transformer_id`, `meter_id`, `role`, `rows`, `wh`, `low`, `high` (intervals outside), `v_min`.
    """
    sums = readings.group_by("meter_id").agg(
        rows=readings.count(),
        wh=readings.energy_wh.sum(),
        low=readings.count(where=readings.voltage_v < LOW_V),
        high=readings.count(where=readings.voltage_v > HIGH_V),
        v_min=readings.voltage_v.min(),
    )
    return sums.inner_join(topology, "meter_id").select(
        "transformer_id", "meter_id", "role", "rows", "wh", "low", "high", "v_min"
    )


def losses(readings: Table, topology: Table) -> Table:
    """
    Energy of each transformer: `transformer_id`, `input_kwh`, `sold_kwh`, `loss_kwh`, `loss_pct` (of input), `rows`.

    Args:
        readings: `meter_id`, `ts`, `energy_wh`; one row a meter and instant.
        topology: `meter_id`, `transformer_id`, `role`.

    Returns: transformers with a reading; without one of a total meter `input_kwh` and `loss_*` are null.
    """
    own = readings.group_by("meter_id").agg(rows=readings.count(), wh=readings.energy_wh.sum())
    placed = own.inner_join(topology, "meter_id")
    sums = placed.group_by("transformer_id").agg(
        input_kwh=placed.wh.sum(where=placed.role == TOTAL) / 1000,
        sold_kwh=placed.wh.sum(where=placed.role == CUSTOMER).fill_null(0.0) / 1000,
        rows=placed.rows.sum(),
    )
    loss_kwh = sums.input_kwh - sums.sold_kwh
    return sums.select(
        *("transformer_id", "input_kwh", "sold_kwh", "rows"),
        loss_kwh=loss_kwh,
        loss_pct=100 * loss_kwh / sums.input_kwh.nullif(0),
    )


def lowest_at(readings: Table, topology: Table) -> Table:
    """`transformer_id`, `meter_id`, `v_min`, `ts`: each customer at its transformer's lowest voltage, first instant."""
    own = readings.group_by("meter_id").agg(v_min=readings.voltage_v.min())
    customers = topology.filter(topology.role == CUSTOMER)
    placed = own.inner_join(customers, "meter_id").select("transformer_id", "meter_id", "v_min")
    floor = placed.group_by("transformer_id").agg(floor_v=placed.v_min.min())
    at_floor = placed.inner_join(floor, "transformer_id").filter(ibis._.v_min == ibis._.floor_v)
    meters = at_floor.select("transformer_id", "meter_id", "v_min")
    hits = readings.inner_join(meters, "meter_id").filter(ibis._.voltage_v == ibis._.v_min)
    return hits.group_by("transformer_id", "meter_id", "v_min").agg(ts=hits.ts.min())


def balances(readings: Table, topology: pd.DataFrame, interval_min: float, connection: BaseBackend) -> list[Balance]:
    """
    One Balance a transformer of the topology, sorted by its id; empty without a reading.

    Completeness is rows / (meters x steps), total meters included; steps = (last - first instant of all readings) /
    interval + 1. The lowest voltage's ties: the earliest instant, then the smallest meter_id.

    Args:
        readings: `meter_id` string, `ts` UTC, `energy_wh`, `voltage_v`; one row a meter and instant.
        topology: `meter_id`, `transformer_id`, `role` (ROLES), strings; one row a meter.
    """
    span: dict[str, Any] = connection.execute(
        readings.agg(first=readings.ts.min(), last=readings.ts.max()),
    ).to_dict("records")[0]
    if pd.isna(span["first"]):
        return []
    steps = (utc(span["last"]) - utc(span["first"])).total_seconds() / (interval_min * 60) + 1
    places = ibis.memtable(topology[["meter_id", "transformer_id", "role"]])
    sums = connection.execute(by_meter(readings, places))
    hits = connection.execute(lowest_at(readings, places)).to_dict("records")
    lowest = {
        str(hit["transformer_id"]): hit
        for hit in sorted(hits, key=lambda hit: (hit["ts"], hit["meter_id"]), reverse=True)
    }
    of_transformer = dict(list(sums.groupby("transformer_id")))
    none = sums.iloc[:0]
    return [
        _balance(str(name), meters, of_transformer.get(name, none), steps, lowest.get(str(name)))
        for name, meters in sorted(topology.groupby("transformer_id"), key=lambda pair: str(pair[0]))
    ]


def _balance(
    name: str, meters: pd.DataFrame, sums: pd.DataFrame, steps: float, lowest: dict[str, Any] | None
) -> Balance:
    customers = sums[sums["role"] == CUSTOMER]
    sold_kwh = _kwh(customers["wh"])
    input_kwh = _kwh(sums[sums["role"] == TOTAL]["wh"]) if (meters["role"] == TOTAL).any() else None
    loss_kwh = None if input_kwh is None else input_kwh - sold_kwh
    return Balance(
        transformer_id=name,
        input_kwh=input_kwh,
        sold_kwh=sold_kwh,
        loss_kwh=loss_kwh,
        loss_pct=100 * loss_kwh / input_kwh if input_kwh and loss_kwh is not None else None,
        completeness=int(sums["rows"].sum()) / (len(meters) * steps),
        v_min=None if lowest is None else float(lowest["v_min"]),
        v_min_at=None if lowest is None else utc(lowest["ts"]),
        v_min_meter=None if lowest is None else str(lowest["meter_id"]),
        below_198_intervals=_count(customers["low"]),
        below_198_meters=int((customers["low"].fillna(0) > 0).sum()),
        above_231_intervals=_count(customers["high"]),
    )


def _kwh(wh: Iterable[float]) -> float:
    return sum(float(x) for x in wh if not pd.isna(x)) / 1000


def _count(intervals: Iterable[float]) -> int:
    return sum(int(x) for x in intervals if not pd.isna(x))
