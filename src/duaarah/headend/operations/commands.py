# SPDX-License-Identifier: Apache-2.0
"""The life of a command between its queueing and its closing."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.headend.models import Command

ATTEMPTS_MAX = 8
LIFE_S = 7 * 24 * 3600
BACKOFF_S_MAX = 3600


# The update of nothing makes a repeat return the row that is there.
_QUEUE = """
INSERT INTO headend_command (request_id, meter_id, kind, payload, priority, state, correlation, created_at, expires_at,
    attempts, attempts_max, not_before_at, result)
VALUES (%(request)s, %(meter)s, %(kind)s, %(payload)s, %(priority)s, 'QUEUED', %(correlation)s, %(now)s, %(expires)s,
    0, %(attempts_max)s, clock_timestamp(), '')
ON CONFLICT (request_id) DO UPDATE SET request_id = excluded.request_id RETURNING id
"""


def queue_command(
    *,
    request_id: uuid.UUID,
    meter_id: int,
    kind: str,
    payload: dict[str, Any],
    priority: int,
    correlation: uuid.UUID,
    now: dt.datetime,
    life_s: int = LIFE_S,
    attempts_max: int = ATTEMPTS_MAX,
) -> int:
    """
    Joining: one command, idempotent by its request id, given up `life_s` from now or after `attempts_max` frames; returns
    its row's id.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A command is queued in the transaction that makes it true.")
    with connection.cursor() as cursor:
        cursor.execute(
            _QUEUE,
            {
                "request": request_id,
                "meter": meter_id,
                "kind": kind,
                "payload": json.dumps(payload),
                "priority": priority,
                "correlation": correlation,
                "now": now,
                "expires": now + dt.timedelta(seconds=life_s),
                "attempts_max": attempts_max,
            },
        )
        command_id: int = cursor.fetchone()[0]
    return command_id


_CLOSE = """
UPDATE headend_command SET state = %s, result = %s, closed_at = %s, lease_until_at = NULL, bundled_with_id = NULL
WHERE id = %s AND state IN ('QUEUED', 'SENT', 'EXPIRED')
"""


def close_command(*, command_id: int, state: str, result: str, now: dt.datetime) -> bool:
    """Joining: close an open command with the meter's word; False when it was closed before."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [state, result, now, command_id])
        return bool(cursor.rowcount)


def cancel_queued(*, command_id: int, now: dt.datetime) -> bool:
    """Joining: withdraw a command that was never sent; False when it was."""
    return bool(
        Command.objects.filter(pk=command_id, state=Command.State.QUEUED, attempts=0).update(
            state=Command.State.CANCELLED, closed_at=now
        )
    )


_SUPERSEDE = """
UPDATE headend_command SET
    state = CASE WHEN state = 'QUEUED' AND bundled_with_id IS NULL THEN 'CANCELLED' ELSE state END,
    closed_at = CASE WHEN state = 'QUEUED' AND bundled_with_id IS NULL THEN %(now)s ELSE closed_at END,
    attempts_max = CASE WHEN state = 'SENT' OR bundled_with_id IS NOT NULL THEN attempts ELSE attempts_max END
WHERE meter_id = %(meter)s AND kind = %(kind)s AND state IN ('QUEUED', 'SENT')
"""


def supersede(*, meter_id: int, kind: str, now: dt.datetime) -> int:
    """
    Joining: a newer order of this kind follows, so an older one must not act after it; returns how many there were.

    One that waits is withdrawn; one whose frame is under way may still be answered, but is not sent again.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SUPERSEDE, {"meter": meter_id, "kind": kind, "now": now})
        return cursor.rowcount


_REOPEN = """
UPDATE headend_command SET state = 'QUEUED', closed_at = NULL, attempts_max = attempts + %(attempts)s,
    expires_at = %(expires)s, not_before_at = clock_timestamp()
WHERE id = %(command)s AND state = 'EXPIRED'
"""

# Of a meter that is heard again: what waits for a slower and slower next try goes now.
_HURRY = """
UPDATE headend_command SET not_before_at = clock_timestamp()
WHERE id = ANY(%s) AND state = 'QUEUED' AND attempts > 0 AND not_before_at > clock_timestamp()
"""


