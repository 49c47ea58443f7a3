# SPDX-License-Identifier: Apache-2.0
"""
What cannot be: the checks over a laid-out block. The register is the meter's promise; an interval's energy has to agree
with it, a register has to run forwards and no faster than the fuse. A check that cannot judge (no current told, no
register beside) finds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .block import Block, Floats, Ints
from .faults import DEFAULT, Fault, Rules


@dataclass(frozen=True, slots=True)
class Checked:
    """
    `faults` (meters, intervals) bits; `energy_wh`, `register_wh`: with what is not believed as NaN, the register
    continued over rollovers; `epoch`: registers are comparable where it is equal (a reset or swap begins another).
    """

    faults: Ints
    energy_wh: Floats
    register_wh: Floats
    epoch: Ints


def check(block: Block, rules: Rules = DEFAULT) -> Checked:
    """All checks over a block; raises nothing, alters nothing of it."""
    faults = block.faults.copy()
    energy_wh, register = block.energy_wh.copy(), block.register_wh.copy()
    _zeros_of_nothing(block, energy_wh, register, faults)
    # First: the doubled energy may pass the fuse's limit.
    _repeated(block, energy_wh, register, faults, rules)
    _energies(block, energy_wh, faults)
    _instant_values(block, faults, rules)
    _lone_registers(block, energy_wh, register, faults, rules)
    _stuck(block, energy_wh, register, faults, rules)
    register, epoch = _continued(block, register, faults, rules)
    _sums(energy_wh, register, epoch, faults, rules)
    faults[block.off & (energy_wh > rules.tolerance_wh)] |= Fault.OUTAGE_USE
    return Checked(faults, energy_wh, register, epoch)


def _zeros_of_nothing(block: Block, energy_wh: Floats, register: Floats, faults: Ints) -> None:
    """
    A file that stores what is missing as 0: no energy at no voltage and no register. A meter without supply told its
    register nevertheless, or its outage is in the log.
    """
    nothing = (energy_wh == 0) & (block.voltage_v == 0) & ~block.off & (np.nan_to_num(register) == 0)
    faults[nothing] |= Fault.GAP
    energy_wh[nothing] = np.nan
    register[nothing] = np.nan


def _energies(block: Block, energy_wh: Floats, faults: Ints) -> None:
    negative = energy_wh < 0
    spike = energy_wh > block.limit_wh[:, None]
    faults[negative] |= Fault.NEGATIVE
    faults[spike] |= Fault.SPIKE
    energy_wh[negative | spike] = np.nan


def _flow_wh(block: Block, rules: Rules) -> Floats:
    """Apparent energy by voltage and current, NaN where they do not tell the whole load."""
    return block.voltage_v * block.current_a * block.phases[:, None] * rules.hours


def _instant_values(block: Block, faults: Ints, rules: Rules) -> None:
    volts, amperes = block.voltage_v, block.current_a
    no_volts = (volts < 0) | (volts > rules.voltage_max_v)
    # Below this a meter has no supply; then it draws nothing.
    no_volts |= (volts < rules.voltage_min_v) & (block.energy_wh > rules.tolerance_wh)
    most_a = (block.limit_wh / rules.hours / (rules.nominal_v * block.phases))[:, None] * rules.fuse_factor
    no_amperes = (amperes < 0) | (amperes > most_a)
    faults[no_volts] |= Fault.VOLTAGE
    faults[no_amperes] |= Fault.CURRENT
    # Means of an interval: the mean of a product can pass the product of means a little.
    too_much = block.energy_wh > 1.15 * _flow_wh(block, rules) + 2 * rules.tolerance_wh
    faults[too_much & ~no_volts & ~no_amperes] |= Fault.POWER


def _before(values: Floats) -> tuple[Floats, Ints]:
    """For each interval the last value told before it, and how many intervals back (0: none)."""
    slots = values.shape[1]
    at = np.where(np.isfinite(values), np.arange(slots, dtype=np.int32), np.int32(-1))
    last = np.maximum.accumulate(at, axis=1)
    last = np.concatenate([np.full((len(values), 1), -1, np.int32), last[:, :-1]], axis=1)
    former = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    former[last < 0] = np.nan
    return former, np.where(last < 0, 0, np.arange(slots, dtype=np.int32) - last).astype(np.int32)


def _after(values: Floats) -> tuple[Floats, Ints]:
    later, distance = _before(values[:, ::-1])
    return later[:, ::-1], distance[:, ::-1]


def _lone_registers(block: Block, energy_wh: Floats, register: Floats, faults: Ints, rules: Rules) -> None:
    """One register that fits neither neighbour while the neighbours fit each other is not believed."""
    former, back = _before(register)
    later, ahead = _after(register)
    limit, tolerance = block.limit_wh[:, None], rules.tolerance_wh
    across = later - former
    fits = (across >= -tolerance) & (across <= limit * np.maximum(back + ahead, 1) + tolerance)
    dip = (register < former - tolerance) & fits
    hump = (register > later + tolerance) & fits & ~dip
    # Energies that are told say more: the register is off by the same amount from both sides.
    left = register - former - energy_wh
    right = later - register - np.concatenate([energy_wh[:, 1:], np.full((len(energy_wh), 1), np.nan)], axis=1)
    beside = (back == 1) & (ahead == 1)
    crooked = (
        beside & (np.abs(left) > tolerance) & (np.abs(right) > tolerance) & (np.abs(left + right) <= 2 * tolerance)
    )
    crooked &= ~dip & ~hump
    faults[dip | (hump & (register >= former - tolerance))] |= Fault.NEGATIVE
    again = crooked & (register == former)
    faults[again] |= Fault.REPEATED
    faults[crooked & ~again] |= Fault.SUM_MISMATCH
    register[dip | hump | crooked] = np.nan
    # Where the energy was but the register's difference, it is as wrong.
    spoilt = (dip | hump) & (np.abs(left) <= tolerance)
    energy_wh[spoilt] = np.nan


def _stuck(block: Block, energy_wh: Floats, register: Floats, faults: Ints, rules: Rules) -> None:
    """A register that stands over `stuck_slots` intervals or more while the meter draws what it should have counted."""
    former, _ = _before(register)
    same = register == former
    drawn = np.fmax(np.nan_to_num(energy_wh), np.nan_to_num(rules.power_factor_min * _flow_wh(block, rules)))
    change = ~(same | np.isnan(register))
    run = np.cumsum(change, axis=1) + np.arange(len(register))[:, None] * (register.shape[1] + 1)
    # Counted over the run without its first reading, which is the last true one; a run begun before the block has none.
    length = np.bincount(run[same], minlength=run.max() + 1)
    wh = np.bincount(run[same], weights=drawn[same], minlength=run.max() + 1)
    stuck_run = (length >= rules.stuck_slots) & (wh >= 5 * rules.tolerance_wh)
    stuck = same & stuck_run[run]
    faults[stuck] |= Fault.STUCK
    register[stuck] = np.nan
    energy_wh[stuck & ~(energy_wh > 0)] = np.nan


def _continued(block: Block, register: Floats, faults: Ints, rules: Rules) -> tuple[Floats, Ints]:
    """Registers over rollovers as if they had more digits; where one begins anew, another epoch."""
    former, back = _before(register)
    most = block.limit_wh[:, None] * np.maximum(back, 1) + rules.tolerance_wh
    step = register - former
    fall, rise = step < -rules.tolerance_wh, step > most
    over = fall & (step + rules.register_modulus_wh <= np.minimum(most, rules.register_modulus_wh / 10))
    reset = fall & ~over & (register <= most)
    swap = (fall & ~over & ~reset) | rise
    faults[over] |= Fault.ROLLOVER
    faults[reset] |= Fault.RESET
    faults[swap] |= Fault.METER_SWAP
    return register + np.cumsum(over, axis=1) * rules.register_modulus_wh, np.cumsum(reset | swap, axis=1).astype(
        np.int32
    )


def _repeated(block: Block, energy_wh: Floats, register: Floats, faults: Ints, rules: Rules) -> None:
    """
    The former register told again (energy 0), then the energy of both. The current says what should have been there;
    without it, the neighbours must.
    """
    slots = energy_wh.shape[1]
    if slots < 4:
        return
    now, then = slice(1, slots - 2), slice(2, slots - 1)
    first, second, left, right = energy_wh[:, now], energy_wh[:, then], energy_wh[:, : slots - 3], energy_wh[:, 3:]
    standing = (register[:, now] == register[:, : slots - 3]) & (first <= 0)
    flow = _flow_wh(block, rules)
    due, due_next = flow[:, now], flow[:, then]
    by_flow = (due * rules.power_factor_min >= 2 * rules.tolerance_wh) & (
        np.abs(second - (due + due_next) * _factor(energy_wh, flow)) <= 0.3 * (due + due_next)
    )
    by_flow &= second - due_next > rules.tolerance_wh
    usual = (left + right) / 2
    by_shape = np.isnan(due) & (usual >= 5 * rules.tolerance_wh) & (np.abs(second - 2 * usual) <= 0.25 * 2 * usual)
    by_shape &= np.minimum(left, right) >= 0.6 * np.maximum(left, right)
    repeated = standing & (by_flow | by_shape)
    rows, at = np.nonzero(repeated)
    for shift in (1, 2):
        faults[rows, at + shift] |= Fault.REPEATED
        energy_wh[rows, at + shift] = np.nan
    register[rows, at + 1] = np.nan


def _factor(energy_wh: Floats, flow: Floats) -> Floats:
    """A meter's own power factor over the block, (meters, 1); 1 where nothing is told."""
    known = np.isfinite(energy_wh) & np.isfinite(flow)
    drawn, due = np.where(known, energy_wh, 0).sum(axis=1), np.where(known, flow, 0).sum(axis=1)
    return np.where(due > 0, drawn / np.maximum(due, 1e-9), 1.0)[:, None]


