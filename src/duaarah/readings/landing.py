# SPDX-License-Identifier: Apache-2.0
"""
Landing: one plain table an arrival hour (by the database's clock), without keys, written by COPY.

Rows are of one width, so that numpy makes and reads the binary COPY stream whole: an absent value is NaN here and null in
the day files. The names of the tables are their hours: `readings_landing_2026071105`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg.errors
import pyarrow as pa
from django.db import connection, transaction

PREFIX = "readings_landing_"
CHUNK_ROWS = 200_000
LOCK_TIMEOUT_S = 5
# A transaction that chose its table in the last moment of an hour has this long to commit before the hour is compacted.
GRACE_S = 120
_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TAIL = b"\xff\xff"
_EPOCH_US = 946_684_800_000_000  # PostgreSQL counts from 2000-01-01
_EPOCH_AT = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_FLOATS = ("energy_wh", "register_wh", "voltage_v", "current_a")
_TYPES = {
    "meter_id": ("bigint", ">i8"),
    "ts": ("timestamptz", ">i8"),
    "period_s": ("integer", ">i4"),
    **dict.fromkeys(_FLOATS, ("double precision", ">f8")),
    "flags": ("integer", ">i4"),
    "counter": ("bigint", ">i8"),
}
_COLUMNS = ", ".join(_TYPES)
_RECORD = np.dtype(
    [("fields", ">i2"), *(part for name, (_, kind) in _TYPES.items() for part in ((f"{name}_n", ">i4"), (name, kind)))]
)
_NATIVE = {name: np.dtype(kind).newbyteorder("=") for name, (_, kind) in _TYPES.items()}


@dataclass(frozen=True, kw_only=True)
class LandingTable:
    """One hour's table."""

    name: str
    closed: bool


Columns = dict[str, npt.NDArray[Any]]


def land_columns(table: pa.Table, *, counter: int = 0) -> int:
    """
    Entry: rows of READINGS (quality, reason and version are not taken; missing columns are absent values) land durably.

    `counter` stands for all of them where there is no column of that name: what a meter itself told under a counter wins
    over a file's 0. Returns the rows. Raises KeyError without meter_id, ts, period_s.
    """
    with transaction.atomic(durable=True):
        return copy_in(table, counter=counter)


def copy_in(table: pa.Table, *, counter: int = 0) -> int:
    """Joining: the same within the caller's transaction."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Readings land in the transaction that takes them.")
    _copy(_records(table.slice(start, CHUNK_ROWS), counter) for start in range(0, table.num_rows, CHUNK_ROWS))
    return int(table.num_rows)


def _copy(parts: Iterable[npt.NDArray[np.void]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(f"COPY {_table_now()} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(_HEAD)
        for records in parts:
            copy.write(records.tobytes())
        copy.write(_TAIL)


def _records(part: pa.Table, counter: int) -> npt.NDArray[np.void]:
    made = _empty(part.num_rows)
    for name in _TYPES:
        made[name] = _column(part, name, counter)
    return made


def _empty(count: int) -> npt.NDArray[np.void]:
    made = np.empty(count, dtype=_RECORD)
    made["fields"] = len(_TYPES)
    for name in _TYPES:
        made[f"{name}_n"] = _NATIVE[name].itemsize
    return made


def _column(part: pa.Table, name: str, counter: int) -> npt.NDArray[Any] | int | float:
    if name not in part.column_names:
        if name in ("meter_id", "ts", "period_s"):
            raise KeyError(name)
        return np.nan if name in _FLOATS else counter if name == "counter" else 0
    column = part.column(name).combine_chunks()
    if name == "ts":
        return column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy(zero_copy_only=False) - _EPOCH_US
    if name in _FLOATS:
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)  # null becomes NaN
    return column.to_numpy(zero_copy_only=False)


def land_rows(rows: Iterable[tuple[Any, ...]]) -> int:
    """Joining: rows of reports in the order of the columns (`meter_id, ts, period_s, energy_wh, ... flags, counter`)."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Readings land in the transaction that takes their frame.")
    taken = list(rows)
    if taken:
        made = _empty(len(taken))
        for name, column in zip(_TYPES, zip(*taken, strict=True), strict=True):
            made[name] = [_microseconds(at) for at in column] if name == "ts" else column
        _copy([made])
    return len(taken)


