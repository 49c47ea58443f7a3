# SPDX-License-Identifier: Apache-2.0
"""
Settlement at cut-off: per channel and day one row and one entry of what PLN is owed and of the channel's commission.

A settlement takes the entries of a channel's deposit and commission that no earlier one has and that were booked before
the day's cut-off; each is taken once, ever. What was committed late is therefore in the next day's.
"""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.vending.ledger_models import Settlement
from duaarah.vending.models import Channel, LedgerEntry
from duaarah.vending.operations.books import (
    CASH,
    COLLECTED,
    book,
    commission_account,
    commission_due_account,
    deposit_account,
)
from duaarah.vending.operations.policy import cutoff_at, settled_from, settlement_day

_LOCK = 0x44554105
# How far back an entry may have stayed without settlement: its transaction was open, or its clock was late.
LATE_DAYS = 31

_FIRST = """
SELECT min(e.at) FROM vending_ledgerentry e JOIN vending_ledgerline l ON l.entry_id = e.id
JOIN vending_account a ON a.id = l.account_id WHERE a.code = %s
"""

_TAKE = """
INSERT INTO vending_settledentry (entry_id, settlement_id)
SELECT DISTINCT e.id, %(settlement)s::bigint
FROM vending_account a JOIN vending_ledgerline l ON l.account_id = a.id JOIN vending_ledgerentry e ON e.id = l.entry_id
WHERE a.code IN (%(deposit)s, %(commission)s) AND e.kind <> 'SETTLEMENT'
    AND e.at < %(until)s AND e.at >= %(since)s
    AND NOT EXISTS (SELECT FROM vending_settledentry s WHERE s.entry_id = e.id)
"""

_SUMS = """
SELECT count(DISTINCT e.id), count(DISTINCT e.id) FILTER (WHERE e.kind = 'PAYMENT_TAKEN'),
    -coalesce(sum(l.amount_sen) FILTER (WHERE a.code = %(deposit)s AND e.kind IN ('DEPOSIT_FILLED', 'COMMISSION_PAID')), 0),
    coalesce(sum(l.amount_sen) FILTER (
        WHERE a.code = %(deposit)s AND e.kind NOT IN ('DEPOSIT_FILLED', 'COMMISSION_PAID')), 0),
    -coalesce(sum(l.amount_sen) FILTER (WHERE a.code = %(commission)s), 0)
FROM vending_settledentry s JOIN vending_ledgerentry e ON e.id = s.entry_id
JOIN vending_ledgerline l ON l.entry_id = e.id JOIN vending_account a ON a.id = l.account_id
WHERE s.settlement_id = %(settlement)s
"""


def settle_due(*, now: dt.datetime) -> int:
    """Settle every channel's days whose cut-off window is over, oldest first; returns how many settlements were made."""
    made = 0
    for channel in Channel.objects.filter(kind=Channel.Kind.DEPOSIT).order_by("pk"):
        day_date = next_day(channel)
        while day_date is not None and settled_from(day_date) <= now:
            made += settle(channel=channel, day_date=day_date, now=now)[1]
            day_date += dt.timedelta(days=1)
    return made


def next_day(channel: Channel) -> dt.date | None:
    """The first settlement day that a channel has not settled; None while nothing was ever booked on its deposit."""
    last = channel.settlements.order_by("-day_date").first()
    if last is not None:
        return last.day_date + dt.timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, [deposit_account(channel.pk)])
        (first,) = cursor.fetchone()
    return settlement_day(first) if first is not None else None


def settle(*, channel: Channel, day_date: dt.date, now: dt.datetime) -> tuple[Settlement, bool]:
    """
    Entry: one channel's settlement day, and whether it was made now; a second call returns the first one's row.

    The entry moves what was earned out of the money held for the deposit: to PLN what is PLN's, to the channel's due
    commission what is the channel's.

    Raises:
        ValueError: a channel without a deposit, a day whose cut-off window is not over, or one out of order.
    """
    if channel.kind != Channel.Kind.DEPOSIT:
        raise ValueError("A channel without a deposit is not settled with.")
    if settled_from(day_date) > now:
        raise ValueError("A day is settled when its cut-off window is over.")
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, channel.pk])
        before = channel.settlements.filter(day_date=day_date).first()
        if before is not None:
            return before, False
        if day_date != next_day(channel):
            raise ValueError("Days are settled in their order, none left out.")
        row = _settle(channel, day_date, now)
        audit.record(
            at=now,
            actor="settlement",
            verb="vending.settle",
            subject=f"channel:{channel.code}",
            detail={
                "day": day_date.isoformat(),
                "sold_sen": row.sold_sen,
                "commission_sen": row.commission_sen,
                "entries": row.entries,
            },
        )
    return row, True


def _settle(channel: Channel, day_date: dt.date, now: dt.datetime) -> Settlement:
    until = cutoff_at(day_date)
    codes = {"deposit": deposit_account(channel.pk), "commission": commission_account(channel.pk)}
    with connection.cursor() as cursor:
        # Its number first: the entries are taken and summed as one set, whatever is committed in between.
        cursor.execute("SELECT nextval(pg_get_serial_sequence('vending_settlement', 'id'))")
        (number,) = cursor.fetchone()
        since = until - dt.timedelta(days=LATE_DAYS)
        cursor.execute(_TAKE, {**codes, "settlement": number, "until": until, "since": since})
        cursor.execute(_SUMS, {**codes, "settlement": number})
        entries, purchases, filled_sen, sold_sen, commission_sen = map(int, cursor.fetchone())
    lines = {
        COLLECTED: sold_sen - commission_sen,
        CASH: -(sold_sen - commission_sen),
        commission_account(channel.pk): commission_sen,
        commission_due_account(channel.pk): -commission_sen,
    }
    reference = f"settle:{channel.pk}:{day_date}"
    if any(lines.values()):
        book(kind=LedgerEntry.Kind.SETTLEMENT, reference=reference, at=now, vend_id=None, lines_sen=lines)
    last = channel.settlements.order_by("-day_date").first()
    return Settlement.objects.create(
        pk=number,
        channel=channel,
        day_date=day_date,
        entries=entries,
        purchases=purchases,
        filled_sen=filled_sen,
        sold_sen=sold_sen,
        commission_sen=commission_sen,
        deposit_sen=(last.deposit_sen if last else 0) + filled_sen - sold_sen,
        made_at=now,
        entry=LedgerEntry.objects.filter(reference=reference).first(),
    )
