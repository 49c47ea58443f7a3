# SPDX-License-Identifier: Apache-2.0
"""A channel's deposit: paid in against cash received, spent under a row lock; and what the channel charges, by date."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import F

from duaarah.audit import operations as audit
from duaarah.people.models import Unit
from duaarah.vending.ledger_models import ChannelLimits
from duaarah.vending.models import Channel, ChannelTerms, Deposit, LedgerEntry
from duaarah.vending.operations import till
from duaarah.vending.operations.books import CASH, book, deposit_account


def open_gerai(*, code: str, name: str, unit: Unit, actor: str, now: dt.datetime) -> Channel:
    """Entry: a shop that sells from a float; its channel stands for it in the books. Raises IntegrityError for a known code."""
    with transaction.atomic(durable=True):
        channel = Channel.objects.create(
            code=code, name=name, kind=Channel.Kind.DEPOSIT, organisation=unit.organisation, unit=unit
        )
        Deposit.objects.create(channel=channel, balance_sen=0)
        audit.record(
            at=now,
            actor=actor,
            verb="vending.open_gerai",
            subject=f"channel:{code}",
            detail={"unit": unit.code, "organisation": unit.organisation.code},
        )
    return channel


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
        till.book_float(channel=channel, amount_idr=amount_idr, reference=booked, now=now)
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


def set_channel_limits(
    *,
    channel: Channel,
    from_date: dt.date,
    purchase_idr: int | None,
    day_idr: int | None,
    actor: str,
    now: dt.datetime,
) -> ChannelLimits:
    """
    Entry: how much a channel may sell at once and in a day, from a day (WIB) on; None is no limit.

    Raises:
        ValueError: a limit of zero or less (a channel that may sell nothing is switched off instead).
        IntegrityError: there is a row for this day already.
    """
    if any(limit is not None and limit <= 0 for limit in (purchase_idr, day_idr)):
        raise ValueError("A limit is a positive amount.")
    with transaction.atomic(durable=True):
        row = ChannelLimits.objects.create(
            channel=channel, from_date=from_date, purchase_idr=purchase_idr, day_idr=day_idr
        )
        audit.record(
            at=now,
            actor=actor,
            verb="vending.set_channel_limits",
            subject=f"channel:{channel.code}",
            detail={"from": from_date.isoformat(), "purchase_idr": purchase_idr, "day_idr": day_idr},
        )
    return row


class CreditInUse(Exception):
    """The deposit is further below zero than the new credit line would allow; nothing was changed."""

    code = "credit_in_use"
    retryable = False


def set_credit(*, channel: Channel, credit_idr: int, actor: str, now: dt.datetime) -> None:
    """
    Entry: how far a channel's deposit may go below zero, from now on.

    Raises:
        ValueError: a negative credit line, or a channel that keeps no deposit.
        CreditInUse: one audit line.
    """
    if credit_idr < 0 or channel.kind != Channel.Kind.DEPOSIT:
        raise ValueError("A credit line is zero or more, of a channel with a deposit.")
    said: dict[str, Any] = {
        "at": now,
        "actor": actor,
        "verb": "vending.set_credit",
        "subject": f"channel:{channel.code}",
    }
    try:
        with transaction.atomic(durable=True):
            Deposit.objects.get_or_create(channel=channel, defaults={"balance_sen": 0})
            row = Deposit.objects.select_for_update().get(pk=channel.pk)
            if row.balance_sen < -credit_idr * 100:
                raise CreditInUse("The channel uses more than that.")
            detail = {"credit_idr": credit_idr, "before_idr": row.credit_sen // 100}
            Deposit.objects.filter(pk=channel.pk).update(credit_sen=credit_idr * 100)
            audit.record(**said, detail=detail)
    except CreditInUse as error:
        with transaction.atomic(durable=True):
            audit.record_refusal(**said, code=error.code, reason=str(error), detail={"credit_idr": credit_idr})
        raise
