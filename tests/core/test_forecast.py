# SPDX-License-Identifier: Apache-2.0
"""Days left: the weekday's own use, what is excluded, the band, and what is known of very little."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duaarah.core.forecast import (
    NOTHING,
    DaysLeft,
    ForecastError,
    Pace,
    days_left,
    lasts,
    needs_notice,
)

SHOP = [10.0, 10.0, 10.0, 10.0, 10.0, 4.0, 0.0]  # closed on Sundays


def left(daily: list[float | None], credit_kwh: float, weekday: int = 0, **more: float) -> DaysLeft:
    return days_left(daily_kwh=daily, weekday_of_first=weekday, credit_kwh=credit_kwh, **more)


def test_even_use_lasts_as_long_as_one_divides() -> None:
    found = left([5.0] * 30, 37.5)
    assert found.days_left == pytest.approx(7.5)
    assert found.low is not None and found.high is not None and found.low < 7.5 < found.high


def test_an_excluded_day_is_neither_zero_nor_use() -> None:
    with_outage: list[float | None] = [5.0] * 30
    with_outage[10] = with_outage[28] = with_outage[29] = None
    assert left(with_outage, 35.0).days_left == pytest.approx(7.0)
    assert left([*[5.0] * 28, 0.0, 0.0], 35.0).days_left > 8


def test_a_closed_sunday_is_foreseen_and_moves_the_week_on() -> None:
    # 12 weeks that begin on a Monday: the next day is a Monday again, and the week takes 54 kWh.
    daily = SHOP * 12
    assert left(daily, 108.0).days_left == pytest.approx(14.0, abs=1.2)
    friday = left(daily[:-3], 15.0).days_left  # Friday 10, Saturday 4, then a Sunday that takes next to nothing
    assert friday is not None and 2.0 < friday < 3.2
    pace = Pace()
    for number, used in enumerate(daily):
        pace.learn(used, number % 7)
    assert pace.factor(6) < 0.35 < 1.0 < pace.factor(0)


def test_two_weeks_do_not_make_a_weekday() -> None:
    """One party on a Saturday: the factor of Saturdays is drawn towards 1."""
    pace = Pace()
    for number in range(14):
        pace.learn(30.0 if number == 5 else 5.0, number % 7)
    assert 1.0 < pace.factor(5) < 1.7


def test_use_that_changed_is_followed_by_half_in_a_week() -> None:
    pace = Pace()
    for number in range(70):
        pace.learn(10.0 if number < 63 else 20.0, number % 7)
    assert pace.expected_kwh(0) == pytest.approx(15.0, rel=0.02)


@pytest.mark.parametrize("daily", [[], [None] * 9, [0.0] * 9, [0.0, None], [1e-9] * 5])
def test_no_use_says_nothing(daily: list[float | None]) -> None:
    assert left(daily, 10.0) == NOTHING == DaysLeft(None, None, None)
    assert not needs_notice(NOTHING)


@pytest.mark.parametrize("credit_kwh", [0, -2.5])
def test_without_credit_no_day_is_left(credit_kwh: float) -> None:
    assert left([5.0] * 10, credit_kwh) == DaysLeft(0.0, 0.0, 0.0)
    assert needs_notice(left([5.0] * 10, credit_kwh))


def test_half_of_the_day_gone_takes_half_of_its_use() -> None:
    assert left([5.0] * 30, 2.5, day_gone=0.5).days_left == pytest.approx(0.5)
    assert left([5.0] * 30, 10.0, day_gone=0.5).days_left == pytest.approx(2.0)
    week = [10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0]
    assert lasts(5.0, week, 0.5) == pytest.approx(
        6 - 0.5
    )  # the rest of Monday takes it to zero, which Sunday is the first to feel


@pytest.mark.parametrize(
    ("daily", "weekday", "credit_kwh"),
    [
        *(([used], 0, 1.0) for used in (-1.0, math.nan, math.inf)),
        *(([1.0], weekday, 1.0) for weekday in (7, -1)),
        *(([1.0], 0, credit_kwh) for credit_kwh in (math.nan, math.inf)),
        ([1.0] * 10_001, 0, 1.0),
    ],
)
def test_what_is_no_series_is_refused(daily: list[float | None], weekday: int, credit_kwh: float) -> None:
    with pytest.raises(ForecastError) as refused:
        left(daily, credit_kwh, weekday)
    assert refused.value.code == "bad_request"


def test_a_steady_meter_has_a_narrower_band_than_a_restless_one() -> None:
    steady, restless = random.Random(1), random.Random(1)
    narrow = left([5 * steady.lognormvariate(0, 0.03) for _ in range(90)], 35.0)
    wide = left([5 * restless.lognormvariate(0, 0.6) for _ in range(90)], 35.0)
    assert narrow.high - narrow.low < 0.45 * (wide.high - wide.low)


@pytest.mark.parametrize("spread", [0.1, 0.3, 0.5])
def test_the_band_holds_four_times_of_five(spread: float) -> None:
    """Households of which each day is drawn: a credit that really ends after 6 days ends inside the band."""
    draw, held = random.Random(7), 0
    for _ in range(300):
        days = [4 * draw.lognormvariate(0, spread) for _ in range(126)]
        found = left(list(days[:120]), sum(days[120:]))
        held += found.low <= 6 <= found.high
    assert 0.75 <= held / 300 <= 0.94


def test_a_short_past_has_a_usual_band() -> None:
    """Three even days are no promise: the band is as wide as a household's usually is, and not absurd."""
    found = left([5.0] * 3, 35.0)
    assert 4.5 < found.low < 6.2 and 8.0 < found.high < 11.0


@settings(max_examples=300, deadline=None)
@given(
    daily=st.lists(st.none() | st.floats(0, 500) | st.integers(0, 50), max_size=60),
    weekday=st.integers(0, 6),
    credit_kwh=st.floats(-5, 5000),
    gone=st.floats(0, 1),
)
def test_the_middle_lies_in_the_band_whatever_is_given(
    daily: list[float | None], weekday: int, credit_kwh: float, gone: float
) -> None:
    found = left(daily, credit_kwh, weekday, day_gone=gone)
    if found.days_left is None:
        assert found == NOTHING
    else:
        assert 0 <= found.low <= found.days_left <= found.high < math.inf


@settings(max_examples=100, deadline=None)
@given(credit_kwh=st.floats(0, 900), more=st.floats(0, 100), gone=st.floats(0, 0.99))
def test_more_credit_lasts_no_shorter(credit_kwh: float, more: float, gone: float) -> None:
    assert lasts(credit_kwh, SHOP, gone) <= lasts(credit_kwh + more, SHOP, gone) + 1e-9
