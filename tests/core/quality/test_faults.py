# SPDX-License-Identifier: Apache-2.0
"""Each fault found where it was planted, hardly one where none was; clean data passes untouched."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from tests.core.quality.households import DAY, MONDAY_S, PERIOD_S, Homes, homes

from duaarah.core.quality.block import Block, Rows, layout
from duaarah.core.quality.faults import Fault, words
from duaarah.core.quality.verdict import Quality, judge

METERS, DAYS = 60, 7


def judged(
    town: Homes, rows: Rows | None = None, off: np.ndarray | None = None
) -> tuple[Block, np.ndarray, np.ndarray]:
    """The block, the faults found, and the qualities."""
    meters, slots = town.energy_wh.shape
    block = layout(
        rows or town.rows(), meters=meters, first_s=MONDAY_S, slots=slots, contracted_va=town.contracted_va, off=off
    )
    verdict = judge(block)
    return block, verdict.faults, verdict.quality


def places(seed: int, town: Homes, width: int, least_wh: float = 60.0) -> list[tuple[int, int]]:
    """One place a meter, away from the ends, where the household draws something that a fault can show in."""
    rng = np.random.default_rng(seed)
    found = []
    for meter in range(len(town.energy_wh)):
        while True:
            at = int(rng.integers(8, town.energy_wh.shape[1] - width - 8))
            if town.energy_wh[meter, at : at + width].min() >= least_wh:
                found.append((meter, at))
                break
    return found


def count(town: Homes, start: np.ndarray) -> None:
    """Registers counted anew from the true energies, cut to 10 Wh."""
    town.register_wh[:] = np.floor((start[:, None] + np.cumsum(town.energy_wh, axis=1)) / 10) * 10


def spike(town: Homes, meter: int, at: int) -> None:
    town.energy_wh[meter, at] = town.contracted_va[meter] * 1.1 * 0.25 * 1.02


def negative_energy(town: Homes, meter: int, at: int) -> None:
    town.energy_wh[meter, at] *= -1


def dip(town: Homes, meter: int, at: int) -> None:
    town.register_wh[meter, at] -= 5000


def hump(town: Homes, meter: int, at: int) -> None:
    town.register_wh[meter, at] += 5000


def reset(town: Homes, meter: int, at: int) -> None:
    town.register_wh[meter, at:] -= np.floor((town.register_wh[meter, at] - town.energy_wh[meter, at]) / 10) * 10


def swap(town: Homes, meter: int, at: int) -> None:
    town.register_wh[meter, at:] += 7_654_320 if meter % 2 else -town.register_wh[meter, at] + 81_230


def rollover(town: Homes, meter: int, at: int) -> None:
    town.register_wh[meter] = np.mod(town.register_wh[meter] - town.register_wh[meter, at] + 1e9, 1e9)


def stuck(town: Homes, meter: int, at: int) -> None:
    town.register_wh[meter, at : at + 8] = town.register_wh[meter, at - 1]
    town.energy_wh[meter, at : at + 8] = 0
    town.energy_wh[meter, at + 8] = town.register_wh[meter, at + 8] - town.register_wh[meter, at - 1]


def repeated(town: Homes, meter: int, at: int) -> None:
    town.energy_wh[meter, at + 1] += town.energy_wh[meter, at]
    town.energy_wh[meter, at] = 0
    town.register_wh[meter, at] = town.register_wh[meter, at - 1]


def mismatch(town: Homes, meter: int, at: int) -> None:
    town.energy_wh[meter, at] *= 0.6


def no_volts(town: Homes, meter: int, at: int) -> None:
    town.voltage_v[meter, at] = 655.3 if meter % 2 else 2.0


def no_amperes(town: Homes, meter: int, at: int) -> None:
    town.current_a[meter, at] = -0.4 if meter % 2 else 65.0


def no_power(town: Homes, meter: int, at: int) -> None:
    town.current_a[meter, at] *= 0.3


CASES: list[tuple[Callable[[Homes, int, int], None], Fault, int]] = [
    (spike, Fault.SPIKE, 1),
    (negative_energy, Fault.NEGATIVE, 1),
    (dip, Fault.NEGATIVE, 1),
    (hump, Fault.NEGATIVE | Fault.SUM_MISMATCH, 1),
    (reset, Fault.RESET, 1),
    (swap, Fault.METER_SWAP, 1),
    (rollover, Fault.ROLLOVER, 1),
    (stuck, Fault.STUCK, 8),
    (repeated, Fault.REPEATED, 2),
    (mismatch, Fault.SUM_MISMATCH, 1),
    (no_volts, Fault.VOLTAGE, 1),
    (no_amperes, Fault.CURRENT, 1),
    (no_power, Fault.POWER, 1),
]


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize(("plant", "fault", "width"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_planted_fault_is_found_where_it_is_and_nothing_else_is(
    plant: Callable[[Homes, int, int], None], fault: Fault, width: int, seed: int
) -> None:
    town = homes(seed, METERS, DAYS)
    planted = np.zeros(town.energy_wh.shape, bool)
    near = planted.copy()
    for meter, at in places(seed + 500, town, width):
        plant(town, meter, at)
        planted[meter, at : at + width] = True
        near[meter, at - 1 : at + width + 1] = True
    _, faults, _ = judged(town)
    recall = ((faults[planted] & fault) != 0).mean()
    false = ((faults & ~Fault.GAP) != 0)[~near].mean()
    print(f"{plant.__name__} seed {seed}: recall {recall:.4f}, false flags {100 * false:.3f} %")
    assert recall >= 0.99
    assert false <= 0.001


@pytest.mark.parametrize("seed", [21, 22, 23])
def test_all_faults_together_are_found_with_hardly_a_false_flag(seed: int) -> None:
    town = homes(seed, 13 * 12, 28)
    planted = np.zeros(town.energy_wh.shape, np.int32)
    near = np.zeros(town.energy_wh.shape, bool)
    width = max(case[2] for case in CASES)
    for meter, at in places(seed + 900, town, width):
        plant, fault, wide = CASES[meter % len(CASES)]
        plant(town, meter, at)
        planted[meter, at : at + wide] = fault
        near[meter, at - 1 : at + wide + 1] = True
    _, faults, _ = judged(town)
    recall = ((faults & planted) != 0)[planted != 0].mean()
    false = ((faults & ~Fault.GAP) != 0)[~near].mean()
    print(f"seed {seed}: recall {recall:.4f}, false flags {100 * false:.4f} %")
    assert recall >= 0.99
    assert false <= 0.001


@pytest.mark.parametrize("seed", [31, 32])
def test_clean_readings_pass_untouched(seed: int) -> None:
    town = homes(seed, 100, 14)
    block, faults, quality = judged(town)
    assert ((faults != 0).mean()) <= 0.001
    assert (quality == Quality.VALIDATED).mean() >= 0.999
    assert (block.energy_wh == town.energy_wh).all()


def test_replaced_values_keep_the_register() -> None:
    """Spike, stuck and repeated values are drawn anew; the sum over them is what the register counted."""
    for plant, width in ((spike, 1), (stuck, 9), (repeated, 2), (mismatch, 1)):
        town = homes(41, 20, 7)
        true = town.energy_wh.copy()
        for meter, at in places(77, town, width):
            plant(town, meter, at)
        verdict = judge(
            layout(town.rows(), meters=20, first_s=MONDAY_S, slots=7 * DAY, contracted_va=town.contracted_va)
        )
        for meter, at in places(77, homes(41, 20, 7), width):
            span = slice(at, at + width)
            assert verdict.energy_wh[meter, span].sum() == pytest.approx(true[meter, span].sum(), abs=10.01), plant
            assert (verdict.quality[meter, span] == Quality.ESTIMATED).all(), plant


def test_duplicates_the_later_counts_and_only_a_contradiction_is_a_fault() -> None:
    town = homes(51, 2, 2)
    rows = town.rows()
    same = {
        name.name: np.r_[getattr(rows, name.name), getattr(rows, name.name)[:3]] for name in dataclasses.fields(rows)
    }
    same["voltage_v"][-1] += 5.0
    block, faults, quality = judged(town, Rows(**same))
    assert (block.energy_wh == town.energy_wh).all()
    assert block.voltage_v[0, 2] == town.voltage_v[0, 2] + 5.0
    assert np.argwhere(faults & Fault.DUPLICATE).tolist() == [[0, 2]]
    assert (quality == Quality.VALIDATED).all()


def test_a_higher_version_counts_whatever_the_order() -> None:
    town = homes(52, 1, 1)
    rows = town.rows()
    both = {
        name.name: np.r_[getattr(rows, name.name)[5:6], getattr(rows, name.name)] for name in dataclasses.fields(rows)
    }
    both["version"][0] = 2
    both["energy_wh"][0] += 1.0
    block, _, _ = judged(town, Rows(**both))
    assert block.energy_wh[0, 5] == town.energy_wh[0, 5] + 1.0
    assert block.version[0, 5] == 2


def test_a_clock_that_drifts_is_the_meters_a_lone_second_is_the_readings() -> None:
    town = homes(53, 3, 2)
    rows = town.rows()
    late = rows.meter == 1
    rows.ts_s[late] += 40 + (np.arange(late.sum()) // 8)  # 40 s late, a second more every two hours
    rows.ts_s[np.flatnonzero(rows.meter == 2)[7]] += 3
    block, faults, _ = judged(town, rows)
    assert (faults[1] & Fault.CLOCK_DRIFT).all()
    assert np.argwhere(faults & Fault.OFF_GRID).tolist() == [[2, 7]]
    assert not (faults[0]).any()
    assert (block.energy_wh == town.energy_wh).all()
    assert PERIOD_S == 900


def test_energy_in_a_logged_outage_is_a_fault_and_stays_as_told() -> None:
    town = homes(54, 2, 2)
    off = np.zeros(town.energy_wh.shape, bool)
    off[1, 100:110] = True
    _, faults, quality = judged(town, off=off)
    drew = town.energy_wh[1, 100:110] > 10.01
    assert ((faults[1, 100:110] & Fault.OUTAGE_USE) != 0).tolist() == drew.tolist()
    assert drew.sum() >= 5
    assert set(quality[1, 100:110][drew].tolist()) == {Quality.RAW}


def test_the_meters_own_flags_are_kept() -> None:
    town = homes(55, 2, 2)
    rows = town.rows()
    rows.flags[:] = np.arange(len(rows.flags))
    block, _, _ = judged(town, rows)
    assert block.flags.ravel().tolist() == list(range(2 * 2 * DAY))


def test_an_empty_house_is_not_stuck_and_a_cut_off_one_neither() -> None:
    town = homes(56, 2, 4)
    start = town.register_wh[:, 0].copy()
    town.energy_wh[0, 100:300] = 0
    town.current_a[0, 100:300] = 0
    count(town, start)
    _, faults, quality = judged(town)
    assert not faults.any()
    assert (quality == Quality.VALIDATED).all()


def test_the_words_are_stable() -> None:
    assert words(Fault.GAP | Fault.METER_SWAP) == "gap meter-swap"
    assert words(0) == ""
