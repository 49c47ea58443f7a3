"""The past that leads to the first day: pure, seeded, and consistent with what every meter has on that day."""

from __future__ import annotations

import pytest

from duaarah.sim.town.load import DAY_US, HOUR_US, Curve
from duaarah.sim.town.past import ATM, Drawn, MeterHistory, Outage, make_past
from duaarah.sim.town.world import make_world

MWH = 1000


def credit_curve(past: MeterHistory, begin_us: int) -> list[tuple[int, int]]:
    """(credit before, credit after) in mWh of each purchase, then (credit on the first day) twice."""
    drawn = Drawn(past.meter.curve, begin_us, past.outages)
    bought_mwh, points = 0, []
    for purchase in past.purchases:
        before = past.credit_mwh + bought_mwh - drawn.until_mwh(purchase.at_us)
        bought_mwh += purchase.energy_wh * MWH
        points.append((before, before + purchase.energy_wh * MWH))
    last = past.credit_mwh + bought_mwh - drawn.until_mwh(0)
    return [*points, (last, last)]


@pytest.mark.parametrize(("seed", "meters"), [(7, 40), (1, 1), (99, 25)])
def test_every_meter_comes_to_its_first_day_without_ever_running_dry(seed: int, meters: int) -> None:
    world = make_world(seed, meters)
    past = make_past(world)
    assert [m.meter for m in past.meters] == list(world.meters)
    for one in past.meters:
        points = credit_curve(one, past.begin_us)
        assert points[-1][0] == one.meter.credit_wh * MWH
        # He buys under the threshold, and never at nothing.
        assert all(0 < before < one.meter.threshold_wh * MWH <= after for before, after in points[:-1])
        times = [p.at_us for p in one.purchases]
        assert times == sorted(times) and all(past.begin_us < t < 0 for t in times)


def test_purchases_come_by_day_with_supply_and_elsewhere_where_there_is_no_wallet() -> None:
    past = make_past(make_world(7, 200))
    purchases = [(one, p) for one in past.meters for p in one.purchases]
    assert len(purchases) > 1_500 and {p.via for _, p in purchases} == {"SMS", "WEB", "ATM"}
    for one, purchase in purchases:
        assert one.meter.holder.company or 6 * HOUR_US <= purchase.at_us % DAY_US < 24 * HOUR_US
        assert not any(o.from_us <= purchase.at_us < o.to_us for o in one.outages)
        assert one.meter.holder.wallet_idr or purchase.via == ATM
    assert any(p.frame_lost for _, p in purchases)
    assert all(one.purchases for one in past.meters)
    assert any(one.outages for one in past.meters)


def test_the_same_seed_gives_the_same_past_and_another_day_count_another() -> None:
    world = make_world(7, 5)
    assert make_past(world) == make_past(world) != make_past(world, 30)
    assert make_past(world, 0).meters[0].purchases == ()


def test_nothing_is_drawn_while_the_feeder_is_off() -> None:
    curve = Curve((1000,) * 24)
    drawn = Drawn(curve, 0, (Outage(2 * HOUR_US, 5 * HOUR_US),))
    assert [drawn.until_mwh(h * HOUR_US) for h in (2, 3, 5, 6)] == [2_000_000, 2_000_000, 2_000_000, 3_000_000]
    assert drawn.instant_us(2_500_000, 0, 24 * HOUR_US) == 5 * HOUR_US + HOUR_US // 2
