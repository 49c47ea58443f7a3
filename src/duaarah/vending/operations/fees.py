# SPDX-License-Identifier: Apache-2.0
"""Money that is no token: connection fees (BP) from a channel's deposit; and a token without money, the compensation."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, LedgerEntry
from duaarah.vending.operations import sql
from duaarah.vending.operations.books import ADMIN, CONNECTION_FEE, book, commission_account, deposit_account
from duaarah.vending.operations.issue import TopUpOutcome
from duaarah.vending.operations.policy import WIB
from duaarah.vending.operations.top_up import ChannelLimitPassed, DepositTooLow, OneWay, top_up
from duaarah.vending.ports import TokenSource

COMPENSATION_CHANNEL = "TMP"


def book_connection_fee(
    *,
    channel: Channel,
    amount_idr: int,
    admin_idr: int,
    commission_idr: int,
    reference: str,
    now: dt.datetime,
    account: str = CONNECTION_FEE,
    kind: str = LedgerEntry.Kind.CONNECTION_FEE,
) -> None:
    """
    Joining: a connection fee (BP) or another payment that is no token, from the channel's deposit into PLN's books.

    `account` and `kind` say what else it is than a connection fee. `reference` is the payment's in the channel's own
    words, once: the database refuses a second entry of it. The deposit's row is locked last.

    Raises:
        ValueError: an amount of zero or less, or a commission above the admin fee.
        DepositTooLow, ChannelLimitPassed: nothing was booked; the caller records the refusal.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A fee is booked in the transaction of its payment.")
    if amount_idr <= 0 or not 0 <= commission_idr <= admin_idr:
        raise ValueError("A fee is positive, and a commission is a part of the admin fee.")
    total_sen = (amount_idr + admin_idr) * 100
    book(
        kind=kind,
        reference=f"fee:{channel.pk}:{reference}",
        at=now,
        vend_id=None,
        lines_sen={
            deposit_account(channel.pk): total_sen,
            account: -amount_idr * 100,
            commission_account(channel.pk): -commission_idr * 100,
            ADMIN: -(admin_idr - commission_idr) * 100,
        },
    )
    day = now.astimezone(WIB).date()
    with connection.cursor() as cursor:
        cursor.execute(sql.CHANNEL_TERMS, {"channel": channel.pk, "day": day})
        day_max_idr = cursor.fetchone()[3]
        cursor.execute(
            sql.DEBIT_DEPOSIT, {"channel": channel.pk, "total": total_sen, "nominal": amount_idr * 100, "day": day}
        )
        found = cursor.fetchone()
    if found is None:
        raise DepositTooLow("The channel's deposit does not hold enough.")
    if day_max_idr is not None and found[0] > day_max_idr * 100:
        raise ChannelLimitPassed("More than this channel sells in a day.")


def compensation_channel() -> Channel:
    """Where compensations come from; made when first used."""
    return Channel.objects.get_or_create(
        code=COMPENSATION_CHANNEL, defaults={"name": "TMP", "kind": Channel.Kind.COMPENSATION}
    )[0]


def give_compensation(
    *, meter: Meter, amount_idr: int, reference: str, token_source: TokenSource, now: dt.datetime
) -> TopUpOutcome:
    """
    A token without money: what PLN owes a customer for its declared level of service (TMP), given as energy.

    The protocol of a purchase, with PLN's expense in the place of a purse: once a reference, crash-safe at every arrow.
    No tax, stamp duty, admin fee or instalment is taken from it.

    Raises:
        TopUpRefused: NoPrice, ReferenceReused; an audit line says so.
    """
    buyer = pairing_of_meter(meter_id=meter.pk, at=now) or OneWay(meter=meter)
    return top_up(
        pairing=buyer,
        amount_idr=amount_idr,
        channel=compensation_channel(),
        reference=reference,
        token_source=token_source,
        now=now,
    )
