# SPDX-License-Identifier: Apache-2.0
"""
What can be said of an interval whose energy_wh is not told or not believed.

The register counts through a gap. Where both its ends are known, up to two hours are drawn as a line between the
neighbours and longer gaps like the same hours of the same weekday within four weeks; either is scaled so that the
energies add up to the register's difference exactly. Without an end the like days' average stands, and says so. Where
there is nothing to go by, nothing is said: an absent value is no zero. What lies in a logged outage drew nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .block import Block, Bools, Floats, Ints
from .checks import Checked
from .faults import DEFAULT, Rules

WEEK_S = 7 * 86400
DAY_S = 86400


class How(IntEnum):
    """How a value was come by; its lower-case name with hyphens is the reason's word (stable, stored)."""

    TOLD = 0
    REGISTER = 1  # one interval: the register's difference itself
    LINE = 2
    LIKE_DAYS = 3
    EVEN = 4  # the register's difference spread evenly: there are no like days
    AVERAGE = 5  # no end register: the like days' average
    OUTAGE = 6  # in a logged outage
    NOTHING = 7  # nothing can be said

    @property
    def word(self) -> str:
        """As stored in a reading's reason."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Filled:
    """Matrices (meters, intervals): energies and registers with estimates; `how` of each. NaN: nothing can be said."""

    energy_wh: Floats
    register_wh: Floats
    how: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Runs of intervals without an energy: row, first and last column, total energy by the registers (NaN: no end)."""

    row: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    total_wh: Floats


def fill(block: Block, checked: Checked, rules: Rules = DEFAULT) -> Filled:
    """Estimates over a block; like days are those within it, so it should reach four weeks to either side."""
    energy_wh = checked.energy_wh.copy()
    how = np.zeros(energy_wh.shape, np.int8)
    forwards, backwards, epoch_f, epoch_b = _carried(checked)
    gaps = _find(energy_wh, checked, forwards, backwards, epoch_f, epoch_b)
    length = gaps.last - gaps.first + 1
    ended = np.isfinite(gaps.total_wh)
    short = ended & (length * rules.period_s <= rules.linear_s)
    out = block.off & ~np.isfinite(checked.energy_wh)
    for size in np.unique(length[short]).tolist():
        _lines(energy_wh, how, gaps, np.flatnonzero(short & (length == size)), size, out)
    rest = np.flatnonzero(~short)
    if len(rest):
        _like_days(energy_wh, how, gaps, rest, checked.energy_wh, out, rules)
    return Filled(energy_wh, _registers(checked, energy_wh), how)


def open_gaps(block: Block, checked: Checked, first: int, last: int, rules: Rules = DEFAULT) -> Bools:
    """
    Meters (a mask) of whose gaps one touches the columns `first` to `last` and needs like days: longer than a line
    reaches, or without both registers in the block.
    """
    gaps = _find(checked.energy_wh, checked, *_carried(checked))
    needs = ~np.isfinite(gaps.total_wh) | ((gaps.last - gaps.first + 1) * rules.period_s > rules.linear_s)
    mask = np.zeros(len(checked.energy_wh), bool)
    mask[gaps.row[needs & (gaps.first <= last) & (gaps.last >= first)]] = True
    return mask


def _carried(checked: Checked) -> tuple[Floats, Floats, Ints, Ints]:
    """The register at each interval's end as known from before it and from after it, and the epochs of what is known."""
    forwards, epoch_f = _carry(checked.register_wh, checked.energy_wh, checked.epoch)
    # From after: at the end of t = the register at the end of t+1 less the energy of t+1, and so on.
    energy_wh = np.concatenate([checked.energy_wh[:, 1:], np.full((len(checked.energy_wh), 1), np.nan)], axis=1)
    backwards, epoch_b = _carry(checked.register_wh[:, ::-1], -energy_wh[:, ::-1], checked.epoch[:, ::-1])
    return forwards, backwards[:, ::-1], epoch_f, epoch_b[:, ::-1]


def _carry(register: Floats, energy_wh: Floats, epoch: Ints) -> tuple[Floats, Ints]:
    slots = register.shape[1]
    last = np.maximum.accumulate(np.where(np.isfinite(register), np.arange(slots), -1), axis=1)
    at = np.maximum(last, 0)
    whole = np.isfinite(energy_wh)
    total, missing = np.cumsum(np.where(whole, energy_wh, 0.0), axis=1), np.cumsum(~whole, axis=1)
    known = np.take_along_axis(register, at, axis=1) + total - np.take_along_axis(total, at, axis=1)
    known[(last < 0) | (missing != np.take_along_axis(missing, at, axis=1))] = np.nan
    return known, np.take_along_axis(epoch, at, axis=1)


