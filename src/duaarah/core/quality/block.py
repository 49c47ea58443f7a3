# SPDX-License-Identifier: Apache-2.0
"""
Readings laid out: one row a meter, one column an interval, NaN where nothing was told. Each reading goes to the interval
whose end it is nearest to; of several for one interval the highest version, then the one given last counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .faults import DEFAULT, Fault, Rules

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
VALUES = ("energy_wh", "register_wh", "voltage_v", "current_a")


@dataclass(frozen=True, slots=True)
class Rows:
    """
    Readings as they came, all arrays of one length. `meter`: position of the meter (0 ..), `ts_s`: interval end, seconds
    UTC; values NaN where not told; `flags`: the meter's own.
    """

    meter: NDArray[np.int64]
    ts_s: NDArray[np.int64]
    energy_wh: Floats
    register_wh: Floats
    voltage_v: Floats
    current_a: Floats
    flags: Ints
    version: Ints


@dataclass(frozen=True, slots=True)
class Block:
    """
    Matrices (meters, intervals). `first_s`: end of the first interval, seconds UTC. `limit_wh` (meters): the most a fuse
    lets through in an interval; inf where not known. `phases` (meters): conductors the current flows in; NaN: voltage
    and current are not those of the whole load. `faults`: what laying out found already.
    """

    first_s: int
    energy_wh: Floats
    register_wh: Floats
    voltage_v: Floats
    current_a: Floats
    flags: Ints
    version: Ints
    present: Bools
    faults: Ints
    off: Bools
    limit_wh: Floats
    phases: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """(meters, intervals)."""
        return self.energy_wh.shape[0], self.energy_wh.shape[1]


def layout(
    rows: Rows,
    *,
    meters: int,
    first_s: int,
    slots: int,
    contracted_va: Floats,
    phases: Floats | None = None,
    off: Bools | None = None,
    rules: Rules = DEFAULT,
) -> Block:
    """
    Lays `rows` out on `slots` intervals from the one that ends at `first_s`. `contracted_va` (meters): NaN not known.
    `off` (meters, slots): the interval lies wholly in a logged outage. Rows outside the span are left out.
    """
    slot = np.floor_divide(rows.ts_s - first_s + rules.period_s // 2, rules.period_s)
    aside_s = rows.ts_s - first_s - slot * rules.period_s
    faults_of_row = _clock(rows.meter, aside_s, meters, rules)
    inside = (slot >= 0) & (slot < slots)
    # A stable sort: within one interval the highest version, and of those the one given last, comes last.
    cell = (rows.meter * slots + slot)[inside]
    at = np.flatnonzero(inside)
    order = np.lexsort((at, rows.version[inside], cell))
    cell, at = cell[order], at[order]
    last = np.r_[cell[1:] != cell[:-1], True] if len(cell) else np.zeros(0, bool)
    faults = np.zeros(meters * slots, np.int32)
    matrices: dict[str, Floats] = {}
    contradicts = np.zeros(len(cell), bool)
    for name in VALUES:
        value = np.asarray(getattr(rows, name), np.float64)[at]
        matrix = np.full(meters * slots, np.nan)
        matrix[cell[last]] = value[last]
        matrices[name] = matrix.reshape(meters, slots)
        if len(cell) > 1:
            other = ~np.isclose(value[1:], value[:-1], rtol=0, atol=1e-9, equal_nan=True)
            contradicts[1:] |= other & (cell[1:] == cell[:-1])
    np.bitwise_or.at(faults, cell[contradicts], np.int32(Fault.DUPLICATE))
    faults[cell[last]] |= faults_of_row[at[last]]
    present = np.zeros(meters * slots, bool)
    present[cell] = True
    faults[~present] |= Fault.GAP
    whole: dict[str, Ints] = {}
    for name in ("flags", "version"):
        ints = np.zeros(meters * slots, np.int32)
        ints[cell[last]] = getattr(rows, name)[at[last]]
        whole[name] = ints.reshape(meters, slots)
    limit = np.asarray(contracted_va, np.float64) * rules.fuse_factor * rules.hours
    return Block(
        first_s=first_s,
        present=present.reshape(meters, slots),
        faults=faults.reshape(meters, slots),
        off=np.zeros((meters, slots), bool) if off is None else off,
        limit_wh=np.where(np.isnan(limit), np.inf, limit),
        phases=np.ones(meters) if phases is None else phases,
        energy_wh=matrices["energy_wh"],
        register_wh=matrices["register_wh"],
        voltage_v=matrices["voltage_v"],
        current_a=matrices["current_a"],
        flags=whole["flags"],
        version=whole["version"],
    )


def _clock(meter: NDArray[np.int64], aside_s: NDArray[np.int64], meters: int, rules: Rules) -> Ints:
    """A row's distance from the grid is its clock's if most of the meter's rows show one; else its own."""
    faults = np.zeros(len(meter), np.int32)
    beside = np.abs(aside_s) > 0
    if not beside.any():
        return faults
    faults[beside] = Fault.OFF_GRID
    far = np.abs(aside_s) >= rules.drift_s
    rows = np.bincount(meter, minlength=meters)
    drifts = (2 * np.bincount(meter[far], minlength=meters) > rows) & (rows >= rules.drift_readings)
    faults[beside & drifts[meter]] = Fault.CLOCK_DRIFT
    return faults
