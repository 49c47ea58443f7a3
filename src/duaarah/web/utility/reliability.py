# SPDX-License-Identifier: Apache-2.0
"""SAIDI and SAIFI of a month or a year along the supply tree: IEEE's view and PLN's, with and without major event days."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.analytics.models import Exclusion, Scope
from duaarah.analytics.reliability import operations as verbs
from duaarah.analytics.reliability import queries
from duaarah.clock.queries import now
from duaarah.outages.models import Interruption
from duaarah.people.models import Approval, Login, Membership, Organisation
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Meter, NetworkNode
from duaarah.vending.operations.policy import WIB
from duaarah.web.shared.access import acting, for_kind, login_of
from duaarah.web.shared.charts import chart_response
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.pdf_table import PrintedTable, as_pdf
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.utility import reliability_words as words

for_pln = for_kind(Organisation.Kind.UTILITY)
LONGEST = 10
_WITH_PAGE = (NetworkNode.Kind.FEEDER, NetworkNode.Kind.TRANSFORMER)
_DECIDE = (Membership.Role.OPERATOR, Membership.Role.APPROVER, Membership.Role.ADMIN)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the address asks for: a scope, a year or one month of it, and which causes."""

    scope: str
    scope_id: int
    first_date: dt.date
    last_date: dt.date
    monthly: bool
    basis: str

    @property
    def where(self) -> dict[str, Any]:
        return {
            "scope": self.scope,
            "scope_id": self.scope_id,
            "first_date": self.first_date,
            "last_date": self.last_date,
            "causes": queries.BASES[self.basis],
        }


def asked_of(request: HttpRequest, today: dt.date) -> Asked:
    """Raises Http404 for what is no scope, month, year or basis."""
    scope, __, number = request.GET.get("lingkup", "UTILITY:0").partition(":")
    basis = request.GET.get("dasar", "all")
    year, month = request.GET.get("tahun", ""), request.GET.get("bulan", "")
    if not (queries.is_scope(scope) and number.isascii() and number.isdigit() and len(number) < 18):
        raise Http404
    if basis not in queries.BASES or (scope == Scope.UTILITY and int(number)):
        raise Http404
    try:
        if year:
            first, last_date = dt.date(int(year), 1, 1), dt.date(int(year), 12, 31)
        else:
            first, last_date = queries.month_ends(dt.date.fromisoformat(f"{month}-01") if month else today)
        if not 2000 <= first.year <= 2200:
            raise Http404
    except ValueError as error:
        raise Http404 from error
    return Asked(
        scope=scope, scope_id=int(number), first_date=first, last_date=last_date, monthly=not year, basis=basis
    )


@for_pln
def reliability(request: HttpRequest) -> HttpResponseBase:
    """The page; `unduh` may be csv, xlsx or pdf."""
    at = now()
    today = at.astimezone(WIB).date()
    asked = asked_of(request, today)
    last_date = min(asked.last_date, max(today, asked.first_date))
    where = {**asked.where, "last_date": last_date}
    days = queries.days_of(**where)
    meds = queries.med_dates(first_date=asked.first_date, last_date=last_date)
    spread = queries.spread(**where, now=at)
    whole = queries.view(days, distinct=spread.distinct)
    clean = queries.spread(**where, now=at, without=meds) if meds else spread
    without = queries.view(days, without=meds, distinct=clean.distinct)
    rows = words.index_rows(whole, without, spread, clean)
    if (file := exported(request, lambda: _table(asked, days, meds))) is not None:
        return file
    if request.GET.get("unduh") == "pdf":
        return as_pdf(_printed(asked, whole, rows))
    pln = _pln(asked, last_date, days, meds)
    if (file := chart_response(request, [pln["chart"]])) is not None:
        return file
    context = {
        "asked": asked,
        "name": words.scope_name(asked.scope, asked.scope_id),
        "way": words.above(asked.scope, asked.scope_id),
        "node": NetworkNode.objects.filter(pk=asked.scope_id, kind=asked.scope, kind__in=_WITH_PAGE).first(),
        "children": _children(asked, last_date),
        "basis_names": words.BASES.items(),
        "basis_name": words.BASES[asked.basis],
        "period": f"bulan={asked.first_date:%Y-%m}" if asked.monthly else f"tahun={asked.first_date.year}",
        "before": asked.first_date - dt.timedelta(days=1),
        "after": asked.last_date + dt.timedelta(days=1),
        "whole": whole,
        "served": words.figure(whole.served, 0),
        "rows": [(n, w, words.figure(a, d), words.figure(b, d)) for n, w, a, b, d in rows],
        "meds": meds,
        "threshold": _threshold_words(asked.first_date.year, last_date),
        **pln,
        **_exclusions(request, asked, last_date, at),
    }
    return render(request, "utility/reliability.html", context)


