# SPDX-License-Identifier: Apache-2.0
"""A UTC day judged from a table of raw readings: qualities, reasons, versions; edits stand; chunks and order do not matter."""

from __future__ import annotations

import datetime as dt

import ibis
import numpy as np
import pyarrow as pa
import pytest
from tests.core.quality.households import DAY, MONDAY_S, Homes, homes

from duaarah.analytics.engines import own_connection
from duaarah.analytics.vee import judging
from duaarah.analytics.vee.judging import Edit, Meters, Off, Sources, Tally, judge_day
from duaarah.readings.columns import READINGS

DAYS = 43
BEGIN = dt.datetime.fromtimestamp(MONDAY_S - 900, dt.UTC)
DATE = (BEGIN + dt.timedelta(days=30)).date()
IDS = np.array([11, 12, 13, 40_000])
NONE = np.zeros(0, np.int64)
NO_OFF = Off(NONE, NONE, NONE)


def raw(town: Homes, keep: np.ndarray | None = None, version: int = 1) -> pa.Table:
    rows = town.rows(keep)
    count = len(rows.meter)
    ts = pa.array(rows.ts_s * 1_000_000).cast(pa.timestamp("us", "UTC"))
    values = [pa.array(v) for v in (rows.energy_wh, rows.register_wh, rows.voltage_v, rows.current_a)]
    words = [pa.array(["raw"] * count), pa.array([""] * count)]
    ints = [pa.array(np.full(count, n, np.int32)) for n in (900, 7, version)]
    columns = [pa.array(IDS[rows.meter]), ts, ints[0], *values, ints[1], *words, ints[2]]
    return pa.Table.from_arrays(columns, schema=READINGS)


def judged(
    told: pa.Table, town: Homes, *, off: Off = NO_OFF, edits: list[Edit] | None = None, prior: pa.Table | None = None
) -> tuple[pa.Table, Tally]:
    tally = Tally()
    meters = Meters(IDS, town.contracted_va, np.ones(len(IDS)))
    before = None if prior is None else ibis.memtable(prior)
    sources = Sources(ibis.memtable(told), before, own_connection())
    parts = list(judge_day(DATE, meters, off, edits or [], sources, tally=tally))
    return pa.concat_tables(parts), tally


def cells(slots: list[int]) -> list[int]:
    """Columns of the judged day: its first interval ends at 00:00 UTC, which is column 30 x 96 - 1 of the town."""
    return [30 * DAY - 1 + slot for slot in slots]


@pytest.fixture(scope="module")
def town() -> Homes:
    return homes(4, 4, DAYS)


def test_a_clean_day_is_validated_as_it_came(town: Homes) -> None:
    table, tally = judged(raw(town), town)
    assert table.schema == READINGS and table.num_rows == 4 * 96
    assert set(table["quality"].to_pylist()) == {"validated"} and set(table["reason"].to_pylist()) == {""}
    assert set(table["version"].to_pylist()) == {1} and set(table["flags"].to_pylist()) == {7}
    assert table["ts"][0].as_py() == dt.datetime.combine(DATE, dt.time(), dt.UTC)
    assert table["energy_wh"].to_pylist()[:96] == town.energy_wh[0, cells([0])[0] :][:96].tolist()
    assert tally.qualities == {"validated": 4 * 96, "absent": 0, "raw": 0, "estimated": 0, "edited": 0}


