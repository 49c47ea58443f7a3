# SPDX-License-Identifier: Apache-2.0
"""Inbound SMS: claimed under a lease, booked once in the package ledger, closed with an outcome."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.sms.models import MessageClass
from duaarah.sms.operations.enqueue import package_month

ATTEMPTS_MAX = 5

_CLAIM = """
UPDATE sms_inboundsms SET lease_until_at = clock_timestamp() + %(lease)s * interval '1 second', attempts = attempts + 1
WHERE id IN (
    SELECT id FROM sms_inboundsms
    WHERE state = 'RECEIVED' AND kind = %(kind)s AND attempts < %(attempts_max)s
        AND (lease_until_at IS NULL OR lease_until_at < clock_timestamp())
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id
"""

_BOOK = """
INSERT INTO sms_packageentry (kind, inbound_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT 'SETTLE', i.id, %(meter)s, %(class)s,
    coalesce((SELECT r.counts FROM sms_packagerule r
              WHERE r.message_class = %(class)s AND r.valid_from_date <= %(month)s
              ORDER BY r.valid_from_date DESC LIMIT 1), true),
    %(retry)s, %(correlation)s, %(at)s, %(month)s
FROM sms_inboundsms i
WHERE i.whole_id = %(inbound)s
    OR i.id = %(inbound)s AND NOT EXISTS (SELECT 1 FROM sms_inboundsms q WHERE q.whole_id = %(inbound)s)
ON CONFLICT DO NOTHING
"""

# A part whose fellows never came: it was received, so it counts, and a person can read what there is.
PARTS_WAIT_S = 3_600
_INCOMPLETE = """
UPDATE sms_inboundsms SET state = 'FAILED', outcome = 'incomplete'
WHERE id IN (
    SELECT id FROM sms_inboundsms
    WHERE kind = 'PART' AND state = 'RECEIVED' AND received_at < clock_timestamp() - %s * interval '1 second'
    ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


# The last attempt's lease has ended too: whatever it is, it shall be seen, and counted in the package like any other.
_GIVE_UP = """
UPDATE sms_inboundsms SET state = 'FAILED', outcome = 'given_up', lease_until_at = NULL
WHERE id IN (
    SELECT id FROM sms_inboundsms
    WHERE state = 'RECEIVED' AND attempts >= %s AND lease_until_at < clock_timestamp()
    ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def claim_inbound(*, kind: str, limit: int, lease_s: int) -> list[int]:
    """Entry: lease up to `limit` waiting SMS of a kind for `lease_s` seconds; returns their ids, oldest first."""
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("A claim is committed before anything is read.")
    # One statement is its own transaction.
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"kind": kind, "limit": limit, "lease": lease_s, "attempts_max": ATTEMPTS_MAX})
        return sorted(row[0] for row in cursor.fetchall())


def give_up_inbound(*, now: dt.datetime) -> int:
    """Entry: SMS that failed at every attempt, and parts without their fellows, become FAILED with an audit line; how many."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_UP, [ATTEMPTS_MAX])
            given_up = [(row[0], "given_up") for row in cursor.fetchall()]
            cursor.execute(_INCOMPLETE, [PARTS_WAIT_S])
            given_up += [(row[0], "incomplete") for row in cursor.fetchall()]
        for inbound_id, code in given_up:
            book_inbound(
                inbound_id=inbound_id, meter_id=None, message_class=MessageClass.UNKNOWN_MO, correlation=None, now=now
            )
            audit.record_refusal(
                at=now, actor="sms", verb="sms.give_up_inbound", subject=f"inbound:{inbound_id}", code=code
            )
    return len(given_up)


def book_inbound(
    *,
    inbound_id: int,
    meter_id: int | None,
    message_class: str,
    correlation: uuid.UUID | None,
    now: dt.datetime,
    retry: bool = False,
) -> None:
    """Joining: settle one received SMS in the package ledger, each of its parts as one unit, once whatever repeats."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A segment is booked in the transaction that reads it.")
    with connection.cursor() as cursor:
        cursor.execute(
            _BOOK,
            {
                "inbound": inbound_id,
                "meter": meter_id,
                "class": message_class,
                "retry": retry,
                "correlation": correlation,
                "at": now,
                "month": package_month(now),
            },
        )


_CLOSE = "UPDATE sms_inboundsms SET state = %s, outcome = %s, lease_until_at = NULL WHERE id = %s"


def close_inbound(*, inbound_id: int, state: str, outcome: str) -> None:
    """Joining: the SMS was read; `outcome` is a stable code."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [state, outcome[:60], inbound_id])
