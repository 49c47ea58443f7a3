# SPDX-License-Identifier: Apache-2.0
"""Pushes over IP: kept once and confirmed under a counter taken before, read as over SMS, refused ones move nothing."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from duaarah.audit.models import AuditRecord
from duaarah.headend.models import GatewayRefusal, InboundFrame, InvocationCounter, MeterEvent
from duaarah.headend.operations import gateway
from duaarah.headend.operations.gateway import Refused
from duaarah.headend.ports import MeterKeys
from duaarah.notices.pushes import take_push, take_pushes
from duaarah.outages.models import MeterSupply
from duaarah.readings.days import compact
from duaarah.readings.store import readings_of
from duaarah.registry.models import Meter
from duaarah.sim.meter.ip import ProfileSender
from duaarah.sms.models import PackageEntry
from duaarah.vending.models import Vend
from duaarah.wire.dlms import hdlc, wrapper
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.push_stream import Pushed, PushReader
from duaarah.wiring.gateway import Came, Intake, Verdict
from duaarah.wiring.keystores import wrap_meter_keys
from duaarah.wiring.pushes import PushFrames
from tests.flows.house import WIB, House, Town

pytestmark = pytest.mark.slow
MIDNIGHT = dt.datetime(2026, 2, 16, 0, 0, tzinfo=WIB)
FULL = "three-phase-retrofit"  # writes the 8-octet wrapper in SMS too: the same octets go over IP


def pushed(octets: bytes) -> Pushed:
    [found] = PushReader().receive(octets)
    return found


class Net:
    """The gateway's intake without sockets, and the head end's turn."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.second = 0.0
        self.frames = PushFrames()
        self.intake = Intake(self.frames, town.keys, clock=lambda: town.now, monotonic=lambda: self.second)

    def send(self, *octets: bytes, bearer: str = "TCP") -> list[Verdict]:
        batch = [Came(bearer, "10.20.0.7", 40_000, pushed(one)) for one in octets]
        return self.intake.take(batch, Counter())

    def turn(self) -> int:
        return take_pushes(frames=self.frames, keys=self.town.keys, now=self.town.now)


@pytest.fixture
def town(database: str, tmp_path: object) -> Town:
    return Town(tmp_path)  # type: ignore[arg-type]


def day_of(house: House) -> tuple[ProfileSender, bytes]:
    """A meter that has a whole day to tell, and its push."""
    sender = ProfileSender(house.sim)
    for number in range(1, 97):
        at = MIDNIGHT + dt.timedelta(minutes=15 * number)
        house.sim.consume(30_000, at)
        sender.interval(at)
    push = sender.due(MIDNIGHT + dt.timedelta(days=1, hours=1))
    assert push is not None
    return sender, push


def counters(house: House) -> InvocationCounter:
    return InvocationCounter.objects.get(meter=house.meter)


def test_a_day_is_kept_once_confirmed_each_time_and_read_once(town: Town) -> None:
    house, net = town.house(credit_wh=60_000), Net(town)
    sender, push = day_of(house)
    assert len(push) > 2_000
    [first] = net.send(push)
    assert first.code == "" and counters(house).to_meter_latest == 1
    row = InboundFrame.objects.get()
    assert (row.state, row.bearer, row.framing, row.peer) == ("RECEIVED", "TCP", "wrapper", "10.20.0.7 40000")
    assert bytes(row.raw) == push and row.apdu_at == 8 and bytes(row.apdu) == b""
    # Its answer is lost: the same octets come again, perhaps after they were read.
    [again] = net.send(push)
    assert net.turn() == 1 and net.turn() == 0
    [late] = net.send(push)
    assert counters(house).to_meter_latest == 1 and InboundFrame.objects.count() == 1
    assert first.answer == again.answer == late.answer
    # Whoever replays it uses nothing up; when the counter has gone far on, the meter needs another one to hear us.
    InvocationCounter.objects.update(to_meter_latest=40)
    [far] = net.send(push)
    assert far.answer != late.answer and net.send(push)[0].answer == far.answer
    assert counters(house).to_meter_latest == 41
    assert sender.due(town.now) == push
    assert sender.receive(far.answer) and not sender.receive(again.answer)
    assert sender.days_told == 1 and sender.due(MIDNIGHT + dt.timedelta(days=1, hours=2)) is None
    event = MeterEvent.objects.get()
    assert (event.frame_id, event.inbound_id, event.counter, event.arrived_at) == (row.pk, None, 1, town.now)
    assert InboundFrame.objects.get().state == "DONE"
    assert counters(house).latest_contact_at == town.now and PackageEntry.objects.count() == 0


