# SPDX-License-Identifier: Apache-2.0
"""
The links worker: alone speaks SMPP; a bind is held by an advisory lock, whoever holds it. No ORM in here.

One process serves every bind that no other holds: the supervisor needs no list of binds, a new one is up within a second, and
more processes only spread the load (DUAARAH_LINKS_BINDS_MAX a process).
Segments are claimed by priority as far as the window goes; responses, receipts and inbound SMS are committed in groups
of at most 10 ms, together with the next claim, and a deliver_sm is acknowledged only after its row is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from duaarah.net.esme import ESME
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.errors import MalformedPDU
from duaarah.wire.smpp.pacing import Pace
from duaarah.wire.smpp.pdu import PDU
from duaarah.workers import links_sql as sql
from duaarah.workers.links_rows import (
    Answer,
    accepted_columns,
    configuration,
    esme_config,
    inbound_row,
    receipt_row,
    submission,
)
from duaarah.workers.links_trials import start_trials

LOG = logging.getLogger(__name__)
GROUP_S = 0.01
IDLE_S = 0.5
# So many answers and deliveries, or half a window, are not kept waiting for company.
GROUP_RIPE = 25
GROUP_MAX = 500
# At half of it the link reads no more; whole, it refuses (0x14). Refusing alone is no way out of a jam: the peer comes again
# at once, and reading it takes the time that the rows need.
BACKLOG_MAX = 2_000
LOCK_SPACE = 0x4455
RELOAD_S = 2.0
DRAIN_S = 5.0
SLOW_DOWN = frozenset({p.ESME_RTHROTTLED, p.ESME_RMSGQFUL})
RETRYABLE = frozenset({p.ESME_RINVBNDSTS, p.ESME_RSYSERR, p.ESME_RSUBMITFAIL, p.ESME_RX_T_APPN})
BIND_TROUBLE = frozenset({p.ESME_RBINDFAIL, p.ESME_RINVPASWD, p.ESME_RINVSYSID})
BINDS_MAX = 8
# The row of a segment holds no more; nobody defines a status up there.
STATUS_MAX = 0x7FFFFFFF
Db = psycopg.AsyncConnection[dict[str, Any]]


def main() -> int:
    """Hold every free bind and serve it until SIGTERM."""
    return asyncio.run(_main())


async def _main() -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await serve(_conninfo(), stopping, int(os.environ.get("DUAARAH_LINKS_BINDS_MAX", BINDS_MAX)))
    return 0


async def serve(conninfo: str, stopping: asyncio.Event, binds_max: int) -> None:
    """One Link for each active bind that nobody holds, looked for every second; a lost database is waited for."""
    links: dict[int, asyncio.Task[None]] = {}
    trials: set[asyncio.Task[None]] = set()
    while not stopping.is_set():
        for bind_id in [known for known, task in links.items() if task.done()]:
            error = links.pop(bind_id).exception()
            if error is not None:
                LOG.warning("link %d ended (%s: %s); trying again.", bind_id, type(error).__name__, error)
        try:
            async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True, row_factory=dict_row) as db:
                active = [row["id"] for row in await (await db.execute(sql.BINDS)).fetchall()]
                await start_trials(db, conninfo, trials)
            for bind_id in active:
                if bind_id not in links and len(links) < binds_max:
                    links[bind_id] = asyncio.create_task(Link(conninfo, bind_id).run(stopping))
        except psycopg.OperationalError as error:
            LOG.warning("The database does not answer (%s); trying again.", type(error).__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), 1.0)
    for trial in trials:
        # Nobody will know its outcome; the row says so when its lease ends.
        trial.cancel()
    await asyncio.gather(*links.values(), *trials, return_exceptions=True)


def _conninfo() -> str:
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return make_conninfo(**{name: parameters[name] for name in names if parameters.get(name)})


class Link:
    """One bind, one database connection, one socket; a loop that moves rows to the wire and the wire to rows."""

    def __init__(self, conninfo: str, bind_id: int) -> None:
        self._conninfo = conninfo
        self._bind_id = bind_id
        self._bind: dict[str, Any] = {}
        self._group: list[int] = []
        self._trouble = ""
        self._responses: list[Answer] = []
        self._delivered: list[PDU] = []
        self._in_flight: set[int] = set()
        self._work = asyncio.Event()
        self._ripe = asyncio.Event()
        self._ripe_at = GROUP_RIPE
        self._pace: Pace
        self._looked_at_s = 0.0
        self._state: tuple[str, str] | None = ("DOWN", "starting")
        self._esme: ESME

    # -- called by the ESME, never blocking ------------------------------------------------------------------------

    def on_bound(self) -> None:
        self._state = ("UP", "")
        self._work.set()

    def on_down(self, reason: str) -> None:
        LOG.warning("bind down: %s", reason)
        self._state = ("DOWN", reason[:200])
        self._trouble = reason[:200]
        self._work.set()

    def on_response(self, token: object, status: int, message_id: str) -> None:
        assert isinstance(token, int)
        self._responses.append((token, min(status, STATUS_MAX), message_id[: receipt.ID_MAX]))
        self._heard()

    def on_ambiguous(self, token: object) -> None:
        # The row stays SUBMITTING; when its lease ends the sweeper judges it by its class.
        assert isinstance(token, int)
        self._in_flight.discard(token)

    def on_deliver(self, pdu: PDU) -> None:
        if len(self._delivered) >= BACKLOG_MAX:
            self._esme.ack(pdu, p.ESME_RMSGQFUL)
            return
        self._delivered.append(pdu)
        if len(self._delivered) >= BACKLOG_MAX // 2:
            self._esme.pause()
        self._heard()

    def _heard(self) -> None:
        self._work.set()
        if len(self._responses) + len(self._delivered) >= self._ripe_at:
            self._ripe.set()

    # -- the loop --------------------------------------------------------------------------------------------------

    async def run(self, stopping: asyncio.Event) -> None:
        """
        Serve the bind until told to stop, or until its configuration changes; at once back when another holds it.

        Raises:
            OperationalError: the database is lost.
        """
        db = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, row_factory=dict_row)
        listener = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        async with db, listener:
            # Every statement here looks rows up by an index. A plan that was cached while a table was still empty would read
            # the whole of it (or the whole of an index) for each SMS, until the next ANALYZE.
            for way in ("seqscan", "hashjoin", "mergejoin"):
                await db.execute(f"SET enable_{way} = off")
            got = await (await db.execute(sql.LOCK, [LOCK_SPACE, self._bind_id])).fetchone()
            row = await (await db.execute(sql.BIND, [self._bind_id])).fetchone()
            if not got or not got["locked"] or not row or not row["active"]:
                return
            self._bind = row
            self._group = [r["id"] for r in await (await db.execute(sql.GROUP, [self._bind_id])).fetchall()]
            self._pace = Pace(row["tps_max"])
            self._ripe_at = min(GROUP_RIPE, max(1, row["window"] // 2))
            self._esme = ESME(esme_config(row), self)
            await listener.execute("LISTEN duaarah")
            tasks = [asyncio.create_task(self._esme.run()), asyncio.create_task(self._listen(listener))]
            try:
                await self._pump(db, stopping, tasks)
                await self._leave(db)
            finally:
                await self._esme.stop()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _leave(self, db: Db) -> None:
        """Graceful end: what was submitted is waited for and committed, what came in is committed and acknowledged."""
        leaving = asyncio.create_task(self._esme.stop(DRAIN_S))
        while not leaving.done():
            if not await self._turn(db, claiming=False):
                await asyncio.sleep(GROUP_S)
        await leaving
        await self._turn(db, claiming=False)
        await db.execute(sql.BIND_STATE, ["DOWN", "unbound", self._bind_id])

    async def _changed(self, db: Db) -> bool:
        """Whether somebody changed the bind or its group since it was taken; looked at every RELOAD_S."""
        if time.monotonic() - self._looked_at_s < RELOAD_S:
            return False
        self._looked_at_s = time.monotonic()
        row = await (await db.execute(sql.BIND, [self._bind_id])).fetchone()
        group = [r["id"] for r in await (await db.execute(sql.GROUP, [self._bind_id])).fetchall()]
        return row is None or configuration(row) != configuration(self._bind) or sorted(group) != sorted(self._group)

    async def _listen(self, listener: psycopg.AsyncConnection[Any]) -> None:
        async for notice in listener.notifies():
            if notice.payload == "segment":
                self._work.set()

    async def _pump(self, db: Db, stopping: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
        esme_task, _ = tasks
        while not stopping.is_set() and not await self._changed(db):
            for task in tasks:
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise error
            self._work.clear()
            self._ripe.clear()
            busy = await self._turn(db)
            if esme_task.done() and self._trouble:
                # An alarm on the console: a person changes the configuration, which starts it again.
                self._state, self._trouble = ("STOPPED", self._trouble), ""
            if self._state is not None:
                state, self._state = self._state, None
                await db.execute(sql.BIND_STATE, [*state, self._bind_id])
            event, at_most_s = (self._ripe, GROUP_S) if busy else (self._work, IDLE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(at_most_s):
                    await event.wait()

    async def _turn(self, db: Db, *, claiming: bool = True) -> int:
        """
        What came in, the answers, and the next claim in one transaction; then the acknowledgements and the claimed segments.

        Rows first: a crash before the acknowledgement means one more delivery, never one less; a segment whose claim is
        committed and that was not written is ambiguous. Returns how much there was, or 1 when the pace holds something back.
        """
        delivered, self._delivered = self._delivered[:GROUP_MAX], self._delivered[GROUP_MAX:]
        answers, self._responses = self._responses[:GROUP_MAX], self._responses[GROUP_MAX:]
        accepted = [item for item in answers if item[1] == p.ESME_ROK]
        if len(accepted) < len(answers):
            await self._commit_refusals(db, [item for item in answers if item[1] != p.ESME_ROK])
        free = self._esme.free if claiming else 0
        limit = max(0, min(free, self._pace.allowed(time.monotonic())))
        try:
            rows = await self._commit(db, delivered, accepted, limit)
        except psycopg.DataError as error:
            await self._apart(db, delivered, accepted, error)
            rows = await self._commit(db, [], [], limit)
        else:
            if delivered:
                self._acknowledge(delivered)
        if len(self._delivered) < BACKLOG_MAX // 2:
            self._esme.resume()
        self._in_flight.difference_update(item[0] for item in answers)
        if rows:
            await self._send(db, rows)
        return len(delivered) + len(answers) + (len(rows) if limit else int(free > 0))

    async def _commit(self, db: Db, delivered: list[PDU], accepted: list[Answer], limit: int) -> list[dict[str, Any]]:
        """
        One journey to the database and one flush of its log, whatever there is; the claimed rows. All or nothing of it.

        Raises:
            DataError: something of it fits no row; nothing was committed.
        """
        if not (delivered or accepted or limit):
            return []
        claimed: psycopg.AsyncCursor[dict[str, Any]] | None = None
        async with db.pipeline(), db.transaction():
            await self._take(db, delivered)
            if accepted:
                await db.execute(sql.ACCEPTED, accepted_columns(accepted, self._bind))
            if limit:
                lease = {"bind": self._bind_id, "limit": limit, "lease": settings.SEGMENT_LEASE_S}
                claimed = await db.execute(sql.CLAIM, lease)
        return await claimed.fetchall() if claimed is not None else []

    async def _take(self, db: Db, delivered: list[PDU]) -> None:
        """Receipts and inbound SMS as rows; joins the transaction."""
        receipts = [receipt_row(pdu, self._bind) for pdu in delivered if receipt.is_receipt(pdu)]
        inbound = [inbound_row(pdu, self._bind, self._group) for pdu in delivered if not receipt.is_receipt(pdu)]
        if receipts:
            await db.execute(sql.RECEIPT, [self._bind_id, Jsonb(receipts)])
        if inbound:
            async with db.cursor() as cursor:
                await cursor.executemany(sql.INBOUND, inbound)
        for part in (row for row in inbound if row["total"]):
            await db.execute(sql.OVERTAKEN, part)
            await db.execute(sql.JOIN, part)

    async def _apart(self, db: Db, delivered: list[PDU], accepted: list[Answer], error: psycopg.DataError) -> None:
        """
        What could not be committed together, by halves. The one that no row can hold stands alone in the end: a delivery is
        refused for good, as it must not come again for ever; a segment whose response it was is of unknown outcome.
        """
        if len(delivered) + len(accepted) == 1:
            LOG.error("a delivery or a response that no row can hold (%s)", type(error).__name__)
            for pdu in delivered:
                self._esme.ack(pdu, p.ESME_RX_P_APPN)
            return
        halves = [(delivered, accepted[:0]), (delivered[:0], accepted)]
        if not (delivered and accepted):
            cut = (len(delivered) + len(accepted)) // 2
            halves = [(delivered[:cut], accepted[:cut]), (delivered[cut:], accepted[cut:])]
        for half in halves:
            try:
                await self._commit(db, *half, 0)
            except psycopg.DataError as again:
                await self._apart(db, *half, again)
            else:
                if half[0]:
                    self._acknowledge(half[0])

    def _acknowledge(self, delivered: list[PDU]) -> None:
        """What is committed, in one write; the last of them may be of a connection that is gone."""
        for pdu in delivered:
            self._esme.ack(pdu, more=True)
        self._esme.flush()

    async def _send(self, db: Db, rows: list[dict[str, Any]]) -> None:
        """What was claimed: written, given back when the link went away in between, or refused when it is no SMS."""
        unwritten, unwritable = self._write(sorted(rows, key=lambda r: (r["priority"], r["id"])))
        self._pace.took(len(rows) - len(unwritten) - len(unwritable), time.monotonic())
        if unwritten:
            # That these were not written is known.
            await db.execute(sql.UNWRITTEN, {"ids": unwritten})
        if unwritable:
            await self._refuse(db, dict.fromkeys(unwritable))

    def _write(self, rows: list[dict[str, Any]]) -> tuple[list[int], list[int]]:
        """Claimed rows to the wire, in one write; the ids of those that the window did not take, and of those that are no SMS."""
        unwritten, unwritable = [], []
        for row in rows:
            if not self._esme.free:
                unwritten.append(row["id"])
                continue
            try:
                self._submit(row)
            except (MalformedPDU, ValueError) as error:
                LOG.error("segment %d is no SMS (%s)", row["id"], error, extra={"correlation": row["correlation"]})
                unwritable.append(row["id"])
        # Not with the last of them: it may be the one that could not be written.
        self._esme.flush()
        return unwritten, unwritable

    def _submit(self, row: dict[str, Any]) -> None:
        """One claimed row, kept for the flush. Raises MalformedPDU and ValueError, and then nothing of it was kept."""
        self._esme.submit(row["id"], **submission(row, self._bind), more=True)
        self._in_flight.add(row["id"])
        LOG.info("segment %d submitted", row["id"], extra={"correlation": row["correlation"]})

    async def _refuse(self, db: Db, refused: Mapping[int, int | None]) -> None:
        """Refused for good, by a status of the SMSC, or by ourselves (None): the reservation ends in the same transaction."""
        async with db.transaction():
            moved = await db.execute(sql.REFUSED, [list(refused), list(refused.values())])
            await db.execute(sql.RELEASE, {"ids": [row["id"] for row in await moved.fetchall()]})

    async def _commit_refusals(self, db: Db, group: list[Answer]) -> None:
        again = [item[0] for item in group if item[1] in SLOW_DOWN or item[1] in BIND_TROUBLE]
        limited = {item[0]: item[1] for item in group if item[1] in RETRYABLE}
        known = SLOW_DOWN | BIND_TROUBLE | RETRYABLE
        refused = {item[0]: item[1] for item in group if item[1] not in known}
        async with db.transaction():
            if limited:
                values = {"ids": list(limited), "attempts_max": self._bind["attempts_max"]}
                spent = {row["id"] for row in await (await db.execute(sql.ATTEMPTS, values)).fetchall()}
                refused |= {token: limited[token] for token in spent}
                again += [token for token in limited if token not in spent]
            if again:
                await db.execute(sql.AGAIN, {"ids": again})
            if refused:
                await self._refuse(db, refused)
        if any(item[1] in SLOW_DOWN for item in group):
            self._pace.throttled(time.monotonic())
        if any(item[1] in BIND_TROUBLE for item in group):
            await self._stop_for_trouble(next(item[1] for item in group if item[1] in BIND_TROUBLE))

    async def _stop_for_trouble(self, status: int) -> None:
        """A submit was answered as if we were not bound: the bind stops and waits for a person."""
        await self._esme.stop()
        self._trouble = f"The SMSC answers a message with bind status {status:#x}."
