# SPDX-License-Identifier: Apache-2.0
"""
A utility made by a seed, for `bench grid`: Parquet days as the interval store writes them, a network, a year of outages.

Values follow no real customer. Days are sorted by meter and time, zstd, row groups near 50,000; columns as READINGS.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from duaarah.readings.columns import RAW, READINGS

FIRST_DATE = dt.date(2026, 1, 1)
STEPS = 96
STEP_S = 900
METERS_A_TRANSFORMER = 60
TRANSFORMERS_A_FEEDER = 25
OUTAGES_A_METER = 22.5  # 2.25 million records of 100,000 meters in a year
STORM_DAYS = (40, 171, 300)
ROW_GROUP = 48_000
CHUNK_METERS = 10_000  # made and written at a time: 960,000 rows
VERSION = 1  # of what is made: another number makes it anew


@dataclass(frozen=True, kw_only=True)
class Utility:
    """Files of one bench: `days` Parquet files a UTC day, `network` and `outages` Parquet; total meters follow customers."""

    meters: int
    days: list[Path]
    network: Path
    outages: Path

    @property
    def rows(self) -> int:
        """Readings of all days, total meters included."""
        return (self.meters + transformers(self.meters)) * STEPS * len(self.days)


def transformers(meters: int) -> int:
    """How many transformers serve so many meters."""
    return -(-meters // METERS_A_TRANSFORMER)


def make(folder: Path, meters: int, days: int, seed: int, say: Callable[[str], None] = lambda text: None) -> Utility:
    """The files under `folder`; what an earlier run finished is taken as it is."""
    own = folder / f"v{VERSION}-{seed}-{meters}"
    own.mkdir(parents=True, exist_ok=True)
    network, outages = own / "network.parquet", own / "outages.parquet"
    if not network.exists():
        _write(network, network_of(meters))
    if not outages.exists():
        _write(outages, outages_of(meters, seed))
    files = [own / f"day={FIRST_DATE + dt.timedelta(days=day)}.parquet" for day in range(days)]
    for day, file in enumerate(files):
        if not file.exists():
            say(f"making {file.name} ({day + 1} of {days})")
            _write_day(file, meters, day, seed)
    return Utility(meters=meters, days=files, network=network, outages=outages)


def network_of(meters: int) -> pa.Table:
    """`meter_id`, `transformer_id`, `feeder_id`, `phase`, `role`: customers 0.., then one total meter a transformer."""
    customers = np.arange(meters, dtype=np.int64)
    totals = np.arange(transformers(meters), dtype=np.int64)
    transformer = np.concatenate([customers // METERS_A_TRANSFORMER, totals])
    return pa.table(
        {
            "meter_id": np.concatenate([customers, meters + totals]),
            "transformer_id": transformer,
            "feeder_id": transformer // TRANSFORMERS_A_FEEDER,
            "phase": pa.array([f"L{phase}" for phase in np.concatenate([customers % 3, totals % 3]) + 1]),
            "role": pa.array(["customer"] * meters + ["total"] * len(totals)),
        }
    )


def outages_of(meters: int, seed: int) -> pa.Table:
    """`meter_id`, `began_at`, `ended_at` over 365 days: duplicates, overlaps, momentary ones, three days of storm."""
    chance = np.random.default_rng([seed, 1])
    number = int(meters * OUTAGES_A_METER)
    meter = chance.integers(0, meters, number)
    began = chance.integers(0, 365 * 86400, number)
    storm = chance.random(number) < 0.12
    began[storm] = chance.choice(STORM_DAYS, storm.sum()) * 86400 + chance.integers(0, 40_000, storm.sum())
    length = np.where(chance.random(number) < 0.25, chance.integers(1, 301, number), chance.exponential(5000, number))
    length = np.maximum(1, length).astype(np.int64) * np.where(storm, 3, 1)
    again = number // 20  # a twentieth again, half of these with another end
    meter[:again], began[:again], length[:again] = meter[-again:], began[-again:], length[-again:]
    length[: again // 2] += chance.integers(0, 900, again // 2)
    origin = int(dt.datetime.combine(FIRST_DATE, dt.time(), dt.UTC).timestamp())
    order = chance.permutation(number)
    instants = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "meter_id": meter[order],
            "began_at": pa.array((origin + began[order]) * 1_000_000, instants),
            "ended_at": pa.array((origin + began[order] + length[order]) * 1_000_000, instants),
        }
    )


def _write_day(file: Path, meters: int, day: int, seed: int) -> None:
    """Customers in chunks, keeping each transformer's sum for its total meter, which lost between 2 and 6 % on the way."""
    chance = np.random.default_rng([seed, 2, day])
    sums = np.zeros((transformers(meters), STEPS))
    drop = np.random.default_rng([seed, 3]).random(meters) ** 2 * 44  # volts of each meter's place on the line
    hour = (np.arange(1, STEPS + 1) * STEP_S / 3600 + 7) % 24
    shape = 0.4 + 0.5 * np.exp(-((hour - 6.5) ** 2) / 4) + 1.1 * np.exp(-((hour - 19.5) ** 2) / 8)
    temporary = file.with_suffix(".new")
    with pq.ParquetWriter(temporary, READINGS, compression="zstd") as writer:
        for first in range(0, meters, CHUNK_METERS):
            own = np.arange(first, min(first + CHUNK_METERS, meters))
            size = np.random.default_rng([seed, 4, first]).lognormal(4.6, 0.6, (len(own), 1))
            energy_wh = np.round(size * shape * chance.gamma(2.0, 0.5, (len(own), STEPS)), 0)
            np.add.at(sums, own // METERS_A_TRANSFORMER, energy_wh)
            sag = drop[own, None] * shape / 1.5 + 0.004 * energy_wh
            voltage_v = np.round(229.5 - sag + chance.normal(0, 1.2, energy_wh.shape), 1)
            voltage_v[chance.random(energy_wh.shape) < 0.002] = np.nan
            writer.write_table(_table(own, energy_wh, voltage_v, day), row_group_size=ROW_GROUP)
        loss = np.random.default_rng([seed, 5]).uniform(1.02, 1.06, (len(sums), 1))
        totals = np.arange(meters, meters + len(sums))
        writer.write_table(
            _table(totals, np.round(sums * loss), np.full(sums.shape, 230.0), day), row_group_size=ROW_GROUP
        )
    temporary.replace(file)


def _table(meter: np.ndarray, energy_wh: np.ndarray, voltage_v: np.ndarray, day: int) -> pa.Table:
    rows = energy_wh.size
    origin = int(dt.datetime.combine(FIRST_DATE + dt.timedelta(days=day), dt.time(), dt.UTC).timestamp())
    # The last interval of a day ends at the next midnight; the day holds those that end in it.
    ts = (origin + np.arange(STEPS) * STEP_S) * 1_000_000
    current = np.round(energy_wh * 4 / np.where(np.isnan(voltage_v), 220.0, voltage_v), 2)
    text = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([RAW])).cast(pa.string())
    empty = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([""])).cast(pa.string())
    return pa.table(
        [
            np.repeat(meter, STEPS),
            pa.array(np.tile(ts, len(meter)), pa.timestamp("us", tz="UTC")),
            np.full(rows, STEP_S, np.int32),
            energy_wh.ravel(),
            (np.cumsum(energy_wh, axis=1) + 1e6 * (day + 1)).ravel(),
            pa.array(voltage_v.ravel(), from_pandas=True),
            current.ravel(),
            np.zeros(rows, np.int32),
            text,
            empty,
            np.ones(rows, np.int32),
        ],
        schema=READINGS,
    )


def _write(file: Path, table: pa.Table) -> None:
    temporary = file.with_suffix(".new")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(file)
