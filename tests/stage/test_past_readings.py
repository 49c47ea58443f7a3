"""The past's quarter-hours in the store: whole days, gaps and late parts, registers from which the living meters go on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from django.conf import settings

from duaarah.analytics.engines import open_readings
from duaarah.analytics.models import DailyLoad, DailyVoltage
from duaarah.analytics.network_days.operations import recount_day
from duaarah.analytics.vee.operations import check_day
from duaarah.readings.days import StoreError, write_raw
from duaarah.readings.models import DayFile
from duaarah.readings.store import coverage, readings_of
from duaarah.registry.models import Meter, NodeMeter
from duaarah.sim.town.network import weak_end_of
from duaarah.sim.town.past import make_past
from duaarah.sim.town.world import START, World, make_world
from duaarah.stage.history import Brought, bring_readings, replay
from duaarah.stage.registration import make_keys, register_world
from tests.conftest import fresh_database

pytestmark = pytest.mark.slow
METERS, DAYS = 30, 20
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def town(cluster_conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Brought]]:
    world = make_world(7, METERS)
    past = make_past(world, DAYS)
    folder = tmp_path_factory.mktemp("town")
    with fresh_database(cluster_conninfo), pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "READINGS_FOLDER", folder / "readings")
        store = make_keys(world, folder / "keys", "a passphrase for tests")
        register_world(world, store, host="127.0.0.1", port=1, user="x", password="y", since_us=past.begin_us)
        yield world, bring_readings(world, past)


def test_every_day_is_there_with_gaps_and_late_parts(town: tuple[World, Brought]) -> None:
    _, brought = town
    totals = NodeMeter.objects.count()
    due = (METERS + totals) * 96 * DAYS
    assert 0.96 * due < brought.readings < due
    first, last = (START - DAYS * DAY).astimezone(dt.UTC).date(), START.astimezone(dt.UTC).date()
    found = coverage(first + DAY, last - DAY, meters=METERS + totals)
    assert found.share is not None and 0.96 < found.share < 1
    # East of Greenwich one UTC day more than local ones; late parts are files of their own, their days made again.
    raw = DayFile.objects.filter(layer="RAW")
    assert raw.values("day_date").distinct().count() == DAYS + 1 < raw.count() == brought.files
    assert DayFile.objects.filter(layer="DAY", superseded_at=None).exists()


def test_living_meters_go_on_from_the_last_register(town: tuple[World, Brought]) -> None:
    world, _ = town
    memories = replay(world, make_past(world, DAYS)).memories
    seen = 0
    for meter in Meter.objects.filter(customer__isnull=False):
        last = readings_of(meter.pk, START - dt.timedelta(minutes=15), START).to_pylist()
        if last:
            seen += 1
            assert last[0]["ts"] == START and last[0]["register_wh"] == memories[meter.drn]["used_mwh"] // 1000
    assert seen > METERS * 0.9


def test_the_days_pass_validation_and_the_weak_end_is_found(town: tuple[World, Brought]) -> None:
    world, _ = town
    date = START.date() - 3 * DAY
    judged = check_day(date=date, now=START)
    assert judged is not None and judged.validated > 0.95 * judged.intervals
    assert judged.absent == 0 and judged.estimated > 0
    recount_day(date=date, readings=open_readings(date - DAY, date + DAY), now=START)
    lowest = DailyVoltage.objects.filter(date=date).order_by("evening_min_v")[0]
    weak, thin, phase = weak_end_of(world)
    assert (lowest.transformer.code, lowest.phase) == (weak, phase)
    assert Meter.objects.get(pk=lowest.lowest[0]["meter_id"]).drn in thin
    load = DailyLoad.objects.get(date=date, scope="FEEDER")
    # Total meters are nobody's load.
    assert load.meters_known == METERS and load.utilisation is None and 0.3 < load.load_factor < 0.9


def test_a_day_is_written_as_that_day_or_not_at_all(town: tuple[World, Brought]) -> None:
    table = readings_of(Meter.objects.order_by("pk")[0].pk, START - DAY, START)
    files = DayFile.objects.count()
    with pytest.raises(StoreError, match="end on that UTC day"):
        write_raw(START.date() - 9 * DAY, table)
    assert DayFile.objects.count() == files
