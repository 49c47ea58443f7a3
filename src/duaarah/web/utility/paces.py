# SPDX-License-Identifier: Apache-2.0
"""How many frames a minute each network and each cell takes: looked at and changed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from duaarah.clock.queries import now
from duaarah.headend.models import NetworkPace
from duaarah.headend.operations.paces import PaceRefused, set_network_pace
from duaarah.people.models import Organisation
from duaarah.web.shared.access import for_operator
from duaarah.web.utility.orders import operator_of


@for_operator
def paces(request: HttpRequest) -> HttpResponse:
    """GET: the paces. POST: another one; an empty number takes it away."""
    if request.method == "POST":
        _set(request)
        return redirect("desk-paces")
    context = {
        "rows": NetworkPace.objects.select_related("operator").order_by("operator__name", "cell"),
        "operators": Organisation.objects.filter(kind=Organisation.Kind.MOBILE_OPERATOR).order_by("name"),
    }
    return render(request, "utility/paces.html", context)


def _set(request: HttpRequest) -> None:
    login, form = operator_of(request), request.POST
    if "operator" not in form:
        messages.error(request, _("Nothing was chosen. Nothing was changed."))
        return
    operator = get_object_or_404(Organisation, code=form["operator"], kind=Organisation.Kind.MOBILE_OPERATOR)
    digits = form.get("frames_per_minute", "").replace(".", "").strip()
    try:
        if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
            raise PaceRefused("It is no number.")
        set_network_pace(
            operator=operator,
            cell=form.get("cell", "").strip(),
            frames_per_minute=int(digits) if digits else None,
            actor=f"login:{login.pk}",
            now=now(),
        )
        messages.success(request, _("The pace is changed."))
    except PaceRefused:
        messages.error(request, _("A pace is 1 to 100,000 frames a minute. Nothing was changed."))