def _threshold_words(year: int, last_date: dt.date) -> dict[str, Any] | None:
    found = queries.threshold(year=year, until_date=last_date)
    if found is None:
        return None
    return {
        "minutes": words.figure(found.t_med_min, 2),
        "alpha": words.figure(found.alpha, 4),
        "beta": words.figure(found.beta, 4),
        "days": found.days,
        "provisional": found.provisional,
        "fixed": found.fixed,
    }


def _pln(asked: Asked, last_date: dt.date, days: dict[dt.date, queries.Day], meds: list[dt.date]) -> dict[str, Any]:
    """PLN's months of the year so far, the columns of the chart, and the day rows of a month."""
    year = asked.first_date.replace(month=1)
    of_year = queries.days_of(**{**asked.where, "first_date": year, "last_date": last_date}) if asked.monthly else days
    months = queries.pln_months(of_year)
    clean = queries.pln_months(
        of_year, without=queries.med_dates(first_date=year, last_date=last_date) if asked.monthly else meds
    )
    shown = [
        {
            "date": month.first_date,
            "served": words.figure(month.served, 0),
            "hours": words.figure(month.saidi_h, 3),
            "minutes": words.figure(None if month.saidi_h is None else month.saidi_h * 60, 1),
            "times": words.figure(month.saifi, 4),
            "year_hours": words.figure(month.year_saidi_h, 3),
            "year_times": words.figure(month.year_saifi, 4),
            "clean_hours": words.figure(other.saidi_h, 3),
            "here": asked.monthly and month.first_date == asked.first_date,
        }
        for month, other in zip(months, clean, strict=True)
    ]
    if asked.monthly:
        points = [(date, _minutes(day), date in meds) for date, day in days.items()]
    else:
        points = [(m.first_date, m.saidi_h and m.saidi_h * 60, False) for m in months]
    rows = [
        {
            "date": date,
            "served": words.figure(day.served, 0),
            "ci": day.ci,
            "minutes": words.figure(_minutes(day), 3),
            "momentary": day.momentary,
            "open": day.open_ci,
            "med": date in meds,
        }
        for date, day in days.items()
        if day.ci or day.momentary or day.excluded_ci
    ]
    name, counted = words.scope_name(asked.scope, asked.scope_id), sum(d.served is not None for d in days.values())
    made = words.chart(name, points, monthly=asked.monthly, counted=counted, days=len(days))
    return {"months": shown, "chart": made, "day_rows": rows if asked.monthly else []}


def _minutes(day: queries.Day) -> float | None:
    return day.interrupted_us / 60e6 / day.served if day.served else None


def _children(asked: Asked, last_date: dt.date) -> list[dict[str, Any]]:
    """What lies below, each with its SAIDI and SAIFI of the same span."""
    below = words.below(asked.scope, asked.scope_id)
    kinds = {kind for kind, _number, _name in below}
    found = {}
    for kind in kinds:
        ids = [number for own, number, _name in below if own == kind]
        sums = queries.sums_of(
            scope=kind,
            scope_ids=ids,
            first_date=asked.first_date,
            last_date=last_date,
            causes=queries.BASES[asked.basis],
        )
        found.update({(kind, number): each for number, each in sums.items()})
    made = []
    for scope, number, name in below:
        served, ci, us = found.get((scope, number), (None, 0, 0))
        made.append(
            {
                "key": f"{scope}:{number}",
                "kind": words.SCOPES[Scope(scope)],
                "name": name,
                "served": words.figure(served, 0),
                "saidi": words.figure(us / 60e6 / served if served else None, 2),
                "saifi": words.figure(ci / served if served else None, 4),
                "weight": us / served if served else -1.0,
            }
        )
    return sorted(made, key=lambda row: (-row["weight"], row["name"]))


