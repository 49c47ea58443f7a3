# SPDX-License-Identifier: Apache-2.0
"""`bench forecast`: a file's households, each figure against one worked by hand, and what a missed warning is."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from duaarah.stage import bench_forecast
from duaarah.stage.bench_forecast import BadFile, ExtraMissing, Household, Tally, from_csv, run
from tests.cli.schema import faults, load

FIRST = dt.date(2026, 6, 1)  # a Monday

ENV = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}


def write(path: Path, households: dict[str, list[float | None]], skip: int = -1) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["household", "date", "energy_kwh"])
        for name, daily in households.items():
            for number, used in enumerate(daily):
                if number != skip:
                    rows.writerow([name, FIRST + dt.timedelta(days=number), "" if used is None else f"{used:.6f}"])
    return path


def figures(path: Path) -> dict[tuple[str, str], float]:
    records = list(run(path))
    assert [faults(record, load("bench")) for record in records] == [[]] * len(records)
    return {(r["figure"], r.get("method", "")): r["value"] for r in records}


def test_a_missing_date_and_an_empty_cell_are_excluded_days(tmp_path: Path) -> None:
    [house] = from_csv(write(tmp_path / "a.csv", {"r1": [1.0, 2.0, None, 4.0]}, skip=1))
    assert house == Household(name="r1", weekday=0, daily_kwh=[1.0, None, None, 4.0])


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", "household,date,energy_kwh\n", "household,date,energy_kwh\nx,tomorrow,1\n"]
    + [f"household,date,energy_kwh\nx,2026-06-01,{bad}\n" for bad in ("-1", "x", "nan", "1e99")]
    + ["household,date,energy_kwh\nx,2026-06-01,1\nx,2026-06-01,1\n"],
)
def test_what_is_no_file_of_days_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(BadFile):
        list(run(path))


def test_a_weekly_shop_is_known_better_than_by_either_mean(tmp_path: Path) -> None:
    draw = random.Random(5)
    week = [10.0, 10.0, 10.0, 10.0, 10.0, 4.0, 1.0]
    daily: list[float | None] = [week[n % 7] * draw.lognormvariate(0, 0.1) for n in range(120)]
    found = figures(write(tmp_path / "shop.csv", {"toko": daily}))
    for figure in ("next_day_rmse", "next_day_mae", "days_left_rmse_at_3", "days_left_mae_at_3"):
        assert found[figure, "ours"] < 0.7 * min(found[figure, "mean_7"], found[figure, "mean_28"])


def test_errors_of_a_step_are_those_that_one_computes_by_hand(tmp_path: Path) -> None:
    """28 days of 1 kWh, then one of 2: both means are wrong by 1 kWh, of a mean day of 30/29 kWh."""
    found = figures(write(tmp_path / "step.csv", {"r": [1.0] * 28 + [2.0]}))
    assert found["next_day_mae", "mean_7"] == found["next_day_mae", "mean_28"] == pytest.approx(29 / 30)
    assert ("days_left_mae_at_3", "ours") not in found


def test_who_is_never_warned_a_day_before_is_missed() -> None:
    """It used 1 kWh a day, then 40 at once: nobody could have said so, and every method missed it."""
    tally = Tally()
    house = Household(name="r", weekday=0, daily_kwh=[*[1.0] * 30, 40.0, *[1.0] * 3])
    bench_forecast._live(house, tally, 20.0)
    assert tally.notice == {method: [None] for method in bench_forecast.METHODS}
    even = Tally()
    bench_forecast._live(Household(name="r", weekday=0, daily_kwh=[1.0] * 60), even, 10.5)
    assert all(days is not None and 1 <= days < 4 for days in even.notice["ours"]) and len(even.notice["ours"]) == 3


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simbench", None)
    with pytest.raises(ExtraMissing, match=r"requirements-oracle\.lock"):
        list(run())
    code = "import sys; sys.modules['simbench'] = None; from duaarah.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "bench", "forecast"], capture_output=True, env=ENV, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (3, b"") and b"requirements-oracle.lock" in done.stderr


def test_the_command_prints_lines_and_refuses_a_file_in_a_sentence(tmp_path: Path) -> None:
    good = write(tmp_path / "town.csv", {"r1": [2.0 + n % 3 for n in range(40)]})
    command = [sys.executable, "-m", "duaarah", "bench", "forecast", "--csv"]
    done = subprocess.run([*command, str(good)], capture_output=True, env=ENV, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["bench"] for line in lines} == {"forecast"} and lines[0]["set"] == "town"
    for path in (tmp_path / "absent.csv", tmp_path):
        done = subprocess.run([*command, str(path)], capture_output=True, env=ENV, timeout=60, check=False)
        assert done.returncode == 2 and b"Traceback" not in done.stderr
