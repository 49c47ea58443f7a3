# SPDX-License-Identifier: Apache-2.0
"""
The past's quarter-hours in the interval store: what customers' and total meters counted, with the gaps and late parts that
the way left. Day files are written at once; judging them and counting their facts is left to the chores, newest days first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from duaarah.readings.days import write_raw
from duaarah.registry.models import Meter
from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.grid import STEP_S
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.metered import STEPS, Counted, Metered, Way
from duaarah.sim.town.past import Past
from duaarah.sim.town.past_theft import hidden_theft
from duaarah.sim.town.truth import Truth
from duaarah.sim.town.world import World

POWERED_OFF = 0x04  # a profile's status: no supply at the interval's end
_UNIX_DAY_US = 86_400_000_000
Column = npt.NDArray[np.generic]
Columns = dict[str, Column]


@dataclass(frozen=True)
class Brought:
    """
    Readings and day files that were written; parts that came late are files of their own. What total meters show in the end.
    """

    readings: int
    files: int
    total_registers_wh: dict[str, int]


def bring_readings(world: World, past: Past, truth: Path | None = None) -> Brought:
    """
    Entries, a day file each: the whole past's readings. The registered world is in the database; nothing else runs yet. `truth`:
    the folder in which the town keeps what really happened.
    """
    ids = dict(Meter.objects.values_list("drn", "pk"))
    theft = hidden_theft(world)
    metered = Metered(world, past, [] if theft is None else [theft], Truth(truth))
    meter_ids = np.array(
        [ids[drn] for drn in (*metered.grid.meters, *(total.drn for total in metered.totals))], dtype=np.int64
    )
    days = -past.begin_us // DAY_US
    way = Way(world, days)
    readings = files = 0
    late: list[tuple[dt.date, Columns]] = []
    waiting: Columns = {}
    for number in range(days):
        columns = _columns(metered.day(), meter_ids, past.begin_us + number * DAY_US)
        came = way.of_day(number)
        late += _by_day(_chosen(columns, came.late.ravel()))
        parts = dict(_by_day(_chosen(columns, came.at_once.ravel())))
        # East of Greenwich a UTC day holds the end of one local day and the begin of the next.
        first, *later = sorted(parts)
        whole = _joined(waiting, parts[first]) if waiting else parts[first]
        readings, files = readings + _write(first, whole), files + 1
        waiting = parts[later[0]] if later else {}
        last = later[0] if later else first
    if days and waiting:
        readings, files = readings + _write(last, waiting), files + 1
    for day_date, columns in late:
        readings, files = readings + _write(day_date, columns), files + 1
    return Brought(readings, files, metered.total_registers_wh())


def _columns(day: Counted, meter_ids: npt.NDArray[np.int64], begin_us: int) -> Columns:
    """A local day flat, a meter's intervals behind each other; `ts` in microseconds of Unix time."""
    totals = day.total_register_wh.shape
    begin_at_us = int(instant_of(begin_us).timestamp()) * 1_000_000
    ends = begin_at_us + STEP_S * 1_000_000 * np.arange(1, STEPS + 1)
    unknown = np.full(totals, np.nan)
    return {
        "meter_id": np.repeat(meter_ids, STEPS),
        "ts": np.tile(ends, len(meter_ids)),
        "energy_wh": np.concatenate([day.energy_wh, day.total_energy_wh]).astype(np.float64).ravel(),
        "register_wh": np.concatenate([day.register_wh, day.total_register_wh]).astype(np.float64).ravel(),
        "voltage_v": np.concatenate([day.voltage_v, day.total_voltage_v]).ravel(),
        "current_a": np.concatenate([day.current_a, unknown]).ravel(),
        "flags": np.concatenate([day.off * POWERED_OFF, np.zeros(totals)]).astype(np.int32).ravel(),
    }


def _chosen(columns: Columns, mask: npt.NDArray[np.bool_]) -> Columns:
    return {name: values[mask] for name, values in columns.items()}


def _joined(one: Columns, other: Columns) -> Columns:
    return {name: np.concatenate([values, other[name]]) for name, values in one.items()}


def _by_day(columns: Columns) -> Iterator[tuple[dt.date, Columns]]:
    """The same by the UTC day on which intervals end."""
    days = columns["ts"] // _UNIX_DAY_US
    for day in np.unique(days):
        yield dt.date(1970, 1, 1) + dt.timedelta(days=int(day)), _chosen(columns, days == day)


def _write(day_date: dt.date, columns: Columns) -> int:
    rows = len(columns["ts"])
    made = {name: pa.array(values, from_pandas=True) for name, values in columns.items()}
    made["ts"] = pa.array(columns["ts"], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    made["period_s"] = pa.array(np.full(rows, STEP_S, dtype=np.int32))
    write_raw(day_date, pa.table(made))
    return rows
