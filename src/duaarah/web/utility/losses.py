# SPDX-License-Identifier: Apache-2.0
"""Susut: transformers and feeders by what they lose, down to the meter; what is wrong with places, registers and clocks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _

from duaarah.analytics.losses import queries
from duaarah.analytics.models import DailyLoss, LossDecision, LossFinding, LossSuspect
from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.registry.models import Meter, NetworkNode
from duaarah.vending.operations.policy import WIB
from duaarah.web.shared.access import for_kind, login_of
from duaarah.web.shared.charts import chart_response
from duaarah.web.shared.export import Table, exported
from duaarah.web.utility import losses_words as words
from duaarah.web.utility.reliability_words import exact
from duaarah.web.utility.voltage import data_state, date_of, number_of

for_pln = for_kind(Organisation.Kind.UTILITY)
SPAN_DAYS, SPAN_MAX_DAYS, SHOWN = 30, 366, 100
ORDERS = ("ntl", "susut", "persen")
Kind = NetworkNode.Kind
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the address asks for; both days within."""

    first_date: dt.date
    last_date: dt.date
    feeder: NetworkNode | None
    order: str

    @property
    def period(self) -> str:
        return f"dari={self.first_date}&sampai={self.last_date}"


def asked_of(request: HttpRequest) -> Asked:
    """Raises Http404 for days, a feeder or an order that there is not."""
    newest = queries.last_loss_date() or now().astimezone(WIB).date() - DAY
    last_date = date_of(request, "sampai", newest) or newest
    first_date = date_of(request, "dari", None) or last_date - (SPAN_DAYS - 1) * DAY
    feeder, order = number_of(request, "penyulang"), request.GET.get("urut", ORDERS[0])
    if first_date > last_date or (last_date - first_date).days >= SPAN_MAX_DAYS or order not in ORDERS:
        raise Http404
    return Asked(
        first_date=first_date,
        last_date=last_date,
        feeder=None if feeder is None else get_object_or_404(NetworkNode, pk=feeder, kind=Kind.FEEDER),
        order=order,
    )


@for_pln
def losses(request: HttpRequest) -> HttpResponseBase:
    """The ranking; `unduh` may be csv or xlsx."""
    asked, at = asked_of(request), now()
    rows = _rows(asked)
    transformers = [row for row in rows if row["node"].kind == Kind.TRANSFORMER]
    feeders = [row for row in rows if row["node"].kind == Kind.FEEDER]
    if (file := exported(request, lambda: _table(asked, feeders + transformers))) is not None:
        return file
    context = {
        "asked": asked,
        "feeder_names": NetworkNode.objects.filter(kind=Kind.FEEDER).order_by("code"),
        "transformers": transformers[:SHOWN],
        "total": len(transformers),
        "feeders": feeders,
        "whole": _whole(transformers),
        "findings": queries.findings().count(),
        **data_state(at),
    }
    return render(request, "utility/losses.html", context)


def _rows(asked: Asked) -> list[dict[str, Any]]:
    """Nodes with their sums, what has a verdict first, the greatest loss first."""
    facts = queries.facts(asked.first_date, asked.last_date)
    if asked.feeder is not None:
        facts = facts.filter(node__parent=asked.feeder) | facts.filter(node=asked.feeder)
    found = queries.sums_of(facts)
    nodes = NetworkNode.objects.select_related("parent").in_bulk([one.node_id for one in found])
    cases = queries.open_cases()

    def weight(one: queries.Sums) -> tuple[bool, float, str]:
        measure = {"ntl": one.ntl_wh, "susut": one.loss_wh, "persen": one.loss_share}[asked.order]
        return (not one.given, -(measure if measure is not None else one.loss_wh or 0.0), nodes[one.node_id].code)

    return [words.sums_row(one, nodes[one.node_id], cases.get(one.node_id, 0)) for one in sorted(found, key=weight)]


