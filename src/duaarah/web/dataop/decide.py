# SPDX-License-Identifier: Apache-2.0
"""A person's word on an SMS whose response was lost: sent, not sent, or not sent and again."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.sms.models import MessageClass, OutboundSegment
from duaarah.sms.operations import NotAmbiguous, WasSent, decide_ambiguous
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.access import acting

REASON_MAX = 400
# What a form may say, as the verb's `sent` and `resend`.
OUTCOMES = {"sent": (True, False), "not_sent": (False, False), "again": (False, True)}


def may_go_again(row: OutboundSegment) -> bool:
    """A frame never goes again as it was: its command sends it under a new counter, or gives up."""
    return row.message_class != MessageClass.METER_FRAME


@require_POST
@for_data_operator
def decide(request: HttpRequest, segment: int) -> HttpResponse:
    """One decision, once, with its reason; the audit record keeps both."""
    login = acting(request, Organisation.Kind.DATA_OPERATOR)
    row = get_object_or_404(OutboundSegment, pk=segment)
    outcome, reason = request.POST.get("outcome", ""), request.POST.get("reason", "").strip()
    if outcome not in OUTCOMES or not reason or len(reason) > REASON_MAX:
        messages.error(request, _("Say what became of it, and how you know. Nothing was changed."))
        return redirect("data-message", segment=segment)
    if outcome == "again" and not may_go_again(row):
        messages.error(request, _("A frame is sent again by its command, never from here. Nothing was changed."))
        return redirect("data-message", segment=segment)
    sent, resend = OUTCOMES[outcome]
    try:
        again = decide_ambiguous(
            segment_id=segment, sent=sent, resend=resend, actor=f"login:{login.pk}", reason=reason, now=now()
        )
    except NotAmbiguous:
        messages.error(request, _("The outcome of this SMS is known by now. Nothing was changed."))
    except WasSent:
        messages.error(request, _("What was sent is not sent again. Nothing was changed."))
    else:
        messages.success(request, _("Your decision is written down."))
        if again is not None:
            return redirect("data-message", segment=again)
    return redirect("data-message", segment=segment)
