# SPDX-License-Identifier: Apache-2.0
"""
The day that is over, as it flowed: from what every meter drew in each quarter-hour, what went beside it and which nodes were
cut come voltages for the meters' profiles, what the total meters count, and the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.grid import STEP_S, Grid, Solved
from duaarah.sim.town.grid.sweep import Array
from duaarah.sim.town.load import QUARTER_US
from duaarah.sim.town.network import total_meters_of
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.totals import TotalSupply, total_errors
from duaarah.sim.town.truth import Truth, write_flows
from duaarah.sim.town.wires import Span, Wires, above
from duaarah.sim.town.world import World

_W_PER_MWH = 3600 / STEP_S / 1000
# What the 20 kV side does of itself, and what a meter's voltage is wrong by.
_SWING, _SHOWN_V = 0.004, 0.15


class Physics:
    """The network and the total meters of a town."""

    def __init__(self, world: World, truth: Truth, registers_wh: Mapping[str, int]) -> None:
        """`registers_wh`: what total meters show when the town begins, by DRN; else what a town without a past has."""
        self._world, self._truth = world, truth
        self.grid = Grid.of(world)
        errors, begun_wh = total_errors(world)
        self.totals = {
            known.drn: TotalSupply(world, known, float(gain), registers_wh.get(known.drn, int(register)))
            for known, gain, register in zip(total_meters_of(world), errors, begun_wh, strict=True)
        }

    def close_day(self, supplies: Mapping[str, Supply], wires: Wires, midnight_us: int) -> None:
        """The day that ends here: every supply was drawn up to it. What was counted is handed over, and forgotten."""
        mine = [supplies[drn] for drn in self.grid.meters]
        drawn = [supply.quarters.closed(midnight_us) for supply in mine if supply.quarters is not None]
        steps = min(len(edges) for edges in drawn) - 1
        if steps < 1:
            return
        begin_us = midnight_us - steps * QUARTER_US
        loads_w = np.array([np.diff(edges[-steps - 1 :]) for edges in drawn], dtype=np.float64) * _W_PER_MWH
        dark = np.array(
            [self._dark(wires.spans, one.code, one.feeder, begin_us, steps) for one in self.grid.transformers]
        )
        beside_w = self._beside_w(wires, loads_w, dark, begin_us)
        solved = self.grid.solve(loads_w, unmetered_w=beside_w, dark=dark)
        dice = np.random.default_rng([self._world.seed, 5, abs(begin_us // QUARTER_US)])
        swing = {one.code: 1 + dice.normal(0, _SWING, steps) for one in self.grid.feeders}
        noise_v = dice.normal(0, _SHOWN_V, solved.voltage_v.shape)
        self._show(mine, solved, swing, noise_v, begin_us)
        self._count(solved, dark, swing, begin_us)
        write_flows(self._truth, self.grid, solved, (loads_w, beside_w), begin_us)
        wires.forget(begin_us)

    def _dark(self, spans: Sequence[Span], code: str, feeder: str, begin_us: int, steps: int) -> Array:
        """(steps,): the share of each quarter-hour in which a transformer has no supply."""
        place = next(m.place for m in self._world.meters if m.place.transformer == code)
        return out_share([span for span in spans if span.code in above(place)], begin_us, steps)

    def _beside_w(self, wires: Wires, loads_w: Array, dark: Array, begin_us: int) -> Array:
        found = np.zeros_like(loads_w)
        for theft in wires.thefts:
            row = self.grid.row[theft.drn]
            place = self._world.meters[row].place
            cut = out_share([span for span in wires.spans if span.code == theft.drn], begin_us, loads_w.shape[1])
            lit = 1 - np.maximum(dark[self.grid.transformer_row[place.transformer]], cut)
            found[row] += theft.unmetered_w(loads_w[row], begin_us, STEP_S) * lit
        return found

    def _show(
        self, supplies: Sequence[Supply], solved: Solved, swing: Mapping[str, Array], noise_v: Array, begin_us: int
    ) -> None:
        """What meters measured: the line's voltage, with what the 20 kV side did of itself."""
        steps = range(solved.voltage_v.shape[1])
        ends = [round(instant_of(begin_us + (step + 1) * QUARTER_US).timestamp()) for step in steps]
        for supply, volts, wrong in zip(supplies, solved.voltage_v, noise_v, strict=True):
            if supply.ip is not None:
                seen = volts * swing[supply.known.place.feeder] + wrong
                supply.ip.measured({end: round(v * 1000) for end, v in zip(ends, seen, strict=True) if not np.isnan(v)})

    def _count(self, solved: Solved, dark: Array, swing: Mapping[str, Array], begin_us: int) -> None:
        feeders = {one.code: row for row, one in enumerate(self.grid.feeders)}
        for total in self.totals.values():
            if total.known.node in feeders:
                flows = solved.feeder_input_wh[feeders[total.known.node]]
                volts, out = np.full(len(flows), np.nan), flows <= 0
            else:
                row = self.grid.transformer_row[total.known.node]
                flows, out = solved.input_wh[row], dark[row] >= 1
                volts = solved.busbar_v[row] * swing[self.grid.transformers[row].feeder]
            for step, energy_wh in enumerate(flows):
                end_at = instant_of(begin_us + (step + 1) * QUARTER_US)
                total.count(float(energy_wh), end_at, float(volts[step]), supplied=not out[step])


def out_share(spans: Sequence[Span], begin_us: int, steps: int) -> Array:
    """(steps,): the share of each quarter-hour that any of these spans covers; what lies in two counts once."""
    share = np.zeros(steps)
    edges = begin_us + QUARTER_US * np.arange(steps)
    reached_us = begin_us
    end_us = begin_us + steps * QUARTER_US
    for span in sorted(spans, key=lambda one: one.from_us):
        from_us, to_us = max(span.from_us, reached_us), end_us if span.to_us is None else min(span.to_us, end_us)
        if to_us > from_us:
            inside = np.minimum(edges + QUARTER_US, to_us) - np.maximum(edges, from_us)
            share += np.clip(inside, 0, QUARTER_US) / QUARTER_US
            reached_us = to_us
    return share
