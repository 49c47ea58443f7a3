# SPDX-License-Identifier: Apache-2.0
"""
Reading the interval store: which files count, one meter's span, how complete and how old the data is.

A file holds the readings whose `ts` (end of the interval) lies on its UTC day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.db import connection

from duaarah.readings.columns import READINGS
from duaarah.readings.days import base_of, folder, write_checked

__all__ = [
    "Coverage",
    "base_of",
    "changed_days",
    "coverage",
    "reading_files",
    "readings_of",
    "told_of",
    "write_checked",
]

INTERVALS_A_DAY = 96
READERS, FEW_FILES = 2, 4
_COUNTING = """
WITH base AS (
    SELECT DISTINCT ON (day_date) day_date, id, name, rows, meters, newest_at FROM readings_dayfile
    WHERE superseded_at IS NULL AND layer <> 'CHECKED' AND day_date BETWEEN %s AND %s
    ORDER BY day_date, layer = 'DAY' DESC, id DESC
)
SELECT b.day_date, b.id, coalesce(c.name, b.name), b.name, b.rows, b.meters, b.newest_at, c.id IS NOT NULL
FROM base b LEFT JOIN readings_dayfile c
    ON c.day_date = b.day_date AND c.layer = 'CHECKED' AND c.superseded_at IS NULL AND c.covers_id = b.id
ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True)
class CountingDay:
    """A UTC day of the store: the file that counts, the one as meters told it (`told_path`), and what that holds."""

    day_date: dt.date
    base_id: int
    path: Path
    told_path: Path
    rows: int
    meters: int
    newest_at: dt.datetime
    checked: bool


def counting_days(first_date: dt.date, last_date: dt.date) -> list[CountingDay]:
    """The UTC days of this span (inclusive) that have readings, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTING, [first_date, last_date])
        return [
            CountingDay(
                day_date=day,
                base_id=base,
                path=folder() / name,
                told_path=folder() / told,
                rows=rows,
                meters=meters,
                newest_at=newest,
                checked=is_it,
            )
            for day, base, name, told, rows, meters, newest, is_it in cursor.fetchall()
        ]


def reading_files(first_date: dt.date, last_date: dt.date) -> list[Path]:
    """The files that count of these UTC days: the checked one where it covers all that has come, else as it came."""
    return [day.path for day in counting_days(first_date, last_date)]


def changed_days(after_id: int) -> list[tuple[dt.date, int]]:
    """UTC days whose base changed after this manifest id, with their newest id: for whoever recomputes what stands on them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT day_date, max(id) FROM readings_dayfile WHERE layer <> 'CHECKED' GROUP BY 1 HAVING max(id) > %s"
            " ORDER BY 1",
            [after_id],
        )
        return [(row[0], row[1]) for row in cursor.fetchall()]


def readings_of(
    meter_id: int, begin_at: dt.datetime, end_at: dt.datetime, *, columns: Sequence[str] = READINGS.names
) -> pa.Table:
    """
    One meter's readings with begin_at < ts <= end_at, as a table of READINGS by time.

    `columns`: the ones that are needed, `ts` always; reading half of them takes half as long.
    """
    return _between(meter_id, begin_at, end_at, [day.path for day in _days_of(begin_at, end_at)], columns)


def told_of(meter_id: int, begin_at: dt.datetime, end_at: dt.datetime) -> pa.Table:
    """
    The same as the meter told it, whatever was estimated or edited since. Where a day has one file only, an interval that
    was told twice has two rows; the later one counts.
    """
    return _between(meter_id, begin_at, end_at, [day.told_path for day in _days_of(begin_at, end_at)])


def _days_of(begin_at: dt.datetime, end_at: dt.datetime) -> list[CountingDay]:
    return counting_days(begin_at.astimezone(dt.UTC).date(), end_at.astimezone(dt.UTC).date())


def _between(
    meter_id: int,
    begin_at: dt.datetime,
    end_at: dt.datetime,
    paths: list[Path],
    columns: Sequence[str] = READINGS.names,
) -> pa.Table:
    schema = pa.schema([field for field in READINGS if field.name in {"meter_id", "ts", *columns}])
    if len(paths) > FEW_FILES:
        # Decoding leaves Python's lock, so a month takes half as long on two cores.
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(lambda path: _of_meter(path, meter_id, schema), paths))
    else:
        found = [_of_meter(path, meter_id, schema) for path in paths]
    table = pa.concat_tables(found) if found else schema.empty_table()
    ts = table.column("ts").cast(pa.int64()).to_numpy()
    begin_us, end_us = (int(at.timestamp() * 1_000_000) for at in (begin_at, end_at))
    return table.filter(pa.array((ts > begin_us) & (ts <= end_us)))


@lru_cache(maxsize=512)
def _metadata(path: Path) -> tuple[pq.FileMetaData, np.ndarray, np.ndarray]:
    """A file's footer and the lowest and highest meter of each row group; files never change under their name."""
    meta = pq.read_metadata(path)
    groups = [meta.row_group(number).column(0).statistics for number in range(meta.num_row_groups)]
    return meta, np.array([one.min for one in groups]), np.array([one.max for one in groups])


def _of_meter(path: Path, meter_id: int, schema: pa.Schema) -> pa.Table:
    meta, lowest, highest = _metadata(path)
    groups = np.flatnonzero((lowest <= meter_id) & (highest >= meter_id))
    if not len(groups):
        return schema.empty_table()
    # The file stays closed to other columns than those of READINGS; words repeat, so they stay dictionaries until the cut.
    with pq.ParquetFile(path, metadata=meta, memory_map=True, read_dictionary=["quality", "reason"]) as file:
        table = file.read_row_groups(groups, columns=schema.names, use_threads=False)
    begin, end = np.searchsorted(table.column(0).to_numpy(), [meter_id, meter_id + 1])
    return table.slice(begin, end - begin).cast(schema)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of what was due is here: `share` of intervals expected, None where nothing is expected; newest reading."""

    expected: int
    present: int
    share: float | None
    newest_at: dt.datetime | None
    days_checked: int
    days: int


def coverage(first_date: dt.date, last_date: dt.date, *, meters: int | None = None) -> Coverage:
    """
    Of the UTC days of this span. Expected are 96 intervals a day of `meters`; without a number, of the most meters that any
    day of the span heard (which meters report intervals at all is the matter of their plans).
    """
    days = counting_days(first_date, last_date)
    heard = meters if meters is not None else max((day.meters for day in days), default=0)
    expected = heard * INTERVALS_A_DAY * ((last_date - first_date).days + 1)
    present = sum(day.rows for day in days)
    return Coverage(
        expected=expected,
        present=present,
        share=min(1.0, present / expected) if expected else None,
        newest_at=max((day.newest_at for day in days), default=None),
        days_checked=sum(day.checked for day in days),
        days=(last_date - first_date).days + 1,
    )
