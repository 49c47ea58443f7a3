# SPDX-License-Identifier: Apache-2.0
"""`grid profile` and `grid balance` against a plain loop over the same rows; duplicates, ties, nulls, faults."""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.schema import faults, load
from tests.cli.test_grid_indices import run

FIRST = dt.datetime(2026, 3, 1, 0, 15)  # noqa: DTZ001 (as a file without a zone has it)
QUARTER = dt.timedelta(minutes=15)
Row = tuple[str, dt.datetime, float | None, float | None]


def write(path: Path, rows: list[Row], unit: str = "us", zone: str | None = None) -> Path:
    meters, instants, energies, voltages = zip(*rows, strict=True) if rows else ((), (), (), ())
    table = pa.table(
        {
            "meter_id": pa.array(meters, pa.string()),
            "ts": pa.array(instants, pa.timestamp(unit, tz=zone)),
            "energy_wh": pa.array(energies, pa.float64()),
            "voltage_v": pa.array(voltages, pa.float64()),
        }
    )
    pq.write_table(table, path, row_group_size=500)
    return path


def topology(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("meter_id", "transformer_id", "role"), *rows])
    return path


def noisy(seed: int, meters: int = 12, steps: int = 96) -> list[Row]:
    """Readings out of order, 3 % lost, 8 % twice with other values."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for meter in range(meters):
        for step in range(steps):
            if chance.random() < 0.97:
                voltage = None if chance.random() < 0.05 else round(chance.gauss(212, 9), 1)
                rows.append((f"m{meter}", FIRST + step * QUARTER, round(chance.expovariate(1 / 90), 1), voltage))
    again = [
        (m, ts, round(chance.expovariate(1 / 90), 1), None) for m, ts, _, _ in chance.sample(rows, len(rows) // 12)
    ]
    rows += again
    chance.shuffle(rows)
    return rows


def last_rows(rows: list[Row]) -> dict[tuple[str, dt.datetime], tuple[float | None, float | None]]:
    return {(meter, ts): (wh, volt) for meter, ts, wh, volt in rows}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_profile_is_what_a_loop_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    rows = noisy(seed)
    file = write(tmp_path / "r.parquet", rows, *(("us",), ("ns",), ("ms", "UTC"))[seed % 3])
    status, [found], errors = run(capsys, "profile", "--readings", str(file))
    assert (status, errors) == (0, "")
    assert faults(found, load("grid-profile")) == []
    own: defaultdict[str, float] = defaultdict(float)
    curve: defaultdict[dt.datetime, float] = defaultdict(float)
    for (meter, ts), (wh, _) in last_rows(rows).items():
        curve[ts] += (wh or 0) * 4 / 1000
        own[meter] = max(own[meter], (wh or 0) * 4 / 1000)
    energy = sum(curve.values()) / 4
    peak = max(curve.values())
    hours = (max(curve) - min(curve) + QUARTER).total_seconds() / 3600
    assert found["energy_kwh"] == pytest.approx(energy, rel=1e-12)
    assert found["peak_kw"] == pytest.approx(peak, rel=1e-12)
    assert found["peak_ts"] == max(curve, key=lambda ts: curve[ts]).isoformat() + "Z"
    assert found["load_factor"] == pytest.approx(energy / peak / hours, rel=1e-12)
    assert found["coincidence"] == pytest.approx(peak / sum(own.values()), rel=1e-12)
    assert found["diversity"] == pytest.approx(1 / found["coincidence"], rel=1e-12)


def test_the_last_row_of_the_file_wins_with_its_nulls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Row] = [
        ("a", FIRST, 9000.0, 150.0),
        ("b", FIRST, 100.0, 199.0),
        ("a", FIRST, 250.0, None),
        ("b", FIRST + QUARTER, 250.0, float("nan")),
    ]
    file = write(tmp_path / "r.parquet", rows)
    status, [found], _ = run(capsys, "profile", "--readings", str(file))
    assert status == 0
    assert (found["energy_kwh"], found["peak_kw"], found["peak_ts"]) == (0.6, 1.4, "2026-03-01T00:15:00Z")
    assert found["load_factor"] == pytest.approx(0.6 / (1.4 * 0.5), rel=1e-14)
    assert found["coincidence"] == pytest.approx(1.4 / 2.0, rel=1e-14)
    places = topology(tmp_path / "t.csv", [("a", "T", "customer"), ("b", "T", "customer")])
    _, [balance], _ = run(capsys, "balance", "--readings", str(file), "--topology", str(places))
    assert (balance["below_198_intervals"], balance["above_231_intervals"], balance["v_min"]) == (0, 0, 199.0)
    assert balance["completeness"] == 0.75


def test_of_equal_peaks_the_earliest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = [0.1, 0.2, 0.3]  # their sum depends on the order in the last digit
    rows: list[Row] = []
    for step, order in enumerate(([1, 1, 1], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1])):
        rows += [(f"m{i}", FIRST + step * QUARTER, wh if step else 0.0, None) for i, wh in enumerate(order)]
    file = write(tmp_path / "r.parquet", list(reversed(rows)))
    _, [found], _ = run(capsys, "profile", "--readings", str(file))
    assert found["peak_ts"] == "2026-03-01T00:30:00Z"
    assert found["peak_kw"] == pytest.approx(sum(values) * 4 / 1000, rel=1e-12)


def test_no_energy_has_no_factors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "r.parquet", [("a", FIRST + QUARTER, 0.0, 220.0), ("a", FIRST, 0.0, 220.0)])
    _, [found], _ = run(capsys, "profile", "--readings", str(file), "--interval", "30")
    assert found == {
        **{"energy_kwh": 0, "peak_kw": 0, "peak_ts": "2026-03-01T00:15:00Z"},
        **{"load_factor": None, "coincidence": None, "diversity": None},
    }


@pytest.mark.parametrize("seed", [4, 5])
def test_balance_is_what_a_loop_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    rows = noisy(seed, meters=14)
    places = [(f"m{i}", f"T{i % 3}", "total" if i in (0, 3, 4) else "customer") for i in range(12)]
    places += [("m_silent", "T1", "customer"), ("m_far", "T10", "total")]
    file, names = write(tmp_path / "r.parquet", rows), topology(tmp_path / "t.csv", places)
    status, lines, errors = run(capsys, "balance", "--readings", str(file), "--topology", str(names))
    assert (status, errors) == (0, "")
    assert [line["transformer_id"] for line in lines] == ["T0", "T1", "T10", "T2"]
    kept = last_rows(rows)
    steps = (max(ts for _, ts in kept) - min(ts for _, ts in kept)) / QUARTER + 1
    for line in lines:
        assert faults(line, load("grid-balance")) == []
        own = {m: role for m, t, role in places if t == line["transformer_id"]}
        mine = {key: value for key, value in kept.items() if key[0] in own}
        sold = sum(wh or 0 for (m, _), (wh, _) in mine.items() if own[m] == "customer") / 1000
        bought = sum(wh or 0 for (m, _), (wh, _) in mine.items() if own[m] == "total") / 1000
        volts = {key: v for key, (_, v) in mine.items() if v is not None and own[key[0]] == "customer"}
        assert line["sold_kwh"] == pytest.approx(sold, rel=1e-12)
        if "total" in own.values():
            assert line["input_kwh"] == pytest.approx(bought, rel=1e-12)
            assert line["loss_kwh"] == pytest.approx(bought - sold, rel=1e-9)
            pct = pytest.approx(100 * (bought - sold) / bought, rel=1e-9) if bought else None
            assert line["loss_pct"] == pct
        else:
            assert (line["input_kwh"], line["loss_kwh"], line["loss_pct"]) == (None, None, None)
        assert line["completeness"] == pytest.approx(len(mine) / (len(own) * steps), rel=1e-14)
        low = {key for key, v in volts.items() if v < 198}
        assert line["below_198_intervals"] == len(low)
        assert line["below_198_meters"] == len({m for m, _ in low})
        assert line["above_231_intervals"] == sum(v > 231 for v in volts.values())
        if volts:
            ts, meter = min((ts, m) for (m, ts), v in volts.items() if v == min(volts.values()))
            assert (line["v_min"], line["v_min_meter"]) == (min(volts.values()), meter)
            assert line["v_min_ts"] == ts.isoformat() + "Z"
        else:
            assert (line["v_min"], line["v_min_ts"], line["v_min_meter"]) == (None, None, None)


def test_voltage_limits_are_strict_and_its_ties_go_by_time_then_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Row] = [
        ("b", FIRST + QUARTER, 1.0, 198.0),
        ("a", FIRST + 2 * QUARTER, 1.0, 198.0),
        ("c", FIRST + QUARTER, 1.0, 198.0),
        ("a", FIRST, 1.0, 231.0),
        ("total", FIRST, 5.0, 100.0),
        ("stranger", FIRST + 3 * QUARTER, 1.0, 10.0),
    ]
    file = write(tmp_path / "r.parquet", rows)
    places = topology(tmp_path / "t.csv", [*((m, "T", "customer") for m in "cba"), ("total", "T", "total")] * 2)
    _, [found], _ = run(capsys, "balance", "--readings", str(file), "--topology", str(places))
    assert (found["below_198_intervals"], found["below_198_meters"], found["above_231_intervals"]) == (0, 0, 0)
    assert (found["v_min"], found["v_min_ts"], found["v_min_meter"]) == (198.0, "2026-03-01T00:30:00Z", "b")
    assert (found["input_kwh"], found["sold_kwh"], found["loss_pct"]) == (0.005, 0.004, pytest.approx(20.0))
    assert found["completeness"] == 5 / 16


def _without(path: Path, column: str) -> None:
    pq.write_table(pq.read_table(path).drop_columns([column]), path)


def test_faults_of_files_are_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, places = tmp_path / "r.parquet", tmp_path / "t.csv"
    arguments = ("--readings", str(file))

    def refused(code: str, words: str, *command: str) -> None:
        status, [found], _ = run(capsys, *command)
        assert (status, found["error"]) == (1, code)
        assert words in found["message"]
        assert faults(found, load(f"grid-{command[0]}")) == []

    file.write_text("no parquet")
    refused("bad_file", "no Parquet file", "profile", *arguments)
    write(file, [])
    refused("no_readings", "no reading", "profile", *arguments)
    write(file, [("a", FIRST, 1.0, 220.0)])
    for text, code, words in (
        ("", "bad_file", "is empty"),
        ("meter_id,transformer_id,role\n", "bad_file", "no meter"),
        ("meter_id,role\n", "bad_file", "transformer_id"),
        ("meter_id,transformer_id,role\na,T,thief\n", "bad_row", "thief is no role"),
        ("meter_id,transformer_id,role\na,T,customer\na,U,customer\n", "bad_row", "another place"),
    ):
        places.write_text(text)
        refused(code, words, "balance", *arguments, "--topology", str(places))
    places.write_text("meter_id,transformer_id,role\na,T,customer\n")
    _without(file, "voltage_v")
    refused("bad_file", "no column voltage_v", "balance", *arguments, "--topology", str(places))
    _without(file, "energy_wh")
    refused("bad_file", "no column energy_wh", "profile", *arguments)
    pq.write_table(pa.table({"meter_id": ["a"], "ts": ["now"], "energy_wh": [1.0]}), file)
    refused("bad_file", "the column ts holds string", "profile", *arguments)


def test_wrong_usage_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "r.parquet", [("a", FIRST, 1.0, 220.0)])
    for wrong in (("--interval", "0"), ("--engine", "abacus"), ("--readings", "/nowhere")):
        status, records, errors = run(capsys, "profile", "--readings", str(file), *wrong)
        assert (status, records) == (2, [])
        assert errors.strip()


def test_without_java_or_pyspark_exit_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "r.parquet", [("a", FIRST, 1.0, 220.0)])
    monkeypatch.setattr("duaarah.analytics.engines.shutil.which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    status, records, errors = run(capsys, "profile", "--readings", str(file), "--engine", "spark")
    assert (status, records) == (3, [])
    assert "Java 17" in errors or "pyspark" in errors
    monkeypatch.setattr("duaarah.analytics.engines.importlib.util.find_spec", lambda name: None)
    status, records, errors = run(capsys, "profile", "--readings", str(file), "--engine", "spark")
    assert (status, records) == (3, [])
    assert "requirements-cluster.lock" in errors


def test_a_cluster_that_does_not_answer_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setattr("duaarah.analytics.engines.shutil.which", lambda name: "/usr/bin/java")
    file = write(tmp_path / "r.parquet", [("a", FIRST, 1.0, 220.0)])
    for master, words in (("spark://127.0.0.1:1", "No Spark master answers"), ("http://x", "spark://HOST:PORT")):
        status, [found], _ = run(
            *(capsys, "profile", "--readings", str(file), "--engine", "spark", "--spark-master", master)
        )
        assert (status, found["error"]) == (1, "engine_failed")
        assert words in found["message"]
