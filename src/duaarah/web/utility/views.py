# SPDX-License-Identifier: Apache-2.0
"""The operators' desk: what happens now, what is late and why, a meter's life, the message log."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from duaarah.clock.queries import now
from duaarah.headend.models import Attempt, MeterEvent
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sms.models import Bind, InboundSms, OutboundSegment
from duaarah.vending.models import Vend
from duaarah.vending.queries import (
    amount_idr,
    channel_name,
    journey,
    late_vends,
    latest_vends,
    messages_of_meters,
    reason_of_delay,
    vends_of_meters,
)
from duaarah.web.shared.access import for_operator
from duaarah.web.shared.fresh import answer, shared_text
from duaarah.web.shared.supply import reading
from duaarah.web.utility.orders import panel

SHOWN = 30
LOG_PAGE = 50


def _row(vend: Vend) -> dict[str, Any]:
    return {"vend": vend, "amount_idr": amount_idr(vend), "channel": channel_name(vend), "steps": journey(vend)}


def _desk() -> dict[str, Any]:
    return {
        "late": [{**_row(v), "why": reason_of_delay(v)} for v in late_vends(now(), SHOWN)],
        "live": [_row(v) for v in latest_vends(SHOWN)],
        "binds": Bind.objects.filter(active=True).order_by("name"),
        "ambiguous": OutboundSegment.objects.filter(state=OutboundSegment.State.AMBIGUOUS).count(),
        "failed": InboundSms.objects.filter(state=InboundSms.State.FAILED).count(),
    }


@for_operator
def desk(request: HttpRequest) -> HttpResponse:
    """Two lists: late things with their reason at the left, what happens now at the right."""
    part = shared_text("utility/desk_part.html", _desk)
    if request.headers.get("HX-Request"):
        return answer(request, part)
    return render(request, "utility/desk.html", {"part": part})


@for_operator
def find(request: HttpRequest) -> HttpResponse:
    """A meter by its number or by the customer's idpel."""
    words = request.GET.get("cari", "").strip().replace(" ", "")
    found = Meter.objects.filter(drn=words).first() or Meter.objects.filter(customer__idpel=words).first()
    if found is not None:
        return redirect("desk-meter", drn=found.drn)
    return render(request, "utility/find.html", {"words": words}, status=404 if words else 200)


@for_operator
def meter(request: HttpRequest, drn: str) -> HttpResponse:
    """The whole life of one meter."""
    found = (
        Meter.objects.select_related(
            *("customer__holder", "site", "supply", "invocation_counter", "ordered_state", "transformer__parent")
        )
        .filter(drn=drn)
        .first()
    )
    if found is None:
        raise Http404
    at = now()
    context = {
        **panel(found, at),
        "reading": reading(found, at),
        "pairing": pairing_of_meter(meter_id=found.pk, at=at),
        "counters": getattr(found, "invocation_counter", None),
        "vends": [_row(v) for v in vends_of_meters([found.pk], SHOWN)],
        "events": MeterEvent.objects.filter(meter=found).order_by("-id")[:SHOWN],
        "attempts": Attempt.objects.filter(meter=found).select_related("command", "segment").order_by("-id")[:SHOWN],
        "texts": messages_of_meters([found.pk], SHOWN),
    }
    return render(request, "utility/meter.html", context)


@for_operator
def messages_log(request: HttpRequest) -> HttpResponse:
    """Every segment that left, newest first; `sebelum` is the row before which to go on."""
    segments = OutboundSegment.objects.select_related("bind", "meter").order_by("-id")
    state = request.GET.get("keadaan", "")
    if state in OutboundSegment.State.values:
        segments = segments.filter(state=state)
    before = request.GET.get("sebelum", "")
    if before.isdigit():
        segments = segments.filter(id__lt=int(before))
    rows = list(segments[:LOG_PAGE])
    context = {
        "rows": rows,
        "states": OutboundSegment.State.choices,
        "state": state,
        "before": rows[-1].pk if len(rows) == LOG_PAGE else None,
    }
    return render(request, "utility/messages.html", context)
