# SPDX-License-Identifier: Apache-2.0
"""Load profiles as a page and its files show them: a day or a mean of days as one side, side by side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from duaarah.analytics.models import DailyLoad
from duaarah.web.shared.chart_data import clock_words
from duaarah.web.shared.charts import Axis, Chart, Kind, Series, Threshold
from duaarah.web.shared.figures import figure
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.utility.sparks import spark

DAY_S = 86_400
NEAR_RATING = 0.5  # from this share on the rating is drawn; below it would flatten the curve


@dataclass(frozen=True, kw_only=True)
class Side:
    """A day's load, or the mean of some days; factors None where they are not defined."""

    name: str
    days: int
    curve_kw: list[float | None]
    energy_kwh: float
    peak_kw: float
    peak_minute: int
    load_factor: float | None
    coincidence: float | None
    diversity: float | None
    peak_kva: float | None
    utilisation: float | None
    meters: int
    known: int
    estimated: float | None
    computed_at: dt.datetime
    version: int


def side_of(fact: DailyLoad) -> Side:
    """One day."""
    return Side(
        name=day_words(fact.date),
        days=1,
        curve_kw=[None if watts is None else watts / 1000 for watts in fact.curve_w],
        energy_kwh=fact.energy_wh / 1000,
        peak_kw=fact.peak_w / 1000,
        peak_minute=fact.peak_minute,
        load_factor=fact.load_factor,
        coincidence=fact.coincidence,
        diversity=fact.diversity,
        peak_kva=None if fact.peak_va is None else fact.peak_va / 1000,
        utilisation=fact.utilisation,
        meters=fact.meters,
        known=fact.meters_known,
        estimated=fact.estimated / fact.intervals if fact.intervals else None,
        computed_at=fact.computed_at,
        version=fact.version,
    )


