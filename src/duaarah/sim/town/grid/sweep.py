# SPDX-License-Identifier: Apache-2.0
"""
Power flow of radial networks by backward and forward sweeps, all steps of time at once.

Backward: each branch carries the sum of the currents behind it. Forward: each voltage is the one before it less the
branch's drop. In a four-wire line the neutral brings the three currents back, so that a phase loses
`z_phase i_phase + z_neutral (i_1 + i_2 + i_3)` against its neutral; a service drop is the same with one phase. The neutral is
earthed at the transformer only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duaarah.sim.town.grid.plant import LOW_V, Plate

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
_TURN = np.exp(-2j * np.pi / 3 * np.arange(3))
# Under this a load is an impedance: lamps go dim and motors stall, instead of drawing ever more.
FLOOR_V = 0.75 * LOW_V / 3**0.5
# Sweeps end when no voltage moves more than this; a network that does not carry its load never gets there.
_STILL_V, _SWEEPS_MAX = 1e-8, 400
# Where loads go dim, whole steps would swing from side to side: after so many sweeps only a part of each is taken.
_WHOLE, _LARGE = 30, 100
_STILL_MV_V = 1e-6


class Collapse(Exception):
    """The network cannot carry this load: there is no voltage at which it flows."""


class Lines:
    """
    A radial four-wire network as seen from its busbar, with loads on one phase each (a three-phase customer is three loads).
    `path` (branches, loads): 1 where the load hangs behind the branch; `phase_ohm`, `neutral_ohm` (branches,); `phase`
    (loads,): 0, 1 or 2.
    """

    def __init__(self, path: Array, phase_ohm: Complex, neutral_ohm: Complex, phase: NDArray[np.int64]) -> None:
        self.path, self.phase_ohm, self.neutral_ohm, self.phase = path, phase_ohm, neutral_ohm, phase
        self.on_phase = (phase == np.arange(3)[:, None]).astype(np.float64)  # (3, loads)
        # A backward sweep (currents summed along the path) and a forward one (drops summed along it) in one matrix.
        along = (path.T * phase_ohm) @ path
        back = (path.T * neutral_ohm) @ path
        self.drop_ohm: Complex = along * (phase == phase[:, None]) + back


@dataclass(frozen=True, slots=True)
class Flow:
    """
    One transformer, its lines and loads. Phasors against the neutral: `voltage_v`, `current_a` (loads, steps), `busbar_v`
    (3, steps). Powers: what each load gets (loads, steps; W), what the transformer takes (steps,; VA), and what is lost in
    its windings, its core, the lines (steps,; W).
    """

    voltage_v: Complex
    current_a: Complex
    busbar_v: Complex
    delivered_w: Array
    input_va: Complex
    winding_w: Array
    core_w: Array
    lines_w: Array


def low_voltage(lines: Lines, plate: Plate, supply_v: Array, power_va: Complex, start: Flow | None = None) -> Flow:
    """
    Solve one transformer. `supply_v` (steps,): volts to neutral that it would show without load; `power_va` (loads, steps):
    what each load wants, and gets above FLOOR_V whatever the voltage. `start`: a former solution near by. Raises Collapse.
    """
    source = supply_v * _TURN[:, None]
    shunt_s, series_ohm = plate.shunt_s / 2, plate.series_ohm
    busbar, voltage = (source, source[lines.phase]) if start is None else (start.busbar_v, start.voltage_v)
    for sweep in range(_SWEEPS_MAX):
        current = _drawn(power_va, voltage)
        busbar = source - series_ohm * (_times(lines.on_phase, current) + shunt_s * busbar)
        moved = busbar[lines.phase] - _times(lines.drop_ohm, current)
        far = np.abs(moved - voltage).max(initial=0.0)
        part = 1.0 if sweep < _WHOLE else 0.4 if sweep < _LARGE else 0.1
        voltage = moved if part == 1.0 else voltage + part * (moved - voltage)
        if far < _STILL_V:
            return _flow(lines, plate, source, power_va, voltage, busbar)
        if not np.isfinite(far):
            break
    raise Collapse("a line cannot carry its load")


def _flow(
    lines: Lines, plate: Plate, source: Complex, power_va: Complex, voltage_v: Complex, busbar_v: Complex
) -> Flow:
    current = _drawn(power_va, voltage_v)
    through = _times(lines.on_phase, current) + plate.shunt_s / 2 * busbar_v
    lines_w = lines.neutral_ohm.real @ _square(_times(lines.path, current))
    for phase in range(3):
        lines_w += lines.phase_ohm.real @ _square(_times(lines.path * lines.on_phase[phase], current))
    taken = source * np.conj(through + plate.shunt_s / 2 * source)
    return Flow(
        voltage_v=voltage_v,
        current_a=current,
        busbar_v=busbar_v,
        delivered_w=(voltage_v * np.conj(current)).real,
        input_va=taken.sum(axis=0),
        winding_w=plate.series_ohm.real * _square(through).sum(axis=0),
        core_w=plate.shunt_s.real / 2 * (_square(source) + _square(busbar_v)).sum(axis=0),
        lines_w=lines_w,
    )


def medium_voltage(
    path: Array, section_ohm: Complex, source_v: Array, power_va: Complex
) -> tuple[Array, Complex, Array]:
    """
    Solve one feeder, balanced. `path` (sections, transformers), `section_ohm` (sections,), `source_v` (steps,): line volts
    at the substation, `power_va` (transformers, steps) of three phases. Returns the line volts at each transformer, what the
    feeder takes (VA, steps) and what its sections lose (W, steps). Raises Collapse.
    """
    source = (source_v / 3**0.5).astype(np.complex128)
    voltage = np.broadcast_to(source, power_va.shape)
    for _ in range(_SWEEPS_MAX):
        current = np.conj(power_va / 3 / voltage)
        section = _times(path, current)
        moved = source - _times(path.T, section_ohm[:, None] * section)
        far = np.abs(moved - voltage).max(initial=0.0)
        voltage = moved
        if far < _STILL_MV_V:
            break
    else:
        raise Collapse("a feeder cannot carry its load")
    section = _times(path, np.conj(power_va / 3 / voltage))
    lost_w = 3 * section_ohm.real @ _square(section)
    return np.abs(voltage) * 3**0.5, 3 * source * np.conj(section[0]), lost_w


def _square(values: Complex) -> Array:
    return np.asarray(values.real**2 + values.imag**2)


def _times(matrix: Array | Complex, values: Complex) -> Complex:
    """`matrix @ values` without BLAS: for matrices this small its threads cost more than they bring, and sums stay in order."""
    return np.asarray(np.einsum("ij,jk->ik", matrix, values))


def _drawn(power_va: Complex, voltage_v: Complex) -> Complex:
    current = power_va / voltage_v
    if _square(voltage_v).min(initial=FLOOR_V**2) < FLOOR_V**2:
        current *= np.minimum(_square(voltage_v) / FLOOR_V**2, 1.0)
    return np.asarray(np.conj(current))
