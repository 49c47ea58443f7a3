# SPDX-License-Identifier: Apache-2.0
"""
The world's meters when they are asked: the platform looks at a tree every so often, asks whom the picture wants asked, and
who has supply and a living modem answers, most times.
"""

from __future__ import annotations

import datetime as dt
import random
from bisect import bisect_left
from collections import deque

from tests.core.outage.world import World

from duaarah.core.outage import Evidence, Kind, Network, Picture, infer

VERDICT = dt.timedelta(seconds=180)
# Heartbeats of so long ago are not read any more, but for a meter's latest.
READ = dt.timedelta(minutes=50)
BEATS = (Kind.ALIVE, Kind.INTERVAL)
ANSWERS = 0.97


class Tree:
    """One substation of the world, with the words that arrived of it and those that come of asking."""

    def __init__(self, world: World, root: int, seed: int) -> None:
        self._world, self._draw = world, random.Random(seed)
        whole = world.network
        meters = sorted(whole.meters_of[root])
        self.network = Network(
            transformer_of={meter: whole.transformer_of[meter] for meter in meters},
            parent_of=whole.parent_of,
            level_of=whole.level_of,
            speaks_every_s={meter: whole.speaks_every_s[meter] for meter in meters},
        )
        mine = set(meters)
        words = sorted((word for word in world.words if word.meter in mine), key=lambda word: word.arrived_at)
        self._beats = [word for word in words if word.kind in BEATS]
        self._arrived = [word.arrived_at for word in self._beats]
        self._told = [word for word in words if word.kind not in BEATS]
        self._asked: list[Evidence] = []
        # However old: the latest words of each meter.
        self._kept: dict[int, deque[Evidence]] = {}
        self._past = 0
        self.questions = 0

    def look(self, now: dt.datetime) -> Picture:
        """What is known at `now`; the questions that it leaves are asked."""
        first, last = bisect_left(self._arrived, now - READ), bisect_left(self._arrived, now)
        for word in self._beats[self._past : first]:
            self._kept.setdefault(word.meter, deque(maxlen=2)).append(word)
        self._past = max(first, self._past)
        words = self._beats[first:last] + self._told + self._asked
        words += [word for kept in self._kept.values() for word in kept]
        picture = infer(self.network, words, now)
        for ask in picture.ask:
            self._put(ask.meter, now)
        return picture

    def _put(self, meter: int, now: dt.datetime) -> None:
        self.questions += 1
        key = f"{meter}:asked:{now}"
        self._asked.append(Evidence(now, meter, Kind.PING_SENT, key, now))
        answer_at = now + dt.timedelta(seconds=self._draw.uniform(5, 20))
        mute = self._world.mute.get(meter)
        off = any(begin_at <= answer_at < end_at for begin_at, end_at in self._world.off.get(meter, []))
        if off or (mute and mute[0] <= answer_at < mute[1]) or self._draw.random() > ANSWERS:
            self._asked.append(Evidence(now, meter, Kind.PING_LOST, key, now + VERDICT))
        else:
            self._asked.append(Evidence(answer_at, meter, Kind.PING_ANSWERED, key, answer_at))
