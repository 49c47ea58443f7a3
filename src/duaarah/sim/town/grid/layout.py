# SPDX-License-Identifier: Apache-2.0
"""
The town's lines, drawn from its seed: which poles they follow from each transformer to its houses, with which cable, and
what lies between the transformers of a feeder. Where nodes stand, plates and phases are those of `sim.town.network`.

The draws are their own: the world of a seed stays as it is.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from duaarah.sim.town.grid.plant import (
    BRANCH,
    LOW_V,
    MEDIUM_OHM_KM,
    MEDIUM_V,
    SERVICE,
    SERVICE_3P,
    TAP_STEP,
    TRUNK,
    WEAK,
    Cable,
    Plate,
)
from duaarah.sim.town.grid.sweep import Array, Complex, Lines, low_voltage
from duaarah.sim.town.network import Node, nodes_of, phases_of, weak_end_of
from duaarah.sim.town.world import TownMeter, World

_M_PER_DEG = 111_320.0
_POLE_M = (38, 56)
_SERVICE_M = (15, 41)
# Lines turn and sag: so much longer than from node to node.
_DETOUR = 1.15
# The weak end's line is so long that its last house sees this at the peak of the mean evening; busy evenings go below.
WEAK_V = 200.0
_WEAK_M_MAX, _WEAK_POLE_M = 400, 90.0
PHASES = ("L1", "L2", "L3")


@dataclass(frozen=True, slots=True)
class Spot:
    """Degrees north and east, WGS 84."""

    latitude: float
    longitude: float

    def moved(self, east_m: float, north_m: float) -> Spot:
        """So many metres away."""
        east_deg = east_m / (_M_PER_DEG * math.cos(math.radians(self.latitude)))
        return Spot(round(self.latitude + north_m / _M_PER_DEG, 6), round(self.longitude + east_deg, 6))

    def distance_m(self, other: Spot) -> float:
        """Over a town's few kilometres the earth is flat."""
        east_deg = (other.longitude - self.longitude) * math.cos(math.radians(self.latitude))
        return math.hypot(other.latitude - self.latitude, east_deg) * _M_PER_DEG


@dataclass(frozen=True, slots=True)
class Branch:
    """A piece of line. `parent` is the number of the branch before it, None at the busbar; `drn` is set on a service."""

    parent: int | None
    cable: Cable
    length_m: float
    drn: str | None = None


@dataclass(frozen=True, slots=True)
class House:
    """Where a meter hangs: its phase (`L1`, `L2`, `L3`; empty: on all three), its power factor, its place on the map."""

    meter: TownMeter
    phase: str
    power_factor: float
    spot: Spot


