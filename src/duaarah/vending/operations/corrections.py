# SPDX-License-Identifier: Apache-2.0
"""Corrections are new entries: a reversal mirrors an entry once; a write-off of what will not come needs a second person."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction
from django.db.models import F

from duaarah.audit import operations as audit
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval
from duaarah.vending.models import PLN_BOOK, Account, Deposit, LedgerEntry, LedgerLine, Wallet
from duaarah.vending.operations.accounts import AmountTooHigh, locked_balance_sen
from duaarah.vending.operations.books import WRITE_OFF, book, of_book

VERB = "vending.write_off"
# Somebody else's money, and money that is there, cannot be written off.
NOT_WRITTEN_OFF = ("wallet", "deposit", "cash", "vending")


class CorrectionRefused(Exception):
    """Nothing was booked. `code` says why."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def reverse_entry(*, entry_id: int, now: dt.datetime) -> bool:
    """
    Joining: the mirror of an entry, once; wallets and deposits follow. Returns whether it was booked now.

    Rows are locked in key order: wallets, then deposits, each by number.

    Raises:
        CorrectionRefused: `reversal`: a reversal is not reversed.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A reversal joins the transaction of its deed.")
    # Two that reverse the same meet here; the second finds the mirror.
    entry = LedgerEntry.objects.select_for_update(no_key=True).get(pk=entry_id)
    if entry.kind == LedgerEntry.Kind.REVERSAL:
        raise CorrectionRefused("reversal", "A reversal is not reversed: book the deed anew.")
    reference = f"reversal:{entry.pk}"
    if LedgerEntry.objects.filter(reference=reference).exists():
        return False
    lines = dict(LedgerLine.objects.filter(entry=entry).values_list("account__code", "amount_sen"))
    for code, amount_sen in sorted(lines.items(), key=_lock_order):
        kind, _, number = code.partition(":")
        # A debit took from the balance; its mirror gives it back.
        if kind == "wallet":
            Wallet.objects.filter(holder_id=int(number)).update(balance_sen=F("balance_sen") + amount_sen)
        elif kind == "deposit":
            Deposit.objects.filter(channel_id=int(number)).update(balance_sen=F("balance_sen") + amount_sen)
    book(
        kind=LedgerEntry.Kind.REVERSAL,
        reference=reference,
        at=now,
        vend_id=entry.vend_id,
        lines_sen={code: -amount_sen for code, amount_sen in lines.items()},
        entity=entry.book,
    )
    return True


def _lock_order(line: tuple[str, int]) -> tuple[int, int]:
    kind, _, number = line[0].partition(":")
    order = ("wallet", "deposit")
    return (order.index(kind), int(number)) if kind in order else (len(order), 0)


def request_write_off(
    *, account_code: str, amount_sen: int, reason: str, requested_by: Login, now: dt.datetime
) -> Approval:
    """
    Entry: ask a second person to write off a part of what an account says that somebody owes.

    Raises:
        CorrectionRefused: `not_a_claim`, `amount`, `reason`; one audit line.
    """
    try:
        if not reason.strip():
            raise CorrectionRefused("reason", "A write-off says why.")
        account = Account.objects.filter(code=account_code).first()
        if account is None or _name(account).split(":")[0] in NOT_WRITTEN_OFF:
            raise CorrectionRefused("not_a_claim", "Only what somebody owes can be written off.")
        with transaction.atomic():
            if not 0 < amount_sen <= locked_balance_sen(account_code):
                raise CorrectionRefused("amount", "The account does not hold that much.")
    except CorrectionRefused as error:
        _refused(f"account:{account_code}", f"login:{requested_by.pk}", error, now)
        raise
    return request_approval(
        verb=VERB,
        subject=f"account:{account_code}",
        detail={"account": account_code, "amount_sen": amount_sen, "book": account.book},
        reason=reason,
        requested_by=requested_by,
        now=now,
    )


def write_off(*, approval_id: int, actor: str, now: dt.datetime) -> LedgerEntry:
    """
    Entry: carry out an approved write-off, once.

    Raises:
        ApprovalRefused: not approved, expired, or used before.
        AmountTooHigh: the account holds less than it did; one audit line, as for every refusal.
    """
    subject = Approval.objects.values_list("subject", flat=True).get(pk=approval_id)
    try:
        with transaction.atomic(durable=True):
            approval = use_approval(approval_id=approval_id, verb=VERB, subject=subject, now=now)
            code, amount_sen = approval.detail["account"], approval.detail["amount_sen"]
            if amount_sen > locked_balance_sen(code):
                raise AmountTooHigh("The account holds less than what was approved.")
            account = Account.objects.get(code=code)
            loss = WRITE_OFF if account.book == PLN_BOOK else of_book(account.book, "write_off")
            reference = f"write-off:{approval.pk}"
            book(
                kind=LedgerEntry.Kind.WRITE_OFF,
                reference=reference,
                at=now,
                vend_id=None,
                lines_sen={loss: amount_sen, code: -amount_sen},
                entity=account.book,
            )
            detail = {"account": code, "amount_sen": amount_sen, "approval": approval.pk}
            audit.record(at=now, actor=actor, verb=VERB, subject=subject, reason=approval.reason, detail=detail)
            return LedgerEntry.objects.get(reference=reference)
    except (ApprovalRefused, AmountTooHigh) as error:
        _refused(subject, actor, error, now)
        raise


def _name(account: Account) -> str:
    """The account's name within its books."""
    return account.code if account.book == PLN_BOOK else account.code.removeprefix(f"{account.book}/")


def _refused(subject: str, actor: str, error: Exception, now: dt.datetime) -> None:
    code = str(getattr(error, "code", "refused"))
    with transaction.atomic(durable=True):
        audit.record_refusal(at=now, actor=actor, verb=VERB, subject=subject, code=code, reason=str(error))
