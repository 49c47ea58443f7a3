# SPDX-License-Identifier: Apache-2.0
"""The calendar of planned work: drafts, the look at whom they reach, announcing, calling off, realised against planned."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.notices.models import OutageNotice
from duaarah.notices.planned import announce, call_off
from duaarah.outages.deeds import OutageRefused
from duaarah.outages.models import PlannedOutage
from duaarah.outages.planning import draft_outage, meters_below, realised
from duaarah.registry.models import Meter, NetworkNode
from duaarah.web.shared.access import for_operator
from duaarah.web.utility.guard import keeper
from duaarah.web.utility.outage_words import REFUSED, plan_row
from duaarah.web.utility.outages import local_instant

SHOWN, NODES_MAX = 100, 600


@for_operator
def plans(request: HttpRequest) -> HttpResponse:
    """GET: the calendar. POST: another draft, which tells nobody."""
    if request.method == "POST":
        return _draft(request)
    rows = PlannedOutage.objects.select_related("node").order_by("-begin_at", "-pk")[:SHOWN]
    context = {
        "rows": [{**plan_row(one), "zone": node_zone(one.node_id)} for one in rows],
        "nodes": NetworkNode.objects.order_by("code").values_list("code", flat=True)[:NODES_MAX],
    }
    return render(request, "utility/outage_plans.html", context)


def node_zone(node_id: int) -> str:
    """The zone of the first meter below a node: its people read the time there."""
    for meter_id in meters_below(node_id=node_id)[:1]:
        return Meter.objects.values_list("zone", flat=True).get(pk=meter_id)
    return "Asia/Jakarta"


def _draft(request: HttpRequest) -> HttpResponse:
    login, form = keeper(request), request.POST
    node = NetworkNode.objects.filter(code=form.get("node", "").strip()).first()
    if node is None:
        messages.error(request, _("There is no such node. Nothing was changed."))
        return redirect("desk-outage-plans")
    try:
        zone = node_zone(node.pk)
        made = draft_outage(
            node=node,
            begin_at=local_instant(form.get("begin_at", ""), zone),
            end_at=local_instant(form.get("end_at", ""), zone),
            reason=form.get("reason", ""),
            actor=f"login:{login.pk}",
            now=now(),
        )
    except OutageRefused as error:
        messages.error(request, str(REFUSED[error.code]))
        return redirect("desk-outage-plans")
    return redirect("desk-outage-plan", plan=made.pk)


@for_operator
def plan(request: HttpRequest, plan: int) -> HttpResponse:
    """Whom it reaches, who was told, and what became of it."""
    found = get_object_or_404(PlannedOutage.objects.select_related("node"), pk=plan)
    told = OutageNotice.objects.filter(planned=found).values("kind", "state").annotate(n=Count("pk"))
    context = {
        **plan_row(found),
        "zone": node_zone(found.node_id),
        "customers": len(meters_below(node_id=found.node_id)),
        "told": {f"{row['kind']}_{row['state']}": row["n"] for row in told},
        "realised": realised(found),
        "can_announce": found.state == PlannedOutage.State.DRAFT and found.begin_at > now(),
        "can_call_off": found.state in (PlannedOutage.State.DRAFT, PlannedOutage.State.ANNOUNCED)
        and found.end_at > now(),
        "now": now(),
    }
    return render(request, "utility/outage_plan.html", context)


@require_POST
@for_operator
def change(request: HttpRequest, plan: int) -> HttpResponse:
    """Announce it or call it off; the page before it said to how many."""
    login, form, at = keeper(request), request.POST, now()
    found = get_object_or_404(PlannedOutage, pk=plan)
    actor = f"login:{login.pk}"
    try:
        if form.get("deed") == "announce":
            n = announce(planned_id=found.pk, actor=actor, now=at)
            messages.success(request, _("Announced: %(n)d notices.") % {"n": n})
        elif form.get("deed") == "call_off":
            n = call_off(planned_id=found.pk, actor=actor, reason=form.get("reason", ""), now=at)
            messages.success(request, _("Called off: %(n)d people are told.") % {"n": n})
        else:
            messages.error(request, _("Nothing was chosen. Nothing was changed."))
    except OutageRefused as error:
        messages.error(request, str(REFUSED[error.code]))
    return redirect("desk-outage-plan", plan=found.pk)
