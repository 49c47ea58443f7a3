# SPDX-License-Identifier: Apache-2.0
"""New DLMS keys for one meter: asked for by one, approved by another, and how far they have come."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.headend.models import InvocationCounter, KeyRotation, MeterLine
from duaarah.headend.operations import request_key_rotation, withdraw_rotation
from duaarah.headend.operations.key_rotation import VERB, RotationRefused, check_rotation
from duaarah.headend.queries import rotation_steps
from duaarah.people.models import Approval
from duaarah.registry.models import Meter
from duaarah.web.shared.access import for_operator
from duaarah.web.shared.fresh import fragment
from duaarah.web.utility.guard import keeper
from duaarah.wiring.drivers import DriverDirectory
from duaarah.wiring.keystores import MeterKeyring, key_store

SHOWN = 10
REASON_MAX = 400
REFUSALS = {
    "rotation_under_way": gettext_lazy("New keys for this meter are under way already. Nothing was changed."),
    "no_master_key": gettext_lazy(
        "Nobody has entered this meter's master key, so new keys cannot be brought to it. Nothing was changed."
    ),
    "meter_does_not_talk": gettext_lazy("This meter has no modem now; it cannot be told. Nothing was changed."),
    "not_withdrawable": gettext_lazy(
        "Something was sent: only the meter can say now which keys it has. Nothing was changed."
    ),
}


def refusal_words(error: RotationRefused) -> str:
    """The sentence of a refusal."""
    return str(REFUSALS.get(error.code) or error)


def _meter(drn: str) -> Meter:
    found = Meter.objects.filter(drn=drn).first()
    if found is None:
        raise Http404
    return found


def _progress(meter: Meter, at: dt.datetime) -> dict[str, Any]:
    rows = list(
        KeyRotation.objects.filter(meter=meter)
        .select_related("approval__requested_by", "approval__decided_by")
        .order_by("-pk")[:SHOWN]
    )
    return {
        "meter": meter,
        "now": at,
        "counters": InvocationCounter.objects.filter(pk=meter.pk).first(),
        "line": MeterLine.objects.filter(pk=meter.pk).first(),
        "rotations": [{"row": row, "steps": rotation_steps(row)} for row in rows],
        "open": bool(rows) and rows[0].closed_at is None,
    }


@for_operator
def meter_keys(request: HttpRequest, drn: str) -> HttpResponse:
    """GET: the keys' number, what was done and what would happen. POST: ask a second person."""
    meter, at = _meter(drn), now()
    driver, keys = DriverDirectory(), MeterKeyring(key_store())
    context: dict[str, Any] = {}
    if request.method == "POST":
        login, reason = keeper(request), request.POST.get("reason", "").strip()[:REASON_MAX]
        try:
            if not reason:
                messages.error(request, _("A reason is needed. Nothing was changed."))
            else:
                request_key_rotation(meter=meter, reason=reason, driver=driver, keys=keys, requested_by=login, now=at)
                messages.success(request, _("Asked. New keys are drawn when a second person has approved it."))
                return redirect("desk-meter-dlms", drn=drn)
        except RotationRefused as error:
            messages.error(request, refusal_words(error))
    try:
        check_rotation(meter=meter, driver=driver, keys=keys, now=at)
    except RotationRefused as error:
        context["wrong"] = refusal_words(error)
    context["asked"] = Approval.objects.filter(
        verb=VERB, subject=f"meter:{meter.pk}", state=Approval.State.REQUESTED, expires_at__gt=at
    ).select_related("requested_by")
    status = 409 if request.method == "POST" else 200
    return render(request, "utility/meter_dlms.html", {**context, **_progress(meter, at)}, status=status)


@for_operator
def meter_keys_part(request: HttpRequest, drn: str) -> HttpResponse:
    """The live part."""
    return fragment(request, "utility/dlms_part.html", _progress(_meter(drn), now()))


@require_POST
@for_operator
def withdraw(request: HttpRequest, rotation: int) -> HttpResponse:
    """Give new keys up of which nothing was sent."""
    login = keeper(request)
    found = get_object_or_404(KeyRotation.objects.select_related("meter"), pk=rotation)
    try:
        withdraw_rotation(rotation_id=found.pk, actor=f"login:{login.pk}", now=now())
        messages.success(request, _("Withdrawn. The meter keeps its key."))
    except RotationRefused as error:
        messages.error(request, refusal_words(error))
    return redirect("desk-meter-dlms", drn=found.meter.drn)
