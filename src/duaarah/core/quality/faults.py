# SPDX-License-Identifier: Apache-2.0
"""The faults a reading can show, as bits of one integer beside (never in) the meter's own flags, and the rules' numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag


class Fault(IntFlag):
    """What a check found. Its lower-case name with hyphens is the reason's word (stable, stored)."""

    DUPLICATE = 1  # two different readings of one interval; the latest counts
    OFF_GRID = 2  # a single reading a little beside its interval's end
    CLOCK_DRIFT = 4  # all of a meter's readings lie beside the grid
    GAP = 8  # no reading
    NEGATIVE = 16  # the register or the energy ran backwards and came back
    ROLLOVER = 32  # the register passed its highest figure: no fault of the value
    RESET = 64  # the register began at 0 again
    METER_SWAP = 128  # another register goes on from another figure
    SUM_MISMATCH = 256  # the intervals do not add up to the register's difference
    SPIKE = 512  # more than the fuse lets through
    STUCK = 1024  # the register stands while current flows
    REPEATED = 2048  # the former register told again, then twice the energy
    VOLTAGE = 4096  # no voltage of a low-voltage grid
    CURRENT = 8192  # negative, or more than the fuse lets through
    POWER = 16384  # more energy than voltage times current
    OUTAGE_USE = 32768  # energy within an outage of the log


# An energy with one of these that no estimate replaced is not validated: it stays raw, with the reason.
DOUBTFUL = (
    Fault.CLOCK_DRIFT
    | Fault.NEGATIVE
    | Fault.SUM_MISMATCH
    | Fault.SPIKE
    | Fault.STUCK
    | Fault.REPEATED
    | Fault.POWER
    | Fault.OUTAGE_USE
)


def words(faults: int) -> str:
    """The faults' words, joined by spaces, in the order of their bits; empty: none."""
    return " ".join((fault.name or "").lower().replace("_", "-") for fault in Fault if faults & fault)


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers the checks go by. Energies in Wh, spans in s."""

    period_s: int = 900
    register_resolution_wh: float = 10.0
    energy_resolution_wh: float = 1.0
    register_modulus_wh: float = 1e9  # 999,999.99 kWh and one more is 0
    fuse_factor: float = 1.1
    nominal_v: float = 220.0
    voltage_min_v: float = 50.0
    voltage_max_v: float = 300.0
    drift_s: float = 10.0  # a clock that is off by so much, in the median of a meter's readings, drifts
    drift_readings: int = 4
    stuck_slots: int = 4  # shorter standstills are quantisation
    power_factor_min: float = 0.5
    linear_s: int = 7200  # gaps up to this are drawn as a line
    like_weeks: int = 4

    @property
    def hours(self) -> float:
        """One interval's length, h."""
        return self.period_s / 3600

    @property
    def tolerance_wh(self) -> float:
        """A register's difference may be off by one resolution (both ends cut)."""
        return self.register_resolution_wh * (1 + 1e-6)


DEFAULT = Rules()
