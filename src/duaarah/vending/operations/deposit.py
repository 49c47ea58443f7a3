# SPDX-License-Identifier: Apache-2.0
"""A channel's deposit: paid in against cash received, spent under a row lock; and what the channel charges, by date."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import F

from duaarah.audit import operations as audit
from duaarah.vending.models import Channel, ChannelTerms, Deposit, LedgerEntry
from duaarah.vending.operations.books import CASH, book, deposit_account


def fill_deposit(*, channel: Channel, amount_idr: int, reference: str, actor: str, now: dt.datetime) -> None:
    """
    Entry: credit a channel's deposit once per reference; a repeated reference changes nothing.

    Raises:
        ValueError: an amount of zero or less, or a channel that keeps no deposit.
    """
    if amount_idr <= 0:
        raise ValueError("A deposit is filled with a positive amount.")
    if channel.kind != Channel.Kind.DEPOSIT:
        raise ValueError("This channel keeps no deposit.")
    with transaction.atomic(durable=True):
        Deposit.objects.get_or_create(channel=channel, defaults={"balance_sen": 0})
        Deposit.objects.select_for_update().get(pk=channel.pk)
        booked = f"deposit:{channel.pk}:{reference}"
        if LedgerEntry.objects.filter(reference=booked).exists():
            return
        book(
            kind=LedgerEntry.Kind.DEPOSIT_FILLED,
            reference=booked,
            at=now,
            vend_id=None,
            lines_sen={CASH: amount_idr * 100, deposit_account(channel.pk): -amount_idr * 100},
        )
        Deposit.objects.filter(pk=channel.pk).update(balance_sen=F("balance_sen") + amount_idr * 100)
        audit.record(
            at=now,
            actor=actor,
            verb="vending.fill_deposit",
            subject=f"channel:{channel.code}",
            detail={"amount_idr": amount_idr, "reference": reference},
        )


def set_channel_terms(
    *, channel: Channel, from_date: dt.date, admin_idr: int, commission_idr: int, actor: str, now: dt.datetime
) -> ChannelTerms:
    """
    Entry: what a channel charges from a day (WIB) on; days that have begun are not rewritten.

    Raises:
        ValueError: a negative amount, or a commission above the admin fee.
        IntegrityError: there is a row for this day already.
    """
    if not 0 <= commission_idr <= admin_idr:
        raise ValueError("A commission is a part of the admin fee.")
    with transaction.atomic(durable=True):
        row = ChannelTerms.objects.create(
            channel=channel, from_date=from_date, admin_idr=admin_idr, commission_idr=commission_idr
        )
        audit.record(
            at=now,
            actor=actor,
            verb="vending.set_channel_terms",
            subject=f"channel:{channel.code}",
            detail={"from": from_date.isoformat(), "admin_idr": admin_idr, "commission_idr": commission_idr},
        )
    return row
