# SPDX-License-Identifier: Apache-2.0
"""
From landing tables to day files, and their care.

Files are written under a temporary name, brought to the disk and renamed first; the manifest's rows come in the transaction
that drops the landing table. Who dies before it leaves files that nobody counts (`sweep` deletes them) and the table as it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from django.conf import settings
from django.db import connection, transaction

from duaarah.readings import landing, parquet
from duaarah.readings.models import DayFile
from duaarah.readings.parquet import Columns, Step, Written

_LOCK = 0x44554107
# Readers that opened a file's name go on reading; nobody reads longer than this.
KEPT_S = 3600
_CLOCK = "SELECT clock_timestamp()"
Layer = DayFile.Layer


class StoreError(Exception):
    """The interval store cannot do what was asked."""

    code = "readings_store"
    retryable = True


class StoreBusy(StoreError):
    """Another process compacts or rebuilds."""

    code = "readings_busy"


@dataclass(kw_only=True)
class Compacted:
    """What one run did."""

    tables: int = 0
    rows: int = 0
    days: set[dt.date] = field(default_factory=set)


def folder() -> Path:
    """Where the day files lie (setting READINGS_FOLDER)."""
    return Path(settings.READINGS_FOLDER)


@contextmanager
def _alone() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise StoreBusy("Another process is compacting the readings; try again when it is through.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def compact(
    *, open_too: bool = False, step: Step = lambda name: None, progress: Callable[[str], None] = lambda text: None
) -> Compacted:
    """
    Entry: the rows of closed landing tables become day files; `open_too` takes what this hour has so far as well, beside its
    writers. Raises StoreBusy while another process does.
    """
    done = Compacted()
    with _alone():
        for table in landing.tables():
            if table.closed or open_too:
                progress(f"{table.name} ...")
                _compact_table(table, done, step)
    return done


def _compact_table(table: landing.LandingTable, done: Compacted, step: Step) -> None:
    with transaction.atomic(durable=True):
        if table.closed and not landing.lock(table.name):
            return
        for day_date in landing.days_in(table.name):
            columns = landing.read_day(table.name, day_date, take=not table.closed)
            made = _write(day_date, Layer.RAW, columns, last_only=False, step=step)
            _note(day_date, Layer.RAW, made, landing=table.name)
            done.rows += len(columns["ts"])
            done.days.add(day_date)
            del columns
            _remake_day(day_date, step)
        if table.closed:
            landing.drop(table.name)
        step("before-commit")
    step("committed")
    done.tables += 1


def _write(day_date: dt.date, layer: Layer, columns: Columns, *, last_only: bool, step: Step) -> Written:
    return parquet.write(folder(), f"{day_date:%Y-%m-%d}", columns, layer=layer.value, last_only=last_only, step=step)


def _note(day_date: dt.date, layer: Layer, made: Written, *, landing: str = "", covers: int | None = None) -> DayFile:
    with connection.cursor() as cursor:
        cursor.execute(_CLOCK)
        now = cursor.fetchone()[0]
    return DayFile.objects.create(
        day_date=day_date,
        layer=layer,
        name=made.name,
        landing=landing,
        covers_id=covers,
        rows=made.rows,
        repeats=made.repeats,
        meters=made.meters,
        bytes=made.bytes,
        sha256=made.sha256,
        newest_at=dt.datetime.fromtimestamp(made.newest_us / 1_000_000, dt.UTC),
        made_at=now,
    )


def _supersede(day_date: dt.date, layer: Layer) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE readings_dayfile SET superseded_at = clock_timestamp()"
            " WHERE day_date = %s AND layer = %s AND superseded_at IS NULL",
            [day_date, layer.value],
        )


def _remake_day(day_date: dt.date, step: Step) -> None:
    """Joining: what counts of a day that has several raw files, or one that tells an interval twice."""
    raw = list(DayFile.objects.filter(day_date=day_date, layer=Layer.RAW, superseded_at=None).order_by("id"))
    if len(raw) == 1 and not raw[0].repeats:
        return
    columns = parquet.joined([parquet.read(folder() / one.name) for one in raw])
    made = _write(day_date, Layer.DAY, columns, last_only=True, step=step)
    _supersede(day_date, Layer.DAY)
    _note(day_date, Layer.DAY, made)


def write_raw(day_date: dt.date, table: pa.Table) -> DayFile:
    """
    Entry: a whole UTC day of readings at once, straight into a raw file: for a past that is brought, not for what arrives.

    Columns as for landing (`landing.land_columns`). What the day has already stays, and of an instant that is told twice the
    later counts. Raises StoreBusy while another process compacts, StoreError for others' instants.
    """
    columns = parquet.of_table(table)
    _check_day(day_date, columns["ts"])
    with _alone(), transaction.atomic(durable=True):
        made = _write(day_date, Layer.RAW, columns, last_only=False, step=lambda name: None)
        noted = _note(day_date, Layer.RAW, made)
        _remake_day(day_date, lambda name: None)
    return noted


def _check_day(day_date: dt.date, ts: npt.NDArray[np.int64]) -> None:
    begin_us = int(dt.datetime.combine(day_date, dt.time(), dt.UTC).timestamp()) * 1_000_000
    if len(ts) and not (begin_us <= int(ts.min()) and int(ts.max()) < begin_us + 86_400_000_000):
        raise StoreError(f"Readings of {day_date} end on that UTC day.")


def rebuild(day_date: dt.date) -> bool:
    """Entry: make what counts of a day again from its raw files; False where it has none."""
    with _alone(), transaction.atomic(durable=True):
        raw = list(DayFile.objects.filter(day_date=day_date, layer=Layer.RAW, superseded_at=None).order_by("id"))
        if not raw:
            return False
        columns = parquet.joined([parquet.read(folder() / one.name) for one in raw])
        made = _write(day_date, Layer.DAY, columns, last_only=True, step=lambda name: None)
        _supersede(day_date, Layer.DAY)
        _note(day_date, Layer.DAY, made)
    return True


def base_of(day_date: dt.date) -> DayFile | None:
    """What counts of a day as meters told it: its DAY file, else its only raw one."""
    current = DayFile.objects.filter(day_date=day_date, superseded_at=None)
    return (
        current.filter(layer=Layer.DAY).order_by("-id").first()
        or current.filter(layer=Layer.RAW).order_by("-id").first()
    )


def write_checked(day_date: dt.date, table: pa.Table, *, covers: int | None = None) -> str:
    """
    Entry: a day after validation, as an Arrow table of READINGS; returns the file's name.

    `covers` is the id of the file it was made from (`base_of`): when later data has come meanwhile the checked file does not
    count. Without it, it covers what counts now. Raises StoreError for a day without readings or with others' instants.
    """
    base = base_of(day_date)
    if base is None:
        raise StoreError(f"There are no readings of {day_date}.")
    columns = parquet.of_table(table)
    _check_day(day_date, columns["ts"])
    with transaction.atomic(durable=True):
        made = _write(day_date, Layer.CHECKED, columns, last_only=True, step=lambda name: None)
        _supersede(day_date, Layer.CHECKED)
        _note(day_date, Layer.CHECKED, made, covers=covers or base.pk)
    return made.name


def sweep(*, kept_s: int = KEPT_S) -> int:
    """
    Entry: delete superseded DAY and CHECKED files after an hour, and files that no manifest row names (somebody died).

    Raw files are never deleted. Returns how many files went.
    """
    gone = 0
    with _alone():
        old = DayFile.objects.filter(removed_at=None, superseded_at__isnull=False).extra(
            where=["superseded_at < clock_timestamp() - %s * interval '1 second'"], params=[kept_s]
        )
        for one in old.exclude(layer=Layer.RAW):
            (folder() / one.name).unlink(missing_ok=True)
            with transaction.atomic(durable=True), connection.cursor() as cursor:
                cursor.execute("UPDATE readings_dayfile SET removed_at = clock_timestamp() WHERE id = %s", [one.pk])
            gone += 1
        gone += _sweep_orphans(kept_s)
    return gone


def _sweep_orphans(kept_s: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        now_s = float(cursor.fetchone()[0])
    # The files first, the names after: what is named later than it was seen is young anyhow.
    files = [path for path in folder().glob("day=*/*") if path.stat().st_mtime < now_s - kept_s]
    known = set(DayFile.objects.values_list("name", flat=True))
    gone = 0
    for path in files:
        if str(path.relative_to(folder())) not in known:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def verify(progress: Callable[[str], None] = lambda text: None) -> list[str]:
    """Read every file that is not deleted and compare its checksum; the names of those that are missing or differ."""
    wrong = []
    for one in DayFile.objects.filter(removed_at=None).order_by("day_date", "id").iterator():
        path = folder() / one.name
        progress(one.name)
        try:
            same = parquet.sha256_of(path) == one.sha256
        except OSError:
            same = False
        if not same:
            wrong.append(one.name)
    return wrong
