# SPDX-License-Identifier: Apache-2.0
"""One local day of a transformer or feeder as a fact, from its panel. No database."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace
from typing import Any

import numpy as np

from duaarah.analytics.losses.network import Place
from duaarah.analytics.losses.panels import local_day
from duaarah.core.losses.assess import Assessment, assess
from duaarah.core.losses.balance import Balance, balance, node_balance
from duaarah.core.losses.estimate import Estimate, estimate, quantile_90
from duaarah.core.losses.panel import Panel
from duaarah.core.losses.technical import POWER_FACTOR, Plate, usual_plate

# A rating that nobody recorded is taken from the highest load seen: transformers are chosen so.
USUAL_LOADING, LEAST_VA = 0.6, 25_000.0
NEGATIVE_SHARE = 0.02  # total meters of different classes may say so much more
CLEAN_DAYS_MIN = 7
Fact = dict[str, Any]


def plate_of(place: Place, panel: Panel) -> Plate:
    """The name plate; where the registry has no rating, a usual one for the load that is seen."""
    if place.plate is not None:
        return place.plate
    finite = panel.total_wh[np.isfinite(panel.total_wh)]
    peak_w = float(finite.max()) * 3600 / panel.period_s if len(finite) else 0.0
    return usual_plate(max(peak_w / POWER_FACTOR / USUAL_LOADING, LEAST_VA))


def assessed(place: Place, panel: Panel, *, ranked: bool) -> Assessment:
    """A transformer over the panel's days; days that an inspection found clean teach the model if they are within."""
    clean = None
    if place.clean is not None:
        days = panel.days()
        first, last = (local_day(date) for date in place.clean)
        if len(days):
            # Of days before the first reading nothing can be learnt; the others still teach.
            first = max(first, int(days[0]))
        if len(days) and last <= days[-1] and last - first + 1 >= CLEAN_DAYS_MIN:
            clean = (first, last)
    return assess(panel, plate_of(place, panel), clean=clean, ranked=ranked)


def transformer_fact(place: Place, panel: Panel, date: dt.date) -> Fact:
    """The day's columns of DailyLoss; the panel's other days teach the model."""
    return _silent_total(place, date, _transformer_fact(place, panel, date))


def _silent_total(place: Place, date: dt.date, fact: Fact) -> Fact:
    """A total meter that only was silent all day is not one that is missing."""
    begin_s, end_s = place.midnight_s(date), place.midnight_s(date + dt.timedelta(days=1))
    if fact["refusal"] == "no_total" and any(t.from_s < end_s and t.to_s > begin_s for t in place.totals):
        return {**fact, "refusal": "incomplete"}
    return fact


def _transformer_fact(place: Place, panel: Panel, date: dt.date) -> Fact:
    day = local_day(date)
    own = panel.span(day, day)
    heard = int((np.isfinite(own.energy_wh) | np.isfinite(own.register_wh)).any(axis=0).sum())
    moved = [["moved_in", c.meter_id] for c in place.customers if c.recorded != place.node_id]
    base: Fact = {"kind": place.kind, "meters": heard, "meters_known": len(place.customers)}
    if not np.isfinite(panel.total_wh).any():
        return {**base, **_told(balance(own), None, 0.0), "clean_days": 0, "findings": moved}
    found = assessed(place, panel, ranked=False)
    begin_s, end_s = place.midnight_s(date), place.midnight_s(date + dt.timedelta(days=1))
    clocks = [c for c in found.clocks if c.since_s < end_s and c.until_s > begin_s]
    told = balance(own, clock_lag_s={c.meter_id: c.lag_s for c in clocks})
    answer = estimate(found.hours.part(found.hours.day == day), found.model)
    noise = quantile_90(found.model.freedom) * found.model.noise * answer.input_wh
    registers = [[r.kind, r.meter_id] for r in found.registers if begin_s < r.end_s <= end_s]
    return {
        **base,
        **_told(told, answer, noise),
        "ntl_memory": round(found.model.memory, 4),
        "clean_days": found.model.clean_days,
        "findings": registers + [["clock", c.meter_id] for c in clocks] + moved,
    }


def feeder_fact(place: Place, own: Panel, below: list[Panel], date: dt.date) -> Fact:
    """A feeder's day: its own total meter against those of its transformers (`below`), all of that day alone."""
    parts = [_input(panel) for panel in below]
    mine = _input(own)
    told = node_balance(
        parts,
        input_wh=mine.input_wh,
        own_use_wh=0.0,
        completeness=mine.completeness,
        has_total=not mine.code,
    )
    if told.refusal is None and told.input_wh < told.sent_on_wh * (1 - NEGATIVE_SHARE):
        told = replace(told, code="negative", refusal="More went out than came in.")
    fact: Fact = {
        "kind": place.kind,
        "meters": sum(not part.code for part in parts),
        "meters_known": len(parts),
        "clean_days": 0,
        "findings": [],
        **_told(replace(told, sold_wh=told.sent_on_wh, sent_on_wh=0.0), None, 0.0, has_total=not mine.code),
    }
    return _silent_total(place, date, fact)


def _input(panel: Panel) -> Balance:
    """What came into a node by its total meters alone."""
    present = np.isfinite(panel.total_wh)
    share = float(present.mean()) if len(present) else 0.0
    input_wh = float(panel.total_wh[present].sum()) / share if share else 0.0
    return Balance(input_wh, 0.0, 0.0, 0.0, share, "" if share else "no_total")


def _told(told: Balance, answer: Estimate | None, noise_wh: float, *, has_total: bool | None = None) -> Fact:
    code = told.code
    there = has_total if has_total is not None else code != "no_total"
    if not code and answer is not None and not math.isfinite(answer.ntl_wh):
        code = "incomplete"
    fact: Fact = {
        "input_wh": _number(told.input_wh) if there else None,
        "delivered_wh": _number(told.sold_wh),
        "completeness": round(told.completeness, 6),
        "refusal": code,
    }
    names = ("technical_wh", "technical_low_wh", "technical_high_wh", "ntl_wh", "ntl_low_wh", "ntl_high_wh")
    for name in names:
        # Physics goes on where the verdict is refused; what is missing cannot be told then.
        shown = answer is not None and (name.startswith("technical") or not code)
        fact[name] = _number(getattr(answer, name)) if shown else None
    fact["ntl_noise_wh"] = _number(noise_wh) if fact["ntl_wh"] is not None else None
    return fact


def _number(value: float) -> float | None:
    """A tenth of a watt-hour: sums in another order are the same fact. None where nothing is known."""
    return round(float(value), 1) if math.isfinite(value) else None
