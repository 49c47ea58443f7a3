"""A meter's crossings, computed, against drawing its load second by second."""

from __future__ import annotations

import dataclasses

import pytest

from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.world import START, World, make_world

SECOND_US = 1_000_000


def _supply(world: World, index: int, **changes: object) -> Supply:
    return Supply(world, dataclasses.replace(world.meters[index], **changes))  # type: ignore[arg-type]


def _brute_force(world: World, index: int, start_us: int, crossings: int) -> list[int]:
    """The seconds at which a meter that draws every second pushes something."""
    supply = _supply(world, index, credit_wh=1_100, threshold_wh=1_000)
    curve = supply.known.curve
    seconds: list[int] = []
    at_us = start_us
    while len(seconds) < crossings:
        drawn_mwh = curve.used_mwh(at_us + SECOND_US) - curve.used_mwh(at_us)
        at_us += SECOND_US
        if supply.sim.consume(drawn_mwh, START):
            seconds.append(at_us)
    return seconds


@pytest.mark.parametrize(("index", "start_us"), [(0, 0), (1, 7 * HOUR_US + 123), (2, 23 * HOUR_US), (3, -5 * HOUR_US)])
def test_crossings_are_where_brute_force_finds_them(index: int, start_us: int) -> None:
    world = make_world(7, 10)
    supply = _supply(world, index, credit_wh=1_100, threshold_wh=1_000)
    assert supply.advance(start_us) == []
    computed = []
    while (crossing_us := supply.next_crossing_us()) is not None:
        assert supply.advance(crossing_us - 1) == []
        assert len(supply.advance(crossing_us)) == 1
        computed.append(crossing_us)
    found = _brute_force(world, index, start_us, 2)
    assert [second - SECOND_US < crossing <= second for second, crossing in zip(found, computed, strict=True)] == [
        True,
        True,
    ]
    assert supply.sim.credit_wh == 0 and not supply.sim.relay_closed


def test_drawing_in_one_step_or_in_many_is_the_same() -> None:
    world = make_world(7, 10)
    once, often = _supply(world, 4), _supply(world, 4)
    once.advance(0)
    often.advance(0)
    for at_us in range(0, DAY_US + 1, 777_777_777):
        often.advance(at_us)
    often.advance(DAY_US)
    once.advance(DAY_US)
    assert once.sim.state()["credit_mwh"] == often.sim.state()["credit_mwh"]


def test_nothing_is_drawn_twice_or_without_supply() -> None:
    supply = _supply(make_world(7, 10), 0)
    assert supply.next_crossing_us() is None  # time has not begun
    supply.advance(0)
    supply.advance(HOUR_US)
    credit = supply.sim.state()["credit_mwh"]
    assert supply.advance(HOUR_US // 2) == []
    assert supply.sim.state()["credit_mwh"] == credit
    supply.sim.power_cut(START)
    assert supply.next_crossing_us() is None
    supply.advance(9 * HOUR_US)
    assert supply.sim.state()["credit_mwh"] == credit
