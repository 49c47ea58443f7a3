"""Business time as a function of machine time, and the queue of what is due."""

from __future__ import annotations

import datetime as dt

import pytest

from duaarah.sim.town.clock import MINUTE_US, BusinessClock, EventQueue, instant_of, instant_us
from duaarah.sim.town.world import START

S_NS = 1_000_000_000


def test_instants_go_there_and_back() -> None:
    at = dt.datetime(2026, 2, 16, 6, 30, 0, 17, tzinfo=dt.UTC)
    assert instant_us(at) == (13 * 60 + 30) * MINUTE_US + 17
    assert instant_of(instant_us(at)) == at
    assert instant_us(START) == 0


def test_the_clock_stands_until_it_is_set_then_runs_at_its_rate() -> None:
    clock = BusinessClock()
    assert clock.now_us(99 * S_NS) == 0 and not clock.running
    clock.set(-5 * MINUTE_US, 60, 100 * S_NS)
    assert clock.now_us(100 * S_NS) == -5 * MINUTE_US
    assert clock.now_us(107 * S_NS) == 2 * MINUTE_US
    assert clock.now_us(90 * S_NS) == -5 * MINUTE_US


def test_the_clock_never_goes_back() -> None:
    clock = BusinessClock()
    clock.set(0, 60, 0)
    clock.set(3 * MINUTE_US, 10, 5 * S_NS)
    assert clock.now_us(5 * S_NS) == 5 * MINUTE_US
    clock.set(50 * MINUTE_US, 1, 6 * S_NS)
    assert clock.now_us(6 * S_NS) == 50 * MINUTE_US
    with pytest.raises(ValueError, match="rate"):
        clock.set(60 * MINUTE_US, -1, 7 * S_NS)
    assert clock.now_us(7 * S_NS) == 50 * MINUTE_US + 1_000_000


def test_how_long_machine_time_has_to_wait() -> None:
    clock = BusinessClock()
    assert clock.machine_ns_until(MINUTE_US, 0) is None
    clock.set(0, 60, 0)
    assert clock.machine_ns_until(MINUTE_US, 0) == S_NS
    assert clock.machine_ns_until(MINUTE_US, S_NS // 2) == S_NS // 2
    assert clock.machine_ns_until(MINUTE_US, 3 * S_NS) == 0


def test_events_come_in_order_of_time_then_of_planning_and_cancelled_ones_never() -> None:
    queue, seen = EventQueue(), []
    for name, at_us in (("c", 30), ("a", 10), ("x", 20), ("b", 20), ("b2", 20)):
        event = queue.put(at_us, lambda now_us, name=name: seen.append((name, now_us)))
        if name == "x":
            event.cancel()
    assert queue.next_due_us() == 10
    assert queue.run(20, limit=2) == 2
    assert seen == [("a", 10), ("b", 20)]
    assert queue.run(29, limit=10) == 1
    assert queue.next_due_us() == 30
    assert queue.run(30, limit=10) == 1
    assert seen[2:] == [("b2", 20), ("c", 30)]
    assert queue.next_due_us() is None and len(queue) == 0
