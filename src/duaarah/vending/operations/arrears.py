# SPDX-License-Identifier: Apache-2.0
"""
Arrears, paid off with each purchase: T1 reserves under the row's lock, T2 collects, a refund releases.

Nobody is asked for more than he owes: reserved and paid together never pass the total (constraint), whatever runs at
once. An instalment leaves the share of the nominal that the policy keeps for energy, so that a purchase always gives some.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.people.models import Customer
from duaarah.registry.models import Meter
from duaarah.vending.ledger_models import Arrears
from duaarah.vending.operations.policy import policy

PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Due:
    """What one arrears takes from one purchase, in whole rupiah."""

    arrears_id: int
    amount_idr: int


_OPEN = """
SELECT id, rank, rule, amount_idr, parts, total_idr - paid_idr - reserved_idr FROM vending_arrears
WHERE open AND (meter_id = %s OR customer_id = %s) AND from_date <= %s ORDER BY id
"""


def due(*, meter: Meter, nominal_idr: int, date: dt.date, lock: bool) -> list[Due]:
    """
    What a purchase of `nominal_idr` pays off, by rank; together at most what the policy does not keep for energy.

    `lock` holds the rows, in key order, until the transaction ends: what is said then is still true when it is reserved.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OPEN + ("FOR UPDATE" if lock else ""), [meter.pk, meter.customer_id, date])
        rows = cursor.fetchall()
    if not rows:
        return []
    room_idr = nominal_idr * (PARTS - policy(date).energy_parts) // PARTS
    found = []
    for arrears_id, _, rule, amount_idr, parts, left_idr in sorted(rows, key=lambda row: (row[1], row[0])):
        asked_idr = amount_idr if rule == Arrears.Rule.FIXED else nominal_idr * parts // PARTS
        taken_idr = min(asked_idr, left_idr, room_idr)
        if taken_idr > 0:
            found.append(Due(arrears_id, taken_idr))
            room_idr -= taken_idr
    return found


def reserve(*, vend_id: int, dues: Iterable[Due]) -> None:
    """Joining (T1): what `due` found under lock belongs to this vend until it has a token or is refunded."""
    _in_transaction()
    with connection.cursor() as cursor:
        for one in dues:
            cursor.execute(
                "INSERT INTO vending_instalment (arrears_id, vend_id, amount_idr, state)"
                " VALUES (%s, %s, %s, 'RESERVED')",
                [one.arrears_id, vend_id, one.amount_idr],
            )
            cursor.execute(
                "UPDATE vending_arrears SET reserved_idr = reserved_idr + %s WHERE id = %s",
                [one.amount_idr, one.arrears_id],
            )


# Rows are locked in key order first: an UPDATE of several takes them in any.
_LOCK = """
SELECT id FROM vending_arrears WHERE id IN (SELECT arrears_id FROM vending_instalment WHERE vend_id = %s)
ORDER BY id FOR UPDATE
"""
_COLLECT = """
WITH moved AS (
    UPDATE vending_instalment SET state = 'COLLECTED' WHERE vend_id = %s AND state = 'RESERVED'
    RETURNING arrears_id, amount_idr)
UPDATE vending_arrears a SET reserved_idr = a.reserved_idr - m.amount_idr, paid_idr = a.paid_idr + m.amount_idr,
    open = a.open AND a.paid_idr + m.amount_idr < a.total_idr
FROM moved m WHERE a.id = m.arrears_id
"""
_RELEASE = """
WITH before AS (
    SELECT id, arrears_id, amount_idr, state FROM vending_instalment
    WHERE vend_id = %s AND state IN ('RESERVED', 'COLLECTED')),
moved AS (UPDATE vending_instalment i SET state = 'RELEASED' FROM before b WHERE i.id = b.id)
UPDATE vending_arrears a SET
    reserved_idr = a.reserved_idr - CASE b.state WHEN 'RESERVED' THEN b.amount_idr ELSE 0 END,
    paid_idr = a.paid_idr - CASE b.state WHEN 'COLLECTED' THEN b.amount_idr ELSE 0 END,
    open = a.open OR b.state = 'COLLECTED'
FROM before b WHERE a.id = b.arrears_id
"""


def collect(*, vend_id: int) -> None:
    """Joining (T2): the token is issued, what was reserved is paid. A second call changes nothing."""
    _move(vend_id, _COLLECT)


def release(*, vend_id: int) -> None:
    """Joining: the purchase is undone, and its instalments with it. A second call changes nothing."""
    _move(vend_id, _RELEASE)


def _move(vend_id: int, statement: str) -> None:
    _in_transaction()
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [vend_id])
        if cursor.fetchall():
            cursor.execute(statement, [vend_id])


def _in_transaction() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Instalments join the transaction of their purchase.")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How arrears are paid off: `amount_idr` each time, or `parts` of 10,000 of the nominal; one of the two."""

    total_idr: int
    amount_idr: int | None = None
    parts: int | None = None
    rank: int = 1

    def __post_init__(self) -> None:
        if (self.amount_idr is None) == (self.parts is None):
            raise ValueError("A fixed amount, or a share of the nominal: one of the two.")
        if self.total_idr <= 0 or not (self.amount_idr or self.parts or 0) > 0:
            raise ValueError("Arrears and their instalments are positive amounts.")
        if self.parts is not None and self.parts > PARTS:
            raise ValueError("A share is at most the whole nominal.")


def open_arrears(
    *,
    owner: Meter | Customer,
    reference: str,
    title: str,
    terms: Terms,
    from_date: dt.date,
    actor: str,
    now: dt.datetime,
) -> Arrears:
    """
    Entry: arrears of a meter or a customer, once a reference; a repeated reference returns what stands.

    Raises:
        ValueError: the reference stands for something else.
    """
    whose = {"meter": owner} if isinstance(owner, Meter) else {"customer": owner}
    fields = {
        "title": title,
        "total_idr": terms.total_idr,
        "rule": Arrears.Rule.SHARE if terms.parts is not None else Arrears.Rule.FIXED,
        "amount_idr": terms.amount_idr,
        "parts": terms.parts,
        "rank": terms.rank,
        "from_date": from_date,
    }
    with transaction.atomic(durable=True):
        row, made = Arrears.objects.get_or_create(reference=reference, defaults={**whose, **fields})
        if made:
            audit.record(
                at=now,
                actor=actor,
                verb="vending.open_arrears",
                subject=f"{next(iter(whose))}:{owner.pk}",
                detail={"reference": reference, "total_idr": terms.total_idr},
            )
        elif (row.total_idr, row.meter_id or 0, row.customer_id or 0) != (
            terms.total_idr,
            owner.pk if isinstance(owner, Meter) else 0,
            owner.pk if isinstance(owner, Customer) else 0,
        ):
            raise ValueError("This reference stands for other arrears.")
    return row
