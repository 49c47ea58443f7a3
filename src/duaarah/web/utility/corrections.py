# SPDX-License-Identifier: Apache-2.0
"""Refunds and write-offs: what waits for a second person, and a form to ask for a write-off of a claim."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.people.models import Approval, Login, Membership, Organisation
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.vending.models import PLN_BOOK, Account
from duaarah.vending.operations import corrections as verbs
from duaarah.vending.operations import resolve
from duaarah.vending.operations.accounts import AmountTooHigh
from duaarah.vending.operations.corrections import NOT_WRITTEN_OFF, CorrectionRefused
from duaarah.web.shared.access import acting, login_of
from duaarah.web.shared.ledger_lists import HOW, refusal_words
from duaarah.web.shared.ledger_words import AccountNames
from duaarah.web.utility.books import for_pln

SHOWN = 50
VERBS = (resolve.VERB, verbs.VERB)
_DECIDE = (Membership.Role.OPERATOR, Membership.Role.APPROVER, Membership.Role.ADMIN)


@for_pln
def waiting(request: HttpRequest) -> HttpResponse:
    """What waits, and the form; a write-off that is posted is asked for, not done."""
    if request.method == "POST":
        return _ask(request)
    rows = Approval.objects.filter(
        verb__in=VERBS, state__in=[Approval.State.REQUESTED, Approval.State.APPROVED], expires_at__gt=now()
    )
    names = AccountNames()
    claims = [
        {"code": code, "name": names(code)}
        for code in Account.objects.filter(book=PLN_BOOK).order_by("code").values_list("code", flat=True)
        if code.split(":")[0] not in (*NOT_WRITTEN_OFF, "pln", "channel", "commission", "commission-due")
    ]
    context = {
        "rows": [_row(each, names) for each in rows.select_related("requested_by").order_by("pk")[:SHOWN]],
        "claims": claims,
        "login": login_of(request),
    }
    return render(request, "utility/corrections.html", context)


def _row(approval: Approval, names: AccountNames) -> dict[str, Any]:
    if approval.verb == verbs.VERB:
        what = _("Write off from %(account)s") % {"account": names(approval.detail["account"])}
        return {"approval": approval, "what": what, "amount_sen": approval.detail["amount_sen"]}
    what = f"{HOW[approval.detail['how']]} · {approval.detail['channel']} · {approval.detail['reference']}"
    return {"approval": approval, "what": what, "amount_sen": approval.detail["amount_idr"] * 100}


def _ask(request: HttpRequest) -> HttpResponse:
    login = acting(request, Organisation.Kind.UTILITY)
    amount = request.POST.get("amount", "").replace(".", "").strip()
    code = request.POST.get("account", "")
    try:
        if not (amount.isascii() and amount.isdigit() and len(amount) < 13):
            raise CorrectionRefused("amount", "Not an amount.")
        if not Account.objects.filter(code=code, book=PLN_BOOK).exists():
            raise CorrectionRefused("not_a_claim", "Not an account of PLN's.")
        verbs.request_write_off(
            account_code=code,
            amount_sen=int(amount) * 100,
            reason=request.POST.get("reason", ""),
            requested_by=login,
            now=now(),
        )
        messages.success(request, _("Asked for. It waits for a second person; no money has moved yet."))
    except CorrectionRefused as error:
        messages.error(request, f"{refusal_words(error)} {_('No money has moved.')}")
    return redirect("desk-corrections")


def _decider(request: HttpRequest) -> Login:
    """Who may decide. Raises PermissionDenied for those who only look on."""
    login = login_of(request)
    kind = Organisation.Kind.UTILITY
    if not login.memberships.filter(unit__organisation__kind=kind, role__in=_DECIDE).exists():
        raise PermissionDenied
    return login


@require_POST
@for_pln
def decide(request: HttpRequest, approval: int) -> HttpResponse:
    """Yes or no by a second person; after a yes it is booked at once."""
    login, at = _decider(request), now()
    found = get_object_or_404(Approval, pk=approval, verb__in=VERBS)
    yes = request.POST.get("decision") == "yes"
    try:
        if not (yes and found.state == Approval.State.APPROVED):
            decide_approval(approval_id=found.pk, approve=yes, decided_by=login, now=at)
        if yes:
            book = verbs.write_off if found.verb == verbs.VERB else resolve.correct_line
            book(approval_id=found.pk, actor=f"login:{login.pk}", now=at)
            messages.success(request, _("Booked."))
        else:
            messages.success(request, _("Refused. No money has moved."))
    except ApprovalRefused:
        messages.error(request, _("This needs a second person, once and within a day. Nothing was changed."))
    except CorrectionRefused as error:
        messages.error(request, f"{refusal_words(error)} {_('No money has moved.')}")
    except AmountTooHigh:
        messages.error(request, _("The account holds less than what was approved. No money has moved."))
    return redirect("desk-corrections")