def _whole(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """All transformers with a verdict in one line."""
    given = [row["sums"] for row in rows if row["sums"].given]
    if not rows:
        return None
    input_wh = sum(one.input_wh or 0.0 for one in given)
    loss_wh = sum(one.loss_wh or 0.0 for one in given)
    return {
        "input": words.kwh(input_wh, 0),
        "loss": words.kwh(loss_wh, 0),
        "percent": words.percent(loss_wh / input_wh if input_wh else None, 2),
        "ntl": words.kwh(sum(one.ntl_wh or 0.0 for one in given), 0),
        "given": len(given),
        "nodes": len(rows),
        "cases": sum(row["cases"] for row in rows),
        "computed_at": max(row["sums"].computed_at for row in rows),
    }


def _table(asked: Asked, rows: list[dict[str, Any]]) -> Table:
    head = (
        *(_("Kind"), _("Feeder"), _("Node"), _("From"), _("Until"), _("Days"), _("Days with a verdict")),
        *(_("Came in (kWh)"), _("Delivered (kWh)"), _("Loss (kWh)"), _("Loss, percent"), _("Technical (kWh)")),
        *(_("Non-technical (kWh)"), _("Interval from (kWh)"), _("Interval to (kWh)")),
        *(_("Complete, percent"), _("No verdict because"), _("Open indications")),
    )

    def line(row: dict[str, Any]) -> tuple[object, ...]:
        one, node = row["sums"], row["node"]
        feeder = node.parent.code if node.kind == Kind.TRANSFORMER and node.parent else ""
        energies = (one.input_wh, one.delivered_wh, one.loss_wh)
        missing = (one.technical_wh, one.ntl_wh, one.ntl_low_wh, one.ntl_high_wh)
        return (
            *(node.kind, feeder, node.code, asked.first_date.isoformat(), asked.last_date.isoformat()),
            *(one.days, one.given, *(words.exact_kwh(value) for value in energies)),
            exact(None if one.loss_share is None else 100 * one.loss_share),
            *(words.exact_kwh(value) for value in missing),
            *(exact(100 * one.completeness), one.refusal, row["cases"]),
        )

    name = f"susut-{asked.first_date}-{asked.last_date}"
    return Table(name=name, head=head, rows=(line(row) for row in rows))


@for_pln
def node_page(request: HttpRequest, node: int) -> HttpResponseBase:
    """One transformer or feeder: its days, what they say, indications and findings; `unduh` gives the days."""
    found = get_object_or_404(
        NetworkNode.objects.select_related("parent"), pk=node, kind__in=(Kind.TRANSFORMER, Kind.FEEDER)
    )
    asked, at = asked_of(request), now()
    days = queries.days_of(found.pk, asked.first_date, asked.last_date)
    if (file := exported(request, lambda: _days_table(found, days))) is not None:
        return file
    coverage = words.coverage_words(days)
    charts = [words.balance_chart(days, coverage)]
    if found.kind == Kind.TRANSFORMER:
        charts.insert(0, words.ntl_chart(days, coverage))
    if (file := chart_response(request, charts)) is not None:
        return file
    sums = queries.sums_of(queries.facts(asked.first_date, asked.last_date).filter(node=found))
    context = {
        "node": found,
        "asked": asked,
        "charts": charts if days else [],
        "days": [words.day_row(day) for day in reversed(days)],
        "sums": words.sums_row(sums[0], found, 0) if sums else None,
        "says": words.state_words(queries.state_of(found.pk)) if found.kind == Kind.TRANSFORMER else [],
        "suspects": [words.suspect_row(one) for one in queries.indicated(LossSuspect.objects.filter(node=found))],
        "findings": _finding_rows(list(queries.findings(node_id=found.pk))),
        **data_state(at),
    }
    return render(request, "utility/losses_node.html", context)


def _days_table(node: NetworkNode, days: list[DailyLoss]) -> Table:
    head = (
        *(_("Date"), _("Came in (kWh)"), _("Delivered (kWh)"), _("Technical (kWh)"), _("Non-technical (kWh)")),
        *(
            _("Interval from (kWh)"),
            _("Interval to (kWh)"),
            _("Complete, percent"),
            _("No verdict because"),
            _("Version"),
        ),
    )
    names = ("input_wh", "delivered_wh", "technical_wh", "ntl_wh", "ntl_low_wh", "ntl_high_wh")
    rows = (
        (
            day.date.isoformat(),
            *(words.exact_kwh(getattr(day, name)) for name in names),
            *(exact(100 * day.completeness), day.refusal, day.version),
        )
        for day in days
    )
    return Table(name=f"susut-{node.code}", head=head, rows=rows)


def _finding_rows(found: list[LossFinding]) -> list[dict[str, Any]]:
    nodes = NetworkNode.objects.in_bulk([int(row.detail["likely"][0]) for row in found if "likely" in row.detail])
    exchanged = [row.detail["exchanged"] for row in found if row.detail.get("exchanged")]
    drns = dict(Meter.objects.filter(pk__in=exchanged).values_list("pk", "drn"))
    decided = queries.decisions_of({row.meter_id for row in found}, LossDecision.About.PLACE)
    rows = []
    for row in found:
        decision = decided.get((row.node_id, row.meter_id)) if row.kind in words.PLACES else None
        says = words.PLACE_STATES[decision.state] if decision is not None else ""  # type: ignore[index]
        rows.append({**words.finding_row(row, nodes, drns), "decision": decision, "says": says})
    return rows


@for_pln
def findings_page(request: HttpRequest) -> HttpResponseBase:
    """What is wrong with places, registers and clocks, all transformers together; `unduh` gives the list."""
    group = request.GET.get("jenis", "")
    if group and group not in words.GROUPS:
        raise Http404
    kinds = words.GROUPS[group][1] if group else ()
    found = list(queries.findings(kinds))
    rows = _finding_rows(found)
    if (file := exported(request, lambda: _findings_table(rows))) is not None:
        return file
    context = {
        "group": group,
        "groups": [(key, name) for key, (name, _kinds) in words.GROUPS.items()],
        "rows": rows[: 2 * SHOWN],
        "total": len(rows),
        **data_state(now()),
    }
    return render(request, "utility/losses_findings.html", context)


def _findings_table(rows: list[dict[str, Any]]) -> Table:
    head = (_("Meter"), _("Recorded at"), _("Kind"), _("What is seen"), _("Since"), _("Seen on site"), _("Version"))
    lines = (
        (
            *(one["row"].meter.drn, one["row"].node.code, str(one["kind"]), one["words"]),
            *(one["row"].computed_at.isoformat(), str(one["says"]), one["row"].version),
        )
        for one in rows
    )
    return Table(name="susut-temuan", head=head, rows=lines)


@for_pln
def meter_page(request: HttpRequest, node: int, drn: str) -> HttpResponseBase:
    """One meter at its transformer: what the indication rests on, its use beside what is missing, what people decided."""
    context = meter_context(request, node, drn)
    if (file := chart_response(request, context["charts"])) is not None:
        return file
    return render(request, "utility/losses_meter.html", context)


def meter_context(request: HttpRequest, node: int, drn: str) -> dict[str, Any]:
    """Of a meter with an indication, a finding or a decision at this transformer. Raises Http404 for others."""
    found = get_object_or_404(NetworkNode.objects.select_related("parent"), pk=node, kind=Kind.TRANSFORMER)
    meter = get_object_or_404(Meter.objects.select_related("customer"), drn=drn)
    asked = asked_of(request)
    suspects = queries.indicated(LossSuspect.objects.filter(node=found, meter=meter))
    own = _finding_rows(list(queries.findings(node_id=found.pk).filter(meter=meter)))
    decisions = LossDecision.objects.filter(node=found, meter=meter).select_related("made_by", "undone_by")
    if not (suspects or own or decisions):
        raise Http404
    days = queries.days_of(found.pk, asked.first_date, asked.last_date)
    used = queries.meter_days(meter.pk, meter.zone, asked.first_date, asked.last_date)
    chart = words.meter_chart(days, used, words.coverage_words(days))
    return {
        "node": found,
        "meter": meter,
        "asked": asked,
        "suspect": words.suspect_row(suspects[0]) if suspects else None,
        "findings": own,
        "place": next((one for one in own if one["row"].kind in words.PLACES), None),
        "decisions": [
            {"row": row, "says": words.PLACE_STATES[row.state] if row.about == "PLACE" else words.STATES[row.state]}  # type: ignore[index]
            for row in decisions.order_by("-made_at", "-pk")
        ],
        "charts": [chart] if days else [],
        "states": [(key, words.STATES[key]) for key in LossDecision.State],
        "place_states": words.PLACE_STATES.items(),
        "login": login_of(request),
        **data_state(now()),
    }
