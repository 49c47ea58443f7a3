"""The load curve against counting hour by hour, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.sim.town.load import DAY_US, HOUR_US, QUARTER_US, WUS_PER_MWH, Curve, Habit, LivedCurve

curves = st.lists(st.integers(1, 20_000), min_size=24, max_size=24).map(tuple)


def test_one_kilowatt_for_an_hour_and_a_half() -> None:
    curve = Curve((1000,) * 24)
    assert curve.used_mwh(HOUR_US * 3 // 2) == 1_500_000
    assert curve.instant_of_mwh(1_500_000) == HOUR_US * 3 // 2
    assert curve.used_mwh(10 * DAY_US) == 240_000_000
    assert curve.instant_of_mwh(240_000_000) == 10 * DAY_US


@given(curves, st.integers(-2 * DAY_US, 5 * DAY_US))
def test_used_is_the_sum_of_its_hours(watts: tuple[int, ...], at_us: int) -> None:
    total, hour = 0, -48
    while hour * HOUR_US < at_us:
        span = min(HOUR_US, at_us - hour * HOUR_US)
        total += watts[hour % 24] * span
        hour += 1
    assert Curve(watts).used(at_us) == total - 2 * sum(watts) * HOUR_US


@given(curves, st.integers(0, 10**17))
def test_the_instant_is_the_first_with_so_much(watts: tuple[int, ...], energy: int) -> None:
    curve = Curve(watts)
    at_us = curve.instant(energy)
    assert curve.used(at_us - 1) < energy <= curve.used(at_us)


@given(curves, st.integers(0, 10**9))
def test_the_instant_of_whole_mwh(watts: tuple[int, ...], energy_mwh: int) -> None:
    curve = Curve(watts)
    at_us = curve.instant_of_mwh(energy_mwh)
    assert curve.used_mwh(at_us - 1) < energy_mwh <= curve.used_mwh(at_us) < energy_mwh + 1 + 20_000 // WUS_PER_MWH


@pytest.mark.parametrize("watts", [(100,) * 23, (100,) * 23 + (0,)])
def test_a_curve_without_24_hours_or_with_a_dark_one_is_refused(watts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="24 hours"):
        Curve(watts)


habits = st.builds(Habit, st.text(max_size=8), st.integers(0, 400), st.integers(0, 500), st.integers(50, 20_000))
lived = st.builds(LivedCurve, st.lists(st.integers(15, 9_000), min_size=24, max_size=24).map(tuple), habits)


@given(lived, st.integers(-9 * DAY_US, 9 * DAY_US))
def test_a_lived_curve_is_the_sum_of_its_quarters(curve: LivedCurve, at_us: int) -> None:
    day, rest = divmod(at_us, DAY_US)
    quarters = curve.quarters_w(day)
    whole = rest // QUARTER_US
    of_day = sum(quarters[:whole]) * QUARTER_US + (quarters[whole] if whole < 96 else 0) * (rest % QUARTER_US)
    assert len(quarters) == 96 and min(quarters) >= 1
    assert curve.used(at_us) - curve.used(day * DAY_US) == of_day
    assert curve.used((day + 1) * DAY_US) - curve.used(day * DAY_US) == sum(quarters) * QUARTER_US


@given(lived, st.integers(-3, 3))
def test_a_lived_week_has_the_energy_of_seven_mean_days(curve: LivedCurve, week: int) -> None:
    mean = 7 * Curve(curve._hourly_w).used(DAY_US)
    assert curve.used((week + 1) * 7 * DAY_US) - curve.used(week * 7 * DAY_US) == mean


@given(lived, st.integers(-(10**17), 10**17))
def test_a_lived_curve_goes_both_ways(curve: LivedCurve, energy: int) -> None:
    at_us = curve.instant(energy)
    assert curve.used(at_us - 1) < energy <= curve.used(at_us)


def test_days_and_people_differ_and_a_curve_is_always_the_same() -> None:
    hourly = (300,) * 24
    mine, yours = (LivedCurve(hourly, Habit(name, 200, 400, 2_000)) for name in ("a", "b"))
    days = [mine.quarters_w(day) for day in range(100)]
    assert len({sum(day) for day in days}) > 90 and len(set(days)) == 100
    assert mine.quarters_w(0) == days[0] == LivedCurve(hourly, Habit("a", 200, 400, 2_000)).quarters_w(0)
    assert yours.quarters_w(0) != days[0]
    assert 600 < max(max(day) for day in days) < 2_700 and min(min(day) for day in days) < 200
    with pytest.raises(ValueError, match="15 W or more"):
        LivedCurve((14,) * 24, Habit("a", 0, 0, 100))
