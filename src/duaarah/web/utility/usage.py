# SPDX-License-Identifier: Apache-2.0
"""What a meter told of its load: days of a month, one day's profile and voltages, and the file of it."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language

from duaarah.clock.queries import now
from duaarah.registry.models import Meter
from duaarah.web.shared.access import for_operator
from duaarah.web.shared.charts import chart_response
from duaarah.web.shared.export import exported
from duaarah.web.shared.traffic import month_of
from duaarah.web.shared.usage import usage, usage_table


@for_operator
def usage_page(request: HttpRequest, drn: str) -> HttpResponseBase:
    """One meter's month."""
    meter = Meter.objects.filter(drn=drn).first()
    if meter is None:
        raise Http404
    month_date = month_of(request.GET.get("bulan", ""), now())
    if (file := exported(request, lambda: usage_table(meter, month_date))) is not None:
        return file
    language = "en" if (get_language() or "id").startswith("en") else "id"
    found = usage(meter, month_date, request.GET.get("hari", ""), language)
    if (file := chart_response(request, found["charts"])) is not None:
        return file
    return render(request, "utility/usage.html", {"meter": meter, **found})
