# SPDX-License-Identifier: Apache-2.0
"""
The till of a gerai: its float in the books of whose shop it is, and the end of its day.

A closing takes the sales and refunds that no earlier one has; each is in one closing, ever. The cash that was counted
is booked as it was counted, and the difference to what was sold stands in an account of its own until it is explained
or written off.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.people.models import Login, Organisation
from duaarah.vending.ledger_models import TillClosing
from duaarah.vending.models import PLN_BOOK, Channel, Deposit, LedgerEntry
from duaarah.vending.operations.books import book, deposit_account, of_book

NOTE_MAX = 400
# What takes cash in at the counter or gives it back; a filled deposit or a correction of the books does not.
CASH_KINDS = ("PAYMENT_TAKEN", "REFUND", "CONNECTION_FEE", "REVERSAL")


class ClosingRefused(Exception):
    """The till was not closed, nothing was booked. `code`: not_a_gerai, nothing, note, amount, changed."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class OpenTill:
    """What was sold since the last closing: sales less refunds, in whole rupiah; the commission on it."""

    sales: int
    expected_idr: int
    commission_idr: int


def book_of(channel: Channel) -> str:
    """The books of whose shop it is: PLN's for a shop of PLN's, else the organisation's."""
    assert channel.unit is not None
    owner = channel.unit.organisation
    return PLN_BOOK if owner.kind == Organisation.Kind.UTILITY else owner.code


def book_float(*, channel: Channel, amount_idr: int, reference: str, now: dt.datetime) -> None:
    """Joining: a gerai's float is its owner's asset; in PLN's own books the deposit alone says it."""
    if channel.unit is None or (entity := book_of(channel)) == PLN_BOOK:
        return
    lines = {
        of_book(entity, f"float:{channel.pk}"): amount_idr * 100,
        of_book(entity, "cash"): -amount_idr * 100,
    }
    book(
        kind=LedgerEntry.Kind.DEPOSIT_FILLED,
        reference=f"float:{reference}"[:80],
        at=now,
        vend_id=None,
        lines_sen=lines,
        entity=entity,
    )


_OPEN = """
SELECT e.id, e.kind, l.amount_sen, e.vend_id FROM vending_account a
JOIN vending_ledgerline l ON l.account_id = a.id JOIN vending_ledgerentry e ON e.id = l.entry_id
WHERE a.code = %s AND e.kind = ANY(%s) AND (e.kind <> 'REFUND' OR e.vend_id IS NOT NULL)
    AND NOT EXISTS (SELECT FROM vending_closedentry c WHERE c.entry_id = e.id)
"""
_COMMISSION = """
SELECT coalesce(sum(CASE WHEN u.kind = 'PAYMENT_TAKEN' THEN p.commission_idr ELSE -p.commission_idr END), 0)
FROM unnest(%s::bigint[], %s::text[]) AS u (vend, kind) JOIN vending_vend v ON v.id = u.vend
JOIN vending_payment p ON p.id = v.payment_id
"""


def open_till(*, channel: Channel) -> OpenTill:
    """What the till should hold now. Read only; nothing is held up."""
    return _sum(_open_entries(channel))


def _open_entries(channel: Channel) -> list[tuple[int, str, int, int | None]]:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [deposit_account(channel.pk), list(CASH_KINDS)])
        return list(cursor.fetchall())


def _sum(entries: list[tuple[int, str, int, int | None]]) -> OpenTill:
    # Only tokens bring a commission; an entry without a vend is a fee whose commission stands in it.
    of_vends = [(vend, kind) for _, kind, _, vend in entries if vend is not None]
    with connection.cursor() as cursor:
        cursor.execute(_COMMISSION, [[vend for vend, _ in of_vends], [kind for _, kind in of_vends]])
        (commission_idr,) = cursor.fetchone()
    return OpenTill(
        sales=sum(kind == "PAYMENT_TAKEN" for _, kind, _, _ in entries),
        expected_idr=sum(amount_sen for _, _, amount_sen, _ in entries) // 100,
        commission_idr=max(0, int(commission_idr)),
    )


