"""`sts batch` as a script sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = {
    "op": "issue",
    "dkga": "04",
    "ea": "11",
    "vending_key": "abababababababab949494949494949401234567",
    "pan": "600727000000000009",
    "sgc": "201457",
    "ti": "01",
    "krn": 1,
    "kt": 2,
    "ken": 255,
    "base_date": 2014,
    "class": 0,
    "subclass": 0,
    "issued_at": "2026-07-11T00:30",
    "field": 256,
    "rnd": 5,
}
WRONG = [
    ({"issued_at": "2026-07-11T00:30+07:00"}, "bad_request"),
    ({"issued_at": "2046-01-01T00:00"}, "date_range"),
    ({"pan": "60072700000000000"}, "pan_length"),
    ({"pan": "600727000000000008"}, "pan_luhn"),
    ({"pan": "600727123456789048"}, "drn_luhn"),
    ({"vending_key": "abab"}, "key_length"),
    ({"field": 65536}, "field_range"),
    ({"field": None, "amount": "1820162.5"}, "amount_range"),
    ({"field": None, "amount": "-0.1"}, "amount_negative"),
    ({"ken": 1}, "ken_expired"),
    ({"op": "decode", "token": "123"}, "token_length"),
    ({"op": "decode", "token": "7" * 20}, "token_range"),
    ({"op": "dance"}, "bad_request"),
    ({"op": "key_change", "new": {"ken": 1}}, "new_ken_expired"),
]


def run(lines: list[str]) -> tuple[int, list[dict], str]:
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", "sts", "batch"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_issue_and_decode_in_order_blank_lines_ignored() -> None:
    status, (issued,), _ = run([json.dumps(GOOD), "", "  "])
    assert status == 0 and issued["tid"] == 6586590
    status, (decoded, used), _ = run(
        [
            json.dumps({**GOOD, "op": "decode", "token": issued["token"]}),
            json.dumps({**GOOD, "op": "decode", "token": issued["token"], "tid_store": [issued["tid"]]}),
        ]
    )
    assert status == 0
    assert decoded == {
        "result": "accept",
        "class": 0,
        "subclass": 0,
        "rnd": 5,
        "tid": 6586590,
        "issued_at": "2026-07-11T00:30",
        "field": 256,
        "amount": "25.6",
        "steps": 256,
    }
    assert used["result"] == "used"


def test_bad_lines_are_answered_in_place_and_the_run_goes_on() -> None:
    lines = [json.dumps({k: v for k, v in {**GOOD, **change}.items() if v is not None}) for change, _ in WRONG]
    status, answers, errors = run([*lines, "{", json.dumps(GOOD)])
    assert status == 1
    assert [a["error"] for a in answers[:-1]] == [*(code for _, code in WRONG), "bad_request"]
    assert all(a["message"].endswith(".") for a in answers[:-1])
    assert len(answers[-1]["token"]) == 20
    assert "abababab" not in errors


@pytest.mark.parametrize("arguments", [["sts"], ["sts", "nothing"], ["nothing"], []])
def test_wrong_usage_ends_with_2_and_words(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert done.returncode == 2 and done.stderr and not done.stdout
