"""The town's supply tree in the registry: places and plates, phases, units with their levels, total meters that are nobody's."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from duaarah.analytics.models import DeclaredLevel, ServedCustomers
from duaarah.analytics.reliability.operations import count_served
from duaarah.outages.queries import places, tree
from duaarah.people.models import Unit
from duaarah.registry.models import Meter, NetworkNode, NodeMeter
from duaarah.registry.queries import key_uses
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.network import PLATES, nodes_of, phases_of, plate_of, total_meters_of, weak_end_of
from duaarah.sim.town.past import DAYS
from duaarah.sim.town.world import START, make_world
from duaarah.stage.registration import make_keys, register_world

METERS = 120


def test_every_node_has_its_own_place_behind_the_one_that_feeds_it() -> None:
    world = make_world(7, METERS)
    nodes = nodes_of(world)
    assert [n.code for n in nodes if n.kind == "FEEDER"] == ["F-001", "F-002"]
    seen = set()
    for node in nodes:
        assert node.parent is None or node.parent in seen
        seen.add(node.code)
        assert -6.6 < node.latitude < -6.2 and 106.6 < node.longitude < 107.1
        assert (node.rated_va is not None) == (node.kind == "TRANSFORMER")
    assert len({(n.latitude, n.longitude) for n in nodes}) == len(nodes) == 1 + 2 + 5
    assert nodes_of(make_world(7, METERS)) == nodes != nodes_of(make_world(8, METERS))


def test_a_plate_carries_the_evening_of_what_was_contracted() -> None:
    assert plate_of(44_000)[0] == 25_000
    assert plate_of(45_000)[0] == 50_000
    assert plate_of(10**9) == PLATES[-1]


def test_phases_go_round_and_total_meters_are_no_customers() -> None:
    world = make_world(7, METERS)
    phases = phases_of(world)
    _, thin, thin_phase = weak_end_of(world)
    assert len(thin) == 5 and {phases[drn] for drn in thin} == {thin_phase}
    for code in {m.place.transformer for m in world.meters}:
        counts = [
            sum(phases[m.drn] == name for m in world.meters if m.place.transformer == code and m.drn not in thin)
            for name in ("L1", "L2", "L3")
        ]
        assert max(counts) - min(counts) <= 1 < min(counts)
    totals = total_meters_of(world)
    assert [t.node for t in totals if t.node.startswith("F")] == ["F-001", "F-002"] and len(totals) == 7
    numbers = [m.drn for m in world.meters] + [t.drn for t in totals]
    titles = [m.system_title for m in world.meters] + [t.system_title for t in totals]
    assert len(set(numbers)) == len(set(titles)) == METERS + 7
    assert {len(t.ek) for t in totals} == {16} and "ek" not in repr(totals[0])


@pytest.mark.slow
def test_the_registry_counts_customers_ninety_days_back_and_no_total_meter(database: str, tmp_path: Path) -> None:
    world = make_world(7, METERS)
    store = make_keys(world, tmp_path / "keys", "a passphrase for tests")
    register_world(world, store, host="127.0.0.1", port=1, user="x", password="y", since_us=-DAYS * DAY_US)
    assert Meter.objects.count() == METERS + 7 and NodeMeter.objects.count() == 7
    total = NodeMeter.objects.select_related("meter").get(node__code="F-001").meter
    assert total.customer is None and total.transformer is None
    assert [(use.register, use.meters) for use in key_uses()] == [("town", METERS)]
    # Each feeder belongs to a unit, both below one; each unit has declared both indicators.
    services = Unit.objects.filter(networknode__kind="FEEDER").order_by("code")
    assert [(u.code, u.parent and u.parent.parent and u.parent.parent.code) for u in services] == [
        ("ULP-01", "PLN"),
        ("ULP-02", "PLN"),
    ]
    assert DeclaredLevel.objects.filter(unit__in=services).count() == 4
    date = START.date() - dt.timedelta(days=80)
    count_served(date=date, now=START)
    served = dict(ServedCustomers.objects.filter(date=date, scope="UNIT").values_list("scope_id", "served"))
    assert [served[u.pk] for u in services] == [100, 20]
    assert ServedCustomers.objects.get(date=date, scope="UTILITY").served == METERS
    branches = tree()
    assert branches[0].meters == METERS
    drawn = places(branches)
    assert drawn is not None and len(drawn["spots"]) == NetworkNode.objects.count() == 8 and len(drawn["lines"]) == 7
