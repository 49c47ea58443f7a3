"""The bench of whole sessions: its line fits the schema, its tokens are credited. The meters' process belongs to the figure."""

from __future__ import annotations

import pytest

from duaarah.stage import bench_dlms_session as bench
from tests.cli.schema import faults, load


@pytest.mark.slow
def test_the_line_fits_the_schema_and_every_token_counts() -> None:
    (record,) = bench.run(sessions=60, repetitions=2)
    assert faults(record, load("bench")) == []
    assert (record["figure"], record["unit"], record["cores"]) == ("sessions_per_s", "1/s", 1)
    assert record["tokens_credited"] == 120 and record["value"] > 0
    assert record["head_end_cpu_ms"] > 0 and record["meters_cpu_ms"] > 0
