# SPDX-License-Identifier: Apache-2.0
"""A mobile operator's own package month: sums, shares, issued invoices, its records compared. No customer, no meter."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.sms.models import IssuedInvoice, PackagePlan, Reconciliation
from duaarah.sms.package.statement import operator_statement
from duaarah.web.mobileop.views import for_mobile_operator, own_ids
from duaarah.web.shared.export import exported
from duaarah.web.shared.package import drafted, invoice_table, issued_context, months_beside, sums
from duaarah.web.shared.reconciling import reconciliation_context, reconciliation_table
from duaarah.web.shared.traffic import month_of

SHOWN = 36


@for_mobile_operator
def month(request: HttpRequest) -> HttpResponseBase:
    """What was sold of its packages, what it comes to and whose it is; summed over meters, never one of them."""
    month_date = month_of(request.GET.get("bulan", ""), now())
    sold = PackagePlan.objects.filter(operator_id__in=own_ids(request)).values_list("operator_id", flat=True)
    drafts: list[dict[str, Any]] = []
    for operator in Organisation.objects.filter(pk__in=sold).order_by("name"):
        rows = operator_statement(operator_id=operator.pk, month_date=month_date)
        history = IssuedInvoice.objects.filter(operator=operator, month_date=month_date).order_by("-sequence")
        draft = drafted(operator, month_date)
        drafts.append({"draft": draft, "sums": sums(rows), "meters": len(rows), "history": history})
    lines = [line for d in drafts for line in d["draft"]["lines"]]
    shares = [share for d in drafts for share in d["draft"]["shares"]]
    if (file := exported(request, lambda: invoice_table(f"paket-{month_date:%Y-%m}", lines, shares))) is not None:
        return file
    return render(request, "mobileop/package.html", {**months_beside(month_date), "drafts": drafts})


@for_mobile_operator
def issued(request: HttpRequest, number: str) -> HttpResponseBase:
    """One of its invoices as it was issued; another's does not exist."""
    own = IssuedInvoice.objects.filter(operator_id__in=own_ids(request))
    row = own.select_related("operator", "corrects").filter(number=number).first()
    if row is None:
        raise Http404
    context = issued_context(row)
    if (file := exported(request, lambda: invoice_table(row.number, context["lines"], context["shares"]))) is not None:
        return file
    return render(request, "mobileop/issued.html", context)


@for_mobile_operator
def reconciliations(request: HttpRequest) -> HttpResponse:
    """Its records as they were compared, newest first."""
    own = Reconciliation.objects.filter(operator_id__in=own_ids(request))
    rows = own.annotate(other=Count("lines")).order_by("-pk")[:SHOWN]
    return render(request, "mobileop/reconciliations.html", {"rows": rows})


@for_mobile_operator
def reconciliation(request: HttpRequest, reconciliation: int) -> HttpResponseBase:
    """One comparison, line by line."""
    own = Reconciliation.objects.filter(operator_id__in=own_ids(request)).select_related("operator")
    made = get_object_or_404(own, pk=reconciliation)
    if (file := exported(request, lambda: reconciliation_table(request, made))) is not None:
        return file
    return render(request, "mobileop/reconciliation.html", reconciliation_context(request, made))
