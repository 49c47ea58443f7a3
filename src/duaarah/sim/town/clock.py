# SPDX-License-Identifier: Apache-2.0
"""
Business time in the town, and what is due in it. No clock is read here: machine nanoseconds enter as parameters.

Town instants are microseconds since START. Business now = anchor + rate x elapsed machine time; it never goes back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta

from duaarah.sim.town.load import HOUR_US
from duaarah.sim.town.world import START

MINUTE_US = HOUR_US // 60
RATE_MAX = 100_000
EVENTS_MAX = 1_000_000
_US = timedelta(microseconds=1)


def instant_us(at: datetime) -> int:
    """Town microseconds of an aware instant."""
    return (at - START) // _US


def instant_of(at_us: int) -> datetime:
    """The aware instant (WIB) of town microseconds."""
    return START + at_us * _US


class BusinessClock:
    """Stands at START until it is set for the first time."""

    def __init__(self) -> None:
        self._anchor_us = 0
        self._machine_ns = 0
        self.rate = 0
        self.running = False

    def now_us(self, machine_ns: int) -> int:
        """Business now for this reading of the machine's monotonic clock."""
        return self._anchor_us + max(machine_ns - self._machine_ns, 0) * self.rate // 1000

    def set(self, anchor_us: int, rate: int, machine_ns: int) -> None:
        """Take a new anchor and rate; an anchor behind the present keeps the present. The first one may lie anywhere."""
        if not 0 <= rate <= RATE_MAX:
            raise ValueError(f"The rate of the clock is 0 to {RATE_MAX}.")
        self._anchor_us = max(anchor_us, self.now_us(machine_ns)) if self.running else anchor_us
        self._machine_ns = machine_ns
        self.rate = rate
        self.running = True

    def stand_at(self, at_us: int) -> None:
        """Time was here when the town was last seen, and will not go back behind it. It stands until it is set."""
        self._anchor_us, self.rate, self.running = at_us, 0, True

    def machine_ns_until(self, at_us: int, machine_ns: int) -> int | None:
        """Machine nanoseconds until a business instant; 0 when it is past, None when it never comes at rate 0."""
        ahead_us = at_us - self.now_us(machine_ns)
        if ahead_us <= 0:
            return 0
        return None if self.rate == 0 else -(-ahead_us * 1000 // self.rate)


Action = Callable[[int], None]


class Event:
    """Something due; `cancel` makes it never happen."""

    __slots__ = ("action", "at_us", "plan")

    def __init__(self, at_us: int, action: Action) -> None:
        self.at_us = at_us
        self.plan: int | None = None  # its number in the state file, if it stands there
        self.action: Action | None = action

    def cancel(self) -> None:
        """Forget it."""
        self.action = None


class EventQueue:
    """What is due, in order of business time, then in the order in which it was put."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Event]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, at_us: int, action: Action) -> Event:
        """Have `action(at_us)` called when business time gets there. Raises OverflowError when the queue is full."""
        if len(self._heap) >= EVENTS_MAX:
            raise OverflowError("The town's event queue is full.")
        event = Event(at_us, action)
        self._count += 1
        heapq.heappush(self._heap, (at_us, self._count, event))
        return event

    def next_due_us(self) -> int | None:
        """When the next event is due, None when nothing is planned."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run(self, now_us: int, limit: int) -> int:
        """Do up to `limit` of what is due, each with the instant at which it was due; returns how many."""
        done = 0
        while done < limit and (at_us := self.next_due_us()) is not None and at_us <= now_us:
            action = heapq.heappop(self._heap)[2].action
            assert action is not None
            action(at_us)
            done += 1
        return done