@pytest.mark.parametrize("chunk", [1, 3, 5000])
def test_gaps_spikes_and_dead_meters_whatever_the_chunks(
    town: Homes, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "CHUNK_METERS", chunk)
    monkeypatch.setattr(judging, "CHUNK_LONG_METERS", chunk)
    keep = np.ones(town.energy_wh.shape, bool)
    keep[0, cells([20, 21])] = False  # half an hour
    keep[1, cells(list(range(30, 70)))] = False  # ten hours
    keep[2, : 43 * DAY] = False  # never heard
    keep[3, cells([90])[0] :] = False  # silent since, the neighbour day and all after it too
    table, tally = judged(raw(town, keep), town)
    by = {n: table.filter(pa.compute.equal(table["meter_id"], n)) for n in IDS.tolist()}
    assert [by[11]["reason"][slot].as_py() for slot in (19, 20, 21, 22)] == ["", "gap line", "gap line", ""]
    assert set(by[12]["reason"].to_pylist()[30:70]) == {"gap like-days"}
    told = town.register_wh[1, cells([70])[0]] - town.energy_wh[1, cells([70])[0]] - town.register_wh[1, cells([29])[0]]
    assert sum(by[12]["energy_wh"].to_pylist()[30:70]) == pytest.approx(told, abs=1e-6)
    assert by[13].num_rows == 0
    assert set(by[40_000]["reason"].to_pylist()[90:]) == {"gap average"}
    assert {row["version"] for row in table.to_pylist()} == {1}
    assert tally.qualities["estimated"] == 2 + 40 + 6 and tally.qualities["absent"] == 96
    assert tally.faults == {"gap": 2 + 40 + 96 + 6}


def test_late_data_gives_a_new_version_of_what_changed_only(town: Homes) -> None:
    keep = np.ones(town.energy_wh.shape, bool)
    keep[0, cells([20, 21])] = False
    first, _ = judged(raw(town, keep), town)
    again, _ = judged(raw(town, keep), town, prior=first)
    assert again.equals(first)
    late, _ = judged(raw(town), town, prior=first)
    versions = late["version"].to_pylist()
    assert [slot for slot, version in enumerate(versions) if version != 1] == [20, 21]
    assert versions[20:22] == [2, 2] and late["quality"][20].as_py() == "validated"
    assert late["energy_wh"][20].as_py() == town.energy_wh[0, cells([20])[0]]


def test_a_value_set_by_hand_stands_and_its_undoing_gives_another_version(town: Homes) -> None:
    first, _ = judged(raw(town), town)
    at = int(first["ts"][50].as_py().timestamp())
    edited, tally = judged(raw(town), town, edits=[Edit(11, at, 123.5)], prior=first)
    row = edited.slice(50, 1).to_pylist()[0]
    assert (row["energy_wh"], row["quality"], row["reason"], row["version"]) == (123.5, "edited", "edited", 2)
    assert tally.qualities["edited"] == 1
    undone, _ = judged(raw(town), town, prior=edited)
    row = undone.slice(50, 1).to_pylist()[0]
    assert (row["energy_wh"], row["quality"], row["version"]) == (town.energy_wh[0, cells([50])[0]], "validated", 3)


def test_an_outage_of_the_log_is_nothing_drawn(town: Homes) -> None:
    keep = np.ones(town.energy_wh.shape, bool)
    keep[0, cells(list(range(40, 44)))] = False
    begin = int(dt.datetime.combine(DATE, dt.time(), dt.UTC).timestamp()) + 39 * 900
    off = Off(np.array([11]), np.array([begin]), np.array([begin + 3 * 900 + 60]))
    table, _ = judged(raw(town, keep), town, off=off)
    assert table["reason"].to_pylist()[39:45] == ["", "gap outage", "gap outage", "gap outage", "gap line", ""]
    assert table["energy_wh"].to_pylist()[40:43] == [0.0, 0.0, 0.0]


def test_a_wrong_register_and_voltage_are_not_passed_on(town: Homes) -> None:
    table = raw(town)
    ours = np.flatnonzero(table["meter_id"].to_numpy() == 12)[cells([10, 12])]
    register, volts = table["register_wh"].to_numpy().copy(), table["voltage_v"].to_numpy().copy()
    register[ours[0]] -= 3000
    volts[ours[1]] = 655.3
    table = table.set_column(4, READINGS.field(4), pa.array(register)).set_column(5, READINGS.field(5), pa.array(volts))
    found, _ = judged(table, town)
    rows = found.slice(96, 96).to_pylist()
    assert rows[10]["reason"] == "negative" and rows[10]["quality"] == "validated" and rows[10]["version"] == 2
    assert rows[10]["register_wh"] == pytest.approx(town.register_wh[1, cells([10])[0]], abs=10)
    assert rows[12]["reason"] == "voltage" and rows[12]["voltage_v"] is None and rows[12]["version"] == 2
    assert rows[11]["version"] == 1
