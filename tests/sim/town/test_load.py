"""The load curve against counting hour by hour, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.sim.town.load import DAY_US, HOUR_US, WUS_PER_MWH, Curve

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
