# SPDX-License-Identifier: Apache-2.0
"""
A household's file whose missing days are stored as 0: after validation and estimation the naive forecasts are as good
as on the file imputed by hand. The household is seeded: 1442 days, 9 of them missing, 159 weeks to learn, 46 to test.
"""

from __future__ import annotations

import numpy as np
import pytest

from duaarah.core.quality.block import Rows, layout
from duaarah.core.quality.faults import Rules
from duaarah.core.quality.verdict import Quality, judge

SLOTS, DAYS, TRAIN_DAYS, TEST_WEEKS = 24, 1442, 159 * 7, 46
MISSING = (110, 400, 401, 774, 1125, 1291, 1292, 1293, 1330)
FIRST_S = 1_672_617_600


def household(seed: int) -> np.ndarray:
    """True hourly energies, Wh: seasons, weekends, moods that last, hours of the day."""
    rng = np.random.default_rng(seed)
    day = np.arange(DAYS)
    season = 1 + 0.35 * np.cos(2 * np.pi * day / 365.25)
    mood = np.zeros(DAYS)
    for n in range(1, DAYS):
        mood[n] = 0.5 * mood[n - 1] + rng.normal(0, 0.2)
    level = 26_000 * season * np.exp(mood) * np.where(day % 7 >= 5, 1.2, 1.0)
    hour = np.arange(SLOTS)
    shape = 0.5 + np.exp(-((hour - 20) ** 2) / 8) * 2 + np.exp(-((hour - 7) ** 2) / 4)
    hours = shape * np.exp(rng.normal(0, 0.3, (DAYS, SLOTS)))
    return (level[:, None] * hours / hours.sum(axis=1, keepdims=True)).ravel()


def daily(energy: np.ndarray) -> np.ndarray:
    return energy.reshape(DAYS, SLOTS).sum(axis=1)


def rmse(days: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Of a week ahead over the tested weeks: last day seven times, last week, the same week last year, mean of 28 days."""
    errors: dict[str, list[np.ndarray]] = {"day": [], "week": [], "year": [], "mean28": []}
    for week in range(TEST_WEEKS):
        begin = TRAIN_DAYS + 7 * week
        actual = truth[begin : begin + 7]
        errors["day"].append(actual - days[begin - 1])
        errors["week"].append(actual - days[begin - 7 : begin])
        errors["year"].append(actual - days[begin - 364 : begin - 357])
        errors["mean28"].append(actual - days[begin - 28 : begin].mean())
    return {name: float(np.sqrt(np.mean(np.square(error)))) for name, error in errors.items()}


@pytest.mark.parametrize("with_register", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_file_with_days_of_zero_comes_back_to_the_imputed_result(seed: int, with_register: bool) -> None:
    true = household(seed)
    told = true.copy()
    volts = np.full(len(told), 238.0)
    imputed = daily(true)
    for missing in MISSING:
        span = slice(missing * SLOTS, (missing + 1) * SLOTS)
        told[span], volts[span] = 0.0, 0.0
        imputed[missing] = imputed[missing - 1]  # the file's usual repair: the day before
    register = np.floor(np.cumsum(true) / 10) * 10 if with_register else np.full(len(told), np.nan)
    register[volts == 0] = 0.0 if with_register else np.nan
    count = len(told)
    ints = np.ones(count, np.int32)
    at = FIRST_S + 3600 * np.arange(count)
    unknown = np.full(count, np.nan)
    rows = Rows(np.zeros(count, np.int64), at, told, register, volts, unknown, 0 * ints, ints)
    rules = Rules(period_s=3600)
    block = layout(rows, meters=1, first_s=FIRST_S, slots=count, contracted_va=np.array([np.nan]), rules=rules)
    verdict = judge(block, rules)
    after = daily(verdict.energy_wh[0])
    # Every forecast is judged by the imputed file, and each kind of input by its own.
    zero_result, imputed_result, result = rmse(daily(told), daily(told)), rmse(imputed, imputed), rmse(after, after)
    for name in imputed_result:
        print(
            f"seed {seed} {name}: zero {zero_result[name]:.0f}, imputed {imputed_result[name]:.0f}, after {result[name]:.0f}"
        )
        assert result[name] == pytest.approx(imputed_result[name], rel=0.05)
        assert abs(result[name] - imputed_result[name]) < abs(zero_result[name] - imputed_result[name])
    missing_slots = volts == 0
    assert (verdict.quality[0, missing_slots] == Quality.ESTIMATED).all()
    assert (verdict.quality[0, ~missing_slots] == Quality.VALIDATED).mean() > 0.999
    if with_register:
        for begin, end in ((110, 111), (400, 402), (774, 775), (1125, 1126), (1291, 1294), (1330, 1331)):
            assert after[begin:end].sum() == pytest.approx(daily(true)[begin:end].sum(), abs=20)
