# SPDX-License-Identifier: Apache-2.0
"""
A network with outages of its own, and what its meters' messages become on their way: the truth of the proof.

It shares nothing with `core.outage` but the form of a word: who is off is decided here first, words are made from it.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field

from duaarah.core.outage import Evidence, Kind, Network

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
HOURS = 30
HEARTBEAT_S = 900
DELIVERED, DOUBLED, LATE = 0.6, 0.05, 0.10


@dataclass(frozen=True)
class Truth:
    """One outage as it was: of `subject` at `level`, from `begin` to `end`."""

    level: str
    subject: int
    begin_at: dt.datetime
    end_at: dt.datetime


@dataclass
class World:
    """A tree, its outages, credit cuts and dead modems by meter, and the words that arrived of them."""

    network: Network
    outages: list[Truth] = field(default_factory=list)
    off: dict[int, list[tuple[dt.datetime, dt.datetime]]] = field(default_factory=dict)
    cut: dict[int, tuple[dt.datetime, dt.datetime]] = field(default_factory=dict)
    mute: dict[int, tuple[dt.datetime, dt.datetime]] = field(default_factory=dict)
    words: list[Evidence] = field(default_factory=list)
    logs: list[Evidence] = field(default_factory=list)

    def state(self, meter: int, at: dt.datetime) -> str:
        """What the meter's supply really is."""
        if any(begin_at <= at < end_at for begin_at, end_at in self.off.get(meter, [])):
            return "PADAM"
        for kept, word in ((self.cut, "STROOM_HABIS"), (self.mute, "MODEM_DIAM")):
            if meter in kept and kept[meter][0] <= at < kept[meter][1]:
                return word
        return "NYALA"


def make_world(seed: int) -> World:
    """A tree and thirty hours of it, drawn from `seed`."""
    draw = random.Random(seed)
    world = World(_tree(draw))
    _outages(world, draw)
    _by_meter(world, draw)
    _words(world, draw)
    return world


def _tree(draw: random.Random) -> Network:
    parent: dict[int, int | None] = {}
    level: dict[int, str] = {}
    transformer: dict[int, int] = {}
    node, meter = 0, 0

    def new(kind: str, above: int | None) -> int:
        nonlocal node
        node += 1
        parent[node], level[node] = above, kind
        return node

    for _ in range(2):
        substation = new("SUBSTATION", None)
        for _ in range(draw.randint(3, 4)):
            feeder = new("FEEDER", substation)
            for _ in range(draw.randint(3, 7)):
                below = new("TRANSFORMER", feeder)
                for _ in range(draw.randint(8, 40)):
                    meter += 1
                    transformer[meter] = below
    return Network(
        transformer_of=transformer,
        parent_of=parent,
        level_of=level,
        speaks_every_s=dict.fromkeys(transformer, HEARTBEAT_S),
    )


def _outages(world: World, draw: random.Random) -> None:
    network = world.network
    kinds = ["TRANSFORMER"] * 9 + ["FEEDER"] * 5 + ["SUBSTATION"] + ["METER"] * 10
    draw.shuffle(kinds)
    busy: list[tuple[set[int], dt.datetime, dt.datetime]] = []
    for kind in kinds:
        for _ in range(50):
            begin_at = START + dt.timedelta(seconds=draw.uniform(2 * 3600, (HOURS - 8) * 3600))
            end_at = begin_at + dt.timedelta(seconds=draw.uniform(420, 3 * 3600))
            subject = draw.choice(sorted(network.transformer_of) if kind == "METER" else network.nodes(kind))
            hit = {subject} if kind == "METER" else set(network.meters_of[subject])
            slack = dt.timedelta(minutes=40)
            if not any(
                hit & other and begin_at < last + slack and first < end_at + slack for other, first, last in busy
            ):
                busy.append((hit, begin_at, end_at))
                world.outages.append(Truth(kind, subject, begin_at, end_at))
                for meter in hit:
                    world.off.setdefault(meter, []).append((begin_at, end_at))
                break


