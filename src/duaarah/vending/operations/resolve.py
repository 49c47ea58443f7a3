# SPDX-License-Identifier: Apache-2.0
"""
A line that does not agree is resolved once: explained, or its money goes back to the deposit after a second person's word.

A refund says that the channel did not sell it; a write-off that PLN bears it. Both return what the books took too much
of the deposit; no payment is ever corrected twice, in whichever comparison it stands.
"""

from __future__ import annotations

import datetime as dt

from django.db import IntegrityError, transaction
from django.db.models import F

from duaarah.audit import operations as audit
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval
from duaarah.vending.ledger_models import ChannelReconciliationLine, LineResolution
from duaarah.vending.models import Channel, Deposit, LedgerEntry
from duaarah.vending.operations.books import REFUNDS, WRITE_OFF, book, deposit_account
from duaarah.vending.operations.corrections import CorrectionRefused

VERB = "vending.correct_line"
REASON_MAX = 400
How = LineResolution.How


def explain_line(*, line_id: int, reason: str, actor: str, now: dt.datetime) -> LineResolution:
    """
    Entry: a line that needs no money, with its reason; once.

    Raises:
        CorrectionRefused: `reason`, `resolved`; one audit line.
    """
    subject = f"reconciliation-line:{line_id}"
    try:
        if not 0 < len(reason.strip()) <= REASON_MAX:
            raise CorrectionRefused("reason", "A line is explained, in at most 400 letters.")
        with transaction.atomic(durable=True):
            row, made = LineResolution.objects.get_or_create(
                line_id=line_id,
                defaults={"how": How.EXPLAINED, "reason": reason.strip(), "by": actor, "at": now},
            )
            if not made:
                raise CorrectionRefused("resolved", "This line was resolved before.")
            audit.record(at=now, actor=actor, verb="vending.explain_line", subject=subject, reason=row.reason)
            return row
    except CorrectionRefused as error:
        _refused("vending.explain_line", subject, actor, error, now)
        raise


def excess_idr(line: ChannelReconciliationLine) -> int:
    """What the books took more than the channel says, fees left out; 0 where nothing can go back."""
    if line.payment_id is None or line.list not in ("OURS_ONLY", "DIFFERENT"):
        return 0
    return max(0, (line.ours_idr or 0) - (line.theirs_idr or 0))


def request_correction(
    *, line: ChannelReconciliationLine, how: str, reason: str, requested_by: Login, now: dt.datetime
) -> Approval:
    """
    Entry: ask a second person to return a line's money to the channel's deposit, as a refund or as PLN's loss.

    Raises:
        CorrectionRefused: `how`, `reason`, `nothing_to_return`, `resolved`, `no_deposit`; one audit line.
    """
    try:
        if how not in (How.REFUND, How.WRITE_OFF):
            raise CorrectionRefused("how", "A correction is a refund or a write-off.")
        if not 0 < len(reason.strip()) <= REASON_MAX:
            raise CorrectionRefused("reason", "A correction says why, in at most 400 letters.")
        if line.reconciliation.channel.kind != Channel.Kind.DEPOSIT:
            raise CorrectionRefused("no_deposit", "This channel keeps no deposit to return money to.")
        if not excess_idr(line):
            raise CorrectionRefused("nothing_to_return", "The books took no more than the channel says.")
        if LineResolution.objects.filter(line=line).exists():
            raise CorrectionRefused("resolved", "This line was resolved before.")
    except CorrectionRefused as error:
        _refused(VERB, f"reconciliation-line:{line.pk}", f"login:{requested_by.pk}", error, now)
        raise
    return request_approval(
        verb=VERB,
        subject=f"reconciliation-line:{line.pk}",
        detail={
            "line": line.pk,
            "how": str(how),
            "amount_idr": excess_idr(line),
            "reference": line.reference,
            "channel": line.reconciliation.channel.code,
        },
        reason=reason,
        requested_by=requested_by,
        now=now,
    )


def correct_line(*, approval_id: int, actor: str, now: dt.datetime) -> LineResolution:
    """
    Entry: carry out an approved correction, once a payment.

    Raises:
        ApprovalRefused: not approved, expired, or used before.
        CorrectionRefused: `resolved` meanwhile; one audit line, as for every refusal.
    """
    subject = Approval.objects.values_list("subject", flat=True).get(pk=approval_id)
    try:
        with transaction.atomic(durable=True):
            approval = use_approval(approval_id=approval_id, verb=VERB, subject=subject, now=now)
            return _correct(approval, actor, now)
    except IntegrityError as error:
        if "reference" not in str(error) and "line_id" not in str(error):
            raise
        refused = CorrectionRefused("resolved", "This payment was corrected, or its line resolved, before.")
        _refused(VERB, subject, actor, refused, now)
        raise refused from error
    except (ApprovalRefused, CorrectionRefused) as error:
        _refused(VERB, subject, actor, error, now)
        raise


def _correct(approval: Approval, actor: str, now: dt.datetime) -> LineResolution:
    line = ChannelReconciliationLine.objects.select_related("reconciliation").get(pk=approval.detail["line"])
    channel_id, amount_idr = line.reconciliation.channel_id, approval.detail["amount_idr"]
    how = How(approval.detail["how"])
    reference = f"correct:{line.payment_id}"
    book(
        kind=LedgerEntry.Kind.REFUND if how == How.REFUND else LedgerEntry.Kind.WRITE_OFF,
        reference=reference,
        at=now,
        vend_id=None,
        lines_sen={
            REFUNDS if how == How.REFUND else WRITE_OFF: amount_idr * 100,
            deposit_account(channel_id): -amount_idr * 100,
        },
    )
    row = LineResolution.objects.create(
        line=line,
        how=how,
        reason=approval.reason,
        approval=approval,
        entry=LedgerEntry.objects.get(reference=reference),
        by=actor,
        at=now,
    )
    Deposit.objects.filter(pk=channel_id).update(balance_sen=F("balance_sen") + amount_idr * 100)
    detail = {"how": str(how), "amount_idr": amount_idr, "approval": approval.pk, "reference": line.reference}
    audit.record(at=now, actor=actor, verb=VERB, subject=approval.subject, reason=approval.reason, detail=detail)
    return row


def _refused(verb: str, subject: str, actor: str, error: Exception, now: dt.datetime) -> None:
    code = str(getattr(error, "code", "refused"))
    with transaction.atomic(durable=True):
        audit.record_refusal(at=now, actor=actor, verb=verb, subject=subject, code=code, reason=str(error))
