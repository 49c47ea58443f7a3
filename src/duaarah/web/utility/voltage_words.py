# SPDX-License-Identifier: Apache-2.0
"""Line ends as a page shows them: a phase's row, sums in figures, and the voltage map along the supply tree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from duaarah.analytics.measures.voltage import Limits
from duaarah.analytics.models import DailyVoltage
from duaarah.registry.models import NetworkNode
from duaarah.web.shared.charts import Axis, Chart, Kind, Series, Threshold
from duaarah.web.shared.figures import figure
from duaarah.web.shared.pdf_table import ROWS_MAX, PrintedTable
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.utility.sparks import spark

Trends = dict[tuple[int, str], list[float | None]]
# Transformers stand in the map while there are so few, or when one feeder is asked for.
MAP_TRANSFORMERS, MAP_FEEDERS = 40, 80
STRIP, STRIP_HEIGHT = 300, 22
MARGIN_V = 4.0
LANES = {"L1": 0, "L2": 1, "L3": 2}  # a phase that is not known lies where the first does


def limit_words(limits: Limits) -> dict[str, str]:
    """The evening and the band in figures."""
    return {
        "from": f"{limits.from_hour:02d}",
        "to": f"{limits.to_hour:02d}",
        "low": figure(limits.low_v, 0),
        "high": figure(limits.high_v, 0),
    }


def phase_row(fact: DailyVoltage, drn: dict[int, str], trends: Trends, limits: Limits) -> dict[str, Any]:
    """One phase of one day; `drn` names its lowest meters."""
    return {
        "fact": fact,
        "node": fact.transformer,
        "p1": figure(fact.evening_p1_v, 1),
        "p5": figure(fact.evening_p5_v, 1),
        "least": figure(fact.evening_min_v, 1),
        "median": figure(fact.evening_median_v, 1),
        "below": figure(100 * fact.below / fact.intervals if fact.intervals else None, 1),
        "above": figure(100 * fact.above / fact.intervals if fact.intervals else None, 1),
        "lowest": [
            {
                "drn": drn[one["meter_id"]],
                "volts": figure(one["v_min"], 1),
                "at": dt.datetime.fromisoformat(one["at"]),
            }
            for one in fact.lowest
            if one["meter_id"] in drn
        ],
        "spark": spark(trends.get((fact.transformer_id, fact.phase), []), (limits.low_v, limits.high_v)),
        "low": fact.below > 0,
        "high": fact.above > 0,
    }


def sums(facts: list[DailyVoltage]) -> dict[str, Any]:
    """What the day says in one line, and how many meters it was said by."""
    intervals = sum(fact.intervals for fact in facts)
    return {
        "phases": len(facts),
        "low": sum(fact.below > 0 for fact in facts),
        "high": sum(fact.above > 0 for fact in facts),
        "low_meters": sum(fact.low_meters for fact in facts),
        "below": figure(100 * sum(fact.below for fact in facts) / intervals if intervals else None, 2),
        "above": figure(100 * sum(fact.above for fact in facts) / intervals if intervals else None, 2),
        "meters": sum(fact.meters for fact in facts),
        "known": sum(fact.meters_known for fact in facts),
        "computed_at": max((fact.computed_at for fact in facts), default=None),
        "version": max((fact.version for fact in facts), default=0),
    }


def voltage_map(facts: list[DailyVoltage], limits: Limits, *, whole: bool) -> dict[str, Any] | None:
    """
    Rows of the supply tree, the worst first among their kin, each with a strip of voltages on one common scale.

    A substation's and a feeder's strip has a tick for each phase below it, at the evening's p5; a transformer's has a line
    a phase from the lowest to the median, with p5 marked. `whole`: the transformers too, however many.
    """
    told = [fact for fact in facts if fact.evening_p5_v is not None]
    if not told:
        return None
    scale = _Scale(told, limits)
    by_feeder: dict[int | None, list[DailyVoltage]] = {}
    for fact in told:
        by_feeder.setdefault(fact.transformer.parent_id, []).append(fact)
    by_station: dict[int | None, list[int | None]] = {}
    for feeder, own in by_feeder.items():
        parent = own[0].transformer.parent
        by_station.setdefault(None if parent is None else parent.parent_id, []).append(feeder)
    open_too = whole or len({fact.transformer_id for fact in told}) <= MAP_TRANSFORMERS
    rows: list[dict[str, Any]] = []
    stations = sorted(by_station.values(), key=lambda of: min(_least(by_feeder[one]) for one in of))
    for feeders in stations:
        own = [fact for one in feeders for fact in by_feeder[one]]
        above = own[0].transformer.parent
        rows.append(_branch(0, None if above is None else above.parent, own, scale, limits))
        for one in sorted(feeders, key=lambda number: _least(by_feeder[number]))[:MAP_FEEDERS]:
            rows.append(_branch(1, by_feeder[one][0].transformer.parent, by_feeder[one], scale, limits))
            if open_too:
                rows += _leaves(by_feeder[one], scale, limits)
    return {"rows": rows, "open": open_too, "feeders": len(by_feeder), **scale.frame(limits)}


def _least(facts: Iterable[DailyVoltage]) -> float:
    return min(fact.evening_p5_v or 0.0 for fact in facts)


class _Scale:
    """Volts to the strip's width; wide enough for every figure shown and for the band."""

    def __init__(self, facts: list[DailyVoltage], limits: Limits) -> None:
        lows = [fact.evening_min_v or limits.low_v for fact in facts]
        highs = [fact.evening_median_v or limits.high_v for fact in facts]
        self.low = min(limits.low_v, *lows) - MARGIN_V
        self.high = max(limits.high_v, *highs) + MARGIN_V

    def x(self, volts: float) -> float:
        return round(STRIP * (volts - self.low) / (self.high - self.low), 1)

    def frame(self, limits: Limits) -> dict[str, Any]:
        left, right = self.x(limits.low_v), self.x(limits.high_v)
        return {
            "width": STRIP,
            "height": STRIP_HEIGHT,
            "band_x": f"{left}",
            "band_width": f"{right - left:.1f}",
            "low": figure(limits.low_v, 0),
            "high": figure(limits.high_v, 0),
            "low_at": f"{100 * left / STRIP:.1f}%",
            "high_at": f"{100 * right / STRIP:.1f}%",
        }


