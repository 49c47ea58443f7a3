# SPDX-License-Identifier: Apache-2.0
"""
When the network of the past was without supply: feeders and transformers that failed, single houses, planned work.

Pure and seeded. No two of them meet at one meter: within an hour of a wider one there is no narrower one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.network import FEEDER, TRANSFORMER
from duaarah.sim.town.world import TownMeter, World

HOUSE = "METER"
MINUTE_US = HOUR_US // 60
FEEDER_EVERY_DAYS, TRANSFORMER_EVERY_DAYS, HOUSE_EVERY_DAYS = 21, 60, 540
# Planned work is by day: begins at nine, on one transformer of each feeder in this many days.
PLANNED_EVERY_DAYS, PLANNED_BEFORE_DAYS, PLANNED_FROM_HOUR = 45, 12, 9


@dataclass(frozen=True, slots=True)
class Outage:
    """Supply was away, in town microseconds (before START they are negative)."""

    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOutage:
    """What was off: `level` FEEDER, TRANSFORMER or METER; `code` is the node's, or the meter's DRN."""

    level: str
    code: str
    span: Outage
    planned: bool = False

    def reaches(self, meter: TownMeter) -> bool:
        """Whether this meter was off with it."""
        return self.code in (meter.place.feeder, meter.place.transformer, meter.drn)


def outages_of(world: World, days: int) -> tuple[NodeOutage, ...]:
    """Every outage of the town's past, by their begin."""
    feeder_of = {meter.place.transformer: meter.place.feeder for meter in world.meters}
    above = {meter.drn: (meter.place.transformer, meter.place.feeder) for meter in world.meters}
    found: list[NodeOutage] = []
    busy: dict[str, list[Outage]] = {}

    def take(drawn: Iterable[NodeOutage], over: tuple[str, ...]) -> None:
        for one in drawn:
            if not any(_near(one.span, other) for code in (one.code, *over) for other in busy.get(code, ())):
                found.append(one)
                busy.setdefault(one.code, []).append(one.span)

    for feeder in dict.fromkeys(feeder_of.values()):
        take(_feeder(world.seed, days, feeder), ())
    for feeder in dict.fromkeys(feeder_of.values()):
        transformers = [code for code, over in feeder_of.items() if over == feeder]
        take(_planned(world.seed, days, feeder, transformers), (feeder,))
    for code, feeder in feeder_of.items():
        take(_random(world.seed, days, TRANSFORMER, code, TRANSFORMER_EVERY_DAYS), (feeder,))
    for drn, over in above.items():
        take(_random(world.seed, days, HOUSE, drn, HOUSE_EVERY_DAYS), over)
    return tuple(sorted(found, key=lambda one: (one.span.from_us, one.code)))


def _near(one: Outage, other: Outage) -> bool:
    return one.from_us < other.to_us + HOUR_US and other.from_us < one.to_us + HOUR_US


def _feeder(seed: int, days: int, code: str) -> list[NodeOutage]:
    """Each feeder fails now and then, for a quarter of an hour up to three hours."""
    dice = random.Random(f"duaarah outages {seed} {days} {code}")
    begun = [
        -day * DAY_US + dice.randrange(24 * 60 - 200) * MINUTE_US
        for day in range(days, 1, -1)
        if dice.randrange(FEEDER_EVERY_DAYS) == 0
    ]
    return [NodeOutage(level=FEEDER, code=code, span=_lasting(dice, at_us)) for at_us in begun]


def _random(seed: int, days: int, level: str, code: str, every_days: int) -> list[NodeOutage]:
    dice = random.Random(f"duaarah outages {seed} {days} {level} {code}")
    return [
        NodeOutage(
            level=level,
            code=code,
            span=_lasting(dice, -day * DAY_US + dice.randrange(24 * 60 - 200) * MINUTE_US),
        )
        for day in range(days, 1, -1)
        if dice.randrange(every_days) == 0
    ]


def _planned(seed: int, days: int, feeder: str, transformers: list[str]) -> list[NodeOutage]:
    dice = random.Random(f"duaarah planned {seed} {days} {feeder}")
    return [
        NodeOutage(
            level=TRANSFORMER,
            code=dice.choice(transformers),
            span=_lasting(dice, -day * DAY_US + PLANNED_FROM_HOUR * HOUR_US + dice.randrange(10) * MINUTE_US),
            planned=True,
        )
        for day in range(days - 1, 1, -1)
        if day % PLANNED_EVERY_DAYS == PLANNED_BEFORE_DAYS
    ]


def _lasting(dice: random.Random, from_us: int) -> Outage:
    return Outage(from_us, from_us + dice.randrange(15, 181) * MINUTE_US)