def _microseconds(at: dt.datetime) -> int:
    since = at - _EPOCH_AT
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds


def _table_now() -> str:
    """This hour's table, made where there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDDHH24')")
        name = PREFIX + cursor.fetchone()[0]
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        if not cursor.fetchone()[0]:
            # Two that come first at once: the lock lets the second find the first one's.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
            columns = ", ".join(f"{column} {kind} NOT NULL" for column, (kind, _) in _TYPES.items())
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
    return name


def tables() -> list[LandingTable]:
    """The landing tables there are, oldest first; a closed one gets no more rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relname < %s || to_char((clock_timestamp() - %s * interval '1 second') AT TIME ZONE 'UTC',"
            " 'YYYYMMDDHH24') FROM pg_class WHERE relkind = 'r' AND relname ~ %s"
            " AND relnamespace = current_schema()::regnamespace ORDER BY 1",
            [PREFIX, GRACE_S, f"^{PREFIX}[0-9]{{10}}$"],
        )
        return [LandingTable(name=name, closed=closed) for name, closed in cursor.fetchall()]


def lock(name: str) -> bool:
    """Joining: nobody writes to this table any more; False when somebody has taken it away. Waits five seconds at most."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
        try:
            with transaction.atomic():
                cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        except Exception as error:
            if isinstance(error.__cause__, psycopg.errors.UndefinedTable):
                return False
            raise
    return True


def drop(name: str) -> None:
    """Joining: its rows are in files, or nowhere."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")


def days_in(name: str) -> list[dt.date]:
    """The UTC days of which the table has rows."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT (ts AT TIME ZONE 'UTC')::date FROM {name} ORDER BY 1")
        return [row[0] for row in cursor.fetchall()]


def read_day(name: str, day_date: dt.date, *, take: bool = False) -> Columns:
    """
    Arrays of one UTC day's rows in the order of their arrival; `ts` in microseconds of Unix time, absent = NaN.

    `take`: joining; the rows go from the table with the caller's transaction, and whoever writes to it meanwhile is not kept.
    """
    verb = f"DELETE FROM {name}" if take else f"SELECT {_COLUMNS} FROM {name}"
    where = f"WHERE ts >= '{day_date:%Y-%m-%d} 00:00+00' AND ts < timestamptz '{day_date:%Y-%m-%d} 00:00+00' + interval '1 day'"
    returning = f" RETURNING {_COLUMNS}" if take else ""
    parts: dict[str, list[npt.NDArray[Any]]] = {column: [] for column in _TYPES}
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(f"COPY ({verb} {where}{returning}) TO STDOUT (FORMAT BINARY)") as copy,
    ):
        for block in _blocks(copy):
            records = np.frombuffer(block, dtype=_RECORD)
            for column in _TYPES:
                parts[column].append(records[column].astype(_NATIVE[column]))
    made = {column: np.concatenate(found) if found else np.empty(0, _NATIVE[column]) for column, found in parts.items()}
    made["ts"] = made["ts"] + _EPOCH_US
    return made


def _blocks(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Whole records of a binary COPY stream, many at once, without its head and tail."""
    size = _RECORD.itemsize
    held: list[bytes] = []
    count = 0
    head = len(_HEAD)
    rest = b""
    for data in stream:
        held.append(bytes(data))
        count += 1
        if count >= CHUNK_ROWS:
            rest, block, head = _cut(rest, held, head, size)
            held, count = [], 0
            yield block
    rest, block, head = _cut(rest, held, head, size)
    if block:
        yield block


def _cut(rest: bytes, held: list[bytes], head: int, size: int) -> tuple[bytes, bytes, int]:
    joined = rest + b"".join(held)
    joined = joined[head:]
    whole = len(joined) // size * size
    return joined[whole:], joined[:whole], 0
