# SPDX-License-Identifier: Apache-2.0
"""TMP on pages: what a unit declares, a quarter's months, the month's close by two people, the quarterly report."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from duaarah.analytics.models import Compensation, DeclaredLevel, TMPMonth
from duaarah.analytics.models.tmp import Indicator
from duaarah.analytics.tmp import operations as verbs
from duaarah.analytics.tmp.queries import ReportMonth, quarter, quarter_of, report_due_date
from duaarah.clock.queries import now
from duaarah.core.tmp import NoRules, rules_of
from duaarah.people.models import Organisation, Unit
from duaarah.people.operations import ApprovalRefused
from duaarah.vending.models import Vend
from duaarah.vending.operations.policy import WIB
from duaarah.web.shared.access import acting, for_kind, login_of
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.pdf_table import PrintedTable, as_pdf
from duaarah.web.shared.templatetags.duaarah import count, month_name, rupiah
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.utility.reliability import decider
from duaarah.web.utility.reliability_words import figure

for_pln = for_kind(Organisation.Kind.UTILITY)
SHOWN = 200
STATES = {
    "": ("wait", gettext_lazy("not closed")),
    "PROPOSED": ("wait", gettext_lazy("waits for a second person")),
    "APPROVED": ("wait", gettext_lazy("compensations are being given")),
    "DONE": ("nyala", gettext_lazy("closed, all are given")),
    "REFUSED": ("habis", gettext_lazy("refused")),
}
INDICATORS = {
    Indicator.HOURS: gettext_lazy("Lama gangguan (hours a month)"),
    Indicator.COUNT: gettext_lazy("Jumlah gangguan (times a month)"),
}
REFUSALS = {
    "not_over": gettext_lazy("The month is not over yet."),
    "still_off": gettext_lazy("Customers of this month are still off; close it when they are back."),
    "nothing_declared": gettext_lazy("The unit had declared nothing for this month."),
    "closed": gettext_lazy("This month is closed already, or waits for its second person."),
    "value": gettext_lazy("A declared value is between 0 and 744."),
    "indicator": gettext_lazy("Choose what is declared."),
    "no_tmp_rules": gettext_lazy("No TMP rules are loaded for this month."),
}


def units() -> list[Unit]:
    """Units that have a part of the network."""
    return list(Unit.objects.filter(networknode__isnull=False).distinct().order_by("name"))


@for_pln
def tmp_page(request: HttpRequest) -> HttpResponseBase:
    """A unit's quarter; `unduh` may be csv, xlsx or pdf: the quarterly report."""
    at = now()
    today = at.astimezone(WIB).date()
    choice = units()
    unit, first_date = _asked(request, choice, today)
    months: list[ReportMonth] = []
    if unit is not None:
        try:
            months = quarter(unit_id=unit.pk, first_date=first_date)
        except NoRules as error:
            raise Http404 from error
        if (file := exported(request, lambda: _table(unit, first_date, months))) is not None:
            return file
        if request.GET.get("unduh") == "pdf":
            return as_pdf(_printed(unit, first_date, months))
    asked = TMPMonth.objects.filter(unit=unit).select_related("approval__requested_by")
    open_ = {month.month_date: month for month in asked.exclude(state=TMPMonth.State.REFUSED)}
    context = {
        "units": choice,
        "unit": unit,
        "first": first_date,
        "before": quarter_of(first_date - dt.timedelta(days=1)),
        "after": quarter_of(first_date + dt.timedelta(days=95)),
        "due": report_due_date(first_date),
        "late": today > report_due_date(first_date),
        "rules": rules_of(first_date),
        "months": [_month(one, open_.get(one.measured.month_date), today) for one in months],
        "declared": DeclaredLevel.objects.filter(unit=unit).order_by("-valid_from_date", "-pk")[:20],
        "indicators": INDICATORS.items(),
        "names": {str(key): name for key, name in INDICATORS.items()},
        "login": login_of(request),
        "today": today,
    }
    return render(request, "utility/tmp.html", context)


