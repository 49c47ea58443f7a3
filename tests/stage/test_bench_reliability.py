# SPDX-License-Identifier: Apache-2.0
"""The bench of reliability counts what it made."""

from __future__ import annotations

import pytest

from duaarah.analytics.models import DailyReliability
from duaarah.stage.bench_reliability import run

pytestmark = pytest.mark.slow


def test_the_bench_counts_every_customer(database: str) -> None:
    found = {record["figure"]: record["value"] for record in run(200)}
    assert found["customers"] == found["customers of the TMP month"] == 200
    assert found["interruptions of the year"] == 730
    rows = DailyReliability.objects.filter(scope="UTILITY", superseded_at=None)
    # A minute more than each multiple of 181 minutes: some are momentary; the last day has all of them once more.
    assert sum(row.ci + row.momentary for row in rows) == 730 + 200