def mean_side(name: str, facts: Sequence[DailyLoad]) -> Side:
    """
    The mean of days, interval by interval; not empty. Days of another interval length than the last one's are left out of
    the curve. Peak and load factor are those of the mean curve; utilisation is the highest of the days.
    """
    sides = [side_of(fact) for fact in facts]
    length = len(sides[-1].curve_kw)
    columns = list(zip(*(side.curve_kw for side in sides if len(side.curve_kw) == length), strict=True))
    means = [_mean(column) for column in columns]
    told = [value for value in means if value is not None]
    peak = max(told, default=0.0)
    return Side(
        name=name,
        days=len(sides),
        curve_kw=means,
        energy_kwh=_mean([side.energy_kwh for side in sides]) or 0.0,
        peak_kw=peak,
        peak_minute=(means.index(peak) + 1) * 1440 // length if told else 0,
        load_factor=sum(told) / len(told) / peak if peak > 0 else None,
        coincidence=_mean([side.coincidence for side in sides]),
        diversity=_mean([side.diversity for side in sides]),
        peak_kva=max((side.peak_kva for side in sides if side.peak_kva is not None), default=None),
        utilisation=max((side.utilisation for side in sides if side.utilisation is not None), default=None),
        meters=max(side.meters for side in sides),
        known=max(side.known for side in sides),
        estimated=_mean([side.estimated for side in sides]),
        computed_at=max(side.computed_at for side in sides),
        version=max(side.version for side in sides),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if told else None


def load_row(fact: DailyLoad, name: str, curve_w: Sequence[float | None]) -> dict[str, Any]:
    """One scope's day in the list."""
    pairs = [_mean(curve_w[at : at + 2]) for at in range(0, len(curve_w), 2)]
    return {
        "key": fact.key,
        "name": name,
        "energy": figure(fact.energy_wh / 1000, 1),
        "peak": figure(fact.peak_w / 1000, 2),
        "at": clock_words(fact.peak_minute),
        "load_factor": figure(fact.load_factor, 3),
        "coincidence": figure(fact.coincidence, 3),
        "diversity": figure(fact.diversity, 2),
        "percent": figure(None if fact.utilisation is None else 100 * fact.utilisation, 0),
        "over": (fact.utilisation or 0.0) > 1,
        "near": 0.8 < (fact.utilisation or 0.0) <= 1,
        "meters": fact.meters,
        "known": fact.meters_known,
        "estimated": figure(100 * fact.estimated / fact.intervals if fact.intervals else None, 1),
        "spark": spark(pairs, zero=True),
    }


def compared(sides: Sequence[Side]) -> list[tuple[str, list[str]]]:
    """(what, a figure a side)."""

    def row(what: str, read: Any) -> tuple[str, list[str]]:
        return what, [read(side) for side in sides]

    return [
        row(_("Energy (kWh)"), lambda s: figure(s.energy_kwh, 1)),
        row(_("Peak (kW)"), lambda s: f"{figure(s.peak_kw, 2)} · {clock_words(s.peak_minute)}"),
        row(_("Peak (kVA)"), lambda s: figure(s.peak_kva, 2)),
        row(_("Percent of its rating"), lambda s: figure(None if s.utilisation is None else 100 * s.utilisation, 1)),
        row(_("Load factor"), lambda s: figure(s.load_factor, 3)),
        row(_("Coincidence"), lambda s: figure(s.coincidence, 3)),
        row(_("Diversity"), lambda s: figure(s.diversity, 2)),
        row(_("Meters heard, of those known"), lambda s: f"{figure(s.meters, 0)} / {figure(s.known, 0)}"),
        row(_("Estimated (percent)"), lambda s: figure(None if s.estimated is None else 100 * s.estimated, 1)),
        row(_("Version"), lambda s: str(s.version)),
    ]


def day_chart(name: str, sides: Sequence[Side], rated_va: int | None) -> Chart:
    """Power over the day, and the rating where the load comes near it; sides not empty."""
    length = max(len(side.curve_kw) for side in sides)
    most = max(side.peak_kw for side in sides)
    rated = rated_va and most > NEAR_RATING * rated_va / 1000
    limit = Threshold(name=f"{figure((rated_va or 0) / 1000, 0)} kVA", value=(rated_va or 0) / 1000)
    return Chart(
        key="beban",
        title=_("Power over the day"),
        unit="kW",
        kind=Kind.STEP,
        axis=Axis.MINUTE,
        positions=tuple(float(slot * 1440 // length) for slot in range(length)),
        series=tuple(
            Series(name=side.name, values=(*side.curve_kw, *[None] * (length - len(side.curve_kw)))) for side in sides
        ),
        thresholds=(limit,) if rated else (),
        source=_source(name),
        coverage=_coverage(sides),
        decimals=2,
    )


def duration_chart(name: str, sides: Sequence[Side]) -> Chart:
    """For how much of the time the load is at least so high; sides not empty."""
    shares = [n / 100 for n in range(101)]
    return Chart(
        key="lama",
        title=_("Duration curve"),
        unit="kW",
        kind=Kind.DURATION,
        axis=Axis.SHARE,
        positions=tuple(shares),
        series=tuple(Series(name=side.name, values=lasting(side.curve_kw, shares)) for side in sides),
        source=_source(name),
        coverage=_coverage(sides),
        decimals=2,
    )


def lasting(values: Sequence[float | None], shares: Sequence[float]) -> tuple[float | None, ...]:
    """At each share of the time (0 to 1) the load that is reached for so long; interpolated between intervals."""
    told = [value for value in values if value is not None]
    if not told:
        return (None,) * len(shares)
    return tuple(float(value) for value in np.quantile(told, [1 - share for share in shares]))


def trend_chart(name: str, days: Sequence[DailyLoad | None], last_date: dt.date) -> Chart:
    """The peak of each day up to one; of transformers with a rating in percent of it."""
    rated = any(day is not None and day.utilisation is not None for day in days)
    if rated:
        values = [None if day is None or day.utilisation is None else 100 * day.utilisation for day in days]
    else:
        values = [None if day is None else day.peak_w / 1000 for day in days]
    return Chart(
        key="puncak",
        title=_("Utilisation: each day's peak of the rating") if rated else _("Peak of each day"),
        unit="%" if rated else "kW",
        kind=Kind.BAR,
        axis=Axis.DAY,
        positions=tuple(last_date - dt.timedelta(days=n) for n in reversed(range(len(days)))),
        series=(Series(name=_("Peak of the day"), values=tuple(values)),),
        thresholds=(Threshold(name="100 %", value=100.0),) if rated and max(v or 0.0 for v in values) > 60 else (),
        source=_source(name),
        coverage=_("%(n)d of %(days)d days are told.") % {"n": sum(d is not None for d in days), "days": len(days)},
    )


def _source(name: str) -> str:
    return _("The summed power of the customers' meters of %(name)s.") % {"name": name}


def _coverage(sides: Sequence[Side]) -> str:
    heard = [f"{side.name}: {figure(side.meters, 0)}/{figure(side.known, 0)}" for side in sides]
    return _("Meters heard, of those known: %(words)s.") % {"words": "; ".join(heard)}
