"""The town without a network: SMS in, SMS out, read with the platform's own drivers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.gsm7 import encode
from duaarah.core.intent import DataBlock, LoadCredit, LowCredit, Report, TokenResult
from duaarah.core.sts import DecoderKey, derive, issue_electricity_credit, issue_key_change, tid_at
from duaarah.drivers import Keys, decode_report, encode_command, frame, open_frame, profile, unframe
from duaarah.messaging.texts import render, short_drn, token_groups
from duaarah.sim.bank.atm import ATM
from duaarah.sim.bank.notify import Channel, Notifier
from duaarah.sim.town.clock import MINUTE_US, instant_of
from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.sms import BINARY, GSM7, UCS2, Outgoing
from duaarah.sim.town.town import Town
from duaarah.sim.town.wires import UnknownInTown
from duaarah.sim.town.world import CHANNEL, HEAD_END_TITLE, NEXT_KRN, START, TownMeter, World, make_world

WORLD = make_world(7, 50)


def _town(world: World = WORLD, **options: Any) -> tuple[Town, list[Outgoing]]:
    sent: list[Outgoing] = []
    return Town(world, send=sent.append, **options), sent


def _report(meter: TownMeter, sms: Outgoing) -> Report:
    known = profile(meter.profile)
    return decode_report(known, open_frame(unframe(known, sms.payload), keys=Keys(meter.ek, meter.ak)))


def _token(meter: TownMeter, energy_wh: int = 30_000, minutes: int = 0) -> str:
    tid = tid_at(START.replace(tzinfo=None), 2014) + 60 + minutes
    return issue_electricity_credit(WORLD.decoder_key(meter), energy_wh=energy_wh, tid=tid, rnd=3, ken=255).digits


def _frame(meter: TownMeter, digits: str, counter: int) -> bytes:
    known = profile(meter.profile)
    return frame(
        known,
        encode_command(known, LoadCredit(digits), counter & 15),
        keys=Keys(meter.ek, meter.ak),
        system_title=HEAD_END_TITLE,
        counter=counter,
        to_meter=True,
    )


def test_half_of_the_town_warns_in_a_day_and_the_day_is_the_same_each_time() -> None:
    days = []
    for _ in range(2):
        town, sent = _town()
        town.start(0)
        # Twenty hours and a half: who is low in the evening has not yet run out of the threshold's eight hours.
        while town.run(DAY_US * 21 // 24, 1000):
            pass
        days.append(sent)
    assert days[0] == days[1]
    by_sim = {meter.msisdn: meter for meter in WORLD.meters}
    reports = [(sms.source, _report(by_sim[sms.source], sms)) for sms in days[0] if sms.data_coding == BINARY]
    low = Counter(source for source, report in reports if isinstance(report, LowCredit))
    assert len(low) in (24, 25, 26) and set(low.values()) == {1}
    texts = [sms for sms in days[0] if sms.data_coding != BINARY]
    assert len(texts) == len(WORLD.questions)
    assert {sms.source for sms in texts} <= {holder.phone for holder in WORLD.holders}


def test_a_frame_loads_the_meter_and_its_answer_goes_out() -> None:
    for meter in WORLD.meters[:6]:
        town, sent = _town(radio_faults=False)
        town.start(0)
        town.run(HOUR_US, 100)
        sent.clear()
        assert town.receive(meter.msisdn, _frame(meter, _token(meter), 1), BINARY, HOUR_US) == "frame"
        assert [(sms.source, sms.data_coding) for sms in sent] == [(meter.msisdn, BINARY)]
        report = _report(meter, sent[0])
        assert isinstance(report, TokenResult)
        assert (report.command_counter, report.result, report.energy_wh) == (1, "accept", 30_000)
        assert town.supply(meter.drn).sim.token_energy_wh == 30_000


def test_after_a_load_the_threshold_is_crossed_again_later() -> None:
    meter = WORLD.meters[0]
    town, _ = _town(radio_faults=False)
    town.start(0)
    before = town.supply(meter.drn).crossing
    assert before is not None
    before_us = before.at_us
    town.receive(meter.msisdn, _frame(meter, _token(meter), 1), BINARY, 0)
    after = town.supply(meter.drn).crossing
    assert after is not None and after.at_us > before_us and before.action is None


def test_about_one_frame_in_thirty_is_lost_on_the_radio_always_the_same() -> None:
    lost = []
    for _ in range(2):
        town, sent = _town()
        for supply in town.supplies.values():
            for _ in range(30):
                town.receive(supply.known.msisdn, b"noise", BINARY, 0)
        assert sent == []
        lost.append({drn: supply.lost_frames for drn, supply in town.supplies.items()})
        assert town.seen == Counter(lost=sum(lost[-1].values()), frame=1500 - sum(lost[-1].values()))
    assert lost[0] == lost[1]
    assert 30 <= sum(lost[0].values()) <= 75


def test_the_dead_modem_holds_its_pushes_until_it_is_back() -> None:
    dead = WORLD.dead_modem
    assert dead is not None
    meter = next(meter for meter in WORLD.meters if meter.drn == dead.drn)
    town, sent = _town()
    town.start(0)
    while town.run(15 * HOUR_US - 1, 1000):
        pass
    assert town.supplies[dead.drn].modem_dead and len(town.supplies[dead.drn].held) == 1
    said = [_report(meter, sms) for sms in sent if sms.source == meter.msisdn]
    assert [type(report) for report in said] == [DataBlock]  # in the night before
    sent.clear()
    assert town.receive(meter.msisdn, _frame(meter, _token(meter), 1), BINARY, 15 * HOUR_US - 1) == "lost"
    while town.run(15 * HOUR_US, 1000):
        pass
    pushed = [sms for sms in sent if sms.source == meter.msisdn]
    assert len(pushed) == 1 and isinstance(_report(meter, pushed[0]), LowCredit)
    assert len(town.supplies[dead.drn].held) == 0 and town.supplies[dead.drn].sim.token_energy_wh == 0


def test_a_warning_comes_back_as_the_customers_answer() -> None:
    meter = next(meter for meter in WORLD.meters if meter.site is None)
    town, sent = _town()
    town.start(0)
    text = render(
        "low_credit", "id", kwh="1,0", meter=short_drn(meter.drn), nominal_plain="50000", nominal="Rp50.000", code="K7P"
    )
    assert town.receive(meter.holder.phone, encode(text), GSM7, 0) == "text"
    town.run(21 * MINUTE_US, 100)
    assert sent == [Outgoing(meter.holder.phone, encode("ISI 50000 K7P"), GSM7)]


def test_digits_that_the_customer_keys_in_are_answered_under_counter_0() -> None:
    sites = [meter for meter in WORLD.meters if meter.site]
    meter = sites[2]
    digits = _token(meter)
    town, sent = _town()
    town.start(0)
    text = render("digits_instead", "id", token=token_groups(digits), kwh="30,0")
    town.receive(meter.holder.phone, encode(text), GSM7, 0)
    town.run(10 * MINUTE_US, 100)
    report = _report(meter, sent[0])
    assert isinstance(report, TokenResult)
    assert (sent[0].source, report.command_counter, report.result) == (meter.msisdn, 0, "accept")
    assert town.seen["keypad_accept"] == 1


def test_power_and_faults_of_one_meter() -> None:
    meter = WORLD.meters[0]
    town, sent = _town(radio_faults=False)
    town.start(0)
    town.set_power(meter.drn, False)
    assert len(sent) == 1 and town.supplies[meter.drn].crossing is None
    town.receive(meter.msisdn, _frame(meter, _token(meter), 1), BINARY, 1)
    assert len(sent) == 1 and town.supply(meter.drn).sim.dropped == Counter(unreachable=1)
    town.set_power(meter.drn, True)
    assert len(sent) == 2 and town.supplies[meter.drn].crossing is not None
    with pytest.raises(UnknownInTown):
        town.set_power("99000000000", False)


def test_what_is_for_nobody_here_is_only_counted() -> None:
    town, sent = _town()
    assert town.receive("628999", b"x", BINARY, 0) == "unknown"
    assert (sent, town.seen) == ([], Counter(unknown=1))


def test_a_text_beyond_the_gsm_alphabet_goes_as_ucs2() -> None:
    town, sent = _town()
    town.send_text("628120000", "tolong \u20bf")
    assert sent == [Outgoing("628120000", "tolong \u20bf".encode("utf-16-be"), UCS2)]


def test_a_day_that_starts_at_noon_plans_no_morning() -> None:
    town, _ = _town()
    town.start(12 * HOUR_US)
    due_us = town.queue.next_due_us()
    assert due_us is not None and due_us >= 12 * HOUR_US
    assert instant_of(due_us).hour >= 12


@given(st.binary(max_size=200), st.sampled_from([0, 3, 4, 8, 255]), st.integers(0, 5))
def test_no_octets_disturb_the_town(payload: bytes, data_coding: int, index: int) -> None:
    town, sent = FUZZED
    meter = WORLD.meters[index]
    town.receive(meter.msisdn, payload, data_coding, 0)
    town.receive(meter.holder.phone, payload, data_coding, 0)
    assert sent == [] and town.supplies[meter.drn].sim.tokens_accepted == 0


FUZZED = _town()


def test_the_bank_sells_with_the_key_that_the_meter_has_now() -> None:
    world = make_world(7, 50)
    notifier = Notifier(Channel(CHANNEL, world.channel_secret, "http://127.0.0.1:9"), sleep=lambda _: None)
    atm = ATM(world, notifier, CHANNEL)
    try:
        town, _ = _town(world, atm=atm)
        meter = next(m for m in world.meters if m.sts.ea == "07")
        supply = town.supplies[meter.drn]
        old = world.decoder_key(meter)
        new_sts = replace(meter.sts, krn=NEXT_KRN, ken=200)
        new = DecoderKey("07", derive(world.next_vending_key, new_sts, meter.pan))
        change = issue_key_change(old, new, new_sts, rollover=False)
        for number, digits in enumerate(change.tokens):
            assert supply.sim.keypad(digits, START + timedelta(minutes=number))[0] == "accept"
        assert town.key_of(meter)[0].octets == new.octets and town.key_of(meter)[1] == 200
        sale = atm.buy(meter.drn, 50_000, START)
        assert supply.sim.keypad(sale.digits, START)[0] == "accept"
        assert supply.sim.tokens_accepted == 1
    finally:
        notifier.close()
