# SPDX-License-Identifier: Apache-2.0
"""The planner's page in words and charts: rankings, and where money helps first with its reason and its figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from duaarah.analytics.losses.queries import Sums
from duaarah.analytics.network_days.planning import MONTH_DAYS, Contribution, End, Use
from duaarah.outages.models import Cause
from duaarah.registry.models import NetworkNode
from duaarah.web.shared.charts import Axis, Chart, Kind, Series, Threshold
from duaarah.web.shared.figures import figure
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.utility.losses_words import between
from duaarah.web.utility.outage_words import CAUSES

CHARTED, ADVISED = 15, 10
# From where on something is worth money: a peak of the rating, a year to full, a share of the meters' time outside a limit,
# a share of the input missing beyond physics, a feeder's part of SAIDI against its part of the customers.
FULL, SOON_MONTHS, LOW_SHARE, LOW_DAYS, NTL_SHARE, FAIR, FEEDER_SHARE = 1.0, 12.0, 0.05, 3, 0.02, 2.0, 0.1


@dataclass(frozen=True, kw_only=True)
class Advice:
    """`factor`: how many times its own limit; `why` the reason, `figures` what it rests on."""

    node: NetworkNode
    kind: str
    why: str
    figures: str
    factor: float


Nodes = dict[int, NetworkNode]


def name_of(node: NetworkNode) -> str:
    return node.name or node.code


def _rank(key: str, title: str, unit: str, rows: Sequence[tuple[str, float]], source: str, **more: object) -> Chart:
    """The first of a ranking."""
    shown = rows[:CHARTED]
    return Chart(
        key=key,
        title=title,
        unit=unit,
        kind=Kind.RANK,
        axis=Axis.NAME,
        positions=tuple(name for name, _value in shown),
        series=(Series(name=title, values=tuple(value for _name, value in shown)),),
        source=source,
        coverage=_("The first %(n)d of %(all)d; the file of the table holds all.")
        % {"n": len(shown), "all": len(rows)},
        **more,  # type: ignore[arg-type]
    )


def span_words(first_date: dt.date, last_date: dt.date) -> str:
    return f"{day_words(first_date)} - {day_words(last_date)}"


def use_chart(rows: Sequence[Use], nodes: Nodes, source: str) -> Chart:
    return _rank(
        "pemakaian",
        _("Highest peak of 30 days, of the rating"),
        "%",
        [(name_of(nodes[one.node_id]), 100 * one.peak) for one in rows],
        source,
        thresholds=(Threshold(name="80 %", value=80), Threshold(name="100 %", value=100)),
        decimals=0,
    )


def end_name(one: End, nodes: Nodes) -> str:
    return f"{name_of(nodes[one.node_id])} {one.phase}".strip()


def end_chart(rows: Sequence[End], nodes: Nodes, source: str) -> Chart:
    return _rank(
        "ujung",
        _("Time of its meters outside the limits"),
        "%",
        [(end_name(one, nodes), 100 * one.outside) for one in rows],
        source,
        thresholds=(Threshold(name="5 %", value=100 * LOW_SHARE),),
        decimals=2,
    )


def loss_chart(rows: Sequence[Sums], nodes: Nodes, source: str) -> Chart:
    return _rank(
        "susut",
        _("Missing beyond physics, of the input"),
        "%",
        [(name_of(nodes[one.node_id]), 100 * (one.ntl_share or 0.0)) for one in rows if one.ntl_share is not None],
        source,
        decimals=2,
    )


def feeder_chart(rows: Sequence[tuple[NetworkNode, float]], source: str) -> Chart:
    return _rank(
        "penyulang",
        _("Its part of the utility's SAIDI this year"),
        _("minutes"),
        [(name_of(node), minutes) for node, minutes in rows],
        source,
        decimals=2,
    )


def causes_words(one: Contribution) -> str:
    """`Fault 80 %, Planned work 20 %`."""
    whole = one.interrupted_us
    parts = sorted(one.by_cause.items(), key=lambda each: -each[1])
    return ", ".join(f"{CAUSES[Cause(cause)]} {figure(100 * us / whole, 0)} %" for cause, us in parts if whole and us)


def growth_words(one: Use) -> str:
    """`+1,2 ± 0,3` points a month; a dash where days are too few."""
    if one.growth_month is None or one.growth_error is None:
        return "-"
    sign = "+" if one.growth_month >= 0 else ""
    return f"{sign}{figure(100 * one.growth_month, 2)} ± {figure(100 * one.growth_error, 2)}"


def advice(
    uses: Sequence[Use],
    ends: Sequence[End],
    losses: Sequence[Sums],
    feeders: Sequence[tuple[Contribution, float, float]],
    nodes: Nodes,
) -> list[Advice]:
    """
    What is furthest over its own limit first.

    Args:
        feeders: with their shares of SAIDI and of the customers.
    """
    found = [*_full(uses, nodes), *_weak(ends, nodes), *_missing(losses, nodes), *_unreliable(feeders, nodes)]
    return sorted(found, key=lambda one: (-one.factor, one.node.code))[:ADVISED]


def _full(uses: Sequence[Use], nodes: Nodes) -> list[Advice]:
    """A trend is carried on no longer than it was seen, and for twelve months at most."""
    found = []
    for one in uses:
        ahead = min(SOON_MONTHS, one.days / MONTH_DAYS) * (one.growth_month or 0.0) if one.grows else 0.0
        if one.peak + ahead <= FULL:
            continue
        if one.peak > FULL:
            why = _("It carries more than its rating: a larger one, or part of its load to a neighbour.")
        elif (one.months_to_full or 0.0) < 1:
            why = _("It is full in less than a month if its peak goes on growing so.")
        else:
            months = figure(one.months_to_full, 0)
            why = _("It is full in %(months)s months if its peak goes on growing so.") % {"months": months}
        found.append(
            Advice(
                node=nodes[one.node_id],
                kind=_("Load"),
                why=why,
                figures=_(
                    "peak %(peak)s percent of the rating, above it on %(n)d days of 30, trend %(trend)s points a month"
                )
                % {"peak": figure(100 * one.peak, 0), "n": one.over_days, "trend": growth_words(one)},
                factor=(one.peak + ahead) / FULL,
            )
        )
    return found


def _weak(ends: Sequence[End], nodes: Nodes) -> list[Advice]:
    """Ends that are too low, and phases that are too high; of a transformer with several, one advice by its worst."""
    groups: dict[tuple[int, bool], list[End]] = {}
    for one in ends:
        if one.below >= LOW_SHARE and one.low_days >= LOW_DAYS:
            groups.setdefault((one.node_id, True), []).append(one)
        if one.above >= LOW_SHARE:
            groups.setdefault((one.node_id, False), []).append(one)
    found = []
    for (node, low), phases in groups.items():
        worst = max(phases, key=lambda one: one.below if low else one.above)
        why = (
            _("Too low at its end (%(phases)s): balance the phases, a heavier line, or a transformer nearer by.")
            if low
            else _("Too high (%(phases)s): another tap of the transformer costs least, if its far end bears it.")
        )
        names = ", ".join(sorted(one.phase or _("Phase not known") for one in phases))
        figures = {
            "below": figure(100 * worst.below, 1),
            "above": figure(100 * worst.above, 1),
            "n": worst.low_days,
            "days": worst.days,
            "p5": figure(worst.p5_min_v, 1),
        }
        found.append(
            Advice(
                node=nodes[node],
                kind=_("Line end"),
                why=why % {"phases": names},
                figures=_(
                    "%(below)s percent of its meters' time below, on %(n)d of %(days)d days, %(above)s percent above; lowest"
                    " evening %(p5)s V (p5)"
                )
                % figures,
                factor=(worst.below if low else worst.above) / LOW_SHARE,
            )
        )
    return found


def _missing(losses: Sequence[Sums], nodes: Nodes) -> list[Advice]:
    found = []
    for one in losses:
        if not one.input_wh or one.ntl_low_wh is None or one.ntl_low_wh / one.input_wh < NTL_SHARE:
            continue
        found.append(
            Advice(
                node=nodes[one.node_id],
                kind=_("Losses"),
                why=_("Energy is missing that physics does not explain: an inspection costs least of all."),
                figures=_("%(kwh)s kWh in %(days)d days (80 %% interval), %(share)s percent of the input")
                % {
                    "kwh": between(one.ntl_low_wh, one.ntl_high_wh, 0),
                    "days": one.given,
                    "share": figure(100 * (one.ntl_share or 0.0), 1),
                },
                factor=one.ntl_low_wh / one.input_wh / NTL_SHARE,
            )
        )
    return found


def _unreliable(feeders: Sequence[tuple[Contribution, float, float]], nodes: Nodes) -> list[Advice]:
    return [
        Advice(
            node=nodes[one.node_id],
            kind=_("Reliability"),
            why=_("It takes more of the interruption than its customers are: look at its causes."),
            figures=_("%(saidi)s percent of this year's SAIDI with %(served)s percent of the customers; %(causes)s")
            % {
                "saidi": figure(100 * share, 1),
                "served": figure(100 * fair, 1),
                "causes": causes_words(one),
            },
            factor=share / fair / FAIR,
        )
        for one, share, fair in feeders
        if fair > 0 and share >= FEEDER_SHARE and share >= FAIR * fair
    ]
