# SPDX-License-Identifier: Apache-2.0
"""What a mobile operator sees of its own: links, traffic, SIM cards. No customer, no meter, no text."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.registry.models import Sim
from duaarah.registry.queries import sim_alarms, sims_of
from duaarah.sms.console import links
from duaarah.web.shared.access import for_kind, login_of, offices
from duaarah.web.shared.charts import chart_response
from duaarah.web.shared.export import exported
from duaarah.web.shared.fresh import fragment
from duaarah.web.shared.traffic import month_context, month_of, traffic_table

_MOBILE = Organisation.Kind.MOBILE_OPERATOR
for_mobile_operator = for_kind(_MOBILE)
ALARMS_MAX = 50


def own_ids(request: HttpRequest) -> list[int]:
    """The mobile operators that this login belongs to."""
    units = offices(login_of(request)).filter(unit__organisation__kind=_MOBILE)
    return sorted(set(units.values_list("unit__organisation_id", flat=True)))


@for_mobile_operator
def links_page(request: HttpRequest) -> HttpResponse:
    """The links into its own SMSC, live."""
    context = {
        "links": [
            {"line": line, "waiting": sum(q.waiting for q in line.queue)}
            for line in links(operator_ids=own_ids(request))
        ]
    }
    if request.headers.get("HX-Request"):
        return fragment(request, "mobileop/links_part.html", context)
    return render(request, "mobileop/links.html", context)


@for_mobile_operator
def traffic_page(request: HttpRequest) -> HttpResponseBase:
    """SMS that crossed its links, per day and class."""
    month_date = month_of(request.GET.get("bulan", ""), now())
    own = own_ids(request)
    if (file := exported(request, lambda: traffic_table(month_date=month_date, operator_ids=own))) is not None:
        return file
    context = month_context(month_date=month_date, operator_ids=own)
    return chart_response(request, [context["chart"]]) or render(request, "mobileop/traffic.html", context)


@for_mobile_operator
def sims_page(request: HttpRequest) -> HttpResponse:
    """How many of its SIM cards are in which state here, and those it should look at."""
    own = own_ids(request)
    counted = dict(Sim.objects.filter(operator_id__in=own).values_list("state").annotate(n=Count("pk")).order_by())
    alarms = sim_alarms(sims_of(operator_ids=own, at=now()))
    context = {
        "counts": [(label, counted.get(code, 0)) for code, label in Sim.State.choices],
        "alarms": alarms[:ALARMS_MAX],
        "alarms_n": alarms.count(),
    }
    return render(request, "mobileop/sims.html", context)
