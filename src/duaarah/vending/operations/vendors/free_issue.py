# SPDX-License-Identifier: Apache-2.0
"""
A token without money: a vendor's program asks, a second person agrees, then it is made as a purchase is, with PLN's
expense in the place of a purse: priced at the tariff of the day without taxes, so that the books show what was given.
"""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_CEILING

from django.db import transaction
from django.db.models import QuerySet

from duaarah.audit import operations as audit
from duaarah.core.sts import STSError
from duaarah.core.tariff import TariffError, terms
from duaarah.people.models import Approval
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, Payment
from duaarah.vending.operations.policy import WIB
from duaarah.vending.operations.top_up import NoPrice, OneWay, TopUpRefused, obtain_token, take_payment
from duaarah.vending.operations.vendors.errors import AmountRefused, EngineRefused, NoPerson
from duaarah.vending.operations.vendors.messages import allow, claim, refused
from duaarah.vending.operations.vendors.sale import cap_wh
from duaarah.vending.ports import TokenSource
from duaarah.vending.vendor_models import FreeIssue, VendorKey, VendorMessage

VERB = "vending.free_issue"
CHANNEL = "FREE"
STEP_WH = 100
BATCH_MAX = 50


def free_issue_channel() -> Channel:
    """Where tokens without money come from in the books; made when first used."""
    return Channel.objects.get_or_create(
        code=CHANNEL, defaults={"name": "Free issue", "kind": Channel.Kind.COMPENSATION}
    )[0]


def worth_idr(meter: Meter, energy_wh: int, now: dt.datetime) -> int:
    """
    What energy is worth today without taxes, in whole rupiah rounded up: that price buys this energy again, exactly.

    Raises:
        NoPrice: there is no rate for this meter today.
    """
    try:
        found = terms(
            group=meter.tariff_group,
            va=meter.contracted_va,
            region=meter.region,
            nominal_idr=0,
            date=now.astimezone(WIB).date(),
            admin_idr=0,
        )
    except TariffError as error:
        raise NoPrice(str(error)) from error
    return int((found.rate_idr_per_kwh * energy_wh / 1000).to_integral_value(ROUND_CEILING))


def request_free_issue(
    *, key: VendorKey, message_id: str, meter: Meter, energy_wh: int, reason: str, now: dt.datetime
) -> tuple[FreeIssue, bool]:
    """
    Ask for energy without money; nothing is made before a second person agrees. Returns it, and whether it was asked before.

    The one who asks is the person behind the key; he cannot be the one who agrees.

    Raises:
        TopUpRefused: by its code; nothing was written, an audit line says so.
    """
    try:
        allow(key, VendorKey.Scope.FREE_ISSUE)
        row, repeated = _ask(key, message_id, meter, energy_wh, reason, now)
    except TopUpRefused as error:
        refused(key, VERB, f"meter:{meter.pk}", error, now)
        raise
    if row.approval_id is None:
        _seek_agreement(row, now)
    return row, repeated


def _seek_agreement(row: FreeIssue, now: dt.datetime) -> None:
    """Ask a second person, once: a death between the request and this row's note of it makes no second request."""
    subject, login = f"meter:{row.meter_id}", row.message.key.login
    assert login is not None  # the constraint vending_free_by_a_person
    asked = Approval.objects.filter(verb=VERB, subject=subject, detail__free_issue=row.pk).first()
    approval = asked or request_approval(
        verb=VERB,
        subject=subject,
        detail={
            "free_issue": row.pk,
            "drn": row.meter.drn,
            "energy_wh": row.energy_wh,
            "channel": row.message.channel.code,
            "message": row.message.message_id,
        },
        reason=row.reason,
        requested_by=login,
        now=now,
    )
    with transaction.atomic(durable=True):
        FreeIssue.objects.filter(pk=row.pk, approval=None).update(approval=approval)
    row.refresh_from_db()


