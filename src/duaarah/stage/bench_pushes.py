# SPDX-License-Identifier: Apache-2.0
"""
`bench dlms`, figures `pushes_stored_per_s` and `pushes_read_per_s`: load profiles over TCP, confirmed after their commit.

The gateway and the head end are worker processes, the database a third, this process the meters: all on the machine's cores at
once. Pushes are ciphered before the clock starts, each under a counter of its own, from meters with keys of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from duaarah.clock import operations as clock_operations
from duaarah.headend.models import InvocationCounter
from duaarah.headend.ports import MeterKeys
from duaarah.keystore import FileKeyStore
from duaarah.project.supervisor import die_with_parent
from duaarah.registry.models import Meter
from duaarah.sim.town.world import START
from duaarah.stage.processes import HOST, Processes
from duaarah.wire.dlms import apdu, ciphering
from duaarah.wire.dlms.apdu import DataNotification
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.notification import LONG_CONFIRMED
from duaarah.wiring.keystores import wrap_meter_keys

SEED = 7
METERS = 400
LINES = 40
WINDOW = 10  # unconfirmed on a line
ROWS, PERIOD_S = 96, 900
CONFIRM_OCTETS = 42
REPETITIONS = 3
PATIENCE_S = 120
_STARTED = datetime(2026, 7, 11, tzinfo=UTC)
Record = dict[str, Any]


def run(processes: Processes, pushes: int) -> Iterator[Record]:
    """Yields the bench's JSON records: the best of several rounds. Other benches may have used the database before."""
    with contextlib.ExitStack() as ends:
        keys = _register(processes)
        before = _latest_event()
        port = _free_port()
        os.environ["DUAARAH_GATEWAY"] = f"{HOST}:{port}"
        for name in ("gateway", "headend"):
            command = [sys.executable, "-m", "duaarah", "worker", name]
            ends.callback(_end, subprocess.Popen(command, preexec_fn=die_with_parent))
        _until_open(port)
        stored_s, read_s = [], []
        for number in range(REPETITIONS):
            lines = _lines(keys, first=number * pushes // METERS + 1, count=pushes // METERS)
            began_s = time.perf_counter()
            asyncio.run(_send(port, lines))
            stored_s.append(time.perf_counter() - began_s)
            _until_read(before + pushes * (number + 1))
            read_s.append(time.perf_counter() - began_s)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(DISTINCT (meter_id, counter)) FROM headend_meterevent WHERE frame_id IS NOT NULL"
        )
        if cursor.fetchone() != (pushes * REPETITIONS, pushes * REPETITIONS):
            raise AssertionError("Not every push became one event.")
    method = {"rows": ROWS, "octets": len(lines[0][0]), "meters": METERS, "pushes": pushes, "connections": LINES}
    common = {"bench": "dlms", "unit": "1/s", "cores": os.cpu_count(), "best_of": REPETITIONS, "seed": SEED, **method}
    yield {**common, "figure": "pushes_stored_per_s", "value": round(pushes / min(stored_s))}
    yield {**common, "figure": "pushes_read_per_s", "value": round(pushes / min(read_s))}


def _register(processes: Processes) -> list[tuple[bytes, Keys]]:
    """Meters with keys of their own, and nothing else of a town."""
    path = processes.folder / "keys.duaarah"
    if path.exists():
        store = FileKeyStore.open(path, processes.passphrase)
    else:
        clock_operations.move(at=START, rate=1, founding=True)
        store = FileKeyStore.create(path, processes.passphrase)
    draw = random.Random(SEED)
    made, meters = [], []
    for number in range(METERS):
        keys, drn = MeterKeys(draw.randbytes(16), draw.randbytes(16)), f"{number:011d}"
        made.append((b"DUA\x02" + number.to_bytes(4, "big"), Keys(keys.encryption, keys.authentication)))
        meters.append(
            Meter(
                **{"drn": drn, "pan": f"600727{drn}0", "profile": "single-phase-modem", "tariff_group": "R-1"},
                **{"region": "Depok", "contracted_va": 1300, "low_credit_threshold_wh": 5_000},
                **{"sts_register": "bench", "sgc": "999901", "ti": "01", "krn": 1, "kt": 2, "ken": 255},
                **{"base_date": 2014, "dkga": "04", "ea": "07"},
                system_title=made[-1][0],
                dlms_keys_wrapped=wrap_meter_keys(store, drn, keys),
            )
        )
    Meter.objects.bulk_create(meters)
    rows = Meter.objects.filter(sts_register="bench")
    InvocationCounter.objects.bulk_create([InvocationCounter(meter=meter) for meter in rows])
    return made


def _lines(meters: list[tuple[bytes, Keys]], *, first: int, count: int) -> list[list[bytes]]:
    """Each connection's pushes: `count` of each of its meters, whose counters go up."""
    body = apdu.encode(DataNotification(0, DateTime.from_instant(_STARTED), _profile()))[5:]
    lines: list[list[bytes]] = [[] for _ in range(LINES)]
    for counter in range(first, first + count):
        for number, (title, keys) in enumerate(meters):
            plain = b"\x0f" + (LONG_CONFIRMED | counter).to_bytes(4, "big") + body
            inner = ciphering.protect(plain, keys=keys, system_title=title, counter=counter)
            frame = bytes.fromhex("000100010010") + len(inner).to_bytes(2, "big") + inner
            lines[number % LINES].append(frame)
    return lines


def _profile() -> Data:
    draw, register_wh, rows = random.Random(SEED), 1 << 24, []
    for number in range(ROWS):
        clock = DateTime.from_instant(_STARTED + timedelta(seconds=PERIOD_S * number)).to_octets()
        register_wh += draw.randrange(700)
        rows.append(structure(octets(clock), Data(Tag.UNSIGNED, 0), Data(Tag.DOUBLE_LONG_UNSIGNED, register_wh)))
    return Data(Tag.ARRAY, tuple(rows))


async def _send(port: int, lines: list[list[bytes]]) -> None:
    async def line(frames: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        sent = confirmed = 0
        while confirmed < len(frames):
            if sent < len(frames) and sent - confirmed < WINDOW:
                upto = min(len(frames), confirmed + WINDOW)
                writer.write(b"".join(frames[sent:upto]))
                sent = upto
            await reader.readexactly(CONFIRM_OCTETS)
            confirmed += 1
        writer.close()

    await asyncio.wait_for(asyncio.gather(*(line(frames) for frames in lines)), PATIENCE_S)


def _until_open(port: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError("The gateway does not start.")


def _latest_event() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM headend_meterevent")
        latest: int = cursor.fetchone()[0]
    return latest


def _until_read(wanted: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(max(id), 0) >= %s AND NOT EXISTS"
                " (SELECT 1 FROM headend_inboundframe WHERE state = 'RECEIVED') FROM headend_meterevent",
                [wanted],
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise TimeoutError("Pushes are left unread.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        number: int = probe.getsockname()[1]
    return number


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
