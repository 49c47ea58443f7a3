# SPDX-License-Identifier: Apache-2.0
"""
`bench readings`, figures `landed_from_pushes_per_s`: sealed load profiles, as the gateway stores them, to durable readings.

Each push is opened under its meter's own keys (AES-GCM, Data-Notification, A-XDR, the push of the profile), its intervals
become rows of the interval store, and those of PUSH_BATCH pushes land in one transaction, as the head end's loop takes them.
Sealing is done before the clock starts. What landed is counted and summed against what was sealed.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from django.db import connection, transaction

from duaarah.core.reports import LoadProfile
from duaarah.headend.operations.told import interval_rows
from duaarah.headend.ports import MeterKeys
from duaarah.project.supervisor import die_with_parent
from duaarah.readings.landing import PREFIX, land_rows
from duaarah.stage.bench_readings_data import FIRST_DATE, PERIOD_S
from duaarah.wire.dlms import apdu, ciphering
from duaarah.wire.dlms.apdu import DataNotification
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.notification import LONG_CONFIRMED
from duaarah.wiring.pushes import PushFrames

PROFILE = "single-phase-modem"
# As workers/headend takes them.
PUSH_BATCH = 200
# Rows a push, and of how many pushes: a day of quarter-hours at once, and an hour of them.
SIZES = ((96, 20_000), (4, 60_000))
PROCESSES = (1, 2)
REPETITIONS = 3
BEGIN_AT = dt.datetime.combine(FIRST_DATE, dt.time(), dt.UTC)
_CHILD = "import django; django.setup(); from duaarah.stage.bench_readings_pushes import child; child()"
Record = dict[str, Any]


def run(common: Record, share: float = 1.0) -> Iterator[Record]:
    """Yields a record a size and number of processes: the best of several rounds; `share` of the pushes, for a trial."""
    for rows, most in SIZES:
        pushes = max(PUSH_BATCH, int(most * share))
        for processes in PROCESSES:
            best_s, processor_s = min(_round(rows, pushes // processes, processes) for _ in range(REPETITIONS))
            readings = pushes // processes * processes * rows
            yield {
                **common,
                **{
                    "figure": "landed_from_pushes_per_s",
                    "value": round(pushes // processes * processes * rows / best_s),
                },
                **{"unit": "1/s", "rows": rows, "pushes": pushes, "processes": processes, "best_of": REPETITIONS},
            }
            if processes == 1:
                # What the head end's process itself uses, whatever else the machine does; the database's is not in it.
                us = round(processor_s * 1e6 / readings, 2)
                yield {
                    **common,
                    "figure": "processor_us_a_reading_from_pushes",
                    "value": us,
                    "unit": "us",
                    "rows": rows,
                }


def _round(rows: int, pushes: int, processes: int) -> tuple[float, float]:
    """
    Seconds from the word to begin until the last process has committed its last batch, and of processor in all of them; what
    landed is compared.
    """
    before = _landed()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )
        for _ in range(processes)
    ]
    for number, one in enumerate(children):
        _tell(one, {"rows": rows, "pushes": pushes, "first": 1 + number * pushes})
    for one in children:
        _hear(one)
    began_s = time.perf_counter()
    for one in children:
        _tell(one, {})
    sealed = [_hear(one) for one in children]
    taken_s = time.perf_counter() - began_s
    for one in children:
        one.wait()
    landed = _landed()
    if (landed[0] - before[0], landed[1] - before[1]) != (
        pushes * processes * rows,
        sum(one["energy_wh"] for one in sealed),
    ):
        raise AssertionError("Not every sealed interval landed once.")
    return taken_s, sum(one["processor_s"] for one in sealed)


def _tell(one: subprocess.Popen[str], what: Record) -> None:
    assert one.stdin is not None
    one.stdin.write(json.dumps(what) + "\n")
    one.stdin.flush()


def _hear(one: subprocess.Popen[str]) -> Record:
    assert one.stdout is not None
    told: Record = json.loads(one.stdout.readline())
    return told


def _landed() -> tuple[int, int]:
    """Rows in the landing tables, and the sum of their energy."""
    count = energy_wh = 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE %s", [PREFIX + "%"])
        for (name,) in cursor.fetchall():
            cursor.execute(f"SELECT count(*), coalesce(sum(energy_wh), 0)::bigint FROM {name}")
            found = cursor.fetchone()
            count, energy_wh = count + found[0], energy_wh + found[1]
    return count, energy_wh


def child() -> None:
    """One process: seals its pushes, waits for the word, opens and lands them; a line of JSON for each step."""
    what = json.loads(sys.stdin.readline())
    meters = range(what["first"], what["first"] + what["pushes"])
    keys = {meter: keys_of(meter) for meter in meters}
    frames, energy_wh = sealed(meters, keys, what["rows"])
    with transaction.atomic():
        land_rows([])
    print(json.dumps({"ready": len(frames)}), flush=True)
    sys.stdin.readline()
    before_s = time.process_time()
    _land(frames, keys)
    print(json.dumps({"energy_wh": energy_wh, "processor_s": time.process_time() - before_s}), flush=True)


def _land(frames: list[tuple[int, bytes]], keys: dict[int, MeterKeys]) -> None:
    reader, now = PushFrames(), BEGIN_AT + dt.timedelta(days=1, hours=1)
    for start in range(0, len(frames), PUSH_BATCH):
        with transaction.atomic(durable=True):
            rows: list[tuple[Any, ...]] = []
            for meter, frame in frames[start : start + PUSH_BATCH]:
                opened = reader.open(profile=PROFILE, apdu=frame, keys=keys[meter])
                assert isinstance(opened.report, LoadProfile)
                rows += interval_rows(meter_id=meter, report=opened.report, counter=opened.counter, now=now)
            land_rows(rows)


def keys_of(meter: int) -> MeterKeys:
    """A made meter's keys."""
    return MeterKeys(meter.to_bytes(16, "big"), (meter * 7).to_bytes(16, "big"))


def sealed(meters: range, keys: dict[int, MeterKeys], rows: int) -> tuple[list[tuple[int, bytes]], int]:
    """A push of each meter, and the energy of all of them. The values are the tail of the body, so a template serves."""
    draw = np.random.default_rng([7, meters.start, rows])
    values = np.empty((len(meters), rows, 2), ">u2")
    values[:, :, 0] = draw.gamma(3.0, 40.0, (len(meters), rows))
    values[:, :, 1] = draw.normal(2210, 30, (len(meters), rows))
    row = structure(Data(Tag.LONG_UNSIGNED, 0), Data(Tag.LONG_UNSIGNED, 0))
    frames = []
    for place, meter in enumerate(meters):
        body = structure(
            octets(b"DUA" + meter.to_bytes(5, "big")),
            octets(bytes.fromhex("000e190900ff")),
            octets(DateTime.from_instant(BEGIN_AT).to_octets()),
            Data(Tag.LONG_UNSIGNED, PERIOD_S),
            Data(Tag.COMPACT_ARRAY, (row,) * rows),
        )
        stamp = DateTime.from_instant(BEGIN_AT + dt.timedelta(days=1))
        plain = apdu.encode(DataNotification(LONG_CONFIRMED | place & 0xFFFF, stamp, body))
        plain = plain[: -4 * rows] + values[place].tobytes()
        mine = Keys(keys[meter].encryption, keys[meter].authentication)
        title = b"DUA" + meter.to_bytes(5, "big")
        frames.append((meter, ciphering.protect(plain, keys=mine, system_title=title, counter=place + 1)))
    return frames, int(values[:, :, 0].sum(dtype=np.int64))
