# SPDX-License-Identifier: Apache-2.0
"""A purchase for the wrong meter: what can be done about it, what will happen, and a second person who agrees."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.registry.models import Meter
from duaarah.vending.batch_models import Correction
from duaarah.vending.models import Vend
from duaarah.vending.operations.wrong_meter import TakeBackRefused, give_up_correction, judge, request_take_back
from duaarah.vending.queries import amount_idr, journey, vend_with_journey
from duaarah.web.shared.access import for_operator
from duaarah.web.utility.guard import keeper

State = Correction.State
REFUSALS = {
    "sold_elsewhere": gettext_lazy(
        "This token was sold elsewhere: its seller gives the money back. Nothing was changed."
    ),
    "loaded": gettext_lazy("The meter has loaded this token: it cannot be taken back. Nothing was changed."),
    "not_open": gettext_lazy("This purchase is closed. Nothing was changed."),
    "under_way": gettext_lazy("It was asked to be taken back already. Nothing was changed."),
    "token_may_exist": gettext_lazy("Its token is being made: try again when it is there. Nothing was changed."),
    "meter_does_not_talk": gettext_lazy(
        "This meter does not talk, and only a meter can prove that it gave a token up. Nothing was changed."
    ),
    "key_change_under_way": gettext_lazy("The meter's key is being changed: try again after it. Nothing was changed."),
    "collected_more": gettext_lazy(
        "It paid for something else too, which is not given back here. Nothing was changed."
    ),
    "same_meter": gettext_lazy("It was bought for this meter. Nothing was changed."),
    "asked": gettext_lazy("The meter was asked already: only its answer decides now. Nothing was changed."),
}
STATES = {
    State.ASKING: gettext_lazy("The meter is asked to give up the token"),
    State.DONE: gettext_lazy("The money is back"),
    State.MOVING: gettext_lazy("Taken back, to be bought for the right meter"),
    State.MOVED: gettext_lazy("Bought for the right meter"),
    State.NOT_MOVED: gettext_lazy("Taken back; not bought for the other meter"),
    State.TOO_LATE: gettext_lazy("The meter had loaded the token"),
    State.UNSURE: gettext_lazy("Only a person can say whether the meter had loaded it"),
    State.FAILED: gettext_lazy("Not taken back"),
}


def refusal_words(error: TakeBackRefused) -> str:
    """The sentence of a refusal; one without its own says what the verb said."""
    return str(REFUSALS.get(error.code) or error)


@for_operator
def take_back(request: HttpRequest, vend: int) -> HttpResponse:
    """GET: the purchase, and what taking it back would do (`ke`: the right meter). POST: ask a second person."""
    try:
        found = vend_with_journey(vend)
    except Vend.DoesNotExist:
        return render(request, "utility/find.html", {"words": ""}, status=404)
    given = request.POST if request.method == "POST" else request.GET
    to_drn, at, status = given.get("ke", "").strip(), now(), 200
    to_meter = get_object_or_404(Meter, drn=to_drn) if to_drn else None
    context: dict[str, Any] = {"vend": found, "to_drn": to_drn, "looked": "ke" in request.GET, "wrong": ""}
    try:
        if request.method == "POST":
            _ask(request, Vend.objects.get(pk=vend), to_meter)
            return redirect("desk-take-back", vend=vend)
        judge(Vend.objects.get(pk=vend), to_meter, at)
    except TakeBackRefused as error:
        context["wrong"], status = refusal_words(error), 409 if request.method == "POST" else 200
    corrections = (
        Correction.objects.filter(vend_id=vend).select_related("to_meter", "approval__decided_by").order_by("pk")
    )
    context |= {
        "amount_idr": amount_idr(found),
        "steps": journey(found),
        "corrections": [{"made": made, "state": STATES[State(made.state)]} for made in corrections],
    }
    return render(request, "utility/take_back.html", context, status=status)


def _ask(request: HttpRequest, vend: Vend, to_meter: Meter | None) -> None:
    login, reason = keeper(request), request.POST.get("reason", "").strip()
    if not reason:
        messages.error(request, _("A reason is needed. Nothing was changed."))
        return
    request_take_back(vend=vend, to_meter=to_meter, reason=reason[:400], requested_by=login, now=now())
    messages.success(request, _("Asked. It is done when a second person has approved it."))


@require_POST
@for_operator
def give_up(request: HttpRequest, correction: int) -> HttpResponse:
    """Leave a purchase as it is, while the meter was not asked yet."""
    login = keeper(request)
    found = get_object_or_404(Correction, pk=correction)
    try:
        give_up_correction(correction_id=found.pk, actor=f"login:{login.pk}", now=now())
        messages.success(request, _("The purchase stays as it is; its token goes on to the meter."))
    except TakeBackRefused as error:
        messages.error(request, refusal_words(error))
    return redirect("desk-take-back", vend=found.vend_id)
