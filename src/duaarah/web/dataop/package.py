# SPDX-License-Identifier: Apache-2.0
"""The package's month: every operator's sum, a statement by meter, the invoice as a draft, looked at twice, issued."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from duaarah.clock.queries import now
from duaarah.people.models import AccountHolder, Organisation
from duaarah.registry.models import Meter
from duaarah.sms.models import IssuedInvoice, PackagePlan
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.package.invoices import InvoiceRefused, issue_invoice
from duaarah.sms.package.statement import customer_statement, operator_statement
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.access import acting
from duaarah.web.shared.export import exported
from duaarah.web.shared.package import (
    drafted,
    invoice_table,
    issued_context,
    months_beside,
    statement_table,
    sums,
)
from duaarah.web.shared.traffic import month_of

PAGE = 50
_MOBILE = Organisation.Kind.MOBILE_OPERATOR


def _operator(code: str) -> Organisation:
    return get_object_or_404(Organisation, code=code, kind=_MOBILE)


def _month(request: HttpRequest) -> dt.date:
    return month_of(request.GET.get("bulan", ""), now())


@for_data_operator
def overview(request: HttpRequest) -> HttpResponse:
    """Each operator's month in one line: what was sold, what it comes to, whose it is, what was issued."""
    month_date = _month(request)
    sellers = PackagePlan.objects.values_list("operator_id", flat=True)
    operators = Organisation.objects.filter(kind=_MOBILE, pk__in=sellers).order_by("name")
    rows = [drafted(operator, month_date) for operator in operators]
    parties: dict[str, int] = {}
    for row in rows:
        for share in row["shares"]:
            parties[share["party"]] = parties.get(share["party"], 0) + share["amount_idr"]
    context = {
        **months_beside(month_date),
        "rows": rows,
        "parties": sorted(parties.items()),
        "total_idr": sum(row["made"].total_idr for row in rows),
        "running": month_date >= package_month(now()),
    }
    return render(request, "dataop/package.html", context)


@for_data_operator
def statement(request: HttpRequest, operator: str) -> HttpResponseBase:
    """Every meter with this operator's package, fifty at a time; the foot is of all that fit the filter."""
    month_date, of = _month(request), _operator(operator)
    words = request.GET.get("cari", "").strip()[:60].casefold()
    rows = operator_statement(operator_id=of.pk, month_date=month_date)
    if words:
        rows = [
            r for r in rows if r.drn.startswith(words) or r.idpel.startswith(words) or words in r.customer.casefold()
        ]
    name = f"rekening-{of.code}-{month_date:%Y-%m}"
    if (file := exported(request, lambda: statement_table(name, rows))) is not None:
        return file
    number = request.GET.get("halaman", "1")
    pages = max(1, -(-len(rows) // PAGE))
    page = max(1, min(pages, int(number) if number.isdigit() and len(number) < 7 else 1))
    shown = rows[(page - 1) * PAGE : page * PAGE]
    holders = dict(
        Meter.objects.filter(drn__in=[r.drn for r in shown], customer__isnull=False).values_list(
            "drn", "customer__holder_id"
        )
    )
    context = {
        **months_beside(month_date),
        "operator": of,
        "rows": [{"row": r, "holder": holders.get(r.drn)} for r in shown],
        "sums": sums(rows),
        "meters": len(rows),
        "words": request.GET.get("cari", "").strip()[:60],
        "page": page,
        "pages": pages,
    }
    return render(request, "dataop/statement.html", context)


@for_data_operator
def customer(request: HttpRequest, holder: int) -> HttpResponseBase:
    """One account holder's month, all meters."""
    month_date = _month(request)
    who = get_object_or_404(AccountHolder, pk=holder)
    rows = customer_statement(holder_id=who.pk, month_date=month_date)
    name = f"rekening-{who.pk}-{month_date:%Y-%m}"
    if (file := exported(request, lambda: statement_table(name, rows))) is not None:
        return file
    context = {**months_beside(month_date), "holder": who, "rows": rows[:500], "sums": sums(rows), "meters": len(rows)}
    return render(request, "dataop/customer.html", context)


def _why(refused: InvoiceRefused) -> str:
    words = {
        "not_over": _("A month is invoiced when it is over."),
        "empty": _("Nothing was sold in this month."),
        "changed": _("The month has changed since you looked at it. Look again."),
        "same": _("The invoice that was issued says the same; there is nothing to correct."),
        "reason": _("A correction says why, in at most 400 letters."),
    }
    return words.get(refused.code, str(refused))


@for_data_operator
def invoice(request: HttpRequest, operator: str) -> HttpResponseBase:
    """The draft, computed now; `tinjau` shows what issuing will do, the form after it issues."""
    month_date, of = _month(request), _operator(operator)
    here = f"{reverse('data-invoice', args=[of.code])}?bulan={month_date:%Y-%m}"
    if request.method == "POST":
        return _issue(request, of, month_date, here)
    draft = drafted(of, month_date)
    name = f"tagihan-{of.code}-{month_date:%Y-%m}"
    if (file := exported(request, lambda: invoice_table(name, draft["lines"], draft["shares"]))) is not None:
        return file
    over = month_date < package_month(now())
    context: dict[str, Any] = {
        **draft,
        **months_beside(month_date),
        "over": over,
        "issuable": over and bool(draft["lines"]) and (draft["issued"] is None or draft["differs"]),
        "review": request.GET.get("tinjau") == "1",
        "history": IssuedInvoice.objects.filter(operator=of, month_date=month_date).order_by("-sequence"),
    }
    return render(request, "dataop/invoice.html", context)


def _issue(request: HttpRequest, operator: Organisation, month_date: dt.date, here: str) -> HttpResponse:
    login = acting(request, Organisation.Kind.DATA_OPERATOR)
    try:
        row = issue_invoice(
            operator=operator,
            month_date=month_date,
            seen_digest=request.POST.get("seen", ""),
            reason=request.POST.get("reason", ""),
            actor=f"login:{login.pk}",
            now=now(),
        )
    except InvoiceRefused as refused:
        messages.error(request, f"{_why(refused)} {_('Nothing was issued.')}")
        return redirect(here)
    messages.success(request, _("Issued. The invoice is written down and is not changed any more."))
    return redirect("data-issued", number=row.number)


@for_data_operator
def issued(request: HttpRequest, number: str) -> HttpResponseBase:
    """An invoice as it was issued."""
    row = IssuedInvoice.objects.select_related("operator", "corrects").filter(number=number).first()
    if row is None:
        raise Http404
    context = issued_context(row)
    if (file := exported(request, lambda: invoice_table(row.number, context["lines"], context["shares"]))) is not None:
        return file
    return render(request, "dataop/issued.html", context)
