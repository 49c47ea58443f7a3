# SPDX-License-Identifier: Apache-2.0
"""
`bench sms`: one bind, window 50. Out: row, submit, response and receipt committed; in: committed before the ack; delay; memory.

The SMSC is node-smpp where a checkout has it installed, else the built-in one; a handset's side acknowledges and sends.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from duaarah.clock.queries import now as business_now
from duaarah.keystore import FileKeyStore
from duaarah.people.models import Organisation
from duaarah.project.supervisor import die_with_parent
from duaarah.sms.models import Bind
from duaarah.sms.operations import SegmentOrder, enqueue_segments
from duaarah.stage.bench_sms_peers import FarEnd, Handsets, far_end
from duaarah.stage.processes import HOST, Processes
from duaarah.wiring.keystores import wrap_bind_password

WINDOW = 50
BATCH = 200
# More than this is never waiting: a backlog that grows is another measurement.
AHEAD_MAX = 2_000
PACED_PER_S, PACED_S = 1_000, 5
CAP_PER_S = 500
PATIENCE_S = 60
# Receipts come one by one into an empty table: its greatest id is their number, without reading them all each time.
RECEIPTS = "SELECT coalesce(max(id), 0) FROM sms_receipt"
Record = dict[str, Any]


def run(processes: Processes, messages: int) -> Iterator[Record]:
    """Yields the bench's JSON records."""
    # Each end is closed whatever becomes of the others, the link before its database.
    with contextlib.ExitStack() as ends:
        far = far_end(processes)
        ends.callback(far.close)
        bind = _bind(processes, far)
        link = subprocess.Popen([sys.executable, "-m", "duaarah", "worker", "links"], preexec_fn=die_with_parent)
        ends.callback(_end, link)
        handsets = Handsets(far, WINDOW)
        ends.callback(handsets.close)
        common = {"bench": "sms", "cores": os.cpu_count(), "smsc": far.name, "window": WINDOW, "repetitions": 1}
        _until("SELECT count(*) FROM sms_bind WHERE state = 'UP'", 1)
        yield from ({**common, **record} for record in _outbound(bind, messages, link.pid))
        yield {**common, **_inbound(handsets, messages)}
        yield from ({**common, **record} for record in _delay(bind, far))
        yield {**common, "figure": "most_in_flight", "value": far.most_in_flight(), "unit": "1"}
        yield {**common, **_cap(bind, far)}


def _end(link: subprocess.Popen[bytes]) -> None:
    link.terminate()
    try:
        link.wait(20)
    except subprocess.TimeoutExpired:
        link.kill()
        link.wait()