def test_a_day_of_registers_fills_the_interval_store(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "READINGS_FOLDER", tmp_path / "readings")
    house, net = town.house(profile=FULL, credit_wh=60_000), Net(town)
    sender, dice = ProfileSender(house.sim), random.Random(7)
    taken_wh = [dice.randrange(2, 300) for _ in range(192)]
    sender.begin(MIDNIGHT)
    for number, wh in enumerate(taken_wh, start=1):
        at = MIDNIGHT + dt.timedelta(minutes=15 * number)
        house.sim.consume(wh * 1000, at)
        sender.interval(at, None if number == 7 else 219_000 + 100 * number)
    for day in (1, 2):
        town.now = MIDNIGHT + dt.timedelta(days=day, hours=2)
        push = sender.due(town.now)
        assert push is not None
        [verdict] = net.send(push)
        assert sender.receive(verdict.answer) and net.turn() == 1
    assert set(MeterEvent.objects.values_list("kind", flat=True)) == {"LOAD_PROFILE"}
    compact(open_too=True)
    read = readings_of(house.meter.pk, MIDNIGHT, MIDNIGHT + dt.timedelta(days=2)).to_pydict()
    assert read["ts"] == [MIDNIGHT + dt.timedelta(minutes=15 * number) for number in range(1, 193)]
    assert read["energy_wh"] == taken_wh and read["register_wh"] == list(itertools.accumulate(taken_wh))
    volts = [None if number == 7 else 219 + number / 10 for number in range(1, 193)]
    assert read["voltage_v"] == pytest.approx(volts)


def test_what_over_sms_would_act_acts_over_ip_whatever_the_order(town: Town) -> None:
    house, net = town.house(profile=FULL), Net(town)
    low = house.sim.consume(2_000_000, town.now)
    gasp = house.sim.power_cut(town.now)
    back = house.sim.power_restored(town.now)
    gone = house.sim.consume(4_000_000, town.now)
    assert [len(one) for one in (low, gasp, back, gone)] == [1, 1, 1, 1]
    frames = [*low, *gasp, *back, *gone]
    random.Random(3).shuffle(frames)
    assert [verdict.code for verdict in net.send(*frames)] == [""] * 4 and net.turn() == 4
    town.run()
    assert set(MeterEvent.objects.values_list("kind", flat=True)) == {
        "LOW_CREDIT",
        "LAST_GASP",
        "POWER_RESTORED",
        "CREDIT_EXHAUSTED",
    }
    kept = counters(house)
    assert (kept.from_meter_highest, kept.balance_wh, kept.gaps) == (4, 0, 0)
    assert len(town.words_to(house)) == 2
    # The same frames by SMS are replays.
    town.push(house, frames)
    town.run()
    assert MeterEvent.objects.count() == 4 and len(town.words_to(house)) == 2
    assert AuditRecord.objects.filter(code="replayed").count() == 4


def test_the_answer_to_a_token_over_ip_closes_its_command(town: Town) -> None:
    house, net = town.house(profile=FULL, credit_wh=60_000), Net(town)
    town.text(house, "ISI 50RB 123456")
    town.run(to_meters=False)
    frame = town_frame(town)
    [answer] = house.sim.receive_sms(frame, town.now)
    net.send(answer, bearer="UDP")
    assert net.turn() == 1
    assert Vend.objects.get().state == "LOADED"
    assert MeterSupply.objects.get(meter=house.meter).state == "NYALA"
    assert InboundFrame.objects.get().outcome == "token_accept"


def town_frame(town: Town) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM sms_outboundsegment WHERE data_coding = 4 ORDER BY id DESC LIMIT 1")
        return bytes(cursor.fetchone()[0])


def test_hdlc_segments_are_kept_as_they_came(town: Town) -> None:
    house, net = town.house(credit_wh=60_000), Net(town)
    sender, push = day_of(house)
    line = hdlc.encode_message(wrapper.scan(push)[0].apdu, destination=b"\x21", source=b"\x03", size=128)
    [verdict] = net.send(line)
    row = InboundFrame.objects.get()
    assert row.framing == "hdlc" and row.apdu_at is None and bytes(row.apdu) == wrapper.scan(push)[0].apdu
    answer = hdlc.messages(hdlc.scan(verdict.answer))[0]
    assert net.turn() == 1 and MeterEvent.objects.count() == 1
    saps = (house.sim.model.client_sap, house.sim.model.server_sap)
    assert sender.receive(wrapper.wrap(wrapper.Wrapped(*saps, answer)))


