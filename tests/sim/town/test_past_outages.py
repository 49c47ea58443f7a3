"""The outages of the town's past: at every level, none inside another, the same in every process."""

from __future__ import annotations

import itertools
from collections import Counter

from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.past import DAYS, make_past
from duaarah.sim.town.past_outages import MINUTE_US, outages_of
from duaarah.sim.town.world import make_world


def test_feeders_transformers_and_houses_fail_and_work_is_planned() -> None:
    world = make_world(7, 200)
    found = outages_of(world, DAYS)
    counts = Counter((one.level, one.planned) for one in found)
    assert set(counts) == {("FEEDER", False), ("TRANSFORMER", False), ("TRANSFORMER", True), ("METER", False)}
    assert min(counts.values()) >= 3
    assert found == outages_of(world, DAYS) != outages_of(make_world(8, 200), DAYS)
    assert [one.span.from_us for one in found] == sorted(one.span.from_us for one in found)
    for one in found:
        assert one.span.from_us >= -DAYS * DAY_US and one.span.to_us < 0
        assert 15 * MINUTE_US <= one.span.to_us - one.span.from_us <= 180 * MINUTE_US
        assert not one.planned or one.span.from_us % DAY_US // HOUR_US == 9


def test_a_meter_is_off_with_what_is_above_it_and_never_twice_at_once() -> None:
    past = make_past(make_world(7, 200))
    assert past.outages
    for one in past.meters:
        reached = [outage.span for outage in past.outages if outage.reaches(one.meter)]
        assert list(one.outages) == reached
        for before, after in itertools.pairwise(reached):
            assert after.from_us >= before.to_us + HOUR_US
