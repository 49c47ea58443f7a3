# SPDX-License-Identifier: Apache-2.0
"""Traffic of all links, per day and class."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from duaarah.clock.queries import now
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.traffic import month_context, month_of


@for_data_operator
def month(request: HttpRequest) -> HttpResponse:
    """One package month; `bulan` is `2026-02`, without it the present one."""
    month_date = month_of(request.GET.get("bulan", ""), now())
    return render(request, "dataop/traffic.html", month_context(month_date=month_date, operator_ids=None))