def _bind(processes: Processes, far: FarEnd) -> Bind:
    store = FileKeyStore.create(processes.folder / "keys.duaarah", processes.passphrase)
    operator = Organisation.objects.create(code="OPS", name="Operator", kind=Organisation.Kind.MOBILE_OPERATOR)
    return Bind.objects.create(
        name="bench",
        operator=operator,
        host=HOST,
        port=far.port,
        system_id=far.user,
        password_wrapped=wrap_bind_password(store, "bench", far.password),
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
        time.sleep(0.02)


def _resident_bytes(pid: int) -> int:
    # Linux only: elsewhere the figure is 0 and says so by that.
    path = Path(f"/proc/{pid}/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if path.exists() else 0


def _outbound(bind: Bind, messages: int, pid: int) -> Iterator[Record]:
    """From the first row written to the last receipt committed; rows are written while the link runs, never far ahead."""
    order = _order(bind)
    marks = {max(1, messages // 10): "at_10_percent", max(2, messages // 2): "at_50_percent"}
    resident: dict[str, int] = {}
    started_s = time.monotonic()
    for start in range(0, messages, BATCH):
        _until(RECEIPTS, start - AHEAD_MAX)
        with transaction.atomic():
            enqueue_segments([order] * min(BATCH, messages - start), now=business_now())
        for mark in [mark for mark in marks if _count(RECEIPTS) >= mark]:
            resident[marks.pop(mark)] = _resident_bytes(pid)
    _until(RECEIPTS, messages)
    taken_s = time.monotonic() - started_s
    resident_end = _resident_bytes(pid)
    yield {
        "figure": "out_durable_per_s",
        "value": round(messages / taken_s),
        "unit": "1/s",
        "messages": messages,
        "accepted": _count("SELECT count(*) FROM sms_outboundsegment WHERE state = 'ACCEPTED'"),
        "receipts": _count("SELECT count(*) FROM sms_receipt"),
    }
    yield {"figure": "links_resident_end", "value": resident_end, "unit": "B", **resident, "messages": messages}


def _inbound(handsets: Handsets, messages: int) -> Record:
    started_s = time.monotonic()
    handsets.send(messages)
    _until("SELECT coalesce(max(id), 0) FROM sms_inboundsms", messages)
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


def _paced(bind: Bind) -> tuple[int, int]:
    """Segments at a steady rate, all accepted in the end; the greatest id before them, and how many."""
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
    return first, written


def _delay(bind: Bind, far: FarEnd) -> Iterator[Record]:
    """
    From the row to the wire at a steady rate: until the SMSC's process has read it from its socket, on the machine's clock.

    Beside it the part until the claim that is committed just before the write.
    """
    far.arrivals(on=True)
    first, written = _paced(bind)
    arrived = far.arrivals(on=False)
    rate = round(written / PACED_S)
    for figure, until, source in (
        ("enqueue_to_wire", "a.at_ms", ", unnest(%s::text[], %s::bigint[]) AS a (id, at_ms)"),
        ("enqueue_to_claim", "1000 * extract(epoch FROM s.submitted_at)", ""),
    ):
        columns: list[Any] = [[name for name, _ in arrived], [at_ms for _, at_ms in arrived]] if source else []
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), percentile_disc(ARRAY[0.5, 0.99, 1]) WITHIN GROUP"
                f" (ORDER BY ceil({until} - 1000 * extract(epoch FROM s.not_before_at))::integer)"
                f" FROM sms_outboundsegment s{source} WHERE s.id > %s"
                + (" AND s.smsc_message_id = a.id" if source else ""),
                [*columns, first],
            )
            count, (middle, slow, slowest) = cursor.fetchone()
        more = {"median": middle, "greatest": slowest, "messages": count, "at_per_s": rate}
        yield {"figure": f"{figure}_p99_ms", "value": slow, "unit": "ms", **more}


def _cap(bind: Bind, far: FarEnd) -> Record:
    """The most submit_sm that the SMSC read within any second, wherever it begins, while more was waiting than may leave."""
    since = f"{_count('SELECT 1000000 * extract(epoch FROM clock_timestamp())')} / 1000000.0"
    Bind.objects.filter(pk=bind.pk).update(tps_max=CAP_PER_S)
    _until(f"SELECT count(*) FROM sms_bind WHERE state = 'UP' AND state_at > to_timestamp({since})", 1)
    far.arrivals(on=True)
    first = _count("SELECT coalesce(max(id), 0) FROM sms_outboundsegment")
    for start in range(0, CAP_PER_S * PACED_S, BATCH):
        with transaction.atomic():
            enqueue_segments([_order(bind)] * min(BATCH, CAP_PER_S * PACED_S - start), now=business_now())
    _until(f"SELECT count(*) FROM sms_outboundsegment WHERE id > {first} AND state = 'ACCEPTED'", CAP_PER_S * PACED_S)
    at_ms = sorted(at for _, at in far.arrivals(on=False))
    most = max(bisect.bisect_left(at_ms, start + 1000) - number for number, start in enumerate(at_ms))
    taken_s = (at_ms[-1] - at_ms[0]) / 1000
    return {
        "figure": "most_in_any_second",
        "value": most,
        "unit": "1",
        "cap": CAP_PER_S,
        "messages": len(at_ms),
        "per_s": round(len(at_ms) / taken_s),
    }