def _asked(request: HttpRequest, choice: list[Unit], today: dt.date) -> tuple[Unit | None, dt.date]:
    number, quarter_said = request.GET.get("unit", ""), request.GET.get("triwulan", "")
    unit = choice[0] if choice else None
    if number:
        unit = next((one for one in choice if str(one.pk) == number), None)
        if unit is None:
            raise Http404
    try:
        date = dt.date.fromisoformat(f"{quarter_said}-01") if quarter_said else today
    except ValueError as error:
        raise Http404 from error
    if not 2018 <= date.year <= 2200:
        raise Http404
    return unit, quarter_of(date)


def _month(one: ReportMonth, closed: TMPMonth | None, today: dt.date) -> dict[str, Any]:
    measured = one.measured
    following = (measured.month_date + dt.timedelta(days=32)).replace(day=1)
    sign, words = STATES[one.state]
    return {
        "date": measured.month_date,
        "declared_h": figure(_number(measured.declared_h), 2),
        "declared_times": figure(_number(measured.declared_times), 0),
        "hours": figure(measured.worst_s / 3600, 2),
        "times": measured.worst_times,
        "interrupted": len(measured.rows),
        "still_off": measured.open_customers,
        "state": words,
        "sign": sign,
        "customers": one.customers,
        "given": one.given,
        "amount_idr": one.amount_idr,
        "closed": closed,
        "can_close": closed is None and following <= today,
    }


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _head() -> tuple[str, ...]:
    return (
        _("Month"),
        _("Declared hours"),
        _("Measured hours (worst customer)"),
        _("Declared times"),
        _("Measured times (worst customer)"),
        _("Customers interrupted"),
        _("Customers compensated"),
        _("Compensation (rupiah)"),
        _("Given"),
        _("State"),
    )


def _table(unit: Unit, first_date: dt.date, months: list[ReportMonth]) -> Table:
    rows = [
        (
            f"{one.measured.month_date:%Y-%m}",
            one.measured.declared_h if one.measured.declared_h is not None else "",
            Decimal(f"{one.measured.worst_s / 3600:.4f}"),
            one.measured.declared_times if one.measured.declared_times is not None else "",
            one.measured.worst_times,
            len(one.measured.rows),
            one.customers,
            one.amount_idr,
            one.given,
            str(STATES[one.state][1]),
        )
        for one in months
    ]
    return Table(name=f"tmp-{unit.code}-{first_date:%Y-%m}", head=_head(), rows=rows)


def _printed(unit: Unit, first_date: dt.date, months: list[ReportMonth]) -> PrintedTable:
    rows = [
        (
            month_name(one.measured.month_date),
            figure(_number(one.measured.declared_h), 2),
            figure(one.measured.worst_s / 3600, 2),
            figure(_number(one.measured.declared_times), 0),
            str(one.measured.worst_times),
            count(len(one.measured.rows)),
            count(one.customers),
            rupiah(one.amount_idr),
            count(one.given),
            str(STATES[one.state][1]),
        )
        for one in months
    ]
    return PrintedTable(
        name=f"tmp-{unit.code}-{first_date:%Y-%m}",
        title=f"TMP · {unit.name}",
        under=f"{month_name(first_date)} - {month_name(months[-1].measured.month_date)} · "
        + _("due until %(date)s") % {"date": day_words(report_due_date(first_date))}
        + f" · {rules_of(first_date).basis}",
        head=_head(),
        rows=rows,
        sums=None,
        figures=frozenset({1, 2, 3, 4, 5, 6, 7, 8}),
        page=_("Page"),
    )


@for_pln
def month_page(request: HttpRequest, month: int) -> HttpResponseBase:
    """Each customer of a closed or proposed month: what he gets and what became of it."""
    found = get_object_or_404(TMPMonth.objects.select_related("unit", "approval__requested_by"), pk=month)
    rows = Compensation.objects.filter(month=found).select_related("meter__customer").order_by("-amount_idr", "pk")
    if (file := exported(request, lambda: _compensations(found))) is not None:
        return file
    shown = list(rows[:SHOWN])
    states = dict(Vend.objects.filter(pk__in=[row.vend_id for row in shown if row.vend_id]).values_list("pk", "state"))
    context = {
        "month": found,
        "state": STATES[found.state],
        "rows": [
            {"row": row, "hours": figure(row.interrupted_s / 3600, 2), "token": states.get(row.vend_id or 0)}
            for row in shown
        ],
        "total": rows.count(),
        "total_idr": verbs.month_total_idr(found),
        "names": INDICATORS,
        "login": login_of(request),
    }
    return render(request, "utility/tmp_month.html", context)


