# SPDX-License-Identifier: Apache-2.0
"""Tegangan ujung: where along the supply tree the evening's line ends are low, the worst first, and one transformer's month."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.text import slugify
from django.utils.translation import gettext as _

from duaarah.analytics.measures.voltage import Limits
from duaarah.analytics.models import DailyVoltage
from duaarah.analytics.network_days import queries
from duaarah.clock.queries import now
from duaarah.people.models import Organisation, Unit
from duaarah.readings.store import coverage
from duaarah.registry.models import Meter, NetworkNode
from duaarah.vending.operations.policy import WIB
from duaarah.web.shared.access import for_kind
from duaarah.web.shared.charts import Axis, Chart, Kind, Series, Threshold, chart_response
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.figures import figure
from duaarah.web.shared.pdf_table import as_pdf
from duaarah.web.utility import voltage_words as words
from duaarah.web.utility.morning import data_words
from duaarah.web.utility.reliability_words import exact

for_pln = for_kind(Organisation.Kind.UTILITY)
SHOWN, TREND_DAYS, COVERAGE_DAYS = 60, 30, 7
LOWEST_SHOWN = 12
ORDERS = ("p5", "lama")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the address asks for; `date` None: nothing was ever told."""

    date: dt.date | None
    unit: Unit | None
    feeder: NetworkNode | None
    order: str


def date_of(request: HttpRequest, name: str, default_date: dt.date | None) -> dt.date | None:
    """A day of the address. Raises Http404 for what is none."""
    text = request.GET.get(name, "")
    try:
        found = dt.date.fromisoformat(text) if text else default_date
    except ValueError as error:
        raise Http404 from error
    if found is not None and not 2000 <= found.year <= 2200:
        raise Http404
    return found


def number_of(request: HttpRequest, name: str) -> int | None:
    """A row's number of the address; empty is none. Raises Http404 for other words."""
    text = request.GET.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 18):
        raise Http404
    return int(text) if text else None


def asked_of(request: HttpRequest) -> Asked:
    """Raises Http404 for a unit, a feeder or an order that there is not."""
    unit, feeder = number_of(request, "unit"), number_of(request, "penyulang")
    order = request.GET.get("urut", ORDERS[0])
    if order not in ORDERS:
        raise Http404
    return Asked(
        date=date_of(request, "hari", queries.last_voltage_date()),
        unit=None if unit is None else get_object_or_404(Unit, pk=unit),
        feeder=None
        if feeder is None
        else get_object_or_404(NetworkNode.objects.select_related("parent"), pk=feeder, kind="FEEDER"),
        order=order,
    )


@for_pln
def voltage(request: HttpRequest) -> HttpResponseBase:
    """One day of all line ends; `unduh` may be csv, xlsx or pdf."""
    at, asked = now(), asked_of(request)
    facts = _worst_first(placed(_facts(asked).defer("lowest")), asked.order)
    if (file := exported(request, lambda: _table(asked, _with_lowest(facts)))) is not None:
        return file
    limits = queries.limits_of(asked.date or at.astimezone(WIB).date())
    if request.GET.get("unduh") == "pdf":
        return as_pdf(words.printed(asked.date, facts))
    ends = words.ends_chart(facts, limits)
    if (file := chart_response(request, [ends] if ends else [])) is not None:
        return file
    shown = _with_lowest(facts[:SHOWN])
    drn = _numbers(shown)
    trends = _trends(asked.date, {fact.transformer_id for fact in shown})
    context = {
        "asked": asked,
        "ends": ends,
        "units": Unit.objects.filter(networknode__isnull=False).distinct().order_by("name"),
        "feeders": _feeders(asked),
        "rows": [words.phase_row(fact, drn, trends, limits) for fact in shown],
        "total": len(facts),
        "map": words.voltage_map(facts, limits, whole=asked.feeder is not None),
        "sums": words.sums(facts),
        "limits": words.limit_words(limits),
        "before": asked.date and asked.date - dt.timedelta(days=1),
        "after": asked.date and asked.date + dt.timedelta(days=1),
        **data_state(at),
    }
    return render(request, "utility/voltage.html", context)


def data_state(at: dt.datetime) -> dict[str, Any]:
    """For `shared/data_state.html`: the last week of the interval store."""
    today = at.astimezone(WIB).date()
    found = coverage(today - dt.timedelta(days=COVERAGE_DAYS), today - dt.timedelta(days=1))
    return {"data": data_words(found, at), "now": at}


