"""The outages of the past in the platform's own books: found, placed, timed as they were known, and counted in the indices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from duaarah.analytics.models import DailyReliability, ServedCustomers
from duaarah.analytics.reliability.catch_up import catch_up
from duaarah.messaging.models import Message
from duaarah.notices.padam import note_outages
from duaarah.outages.models import Interruption, MeterSupply, MeterWord, Outage, PlannedOutage
from duaarah.outages.planning import realised
from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.packages import reporting_of
from duaarah.sim.town.past import NodeOutage, Past, make_past
from duaarah.sim.town.world import START, make_world
from duaarah.stage.history import live_outages, load_history, replay
from duaarah.stage.registration import make_keys, register_world
from tests.conftest import fresh_database

pytestmark = pytest.mark.slow
METERS, DAYS = 60, 40


@pytest.fixture(scope="module")
def past(cluster_conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    world = make_world(7, METERS)
    made = make_past(world, DAYS)
    with fresh_database(cluster_conninfo):
        store = make_keys(world, tmp_path_factory.mktemp("keys") / "keys", "a passphrase for tests")
        register_world(world, store, host="127.0.0.1", port=1, user="x", password="y", since_us=made.begin_us)
        replayed = replay(world, made)
        load_history(made, replayed)
        known = live_outages(made, replayed)
        assert known.outages == len(made.outages) and known.words == MeterWord.objects.filter(seen=True).count() > 100
        yield made


def could_tell(past: Past, one: NodeOutage) -> bool:
    """Whether a meter of this outage had SMS for faults left in its month: four, of which each outage takes two."""
    month = instant_of(one.span.from_us).astimezone(START.tzinfo).month
    for history in past.meters:
        before = [o for o in history.outages if o.from_us < one.span.from_us]
        spent = sum(instant_of(o.from_us).astimezone(START.tzinfo).month == month for o in before)
        if one.reaches(history.meter) and reporting_of(7, history.meter) is not None and spent < 2:
            return True
    return False


def test_what_was_off_is_known_as_it_was(past: Past) -> None:
    nodes = [one for one in past.outages if one.level != "METER"]
    assert {one.level for one in nodes} == {"FEEDER", "TRANSFORMER"}
    rows = Outage.objects.exclude(level="METER").select_related("node", "planned").order_by("began_at", "node__code")
    found = {(row.level, row.node.code if row.node else "", row.began_at, row.ended_at) for row in rows}
    true = {
        (one.level, one.code, instant_of(one.span.from_us), instant_of(one.span.to_us))
        for one in nodes
        if could_tell(past, one)
    }
    assert found == true and len(true) >= 3
    for row in rows:
        # As the platform would have told it then, not when the demo was founded.
        assert row.state == "CLOSED" and row.declared_at is not None and row.ended_at is not None
        assert row.declared_at - row.began_at <= dt.timedelta(minutes=2) and row.known_at == row.began_at
        assert row.closed_at is not None and row.closed_at - row.ended_at <= dt.timedelta(minutes=2)
    ours = Interruption.objects.filter(superseded_at=None)
    told = [one for one in past.outages if could_tell(past, one)]
    true_spans = sum(one.reaches(history.meter) for one in told for history in past.meters)
    # Who could not tell himself is counted with his node.
    assert ours.count() == true_spans < sum(len(one.outages) for one in past.meters)
    assert not ours.filter(ended_at=None).exists()
    assert set(MeterSupply.objects.values_list("state", flat=True)) == {"NYALA"}


def test_planned_work_is_realised_and_the_next_one_waits_for_the_operator(past: Past) -> None:
    planned = [one for one in past.outages if one.planned]
    done = PlannedOutage.objects.filter(state="DONE")
    assert len(planned) == done.count() > 0
    assert [realised(plan).customers > 0 for plan in done.order_by("begin_at")] == [
        could_tell(past, p) for p in planned
    ]
    assert any(could_tell(past, one) for one in planned) and all(realised(plan).late_s == 0 for plan in done)
    assert PlannedOutage.objects.get(state="DRAFT").begin_at > START
    # Nobody is told now of what is long over.
    note_outages(now=START)
    assert not Message.objects.filter(state="QUEUED").exists()


def test_the_indices_reach_back_to_the_first_interruption(past: Past) -> None:
    catch_up(now=START)
    served = ServedCustomers.objects.filter(scope="UTILITY", superseded_at=None)
    first = min(one.span.from_us for one in past.outages)
    assert served.order_by("date")[0].date <= instant_of(first).astimezone(START.tzinfo).date() + dt.timedelta(days=1)
    assert set(served.values_list("served", flat=True)) == {METERS}
    counted = DailyReliability.objects.filter(scope="UTILITY", superseded_at=None)
    minutes = sum(counted.values_list("interrupted_us", flat=True)) / 60e6
    ours = Interruption.objects.filter(superseded_at=None)
    assert minutes == sum((i.ended_at - i.began_at).total_seconds() / 60 for i in ours if i.ended_at)
    assert set(counted.values_list("cause", flat=True)) == {"UNPLANNED", "PLANNED"}