def _branch(
    depth: int, node: NetworkNode | None, facts: list[DailyVoltage], scale: _Scale, limits: Limits
) -> dict[str, Any]:
    places = {scale.x(fact.evening_p5_v or 0.0): (fact.evening_p5_v or 0.0) < limits.low_v for fact in facts}
    return {
        **_row(depth, node, facts, limits),
        "inside": "".join(f"M{x} 3v16" for x, low in sorted(places.items()) if not low),
        "outside": "".join(f"M{x} 1v20" for x, low in sorted(places.items()) if low),
        "phases": [],
    }


def _leaves(facts: list[DailyVoltage], scale: _Scale, limits: Limits) -> list[dict[str, Any]]:
    own: dict[int, list[DailyVoltage]] = {}
    for fact in facts:
        own.setdefault(fact.transformer_id, []).append(fact)
    rows = []
    for phases in sorted(own.values(), key=_least):
        lines = []
        for fact in sorted(phases, key=lambda f: f.phase):
            place = LANES.get(fact.phase, 0)
            p5 = fact.evening_p5_v or 0.0
            lines.append(
                {
                    "look": f"phase{place + 1}",
                    "y": 4 + 7 * place,
                    "from": f"{scale.x(fact.evening_min_v or p5)}",
                    "to": f"{scale.x(fact.evening_median_v or p5)}",
                    "at": f"{scale.x(p5)}",
                    "text": f"{fact.phase or '-'}: {figure(fact.evening_min_v, 1)} / {figure(p5, 1)} V",
                }
            )
        rows.append({**_row(2, phases[0].transformer, phases, limits), "phases": lines, "inside": "", "outside": ""})
    return rows


def _row(depth: int, node: NetworkNode | None, facts: list[DailyVoltage], limits: Limits) -> dict[str, Any]:
    """`low`, `high`: phases with any interval outside; the sign says whether the evening's ends are low."""
    low = sum((fact.evening_p5_v or 0.0) < limits.low_v for fact in facts)
    ever = sum(fact.below > 0 for fact in facts)
    return {
        "depth": depth,
        "node": node,
        "kind": ("SUBSTATION", "FEEDER", "TRANSFORMER")[depth],
        "count": len(facts),
        "low": low,
        "ever": ever,
        "above": sum(fact.above > 0 for fact in facts),
        "p5": figure(_least(facts), 1),
    }


def ends_chart(facts: list[DailyVoltage], limits: Limits) -> Chart | None:
    """How large a share of the phases has its evening's p5 so low or lower; None without two phases."""
    told = [fact.evening_p5_v for fact in facts if fact.evening_p5_v is not None]
    if len(told) < 2:
        return None
    shares = [n / 100 for n in range(101)]
    heard, known = sum(fact.meters for fact in facts), sum(fact.meters_known for fact in facts)
    return Chart(
        key="ujung",
        title=_("Phases by their line ends"),
        unit="V",
        kind=Kind.DURATION,
        axis=Axis.SHARE,
        positions=tuple(shares),
        series=(Series(name=_("5th percentile"), values=tuple(np.quantile(told, shares).tolist())),),
        source=_("The evening's 5th percentile of %(n)d phases of transformers on %(day)s, the lowest at the left.")
        % {"n": len(told), "day": day_words(facts[0].date)},
        coverage=_("%(n)d of %(all)d meters told their voltage.") % {"n": heard, "all": known},
        thresholds=tuple(Threshold(name=f"{volts:.0f} V", value=volts) for volts in (limits.low_v, limits.high_v)),
        allowed=(limits.low_v, limits.high_v),
        from_zero=False,
    )


def printed(date: dt.date | None, facts: list[DailyVoltage]) -> PrintedTable:
    """The phases for printing, the worst first, as many as anybody prints."""
    rows = [
        (
            fact.transformer.name or fact.transformer.code,
            fact.transformer.parent.code if fact.transformer.parent else "-",
            fact.phase or "-",
            figure(fact.evening_p1_v, 1),
            figure(fact.evening_p5_v, 1),
            figure(fact.evening_min_v, 1),
            figure(fact.evening_median_v, 1),
            figure(100 * fact.below / fact.intervals if fact.intervals else None, 1),
            figure(100 * fact.above / fact.intervals if fact.intervals else None, 1),
            f"{fact.low_meters} / {fact.meters} ({fact.meters_known})",
        )
        for fact in facts[:ROWS_MAX]
    ]
    return PrintedTable(
        name=f"tegangan-{date or 'kosong'}",
        title=_("Voltage at the line ends"),
        under="-" if date is None else f"{day_words(date)} · {len(facts)}",
        head=(
            *(_("Transformer"), _("Feeder"), _("Phase"), "p1 (V)", "p5 (V)", _("Lowest (V)"), _("Median (V)")),
            *(_("Percent of time below"), _("Percent of time above"), _("Meters below, of those heard")),
        ),
        rows=rows,
        sums=None,
        figures=frozenset(range(3, 10)),
        page=_("Page"),
    )
