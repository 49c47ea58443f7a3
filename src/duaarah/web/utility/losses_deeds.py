# SPDX-License-Identifier: Apache-2.0
"""What people decide about an indication or a place: shown first, done when it is said again, undone by one button."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from duaarah.analytics.losses import decisions
from duaarah.analytics.losses.decisions import DecisionRefused
from duaarah.analytics.models import LossDecision
from duaarah.clock.queries import now
from duaarah.web.utility import losses_words as words
from duaarah.web.utility.losses import for_pln, meter_context
from duaarah.web.utility.reliability import decider

REFUSED = {
    "bad_state": gettext_lazy("Choose what the inspection found. Nothing was changed."),
    "no_note": gettext_lazy("Write what was seen. Nothing was changed."),
    "bad_clean": gettext_lazy(
        "Days without loss are 7 to 60 whole days before today and not older than 150; a dismissal has none. "
        "Nothing was changed."
    ),
}


def _clean(form: Any) -> tuple[dt.date, dt.date] | None:
    """Raises DecisionRefused: "bad_clean"."""
    texts = [form.get(name, "").strip() for name in ("clean_first", "clean_last")]
    if not any(texts):
        return None
    try:
        first_date, last_date = (dt.date.fromisoformat(text) for text in texts)
    except ValueError as error:
        raise DecisionRefused("bad_clean", "No such days.") from error
    return first_date, last_date


@require_POST
@for_pln
def decide(request: HttpRequest, node: int, drn: str) -> HttpResponse:
    """Found, nothing or dismissed; with `sure` it is done."""
    login, at, form = decider(request), now(), request.POST
    context = meter_context(request, node, drn)
    about = "PLACE" if form.get("about") == "PLACE" else "SUSPECT"
    state, note = form.get("state", ""), form.get("note", "")
    back = redirect("desk-losses-meter", node=node, drn=drn)
    try:
        if about == "PLACE" and (context["place"] is None or state not in words.PLACE_STATES):
            raise DecisionRefused("bad_state", "No finding about its place.")
        clean = _clean(form)
        decisions.check(state=state, note=note, clean=clean, meter=context["meter"], now=at)
        if form.get("sure") != "yes":
            says = words.PLACE_STATES if about == "PLACE" else words.STATES
            shown = {"about": about, "state": state, "says": says[state], "note": note.strip(), "clean": clean}  # type: ignore[index]
            return render(request, "utility/losses_sure.html", {**context, **shown, "form": form})
        decisions.decide(
            node=context["node"], meter=context["meter"], state=state, note=note, clean=clean, login=login, now=at,
            about=about,
        )  # fmt: skip
        messages.success(request, _("Done. It stands in the audit record and can be undone."))
    except DecisionRefused as error:
        messages.error(request, str(REFUSED[error.code]))
    return back


@require_POST
@for_pln
def undo(request: HttpRequest, decision: int) -> HttpResponse:
    """What was said before counts again."""
    login = decider(request)
    found = get_object_or_404(LossDecision.objects.select_related("meter"), pk=decision)
    if decisions.undo(decision_id=found.pk, login=login, now=now()):
        messages.success(request, _("Undone. What was said before counts again."))
    else:
        messages.error(request, _("It was undone before. Nothing was changed."))
    return redirect("desk-losses-meter", node=found.node_id, drn=found.meter.drn)
