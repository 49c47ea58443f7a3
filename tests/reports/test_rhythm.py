"""When a report is due."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.reports.rhythm import WIB, last_due, next_due

AT = dt.datetime(2026, 11, 25, 6, 0, tzinfo=WIB)  # a Wednesday
instants = st.integers(1_577_836_800, 2_051_222_400).map(lambda at: dt.datetime.fromtimestamp(at, dt.UTC))


@pytest.mark.parametrize(("rhythm", "hour", "weekday", "wanted"), [
    ("DAILY", 6, 0, "2026-11-26 06"), ("DAILY", 7, 0, "2026-11-25 07"), ("DAILY", 5, 0, "2026-11-26 05"),
    ("WEEKLY", 6, 2, "2026-12-02 06"), ("WEEKLY", 7, 2, "2026-11-25 07"), ("WEEKLY", 6, 0, "2026-11-30 06"),
    ("MONTHLY", 6, 0, "2026-12-01 06"), ("MONTHLY", 0, 0, "2026-12-01 00"),
])  # fmt: skip
def test_the_next_time(rhythm: str, hour: int, weekday: int, wanted: str) -> None:
    found = next_due(rhythm=rhythm, hour=hour, weekday=weekday, after_at=AT)
    assert f"{found.astimezone(WIB):%Y-%m-%d %H}" == wanted


@given(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]), st.integers(0, 23), st.integers(0, 6), instants)
def test_the_last_time_is_the_one_before_the_next(rhythm: str, hour: int, weekday: int, at: dt.datetime) -> None:
    after = next_due(rhythm=rhythm, hour=hour, weekday=weekday, after_at=at)
    before = last_due(rhythm=rhythm, hour=hour, weekday=weekday, until_at=at)
    assert before <= at < after
    assert next_due(rhythm=rhythm, hour=hour, weekday=weekday, after_at=before) == after
    assert last_due(rhythm=rhythm, hour=hour, weekday=weekday, until_at=after) == after
    assert after - before <= dt.timedelta(days={"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31}[rhythm])
