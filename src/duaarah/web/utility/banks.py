# SPDX-License-Identifier: Apache-2.0
"""The PPOB host as its operator sees it: partners, purchases whose money is held, the journal with its tokens masked."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.vending.operations.ppob import ask_again, set_partner_state
from duaarah.vending.ppob_models import PPOBPartner
from duaarah.vending.ppob_queries import LINES_MAX, journal, partners, pending
from duaarah.web.shared.access import for_kind
from duaarah.web.utility.guard import keeper

for_pln = for_kind(Organisation.Kind.UTILITY)
_REF_CHARS = 32


@for_pln
def banks(request: HttpRequest) -> HttpResponse:
    """All partners, and the purchases that wait for their token: the queue of manual advices."""
    return render(request, "utility/banks.html", {"rows": [_shown(row) for row in partners()], "waiting": pending()})


@for_pln
def bank(request: HttpRequest, code: str) -> HttpResponse:
    """One partner and its journal, the latest line first; `ref` follows one PLN reference, `before` turns the page."""
    row = partners().filter(code=code).first()
    if row is None:
        raise Http404
    reference = request.GET.get("ref", "").strip().upper()[:_REF_CHARS]
    before = request.GET.get("before", "")
    lines = journal(
        partner_id=row.pk, pln_ref=reference, before_id=int(before) if before.isdecimal() and len(before) < 19 else None
    )
    context = {
        **_shown(row),
        "lines": lines,
        "reference": reference,
        "waiting": pending(channel_id=row.channel_id),
        "older": lines[-1].pk if len(lines) == LINES_MAX else None,
    }
    return render(request, "utility/bank.html", context)


def _shown(row: PPOBPartner) -> dict[str, Any]:
    return {
        "partner": row,
        "deposit_sen": row.channel.deposit.balance_sen,
        "blocked": row.state == PPOBPartner.State.BLOCKED,
        "contact_at": getattr(row, "contact_at", None),
    }


@require_POST
@for_pln
def turn(request: HttpRequest, code: str) -> HttpResponse:
    """Block a partner, or let it in again; with a reason."""
    login = keeper(request)
    reason = request.POST.get("reason", "").strip()[:400]
    if not PPOBPartner.objects.filter(code=code).exists():
        raise Http404
    if not reason:
        messages.error(request, _("Say why."))
    else:
        blocked = request.POST.get("to") == "block"
        set_partner_state(code=code, blocked=blocked, reason=reason, actor=f"login:{login.pk}", now=now())
        messages.success(request, _("The partner is blocked.") if blocked else _("The partner is let in again."))
    return redirect("desk-bank", code)


@require_POST
@for_pln
def again(request: HttpRequest, vend: int) -> HttpResponse:
    """A manual advice: the token of a held purchase is asked for at once."""
    login = keeper(request)
    if ask_again(vend_id=vend, actor=f"login:{login.pk}", now=now()):
        messages.success(request, _("It is asked for again now."))
    else:
        messages.info(request, _("This purchase is not held any more."))
    return redirect("desk-banks")
