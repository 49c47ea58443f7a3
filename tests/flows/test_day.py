"""`demo --once` as a person runs it: real processes, real sockets; and each planted defect is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
KEYS = (
    "seed meters warned bought bought_elsewhere issued acknowledged rejected pending refunded"
    " sms_segments_by_smsc sms_segments_by_ledger sms_per_top_up_max retries ledger_sum_idr issued_wh"
    " accepted_by_meters_wh pending_wh rejected_wh refunded_wh double_credits ok broken"
)


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A folder that the database's user may enter (pytest's own are closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="duaarah-day-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def demo(folder: Path, *arguments: str) -> tuple[int, dict]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DUAARAH_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", "demo", "--once", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        env={**environment, "PYTHONPATH": str(ROOT / "src"), "DUAARAH_DATA": str(folder)},
        check=False,
    )
    assert done.stdout, done.stderr[-2000:]
    return done.returncode, json.loads(done.stdout)


def test_a_day_reconciles(data_folder: Path) -> None:
    status, record = demo(data_folder, "--meters", "10", "--seed", "3")
    assert status == 0 and record["ok"] and record["broken"] == []
    assert list(record) == KEYS.split()
    assert record["acknowledged"] == record["issued"] == record["bought"] + record["bought_elsewhere"] > 0
    assert record["sms_segments_by_smsc"] == record["sms_segments_by_ledger"] > 0
    assert 3 <= record["sms_per_top_up_max"] <= 5
    assert record["issued_wh"] == record["accepted_by_meters_wh"] > 0
    # One purchase in three is made elsewhere; a lost frame and a dead modem made the platform try again.
    assert abs(3 * record["bought_elsewhere"] - record["issued"]) <= 3
    assert record["retries"] >= 2


@pytest.mark.parametrize(
    ("name", "invariant"),
    [
        ("double-load", "energy_balance"),
        ("lost-ack", "lease_limit"),
        ("ledger", "ledger_zero"),
        ("sms", "segments_once"),
    ],
)
def test_a_planted_defect_is_named(data_folder: Path, name: str, invariant: str) -> None:
    status, record = demo(data_folder, "--meters", "10", "--seed", "3", "--break", name)
    assert status == 1 and not record["ok"]
    assert invariant in record["broken"]
