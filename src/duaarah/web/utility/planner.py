# SPDX-License-Identifier: Apache-2.0
"""The planner's page: full and growing transformers, weak line ends, losses, unreliable feeders; where money helps first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from duaarah.analytics.losses import queries as losses
from duaarah.analytics.models import Scope
from duaarah.analytics.network_days import planning
from duaarah.analytics.network_days import queries as network
from duaarah.analytics.reliability import queries as reliability
from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.registry.models import NetworkNode
from duaarah.vending.operations.policy import WIB
from duaarah.web.shared.access import for_kind
from duaarah.web.shared.charts import chart_response
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.figures import figure
from duaarah.web.utility import losses_words as loss_words
from duaarah.web.utility import planner_words as words
from duaarah.web.utility.reliability_words import exact
from duaarah.web.utility.voltage import data_state

for_pln = for_kind(Organisation.Kind.UTILITY)
TREND_DAYS, END_DAYS, LOSS_DAYS, SHOWN = 180, 30, 30, 25


@dataclass(frozen=True, kw_only=True)
class Found:
    """Everything that the page rests on, with the spans of its days."""

    use_dates: tuple[dt.date, dt.date]
    end_dates: tuple[dt.date, dt.date]
    loss_dates: tuple[dt.date, dt.date]
    year_dates: tuple[dt.date, dt.date]
    uses: list[planning.Use]
    ends: list[planning.End]
    losses: list[losses.Sums]
    feeders: list[planning.Contribution]
    served: dict[int, float]
    whole_served: float
    nodes: words.Nodes

    def minutes(self, one: planning.Contribution) -> float:
        """What a feeder adds to the utility's SAIDI."""
        return one.interrupted_us / 60e6 / self.whole_served if self.whole_served else 0.0

    def shares(self) -> list[tuple[planning.Contribution, float, float]]:
        """Each feeder with its shares of the customers' time without supply and of the customers."""
        us = sum(one.interrupted_us for one in self.feeders)
        served = sum(self.served.values())
        return [
            (one, one.interrupted_us / us if us else 0.0, self.served.get(one.node_id, 0.0) / served if served else 0.0)
            for one in self.feeders
        ]


def _span(last_date: dt.date | None, days: int, today: dt.date) -> tuple[dt.date, dt.date]:
    end = last_date or today
    return end - dt.timedelta(days=days - 1), end


def find(today: dt.date) -> Found:
    """By the newest facts of each kind."""
    use_dates = _span(network.last_load_date(), TREND_DAYS, today)
    end_dates = _span(network.last_voltage_date(), END_DAYS, today)
    loss_dates = _span(losses.last_loss_date(), LOSS_DAYS, today)
    year_dates = today.replace(month=1, day=1), today
    missing = losses.sums_of(losses.facts(*loss_dates).filter(node__kind=NetworkNode.Kind.TRANSFORMER))
    feeders = planning.contributions(*year_dates)
    ids = NetworkNode.objects.filter(kind=NetworkNode.Kind.FEEDER).values_list("pk", flat=True)
    sums = reliability.sums_of(
        scope=Scope.FEEDER, scope_ids=list(ids), first_date=year_dates[0], last_date=year_dates[1]
    )
    whole = reliability.sums_of(scope=Scope.UTILITY, scope_ids=[0], first_date=year_dates[0], last_date=year_dates[1])
    return Found(
        use_dates=use_dates,
        end_dates=end_dates,
        loss_dates=loss_dates,
        year_dates=year_dates,
        uses=planning.uses(*use_dates),
        ends=planning.ends(*end_dates),
        losses=sorted((one for one in missing if one.given), key=lambda one: -(one.ntl_share or 0.0)),
        feeders=feeders,
        served={pk: row[0] for pk, row in sums.items()},
        whole_served=whole[0][0] if 0 in whole else 0.0,
        nodes=NetworkNode.objects.select_related("parent").in_bulk(),
    )


@for_pln
def planner(request: HttpRequest) -> HttpResponseBase:
    """`unduh` with `tabel` gives a ranking as a file, `bentuk` with `grafik` a chart."""
    at = now()
    found = find(at.astimezone(WIB).date())
    if "unduh" in request.GET:
        make = TABLES.get(request.GET.get("tabel", ""))
        if make is None:
            raise Http404
        if (file := exported(request, lambda: make(found))) is not None:
            return file
    charts = _charts(found)
    if (response := chart_response(request, list(charts.values()))) is not None:
        return response
    context = {
        "advice": words.advice(found.uses, found.ends, found.losses, found.shares(), found.nodes),
        "charts": charts,
        "uses": [_use_row(one, found) for one in found.uses[:SHOWN]],
        "over": sum(one.peak > 1 for one in found.uses),
        "near": sum(0.8 < one.peak <= 1 for one in found.uses),
        "growing": sum(one.grows for one in found.uses),
        "ends": [_end_row(one, found) for one in found.ends[:SHOWN] if one.below or one.above],
        "losses": [loss_words.sums_row(one, found.nodes[one.node_id], 0) for one in found.losses[:SHOWN]],
        "feeders": [_feeder_row(*one, found) for one in found.shares()[:SHOWN]],
        "spans": {
            "use": words.span_words(*found.use_dates),
            "end": words.span_words(*found.end_dates),
            "loss": words.span_words(*found.loss_dates),
        },
        **data_state(at),
    }
    return render(request, "utility/planner.html", context)


