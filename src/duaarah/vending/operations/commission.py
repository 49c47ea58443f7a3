# SPDX-License-Identifier: Apache-2.0
"""A channel's settled commission, paid out or added to its deposit."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import F

from duaarah.audit import operations as audit
from duaarah.vending.models import Channel, Deposit, LedgerEntry
from duaarah.vending.operations.accounts import AmountTooHigh, locked_balance_sen
from duaarah.vending.operations.books import CASH, book, commission_due_account, deposit_account


def pay_commission(
    *, channel: Channel, amount_idr: int, reference: str, into_deposit: bool, actor: str, now: dt.datetime
) -> bool:
    """
    Entry: pay out what settlements found to be the channel's, once a reference; returns whether it was paid now.

    Raises:
        ValueError: an amount of zero or less.
        AmountTooHigh: more than is due; one audit line.
    """
    if amount_idr <= 0:
        raise ValueError("A commission is a positive amount.")
    booked, due = f"commission:{channel.pk}:{reference}", commission_due_account(channel.pk)
    said: dict[str, Any] = {
        "at": now,
        "actor": actor,
        "verb": "vending.pay_commission",
        "subject": f"channel:{channel.code}",
    }
    detail = {"amount_idr": amount_idr, "reference": reference, "into_deposit": into_deposit}
    try:
        with transaction.atomic(durable=True):
            # The deposit's row first, as fill_deposit takes it; then the account's.
            Deposit.objects.select_for_update().filter(pk=channel.pk).first()
            owed_sen = -locked_balance_sen(due)
            if LedgerEntry.objects.filter(reference=booked).exists():
                return False
            if amount_idr * 100 > owed_sen:
                raise AmountTooHigh("More than is due to the channel.")
            to = deposit_account(channel.pk) if into_deposit else CASH
            book(
                kind=LedgerEntry.Kind.COMMISSION_PAID,
                reference=booked,
                at=now,
                vend_id=None,
                lines_sen={due: amount_idr * 100, to: -amount_idr * 100},
            )
            if into_deposit:
                Deposit.objects.filter(pk=channel.pk).update(balance_sen=F("balance_sen") + amount_idr * 100)
            audit.record(**said, detail=detail)
            return True
    except AmountTooHigh as error:
        with transaction.atomic(durable=True):
            audit.record_refusal(**said, code=error.code, reason=str(error), detail=detail)
        raise
