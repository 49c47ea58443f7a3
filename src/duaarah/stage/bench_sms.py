# SPDX-License-Identifier: Apache-2.0
"""
`bench sms`: one bind, window 50. Out: row, submit, response and receipt committed; in: committed before the ack; delay; memory.

The SMSC is node-smpp where a checkout has it installed, else the built-in one; a handset's side acknowledges and sends.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection, transaction

import duaarah
from duaarah.clock.queries import now as business_now
from duaarah.keystore import FileKeyStore
from duaarah.net.esme import ESME, ESMEConfig
from duaarah.people.models import Organisation
from duaarah.project.node import NodeUnavailable, installed, node
from duaarah.project.supervisor import die_with_parent
from duaarah.sms.models import Bind
from duaarah.sms.operations import SegmentOrder, enqueue_segments
from duaarah.stage.processes import HOST, Processes
from duaarah.wire.smpp.pdu import PDU
from duaarah.wiring.keystores import wrap_bind_password

WINDOW = 50
BATCH = 200
PACED_PER_S, PACED_S = 1_000, 5
PATIENCE_S = 60
Record = dict[str, Any]


class Handsets:
    """Everybody's telephone: acknowledges what is delivered, sends what it is told to; a thread of its own."""

    def __init__(self, port: int, user: str, password: str) -> None:
        config = ESMEConfig(host=HOST, port=port, system_id=user, password=password, address_range="^62", window=WINDOW)
        self._esme = ESME(config, self)
        self._to_send = 0
        self.sent = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_until_complete(self._esme.run())

    def send(self, count: int) -> None:
        """So many SMS to 3123, each with words of its own, as fast as the window lets."""
        self._to_send += count
        self._loop.call_soon_threadsafe(self._fill)

    def _fill(self) -> None:
        while self.sent < self._to_send and self._esme.free:
            self.sent += 1
            self._esme.submit(
                self.sent,
                source="628110000001",
                destination="3123",
                short_message=f"SALDO {self.sent}".encode(),
                data_coding=0,
                validity_s=600,
                registered=False,
            )

    def on_bound(self) -> None: ...
    def on_ambiguous(self, token: object) -> None: ...
    def on_down(self, reason: str) -> None: ...

    def on_response(self, token: object, status: int, message_id: str) -> None:
        self._fill()

    def on_deliver(self, pdu: PDU) -> None:
        self._esme.ack(pdu)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._esme.stop(), self._loop).result(5)
        self._thread.join(5)


def run(processes: Processes, messages: int) -> Iterator[Record]:
    """Yields the bench's JSON records."""
    port, user, password, name, smsc = _smsc(processes)
    bind = _bind(processes, port, user, password)
    link = subprocess.Popen([sys.executable, "-m", "duaarah", "worker", "links"], preexec_fn=die_with_parent)
    handsets = Handsets(port, "town" if smsc is None else user, password)
    common = {"bench": "sms", "cores": os.cpu_count(), "smsc": name, "window": WINDOW, "repetitions": 1}
    try:
        _until("SELECT count(*) FROM sms_bind WHERE state = 'UP'", 1)
        yield from ({**common, **record} for record in _outbound(bind, messages, link.pid))
        yield {**common, **_inbound(handsets, messages)}
        yield {**common, **_delay(bind)}
        if smsc is not None:
            yield {**common, **_window(smsc)}
    finally:
        handsets.close()
        link.terminate()
        link.wait(20)
        if smsc is not None:
            smsc.kill()
            smsc.wait()


def _smsc(processes: Processes) -> tuple[int, str, str, str, subprocess.Popen[str] | None]:
    """Port, user, password, name, and the process of node-smpp (None: the built-in SMSC)."""
    folder = Path(duaarah.__file__).parents[2] / "tests" / "interop"
    if (folder / "smsc.js").exists():
        try:
            modules = installed(folder, folder.parents[1] / ".cache" / "interop")
        except NodeUnavailable as missing:
            print(f"bench: not against node-smpp: {missing}", file=sys.stderr, flush=True)
        else:
            process = subprocess.Popen(
                [str(node()), str(folder / "smsc.js"), "both", processes.smsc_password],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "NODE_PATH": str(modules)},
                preexec_fn=die_with_parent,
            )
            assert process.stdout is not None
            port: int = json.loads(process.stdout.readline())["port"]
            return port, "both", processes.smsc_password, "node-smpp", process
    place = processes.open_smsc()
    return place.port, place.user, place.password, "built-in", None


def _bind(processes: Processes, port: int, user: str, password: str) -> Bind:
    store = FileKeyStore.create(processes.folder / "keys.duaarah", processes.passphrase)
    operator = Organisation.objects.create(code="OPS", name="Operator", kind=Organisation.Kind.MOBILE_OPERATOR)
    return Bind.objects.create(
        name="bench",
        operator=operator,
        host=HOST,
        port=port,
        system_id=user,
        password_wrapped=wrap_bind_password(store, "bench", password),
        address_range="^3123$",
        short_codes=["3123"],
        window=WINDOW,
        tps_max=100_000,
    )


