# SPDX-License-Identifier: Apache-2.0
"""A transformer's page and a feeder's: plate, place, state now, load, voltage, reliability, outages, work, and its meters."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.analytics.losses import queries as losses
from duaarah.analytics.models import DailyLoad, Scope
from duaarah.analytics.network_days import queries as network
from duaarah.analytics.reliability import queries as reliability
from duaarah.clock.queries import now
from duaarah.outages.models import MeterSupply, Outage, PlannedOutage
from duaarah.outages.queries import OPEN
from duaarah.people.models import Organisation
from duaarah.registry.models import Meter, NetworkNode, NodeMeter
from duaarah.vending.operations.policy import WIB
from duaarah.web.shared.access import for_kind
from duaarah.web.shared.chart_data import clock_words
from duaarah.web.shared.charts import Chart, chart_response
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.figures import figure
from duaarah.web.utility import losses_words as loss_words
from duaarah.web.utility import node_charts as charts
from duaarah.web.utility.outage_words import outage_row, plan_row
from duaarah.web.utility.reliability_words import exact
from duaarah.web.utility.voltage import data_state, section

for_pln = for_kind(Organisation.Kind.UTILITY)
SHOWN, METERS_SHOWN, LOSS_DAYS = 12, 120, 30
WHOLE = 0.9  # of a day's intervals
# The state of a meter's supply: a sign of the style sheet, and its words.
STATES = {
    MeterSupply.State.NYALA: ("nyala", gettext_lazy("supply on")),
    MeterSupply.State.PADAM: ("padam", gettext_lazy("power cut")),
    MeterSupply.State.STROOM_HABIS: ("habis", gettext_lazy("credit empty")),
    MeterSupply.State.MODEM_DIAM: ("diam", gettext_lazy("modem silent")),
    "": ("diam", gettext_lazy("not heard yet")),
}


@for_pln
def transformer(request: HttpRequest, code: str) -> HttpResponseBase:
    """One transformer; `unduh`: its meters as a file, `bentuk`: one of its charts."""
    return _page(request, code, NetworkNode.Kind.TRANSFORMER)


@for_pln
def feeder(request: HttpRequest, code: str) -> HttpResponseBase:
    """One feeder with its transformers; `unduh`: these as a file."""
    return _page(request, code, NetworkNode.Kind.FEEDER)


def _page(request: HttpRequest, code: str, kind: NetworkNode.Kind) -> HttpResponseBase:
    node = get_object_or_404(
        NetworkNode.objects.select_related("parent__parent", "unit", "parent__unit"), code=code, kind=kind
    )
    whole = kind == NetworkNode.Kind.FEEDER
    if (file := exported(request, lambda: _children_table(node) if whole else _meters_table(node))) is not None:
        return file
    at = now()
    today = at.astimezone(WIB).date()
    load, volts, index = _load(node, today), {} if whole else _voltage(node, today), _index(node, today)
    lost = _lost(node)
    made = [one for part in (load, volts, lost, index) for one in part.values() if isinstance(one, Chart)]
    if (file := chart_response(request, made)) is not None:
        return file
    context = {
        "node": node,
        "name": node.name or node.code,
        "way": _way(node),
        "unit": node.unit or (node.parent.unit if node.parent else None),
        "plate": plate(node),
        **load,
        **volts,
        **lost,
        **index,
        **_now(node, at),
        **({"children": children(node, today)} if whole else {"meters": _meters(node)}),
        **data_state(at),
    }
    return render(request, "utility/node.html", context)


def _way(node: NetworkNode) -> list[NetworkNode]:
    """The nodes above, from the top."""
    way: list[NetworkNode] = []
    above = node.parent
    while above is not None and len(way) < 9:
        way.insert(0, above)
        above = above.parent
    return way


def plate(node: NetworkNode) -> list[tuple[str, str]]:
    """What stands on it, as words; only what is known."""
    rows: list[tuple[str, str | None]] = [
        (_("Code"), node.code),
        (_("Rating"), f"{figure(node.rated_va / 1000, 0)} kVA" if node.rated_va else None),
        (_("Loss without load"), None if node.no_load_w is None else f"{figure(node.no_load_w, 0)} W"),
        (_("Loss at rated load"), None if node.load_loss_w is None else f"{figure(node.load_loss_w, 0)} W"),
        (
            _("Place"),
            None
            if node.latitude is None or node.longitude is None
            else f"{figure(node.latitude, 5)}, {figure(node.longitude, 5)}",
        ),
    ]
    return [(name, words) for name, words in rows if words]


def _lost(node: NetworkNode) -> dict[str, Any]:
    """What it lost over the last counted days; nothing where none was counted."""
    last_date = losses.last_loss_date()
    if last_date is None:
        return {"lost": None, "loss_chart": None}
    first_date = last_date - dt.timedelta(days=LOSS_DAYS - 1)
    found = losses.sums_of(losses.facts(first_date, last_date).filter(node=node))
    days = losses.days_of(node.pk, first_date, last_date)
    drawn = loss_words.ntl_chart if node.kind == NetworkNode.Kind.TRANSFORMER else loss_words.balance_chart
    cases = losses.open_cases().get(node.pk, 0)
    return {
        "lost": loss_words.sums_row(found[0], node, cases) if found else None,
        "lost_date": last_date,
        "lost_days": LOSS_DAYS,
        "loss_chart": drawn(days, loss_words.coverage_words(days)) if days else None,
    }


def _load(node: NetworkNode, today: dt.date) -> dict[str, Any]:
    scope = DailyLoad.Scope.FEEDER if node.kind == NetworkNode.Kind.FEEDER else DailyLoad.Scope.TRANSFORMER
    last_date = network.last_load_date() or today
    first_date = last_date - dt.timedelta(days=charts.TREND_DAYS - 1)
    facts = list(network.daily_loads(scope, first_date, last_date).filter(key=str(node.pk)))
    # A day that is not over, or still comes in, has no peak to speak of; it is told where there is no other.
    newest = next((fact for fact in reversed(facts) if (fact.coverage or 0.0) >= WHOLE), facts[-1] if facts else None)
    return {
        "load": charts.load_chart(node, facts),
        "peaks": charts.peak_chart(node, facts, last_date),
        "duration": charts.duration_chart(node, newest),
        "newest": newest and _load_words(newest),
    }


def _load_words(fact: DailyLoad) -> dict[str, Any]:
    return {
        "date": fact.date,
        "peak": figure(fact.peak_w / 1000, 1),
        "minute": clock_words(fact.peak_minute),
        "utilisation": figure(None if fact.utilisation is None else 100 * fact.utilisation, 0),
        "over": (fact.utilisation or 0) > 1,
        "near": (fact.utilisation or 0) > charts.LOADED,
        "factor": figure(fact.load_factor, 2),
        "coincidence": figure(fact.coincidence, 2),
        "energy": figure(fact.energy_wh / 1000, 0),
        "heard": charts.heard_words(fact),
    }


def _voltage(node: NetworkNode, today: dt.date) -> dict[str, Any]:
    last_date = network.last_voltage_date() or today
    facts = list(
        network.voltages(last_date - dt.timedelta(days=charts.TREND_DAYS - 1), last_date).filter(transformer=node)
    )
    limits = network.limits_of(last_date)
    return {
        "voltage": charts.voltage_chart(node, facts, limits, last_date),
        "lowest": section(node, last_date)["lowest"] if facts else [],
        "low_days": len({fact.date for fact in facts if fact.below}),
        "high_days": len({fact.date for fact in facts if fact.above}),
        "told_days": len({fact.date for fact in facts}),
    }


def _index(node: NetworkNode, today: dt.date) -> dict[str, Any]:
    scope = Scope.FEEDER if node.kind == NetworkNode.Kind.FEEDER else Scope.TRANSFORMER
    year = today.replace(month=1, day=1)
    days = reliability.days_of(scope=scope, scope_id=node.pk, first_date=year, last_date=today)
    view = reliability.view(days)
    return {
        "scope": f"{scope}:{node.pk}",
        "year": today.year,
        "saidi": figure(view.indices.saidi_min, 2),
        "saifi": figure(view.indices.saifi, 4),
        "served": figure(view.served, 0),
        "counted": view.counted,
        "days": view.days,
        "index_chart": charts.year_chart(node, days) if view.counted else None,
    }


def _now(node: NetworkNode, at: dt.datetime) -> dict[str, Any]:
    """What is off now on it, above or below it; its outages of the year; work that is planned on it or above."""
    ids = [node.pk, *(above.pk for above in _way(node))]
    below = Q(node__parent=node) | Q(meter__transformer=node) | Q(meter__transformer__parent=node)
    rows = Outage.objects.select_related("node", "meter__customer", "planned").exclude(evidence__has_key="part_of")
    own = rows.filter(Q(node_id__in=ids) | below)
    found = own.filter(state__in=OPEN).order_by("-affected", "-began_at")
    over = own.exclude(state__in=OPEN).filter(began_at__gte=at - dt.timedelta(days=365)).order_by("-began_at")
    plans = PlannedOutage.objects.filter(
        node_id__in=ids, end_at__gte=at, state__in=(PlannedOutage.State.DRAFT, PlannedOutage.State.ANNOUNCED)
    )
    counted = dict(meters_below(node).values_list("supply__state").annotate(n=Count("pk")).order_by())
    return {
        "open": [outage_row(one) for one in found[:SHOWN]],
        "dark": found.filter(node_id__in=ids, state=Outage.State.DECLARED).exists(),
        "past": [outage_row(one) for one in over[:SHOWN]],
        "past_count": over.count(),
        "plans": [plan_row(one) for one in plans.select_related("node").order_by("begin_at")[:SHOWN]],
        "states": [(*STATES[key or ""], counted[key]) for key in (*MeterSupply.State.values, None) if counted.get(key)],
        "meters_count": sum(counted.values()),
        "totals": NodeMeter.objects.filter(node=node, valid__contains=at).select_related("meter"),
    }


def meters_below(node: NetworkNode) -> Any:
    """Customers' meters of a transformer or a feeder; total meters are nobody's and left out."""
    at = (
        Meter.objects.filter(transformer__parent=node)
        if node.kind == "FEEDER"
        else Meter.objects.filter(transformer=node)
    )
    return at.filter(measures=None)


def _meters(node: NetworkNode) -> dict[str, Any]:
    found = meters_below(node).select_related("customer", "supply").order_by("drn")
    rows = []
    for meter in found[:METERS_SHOWN]:
        supply = getattr(meter, "supply", None)
        sign, words = STATES[supply.state if supply else ""]
        rows.append({"meter": meter, "sign": sign, "words": words, "since": supply and supply.since_at})
    order = ["padam", "habis", "diam", "nyala"]
    return {
        "rows": sorted(rows, key=lambda row: order.index(row["sign"])),
        "more": max(0, found.count() - METERS_SHOWN),
    }


def _meters_table(node: NetworkNode) -> Table:
    head = (_("Meter"), "idpel", _("Phase"), _("Tariff group"), _("Contracted power (VA)"), _("State"), _("Since"))
    found = meters_below(node).select_related("customer", "supply").order_by("drn")

    def row(meter: Meter) -> tuple[object, ...]:
        supply = getattr(meter, "supply", None)
        words, since = STATES[supply.state if supply else ""][1], supply.since_at.isoformat() if supply else ""
        idpel = meter.customer.idpel if meter.customer else ""
        return meter.drn, idpel, meter.phase, meter.tariff_group, meter.contracted_va, str(words), since

    return Table(name=f"gardu-{node.code}-meter", head=head, rows=(row(meter) for meter in found))


def children(node: NetworkNode, today: dt.date) -> list[dict[str, Any]]:
    """A feeder's transformers: meters, newest utilisation, SAIDI of the year; the most loaded first."""
    below = list(NetworkNode.objects.filter(parent=node).annotate(n=Count("meters")).order_by("code"))
    year = today.replace(month=1, day=1)
    sums = reliability.sums_of(
        scope=Scope.TRANSFORMER, scope_ids=[one.pk for one in below], first_date=year, last_date=today
    )
    last_date = network.last_load_date() or today
    loads = {
        int(fact.key): fact
        for fact in network.daily_loads(DailyLoad.Scope.TRANSFORMER, last_date, last_date).filter(
            key__in=[str(one.pk) for one in below]
        )
    }
    rows = []
    for one in below:
        served, ci, us = sums.get(one.pk, (0, 0, 0))
        load = loads.get(one.pk)
        used = None if load is None or load.utilisation is None else 100 * load.utilisation
        rows.append(
            {
                "node": one,
                "meters": one.n,
                "used": used,
                "utilisation": figure(used, 0),
                "peak": figure(None if load is None else load.peak_w / 1000, 1),
                "cells": (exact(used), exact(None if load is None else load.peak_w / 1000)),
                "saidi": figure(us / 60e6 / served if served else None, 2),
                "saifi": figure(ci / served if served else None, 4),
            }
        )
    return sorted(rows, key=lambda row: -(row["used"] or -1.0))


def _children_table(node: NetworkNode) -> Table:
    head = (_("Transformer"), _("Name"), _("Meters"), _("Rating (VA)"), _("Percent of its rating"), _("Peak (kW)"))
    rows = (
        (row["node"].code, row["node"].name, row["meters"], row["node"].rated_va or "", *row["cells"])
        for row in children(node, now().astimezone(WIB).date())
    )
    return Table(name=f"penyulang-{node.code}", head=head, rows=rows)
