# SPDX-License-Identifier: Apache-2.0
"""Firmware: what makers have signed, a roll-out in stages with a second person, and how far each meter is."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.headend.firmware.operations import (
    FAILURES_PERCENT,
    VERB,
    FirmwareRefused,
    count_meters,
    pause_rollout,
    request_rollout,
    resume_rollout,
    stop_rollout,
)
from duaarah.headend.models import Firmware, FirmwareJob, FirmwareRollout
from duaarah.headend.queries import rollouts
from duaarah.people.models import Approval
from duaarah.web.shared.access import for_operator
from duaarah.web.shared.fresh import fragment
from duaarah.web.utility.guard import keeper

SHOWN = 20
JOBS_SHOWN = 100
REASON_MAX = 400
WIB = ZoneInfo("Asia/Jakarta")
_TURNS = {"pause": pause_rollout, "resume": resume_rollout, "stop": stop_rollout}
REFUSALS = {
    "bad_plan": gettext_lazy(
        "A roll-out begins with at least one meter, then goes to 1 to 100 percent; activation lies ahead. Nothing was changed."
    ),
    "rollout_under_way": gettext_lazy("This firmware is being rolled out already. Nothing was changed."),
    "no_meters": gettext_lazy("No meter of this kind answers over IP and is free. Nothing was changed."),
    "wrong_moment": gettext_lazy("The roll-out is not in the state for this. Nothing was changed."),
}
JOB_RESULTS = {
    "session_failed": gettext_lazy("the meter could not be reached, or the connection broke"),
    "session_refused": gettext_lazy("the meter does not associate with us"),
    "no_line": gettext_lazy("nobody knows where it answers"),
    "line_held": gettext_lazy("somebody else talks to this meter"),
    "counters_end": gettext_lazy("its keys must be changed first"),
    "other_version": gettext_lazy("it still says another version"),
    "temporary_failure": gettext_lazy("it lost the image; it is sent from the beginning"),
    "other_reason": gettext_lazy("the image does not verify in the meter"),
}


def refusal_words(error: FirmwareRefused) -> str:
    """The sentence of a refusal."""
    return str(REFUSALS.get(error.code) or error)


@for_operator
def firmware(request: HttpRequest) -> HttpResponse:
    """GET: the images and the roll-outs. POST: ask a second person for a roll-out."""
    at = now()
    if request.method == "POST" and (asked := _ask(request, at)) is not None:
        return asked
    known = Firmware.objects.select_related("maker").defer("content", "signature").order_by("-pk")[:SHOWN]
    context = {
        **_running(at),
        "images": [{"row": row, "meters": count_meters(row)} for row in known],
        "failures_percent": FAILURES_PERCENT,
        "asked": Approval.objects.filter(verb=VERB, state=Approval.State.REQUESTED, expires_at__gt=at).select_related(
            "requested_by"
        ),
    }
    return render(request, "utility/firmware.html", context, status=409 if request.method == "POST" else 200)


def _running(at: dt.datetime) -> dict[str, Any]:
    return {"rollouts": rollouts(limit=SHOWN), "now": at}


def _ask(request: HttpRequest, at: dt.datetime) -> HttpResponse | None:
    login, form = keeper(request), request.POST
    reason = form.get("reason", "").strip()[:REASON_MAX]
    numbers = [form.get(name, "") for name in ("image", "first", "percent", "failures")]
    if not reason:
        messages.error(request, _("A reason is needed. Nothing was changed."))
        return None
    if not all(text.isascii() and text.isdigit() and len(text) <= 7 for text in numbers):
        messages.error(request, _("A whole number is needed."))
        return None
    image, first, percent, failures = map(int, numbers)
    found = get_object_or_404(Firmware.objects.defer("content"), pk=image)
    try:
        activate_at = _instant(form.get("activate_at", ""))
        request_rollout(
            firmware=found,
            first=first,
            percent=percent,
            failures_percent=failures,
            activate_at=activate_at,
            reason=reason,
            requested_by=login,
            now=at,
        )
    except ValueError:
        messages.error(request, _("Say until when: a day and a time."))
        return None
    except FirmwareRefused as error:
        messages.error(request, refusal_words(error))
        return None
    messages.success(request, _("Asked. The roll-out begins when a second person has approved it."))
    return redirect("desk-firmware")


def _instant(text: str) -> dt.datetime | None:
    """A WIB time of the form; None for an empty field. Raises ValueError."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=WIB, second=0, microsecond=0) if text else None


@for_operator
def firmware_part(request: HttpRequest) -> HttpResponse:
    """The live part: how far the roll-outs have come."""
    return fragment(request, "utility/firmware_part.html", _running(now()))


@for_operator
def rollout(request: HttpRequest, rollout: int) -> HttpResponse:
    """The meters of one roll-out; `keadaan` shows those of one state."""
    found = get_object_or_404(FirmwareRollout.objects.select_related("firmware").defer("firmware__content"), pk=rollout)
    jobs = found.jobs.select_related("meter").order_by("stage", "pk")
    state = request.GET.get("keadaan", "")
    if state in FirmwareJob.State.values:
        jobs = jobs.filter(state=state)
    rows = [{"job": job, "why": JOB_RESULTS.get(job.result, job.result)} for job in jobs[:JOBS_SHOWN]]
    context = {"rollout": found, "rows": rows, "states": FirmwareJob.State.choices, "state": state}
    return render(request, "utility/rollout.html", context)


@require_POST
@for_operator
def turn(request: HttpRequest, rollout: int) -> HttpResponse:
    """Pause, go on, stop."""
    login = keeper(request)
    found = get_object_or_404(FirmwareRollout, pk=rollout)
    verb = _TURNS.get(request.POST.get("turn", ""))
    if verb is not None:
        try:
            verb(rollout_id=found.pk, actor=f"login:{login.pk}", now=now())
        except FirmwareRefused as error:
            messages.error(request, refusal_words(error))
    return redirect("desk-firmware")