def reopen_command(*, command_id: int, attempts: int, now: dt.datetime, life_s: int = LIFE_S) -> bool:
    """
    Joining: a command that was given up goes again, with so many attempts more; False when it is not given up.

    The row stays the same: an answer to any of its frames, also to one of before, is the answer to it.
    """
    expires_at = now + dt.timedelta(seconds=life_s)
    with connection.cursor() as cursor:
        cursor.execute(_REOPEN, {"attempts": attempts, "expires": expires_at, "command": command_id})
        return bool(cursor.rowcount)


_SHELVE = """
UPDATE headend_command SET
    state = CASE WHEN state = 'QUEUED' AND bundled_with_id IS NULL THEN 'EXPIRED' ELSE state END,
    closed_at = CASE WHEN state = 'QUEUED' AND bundled_with_id IS NULL THEN %(now)s ELSE closed_at END,
    attempts_max = CASE WHEN state = 'SENT' OR bundled_with_id IS NOT NULL THEN attempts ELSE attempts_max END
WHERE id = %(command)s AND state IN ('QUEUED', 'SENT')
"""


def shelve_command(*, command_id: int, now: dt.datetime) -> None:
    """
    Joining: a command is sent no more until it is opened again.

    One whose frame is under way may still be answered, and is given up when its lease ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SHELVE, {"command": command_id, "now": now})


def hurry_commands(*, command_ids: list[int]) -> int:
    """Joining: commands that back off go at once; returns how many. One whose frame is under way keeps its lease."""
    with connection.cursor() as cursor:
        cursor.execute(_HURRY, [command_ids])
        return cursor.rowcount


# A lost answer: the command goes back to the queue and will be sent again under a new counter, ever more slowly.
_REQUEUE = """
UPDATE headend_command SET state = 'QUEUED', lease_until_at = NULL, leased_at = NULL,
    not_before_at = clock_timestamp()
        + least(%(backoff_max)s, %(backoff)s * power(2, greatest(attempts - 1, 0))) * interval '1 second'
WHERE id IN (SELECT id FROM headend_command
             WHERE state = 'SENT' AND lease_until_at < clock_timestamp()
                 AND attempts < attempts_max AND expires_at > %(now)s
             ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
"""

# What was under way in the message of a command that is under way no more waits by itself again.
_RELEASE = """
UPDATE headend_command SET bundled_with_id = NULL
WHERE id IN (SELECT m.id FROM headend_command m JOIN headend_command l ON l.id = m.bundled_with_id
             WHERE l.state <> 'SENT' ORDER BY m.id LIMIT 200 FOR UPDATE OF m SKIP LOCKED)
"""

_EXPIRE = """
UPDATE headend_command SET state = 'EXPIRED', lease_until_at = NULL, leased_at = NULL, closed_at = %(now)s
WHERE id IN (SELECT id FROM headend_command
             WHERE (state = 'SENT' AND lease_until_at < clock_timestamp() AND attempts >= attempts_max)
                 OR (state = 'QUEUED' AND attempts > 0 AND attempts >= attempts_max AND bundled_with_id IS NULL)
                 OR (state IN ('SENT', 'QUEUED') AND expires_at <= %(now)s)
             ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING id, meter_id, correlation
"""


def end_leases(*, now: dt.datetime, backoff_s: int) -> int:
    """
    Entry: put commands whose answer did not come back into the queue, or expire them; returns how many moved.

    `backoff_s` doubles with each attempt, up to an hour. A stuck meter never stops the queue of others.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_REQUEUE, {"now": now, "backoff": backoff_s, "backoff_max": BACKOFF_S_MAX})
        moved = cursor.rowcount
        cursor.execute(_RELEASE)
        cursor.execute(_EXPIRE, {"now": now})
        expired = cursor.fetchall()
        for command_id, meter_id, correlation in expired:
            audit.record_refusal(
                at=now,
                actor="headend",
                verb="headend.end_leases",
                subject=f"command:{command_id}",
                code="expired",
                correlation=correlation,
                detail={"meter": meter_id},
            )
    return moved + len(expired)
