# SPDX-License-Identifier: Apache-2.0
"""Trials of a bind's values: a row that somebody asked for, one attempt, its outcome. No ORM in here."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import psycopg

from duaarah.net.smpp_trial import TRIAL_S, Tried, try_bind
from duaarah.workers.links_rows import esme_config

LOG = logging.getLogger(__name__)
TRIALS_AT_ONCE = 4
LEASE_S = int(TRIAL_S) * 3
ASKED_MAX_S = 60

# An attempt whose worker died is never made again: a wrong password, repeated, locks the account.
ABANDON = """
UPDATE sms_bindtrial SET state = 'DONE', password_wrapped = '', ended_at = clock_timestamp(),
    outcome = CASE state WHEN 'RUNNING' THEN 'lost' ELSE 'unheard' END
WHERE (state = 'RUNNING' AND lease_until_at < clock_timestamp())
    OR (state = 'ASKED' AND queued_at < clock_timestamp() - %(asked)s * interval '1 second')
"""
CLAIM = """
UPDATE sms_bindtrial SET state = 'RUNNING', lease_until_at = clock_timestamp() + %(lease)s * interval '1 second'
WHERE id IN (SELECT id FROM sms_bindtrial WHERE state = 'ASKED' ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, name, values, password_wrapped
"""
DONE = """
UPDATE sms_bindtrial SET state = 'DONE', password_wrapped = '', ended_at = clock_timestamp(), outcome = %(outcome)s,
    status = %(status)s, took_ms = %(took_ms)s, peer = %(peer)s, deferred = %(deferred)s
WHERE id = %(id)s AND state = 'RUNNING'
"""


async def start_trials(
    db: psycopg.AsyncConnection[dict[str, Any]], conninfo: str, running: set[asyncio.Task[None]]
) -> None:
    """
    Claim what was asked for, committed before the first octet; each runs beside the links in `running`.

    Raises:
        OperationalError: the database does not answer.
    """
    running -= {task for task in running if task.done()}
    await db.execute(ABANDON, {"asked": ASKED_MAX_S})
    limit = TRIALS_AT_ONCE - len(running)
    rows = await (await db.execute(CLAIM, {"lease": LEASE_S, "limit": limit})).fetchall() if limit > 0 else []
    for row in rows:
        running.add(asyncio.create_task(_run(conninfo, row)))


async def _run(conninfo: str, row: dict[str, Any]) -> None:
    """One attempt and its outcome; what goes wrong on our side is an outcome too."""
    tried = await _attempt(row)
    LOG.info("trial %d of bind %s: %s", row["id"], row["name"], tried.outcome)
    values = {"id": row["id"], "outcome": tried.outcome, "status": tried.status, "took_ms": tried.took_ms}
    try:
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as db:
            await db.execute(DONE, {**values, "peer": tried.peer[:40], "deferred": tried.deferred})
    except psycopg.OperationalError as error:
        LOG.warning("trial %d: its outcome is lost with the database (%s)", row["id"], type(error).__name__)


async def _attempt(row: dict[str, Any]) -> Tried:
    values = dict(row["values"])
    # Of a pair the transmitter is tried: it takes no message.
    values["kind"] = "TX" if values["kind"] == "PAIR" else values["kind"]
    try:
        config = esme_config({**values, "name": row["name"], "password_wrapped": row["password_wrapped"]})
    except Exception:
        LOG.exception("trial %d: its password is not readable with the key file of this worker", row["id"])
        return Tried(outcome="no_password", took_ms=0)
    return await try_bind(config)