@dataclass(frozen=True, slots=True)
class Transformer:
    """A distribution transformer with what hangs on it. `tap` steps of 2.5 % above the rated ratio; `weak`: see the module."""

    code: str
    feeder: str
    plate: Plate
    tap: int
    spot: Spot
    houses: tuple[House, ...]
    branches: tuple[Branch, ...]
    weak: bool

    def connections(self) -> tuple[tuple[int, int], ...]:
        """(house's number, phase 0 to 2) of each single-phase load; a three-phase house has three, a third of its load each."""
        found: list[tuple[int, int]] = []
        for number, house in enumerate(self.houses):
            found += [(number, phase) for phase, name in enumerate(PHASES) if house.phase in ("", name)]
        return tuple(found)

    def low_v(self, medium_v: Array) -> Array:
        """What its low-voltage side shows to neutral without load."""
        return np.asarray(medium_v * (LOW_V / MEDIUM_V / 3**0.5 * (1 + TAP_STEP * self.tap)))

    def lowest_v(self, voltage_v: Complex) -> Array:
        """(houses, steps): the lowest phase of each, from the phasors of the connections."""
        lowest = np.full((len(self.houses), voltage_v.shape[1]), np.inf)
        np.minimum.at(lowest, [house for house, _ in self.connections()], np.abs(voltage_v))
        return lowest

    def powers_va(self, drawn_w: Array) -> Complex:
        """(connections, steps) for the watts of the houses (houses, steps)."""
        house = [number for number, _ in self.connections()]
        factor = np.array([one.power_factor for one in self.houses])
        va = drawn_w + 1j * drawn_w * np.sqrt(1 / factor**2 - 1)[:, None]
        share = np.array([1.0 if self.houses[number].phase else 1 / 3 for number in house])
        return np.asarray(va[house] * share[:, None])

    def lines(self) -> Lines:
        """The branches as the sweep wants them; its loads are the connections."""
        service = {branch.drn: number for number, branch in enumerate(self.branches) if branch.drn is not None}
        connections = self.connections()
        path = np.zeros((len(self.branches), len(connections)))
        for column, (house, _) in enumerate(connections):
            place: int | None = service[self.houses[house].meter.drn]
            while place is not None:
                path[place, column] = 1.0
                place = self.branches[place].parent
        km = np.array([branch.length_m / 1000 for branch in self.branches])
        return Lines(
            path=path,
            phase_ohm=km * np.array([branch.cable.phase_ohm_km for branch in self.branches]),
            neutral_ohm=km * np.array([branch.cable.neutral_ohm_km for branch in self.branches]),
            phase=np.array([phase for _, phase in connections]),
        )


@dataclass(frozen=True, slots=True)
class Feeder:
    """A 20 kV feeder: its transformers along one line, `section_m` metres before each; `source_v` at the substation."""

    code: str
    substation: str
    transformers: tuple[str, ...]
    section_m: tuple[float, ...]
    source_v: float
    spot: Spot

    def path(self) -> Array:
        """(sections, transformers): section n carries transformer n and all behind it."""
        return np.triu(np.ones((len(self.transformers),) * 2))

    def section_ohm(self) -> Complex:
        return np.array([length_m / 1000 * MEDIUM_OHM_KM for length_m in self.section_m])


def lay_out(world: World) -> tuple[tuple[Transformer, ...], tuple[Feeder, ...]]:
    """The network of a world: the transformers in the order of their first meters, and the feeders."""
    nodes = {node.code: node for node in nodes_of(world)}
    hung: dict[str, list[TownMeter]] = {}
    for meter in world.meters:
        hung.setdefault(meter.place.transformer, []).append(meter)
    weak_code, thin, _ = weak_end_of(world)
    phases = phases_of(world)
    transformers = []
    for code, meters in hung.items():
        dice = random.Random(f"duaarah lines {world.seed} {code}")
        drawing = _Drawing(dice, _spot(nodes[code]), phases)
        transformers.append(_transformer(drawing, nodes[code], meters, thin if code == weak_code else ()))
    return tuple(transformers), _feeders(world, nodes)


def _spot(node: Node) -> Spot:
    return Spot(node.latitude, node.longitude)


def _feeders(world: World, nodes: dict[str, Node]) -> tuple[Feeder, ...]:
    """Each feeder passes its transformers one after the other."""
    along: dict[str, list[str]] = {}
    for code, node in nodes.items():
        if node.rated_va is not None:
            along.setdefault(node.parent or "", []).append(code)
    made = []
    for code, transformers in along.items():
        dice = random.Random(f"duaarah feeder {world.seed} {code}")
        way = [_spot(nodes[nodes[code].parent or ""]), *(_spot(nodes[one]) for one in transformers)]
        sections = tuple(round(a.distance_m(b) * _DETOUR) + 0.0 for a, b in pairwise(way))
        source_v = MEDIUM_V * dice.choice((0.965, 0.97, 0.975, 0.98))
        made.append(Feeder(code, nodes[code].parent or "", tuple(transformers), sections, source_v, _spot(nodes[code])))
    return tuple(made)


