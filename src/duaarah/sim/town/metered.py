# SPDX-License-Identifier: Apache-2.0
"""
What the meters of the past counted, a day at a time: registers, energies, volts and amperes of customers' meters, registers of
total meters; and what of it the way to the head end lost or brought late.

Registers are exactly what the meters used (`past.Drawn`), so that they go on where the town's first day begins. Volts come
from the town's network, and swing a little with what the 20 kV side does by day and by evening.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from duaarah.sim.town.grid import STEP_S, Grid, Solved, Theft
from duaarah.sim.town.load import DAY_US, WUS_PER_MWH
from duaarah.sim.town.network import total_meters_of
from duaarah.sim.town.past import Outage, Past
from duaarah.sim.town.totals import total_errors
from duaarah.sim.town.truth import Truth, write_flows
from duaarah.sim.town.world import SINGLE_PHASE, World

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
STEPS = 86_400 // STEP_S
_STEP_US = STEP_S * 1_000_000
_MWH_PER_WH = 1000
# Errors of the volts that meters show, of the 20 kV side by day and in the evening.
_SHOWN_V, _SWING, _EVENING = 0.15, 0.004, (-0.006, 0.007)
_EVENING_STEPS = slice(17 * 4, 22 * 4)


@dataclass(frozen=True, slots=True)
class Counted:
    """
    A local day. (meters, 96): `register_wh` at each interval's end, `energy_wh` in it, `voltage_v`, `current_a` (NaN: not
    measured), `off`: no supply in all of it. (totals, 96): `total_register_wh`, `total_energy_wh`, `total_voltage_v` (of
    transformers the busbar's).
    """

    register_wh: Whole
    energy_wh: Whole
    voltage_v: Array
    current_a: Array
    off: Mask
    total_register_wh: Whole
    total_energy_wh: Whole
    total_voltage_v: Array


@dataclass(frozen=True, slots=True)
class _Dark:
    """An outage of one meter."""

    row: int
    span: Outage


class Metered:
    """Days in their order, from the first on: registers go on from day to day."""

    def __init__(self, world: World, past: Past, thefts: Iterable[Theft] = (), truth: Truth | None = None) -> None:
        """`truth` is told what was cut and stolen, and of each day where it all went."""
        self.world, self.thefts = world, tuple(thefts)
        self._truth = truth or Truth()
        for cut in past.outages:
            self._truth.write("cut", cut.span.from_us, node=cut.code)
            self._truth.write("mended", cut.span.to_us, node=cut.code)
        for theft in self.thefts:
            self._truth.write("theft", theft.from_us, drn=theft.drn, watts=theft.watts, share=theft.share)
        self.grid = Grid.of(world)
        self.first_day = past.begin_us // DAY_US
        self._next_day = self.first_day
        curves = [meter.curve for meter in world.meters]
        self._begin_mwh = np.array([curve.used_mwh(past.begin_us) for curve in curves], dtype=np.int64)
        self._gone_mwh = np.zeros(len(curves), dtype=np.int64)
        self._darks = sorted(
            (_Dark(row, span) for row, one in enumerate(past.meters) for span in one.outages),
            key=lambda dark: dark.span.from_us,
        )
        self._curves = curves
        single = np.array([meter.profile == SINGLE_PHASE for meter in world.meters])
        self._single = single[:, None]
        transformers, feeders = self.grid.transformers, self.grid.feeders
        rows = {one.code: row for row, one in enumerate(transformers)}
        rows |= {one.code: len(transformers) + row for row, one in enumerate(feeders)}
        self.totals = total_meters_of(world)
        self._total_rows = np.array([rows[total.node] for total in self.totals], dtype=np.int64)
        self._gain, begun_wh = total_errors(world)
        self._total_wh = begun_wh.astype(np.float64)
        feeder_row = {one.code: row for row, one in enumerate(feeders)}
        self._feeder_of_transformer = np.array([feeder_row[one.feeder] for one in transformers])
        self._feeder_of = np.array([feeder_row[meter.place.feeder] for meter in world.meters])

    def day(self) -> Counted:
        """The next local day."""
        day = self._next_day
        self._next_day += 1
        dice = np.random.default_rng([self.world.seed, 2, day - self.first_day])
        off = self._off(day)
        quarters_w = np.array([curve.quarters_w(day) for curve in self._curves], dtype=np.int64)
        used_wh = self._registers_mwh(day, quarters_w) // _MWH_PER_WH
        solved, counted_share = self._flows(day, quarters_w * (1 - off), off)
        totals = np.concatenate([solved.input_wh, solved.feeder_input_wh])[self._total_rows] * self._gain[:, None]
        reached = self._total_wh[:, None] + np.cumsum(totals, axis=1)
        total_wh = np.floor(np.column_stack([self._total_wh, reached])).astype(np.int64)
        self._total_wh = reached[:, -1]
        swing = self._swing(dice)
        busbar_v = solved.busbar_v * swing[self._feeder_of_transformer]
        total_voltage_v = np.vstack([busbar_v, np.full((len(self.grid.feeders), STEPS), np.nan)])[self._total_rows]
        voltage_v = solved.voltage_v * swing[self._feeder_of] + dice.normal(0, _SHOWN_V, off.shape)
        dead = off >= 1
        return Counted(
            register_wh=used_wh[:, 1:],
            energy_wh=np.diff(used_wh, axis=1),
            voltage_v=np.where(dead, np.nan, np.round(voltage_v, 1)),
            current_a=np.where(self._single & ~dead, np.round(solved.current_a * counted_share, 2), np.nan),
            off=dead,
            total_register_wh=total_wh[:, 1:],
            total_energy_wh=np.diff(total_wh, axis=1),
            total_voltage_v=np.round(total_voltage_v, 1),
        )

    def total_registers_wh(self) -> dict[str, int]:
        """What total meters show after the days that were made, by DRN."""
        return {total.drn: int(wh) for total, wh in zip(self.totals, self._total_wh, strict=True)}

    def _off(self, day: int) -> Array:
        """(meters, 96): the share of each interval without supply."""
        begin_us = day * DAY_US
        off = np.zeros((len(self._curves), STEPS))
        edges = begin_us + _STEP_US * np.arange(STEPS)
        for dark in self._within(day):
            dark_us = np.minimum(edges + _STEP_US, dark.span.to_us) - np.maximum(edges, dark.span.from_us)
            off[dark.row] += np.clip(dark_us, 0, _STEP_US) / _STEP_US
        return off

    def _within(self, day: int) -> list[_Dark]:
        begin_us, end_us = day * DAY_US, (day + 1) * DAY_US
        return [dark for dark in self._darks if dark.span.from_us < end_us and dark.span.to_us > begin_us]

    def _registers_mwh(self, day: int, quarters_w: Whole) -> Whole:
        """(meters, 97) at the edges of the intervals: `past.Drawn.until_mwh`; called once a day, in their order."""
        begun_wus = np.array([[curve.used(day * DAY_US)] for curve in self._curves], dtype=np.int64)
        used_wus = begun_wus + np.cumsum(quarters_w, axis=1) * _STEP_US
        used_mwh = np.hstack([begun_wus, used_wus]) // WUS_PER_MWH - (self._begin_mwh + self._gone_mwh)[:, None]
        for dark in self._within(day):
            curve, edges = self._curves[dark.row], range(day * DAY_US, (day + 1) * DAY_US + 1, _STEP_US)
            begun_mwh = curve.used_mwh(max(dark.span.from_us, day * DAY_US))
            gone = [max(curve.used_mwh(min(at_us, dark.span.to_us)) - begun_mwh, 0) for at_us in edges]
            used_mwh[dark.row] -= np.array(gone, dtype=np.int64)
            self._gone_mwh[dark.row] += gone[-1]
        return np.asarray(used_mwh)

    def _flows(self, day: int, loads_w: Array, off: Array) -> tuple[Solved, Array]:
        """What flowed, and the share of it that the meters counted."""
        beside_w = self.grid.unmetered_w(loads_w, self.thefts, day) * (1 - off)
        solved = self.grid.solve(loads_w, unmetered_w=beside_w, dark=self._dark(off))
        write_flows(self._truth, self.grid, solved, (loads_w, beside_w), day * DAY_US)
        drawn_w = loads_w + beside_w
        return solved, np.divide(loads_w, drawn_w, out=np.ones_like(loads_w), where=drawn_w > 0)

    def _dark(self, off: Array) -> Array:
        """A transformer is dark while all its meters are."""
        return np.array([off[self.grid.rows_of(one)].min(axis=0) for one in self.grid.transformers])

    def _swing(self, dice: np.random.Generator) -> Array:
        """(feeders, 96): the 20 kV side against its rated voltage."""
        feeders = len(self.grid.feeders)
        swing = np.repeat(dice.normal(0, _SWING, (feeders, 8)), STEPS // 8, axis=1)
        swing[:, _EVENING_STEPS] += dice.normal(*_EVENING, (feeders, 1))
        return 1 + swing


# -- the way to the head end ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Came:
    """(rows, 96) of customers' meters, then totals: which intervals came with their day, and which a day later."""

    at_once: Mask
    late: Mask


class Way:
    """How readings come: single intervals are lost, whole days, one meter for a week; some days come late. The seed's."""

    LATE_ONE_DAY_IN, LATE_SHARE = 9, 0.04

    def __init__(self, world: World, days: int) -> None:
        dice = np.random.default_rng([world.seed, 3])
        self._seed, self._meters, self._totals = world.seed, len(world.meters), len(total_meters_of(world))
        self.interval_lost = float(dice.uniform(0.002, 0.008))
        self.day_lost = float(dice.uniform(0.002, 0.005))
        self._silent_row = int(dice.integers(self._meters))
        silent_from = int(dice.integers(0, max(days - 20, 1)))
        self._silent_days = range(silent_from, silent_from + 7)
        self._late_phase = int(dice.integers(self.LATE_ONE_DAY_IN))

    def of_day(self, number: int) -> Came:
        """Of the day with this number, from 0."""
        dice = np.random.default_rng([self._seed, 4, number])
        rows = self._meters + self._totals
        lost = dice.random((rows, STEPS)) < self.interval_lost
        lost[: self._meters] |= dice.random((self._meters, 1)) < self.day_lost
        lost[self._meters :] &= dice.random((self._totals, STEPS)) < 0.1
        if number in self._silent_days:
            lost[self._silent_row] = True
        late = np.zeros((rows, 1), dtype=np.bool_)
        if number % self.LATE_ONE_DAY_IN == self._late_phase:
            late[: self._meters] = dice.random((self._meters, 1)) < self.LATE_SHARE
        return Came(~lost & ~late, ~lost & late)
