# SPDX-License-Identifier: Apache-2.0
"""
The links worker: alone speaks SMPP, one process per bind, held by an advisory lock. No ORM in here.

Segments are claimed by priority as far as the window goes; responses, receipts and inbound SMS are committed in groups
of at most 20 ms, and a deliver_sm is acknowledged only after its row is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import signal
import time
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from duaarah.net.esme import ESME, ESMEConfig
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.pdu import PDU
from duaarah.wiring.keystores import unwrap_bind_password
from duaarah.workers import links_sql as sql

LOG = logging.getLogger(__name__)
GROUP_S = 0.01
IDLE_S = 0.5
GROUP_MAX = 500
BACKLOG_MAX = 2_000
LOCK_SPACE = 0x4455
RETRYABLE = frozenset({p.ESME_RTHROTTLED, p.ESME_RMSGQFUL, p.ESME_RSYSERR, 0x45})
THROTTLE_PAUSE_S = 1.0


def main() -> int:
    """Hold the first free bind and serve it until SIGTERM."""
    return asyncio.run(_main())


async def _main() -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    while not stopping.is_set():
        try:
            await Link(_conninfo()).run(stopping)
        except psycopg.OperationalError as error:
            LOG.warning("The database does not answer (%s); trying again.", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 0.5)
    return 0


def _conninfo() -> str:
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return make_conninfo(**{name: parameters[name] for name in names if parameters.get(name)})


class Link:
    """One bind, one database connection, one socket; a loop that moves rows to the wire and the wire to rows."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._responses: list[tuple[int, int, str]] = []
        self._delivered: list[PDU] = []
        self._in_flight: set[int] = set()
        self._work = asyncio.Event()
        self._pause_until_s = 0.0
        self._state: tuple[str, str] | None = ("DOWN", "starting")
        self._esme: ESME

    # -- called by the ESME, never blocking ------------------------------------------------------------------------

    def on_bound(self) -> None:
        self._state = ("UP", "")
        self._work.set()

    def on_down(self, reason: str) -> None:
        LOG.warning("bind down: %s", reason)
        self._state = ("DOWN", reason[:200])
        self._work.set()

    def on_response(self, token: object, status: int, message_id: str) -> None:
        assert isinstance(token, int)
        self._responses.append((token, status, message_id))
        self._work.set()

    def on_ambiguous(self, token: object) -> None:
        # The row stays SUBMITTING; when its lease ends the sweeper judges it by its class.
        assert isinstance(token, int)
        self._in_flight.discard(token)

    def on_deliver(self, pdu: PDU) -> None:
        if len(self._delivered) >= BACKLOG_MAX:
            self._esme.ack(pdu, p.ESME_RMSGQFUL)
            return
        self._delivered.append(pdu)
        self._work.set()

    # -- the loop --------------------------------------------------------------------------------------------------

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve one bind until told to stop. Raises OperationalError when the database is lost."""
        db = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, row_factory=dict_row)
        listener = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        async with db, listener:
            bind = await self._take_bind(db, stopping)
            if bind is None:
                return
            self._bind_id: int = bind["id"]
            self._esme = ESME(
                ESMEConfig(
                    host=bind["host"],
                    port=bind["port"],
                    system_id=bind["system_id"],
                    password=unwrap_bind_password(bind["name"], bytes(bind["password_wrapped"])),
                    address_range=bind["address_range"],
                    window=bind["window"],
                    enquire_link_s=bind["enquire_link_s"],
                    response_timeout_s=bind["response_timeout_s"],
                ),
                self,
            )
            await listener.execute("LISTEN duaarah")
            tasks = [asyncio.create_task(self._esme.run()), asyncio.create_task(self._listen(listener))]
            try:
                await self._pump(db, stopping, tasks)
            finally:
                await self._esme.stop()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_bind(self, db: psycopg.AsyncConnection[dict[str, Any]], stopping: asyncio.Event) -> Any:
        """The first active bind that no other process holds; waits for one."""
        while not stopping.is_set():
            rows = await (await db.execute(sql.BINDS)).fetchall()
            for row in rows:
                got = await (await db.execute(sql.LOCK, [LOCK_SPACE, row["id"]])).fetchone()
                if got and got["locked"]:
                    return row
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)
        return None

    async def _listen(self, listener: psycopg.AsyncConnection[Any]) -> None:
        async for notice in listener.notifies():
            if notice.payload == "segment":
                self._work.set()

    async def _pump(
        self,
        db: psycopg.AsyncConnection[dict[str, Any]],
        stopping: asyncio.Event,
        tasks: list[asyncio.Task[None]],
    ) -> None:
        while not stopping.is_set():
            for task in tasks:
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise error
            self._work.clear()
            busy = await self._commit_inbound(db)
            busy += await self._commit_responses(db)
            busy += await self._submit(db)
            if self._state is not None:
                state, self._state = self._state, None
                await db.execute(sql.BIND_STATE, [*state, self._bind_id])
            if busy:
                await asyncio.sleep(GROUP_S)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), IDLE_S)
        await self._commit_inbound(db)
        await self._commit_responses(db)

    async def _submit(self, db: psycopg.AsyncConnection[dict[str, Any]]) -> int:
        """Claim as many segments as the window takes; the claim is committed before the first octet is written."""
        free = self._esme.free if time.monotonic() >= self._pause_until_s else 0
        if not free:
            return 0
        values = {"bind": self._bind_id, "limit": free, "lease": settings.SEGMENT_LEASE_S}
        rows = await (await db.execute(sql.CLAIM, values)).fetchall()
        for row in sorted(rows, key=lambda r: (r["priority"], r["id"])):
            if not self._esme.free:
                # The link went away between claim and write: the lease ends and the sweeper judges.
                break
            self._in_flight.add(row["id"])
            LOG.info("segment %d submitted", row["id"], extra={"correlation": row["correlation"]})
            self._esme.submit(
                row["id"],
                source=row["source"],
                destination=row["destination"],
                short_message=bytes(row["payload"]),
                data_coding=row["data_coding"],
                esm_class=row["esm_class"],
                validity_s=row["validity_s"],
                registered=row["registered"],
            )
        return len(rows)

    async def _commit_responses(self, db: psycopg.AsyncConnection[dict[str, Any]]) -> int:
        group, self._responses = self._responses[:GROUP_MAX], self._responses[GROUP_MAX:]
        if not group:
            return 0
        accepted = [item for item in group if item[1] == p.ESME_ROK]
        again = [item[0] for item in group if item[1] in RETRYABLE]
        refused = [item for item in group if item[1] != p.ESME_ROK and item[1] not in RETRYABLE]
        async with db.transaction():
            if accepted:
                ids = [item[0] for item in accepted]
                await db.execute(sql.ACCEPTED, [ids, [item[2] for item in accepted]])
                await db.execute(sql.SETTLE, {"ids": ids})
            if again:
                await db.execute(sql.AGAIN, {"ids": again})
                self._pause_until_s = time.monotonic() + THROTTLE_PAUSE_S
            if refused:
                ids = [item[0] for item in refused]
                await db.execute(sql.REFUSED, [ids, [item[1] for item in refused]])
                await db.execute(sql.RELEASE, {"ids": ids})
        self._in_flight.difference_update(item[0] for item in group)
        return len(group)

    async def _commit_inbound(self, db: psycopg.AsyncConnection[dict[str, Any]]) -> int:
        """Rows first, then the acknowledgements: a crash in between means one more delivery, never one less."""
        group, self._delivered = self._delivered[:GROUP_MAX], self._delivered[GROUP_MAX:]
        if not group:
            return 0
        async with db.transaction():
            for pdu in group:
                if receipt.is_receipt(pdu):
                    await self._keep_receipt(db, pdu)
                else:
                    await db.execute(sql.INBOUND, self._inbound(pdu))
        for pdu in group:
            self._esme.ack(pdu)
        return len(group)

    async def _keep_receipt(self, db: psycopg.AsyncConnection[dict[str, Any]], pdu: PDU) -> None:
        found = receipt.parse(pdu)
        if found is not None:
            await db.execute(
                sql.RECEIPT, [self._bind_id, list(found.message_ids), found.state, found.error[:10], found.text]
            )

    def _inbound(self, pdu: PDU) -> dict[str, Any]:
        source, destination = pdu.text.get("source_addr", ""), pdu.text.get("destination_addr", "")
        coding, esm_class = pdu.number.get("data_coding", 0), pdu.number.get("esm_class", 0)
        what = f"{source}|{destination}|{coding}|{esm_class}|".encode() + pdu.payload
        binary = coding == 4 or coding & 0xF4 == 0xF4
        return {
            "bind": self._bind_id,
            "kind": "BINARY" if binary else "TEXT",
            "source": source,
            "destination": destination,
            "data_coding": coding,
            "esm_class": esm_class,
            "payload": pdu.payload,
            "digest": hashlib.sha256(what).digest(),
            "window": 86_400 if binary else 60,
        }