class _Drawing:
    """Branches and houses of one transformer as they are drawn."""

    def __init__(self, dice: random.Random, at: Spot, phases: dict[str, str]) -> None:
        self.dice, self.at, self.phases = dice, at, phases
        self.branches: list[Branch] = []
        self.houses: list[House] = []

    def pole(self, parent: int | None, cable: Cable, length_m: float) -> int:
        self.branches.append(Branch(parent, cable, length_m))
        return len(self.branches) - 1

    def house(self, meter: TownMeter, pole: int, spot: Spot) -> None:
        phase = self.phases[meter.drn]
        cable = SERVICE if phase else SERVICE_3P
        length_m = float(self.dice.randrange(*_SERVICE_M))
        self.branches.append(Branch(pole, cable, length_m, meter.drn))
        side = self.dice.choice((-1, 1)) * length_m
        factor = self.dice.randrange(86, 99) / 100
        self.houses.append(House(meter, phase, factor, spot.moved(side * 0.7, side * 0.7)))


def _transformer(drawing: _Drawing, node: Node, meters: Sequence[TownMeter], thin_drns: Sequence[str]) -> Transformer:
    dice = drawing.dice
    thin = [meter for meter in meters if meter.drn in thin_drns]
    near = [meter for meter in meters if meter.drn not in thin_drns]
    lines = 1 + (len(near) > 8) + (len(near) > 18)
    turn = dice.random() * math.tau
    end: int | None = None
    at = drawing.at
    for line in range(lines):
        end, at = _line(drawing, near[line::lines], turn + line * math.tau / lines)
    way = turn - math.tau / 5
    for meter in thin:
        end = drawing.pole(end, WEAK, 1.0)
        at = at.moved(_WEAK_POLE_M * math.cos(way), _WEAK_POLE_M * math.sin(way))
        drawing.house(meter, end, at)
    order = {meter.drn: number for number, meter in enumerate(meters)}
    made = Transformer(
        code=node.code,
        feeder=meters[0].place.feeder,
        plate=Plate(node.rated_va or 0, node.no_load_w or 0.0, node.load_loss_w or 0.0),
        tap=0 if thin else dice.choice((0, 0, 1)),
        spot=drawing.at,
        houses=tuple(sorted(drawing.houses, key=lambda house: order[house.meter.drn])),
        branches=tuple(drawing.branches),
        weak=bool(thin),
    )
    return _stretched(made) if thin else made


def _stretched(one: Transformer) -> Transformer:
    """Its thin line as long as the weak end wants it, in whole metres between its poles."""

    def of_length(length_m: int) -> Transformer:
        made = (replace(b, length_m=float(length_m)) if b.cable is WEAK else b for b in one.branches)
        return replace(one, branches=tuple(made))

    def strong(length_m: int) -> bool:
        flow = low_voltage(of_length(length_m).lines(), one.plate, np.full(24, LOW_V / 3**0.5), one.powers_va(mean_w))
        return bool(np.abs(flow.voltage_v).min() >= WEAK_V)

    mean_w = np.array([house.meter.load_w for house in one.houses], dtype=np.float64)
    return of_length(bisect_left(range(_WEAK_M_MAX), True, key=lambda length_m: not strong(length_m)))


def _line(drawing: _Drawing, meters: Sequence[TownMeter], way: float) -> tuple[int | None, Spot]:
    """One line from the busbar: poles with one to three houses each, thinner in its second half. Returns its end."""
    dice, end, at = drawing.dice, None, drawing.at
    left = list(meters)
    while left:
        length_m = float(dice.randrange(*_POLE_M))
        end = drawing.pole(end, TRUNK if len(left) * 2 > len(meters) else BRANCH, length_m)
        at = at.moved(length_m * math.cos(way), length_m * math.sin(way))
        way += dice.uniform(-0.15, 0.15)
        for meter in left[: dice.randrange(1, 4)]:
            left.remove(meter)
            drawing.house(meter, end, at)
    return end, at