def test_strangers_wrong_tags_and_garbage_are_counted_and_move_nothing(town: Town) -> None:
    house, other, net = town.house(credit_wh=60_000), town.house(credit_wh=60_000), Net(town)
    _, push = day_of(house)
    before = counters(house)
    altered = push[:-1] + bytes([push[-1] ^ 1])
    stranger = push.replace(bytes(house.meter.system_title), b"DUA-NONE")
    another = push.replace(bytes(house.meter.system_title), bytes(other.meter.system_title))
    plain = bytes.fromhex("0001000100100003") + b"\x0f\x00\x00"
    bad = [altered, stranger, another, plain]
    for _ in range(50):
        assert [verdict.code for verdict in net.send(*bad)] == [
            "auth_failed",
            "unknown_title",
            "auth_failed",
            "unknown_apdu",
        ]
    assert all(verdict.answer == b"" for verdict in net.send(*bad))
    assert InboundFrame.objects.count() == MeterEvent.objects.count() == 0
    assert counters(house) == before and counters(house).to_meter_latest == 0
    found = {(row.address, row.code): row.count for row in GatewayRefusal.objects.all()}
    assert found == {
        ("10.20.0.7", "auth_failed"): 102,
        ("10.20.0.7", "unknown_title"): 51,
        ("10.20.0.7", "unknown_apdu"): 51,
    }
    lines = AuditRecord.objects.filter(actor="gateway", refused=True)
    assert sorted(lines.values_list("code", flat=True)) == ["auth_failed", "unknown_apdu", "unknown_title"]


def test_a_flood_of_addresses_fills_no_table(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "ADDRESSES_MAX", 5)
    for turn in range(2):
        refused = {Refused("UDP", f"10.0.{turn}.{number}", "auth_failed"): 2 for number in range(20)}
        gateway.count_refusals(refused=refused, now=town.now)
    assert GatewayRefusal.objects.count() == 6
    assert GatewayRefusal.objects.get(address="*").count == 70
    assert AuditRecord.objects.filter(actor="gateway").count() == 6


def test_a_meter_that_got_new_keys_is_known_by_them(town: Town) -> None:
    house, net = town.house(credit_wh=60_000), Net(town)
    sender, push = day_of(house)
    [verdict] = net.send(push)
    assert sender.receive(verdict.answer)
    keys = MeterKeys(bytes([77]) * 16, bytes([78]) * 16)
    house.sim.link.change_keys(Keys(keys.encryption, keys.authentication))
    [next_push] = house.sim.push_now(town.now)
    over_ip = wrapper.wrap(wrapper.Wrapped(1, 16, next_push[2:]))
    assert [verdict.code for verdict in net.send(over_ip)] == ["auth_failed"]
    Meter.objects.filter(pk=house.meter.pk).update(dlms_keys_wrapped=wrap_meter_keys(town.store, house.meter.drn, keys))
    # Whoever sends rubbish under its title does not make us ask the database each time.
    assert [verdict.code for verdict in net.send(over_ip)] == ["auth_failed"]
    net.second += 6
    assert [verdict.code for verdict in net.send(over_ip)] == [""]
    assert net.turn() == 2 and MeterEvent.objects.filter(kind="DATA_BLOCK").count() == 1


def test_one_that_nobody_foresaw_stops_no_other(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, net = town.house(credit_wh=60_000), town.house(credit_wh=60_000), Net(town)
    net.send(day_of(first)[1], day_of(second)[1])
    bad = InboundFrame.objects.get(meter=first.meter)
    opening = net.frames.open

    def breaks(**given: object) -> object:
        if given["apdu"] == bytes(bad.raw)[8:]:
            raise ZeroDivisionError
        return opening(**given)  # type: ignore[arg-type]

    monkeypatch.setattr(net.frames, "open", breaks)
    assert net.turn() == 2
    assert InboundFrame.objects.get(meter=second.meter).state == "DONE"
    bad.refresh_from_db()
    assert (bad.state, bad.attempts, MeterEvent.objects.filter(meter=first.meter).count()) == ("RECEIVED", 1, 0)
    monkeypatch.undo()
    assert take_push(frame_id=bad.pk, frames=net.frames, keys=town.keys, now=town.now) == "load_profile"
    assert take_push(frame_id=bad.pk, frames=net.frames, keys=town.keys, now=town.now) == "done_before"