def _order(bind: Bind) -> SegmentOrder:
    return SegmentOrder(
        bind_id=bind.pk,
        meter_id=None,
        message_class="NOTICE",
        priority=4,
        retry=False,
        source="3123",
        destination="628110000001",
        data_coding=4,
        payload=bytes(140),
        validity_s=600,
        registered=True,
        correlation=None,
    )


def _count(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return int(row[0])


def _until(query: str, wanted: int) -> None:
    """Raises TimeoutError when nothing moves for a minute."""
    seen, since_s = -1, time.monotonic()
    while (count := _count(query)) < wanted:
        if count != seen:
            seen, since_s = count, time.monotonic()
        elif time.monotonic() - since_s > PATIENCE_S:
            raise TimeoutError(f"{count} of {wanted}: {query}")
        time.sleep(0.05)


def _resident_bytes(pid: int) -> int:
    # Linux only: elsewhere the figure is 0 and says so by that.
    path = Path(f"/proc/{pid}/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if path.exists() else 0


def _outbound(bind: Bind, messages: int, pid: int) -> Iterator[Record]:
    """From the first row written to the last receipt committed; rows are written while the link runs."""
    receipts = "SELECT count(*) FROM sms_receipt"
    order = _order(bind)
    early = max(1, messages // 10)
    resident = 0
    started_s = time.monotonic()
    for start in range(0, messages, BATCH):
        with transaction.atomic():
            enqueue_segments([order] * min(BATCH, messages - start), now=business_now())
        if not resident and start >= early:
            resident = _resident_bytes(pid)
    _until(receipts, messages)
    taken_s = time.monotonic() - started_s
    accepted = _count("SELECT count(*) FROM sms_outboundsegment WHERE state = 'ACCEPTED'")
    yield {
        "figure": "out_durable_per_s",
        "value": round(messages / taken_s),
        "unit": "1/s",
        "messages": messages,
        "accepted": accepted,
    }
    yield {
        "figure": "links_resident_end",
        "value": _resident_bytes(pid),
        "unit": "B",
        "at_10_percent": resident,
        "messages": messages,
    }


def _inbound(handsets: Handsets, messages: int) -> Record:
    started_s = time.monotonic()
    handsets.send(messages)
    _until("SELECT count(*) FROM sms_inboundsms", messages)
    value = round(messages / (time.monotonic() - started_s))
    # A second opinion on the rate, by the rows themselves; every SMS has words of its own, none may be there twice.
    spread_ms = _count("SELECT 1 + 1000 * extract(epoch FROM max(received_at) - min(received_at)) FROM sms_inboundsms")
    distinct = _count("SELECT count(DISTINCT payload) FROM sms_inboundsms")
    return {
        "figure": "in_durable_per_s",
        "value": value,
        "unit": "1/s",
        "messages": messages,
        "by_rows_clock": round(1000 * messages / spread_ms),
        "distinct": distinct,
    }


def _delay(bind: Bind) -> Record:
    """From the row to the claim that is committed just before the write, at a steady rate, on the database's clock."""
    first = _count("SELECT coalesce(max(id), 0) FROM sms_outboundsegment")
    order = _order(bind)
    started_s = time.monotonic()
    written = 0
    while (elapsed_s := time.monotonic() - started_s) < PACED_S:
        due = min(BATCH, int(elapsed_s * PACED_PER_S) - written)
        if due > 0:
            with transaction.atomic():
                enqueue_segments([order] * due, now=business_now())
            written += due
        time.sleep(0.01)
    _until(f"SELECT count(*) FROM sms_outboundsegment WHERE id > {first} AND state = 'ACCEPTED'", written)
    milliseconds = _count(
        "SELECT ceil(1000 * percentile_cont(0.99) WITHIN GROUP"
        f" (ORDER BY extract(epoch FROM submitted_at - not_before_at))) FROM sms_outboundsegment WHERE id > {first}"
    )
    rate = round(written / PACED_S)
    return {"figure": "enqueue_to_claim_p99_ms", "value": milliseconds, "unit": "ms", "at_per_s": rate}


def _window(smsc: subprocess.Popen[str]) -> Record:
    """The most that one session had unanswered, as node-smpp counted."""
    assert smsc.stdin is not None and smsc.stdout is not None
    smsc.stdin.write('{"op": "stats"}\n')
    smsc.stdin.flush()
    most: int = json.loads(smsc.stdout.readline())["most_in_flight"]
    return {"figure": "most_in_flight", "value": most, "unit": "1"}
