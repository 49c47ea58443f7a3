# SPDX-License-Identifier: Apache-2.0
"""`bench readings`: rows to the disk, from landing to day files, bytes a reading, a meter's month. fsync is on."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.conf import settings
from django.db import transaction

from duaarah.readings import days as store_days
from duaarah.readings import parquet
from duaarah.readings.landing import land_columns
from duaarah.readings.models import DayFile
from duaarah.readings.store import readings_of
from duaarah.stage import bench_readings_pushes, bench_readings_taken
from duaarah.stage.bench_readings_data import FIRST_DATE, make_days

SEED = 7
BATCH_ROWS = 500_000
MONTH_DAYS = 31
LOOKS = 60
# With fewer meters than this there are fewer pushes.
PUSH_METERS = 20_000
_CHILD = "import django; django.setup(); from duaarah.stage.bench_readings import child; child()"
Record = dict[str, Any]


def run(meters: int, days: int) -> Iterator[Record]:
    """Yields the bench's JSON records for so many meters; `days` are ingested, a month of 31 is read."""
    common: Record = {"bench": "readings", "cores": os.cpu_count(), "meters": meters, "days": days, "seed": SEED}
    load = round(os.getloadavg()[0], 1)
    landed_s = compacted_s = 0.0
    rows = peak_mb = 0
    for day, table in make_days(meters, days, SEED):
        began_s = time.perf_counter()
        for start in range(0, table.num_rows, BATCH_ROWS):
            land_columns(table.slice(start, BATCH_ROWS))
        landed_s += time.perf_counter() - began_s
        rows += table.num_rows
        del table
        told = _compacted()
        compacted_s += told["s"]
        peak_mb = max(peak_mb, told["peak_mb"])
        if told["days"] != [day.isoformat()]:
            raise AssertionError("A day was not compacted.")
    _check(days, rows)
    size = sum(one.bytes for one in DayFile.objects.filter(superseded_at=None))
    common["load_before"] = load
    yield {**common, "figure": "landed_from_columns_per_s", "value": round(rows / landed_s), "unit": "1/s"}
    yield {**common, "figure": "compacted_per_s", "value": round(rows / compacted_s), "unit": "1/s"}
    yield {**common, "figure": "compaction_peak_memory", "value": peak_mb, "unit": "MB"}
    yield {**common, "figure": "bytes_a_reading", "value": round(size / rows, 2), "unit": "B"}
    _fill_month(meters, days)
    yield {**common, "figure": "meters_month_first_ms", "value": _month(meters, cold=True), "unit": "ms"}
    yield {**common, "figure": "meters_month_p95_ms", "value": _month(meters, cold=False), "unit": "ms"}
    share = min(1.0, meters / PUSH_METERS)
    yield from bench_readings_pushes.run(common, share)
    yield from bench_readings_taken.run(common, share)


def _compacted() -> Record:
    """Compaction by a process of its own, as the chores' worker does it: its time, its days, its greatest resident size."""
    done = subprocess.run([sys.executable, "-c", _CHILD], stdout=subprocess.PIPE, check=True, timeout=1800)
    told: Record = json.loads(done.stdout.splitlines()[-1])
    return told


def child() -> None:
    """That process: one line of JSON."""
    began_s = time.perf_counter()
    done = store_days.compact(open_too=True)
    spent_s = time.perf_counter() - began_s
    status = Path("/proc/self/status").read_text()
    peak_mb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024
    print(json.dumps({"s": spent_s, "days": sorted(day.isoformat() for day in done.days), "peak_mb": peak_mb}))


def _check(days: int, rows: int) -> None:
    found = sum(pq.read_metadata(settings.READINGS_FOLDER / one.name).num_rows for one in DayFile.objects.all())
    if found != rows or DayFile.objects.count() != days:
        raise AssertionError(f"{found} rows are in {DayFile.objects.count()} files, {rows} had landed.")


def _fill_month(meters: int, days: int) -> None:
    """The rest of 31 days straight into day files."""
    for day, table in make_days(meters, MONTH_DAYS, SEED):
        if day < FIRST_DATE + dt.timedelta(days=days):
            continue
        columns = parquet.of_table(table)
        with transaction.atomic(durable=True):
            made = parquet.write(settings.READINGS_FOLDER, f"{day:%Y-%m-%d}", columns, layer="RAW", last_only=False)
            store_days._note(day, DayFile.Layer.RAW, made)


def _month(meters: int, *, cold: bool) -> float:
    """The 95th percentile over meters drawn by the seed; `cold`: each file's footer is read for the first time."""
    from duaarah.readings import store

    draw = random.Random(SEED)
    begin = dt.datetime.combine(FIRST_DATE, dt.time(), dt.UTC)
    taken = []
    for _ in range(8 if cold else LOOKS):
        if cold:
            store._metadata.cache_clear()
        began_s = time.perf_counter()
        table = readings_of(
            draw.randrange(1, meters + 1), begin - dt.timedelta(hours=1), begin + dt.timedelta(days=MONTH_DAYS)
        )
        taken.append(time.perf_counter() - began_s)
        if table.num_rows != MONTH_DAYS * 96:
            raise AssertionError("A meter's month is not whole.")
    return round(sorted(taken)[int(len(taken) * 0.95)] * 1000, 1)
