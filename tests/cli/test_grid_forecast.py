# SPDX-License-Identifier: Apache-2.0
"""`grid forecast`: one answer a line, in order; a bad line in its place; exit 1 when one failed, 2 for wrong usage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.schema import faults, load

ENV = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
GOOD = {"daily_kwh": [5, 5.0, None, 5], "weekday_of_first": 0, "credit_kwh": 35.2}


def run(text: str, *arguments: str) -> tuple[int, list[dict], str]:
    command = [sys.executable, "-m", "duaarah", "grid", *(arguments or ("forecast",))]
    done = subprocess.run(command, input=text.encode(), capture_output=True, env=ENV, timeout=60, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.decode().splitlines()], done.stderr.decode()


def test_a_good_line_says_days_in_their_band() -> None:
    status, [answer], errors = run(json.dumps(GOOD) + "\n\n")
    assert (status, errors) == (0, "")
    assert answer["days_left"] == pytest.approx(7.04)
    assert answer["low"] <= answer["days_left"] <= answer["high"]
    assert faults(answer, load("grid-forecast")) == faults(GOOD, load("grid-forecast-request")) == []


def test_no_use_is_nulls_and_no_error() -> None:
    lines = [{**GOOD, "daily_kwh": []}, {**GOOD, "daily_kwh": [None, 0, 0.0]}]
    status, answers, _ = run("\n".join(map(json.dumps, lines)))
    assert (status, answers) == (0, [{"days_left": None, "low": None, "high": None}] * 2)


WRONG = [
    "nonsense",
    "[1]",
    "\udcff",
    '{"daily_kwh": [NaN], "weekday_of_first": 0, "credit_kwh": 1}',
    *(
        json.dumps({**GOOD, **change})
        for change in (
            {"daily_kwh": None},
            {"daily_kwh": "5"},
            {"daily_kwh": ["5"]},
            {"daily_kwh": [True]},
            {"daily_kwh": [-0.1]},
            {"daily_kwh": [10**400]},
            {"weekday_of_first": 7},
            {"weekday_of_first": 1.5},
            {"weekday_of_first": None},
            {"credit_kwh": None},
            {"credit_kwh": "35"},
            {"credit_kwh": 10**400},
        )
    ),
]


def test_a_bad_line_is_answered_in_its_place_and_the_run_goes_on() -> None:
    text = "\n".join([*WRONG, json.dumps(GOOD)])
    command = [sys.executable, "-m", "duaarah", "grid", "forecast"]
    done = subprocess.run(
        command, input=text.encode("utf-8", "surrogateescape"), capture_output=True, env=ENV, timeout=60, check=False
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("error") for answer in answers] == ["bad_request"] * len(WRONG) + [None]
    assert all(faults(answer, load("grid-forecast")) == [] for answer in answers)
    assert done.returncode == 1


def test_wrong_usage_is_exit_2() -> None:
    assert run("", "dance")[0] == 2