def _sums(energy_wh: Floats, register: Floats, epoch: Ints, faults: Ints, rules: Rules) -> None:
    """Between two registers the energies told have to add up to their difference."""
    slots = energy_wh.shape[1]
    whole = np.isfinite(energy_wh)
    total = np.cumsum(np.where(whole, energy_wh, 0.0), axis=1)
    missing = np.cumsum(~whole, axis=1)
    former, back = _before(register)
    at = np.maximum(np.arange(slots) - back, 0)
    sum_wh = total - np.take_along_axis(total, at, axis=1)
    told = (missing == np.take_along_axis(missing, at, axis=1)) & (back > 0)
    told &= epoch == np.take_along_axis(epoch, at, axis=1)
    off = told & (np.abs(register - former - sum_wh) > rules.tolerance_wh)
    # The register counts: the energies between the two are drawn anew.
    rows, columns = np.nonzero(off)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        span = slice(column - back[row, column] + 1, column + 1)
        faults[row, span] |= Fault.SUM_MISMATCH
        energy_wh[row, span] = np.nan
    # Many small differences of one sign: no single interval is to blame, but the run does not add up.
    whole = np.isfinite(energy_wh)
    missing = np.cumsum(~whole, axis=1)
    off_by_wh = np.where(np.isfinite(register), register - np.cumsum(np.where(whole, energy_wh, 0.0), axis=1), np.nan)
    piece = missing * slots + epoch  # constant in a run without a missing energy
    _drifting(off_by_wh, piece, faults, rules)


def _drifting(off_by_wh: Floats, piece: Ints, faults: Ints, rules: Rules) -> None:
    """Marks runs whose register runs away from the sum of their energies by more than the tolerance."""
    rows, columns = np.nonzero(np.isfinite(off_by_wh))
    if not len(rows):
        return
    key = rows.astype(np.int64) * (int(piece.max()) + 1) + piece[rows, columns]
    values = off_by_wh[rows, columns]
    begins = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    spread = np.maximum.reduceat(values, begins) - np.minimum.reduceat(values, begins)
    lengths = np.diff(np.r_[begins, len(key)])
    # Rounded energies add up like a random walk.
    allowed = rules.tolerance_wh + rules.energy_resolution_wh * np.sqrt(lengths)
    bad = np.repeat(spread > allowed, lengths)
    faults[rows[bad], columns[bad]] |= Fault.SUM_MISMATCH
