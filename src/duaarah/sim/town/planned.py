# SPDX-License-Identifier: Apache-2.0
"""
What meters measure each hour while nothing goes wrong: the mean load of their curves, and the voltage that the lines leave
them when all their neighbours do as they use to.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from duaarah.sim.town.grid import Grid
from duaarah.sim.town.load import DAY_US, HOUR_US, Curve
from duaarah.sim.town.world import TownMeter, World

_KEPT = 4_000
_MV = 1000


class Planned:
    """A town's planned hours, a day and transformer at a time as they are asked for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._grid: Grid | None = None
        self._curves: dict[str, Curve] = {}
        self._kept: dict[tuple[str, int], dict[str, tuple[tuple[int, int], ...]]] = {}

    def samples(self, meter: TownMeter, from_us: int, to_us: int) -> Iterator[tuple[int, int]]:
        """(mean W, mV) of each hour that ended after `from_us` and up to `to_us`."""
        for end_us in range((from_us // HOUR_US + 1) * HOUR_US, to_us + 1, HOUR_US):
            day, rest = divmod(end_us - HOUR_US, DAY_US)
            yield self.hours(meter, day)[rest // HOUR_US]

    def hours(self, meter: TownMeter, day: int) -> tuple[tuple[int, int], ...]:
        """(mean W, mV) of the 24 hours of a day."""
        key = meter.place.transformer, day
        if key not in self._kept:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self._measured(*key)
        return self._kept[key][meter.drn]

    def _measured(self, code: str, day: int) -> dict[str, tuple[tuple[int, int], ...]]:
        if self._grid is None:
            self._grid = Grid.of(self._world)
        one = self._grid.transformers[self._grid.transformer_row[code]]
        edges = range(day * DAY_US, (day + 1) * DAY_US + 1, HOUR_US)
        watts = []
        for house in one.houses:
            curve = self._curves.setdefault(house.meter.drn, house.meter.curve)
            used = [curve.used(at_us) for at_us in edges]
            watts.append([(after - before) // HOUR_US for before, after in pairwise(used)])
        voltage_v = self._grid.house_voltages_v(code, np.array(watts, dtype=np.float64))
        return {
            house.meter.drn: tuple((load_w, round(volts * _MV)) for load_w, volts in zip(loads, row, strict=True))
            for house, loads, row in zip(one.houses, watts, voltage_v.tolist(), strict=True)
        }