def _ask(
    key: VendorKey, message_id: str, meter: Meter, energy_wh: int, reason: str, now: dt.datetime
) -> tuple[FreeIssue, bool]:
    """Entry: the message and what it asks for."""
    if key.login_id is None:
        raise NoPerson("Nobody answers for this key.")
    if energy_wh <= 0 or energy_wh % STEP_WH or energy_wh > cap_wh(meter):
        raise AmountRefused("Energy is a multiple of 0.1 kWh, at most 720 hours of the contracted power.")
    if not reason.strip():
        raise AmountRefused("A reason is mandatory.")
    worth_idr(meter, energy_wh, now)
    content: dict[str, str | int] = {"drn": meter.drn, "energy_wh": energy_wh, "reason": reason.strip()}
    with transaction.atomic(durable=True):
        message, new = claim(
            key=key, message_id=message_id, kind=VendorMessage.Kind.FREE_ISSUE, content=content, now=now
        )
        if new:
            FreeIssue.objects.create(
                message=message,
                meter=meter,
                energy_wh=energy_wh,
                reason=reason.strip()[:200],
                state=FreeIssue.State.ASKED,
            )
            audit.record(
                at=now,
                actor=f"vendorkey:{key.pk}",
                verb="vending.request_free_issue",
                subject=f"meter:{meter.pk}",
                reason=reason.strip(),
                detail={"message": message_id, "energy_wh": energy_wh, "channel": key.channel.code},
            )
    return _whole().get(pk=message.pk), not new


def _whole() -> QuerySet[FreeIssue]:
    return FreeIssue.objects.select_related("meter", "message__key__login", "message__channel")


def begin_free_issue(*, approval_id: int, token_source: TokenSource, actor: str, now: dt.datetime) -> FreeIssue:
    """
    Do what was approved, once: the approval is spent, then the token is made; a death in between is mended by the sweeper.

    Raises:
        ApprovalRefused: not approved, expired, used. An audit line says so.
    """
    approval = Approval.objects.get(pk=approval_id, verb=VERB)
    try:
        with transaction.atomic(durable=True):
            row = FreeIssue.objects.select_for_update(of=("self",)).get(pk=approval.detail["free_issue"])
            use_approval(approval_id=approval_id, verb=VERB, subject=f"meter:{row.meter_id}", now=now)
            if row.state != FreeIssue.State.ASKED or row.approval_id not in (None, approval_id):
                raise ApprovalRefused("This was decided before.")
            row.state, row.approval_id = FreeIssue.State.AGREED, approval_id
            row.save(update_fields=["state", "approval"])
            audit.record(
                at=now,
                actor=actor,
                verb=VERB,
                subject=f"meter:{row.meter_id}",
                reason=row.reason,
                detail={"free_issue": row.pk, "energy_wh": row.energy_wh, "approval": approval_id},
            )
    except ApprovalRefused as error:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now, actor=actor, verb=VERB, subject=approval.subject, code=error.code, reason=str(error)
            )
        raise
    return _give(row.pk, token_source, now)


def resume_free_issues(*, token_source: TokenSource, now: dt.datetime) -> int:
    """Ask for what was not asked for yet, give what was agreed and not made, because a process died; returns how many."""
    waiting = list(_whole().filter(state=FreeIssue.State.ASKED, approval=None).order_by("pk")[:BATCH_MAX])
    for row in waiting:
        _seek_agreement(row, now)
    found = list(FreeIssue.objects.filter(state=FreeIssue.State.AGREED).order_by("pk")[:BATCH_MAX])
    for row in found:
        _give(row.pk, token_source, now)
    return len(waiting) + len(found)


def _give(issue_id: int, token_source: TokenSource, now: dt.datetime) -> FreeIssue:
    row = _whole().get(pk=issue_id)
    channel = free_issue_channel()
    reference = f"{row.message.channel.code}:{row.message.message_id}"
    paid = Payment.objects.filter(channel=channel, reference=reference).first()
    try:
        vend, _ = take_payment(
            pairing=pairing_of_meter(meter_id=row.meter_id, at=now) or OneWay(meter=row.meter),
            # What was priced before a death stays as it was priced.
            amount_idr=paid.amount_idr if paid is not None else worth_idr(row.meter, row.energy_wh, now),
            channel=channel,
            reference=reference,
            now=now,
        )
    except (TopUpRefused, STSError) as error:
        if not isinstance(error, TopUpRefused) or isinstance(error, NoPrice):
            _fail(row, EngineRefused(error.code, str(error)), now)
            return row
        raise
    with transaction.atomic(durable=True):
        FreeIssue.objects.filter(pk=row.pk, state=FreeIssue.State.AGREED).update(state=FreeIssue.State.MADE, vend=vend)
    obtain_token(vend=vend, token_source=token_source, now=now)
    row.refresh_from_db()
    return row


def _fail(row: FreeIssue, error: EngineRefused, now: dt.datetime) -> None:
    row.state, row.result = FreeIssue.State.FAILED, error.code[:30]
    with transaction.atomic(durable=True):
        row.save(update_fields=["state", "result"])
        audit.record_refusal(
            at=now,
            actor="vending",
            verb=VERB,
            subject=f"meter:{row.meter_id}",
            code=error.code,
            reason=str(error),
            detail={"free_issue": row.pk},
        )