def _facts(asked: Asked) -> QuerySet[DailyVoltage]:
    if asked.date is None:
        return DailyVoltage.objects.none()
    found = queries.voltages(asked.date, asked.date)
    if asked.unit is not None:
        of = asked.unit.pk
        found = found.filter(
            Q(transformer__unit=of)
            | Q(transformer__unit=None, transformer__parent__unit=of)
            | Q(transformer__unit=None, transformer__parent__unit=None, transformer__parent__parent__unit=of)
        )
    return found if asked.feeder is None else found.filter(transformer__parent=asked.feeder)


def placed(found: QuerySet[DailyVoltage]) -> list[DailyVoltage]:
    """Facts with their transformers and what is above these: each node is made once, not once a fact."""
    nodes = NetworkNode.objects.in_bulk()
    for node in nodes.values():
        if node.parent_id is not None:
            node.parent = nodes[node.parent_id]
    facts = list(found.select_related(None))
    for fact in facts:
        fact.transformer = nodes[fact.transformer_id]
    return facts


def _with_lowest(facts: list[DailyVoltage]) -> list[DailyVoltage]:
    """With their lowest meters, which only the rows that are shown need."""
    rows = DailyVoltage.objects.filter(pk__in=[fact.pk for fact in facts]).values_list("pk", "lowest")
    lowest = dict(rows)
    for fact in facts:
        fact.lowest = lowest[fact.pk]
    return facts


def _feeders(asked: Asked) -> QuerySet[NetworkNode]:
    found = NetworkNode.objects.filter(kind=NetworkNode.Kind.FEEDER).order_by("code")
    if asked.unit is None:
        return found
    return found.filter(
        Q(unit=asked.unit) | Q(unit=None, parent__unit=asked.unit) | Q(children__unit=asked.unit)
    ).distinct()


def _worst_first(facts: list[DailyVoltage], order: str) -> list[DailyVoltage]:
    """By the evening's p5, or by the share of time below; phases without an evening last."""

    def weight(fact: DailyVoltage) -> tuple[float, float]:
        p5 = 1e9 if fact.evening_p5_v is None else fact.evening_p5_v
        share = -fact.below / fact.intervals if fact.intervals else 1.0
        return (p5, share) if order == "p5" else (share, p5)

    return sorted(facts, key=weight)


def _numbers(facts: list[DailyVoltage]) -> dict[int, str]:
    """DRNs of the lowest meters."""
    ids = {one["meter_id"] for fact in facts for one in fact.lowest}
    return dict(Meter.objects.filter(pk__in=ids).values_list("pk", "drn"))


def _trends(date: dt.date | None, transformers: set[int]) -> words.Trends:
    """p5 of each phase of the days up to a date, in order; None where nothing was told."""
    if date is None:
        return {}
    first = date - dt.timedelta(days=TREND_DAYS - 1)
    found: words.Trends = {}
    rows = DailyVoltage.objects.filter(
        superseded_at=None, date__range=(first, date), transformer_id__in=transformers
    ).values_list("transformer_id", "phase", "date", "evening_p5_v")
    for transformer, phase, day, p5 in rows:
        found.setdefault((transformer, phase), [None] * TREND_DAYS)[(day - first).days] = p5
    return found


def _table(asked: Asked, facts: list[DailyVoltage]) -> Table:
    head = (
        *(_("Date"), _("Substation"), _("Feeder"), _("Transformer"), _("Phase")),
        *("p1 (V)", "p5 (V)", _("Lowest (V)"), _("Median (V)"), _("Percent of time below"), _("Percent of time above")),
        *(_("Intervals"), _("Meters below"), _("Meters heard"), _("Meters known")),
        *(_("Lowest meter"), _("Its lowest (V)"), _("Version")),
    )
    drn = _numbers(facts)
    rows = []
    for fact in facts:
        feeder = fact.transformer.parent
        lowest = fact.lowest[0] if fact.lowest else None
        rows.append(
            (
                fact.date.isoformat(),
                "" if feeder is None or feeder.parent is None else feeder.parent.code,
                "" if feeder is None else feeder.code,
                fact.transformer.code,
                fact.phase,
                exact(fact.evening_p1_v),
                exact(fact.evening_p5_v),
                exact(fact.evening_min_v),
                exact(fact.evening_median_v),
                exact(100 * fact.below / fact.intervals if fact.intervals else None),
                exact(100 * fact.above / fact.intervals if fact.intervals else None),
                fact.intervals,
                fact.low_meters,
                fact.meters,
                fact.meters_known,
                "" if lowest is None else drn.get(lowest["meter_id"], ""),
                "" if lowest is None else exact(lowest["v_min"]),
                fact.version,
            )
        )
    return Table(name=f"tegangan-{asked.date or 'kosong'}", head=head, rows=rows)


