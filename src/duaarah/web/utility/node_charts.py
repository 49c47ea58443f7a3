# SPDX-License-Identifier: Apache-2.0
"""Charts of one node of the supply tree: its load, how much of its rating it uses, its voltages, its reliability."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.utils.translation import gettext as _

from duaarah.analytics.measures.loads import QUANTILES
from duaarah.analytics.measures.voltage import Limits
from duaarah.analytics.models import DailyLoad, DailyVoltage
from duaarah.analytics.reliability import queries as reliability
from duaarah.registry.models import NetworkNode
from duaarah.web.shared.charts import Axis, Chart, Kind, Series, Threshold
from duaarah.web.shared.figures import figure
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.utility.reliability_words import chart as saidi_chart

CURVE_DAYS, TREND_DAYS = 2, 30
LOADED = 0.8  # of a transformer's rating


def name_of(node: NetworkNode) -> str:
    """`Gardu Melati (T1)`, the code alone where there is no name."""
    return f"{node.name} ({node.code})" if node.name else node.code


def _source(node: NetworkNode) -> str:
    return _("Summed power of the customers' meters below %(name)s.") % {"name": name_of(node)}


def heard_words(fact: DailyLoad) -> str:
    """How much of a day's load was told."""
    share = fact.coverage
    return _(
        "%(day)s: %(n)d of %(all)d meters heard, %(percent)s percent of their intervals, %(estimated)d estimated."
    ) % {
        "day": day_words(fact.date),
        "n": fact.meters,
        "all": fact.meters_known,
        "percent": figure(None if share is None else 100 * share, 1),
        "estimated": fact.estimated,
    }


def load_chart(node: NetworkNode, facts: Sequence[DailyLoad]) -> Chart | None:
    """The newest days' curves, newest first; None without a day. Days of another interval are left out."""
    newest = sorted(facts, key=lambda fact: fact.date, reverse=True)[:CURVE_DAYS]
    newest = [fact for fact in newest if fact.period_s == newest[0].period_s and fact.curve_w]
    if not newest:
        return None
    minutes = newest[0].period_s // 60
    length = max(len(fact.curve_w) for fact in newest)
    rated = node.rated_va
    return Chart(
        key="beban",
        title=_("Load of the newest days"),
        unit="kW",
        kind=Kind.STEP,
        axis=Axis.MINUTE,
        positions=tuple(float(number * minutes) for number in range(length)),
        series=tuple(Series(name=day_words(fact.date), values=_kilowatts(fact, length)) for fact in newest),
        thresholds=() if not rated else (Threshold(name=_rating(rated), value=rated / 1000),),
        source=_source(node),
        coverage=heard_words(newest[0]),
    )


def _rating(rated_va: int) -> str:
    return _("rating %(kva)s kVA") % {"kva": figure(rated_va / 1000, 0 if rated_va % 1000 == 0 else 1)}


def _kilowatts(fact: DailyLoad, length: int) -> tuple[float | None, ...]:
    found = [None if watts is None else watts / 1000 for watts in fact.curve_w]
    return (*found, *[None] * (length - len(found)))


def duration_chart(node: NetworkNode, fact: DailyLoad | None) -> Chart | None:
    """How long the load of a day was above what."""
    if fact is None or len(fact.duration_w) != len(QUANTILES):
        return None
    return Chart(
        key="durasi",
        title=_("Duration curve of %(day)s") % {"day": day_words(fact.date)},
        unit="kW",
        kind=Kind.DURATION,
        axis=Axis.SHARE,
        positions=tuple(each / 100 for each in QUANTILES),
        series=(Series(name=_("Load"), values=tuple(watts / 1000 for watts in fact.duration_w)),),
        source=_source(node),
        coverage=heard_words(fact),
    )


def peak_chart(node: NetworkNode, facts: Sequence[DailyLoad], last_date: dt.date) -> Chart | None:
    """The days' peaks: of a transformer with a rating as its percent, else in kW."""
    if not facts:
        return None
    dates = tuple(last_date - dt.timedelta(days=number) for number in reversed(range(TREND_DAYS)))
    own = {fact.date: fact for fact in facts}
    days = [own.get(date) for date in dates]
    rated = any(fact.utilisation is not None for fact in facts)

    def value(fact: DailyLoad | None) -> float | None:
        if fact is None:
            return None
        if rated:
            return None if fact.utilisation is None else 100 * fact.utilisation
        return fact.peak_w / 1000

    return Chart(
        key="puncak",
        title=_("Peak of each day, of its rating") if rated else _("Peak of each day"),
        unit="%" if rated else "kW",
        kind=Kind.BAR,
        axis=Axis.DAY,
        positions=dates,
        series=(Series(name=_("Peak"), values=tuple(value(fact) for fact in days)),),
        thresholds=(Threshold(name="80 %", value=80), Threshold(name="100 %", value=100)) if rated else (),
        source=_source(node),
        coverage=_("%(n)d of %(days)d days are told.") % {"n": len(own.keys() & set(dates)), "days": TREND_DAYS},
        marked=frozenset(n for n, fact in enumerate(days) if fact is not None and fact.meters < fact.meters_known),
        mark=_("not all meters heard"),
    )


def voltage_chart(node: NetworkNode, facts: Sequence[DailyVoltage], limits: Limits, last_date: dt.date) -> Chart | None:
    """The evening's 5th percentile of each phase, over what is allowed."""
    if not any(fact.evening_p5_v is not None for fact in facts):
        return None
    dates = tuple(last_date - dt.timedelta(days=number) for number in reversed(range(TREND_DAYS)))
    series = []
    for phase in sorted({fact.phase for fact in facts}):
        own = {fact.date: fact.evening_p5_v for fact in facts if fact.phase == phase}
        series.append(Series(name=phase or _("Phase not known"), values=tuple(own.get(date) for date in dates)))
    low, high = limits.low_v, limits.high_v
    last = [fact for fact in facts if fact.date == max(each.date for each in facts)]
    return Chart(
        key="tegangan",
        title=_("Voltage in the evening, 5th percentile"),
        unit="V",
        kind=Kind.LINE,
        axis=Axis.DAY,
        positions=dates,
        series=tuple(series),
        thresholds=(
            Threshold(name=f"{figure(low, 0)} V", value=low),
            Threshold(name=f"{figure(high, 0)} V", value=high),
        ),
        allowed=(low, high),
        source=_("Means of the intervals from %(f)02d to %(t)02d h of the meters below %(name)s.")
        % {"f": limits.from_hour, "t": limits.to_hour, "name": name_of(node)},
        coverage=_("%(n)d of %(all)d meters told their voltage on the newest day.")
        % {"n": sum(fact.meters for fact in last), "all": sum(fact.meters_known for fact in last)},
        from_zero=False,
    )


def year_chart(node: NetworkNode, days: dict[dt.date, reliability.Day]) -> Chart:
    """SAIDI of each month of the year so far, over the customers below the node."""
    points = [
        (month.first_date, None if month.saidi_h is None else month.saidi_h * 60, False)
        for month in reliability.pln_months(days)
    ]
    counted = sum(day.served is not None for day in days.values())
    return saidi_chart(name_of(node), points, monthly=False, counted=counted, days=len(days))
