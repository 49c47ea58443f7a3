# SPDX-License-Identifier: Apache-2.0
"""
A token that its meter never answered is offered again, oldest first: when the meter is heard, when a newer token is
bought, and now and then by itself.

One command carries a token for ever: it is opened again, so that an answer to any of its frames, however late, closes it.
A meter forgets a TID when about fifty newer ones came after it (IEC 62055-41, 7.3.5); a token as old as that could be in
the meter or not, and its answer would not tell, so it is not offered any more: a person decides.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.headend.models import Command
from duaarah.headend.operations import hurry_commands, queue_command, reopen_command
from duaarah.sms.models import Priority
from duaarah.vending.batch_models import TokenOffer
from duaarah.vending.models import Vend

LOG = logging.getLogger(__name__)
Why = TokenOffer.Why
# An offer is a few frames, not the eight of a purchase: a meter that is silent costs its package little.
OFFER_ATTEMPTS = 3
# How long after an offer the next one waits, by how many there were; the last value stays.
WAITS = tuple(dt.timedelta(minutes=m) for m in (15, 60, 4 * 60, 24 * 60))
# By itself: more slowly, and no more than so often.
SCHEDULED_WAITS_H = (1, 6, 24, 3 * 24, 7 * 24)
SCHEDULED_MAX = 8
NEWER_MAX = 50
BATCH_MAX = 200

# What a meter has not loaded, oldest first; `newer`: tokens that came after it.
_UNLOADED = """
SELECT v.id, v.command_id, c.state, c.closed_at,
    (SELECT count(*) FROM vending_vend n WHERE n.meter_id = v.meter_id AND n.base_date = v.base_date AND n.tid > v.tid
        AND n.state IN ('ISSUED', 'LOADED')),
    (SELECT count(*) FROM vending_tokenoffer o WHERE o.vend_id = v.id),
    (SELECT max(o.at) FROM vending_tokenoffer o WHERE o.vend_id = v.id)
FROM vending_vend v JOIN vending_token t ON t.vend_id = v.id LEFT JOIN headend_command c ON c.id = v.command_id
WHERE v.meter_id = %s AND v.state = 'ISSUED'
    -- What the meter is asked to give up is not offered to it.
    AND NOT EXISTS (SELECT 1 FROM vending_correction x WHERE x.vend_id = v.id AND x.state IN ('ASKING', 'UNSURE'))
ORDER BY v.base_date, v.tid
"""

_PAIRED = "SELECT EXISTS (SELECT 1 FROM registry_pairing WHERE meter_id = %s AND valid @> %s::timestamptz)"

# Only those whose time has come: meters that wait longer must not stand in front of the others.
_SILENT = """
SELECT DISTINCT v.meter_id FROM vending_vend v JOIN headend_command c ON c.id = v.command_id
CROSS JOIN LATERAL (SELECT count(*) AS n, max(o.at) AS at FROM vending_tokenoffer o WHERE o.vend_id = v.id) AS made
WHERE v.state = 'ISSUED' AND c.state = 'EXPIRED'
    AND NOT EXISTS (SELECT 1 FROM vending_correction x WHERE x.vend_id = v.id AND x.state IN ('ASKING', 'UNSURE'))
    AND made.n < %(rounds)s
    AND coalesce(made.at, c.closed_at) + (%(waits)s::int[])[least(made.n + 1, %(last)s)] * interval '1 hour' <= %(now)s
ORDER BY v.meter_id LIMIT %(limit)s
"""


def offer_again(*, meter_id: int, why: str, now: dt.datetime, but: int | None = None) -> bool:
    """
    Joining: the oldest token that a meter has not loaded, and that may go again now, goes again; False when none does.

    `but`: a vend that the caller is about to queue itself. What waits for its next try already is not waited for any
    longer. One token at a time: the next one is offered when this one has its outcome.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A token is offered in the transaction of what it follows from.")
    with connection.cursor() as cursor:
        cursor.execute(_UNLOADED, [meter_id])
        rows = [row for row in cursor.fetchall() if row[0] != but]
    if not rows:
        return False
    if why == Why.HEARD:
        hurry_commands(command_ids=[row[1] for row in rows if row[2] == Command.State.QUEUED])
    open_ids = [row[1] for row in rows if row[2] in (Command.State.QUEUED, Command.State.SENT)]
    for vend_id, command_id, state, closed_at, newer, rounds, latest_at in rows:
        if state not in (None, Command.State.EXPIRED) or newer >= NEWER_MAX:
            continue
        # A newer token under way would be passed by a command that is made now; one that is opened again stands before it.
        if open_ids and (command_id is None or command_id > min(open_ids)):
            continue
        if _due(rounds, latest_at, closed_at, why, now):
            return _offer(vend_id, meter_id, rounds + 1, why, now)
    return False


def _due(rounds: int, latest_at: dt.datetime | None, closed_at: dt.datetime | None, why: str, now: dt.datetime) -> bool:
    if why == Why.SCHEDULED:
        since = latest_at or closed_at
        wait = dt.timedelta(hours=SCHEDULED_WAITS_H[min(rounds, len(SCHEDULED_WAITS_H) - 1)])
        return since is not None and rounds < SCHEDULED_MAX and now - since >= wait
    return latest_at is None or now - latest_at >= WAITS[min(rounds, len(WAITS)) - 1]


def _offer(vend_id: int, meter_id: int, number: int, why: str, now: dt.datetime) -> bool:
    vend = Vend.objects.select_for_update(of=("self",)).select_related("token").get(pk=vend_id)
    if vend.state != Vend.State.ISSUED:
        return False
    if vend.command_id is None:
        if not _paired(meter_id, now):
            return False
        # It was sold for a meter that did not talk, and talks now.
        vend.command_id = _queue(vend, now)
        vend.save(update_fields=["command"])
    elif not _paired(meter_id, now) or not reopen_command(command_id=vend.command_id, attempts=OFFER_ATTEMPTS, now=now):
        return False
    TokenOffer.objects.create(vend=vend, round=number, why=why, at=now)
    detail: dict[str, Any] = {"vend": vend.pk, "round": number, "why": str(why)}
    audit.record(
        at=now,
        actor="vending",
        verb="vending.offer_again",
        subject=f"meter:{meter_id}",
        correlation=vend.correlation,
        detail=detail,
    )
    LOG.info("vend %d is offered again (%d)", vend.pk, number, extra={"correlation": vend.correlation})
    return True


def _queue(vend: Vend, now: dt.datetime) -> int:
    return queue_command(
        request_id=vend.request_id,
        meter_id=vend.meter_id,
        kind=Command.Kind.LOAD_CREDIT,
        payload={"token": vend.token.digits},
        priority=Priority.TOKEN,
        correlation=vend.correlation,
        now=now,
    )


def _paired(meter_id: int, now: dt.datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_PAIRED, [meter_id, now])
        paired: bool = cursor.fetchone()[0]
    return paired


def offer_unloaded(*, now: dt.datetime) -> int:
    """Meters that stay silent, each in a transaction of its own; returns how many tokens were offered."""
    terms: dict[str, Any] = {"rounds": SCHEDULED_MAX, "waits": list(SCHEDULED_WAITS_H), "last": len(SCHEDULED_WAITS_H)}
    with connection.cursor() as cursor:
        cursor.execute(_SILENT, {**terms, "now": now, "limit": BATCH_MAX})
        meter_ids = [row[0] for row in cursor.fetchall()]
    offered = 0
    for meter_id in meter_ids:
        with transaction.atomic(durable=True):
            offered += offer_again(meter_id=meter_id, why=Why.SCHEDULED, now=now)
    return offered
