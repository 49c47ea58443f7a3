# SPDX-License-Identifier: Apache-2.0
"""Standing approvals: meters of a register that is left behind get the new key with their next purchase (ADR 9)."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.registry.queries import key_uses
from duaarah.vending.batch_models import KeyRoll
from duaarah.vending.operations.key_change import KeyChangeRefused
from duaarah.vending.operations.key_roll import end_key_roll, request_key_roll
from duaarah.vending.ports import KeyTerms
from duaarah.web.shared.access import for_operator
from duaarah.web.utility import key_words
from duaarah.web.utility.guard import keeper
from duaarah.wiring.keystores import key_store

REFUSALS = {
    "roll_exists": gettext_lazy("There is a standing approval for this register already. Nothing was changed."),
    "roll_ended": gettext_lazy("It has ended already. Nothing was changed."),
    "no_meters": gettext_lazy("No meter uses this register. Nothing was changed."),
    "same_key": gettext_lazy("Choose two registers. Nothing was changed."),
}


def refusal_words(error: KeyChangeRefused) -> str:
    """The sentence of a refusal."""
    return str(REFUSALS.get(error.code) or key_words.refusal_words(error))


@for_operator
def rolls(request: HttpRequest) -> HttpResponse:
    """GET: what stands, and how many meters have followed. POST: ask a second person for another one."""
    status = 200
    if request.method == "POST":
        if _ask(request):
            return redirect("desk-key-rolls")
        status = 409
    meters: dict[str, int] = {}
    for use in key_uses():
        meters[use.register] = meters.get(use.register, 0) + use.meters
    rows = KeyRoll.objects.annotate(n=Count("changes")).select_related("approval__requested_by", "approval__decided_by")
    context = {
        "rows": [{"roll": roll, "left": meters.get(roll.register, 0)} for roll in rows.order_by("-pk")[:50]],
        "meters": sorted(meters.items()),
        "registers": key_store().registers(),
    }
    return render(request, "utility/key_rolls.html", context, status=status)


def _ask(request: HttpRequest) -> bool:
    login, form = keeper(request), request.POST
    chosen = next((each for each in key_store().registers() if each.register_id == form.get("to", "")), None)
    if chosen is None:
        raise Http404
    reason = form.get("reason", "").strip()
    if not reason:
        messages.error(request, _("A reason is needed. Nothing was changed."))
        return False
    target = KeyTerms(
        register=chosen.register_id,
        dkga=chosen.dkga,
        ea="11" if form.get("ea") == "11" else "07",
        sgc=chosen.sgc,
        ti="01",
        krn=chosen.krn,
        kt=chosen.kt,
        ken=chosen.ken,
        base_date=chosen.base_date,
    )
    try:
        request_key_roll(
            register=form.get("from", ""), target=target, reason=reason[:400], requested_by=login, now=now()
        )
    except KeyChangeRefused as error:
        messages.error(request, refusal_words(error))
        return False
    messages.success(request, _("Asked. It is done when a second person has approved it."))
    return True


@require_POST
@for_operator
def end(request: HttpRequest, roll: int) -> HttpResponse:
    """No further purchase brings the new key."""
    login = keeper(request)
    found = get_object_or_404(KeyRoll, pk=roll)
    try:
        end_key_roll(roll_id=found.pk, actor=f"login:{login.pk}", now=now())
        messages.success(request, _("Ended. What is under way goes on."))
    except KeyChangeRefused as error:
        messages.error(request, refusal_words(error))
    return redirect("desk-key-rolls")
