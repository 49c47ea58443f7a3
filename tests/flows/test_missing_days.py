# SPDX-License-Identifier: Apache-2.0
"""A day's summary that was lost is asked for, once at a time, a few times, and only of whom it can be had."""

from __future__ import annotations

import datetime as dt

import pytest

from duaarah.core.smsplan import daily_plan
from duaarah.headend.models import Command, MeterEvent
from duaarah.headend.operations import end_leases
from duaarah.headend.operations.missing_days import ask_missing_days
from duaarah.registry.models import Meter
from duaarah.sms.models import PackageEntry
from tests.flows.house import WIB, House, Town

pytestmark = pytest.mark.slow
KINDS = ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")
MIDNIGHT = dt.datetime(2026, 2, 18, 0, 0, tzinfo=WIB)


def daily(town: Town, kind: str = KINDS[0]) -> House:
    """A house on the daily plan since it is here, with a day behind it whose summary it has sent."""
    house = town.house(profile=kind, credit_wh=60_000, reporting=daily_plan(4))
    Meter.objects.filter(pk=house.meter.pk).update(reporting_plan=daily_plan(4).values())
    house.sim.close_day(MIDNIGHT - dt.timedelta(days=1))
    house.sim.sample(700, 226_100)
    house.sim.consume(1_234_000, MIDNIGHT - dt.timedelta(hours=3))
    house.sim.close_day(MIDNIGHT)
    return house


def ask(town: Town) -> int:
    return ask_missing_days(driver=town.driver, now=town.now)


def days(house: House) -> list[tuple[str, int]]:
    events = MeterEvent.objects.filter(meter=house.meter, kind="DAILY_SUMMARY").order_by("pk")
    return [(event.data["day_date"], event.data["energy_wh"]) for event in events]


def test_lost_asked_and_there_from_every_kind(town: Town) -> None:
    town.now = MIDNIGHT + dt.timedelta(hours=1)
    houses = [daily(town, kind) for kind in KINDS]
    told = daily(town)
    for house in houses:
        assert len(house.sim.report(town.now)) >= 1  # lost on the radio, all of it
    town.push(told, told.sim.report(town.now))
    town.run()
    # Until three hours after midnight nobody is asked: it may still be on its way. The day before is another matter.
    of_the_day = Command.objects.filter(kind="DAY_SUMMARY", payload__day=20260217)
    town.now = MIDNIGHT + dt.timedelta(hours=2, minutes=59)
    ask(town)
    assert of_the_day.count() == 0
    Command.objects.filter(kind="DAY_SUMMARY").update(state="REJECTED", created_at=MIDNIGHT - dt.timedelta(days=1))
    town.now = MIDNIGHT + dt.timedelta(hours=3)
    assert ask(town) == 3 and ask(town) == 0
    assert of_the_day.count() == 3
    before = [house.sim.credit_wh for house in houses]
    town.run()
    for house in houses:
        assert [day for day, _ in days(house)] == ["2026-02-17"] and days(house)[0][1] in (1_234, 1_230)
    assert [house.sim.credit_wh for house in houses] == before
    assert set(of_the_day.values_list("state", "result")) == {("ACKED", "success")}
    assert days(told) == [("2026-02-17", 1_234)]
    assert PackageEntry.objects.filter(message_class="METER_DATA").exists()


def test_asked_a_few_times_and_not_of_whom_it_cannot_be_had(town: Town) -> None:
    town.now = MIDNIGHT + dt.timedelta(hours=3)
    house = daily(town)
    house.sim.report(town.now)
    without = town.house()
    new = daily(town)
    with_valid = (MIDNIGHT - dt.timedelta(hours=5), None)
    type(new.pairing).objects.filter(pk=new.pairing.pk).update(valid=with_valid)
    asked = Command.objects.filter(meter=house.meter, kind="DAY_SUMMARY", payload__day=20260217)
    for hour in range(3, 24):
        town.now = MIDNIGHT + dt.timedelta(hours=hour)
        ask(town)
        town.run(to_meters=False)
        Command.objects.filter(kind="DAY_SUMMARY", state="SENT").update(attempts=8)
        town.end_leases_now()
        end_leases(now=town.now, backoff_s=60)
    assert asked.count() == 4 and set(asked.values_list("state", flat=True)) == {"EXPIRED"}
    assert Command.objects.filter(meter=without.meter).count() == Command.objects.filter(meter=new.meter).count() == 0


def test_what_the_meter_does_not_keep_is_refused_once(town: Town) -> None:
    town.now = MIDNIGHT + dt.timedelta(hours=3)
    house = town.house(credit_wh=60_000, reporting=daily_plan(4))
    Meter.objects.filter(pk=house.meter.pk).update(reporting_plan=daily_plan(4).values())
    for hour in range(3, 24, 4):
        town.now = MIDNIGHT + dt.timedelta(hours=hour)
        ask(town)
        town.run()
    found = Command.objects.filter(meter=house.meter, kind="DAY_SUMMARY")
    assert set(found.values_list("state", "result")) == {("REJECTED", "other_reason")}
    assert sorted(found.values_list("payload__day", flat=True)) == [20260216, 20260217]
    assert days(house) == []
