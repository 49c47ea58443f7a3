"""What meters tell of themselves lands once, whatever order the radio brings it in, and nothing of it can stop us."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duaarah.clock import operations as clock_operations
from duaarah.core.smsplan import daily_plan
from duaarah.headend.models import CounterGap, InvocationCounter, MeterEvent, MeterStatus
from duaarah.notices.operations import take_frame
from duaarah.readings.models import IntervalValue
from duaarah.readings.operations import forget_months
from duaarah.readings.queries import days_of_month, month_of_meter
from duaarah.sim.smsc import concat
from duaarah.sms.models import InboundSms, PackageEntry
from duaarah.wire.smpp.pdu import DELIVER_SM, PDU
from duaarah.workers import links_sql
from duaarah.workers.links_rows import inbound_row
from tests.flows.house import START, House, Town

pytestmark = pytest.mark.slow
KINDS = ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")
MONTH = dt.date(2026, 2, 1)


def telling(town: Town, kind: str, period_s: int = 3600) -> House:
    house = town.house(profile=kind, credit_wh=300_000, reporting=daily_plan(fault_sms=8))
    house.sim.config = dataclasses.replace(house.sim.config, load_period_s=period_s)
    return house


def day_of(house: House, hours: int = 24) -> list[bytes]:
    """A day of a meter: hourly use, an outage, a sag, hands on its cover; then what it says after midnight."""
    begin = START.replace(hour=0)
    sim = house.sim
    sim.close_day(begin)
    said = sim.consume(0, begin)
    for hour in range(hours):
        at = begin + dt.timedelta(hours=hour + 1)
        sim.sample(900 + hour, 219_000 + 100 * hour)
        said += sim.consume(1_000 * (100 + 10 * hour), at)
        if hour == 9:
            said += sim.voltage("sag", 1, 171_300, 12, at) + sim.tamper("cover", at)
        if hour == 12:
            said += sim.power_cut(at) + sim.power_restored(at + dt.timedelta(minutes=20))
    end = begin + dt.timedelta(days=1, seconds=1)
    sim.close_day(end)
    return said + sim.tell_outages(end) + sim.report(end)


def rows() -> list[tuple[Any, ...]]:
    names = ("meter_id", "channel", "start_at", "period_s", "value", "status", "counter")
    return sorted(IntervalValue.objects.values_list(*names))


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_is_stored_with_both_clocks_and_lands_as_readings(town: Town, kind: str) -> None:
    house = telling(town, kind)
    said = day_of(house)
    town.now = START.replace(hour=0) + dt.timedelta(days=1, minutes=2)
    town.push(house, said)
    town.run()
    kinds = list(MeterEvent.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == [
        *("VOLTAGE", "TAMPER", "LAST_GASP", "POWER_RESTORED", "POWER_LOG", "LOAD_PROFILE", "MODEM_STATUS"),
        *("DAILY_SUMMARY", "DATA_BLOCK"),
    ]
    event = MeterEvent.objects.get(kind="VOLTAGE")
    assert event.data == {"voltage_kind": "sag", "phase": 1, "extreme_mv": 171_300, "lasted_s": 12}
    assert event.arrived_at == town.now
    assert event.meter_at == (None if kind == "three-phase-retrofit" else START.replace(hour=10))
    log = MeterEvent.objects.get(kind="POWER_LOG").data["outages"]
    (entry,) = log
    assert entry["out_s"] == 1_200 and dt.datetime.fromisoformat(entry["begin_at"]) == START.replace(hour=13)
    found = list(month_of_meter(meter_id=house.meter.pk, month_date=MONTH, zone="Asia/Jakarta"))
    hours = [one for one in found if one.channel == "energy_wh" and one.period_s == 3600]
    assert [one.value for one in hours] == [100 + 10 * hour for hour in range(24)]
    assert hours[0].start_at == START.replace(hour=0) and {one.versions for one in hours} == {1}
    (day,) = days_of_month(meter_id=house.meter.pk, month_date=MONTH, zone="Asia/Jakarta")
    assert (day.date, day.energy_wh, day.whole, len(day.intervals)) == (START.date(), 5_160, True, 24)
    assert (day.others["outages_count"], day.others["out_s"]) == (1, 1_200)
    status = MeterStatus.objects.get(pk=house.meter.pk)
    assert (status.signal_dbm, status.cell, status.firmware, status.resets) == (-79, "510-10-0C21-4F10", "1.4.2", 1)
    assert set(PackageEntry.objects.values_list("message_class", flat=True)) == {"METER_FAULT", "METER_DATA"}


def test_a_frame_in_parts_is_one_word_in_any_order(town: Town) -> None:
    """As the links worker writes deliver_sm: each part a row, the last to come makes the whole, each part counts."""
    house = telling(town, "single-phase-modem")
    town.now = START.replace(hour=0) + dt.timedelta(days=1, minutes=2)
    clock_operations.move(at=town.now, rate=1, founding=True)
    (profile,) = [payload for payload in day_of(house) if len(payload) > 140]
    cut = concat.parts(profile, data_coding=4, way="udh8", reference=77)
    assert len(profile) == 196 and [len(octets) for _, octets, _ in cut] == [140, 68]
    bind = {"id": town.bind.pk, "default_alphabet": "GSM"}
    for number in (2, 2, 1):
        esm_class, octets, _ = cut[number - 1]
        pdu = PDU(
            DELIVER_SM,
            number,
            text={"source_addr": house.pairing.sim.msisdn, "destination_addr": "3123"},
            number={"data_coding": 4, "esm_class": esm_class},
            short_message=octets,
        )
        row = inbound_row(pdu, bind, [town.bind.pk])
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in (links_sql.INBOUND, links_sql.OVERTAKEN, links_sql.JOIN):
                cursor.execute(statement, row)
    town.run()
    whole = InboundSms.objects.get(kind="BINARY")
    assert (bytes(whole.payload), whole.state, whole.outcome) == (profile, "DONE", "load_profile")
    assert PackageEntry.objects.filter(message_class="METER_DATA").count() == 2
    assert IntervalValue.objects.count() == 48


def reset() -> None:
    IntervalValue.objects.all().delete()
    MeterStatus.objects.all().delete()
    CounterGap.objects.all().delete()
    InvocationCounter.objects.update(
        from_meter_highest=0, from_meter_bitmap=bytes(8), gaps=0, balance_wh=None, balance_at=None, balance_counter=0
    )


def picture() -> tuple[Any, ...]:
    statuses = sorted(MeterStatus.objects.values_list("meter_id", "signal_dbm", "resets", "counter"))
    open_gaps = sorted(CounterGap.objects.filter(closed_at=None).values_list("meter_id", "first", "last"))
    counters = sorted(InvocationCounter.objects.values_list("meter_id", "from_meter_highest", "balance_wh"))
    return rows(), statuses, open_gaps, counters


def test_twenty_meters_in_any_order_and_doubled_give_the_same_rows(town: Town) -> None:
    """A frame of every fifth meter never comes; ten others resend an interval with another value."""
    frames: list[tuple[House, bytes]] = []
    town.now = START.replace(hour=0) + dt.timedelta(days=1, minutes=2)
    for number in range(20):
        house = telling(town, KINDS[number % 3])
        said = day_of(house)
        if number % 2:
            house.sim.log.slots.insert(0, _again(START.replace(hour=3)))
            said += house.sim.tell_load(town.now, town.now, 3600)
        if number % 5 == 0:
            del said[3]
        frames += [(house, payload) for payload in said]

    def deliver(order: list[tuple[House, bytes]]) -> tuple[Any, ...]:
        for house, payload in order:
            town.push(house, [payload])
        town.run()
        return picture()

    first = deliver(frames)
    assert len({row[0] for row in first[0]}) == 20 and len(first[2]) == 4
    # In the other orders the first frame comes first: a counter is only missed once there is another.
    events = MeterEvent.objects.count()
    assert events == len(frames)
    for seed in (1, 2):
        reset()
        mixed = list(frames) * 2
        random.Random(seed).shuffle(mixed)
        firsts = {id(house): next(f for f in frames if f[0] is house) for house, _ in frames}
        assert deliver([*firsts.values(), *mixed]) == first
        events += len(frames)
        assert MeterEvent.objects.count() == events
    replayed = InboundSms.objects.filter(state="REFUSED")
    assert set(replayed.values_list("outcome", flat=True)) == {"replayed"}


def _again(at: dt.datetime) -> Any:
    from duaarah.sim.meter.telling import Slot

    return Slot(int(at.timestamp()), used_mwh=770_000)


def test_another_value_later_is_a_version_and_the_later_word_counts(town: Town) -> None:
    house = telling(town, "single-phase-modem")
    said = day_of(house)
    town.now = START.replace(hour=0) + dt.timedelta(days=1, minutes=2)
    house.sim.log.slots.insert(0, _again(START.replace(hour=3)))
    later = house.sim.tell_load(town.now, town.now, 3600)
    town.push(house, later)
    town.push(house, said)
    town.run()
    at = START.replace(hour=3)
    told = IntervalValue.objects.filter(channel="energy_wh", start_at=at, period_s=3600).order_by("counter")
    assert [one.value for one in told] == [130, 770]
    found = month_of_meter(meter_id=house.meter.pk, month_date=MONTH, zone="Asia/Jakarta")
    (one,) = [one for one in found if one.channel == "energy_wh" and one.start_at == at]
    assert (one.value, one.versions) == (770, 2)


def test_missing_counters_are_listed_and_closed_by_the_late_frame(town: Town) -> None:
    house = town.house()
    said = [house.sim.tamper("cover", town.now)[0] for _ in range(8)]

    def gaps() -> list[tuple[int, int, bool]]:
        found = CounterGap.objects.order_by("first", "last")
        return [(gap.first, gap.last, gap.closed_at is not None) for gap in found]

    for number in (1, 7):
        town.push(house, [said[number - 1]])
    town.run()
    assert gaps() == [(2, 6, False)]
    for number in (4, 4, 2, 6):
        town.push(house, [said[number - 1]])
        town.run()
    assert gaps() == [(2, 2, True), (3, 3, False), (4, 4, True), (5, 5, False), (6, 6, True)]
    for number in (3, 5, 8):
        town.push(house, [said[number - 1]])
        town.run()
    assert [closed for _, _, closed in gaps()] == [True] * 5
    assert InvocationCounter.objects.get(pk=house.meter.pk).gaps == 5
    house.sim.link.present.sent_counter = 4_000_000_000
    town.push(house, house.sim.tamper("cover", town.now))
    town.run()
    assert gaps()[-1] == (9, 4_000_000_000, False)
    assert InvocationCounter.objects.get(pk=house.meter.pk).gaps == 2_147_483_647


def test_intervals_of_a_wrong_clock_do_not_land(town: Town) -> None:
    house = telling(town, "three-phase-retrofit")
    said = day_of(house)
    town.now = START + dt.timedelta(days=800)
    town.push(house, said)
    town.run()
    assert MeterEvent.objects.get(kind="LOAD_PROFILE").data["refused"] == 24
    assert not IntervalValue.objects.exists()


def test_old_months_are_forgotten_and_the_others_stay(town: Town) -> None:
    house = telling(town, "single-phase-modem")
    town.now = START.replace(hour=0) + dt.timedelta(days=1, minutes=2)
    town.push(house, day_of(house))
    town.run()
    kept = IntervalValue.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT duaarah_make_month('readings_interval', '2020-05-01')")
    assert forget_months(today=dt.date(2026, 2, 17)) == ["readings_interval_2020_05"]
    assert IntervalValue.objects.count() == kept > 0
    forget_months(today=dt.date(2028, 6, 1))
    assert not IntervalValue.objects.exists()


@pytest.fixture
def one_house(town: Town) -> tuple[Town, House]:
    return town, town.house()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plain=st.one_of(st.binary(max_size=100), st.binary(max_size=90).map(lambda b: b"\x0f\0\0\0\1\0\2" + b)))
def test_whatever_an_authentic_meter_says_is_kept(one_house: tuple[Town, House], plain: bytes) -> None:
    town, house = one_house
    before = MeterEvent.objects.count()
    town.push(house, [house.sim.link.seal_sms(plain)])
    inbound = InboundSms.objects.latest("id")
    outcome = take_frame(inbound_id=inbound.pk, driver=town.driver, keys=town.keys, now=town.now)
    event = MeterEvent.objects.latest("id")
    assert MeterEvent.objects.count() == before + 1
    if outcome == "unknown_report":
        assert event.kind == "UNKNOWN" and event.data == {"raw": plain.hex()}


def test_zones_of_the_archipelago_have_their_own_days(town: Town) -> None:
    house = telling(town, "single-phase-modem")
    house.meter.zone = "Asia/Jayapura"
    house.meter.save()
    town.now = START.replace(hour=0) + dt.timedelta(days=1, minutes=2)
    town.push(house, day_of(house))
    town.run()
    days = days_of_month(meter_id=house.meter.pk, month_date=MONTH, zone="Asia/Jayapura")
    assert [(day.date, len(day.intervals)) for day in days] == [
        (START.date(), 22),
        (START.date() + dt.timedelta(days=1), 2),
    ]
    summary = IntervalValue.objects.get(channel="demand_w")
    assert summary.start_at == dt.datetime(2026, 2, 16, tzinfo=ZoneInfo("Asia/Jayapura"))