def _find(
    energy_wh: Floats, checked: Checked, forwards: Floats, backwards: Floats, epoch_f: Ints, epoch_b: Ints
) -> _Gaps:
    slots = energy_wh.shape[1]
    empty = ~np.isfinite(energy_wh)
    # A register within a gap ends one stretch and begins the next.
    cut = np.isfinite(checked.register_wh)
    before = np.concatenate([np.zeros((len(energy_wh), 1), bool), (empty & ~cut)[:, :-1]], axis=1)
    after = np.concatenate([empty[:, 1:], np.zeros((len(energy_wh), 1), bool)], axis=1)
    row, first = np.nonzero(empty & ~before)
    _, last = np.nonzero(empty & (cut | ~after))
    start = np.where(first > 0, forwards[row, first - 1], np.nan)
    end = backwards[row, last]
    same = epoch_f[row, np.maximum(first - 1, 0)] == epoch_b[row, np.minimum(last, slots - 1)]
    total = np.where(same, end - start, np.nan)
    # Registers are cut to their resolution, energies are not: a difference a little below 0 is 0.
    total = np.where((total < 0) & (total > -2 * DEFAULT.tolerance_wh), 0.0, total)
    total[total < 0] = np.nan
    return _Gaps(row, first, last, total)


def _scaled(shape: Floats, out: Bools, total: Floats) -> Floats:
    """`shape` (gaps, intervals) scaled to `total`; nothing in outages unless all of it is one; even where it is flat 0."""
    weights = np.where(out, 0.0, np.maximum(np.nan_to_num(shape), 0.0))
    sums = weights.sum(axis=1, keepdims=True)
    free = np.where(out.all(axis=1, keepdims=True), True, ~out)
    weights = np.where(sums > 0, weights, free)
    values = weights / weights.sum(axis=1, keepdims=True) * total[:, None]
    # The last bits of a float go to the largest, so that the sum is the register's difference.
    values[np.arange(len(values)), values.argmax(axis=1)] += total - values.sum(axis=1)
    return values


def _lines(
    energy_wh: Floats, how: NDArray[np.int8], gaps: _Gaps, chosen: NDArray[np.int64], size: int, out: Bools
) -> None:
    row, first, last = gaps.row[chosen], gaps.first[chosen], gaps.last[chosen]
    slots = energy_wh.shape[1]
    columns = first[:, None] + np.arange(size)
    left = np.where(first > 0, energy_wh[row, first - 1], np.nan)
    right = np.where(last + 1 < slots, energy_wh[row, np.minimum(last + 1, slots - 1)], np.nan)
    left, right = np.where(np.isnan(left), right, left), np.where(np.isnan(right), left, right)
    place = (np.arange(size) + 1) / (size + 1)
    shape = left[:, None] * (1 - place) + right[:, None] * place
    shape[np.isnan(shape)] = 1.0
    outage = out[row[:, None], columns]
    energy_wh[row[:, None], columns] = _scaled(shape, outage, gaps.total_wh[chosen])
    how[row[:, None], columns] = np.where(outage, How.OUTAGE, How.REGISTER if size == 1 else How.LINE)


def _profile(told: Floats, rules: Rules) -> Floats:
    """The same hours of the same weekday, up to `like_weeks` to either side; where none is told, of all days."""
    slots = told.shape[1]
    day = DAY_S // rules.period_s
    shape = _mean_of_shifts(told, [7 * day * week for week in range(1, rules.like_weeks + 1)])
    if np.isnan(shape).any() and slots > day:
        days = _mean_of_shifts(told, [day * n for n in range(1, 7 * rules.like_weeks + 1)])
        shape = np.where(np.isnan(shape), days, shape)
    return shape


def _mean_of_shifts(told: Floats, shifts: list[int]) -> Floats:
    whole = np.isfinite(told)
    values = np.where(whole, told, 0.0)
    total, count = np.zeros(told.shape), np.zeros(told.shape, np.int32)
    for shift in shifts:
        if shift >= told.shape[1]:
            break
        total[:, shift:] += values[:, :-shift]
        count[:, shift:] += whole[:, :-shift]
        total[:, :-shift] += values[:, shift:]
        count[:, :-shift] += whole[:, shift:]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _like_days(
    energy_wh: Floats,
    how: NDArray[np.int8],
    gaps: _Gaps,
    rest: NDArray[np.int64],
    told: Floats,
    out: Bools,
    rules: Rules,
) -> None:
    meters, inverse = np.unique(gaps.row[rest], return_inverse=True)
    profile = _profile(told[meters], rules)
    for gap, place in zip(rest.tolist(), inverse.tolist(), strict=True):
        row, span = gaps.row[gap], slice(gaps.first[gap], gaps.last[gap] + 1)
        shape, outage, total = profile[place, span], out[row, span], gaps.total_wh[gap]
        if np.isfinite(total):
            known = np.isfinite(shape)
            word = How.LIKE_DAYS if known.any() else How.EVEN
            shape = np.where(known, shape, shape[known].mean() if known.any() else 1.0)
            values = _scaled(shape[None], outage[None], np.array([total]))[0]
        else:
            values = np.where(outage, 0.0, shape)
            word = How.AVERAGE
        energy_wh[row, span] = values
        how[row, span] = np.where(outage, How.OUTAGE, np.where(np.isfinite(values), word, How.NOTHING))


def _registers(checked: Checked, energy_wh: Floats) -> Floats:
    """Registers told stay; between them they are carried on by the energies, as far as these are known."""
    carried, _ = _carry(checked.register_wh, energy_wh, checked.epoch)
    return np.where(np.isfinite(checked.register_wh), checked.register_wh, carried)
