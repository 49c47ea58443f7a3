# SPDX-License-Identifier: Apache-2.0
"""The whole town's network: loads in, voltages, losses and totals out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from duaarah.sim.town.grid.layout import Feeder, Transformer, lay_out
from duaarah.sim.town.grid.plant import MEDIUM_V
from duaarah.sim.town.grid.sweep import Array, Complex, Flow, Lines, low_voltage, medium_voltage
from duaarah.sim.town.grid.theft import Theft, first_us_of
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.world import World

STEP_S = 900
_BLOCK = 96
_US = 1_000_000
_WUS_PER_WS = 1_000_000
_HOUR_S = 3600
_DAY_S = 86_400
# The medium-voltage line and its transformers settle against each other until no supply moves by more than this.
_STILL_V, _ROUNDS_MAX = 1e-7, 20


@dataclass(frozen=True, slots=True)
class Solved:
    """
    What flows, over steps of `step_s`. Rows follow `Grid.meters`, `Grid.transformers`, `Grid.feeders`.

    (meters, steps): `voltage_v` phase to neutral, the mean while there is supply (of three-phase meters the lowest phase; NaN
    where there was none in the step); `current_a` (the highest phase), what flows into the house, counted or not.
    (transformers, steps): `input_wh` at its 20 kV side (what its total meter counts), `busbar_v` the mean of its phases on the
    low-voltage side, and where the input stays: `delivered_wh` (metered and not), `lines_wh`, `winding_wh`, `core_wh`.
    (feeders, steps): `feeder_input_wh` at the substation, `feeder_lines_wh` lost on 20 kV.
    """

    step_s: int
    voltage_v: Array
    current_a: Array
    busbar_v: Array
    input_wh: Array
    delivered_wh: Array
    lines_wh: Array
    winding_wh: Array
    core_wh: Array
    feeder_input_wh: Array
    feeder_lines_wh: Array

    @property
    def loss_wh(self) -> Array:
        """The technical loss of each transformer with its lines (transformers, steps)."""
        return self.lines_wh + self.winding_wh + self.core_wh


class Grid:
    """
    The network of one town. `meters` are the DRNs in the order of every array's rows; so are `transformers` and `feeders`.
    Always the same for a world.
    """

    def __init__(self, world: World, transformers: tuple[Transformer, ...], feeders: tuple[Feeder, ...]) -> None:
        self.world = world
        self.transformers, self.feeders = transformers, feeders
        self.meters = tuple(meter.drn for meter in world.meters)
        self.row = {drn: number for number, drn in enumerate(self.meters)}
        self.transformer_row = {one.code: number for number, one in enumerate(transformers)}
        self._lines: dict[str, Lines] = {one.code: one.lines() for one in transformers}

    @classmethod
    def of(cls, world: World) -> Grid:
        """The network of this world."""
        return cls(world, *lay_out(world))

    def rows_of(self, transformer: Transformer) -> list[int]:
        """The rows of a transformer's meters in the arrays."""
        return [self.row[house.meter.drn] for house in transformer.houses]

    # -- loads -----------------------------------------------------------------------------------------------------

    def loads_w(self, first_day: int, days: int, step_s: int = STEP_S) -> Array:
        """
        Mean watts (meters, steps) that the meters count from the midnight of day `first_day` (0: the town's first; the past is
        negative) while they have supply and credit: exactly their load curves. Raises ValueError for a step that does not
        make up a day.
        """
        if step_s <= 0 or _DAY_S % step_s or days < 1:
            raise ValueError("Loads are asked for in steps that make up a day, for a day or more.")
        steps, step_us = days * _DAY_S // step_s, step_s * _US
        edges = range(first_day * DAY_US, (first_day + days) * DAY_US + 1, step_us)
        loads = np.empty((len(self.meters), steps))
        for row, meter in enumerate(self.world.meters):
            curve = meter.curve
            if step_s == STEP_S:
                loads[row] = np.concatenate([curve.quarters_w(day) for day in range(first_day, first_day + days)])
                continue
            used = np.array([curve.used(at_us) // _WUS_PER_WS for at_us in edges], dtype=np.int64)
            loads[row] = np.diff(used) / step_s
        return loads

    def unmetered_w(self, loads_w: Array, thefts: Iterable[Theft], first_day: int, step_s: int = STEP_S) -> Array:
        """
        Mean watts (meters, steps) that flow beside the meters by these thefts, for metered `loads_w` that begin at the midnight
        of `first_day`. Raises KeyError for a meter that is not of this town.
        """
        found = np.zeros_like(loads_w)
        for theft in thefts:
            row = self.row[theft.drn]
            found[row] += theft.unmetered_w(loads_w[row], first_us_of(first_day), step_s)
        return found

    # -- what flows ------------------------------------------------------------------------------------------------

    def solve(
        self,
        loads_w: Array,
        *,
        unmetered_w: Array | None = None,
        dark: Array | None = None,
        step_s: int = STEP_S,
    ) -> Solved:
        """
        What flows for the mean watts of the meters (meters, steps) and beside them (`unmetered_w`, same shape). `dark`
        (transformers, steps): the share of each step in which a transformer has no supply, 0 to 1; its loads are means over
        the whole step and must be 0 where it is 1. Raises ValueError for other shapes, Collapse when a line cannot carry it.
        """
        steps = loads_w.shape[1]
        drawn = loads_w if unmetered_w is None else loads_w + unmetered_w
        if dark is None:
            dark = np.zeros((len(self.transformers), steps))
        if drawn.shape != (len(self.meters), steps) or dark.shape != (len(self.transformers), steps):
            raise ValueError("Loads are (meters, steps), dark is (transformers, steps).")
        # Blocks of a day stay in the processor's cache.
        blocks = [slice(begin, begin + _BLOCK) for begin in range(0, steps, _BLOCK)]
        solved = [self._solve(drawn[:, block], 1 - dark[:, block], step_s / _HOUR_S) for block in blocks]
        return Solved(step_s, *(np.concatenate(parts, axis=1) for parts in zip(*solved, strict=True)))

    def house_voltages_v(self, code: str, drawn_w: Array) -> Array:
        """
        Volts (houses, steps) of one transformer's houses for their watts (houses, steps), in the order of its houses, with its
        feeder's voltage at the substation: a thousandth off what `solve` finds along the feeder. Raises KeyError, Collapse.
        """
        one = self.transformers[self.transformer_row[code]]
        feeder = next(feeder for feeder in self.feeders if feeder.code == one.feeder)
        supply_v = one.low_v(np.full(drawn_w.shape[1], feeder.source_v))
        flow = low_voltage(self._lines[code], one.plate, supply_v, one.powers_va(drawn_w))
        return one.lowest_v(flow.voltage_v)

    def _solve(self, drawn_w: Array, lit: Array, hours: float) -> tuple[Array, ...]:
        """The arrays of `Solved`, in its order."""
        powers = [self._power_va(one, drawn_w, lit[n]) for n, one in enumerate(self.transformers)]
        flows: list[Flow | None] = [None] * len(self.transformers)
        feeder_va, feeder_w = [], []
        for feeder in self.feeders:
            rows = [self.transformer_row[code] for code in feeder.transformers]
            taken_va, lost_w = self._feeder(feeder, rows, powers, lit, flows)
            feeder_va.append(taken_va)
            feeder_w.append(lost_w)
        found = [flow for flow in flows if flow is not None]
        return *self._shown(found, lit), *_energies(found, lit * hours), *_feeders(feeder_va, feeder_w, hours)

    def _power_va(self, one: Transformer, drawn_w: Array, lit: Array) -> Complex:
        """(connections, steps): the loads while there is supply."""
        rows = self.rows_of(one)
        watts = np.divide(drawn_w[rows], lit, out=np.zeros((len(rows), len(lit))), where=lit > 0)
        return one.powers_va(watts)

    def _feeder(
        self, feeder: Feeder, rows: list[int], powers: list[Complex], lit: Array, flows: list[Flow | None]
    ) -> tuple[Complex, Array]:
        """Solve a feeder with its transformers; fills `flows` and returns the feeder's input (VA) and its lines' loss (W)."""
        steps = lit.shape[1]
        source = np.full(steps, feeder.source_v)
        supply = np.broadcast_to(source, (len(rows), steps))
        path, section_ohm = feeder.path(), feeder.section_ohm()
        for _ in range(_ROUNDS_MAX):
            taken = np.empty((len(rows), steps), dtype=np.complex128)
            for place, row in enumerate(rows):
                one = self.transformers[row]
                flow = low_voltage(self._lines[one.code], one.plate, one.low_v(supply[place]), powers[row], flows[row])
                flows[row] = flow
                taken[place] = flow.input_va * lit[row]
            moved, feeder_va, lost_w = medium_voltage(path, section_ohm, source, taken)
            far = float(np.abs(moved - supply).max())
            supply = moved
            if far < _STILL_V * MEDIUM_V:
                break
        return feeder_va, lost_w

    def _shown(self, flows: list[Flow], lit: Array) -> tuple[Array, Array, Array]:
        """`voltage_v`, `current_a`, `busbar_v`."""
        shape = (len(self.meters), lit.shape[1])
        voltage, current = np.full(shape, np.nan), np.zeros(shape)
        for one, flow, share in zip(self.transformers, flows, lit, strict=True):
            rows, house = self.rows_of(one), [number for number, _ in one.connections()]
            highest = np.zeros((len(rows), shape[1]))
            np.maximum.at(highest, house, np.abs(flow.current_a))
            voltage[rows] = np.where(share > 0, one.lowest_v(flow.voltage_v), np.nan)
            current[rows] = np.where(share > 0, highest, 0.0)
        busbar = np.array([np.abs(flow.busbar_v).mean(axis=0) for flow in flows])
        return voltage, current, np.where(lit > 0, busbar, np.nan)


def _energies(flows: list[Flow], lit_h: Array) -> tuple[Array, ...]:
    """`input_wh`, `delivered_wh`, `lines_wh`, `winding_wh`, `core_wh`."""
    watts = (
        [flow.input_va.real for flow in flows],
        [flow.delivered_w.sum(axis=0) for flow in flows],
        [flow.lines_w for flow in flows],
        [flow.winding_w for flow in flows],
        [flow.core_w for flow in flows],
    )
    return tuple(np.array(rows) * lit_h for rows in watts)


def _feeders(taken_va: list[Complex], lost_w: list[Array], hours: float) -> tuple[Array, Array]:
    """`feeder_input_wh`, `feeder_lines_wh`."""
    return np.array(taken_va).real * hours, np.array(lost_w) * hours