def close_till(
    *, channel: Channel, counted_idr: int, seen_idr: int, note: str, signed_by: Login, now: dt.datetime
) -> TillClosing:
    """
    Entry: the end of a gerai's day. `seen_idr` is what the page said should be there when the cash was counted.

    Raises:
        ClosingRefused: one audit line. `changed`: something was sold or refunded since: count again.
    """
    actor, subject = f"login:{signed_by.pk}", f"channel:{channel.code}"
    try:
        if channel.unit is None or channel.kind != Channel.Kind.DEPOSIT:
            raise ClosingRefused("not_a_gerai", "This channel has no till.")
        if counted_idr < 0:
            raise ClosingRefused("amount", "Cash is counted as zero or more.")
        with transaction.atomic(durable=True):
            # A sale takes this row last and holds it until it is committed: whoever has it sees every sale before.
            Deposit.objects.select_for_update().get(pk=channel.pk)
            entries = _open_entries(channel)
            found = _checked(entries, counted_idr, seen_idr, note)
            row = _close(channel, [one[0] for one in entries], found, counted_idr, note.strip(), actor, now)
            detail = {"closing": row.pk, "expected_idr": found.expected_idr, "counted_idr": counted_idr}
            audit.record(
                at=now, actor=actor, verb="vending.close_till", subject=subject, reason=row.note, detail=detail
            )
            return row
    except ClosingRefused as error:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now, actor=actor, verb="vending.close_till", subject=subject, code=error.code, reason=str(error)
            )
        raise


def _checked(entries: list[tuple[int, str, int, int | None]], counted_idr: int, seen_idr: int, note: str) -> OpenTill:
    if not entries:
        raise ClosingRefused("nothing", "Nothing was sold since the last closing.")
    found = _sum(entries)
    if found.expected_idr != seen_idr:
        raise ClosingRefused("changed", "Something was sold or returned since the cash was counted: count again.")
    if counted_idr != found.expected_idr and not 0 < len(note.strip()) <= NOTE_MAX:
        raise ClosingRefused("note", "A difference is explained, in at most 400 letters.")
    return found


def _close(
    channel: Channel, entry_ids: list[int], found: OpenTill, counted_idr: int, note: str, actor: str, now: dt.datetime
) -> TillClosing:
    last = channel.closings.order_by("-sequence").first()
    sequence = last.sequence + 1 if last else 1
    entity, reference = book_of(channel), f"closing:{channel.pk}:{sequence}"
    lines = {
        of_book(entity, f"till:{channel.pk}"): counted_idr * 100,
        of_book(entity, f"till-difference:{channel.pk}"): (found.expected_idr - counted_idr) * 100,
        of_book(entity, f"float:{channel.pk}"): -found.expected_idr * 100,
    }
    if entity != PLN_BOOK:
        lines[of_book(entity, f"commission-receivable:{channel.pk}")] = found.commission_idr * 100
        lines[of_book(entity, "commission")] = -found.commission_idr * 100
    if any(lines.values()):
        kind = LedgerEntry.Kind.TILL_CLOSED
        book(kind=kind, reference=reference, at=now, vend_id=None, lines_sen=lines, entity=entity)
    row = TillClosing.objects.create(
        channel=channel,
        sequence=sequence,
        sales=found.sales,
        expected_idr=found.expected_idr,
        counted_idr=counted_idr,
        commission_idr=found.commission_idr,
        note=note,
        signed_by=actor,
        closed_at=now,
        entry=LedgerEntry.objects.filter(reference=reference).first(),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO vending_closedentry (entry_id, closing_id) SELECT unnest(%s::bigint[]), %s",
            [entry_ids, row.pk],
        )
    return row
