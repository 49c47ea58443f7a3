# SPDX-License-Identifier: Apache-2.0
"""Sales per gerai: the page and its CSV. The business process that sells at a counter is not built; until then it is empty."""

from __future__ import annotations

import csv

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from duaarah.clock.queries import now
from duaarah.registry.models import CatalogueItem
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.traffic import month_of

# What a line will say; the order of the CSV.
COLUMNS = ("date", "gerai_code", "gerai_name", "item_code", "item_kind", "quantity", "amount_idr", "reference")


@for_data_operator
def sales(request: HttpRequest) -> HttpResponse:
    """Modems and packages sold, by gerai and month; `bulan` is `2026-02`."""
    month_date = month_of(request.GET.get("bulan", ""), now())
    context = {"month": month_date, "columns": COLUMNS, "items": CatalogueItem.objects.order_by("kind", "code")}
    return render(request, "dataop/sales.html", context)


@for_data_operator
def sales_csv(request: HttpRequest) -> HttpResponse:
    """The month's lines with their header, UTF-8 with a mark so that Excel reads it; today the header alone."""
    month_date = month_of(request.GET.get("bulan", ""), now())
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="gerai-{month_date:%Y-%m}.csv"'
    csv.writer(response, delimiter=";").writerow(COLUMNS)
    return response
