# SPDX-License-Identifier: Apache-2.0
"""`bench grid` on a small utility: records that fit, answers equal to the hand-written SQL, the same data from the same seed."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from duaarah.readings.columns import READINGS
from duaarah.stage import bench_grid, bench_grid_data
from tests.cli.schema import faults, load


@pytest.mark.slow
def test_the_figures_of_a_small_utility(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(bench_grid, "MEASURES", ("losses", "saidi"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "src"))
    records = list(bench_grid.run(300, 1, spark=False))
    assert [fault for record in records for fault in faults(record, load("bench"))] == []
    figures = {record["figure"]: record["value"] for record in records}
    assert figures["losses_answers_equal"] == figures["saidi_answers_equal"] == 1
    assert figures["losses_one_day"] > 0 and figures["saidi_twelve_months"] > 0
    assert 0 < figures["saidi_peak_memory"] < 1500


def test_every_measure_equals_its_sql(tmp_path: Path) -> None:
    utility = bench_grid_data.make(tmp_path, 600, 1, 3)
    for name in bench_grid.MEASURES:
        told = bench_grid._ratio(name, utility)
        assert told["equal"], name


def test_a_difference_is_seen(tmp_path: Path) -> None:
    utility = bench_grid_data.make(tmp_path, 120, 1, 3)
    tables = bench_grid.Tables(utility, bench_grid.connect(), 1)
    answer = tables.answers("losses")
    other = [answer[0].assign(sold_kwh=answer[0]["sold_kwh"] * (1 + 1e-8))]
    assert bench_grid.equal(answer, answer)
    assert not bench_grid.equal(answer, other)
    assert not bench_grid.equal(answer, [answer[0].iloc[1:]])


def test_data_is_the_seed_s(tmp_path: Path) -> None:
    one, same, other = (bench_grid_data.make(tmp_path / str(n), 60, 1, seed) for n, seed in enumerate((1, 1, 2)))
    tables = [pq.read_table(made.days[0]) for made in (one, same, other)]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])
    assert tables[0].schema.equals(READINGS)
    assert len(tables[0]) == one.rows == 61 * 96
    assert len(pq.read_table(one.outages)) == 60 * 22.5
