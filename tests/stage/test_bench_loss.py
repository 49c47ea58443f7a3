# SPDX-License-Identifier: Apache-2.0
"""The lossy town in small: what is lost is asked for and comes, and every token is confirmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from duaarah.headend.models import Command
from duaarah.stage import bench_loss
from tests.cli.schema import faults, load

pytestmark = pytest.mark.slow


def test_a_lossy_day_is_whole_before_it_is_24_hours_old(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_loss, "LOSE", 0.12)
    records = list(bench_loss.run(tmp_path, "a passphrase for tests", meters=12, days=1))
    assert [faults(record, load("bench")) for record in records] == [[]] * len(records)
    found = {record["figure"]: record["value"] for record in records}
    assert found["daily_complete_unasked_percent"] < 100 == found["daily_complete_24h_percent"]
    assert found["tokens_confirmed_percent"] == 100
    assert 4 < found["token_confirmed_median_s"] < 30
    assert Command.objects.filter(kind="DAY_SUMMARY", state="ACKED").exists()