def _by_meter(world: World, draw: random.Random) -> None:
    for meter in sorted(world.network.transformer_of):
        chance = draw.random()
        begin_at = START + dt.timedelta(seconds=draw.uniform(3600, (HOURS - 6) * 3600))
        end_at = begin_at + dt.timedelta(seconds=draw.uniform(2 * 3600, 6 * 3600))
        if chance < 0.06:
            # A cut happens while the meter has supply.
            if not any(first <= begin_at <= last for first, last in world.off.get(meter, [])):
                world.cut[meter] = (begin_at, end_at)
        elif chance < 0.10:
            world.mute[meter] = (begin_at, end_at)


def _words(world: World, draw: random.Random) -> None:
    for meter in sorted(world.network.transformer_of):
        off, mute = sorted(world.off.get(meter, [])), world.mute.get(meter)
        made: list[tuple[Kind, dt.datetime, float]] = []
        for begin_at, end_at in off:
            made.append((Kind.GASP, begin_at, DELIVERED))
            made.append((Kind.RESTORE, end_at, 0.95))
        if meter in world.cut:
            begin_at, end_at = world.cut[meter]
            made.append((Kind.CREDIT_OPEN, begin_at, 0.97))
            # Credit that comes while the grid is off is told when it is back.
            made.append(
                (Kind.CREDIT_CLOSED, next((last for first, last in off if first <= end_at <= last), end_at), 1.0)
            )
        for kind, at, chance in made:
            if draw.random() < chance and not (mute and mute[0] <= at < mute[1]):
                _send(world, draw, meter, kind, at + dt.timedelta(seconds=draw.uniform(0, 20)))
        _heartbeats(world, draw, meter)
        _logs(world, draw, meter)


def _send(world: World, draw: random.Random, meter: int, kind: Kind, at: dt.datetime) -> None:
    for copy in range(2 if draw.random() < DOUBLED else 1):
        delay_s = draw.uniform(1, 1800) if draw.random() < LATE else draw.uniform(1, 15)
        key = f"{meter}:{kind}:{at.isoformat()}:{copy}"
        world.words.append(Evidence(at, meter, kind, key, at + dt.timedelta(seconds=delay_s)))


def _heartbeats(world: World, draw: random.Random, meter: int) -> None:
    at = START + dt.timedelta(seconds=draw.uniform(0, HEARTBEAT_S))
    mute = world.mute.get(meter)
    while at < START + dt.timedelta(hours=HOURS):
        if not any(begin_at <= at < end_at for begin_at, end_at in world.off.get(meter, [])):
            muted = mute is not None and mute[0] <= at < mute[1]
            # What a dead modem kept comes as intervals when it speaks again.
            arrived = mute[1] if muted and mute else at
            if muted or draw.random() < 0.98:
                delay_s = draw.uniform(1, 15)
                kind = Kind.INTERVAL if muted else Kind.ALIVE
                word = Evidence(at, meter, kind, f"{meter}:beat:{at}", arrived + dt.timedelta(seconds=delay_s))
                world.words.append(word)
        at += dt.timedelta(seconds=HEARTBEAT_S)


def _logs(world: World, draw: random.Random, meter: int) -> None:
    """After the thirty hours the logs are read, but for two of a hundred: by a clock that is a few seconds wrong."""
    read_at = START + dt.timedelta(hours=HOURS + draw.uniform(0, 2))
    if draw.random() < 0.02:
        return
    wrong = dt.timedelta(seconds=draw.uniform(-5, 5))
    for begin_at, end_at in world.off.get(meter, []):
        key = f"{meter}:log:{begin_at}"
        world.logs.append(Evidence(begin_at + wrong, meter, Kind.LOG, key, read_at, end_at + wrong * draw.random()))
    world.logs.append(Evidence(START, meter, Kind.LOG_COVERS, f"{meter}:covers", read_at, read_at))
