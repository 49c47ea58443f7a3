# SPDX-License-Identifier: Apache-2.0
"""The thin wallet: filled against cash received, spent under a row lock."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import F

from duaarah.audit import operations as audit
from duaarah.people.models import AccountHolder
from duaarah.vending.models import LedgerEntry, Wallet
from duaarah.vending.operations.books import CASH, book, wallet_account


def fill_wallet(*, holder: AccountHolder, amount_idr: int, reference: str, now: dt.datetime) -> None:
    """
    Entry: credit a wallet once per reference; a repeated reference changes nothing.

    Raises:
        ValueError: an amount of zero or less.
    """
    if amount_idr <= 0:
        raise ValueError("A wallet is filled with a positive amount.")
    with transaction.atomic(durable=True):
        wallet, _ = Wallet.objects.get_or_create(holder=holder, defaults={"balance_sen": 0})
        Wallet.objects.select_for_update().get(pk=wallet.pk)
        if LedgerEntry.objects.filter(reference=f"fill:{reference}").exists():
            return
        book(
            kind=LedgerEntry.Kind.WALLET_FILLED,
            reference=f"fill:{reference}",
            at=now,
            vend_id=None,
            lines_sen={CASH: amount_idr * 100, wallet_account(holder.pk): -amount_idr * 100},
        )
        Wallet.objects.filter(pk=wallet.pk).update(balance_sen=F("balance_sen") + amount_idr * 100)
        audit.record(
            at=now,
            actor="cash desk",
            verb="vending.fill_wallet",
            subject=f"holder:{holder.pk}",
            detail={"amount_idr": amount_idr, "reference": reference},
        )