def _charts(found: Found) -> dict[str, Any]:
    ranked = [(found.nodes[one.node_id], found.minutes(one)) for one in found.feeders]
    loads = _("Daily load facts, %(span)s.") % {"span": words.span_words(*found.use_dates)}
    volts = _("Daily voltage facts, %(span)s.") % {"span": words.span_words(*found.end_dates)}
    balance = _("Daily balances with a verdict, %(span)s.") % {"span": words.span_words(*found.loss_dates)}
    faults = _("Interruptions longer than five minutes, %(span)s.") % {"span": words.span_words(*found.year_dates)}
    return {
        "use": words.use_chart(found.uses, found.nodes, loads),
        "ends": words.end_chart([one for one in found.ends if one.outside], found.nodes, volts),
        "losses": words.loss_chart(found.losses, found.nodes, balance),
        "feeders": words.feeder_chart(ranked, faults),
    }


def _use_row(one: planning.Use, found: Found) -> dict[str, Any]:
    return {
        "node": found.nodes[one.node_id],
        "peak": figure(100 * one.peak, 0),
        "sign": "habis" if one.peak > 1 else "wait" if one.peak > 0.8 else "nyala",
        "over": one.over_days,
        "mean": figure(100 * one.mean, 0),
        "growth": words.growth_words(one),
        "grows": one.grows,
        "months": figure(one.months_to_full, 0),
        "days": one.days,
    }


def _end_row(one: planning.End, found: Found) -> dict[str, Any]:
    return {
        "node": found.nodes[one.node_id],
        "phase": one.phase,
        "below": figure(100 * one.below, 2),
        "hours": figure(24 * one.below, 2),
        "above": figure(100 * one.above, 2),
        "low_days": one.low_days,
        "days": one.days,
        "p5": figure(one.p5_min_v, 1),
        "meters": one.meters,
    }


def _feeder_row(one: planning.Contribution, share: float, fair: float, found: Found) -> dict[str, Any]:
    return {
        "node": found.nodes[one.node_id],
        "minutes": figure(found.minutes(one), 2),
        "share": figure(100 * share, 1),
        "fair": figure(100 * fair, 1),
        "ci": one.ci,
        "causes": words.causes_words(one),
    }


def _use_table(found: Found) -> Table:
    head = (
        *(_("Transformer"), _("Feeder"), _("Rating (VA)"), _("Highest peak, percent"), _("Days above the rating")),
        *(
            _("Mean peak, percent"),
            _("Trend (points a month)"),
            _("Its standard error"),
            _("Months to full"),
            _("Days"),
        ),
    )

    def line(one: planning.Use) -> tuple[object, ...]:
        node = found.nodes[one.node_id]
        growth, error = one.growth_month, one.growth_error
        return (
            *(node.code, node.parent.code if node.parent else "", node.rated_va or "", exact(100 * one.peak)),
            *(one.over_days, exact(100 * one.mean), exact(None if growth is None else 100 * growth)),
            *(exact(None if error is None else 100 * error), exact(one.months_to_full), one.days),
        )

    return Table(name=f"gardu-{found.use_dates[1]}", head=head, rows=(line(one) for one in found.uses))


def _end_table(found: Found) -> Table:
    head = (
        *(_("Transformer"), _("Phase"), _("Days"), _("Days with low voltage"), _("Percent of time below")),
        *(_("Hours a day below, a meter"), _("Percent of time above"), _("Lowest evening p5 (V)"), _("Meters known")),
    )
    rows = (
        (
            *(found.nodes[one.node_id].code, one.phase, one.days, one.low_days, exact(100 * one.below)),
            *(exact(24 * one.below), exact(100 * one.above), exact(one.p5_min_v), one.meters),
        )
        for one in found.ends
    )
    return Table(name=f"ujung-{found.end_dates[1]}", head=head, rows=rows)


def _feeder_table(found: Found) -> Table:
    head = (
        *(_("Feeder"), _("SAIDI of the utility (min)"), _("Percent of SAIDI"), _("Percent of the customers"), "CI"),
        _("Causes"),
    )
    rows = (
        (
            *(found.nodes[one.node_id].code, exact(found.minutes(one)), exact(100 * share), exact(100 * fair)),
            *(one.ci, words.causes_words(one)),
        )
        for one, share, fair in found.shares()
    )
    return Table(name=f"penyulang-{found.year_dates[1]:%Y}", head=head, rows=rows)


def _loss_table(found: Found) -> Table:
    head = (
        *(_("Transformer"), _("Days with a verdict"), _("Came in (kWh)"), _("Technical (kWh)")),
        *(_("Non-technical (kWh)"), _("Interval from (kWh)"), _("Interval to (kWh)")),
    )
    rows = (
        (
            found.nodes[one.node_id].code,
            one.given,
            *(loss_words.exact_kwh(value) for value in (one.input_wh, one.technical_wh, one.ntl_wh)),
            *(loss_words.exact_kwh(value) for value in (one.ntl_low_wh, one.ntl_high_wh)),
        )
        for one in found.losses
    )
    return Table(name=f"susut-{found.loss_dates[1]}", head=head, rows=rows)


TABLES: dict[str, Callable[[Found], Table]] = {
    "gardu": _use_table,
    "ujung": _end_table,
    "penyulang": _feeder_table,
    "susut": _loss_table,
}
