# SPDX-License-Identifier: Apache-2.0
"""Estimates: exact to the register over a gap, like the household in it, nothing where nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest
from tests.core.quality.households import DAY, MONDAY_S, Homes, homes

from duaarah.core.quality.block import Block, layout
from duaarah.core.quality.gaps import How
from duaarah.core.quality.verdict import Quality, judge, reasons


def block_of(town: Homes, keep: np.ndarray | None = None, off: np.ndarray | None = None) -> Block:
    meters, slots = town.energy_wh.shape
    return layout(
        town.rows(keep), meters=meters, first_s=MONDAY_S, slots=slots, contracted_va=town.contracted_va, off=off
    )


def hole(town: Homes, meter: int, first: int, size: int) -> np.ndarray:
    keep = np.ones(town.energy_wh.shape, bool)
    keep[meter, first : first + size] = False
    return keep


@pytest.mark.parametrize("size", [1, 2, 8, 9, 16, 96, 300])
@pytest.mark.parametrize("seed", [3, 77])
def test_the_energy_over_a_gap_is_the_registers_difference(seed: int, size: int) -> None:
    town = homes(seed, 4, 35)
    first = 10 * DAY + 61
    verdict = judge(block_of(town, hole(town, 2, first, size)))
    span = slice(first, first + size)
    told = town.register_wh[2, first + size] - town.energy_wh[2, first + size] - town.register_wh[2, first - 1]
    assert verdict.energy_wh[2, span].sum() == pytest.approx(max(told, 0), abs=1e-6)
    assert abs(verdict.energy_wh[2, span].sum() - town.energy_wh[2, span].sum()) <= 10.0  # 0.01 kWh
    assert set(verdict.quality[2, span].tolist()) == {Quality.ESTIMATED}
    expected = How.REGISTER if size == 1 else How.LINE if size <= 8 else How.LIKE_DAYS
    assert set(verdict.how[2, span].tolist()) == {expected}
    others = np.ones(town.energy_wh.shape, bool)
    others[2, span] = False
    assert (verdict.energy_wh[others] == town.energy_wh[others]).all()
    assert set(verdict.quality[others].tolist()) == {Quality.VALIDATED}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_four_hour_gaps_are_within_35_percent_an_interval(seed: int) -> None:
    """Eight gaps a household at seeded places; the error of each interval against what it truly drew."""
    town = homes(seed, 40, 56)
    rng = np.random.default_rng(seed + 1000)
    keep = np.ones(town.energy_wh.shape, bool)
    for meter in range(40):
        for day in rng.choice(np.arange(28, 50), 8, replace=False):
            first = int(day) * DAY + int(rng.integers(0, DAY - 16))
            keep[meter, first : first + 16] = False
    verdict = judge(block_of(town, keep))
    errors = np.abs(verdict.energy_wh[~keep] - town.energy_wh[~keep]) / town.energy_wh[~keep]
    assert (verdict.how[~keep] == How.LIKE_DAYS).all()
    print(f"seed {seed}: MAPE of 4-h gaps {100 * errors.mean():.1f} %")
    assert errors.mean() <= 0.35


def test_a_gap_without_an_end_is_the_like_days_average_and_says_so() -> None:
    town = homes(5, 2, 29)
    keep = hole(town, 0, 28 * DAY + 40, DAY - 40)
    verdict = judge(block_of(town, keep))
    span = slice(28 * DAY + 40, 29 * DAY)
    like = np.mean(
        [town.energy_wh[0, span.start - 7 * DAY * k : span.stop - 7 * DAY * k] for k in (1, 2, 3, 4)], axis=0
    )
    assert verdict.energy_wh[0, span] == pytest.approx(like)
    assert (verdict.how[0, span] == How.AVERAGE).all()
    assert (verdict.quality[0, span] == Quality.ESTIMATED).all()
    assert reasons(verdict.faults, verdict.how)[0, span.start] == "gap average"


def test_a_meter_that_never_told_anything_is_not_zero_use() -> None:
    town = homes(6, 3, 3)
    keep = hole(town, 1, 0, 3 * DAY)
    verdict = judge(block_of(town, keep))
    assert np.isnan(verdict.energy_wh[1]).all() and np.isnan(verdict.register_wh[1]).all()
    assert (verdict.quality[1] == Quality.ABSENT).all()
    assert np.isfinite(verdict.energy_wh[[0, 2]]).all()


def test_days_of_estimates_only_are_estimated_again_when_the_register_comes() -> None:
    """First an average without an end; a week later the register is there, and the sum is exact: no day is skipped."""
    town = homes(8, 1, 45)
    before = hole(town, 0, 30 * DAY, 15 * DAY)
    first = judge(block_of(town, before))
    days = slice(30 * DAY, 33 * DAY)
    assert (first.how[0, days] == How.AVERAGE).all()
    later = judge(block_of(town, hole(town, 0, 30 * DAY, 3 * DAY)))
    assert (later.how[0, days] == How.LIKE_DAYS).all()
    assert later.energy_wh[0, days].sum() == pytest.approx(town.energy_wh[0, days].sum(), abs=10.0)


def test_nothing_is_drawn_in_a_logged_outage_and_the_rest_takes_the_difference() -> None:
    town = homes(9, 1, 35)
    first = 20 * DAY + 30
    off = np.zeros(town.energy_wh.shape, bool)
    off[0, first + 4 : first + 14] = True
    town.register_wh[0, first + 4 :] -= np.floor(town.energy_wh[0, first + 4 : first + 14].sum() / 10) * 10
    verdict = judge(block_of(town, hole(town, 0, first, 20), off))
    span = slice(first, first + 20)
    assert (verdict.energy_wh[0, first + 4 : first + 14] == 0).all()
    assert (verdict.how[0, first + 4 : first + 14] == How.OUTAGE).all()
    told = town.register_wh[0, first + 20] - town.energy_wh[0, first + 20] - town.register_wh[0, first - 1]
    assert verdict.energy_wh[0, span].sum() == pytest.approx(told, abs=1e-6)


def test_a_gap_over_a_rollover_is_exact_and_one_over_a_reset_has_no_end() -> None:
    town = homes(10, 2, 35)
    first = 20 * DAY
    over = town.register_wh[0, first + 5]
    town.register_wh[0] = np.mod(town.register_wh[0] - over + 1e9, 1e9)  # passes the highest figure within the gap
    town.register_wh[1, first + 5 :] -= town.register_wh[1, first + 5]
    keep = hole(town, 0, first, 16) & hole(town, 1, first, 16)
    verdict = judge(block_of(town, keep))
    span = slice(first, first + 16)
    assert verdict.energy_wh[0, span].sum() == pytest.approx(town.energy_wh[0, span].sum(), abs=10.0)
    assert (verdict.register_wh[0] < 1e9).all()
    assert (verdict.how[1, span] == How.AVERAGE).all()
    assert "rollover" in reasons(verdict.faults, verdict.how)[0, first + 16]
    assert "reset" in reasons(verdict.faults, verdict.how)[1, first + 16]
