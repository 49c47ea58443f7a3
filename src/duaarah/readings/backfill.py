# SPDX-License-Identifier: Apache-2.0
"""Readings from somebody's files: Parquet or CSV, meters by their number (DRN) or by id. The same file twice changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from duaarah.readings.landing import land_columns
from duaarah.registry.models import Meter

BATCH_ROWS = 500_000
PERIOD_S = 900
_OPTIONAL = {
    "energy_wh": pa.float64(),
    "register_wh": pa.float64(),
    "voltage_v": pa.float64(),
    "current_a": pa.float64(),
    "flags": pa.int32(),
}


class BadFile(ValueError):
    """The file cannot be taken; nothing of the batch at fault has landed."""

    code = "bad_file"


def backfill(path: Path, *, progress: Callable[[int], None] = lambda rows: None) -> int:
    """
    Entry, a batch a transaction: land every row of a file; returns the rows.

    Columns: `meter` (DRN) or `meter_id`, `ts` (end of the interval; naive = UTC), at least one of `energy_wh, register_wh,
    voltage_v, current_a`; `period_s` (900 without it), `flags`. Who is killed runs it again: what landed twice is one.
    Raises BadFile.
    """
    known: dict[str, int] = {}
    rows = 0
    for batch in _batches(path):
        rows += land_columns(_columns(batch, known))
        progress(rows)
    return rows


def _batches(path: Path) -> Iterator[pa.Table]:
    try:
        if path.suffix.lower() == ".csv":
            as_text = pyarrow.csv.ConvertOptions(column_types={"meter": pa.string()})
            with pyarrow.csv.open_csv(path, convert_options=as_text) as reader:
                for batch in reader:
                    yield pa.Table.from_batches([batch])
            return
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadFile(
            f"It cannot be read as {'CSV' if path.suffix.lower() == '.csv' else 'Parquet'}: {error}"
        ) from error


def _columns(batch: pa.Table, known: dict[str, int]) -> pa.Table:
    names = batch.column_names
    if "ts" not in names or not {"meter", "meter_id"} & set(names):
        raise BadFile("A file of readings has the columns ts and meter (the meter's number) or meter_id.")
    if not set(_OPTIONAL) - {"flags"} & set(names):
        raise BadFile("There is none of the columns energy_wh, register_wh, voltage_v, current_a.")
    try:
        ts = batch.column("ts").cast(pa.timestamp("us", tz="UTC"))
        made = {"meter_id": _meters(batch, known), "ts": ts}
        made["period_s"] = (
            batch.column("period_s").cast(pa.int32())
            if "period_s" in names
            else pa.array([PERIOD_S], pa.int32()).take(pa.array([0] * batch.num_rows))
        )
        made |= {name: batch.column(name).cast(kind) for name, kind in _OPTIONAL.items() if name in names}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadFile(f"A column has values of another kind: {error}") from error
    if any(made[name].null_count for name in ("meter_id", "ts", "period_s", "flags") if name in made):
        raise BadFile("meter, ts, period_s and flags stand in every row.")
    return pa.table(made)


def _meters(batch: pa.Table, known: dict[str, int]) -> pa.ChunkedArray | pa.Array:
    if "meter" not in batch.column_names:
        ids = batch.column("meter_id").cast(pa.int64())
        there = set(Meter.objects.filter(pk__in=pc.unique(ids).to_pylist()).values_list("pk", flat=True))
        if missing := [one for one in pc.unique(ids).to_pylist() if one not in there]:
            raise BadFile(f"There is no meter with id {missing[0]} ({len(missing)} unknown).")
        return ids
    drns = batch.column("meter").cast(pa.string()).combine_chunks().dictionary_encode()
    names = drns.dictionary.to_pylist()
    if new := [name for name in names if name not in known]:
        known.update(Meter.objects.filter(drn__in=new).values_list("drn", "pk"))
    if missing := [name for name in names if name not in known]:
        raise BadFile(f"There is no meter {missing[0]} ({len(missing)} unknown).")
    return pa.array([known[name] for name in names], pa.int64()).take(drns.indices)
