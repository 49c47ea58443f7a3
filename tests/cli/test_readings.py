"""`readings ...` as an operator runs it: a file taken twice is one, a wrong one is named, days are told, made again, verified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.flows.house import Town

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture
def readings(database: str, tmp_path: Path):  # type: ignore[no-untyped-def]
    def run(*arguments: str) -> tuple[int, list[dict], str]:
        done = subprocess.run(
            [sys.executable, "-m", "duaarah", "readings", *arguments],
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "src"),
                "DUAARAH_DATABASE_URL": database,
                "DUAARAH_READINGS": str(tmp_path / "store"),
            },
            timeout=60,
            check=False,
        )
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    return run


def test_a_file_is_taken_once_and_its_days_are_told(readings, database: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    drn = Town(tmp_path).house().meter.drn
    (tmp_path / "store").mkdir()
    lines = [f"{drn},2026-03-02T{hour:02d}:15:00Z,{hour * 10},225.{hour % 10}" for hour in range(24)]
    path = tmp_path / "from-elsewhere.csv"
    path.write_text("\n".join(["meter,ts,energy_wh,voltage_v", *lines]) + "\n")
    assert readings("status") == (0, [], "readings: there are no readings in day files yet.\n")
    for _ in range(2):
        status, told, _error = readings("backfill", str(path))
        assert (status, told) == (0, [{"file": "from-elsewhere.csv", "rows": 24}])
    status, [done], _error = readings("compact", "--open")
    assert status == 0 and (done["rows"], done["days"]) == (48, 1)
    day = {"day": "2026-03-02", "rows": 24, "meters": 1, "newest": "2026-03-02T23:15:00Z", "checked": False}
    assert readings("status")[:2] == (0, [day])
    assert readings("rebuild", "2026-03-01..2026-03-02")[:2] == (0, [{"days": 1}])
    assert readings("verify")[:2] == (0, [{"wrong": []}])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("meter,ts,energy_wh\n99000000001,2026-03-02T00:15:00Z,1\n", "There is no meter 99000000001"),
        ("meter,energy_wh\n1,2\n", "has the columns ts and meter"),
        ("meter,ts\n1,2026-03-02T00:15:00Z\n", "none of the columns energy_wh"),
        ("meter,ts,energy_wh\n1,yesterday,1\n", "values of another kind"),
        ("meter,ts\n1,2,3\n", "cannot be read as CSV"),
    ],
)
def test_a_wrong_file_is_named_and_nothing_lands(readings, tmp_path: Path, text: str, words: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    status, told, error = readings("backfill", str(path))
    assert (status, told) == (1, []) and "wrong.csv: " in error and words in error and "Traceback" not in error
    assert readings("status")[1] == []


def test_wrong_usage_is_a_sentence(readings) -> None:  # type: ignore[no-untyped-def]
    assert readings("rebuild", "july")[0] == readings("rebuild", "2026-03-02..2026-03-01")[0] == 2
    status, _told, error = readings("backfill", "nowhere.parquet")
    assert status == 1 and "nowhere.parquet" in error and "Traceback" not in error