def _compensations(found: TMPMonth) -> Table:
    head = (
        *("idpel", _("Meter"), _("Hours"), _("Times"), _("Indicator"), "%"),
        *(_("Base (rupiah)"), _("Compensation (rupiah)"), _("Given"), _("Reason")),
    )
    rows = Compensation.objects.filter(month=found).select_related("meter__customer").order_by("pk")
    lines = (
        (
            row.meter.customer.idpel if row.meter.customer else "",
            row.meter.drn,
            Decimal(f"{row.interrupted_s / 3600:.4f}"),
            row.times,
            row.indicator,
            row.percent,
            row.base_idr,
            row.amount_idr,
            row.given_at.isoformat() if row.given_at else "",
            row.refusal,
        )
        for row in rows.iterator(chunk_size=2_000)
    )
    return Table(name=f"tmp-{found.unit.code}-{found.month_date:%Y-%m}-pelanggan", head=head, rows=lines)


@require_POST
@for_pln
def declare(request: HttpRequest) -> HttpResponse:
    """A declared value from a day on."""
    login = acting(request, Organisation.Kind.UTILITY)
    unit = _unit(request)
    if unit is None:
        return redirect("desk-tmp")
    try:
        verbs.declare(
            unit=unit,
            indicator=request.POST.get("indicator", ""),
            value=Decimal(request.POST.get("value", "").replace(",", ".")),
            valid_from_date=dt.date.fromisoformat(request.POST.get("from", "")),
            actor=f"login:{login.pk}",
            now=now(),
        )
        messages.success(request, _("Declared. Earlier values stay for their months."))
    except verbs.TMPRefused as error:
        messages.error(request, REFUSALS[error.code])
    except (ValueError, InvalidOperation):
        messages.error(request, _("A number and a day are needed. Nothing was changed."))
    return redirect(_back(unit, request.POST.get("from", "")))


@require_POST
@for_pln
def propose(request: HttpRequest) -> HttpResponse:
    """A month is asked to be closed."""
    login = acting(request, Organisation.Kind.UTILITY)
    unit, said = _unit(request), request.POST.get("month", "")
    if unit is None:
        return redirect("desk-tmp")
    try:
        verbs.propose_month(
            unit=unit,
            month_date=dt.date.fromisoformat(f"{said}-01"),
            reason=request.POST.get("reason", "")[:400],
            asked_by=login,
            now=now(),
        )
        messages.success(request, _("Asked for. It waits for a second person; nothing has been given yet."))
    except (verbs.TMPRefused, NoRules) as error:
        messages.error(request, REFUSALS[error.code])
    except ValueError:
        messages.error(request, _("A month and a reason are needed. Nothing was changed."))
    return redirect(_back(unit, said))


def _unit(request: HttpRequest) -> Unit | None:
    found = next((one for one in units() if str(one.pk) == request.POST.get("unit", "")), None)
    if found is None:
        messages.error(request, _("Choose a unit of the network. Nothing was changed."))
    return found


def _back(unit: Unit, said: str) -> str:
    try:
        date = dt.date.fromisoformat(said[:7] + "-01")
    except ValueError:
        return f"/operasi/tmp/?unit={unit.pk}"
    return f"/operasi/tmp/?unit={unit.pk}&triwulan={quarter_of(date):%Y-%m}"


@require_POST
@for_pln
def decide(request: HttpRequest, month: int) -> HttpResponse:
    """Yes or no by a second person; after a yes the compensations are on their way."""
    login = decider(request)
    found = get_object_or_404(TMPMonth, pk=month)
    yes = request.POST.get("decision") == "yes"
    try:
        verbs.decide_month(month_id=found.pk, approve=yes, decided_by=login, now=now())
        messages.success(
            request, _("Closed. The tokens are on their way.") if yes else _("Refused. Nothing has been given.")
        )
    except ApprovalRefused:
        messages.error(request, _("This needs a second person, once and within a day. Nothing was changed."))
    return redirect("desk-tmp-month", month=found.pk)
