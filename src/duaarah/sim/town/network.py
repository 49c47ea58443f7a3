# SPDX-License-Identifier: Apache-2.0
"""
The town's supply tree as its utility has it in the books: where each node stands, what its name plate says, on which
phase each meter hangs, and the total meters that measure what flows into a transformer or a feeder.

Pure, and drawn from the seed apart from everything else: the world of a seed stays as it is.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from dataclasses import dataclass, field

from duaarah.core.sts import luhn_digit, pan_of
from duaarah.sim.town.world import SINGLE_PHASE, World

SUBSTATION, FEEDER, TRANSFORMER = "SUBSTATION", "FEEDER", "TRANSFORMER"
# Rated VA, no-load loss and loss at rated load in W: usual sizes of 20 kV/400 V, losses of the order of SPLN D3.002-1.
PLATES = ((25_000, 75, 425), (50_000, 125, 800), (100_000, 210, 1_420), (160_000, 300, 2_000), (250_000, 420, 2_820))
# Of contracted power at the evening's peak, with room to grow: what a planner sizes a transformer by.
_DEMAND, _ROOM = 0.45, 1.25
_CENTRE = (-6.40, 106.82)
_KM = 1 / 111.2  # degrees of latitude a km
_SUBSTATIONS_APART_KM, _FIRST_KM, _STEP_KM = 7.0, 0.9, 0.55
WEAK_HOUSES = 5
_TOTAL_SERIALS = 95_000_000  # above those of the customers' meters


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node; `rated_va` and the losses as tested stand on plates of transformers only."""

    code: str
    kind: str
    parent: str | None
    latitude: float
    longitude: float
    rated_va: int | None = None
    no_load_w: float | None = None
    load_loss_w: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalMeter:
    """The meter at the head of a node; nobody's. Its keys are never printed."""

    node: str
    drn: str
    pan: str
    system_title: bytes
    rated_va: int
    ek: bytes = field(repr=False)
    ak: bytes = field(repr=False)
    mk: bytes = field(repr=False)


def nodes_of(world: World) -> tuple[Node, ...]:
    """Every node of the town, each after the one that feeds it."""
    made: dict[str, Node] = {}
    contracted: Counter[str] = Counter()
    for meter in world.meters:
        contracted[meter.place.transformer] += meter.contracted_va
    below: Counter[str] = Counter()
    for meter in world.meters:
        place = meter.place
        if place.substation not in made:
            made[place.substation] = _substation(place.substation, below["town"])
            below["town"] += 1
        if place.feeder not in made:
            made[place.feeder] = _feeder(place.feeder, made[place.substation], below[place.substation])
            below[place.substation] += 1
        if place.transformer not in made:
            along, feeder = below[place.feeder], made[place.feeder]
            made[place.transformer] = _transformer(
                world.seed, place.transformer, feeder, made[place.substation], along, contracted[place.transformer]
            )
            below[place.feeder] += 1
    return tuple(made.values())


def _substation(code: str, number: int) -> Node:
    latitude, longitude = _moved(_CENTRE, _SUBSTATIONS_APART_KM * number, 20.0)
    return Node(code=code, kind=SUBSTATION, parent=None, latitude=latitude, longitude=longitude)


def _feeder(code: str, substation: Node, number: int) -> Node:
    """A feeder's node stands where it leaves the substation, in a direction of its own."""
    latitude, longitude = _moved((substation.latitude, substation.longitude), 0.35, _bearing(number))
    return Node(code=code, kind=FEEDER, parent=substation.code, latitude=latitude, longitude=longitude)


def _transformer(seed: int, code: str, feeder: Node, substation: Node, along: int, contracted_va: int) -> Node:
    """One behind the other along the feeder, now left of it and now right."""
    dice = random.Random(f"duaarah network {seed} {code}")
    out = math.degrees(math.atan2(feeder.longitude - substation.longitude, feeder.latitude - substation.latitude))
    spot = _moved((feeder.latitude, feeder.longitude), _FIRST_KM + _STEP_KM * along, out + dice.uniform(-3, 3))
    latitude, longitude = _moved(spot, dice.uniform(0.15, 0.35), out + (90 if along % 2 else -90))
    rated_va, no_load_w, load_loss_w = plate_of(contracted_va)
    return Node(
        code=code,
        kind=TRANSFORMER,
        parent=feeder.code,
        latitude=latitude,
        longitude=longitude,
        rated_va=rated_va,
        no_load_w=no_load_w,
        load_loss_w=load_loss_w,
    )


def plate_of(contracted_va: int) -> tuple[int, float, float]:
    """The smallest plate (rated VA, no-load W, load-loss W) for so much contracted power below it."""
    wanted_va = contracted_va * _DEMAND * _ROOM
    return next((plate for plate in PLATES if plate[0] >= wanted_va), PLATES[-1])


def _bearing(number: int) -> float:
    return 35.0 + 137.5 * number


def _moved(spot: tuple[float, float], km: float, bearing: float) -> tuple[float, float]:
    """So many km in this direction; degrees, to about a metre."""
    latitude, longitude = spot
    angle = math.radians(bearing)
    return round(latitude + km * _KM * math.cos(angle), 5), round(longitude + km * _KM * math.sin(angle), 5)


def weak_end_of(world: World) -> tuple[str, tuple[str, ...], str]:
    """One transformer of the town has a long thin single-phase line: its code, the DRNs of the last houses on it, their phase."""
    dice = random.Random(f"duaarah weak end {world.seed}")
    code = dice.choice(list(dict.fromkeys(meter.place.transformer for meter in world.meters)))
    single = [m.drn for m in world.meters if m.place.transformer == code and m.profile == SINGLE_PHASE]
    return code, tuple(single[-WEAK_HOUSES:]), f"L{dice.randrange(1, 4)}"


def phases_of(world: World) -> dict[str, str]:
    """
    The phase of each single-phase meter by DRN: in turn along its transformer's lines, those of the weak end on one. Empty
    for three phases.
    """
    turn: Counter[str] = Counter()
    _, thin, phase = weak_end_of(world)
    found = {}
    for meter in world.meters:
        found[meter.drn] = ""
        if meter.profile == SINGLE_PHASE and meter.drn not in thin:
            found[meter.drn] = f"L{turn[meter.place.transformer] % 3 + 1}"
            turn[meter.place.transformer] += 1
    return found | dict.fromkeys(thin, phase)


def total_meters_of(world: World) -> tuple[TotalMeter, ...]:
    """One at each transformer and each feeder."""
    rated_va: Counter[str] = Counter()
    nodes = nodes_of(world)
    for node in nodes:
        if node.rated_va is not None and node.parent is not None:
            rated_va[node.code] += node.rated_va
            rated_va[node.parent] += node.rated_va
    measured = [node for node in nodes if node.kind != SUBSTATION]
    return tuple(_total_meter(world, node, number, rated_va[node.code]) for number, node in enumerate(measured))


def _total_meter(world: World, node: Node, number: int, rated_va: int) -> TotalMeter:
    serial = _TOTAL_SERIALS + number
    drn = _drn(serial)
    secret = hashlib.sha512(b"total meter" + world.vending_key + drn.encode("ascii")).digest()
    return TotalMeter(
        node=node.code,
        drn=drn,
        pan=pan_of(drn),
        system_title=b"DUA" + b"\x02" + serial.to_bytes(4, "big"),
        rated_va=rated_va,
        ek=secret[:16],
        ak=secret[16:32],
        mk=secret[32:48],
    )


def _drn(serial: int) -> str:
    head = f"99{serial:08d}"
    return head + luhn_digit(head)
