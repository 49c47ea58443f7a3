# SPDX-License-Identifier: Apache-2.0
"""
Registers that do not run through: a reset, a rollover, another meter in its place.

The interval energies go on as before in all three cases; only the register says something else than they do. After a
reset it counts from (nearly) zero; a register that rolls over was at its last digits before; any other level, or a lower
one than a reset leaves, is another meter's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from duaarah.core.losses.panel import Panel

RESET, ROLLOVER, SWAP = "reset", "rollover", "swap"
# A register is at zero when it shows less than a few days' use; and near its end within as much of a power of ten.
NEAR_ZERO_WH, NEAR_END_SHARE, ROLLOVER_MIN_WH = 10_000.0, 0.01, 9.0e6
TOLERANCE_WH, TOLERANCE_SHARE = 40.0, 0.05


@dataclass(frozen=True, slots=True)
class RegisterFinding:
    """`kind` at the interval that ends at `end_s` (UTC): the register went from `before_wh` to `after_wh`."""

    meter_id: int
    kind: str
    end_s: int
    before_wh: float
    after_wh: float


def register_findings(panel: Panel, *, power_max_w: float = 66_000.0) -> list[RegisterFinding]:
    """
    Every place where a register and the intervals disagree by more than a resolution. `power_max_w`: what no customer can
    draw; a difference below it over a gap is a gap, not a fault.
    """
    out = []
    for m, meter_id in enumerate(panel.meter_ids):
        register, energy = panel.register_wh[:, m], panel.energy_wh[:, m]
        known = np.flatnonzero(np.isfinite(register))
        used = np.r_[0.0, np.cumsum(np.nan_to_num(energy))]
        holes = np.r_[0, np.cumsum(np.isnan(energy))]
        before, after = known[:-1], known[1:]
        ran, told = register[after] - register[before], used[after + 1] - used[before + 1]
        gap = holes[after + 1] > holes[before + 1]
        most = np.where(gap, power_max_w * (after - before) * panel.period_s / 3600, told)
        tolerance = np.maximum(TOLERANCE_WH, TOLERANCE_SHARE * told)
        wrong = (ran < np.where(gap, 0.0, told) - tolerance) | (ran > most + tolerance)
        for b, a, used_wh in zip(before[wrong], after[wrong], told[wrong], strict=True):
            kind = _kind(float(register[b]), float(register[a]), float(used_wh))
            out.append(RegisterFinding(meter_id, kind, int(panel.end_s[a]), float(register[b]), float(register[a])))
    return out


def _kind(before: float, after: float, told: float) -> str:
    ends = 10.0 ** np.ceil(np.log10(max(before, 1.0)))
    if before >= ROLLOVER_MIN_WH and ends - before <= NEAR_END_SHARE * ends and after <= NEAR_END_SHARE * ends:
        return ROLLOVER
    return RESET if after < before and after <= NEAR_ZERO_WH + told else SWAP
