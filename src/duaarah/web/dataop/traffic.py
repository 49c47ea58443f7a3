# SPDX-License-Identifier: Apache-2.0
"""Traffic of all links, per day and class."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from duaarah.clock.queries import now
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.charts import chart_response
from duaarah.web.shared.export import exported
from duaarah.web.shared.traffic import month_context, month_of, traffic_table


@for_data_operator
def month(request: HttpRequest) -> HttpResponseBase:
    """One package month; `bulan` is `2026-02`, without it the present one."""
    month_date = month_of(request.GET.get("bulan", ""), now())
    file = exported(request, lambda: traffic_table(month_date=month_date, operator_ids=None))
    if file is not None:
        return file
    context = month_context(month_date=month_date, operator_ids=None)
    return chart_response(request, [context["chart"]]) or render(request, "dataop/traffic.html", context)
