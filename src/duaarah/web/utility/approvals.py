# SPDX-License-Identifier: Apache-2.0
"""What waits for a second person: key changes, orders, campaigns, energy without money; with all that decides it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.core.order import Order, OrderKind
from duaarah.headend.campaigns import operations as campaigns
from duaarah.headend.firmware import operations as firmware_verbs
from duaarah.headend.models import Campaign, Command
from duaarah.headend.operations import carry_out, key_rotation, rotate_keys
from duaarah.headend.operations import orders as headend_orders
from duaarah.people.models import Approval, Login, Membership, Organisation
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Meter
from duaarah.vending.operations import key_change, key_roll, order_key_change, wrong_meter
from duaarah.vending.operations.top_up import TopUpRefused
from duaarah.vending.operations.vendors import begin_free_issue, free_issue
from duaarah.vending.vendor_models import FreeIssue
from duaarah.web.shared.access import RUNNING, for_operator, login_of
from duaarah.web.utility import campaign_words, dlms_keys, firmware, key_rolls, key_words, order_words, take_back
from duaarah.wiring.drivers import DriverDirectory
from duaarah.wiring.keystores import MeterKeyring, key_store
from duaarah.wiring.token_sources import OwnKeys

SHOWN = 50
VERBS = (
    *(key_change.VERB, headend_orders.VERB, campaigns.VERB, key_rotation.VERB, firmware_verbs.VERB),
    *(key_roll.VERB, wrong_meter.VERB, free_issue.VERB),
)
_ROLES = (Membership.Role.OPERATOR, Membership.Role.APPROVER, Membership.Role.ADMIN)
_DRIVER = DriverDirectory()


def _decider(request: HttpRequest) -> Login:
    """Who may decide. Raises PermissionDenied for those who only look on."""
    login = login_of(request)
    if not login.memberships.filter(unit__organisation__kind__in=RUNNING, role__in=_ROLES).exists():
        raise PermissionDenied
    return login


def _is_pln(login: Login, *roles: Membership.Role) -> bool:
    """Whether the energy that is given away is his to give, in one of these roles (none named: in any)."""
    own = login.memberships.filter(unit__organisation__kind=Organisation.Kind.UTILITY)
    return (own.filter(role__in=roles) if roles else own).exists()


def _row(approval: Approval) -> dict[str, Any]:
    kinds = {key_change.VERB: "sts", headend_orders.VERB: "order", key_rotation.VERB: "dlms"}
    kinds |= {key_roll.VERB: "roll", wrong_meter.VERB: "take_back", free_issue.VERB: "free"}
    row: dict[str, Any] = {"approval": approval, "order": None, "kind": kinds.get(approval.verb, "firmware")}
    if approval.verb == headend_orders.VERB:
        order = Order.of_values(approval.detail["order"], approval.detail["values"])
        zone = Meter.objects.values_list("zone", flat=True).get(pk=approval.detail["meter"])
        row |= {
            "order": order,
            "label": Command.Kind(order.kind.value.upper()).label,
            "words": order_words.values_words(order, zone),
            "will": order_words.WILL[order.kind],
            "limit": order.kind is OrderKind.POWER_LIMIT,
        }
    if approval.verb == free_issue.VERB:
        meter = Meter.objects.select_related("customer").get(drn=approval.detail["drn"])
        row |= {"meter": meter, "worth_idr": _worth_idr(meter, approval.detail["energy_wh"])}
    if approval.verb == campaigns.VERB:
        campaign = Campaign.objects.get(pk=approval.detail["campaign"])
        row |= {
            "campaign": campaign,
            "label": campaign_words.campaign_label(campaign),
            "words": campaign_words.campaign_values(campaign, "Asia/Jakarta"),
            "will": campaign_words.campaign_will(campaign),
        }
    return row


def _worth_idr(meter: Meter, energy_wh: int) -> int | None:
    try:
        return free_issue.worth_idr(meter, energy_wh, now())
    except TopUpRefused:
        return None


@for_operator
def approvals(request: HttpRequest) -> HttpResponse:
    """What waits for a second person, and what was approved and not done yet."""
    waiting = Approval.objects.filter(
        verb__in=VERBS, state__in=[Approval.State.REQUESTED, Approval.State.APPROVED], expires_at__gt=now()
    )
    if not _is_pln(login_of(request)):
        waiting = waiting.exclude(verb=free_issue.VERB)
    rows = [_row(each) for each in waiting.select_related("requested_by", "decided_by").order_by("pk")[:SHOWN]]
    return render(request, "utility/approvals.html", {"rows": rows, "login": login_of(request)})


@require_POST
@for_operator
def decide(request: HttpRequest, approval: int) -> HttpResponse:
    """Yes or no by a second person; after a yes the deed begins at once."""
    login, at = _decider(request), now()
    found = get_object_or_404(Approval, pk=approval, verb__in=VERBS)
    if found.verb == free_issue.VERB and not _is_pln(login, *_ROLES):
        raise PermissionDenied
    yes = request.POST.get("decision") == "yes"
    try:
        if not (yes and found.state == Approval.State.APPROVED):
            decide_approval(approval_id=found.pk, approve=yes, decided_by=login, now=at)
        if yes:
            _begin(found, f"login:{login.pk}", at)
    except ApprovalRefused:
        messages.error(request, _("This needs a second person, once and within a day. Nothing was changed."))
        return redirect("desk-approvals")
    except _REFUSED as error:
        messages.error(request, _words(error))
        return redirect("desk-approvals")
    if not yes:
        keys = found.verb in (key_change.VERB, key_rotation.VERB, key_roll.VERB)
        if found.verb == free_issue.VERB:
            messages.success(request, _("Refused. Nothing is given."))
        else:
            messages.success(
                request, _("Refused. The meter keeps its key.") if keys else _("Refused. The meter is told nothing.")
            )
        return redirect("desk-approvals")
    return _on_its_way(request, found)


_REFUSED = (
    key_change.KeyChangeRefused,
    headend_orders.OrderRefused,
    key_rotation.RotationRefused,
    firmware_verbs.FirmwareRefused,
    wrong_meter.TakeBackRefused,
)


def _begin(found: Approval, actor: str, at: dt.datetime) -> None:
    match found.verb:
        case key_change.VERB:
            order_key_change(approval_id=found.pk, source=OwnKeys(key_store()), actor=actor, now=at)
        case key_roll.VERB:
            key_roll.begin_key_roll(approval_id=found.pk, actor=actor, now=at)
        case wrong_meter.VERB:
            wrong_meter.take_back(approval_id=found.pk, token_source=OwnKeys(key_store()), actor=actor, now=at)
        case key_rotation.VERB:
            rotate_keys(approval_id=found.pk, driver=_DRIVER, keys=MeterKeyring(key_store()), actor=actor, now=at)
        case free_issue.VERB:
            begin_free_issue(approval_id=found.pk, token_source=OwnKeys(key_store()), actor=actor, now=at)
        case firmware_verbs.VERB:
            firmware_verbs.begin_rollout(approval_id=found.pk, actor=actor, now=at)
        case campaigns.VERB:
            campaigns.begin_campaign(
                campaign_id=found.detail["campaign"], approval_id=found.pk, driver=_DRIVER, actor=actor, now=at
            )
        case _:
            carry_out(approval_id=found.pk, driver=_DRIVER, actor=actor, now=at)


def _words(error: Exception) -> str:
    match error:
        case key_change.KeyChangeRefused():
            return (
                key_rolls.refusal_words(error)
                if isinstance(error, key_roll.RollRefused)
                else key_words.refusal_words(error)
            )
        case wrong_meter.TakeBackRefused():
            return take_back.refusal_words(error)
        case key_rotation.RotationRefused():
            return dlms_keys.refusal_words(error)
        case firmware_verbs.FirmwareRefused():
            return firmware.refusal_words(error)
        case headend_orders.OrderRefused():
            return campaign_words.refusal(error)
    return str(error)


def _on_its_way(request: HttpRequest, found: Approval) -> HttpResponse:
    match found.verb:
        case key_change.VERB:
            messages.success(request, _("Approved. The parts of the new key are on their way."))
            return redirect("desk-meter-key", drn=found.detail["drn"])
        case key_roll.VERB:
            messages.success(request, _("Approved. From now on purchases bring the new key."))
            return redirect("desk-key-rolls")
        case wrong_meter.VERB:
            messages.success(request, _("Approved. The purchase is being taken back."))
            return redirect("desk-take-back", vend=found.detail["vend"])
        case campaigns.VERB:
            messages.success(request, _("Approved. The campaign runs."))
            return redirect("desk-campaign", campaign=found.detail["campaign"])
        case key_rotation.VERB:
            messages.success(request, _("Approved. The new keys are kept, and on their way."))
            return redirect("desk-meter-dlms", drn=found.detail["drn"])
        case free_issue.VERB:
            return _given(request, found)
        case firmware_verbs.VERB:
            messages.success(request, _("Approved. The roll-out has begun."))
            return redirect("desk-firmware")
    messages.success(request, _("Approved. The order is on its way."))
    return redirect("desk-meter", drn=found.detail["drn"])


def _given(request: HttpRequest, found: Approval) -> HttpResponse:
    row = FreeIssue.objects.get(pk=found.detail["free_issue"])
    if row.state == FreeIssue.State.FAILED:
        messages.error(
            request, _("Approved, but no token can be made: %(code)s. Nothing is given.") % {"code": row.result}
        )
    else:
        messages.success(request, _("Approved. The token is made; it loads itself where the meter talks."))
    return redirect("desk-meter", drn=found.detail["drn"])