@for_pln
def transformer(request: HttpRequest, node: int) -> HttpResponseBase:
    """One transformer: its phases over 30 days and its lowest meters."""
    found = get_object_or_404(NetworkNode.objects.select_related("parent__parent"), pk=node, kind="TRANSFORMER")
    at = now()
    last_date = date_of(request, "hari", queries.last_voltage_date()) or at.astimezone(WIB).date()
    own = section(found, last_date)
    if (file := chart_response(request, [phase["chart"] for phase in own["phases"]])) is not None:
        return file
    return render(request, "utility/voltage_transformer.html", {"node": found, **own, **data_state(at)})


def section(node: NetworkNode, last_date: dt.date) -> dict[str, Any]:
    """
    For `utility/voltage_section.html`: the phases over the days up to a date, and the meters that were lowest most often.

    Also for other pages that tell of a transformer; their view answers `chart_response` with the charts of `phases`.
    """
    first_date = last_date - dt.timedelta(days=TREND_DAYS - 1)
    facts = list(queries.voltages(first_date, last_date).filter(transformer=node))
    limits = queries.limits_of(last_date)
    phases = []
    for phase in sorted({fact.phase for fact in facts}):
        own = {fact.date: fact for fact in facts if fact.phase == phase}
        low = [day for day in own.values() if day.below]
        phases.append(
            {
                "phase": phase,
                "chart": _phase_chart(node, phase, own, first_date, limits),
                "days": len(own),
                "low_days": len(low),
                "worst": min(low, key=lambda day: day.evening_min_v or 1e9) if low else None,
                "below": figure(_share(sum(day.below for day in low), sum(d.intervals for d in own.values())), 2),
            }
        )
    newest_date = max((fact.date for fact in facts), default=None)
    return {
        "phases": phases,
        "lowest": _lowest(facts),
        "first_date": first_date,
        "last_date": last_date,
        "limits": words.limit_words(limits),
        "latest": [words.phase_row(fact, {}, {}, limits) for fact in facts if fact.date == newest_date],
    }


def _phase_chart(
    node: NetworkNode, phase: str, own: dict[dt.date, DailyVoltage], first_date: dt.date, limits: Limits
) -> Chart:
    dates = tuple(first_date + dt.timedelta(days=n) for n in range(TREND_DAYS))
    days = [own.get(date) for date in dates]
    heard, known = sum(day.meters for day in own.values()), sum(day.meters_known for day in own.values())
    return Chart(
        key=f"tegangan-{slugify(phase) or 'x'}",
        title=_("Evening voltage of phase %(phase)s") % {"phase": phase or _("not known")},
        unit="V",
        kind=Kind.LINE,
        axis=Axis.DAY,
        positions=dates,
        series=(
            Series(name=_("Median"), values=tuple(None if d is None else d.evening_median_v for d in days)),
            Series(name=_("5th percentile"), values=tuple(None if d is None else d.evening_p5_v for d in days)),
            Series(name=_("Lowest"), values=tuple(None if d is None else d.evening_min_v for d in days)),
        ),
        thresholds=tuple(Threshold(name=f"{v:.0f} V", value=v) for v in (limits.low_v, limits.high_v)),
        allowed=(limits.low_v, limits.high_v),
        source=_("Means of intervals of all meters of the phase at %(node)s, %(f)d-%(t)d h.")
        % {"node": node.name or node.code, "f": limits.from_hour, "t": limits.to_hour},
        coverage=_("%(n)d of %(all)d days are told, by %(share)d percent of the meters.")
        % {"n": len(own), "all": TREND_DAYS, "share": round(100 * heard / known) if known else 0},
        from_zero=False,
    )


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _lowest(facts: list[DailyVoltage]) -> list[dict[str, Any]]:
    """Meters that were among a phase's lowest: on how many days, and their lowest interval."""
    found: dict[int, dict[str, Any]] = {}
    for fact in facts:
        for one in fact.lowest:
            known = found.setdefault(one["meter_id"], {"days": 0, "v_min": 1e9, "at": None, "phase": fact.phase})
            known["days"] += 1
            if one["v_min"] < known["v_min"]:
                known.update(v_min=one["v_min"], at=dt.datetime.fromisoformat(one["at"]), phase=fact.phase)
    own = {meter.pk: meter for meter in Meter.objects.filter(pk__in=found)}
    rows = [
        {**one, "meter": own[number], "volts": figure(one["v_min"], 1)}
        for number, one in found.items()
        if number in own
    ]
    return sorted(rows, key=lambda row: (row["v_min"], -row["days"]))[:LOWEST_SHOWN]