def _exclusions(request: HttpRequest, asked: Asked, last_date: dt.date, at: dt.datetime) -> dict[str, Any]:
    waits = Approval.objects.filter(
        verb=verbs.VERB, state__in=[Approval.State.REQUESTED, Approval.State.APPROVED], expires_at__gt=at
    )
    made = list(Exclusion.objects.select_related("approval__requested_by", "approval__decided_by").order_by("-pk"))
    drn = dict(Meter.objects.filter(pk__in=[one.meter_id for one in made if one.meter_id]).values_list("pk", "drn"))
    longest = queries.longest(first_date=asked.first_date, last_date=last_date, now=at, limit=LONGEST)
    return {
        "excluded": [{"row": one, "drn": drn.get(one.meter_id or 0)} for one in made],
        "waits": waits.select_related("requested_by").order_by("pk"),
        "longest": longest,
        "login": login_of(request),
    }


def _table(asked: Asked, days: dict[dt.date, queries.Day], meds: list[dt.date]) -> Table:
    head = (
        _("Date"),
        "N_T",
        "CI",
        "CMI",
        _("SAIDI (min)"),
        "SAIFI",
        _("Momentary"),
        "MAIFI_E CI",
        _("Still off"),
        "MED",
    )
    rows = [
        (
            date.isoformat(),
            day.served if day.served is not None else "",
            day.ci,
            words.exact(day.interrupted_us / 60e6),
            words.exact(_minutes(day)),
            words.exact(day.ci / day.served if day.served else None),
            day.momentary,
            day.momentary_events,
            day.open_ci,
            1 if date in meds else 0,
        )
        for date, day in days.items()
    ]
    return Table(
        name=f"keandalan-{asked.scope.lower()}-{asked.scope_id}-{asked.first_date:%Y-%m}", head=head, rows=rows
    )


def _printed(
    asked: Asked, whole: queries.View, rows: list[tuple[str, str, float | None, float | None, int]]
) -> PrintedTable:
    name = words.scope_name(asked.scope, asked.scope_id)
    return PrintedTable(
        name=f"keandalan-{asked.first_date:%Y-%m}",
        title=f"SAIDI / SAIFI · {name}",
        under=f"{day_words(whole.first_date)} - {day_words(whole.last_date)} · {words.BASES[asked.basis]} · "
        f"N_T {words.figure(whole.served, 0)} · {whole.counted}/{whole.days}",
        head=(_("Index"), _("What it is"), _("With major event days"), _("Without")),
        rows=[(n, w, words.figure(a, d), words.figure(b, d)) for n, w, a, b, d in rows],
        sums=None,
        figures=frozenset({2, 3}),
        page=_("Page"),
    )


def decider(request: HttpRequest) -> Login:
    """Who may decide for the utility. Raises PermissionDenied for those who only look on."""
    login = login_of(request)
    kind = Organisation.Kind.UTILITY
    if not login.memberships.filter(unit__organisation__kind=kind, role__in=_DECIDE).exists():
        raise PermissionDenied
    return login


@require_POST
@for_pln
def ask(request: HttpRequest) -> HttpResponse:
    """An exclusion is asked for, not made."""
    login = acting(request, Organisation.Kind.UTILITY)
    number, date = request.POST.get("number", "").strip(), request.POST.get("date", "")
    try:
        interruption = None
        if number:
            if not (number.isascii() and number.isdigit() and len(number) < 18):
                raise ValueError
            interruption = Interruption.objects.filter(pk=int(number), superseded_at=None).values_list("pk", flat=True)[
                0
            ]
        verbs.ask_exclusion(
            date=dt.date.fromisoformat(date) if date else None,
            interruption_id=interruption,
            reason=request.POST.get("reason", "")[:400],
            asked_by=login,
            now=now(),
        )
        messages.success(request, _("Asked for. It waits for a second person; nothing is left out yet."))
    except (ValueError, IndexError):
        messages.error(request, _("Choose a day or one interruption, and say why. Nothing was changed."))
    return redirect("desk-reliability")


@require_POST
@for_pln
def decide(request: HttpRequest, approval: int) -> HttpResponse:
    """Yes or no by a second person; after a yes the next count leaves it out."""
    login, at = decider(request), now()
    found = get_object_or_404(Approval, pk=approval, verb=verbs.VERB)
    yes = request.POST.get("decision") == "yes"
    try:
        if not (yes and found.state == Approval.State.APPROVED):
            decide_approval(approval_id=found.pk, approve=yes, decided_by=login, now=at)
        if yes:
            verbs.exclude(approval_id=found.pk, actor=f"login:{login.pk}", now=at)
        messages.success(request, _("Left out from the next count on.") if yes else _("Refused. Nothing is left out."))
    except ApprovalRefused:
        messages.error(request, _("This needs a second person, once and within a day. Nothing was changed."))
    return redirect("desk-reliability")
