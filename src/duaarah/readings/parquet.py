# SPDX-License-Identifier: Apache-2.0
"""A day's Parquet file: sorted by meter and time, zstd, row groups near 50,000; on the disk before anybody hears of it."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from duaarah.readings.columns import READINGS

ROW_GROUP = 50_000
COUNTED = READINGS.append(pa.field("counter", pa.int64(), nullable=False))
_FLOATS = ("energy_wh", "register_wh", "voltage_v", "current_a")
_PLAIN = ("meter_id", "register_wh")  # the others repeat, so their dictionaries are small
_DAY_US = 86_400_000_000
_KEY_METERS_MAX = 2**63 // _DAY_US

Columns = dict[str, npt.NDArray[Any]]
Step = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the manifest says of a file."""

    name: str
    rows: int
    repeats: int
    meters: int
    bytes: int
    sha256: str
    newest_us: int


def order_of(columns: Columns) -> npt.NDArray[np.intp]:
    """By meter, time and counter; equals in the order of their arrival."""
    meter, ts, counter = columns["meter_id"], columns["ts"], columns["counter"]
    day_us = ts - ts.min() if len(ts) else ts
    small = len(ts) and meter.min() >= 0 and meter.max() < _KEY_METERS_MAX and day_us.max() < _DAY_US
    if not small:
        return np.lexsort((counter, ts, meter))
    key = meter * _DAY_US + day_us
    if np.all(key[1:] > key[:-1]):
        return np.arange(len(key))
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    if np.any(ordered[1:] == ordered[:-1]):
        return np.lexsort((counter, key))
    return order


def same_as_next(columns: Columns, order: npt.NDArray[np.intp], names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """For each place of the order whether the next one is equal in these columns; absent equals absent."""
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for name in names:
        values = columns[name][order]
        equal = values[1:] == values[:-1]
        if values.dtype.kind == "f":
            equal |= np.isnan(values[1:]) & np.isnan(values[:-1])
        same &= equal
    return np.append(same, False) if len(order) else same


def write(
    folder: Path, day: str, columns: Columns, *, layer: str, last_only: bool, step: Step = lambda name: None
) -> Written:
    """
    Write arrays as one file of the day; `last_only` keeps of each meter and instant the row of the highest counter, else
    only what was told twice in the same words is one. The columns are those of READINGS with `counter`; `quality` and
    `reason` may be missing (raw).
    """
    order = order_of(columns)
    keys = same_as_next(columns, order, ("meter_id", "ts"))
    again = keys
    if not last_only and np.any(keys):
        again = same_as_next(columns, order, ("meter_id", "ts", "period_s", *_FLOATS, "flags"))
    order = order[~again]
    repeats = int(np.count_nonzero(keys)) - int(np.count_nonzero(again))
    name = f"day={day}/{layer.lower()}-{uuid.uuid4().hex[:12]}.parquet"
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    encodings = {"meter_id": "DELTA_BINARY_PACKED", "register_wh": "BYTE_STREAM_SPLIT"}
    with pq.ParquetWriter(
        new,
        COUNTED,
        compression="zstd",
        compression_level=3,
        use_dictionary=[field.name for field in COUNTED if field.name not in _PLAIN],
        column_encoding=encodings,
        write_statistics=True,
    ) as writer:
        for start in range(0, len(order), ROW_GROUP):
            writer.write_table(_rows(columns, order[start : start + ROW_GROUP]), row_group_size=ROW_GROUP)
    step("written")
    digest = _to_disk(new)
    step("on-disk")
    new.rename(target)
    _sync(target.parent)
    _sync(folder)
    step("renamed")
    meters = columns["meter_id"][order]
    return Written(
        name=name,
        rows=len(order),
        repeats=repeats,
        meters=int(np.count_nonzero(meters[1:] != meters[:-1])) + 1 if len(meters) else 0,
        bytes=target.stat().st_size,
        sha256=digest,
        newest_us=int(columns["ts"].max()) if len(order) else 0,
    )


def _rows(columns: Columns, chosen: npt.NDArray[np.intp]) -> pa.Table:
    made = []
    for field in COUNTED:
        values = columns.get(field.name)
        if values is None:
            value = {"quality": "raw", "reason": "", "version": 1}[field.name]
            made.append(pa.array([value], field.type).take(pa.array(np.zeros(len(chosen), np.int64))))
        elif field.name == "ts":
            made.append(pa.array(values[chosen]).cast(field.type))
        elif field.name in _FLOATS:
            made.append(pa.array(values[chosen], field.type, from_pandas=True))
        else:
            made.append(pa.array(values[chosen], field.type))
    return pa.Table.from_arrays(made, schema=COUNTED)


def read(path: Path) -> Columns:
    """A file's columns as arrays, absent = NaN, `ts` in microseconds of Unix time."""
    table = pq.read_table(path)
    return of_table(table)


def of_table(table: pa.Table) -> Columns:
    """Arrays of an Arrow table of READINGS; a missing number is absent, a missing `counter` or `flags` 0."""
    made: Columns = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if name == "ts":
            column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        made[name] = column.to_numpy(zero_copy_only=False)
    made.setdefault("counter", np.zeros(table.num_rows, np.int64))
    made.setdefault("flags", np.zeros(table.num_rows, np.int32))
    for name in _FLOATS:
        made.setdefault(name, np.full(table.num_rows, np.nan))
    return made


def joined(parts: list[Columns]) -> Columns:
    """Several files' rows one behind the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> str:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return sha256_of(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
