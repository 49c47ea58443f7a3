# SPDX-License-Identifier: Apache-2.0
"""The voltage and load of a local day, counted from readings; equal facts write nothing, changed ones a new version."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, models, transaction

from duaarah.analytics.engines import own_connection
from duaarah.analytics.measures import loads, voltage
from duaarah.analytics.measures.local_days import on_local_day
from duaarah.analytics.models import DailyLoad, DailyVoltage
from duaarah.analytics.network_days.places import meter_places
from duaarah.analytics.network_days.queries import limits_of
from duaarah.registry.models import NetworkNode

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table

PERIOD_S = 900
# One count of a day at a time: two would both see a fact that is missing.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('analytics.network_days'))"
Facts = list[dict[str, Any]]


def recount_day(
    *, date: dt.date, readings: Table, now: dt.datetime, engine: BaseBackend | None = None
) -> tuple[int, int]:
    """
    Entry: voltage and load facts of a local day; returns how many rows of each are new or changed.

    What has a fact already and no reading any more keeps it: facts come from readings, and these are never deleted.

    Args:
        readings: schema READINGS, one row a meter and instant; at least the UTC days around `date`.
        engine: where the expressions run; None is this process's DuckDB.
    """
    engine = engine or own_connection()
    places = meter_places(date)
    day = on_local_day(readings, ibis.memtable(places), date)
    # Read once: both facts and each scope go over the same day.
    day = ibis.memtable(engine.to_pyarrow(day)) if engine.name == "duckdb" else day.cache()
    volts = _voltages(day, date, places, engine)
    load = _loads(day, date, places, engine)
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(_LOCK)
        return (
            _write(DailyVoltage, ("transformer_id", "phase"), date, volts, now),
            _write(DailyLoad, ("scope", "key"), date, load, now),
        )


def _voltages(day: Table, date: dt.date, places: pa.Table, engine: BaseBackend) -> Facts:
    limits = limits_of(date)
    topology = ibis.memtable(places.filter(pc.is_valid(places["transformer_id"])))
    evening = voltage.in_hours(day, limits)
    rows = engine.execute(voltage.by_phase(day, evening, topology, limits)).astype(object)
    lowest: dict[tuple[int, str], Facts] = {}
    for row in engine.execute(voltage.lowest_meters(evening, topology, limits).order_by("place")).to_dict("records"):
        lowest.setdefault((int(row["transformer_id"]), row["phase"]), []).append(
            {
                "meter_id": int(row["meter_id"]),
                "v_min": round(float(row["min_v"]), 3),
                "at": row["ts"].isoformat(),
                "below": int(row["below"]),
                "intervals": int(row["intervals"]),
            }
        )
    known = _known(places, ["transformer_id", "phase"])
    counts = ("meters", "intervals", "below", "above", "low_meters", "evening_intervals")
    volts = ("evening_min_v", "evening_p1_v", "evening_p5_v", "evening_median_v")
    facts = []
    for row in rows.to_dict("records"):
        key = (int(row["transformer_id"]), row["phase"])
        facts.append(
            {
                "transformer_id": key[0],
                "phase": key[1],
                "meters_known": known.get(key, 0),
                "lowest": lowest.get(key, []),
                **{name: int(row[name]) for name in counts},
                **{name: _number(row[name]) for name in volts},
            }
        )
    return facts


def _loads(day: Table, date: dt.date, places: pa.Table, engine: BaseBackend) -> Facts:
    told = day.filter(day.energy_wh.notnull())
    periods = [int(p) for p in engine.execute(told.select("period_s").distinct())["period_s"]]
    if not periods:
        return []
    period_s = min([*periods, PERIOD_S]) if all(p % min([*periods, PERIOD_S]) == 0 for p in periods) else PERIOD_S
    day = loads.evenly(told, period_s, periods)
    rated = dict(NetworkNode.objects.exclude(rated_va=None).values_list("pk", "rated_va"))
    facts: Facts = []
    for scope, column in (
        (DailyLoad.Scope.TRANSFORMER, "transformer_id"),
        (DailyLoad.Scope.FEEDER, "feeder_id"),
        (DailyLoad.Scope.TARIFF, "tariff"),
    ):
        known = _known(places, [column])
        peaks = {row[column]: row for row in engine.execute(loads.own_peaks(day, column, period_s)).to_dict("records")}
        for key, curve in engine.execute(loads.curves(day, column, period_s)).groupby(column):
            own = peaks[key]
            name = key if column == "tariff" else int(key)
            load = loads.load_of(curve["slot"].tolist(), curve["w"].tolist(), float(own["peaks_w"]), period_s)
            peak_va = None if curve["va"].isna().any() else float(curve["va"].max())
            rating = rated.get(name) if scope == DailyLoad.Scope.TRANSFORMER else None
            facts.append(
                {
                    "scope": scope,
                    "key": str(name),
                    "energy_wh": round(load.energy_wh, 3),
                    "peak_w": round(load.peak_w, 3),
                    "peak_minute": (load.peak_slot + 1) * period_s // 60,
                    "load_factor": _number(load.load_factor, 9),
                    "coincidence": _number(load.coincidence, 9),
                    "diversity": _number(load.diversity, 9),
                    "peak_va": _number(peak_va),
                    "utilisation": _number((peak_va or load.peak_w) / rating, 9) if rating else None,
                    "period_s": period_s,
                    "curve_w": load.curve_w,
                    "duration_w": load.duration_w,
                    "meters": int(own["meters"]),
                    "meters_known": known.get((name,), 0),
                    "intervals": int(own["intervals"]),
                    "estimated": int(own["estimated"]),
                }
            )
    return facts


def _known(places: pa.Table, columns: list[str]) -> dict[tuple[Any, ...], int]:
    counted = places.group_by(columns).aggregate([("meter_id", "count")]).to_pylist()
    return {tuple(row[name] for name in columns): row["meter_id_count"] for row in counted}


def _number(value: Any, digits: int = 3) -> float | None:
    """Rounded, so that sums in another order are the same fact; None for null."""
    return None if value is None or value != value else round(float(value), digits)


def _write(model: type[models.Model], keys: tuple[str, str], date: dt.date, facts: Facts, now: dt.datetime) -> int:
    """Supersedes what differs and writes the next version; returns the rows written."""
    manager = model._default_manager
    current = {
        tuple(getattr(row, key) for key in keys): row for row in manager.filter(date=date, superseded_at__isnull=True)
    }
    closed, made = [], []
    for fact in facts:
        former = current.get(tuple(fact[key] for key in keys))
        if former is not None and all(getattr(former, name) == value for name, value in fact.items()):
            continue
        version = 1
        if former is not None:
            closed.append(former.pk)
            version = getattr(former, "version") + 1  # noqa: B009 - the models share no base class
        made.append(model(date=date, version=version, computed_at=now, **fact))
    manager.filter(pk__in=closed).update(superseded_at=now)
    manager.bulk_create(made, batch_size=2000)
    return len(made)
