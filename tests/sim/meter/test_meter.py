"""The simulated meter by itself: credit, relay, thresholds, refusals, faults and what survives a restart."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.sim.meter.meters import (
    HEAD_END_TITLE,
    KEYS,
    KINDS,
    METER_TITLE,
    NOW,
    TID,
    answer,
    build,
    command,
    read,
    token,
)

from duaarah.core.intent import CreditExhausted, LowCredit, TokenResult
from duaarah.sim.meter import MeterConfig, SimMeter, UnknownModel
from duaarah.wire.dlms import apdu, ciphering, wrapper
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.wrapper import ShortOrder, Wrapped

KIND = "single-phase-modem"


def _untouched(meter: SimMeter) -> None:
    assert (meter.credit_wh, meter.token_energy_wh, meter.tokens_accepted) == (20_000, 0, 0)
    assert meter.state()["link"]["sent_counter"] == 0


def test_low_credit_is_sent_once_per_crossing_and_armed_again_by_a_top_up() -> None:
    meter = build(KIND, credit_wh=6_000, threshold_wh=5_000)
    assert meter.consume(1_000_000, NOW) == []  # exactly at the threshold is not under it
    (low,) = meter.consume(1, NOW)
    assert read(KIND, low)[1] == LowCredit(4_999, True, NOW)
    assert meter.consume(1_000_000, NOW) == []
    meter.receive_sms(command(KIND, token(500), 1), NOW)  # still under the threshold: not armed
    assert meter.consume(1, NOW) == []
    meter.receive_sms(command(KIND, token(1_000, tid=TID + 1), 2), NOW)
    assert meter.credit_wh == 5_499
    assert len(meter.consume(600_000, NOW)) == 1


def test_many_small_loads_lose_nothing() -> None:
    meter = build(KIND, credit_wh=6_000, threshold_wh=0)
    for _ in range(999):
        meter.consume(1, NOW)
    assert meter.credit_wh == 5_999
    meter.consume(1, NOW)
    assert (meter.credit_wh, meter.state()["credit_mwh"]) == (5_999, 5_999_000)


def test_at_zero_the_relay_opens_and_a_token_closes_it() -> None:
    meter = build(KIND, credit_wh=6_000, threshold_wh=5_000)
    low, gone = meter.consume(7_000_000, NOW)
    assert read(KIND, low)[1] == LowCredit(0, False, NOW)
    assert read(KIND, gone)[1] == CreditExhausted(False, NOW)
    assert (meter.credit_wh, meter.relay_closed) == (0, False)
    assert meter.consume(1_000_000, NOW) == []
    assert answer(KIND, meter.receive_sms(command(KIND, token(), 1), NOW)).balance_wh == 10_000
    assert meter.relay_closed


def test_a_wrong_tag_is_dropped_and_counted_never_answered() -> None:
    meter = build(KIND)
    payload = command(KIND, token(), 1)
    assert meter.receive_sms(payload[:-1] + bytes((payload[-1] ^ 1,)), NOW) == []
    assert dict(meter.dropped) == {"auth_failed": 1}
    _untouched(meter)
    assert len(meter.receive_sms(payload, NOW)) == 1  # the counter was not burnt by the forgery


def test_a_replayed_counter_is_dropped_even_with_another_token() -> None:
    meter = build(KIND)
    payload = command(KIND, token(), 7)
    assert len(meter.receive_sms(payload, NOW)) == 1
    before = meter.state()
    assert meter.receive_sms(payload, NOW) == []
    assert meter.receive_sms(command(KIND, token(tid=TID + 1), 7), NOW) == []
    assert meter.state() == before
    assert dict(meter.dropped) == {"replayed": 2}


def test_frames_out_of_order_are_taken_inside_the_window_and_refused_below() -> None:
    meter = build(KIND)
    for counter, sent in ((100, 1), (36, 1), (35, 0), (36, 0), (99, 1)):
        payload = command(KIND, token(tid=TID + counter), counter)
        assert len(meter.receive_sms(payload, NOW)) == sent, counter
    assert meter.tokens_accepted == 3


@pytest.mark.parametrize(
    ("keys", "title", "code"),
    [
        (Keys(bytes(16), bytes(16)), HEAD_END_TITLE, "auth_failed"),  # meant for another meter
        (KEYS, b"EVIL\x00\x00\x00\x01", "unknown_client"),
        (KEYS, METER_TITLE, "unknown_client"),  # its own words, reflected
    ],
)
def test_foreign_frames_are_dropped(keys: Keys, title: bytes, code: str) -> None:
    meter = build(KIND)
    assert meter.receive_sms(command(KIND, token(), 1, keys=keys, title=title), NOW) == []
    assert dict(meter.dropped) == {code: 1}
    _untouched(meter)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_for_another_kind_is_dropped(kind: str) -> None:
    for other in KINDS:
        if other != kind:
            meter = build(kind)
            assert meter.receive_sms(command(other, token(), 1), NOW) == []
            assert meter.dropped.total() == 1
            _untouched(meter)


@pytest.mark.parametrize(
    ("plain", "code"),
    [
        ("c001c100030100010800ff0200", "not_over_sms"),
        ("c301010046000060030aff0100", "unknown_object"),
        ("c3018100730000132800ff0100", "bad_token"),
        ("c3018100730000132800ff010109053132333435", "bad_token"),
        ("c3018100730000132800ff01011105", "bad_token"),
        ("ffff", "unknown_apdu"),
        ("c301", "incomplete"),
    ],
)
def test_authentic_nonsense_is_dropped(plain: str, code: str) -> None:
    meter = build(KIND)
    sealed = ciphering.protect(bytes.fromhex(plain), keys=KEYS, system_title=HEAD_END_TITLE, counter=1)
    assert meter.receive_sms(wrapper.wrap_short(Wrapped(16, 1, sealed), ShortOrder.OWN_FIRST), NOW) == []
    assert dict(meter.dropped) == {code: 1}
    _untouched(meter)


@pytest.mark.parametrize("payload", [b"", b"\x10", b"Halo, pulsa murah!", bytes(140)])
def test_garbage_is_dropped(payload: bytes) -> None:
    for kind in KINDS:
        meter = build(kind)
        assert meter.receive_sms(payload, NOW) == []
        assert meter.dropped.total() == 1
        _untouched(meter)


def test_the_keypad_answers_on_the_display_and_by_a_push_with_counter_0() -> None:
    meter = build(KIND)
    result, pushes = meter.keypad(token(), NOW)
    assert result == "accept"
    assert answer(KIND, pushes) == TokenResult(0, "accept", TID, 10_000, 30_000, NOW)
    assert meter.keypad(token(), NOW)[0] == "used"
    assert meter.credit_wh == 30_000


def test_the_keypad_locks_after_wrong_entries_while_sms_still_loads() -> None:
    meter = build(KIND)
    for _ in range(3):
        assert meter.keypad("00000000000000000001", NOW)[0] != "lockout"
    locked, pushes = meter.keypad(token(), NOW)
    assert locked == "lockout"
    assert answer(KIND, pushes).result == "lockout"
    assert meter.credit_wh == 20_000
    assert answer(KIND, meter.receive_sms(command(KIND, token(), 1), NOW)).result == "accept"
    assert meter.keypad(token(), NOW + timedelta(hours=1))[0] == "used"


def test_fault_tid_store_off_loads_twice_and_the_audit_registers_show_it() -> None:
    meter = build(KIND)
    meter.faults.tid_store_off = True
    for counter in (1, 2):
        assert answer(KIND, meter.receive_sms(command(KIND, token(), counter), NOW)).result == "accept"
    assert (meter.tokens_accepted, meter.tokens_distinct, meter.token_energy_wh) == (2, 1, 20_000)


def test_fault_lost_answer_loads_but_says_nothing_once() -> None:
    meter = build(KIND)
    meter.faults.lose_next_answer = 1
    assert meter.receive_sms(command(KIND, token(), 1), NOW) == []
    assert meter.credit_wh == 30_000
    counter, report = read(KIND, meter.receive_sms(command(KIND, token(), 2), NOW)[0])
    assert isinstance(report, TokenResult)
    assert (counter, report.result) == (2, "used")  # the lost answer used counter 1


def test_fault_modem_dead_hears_and_says_nothing_but_the_keypad_works() -> None:
    meter = build(KIND)
    meter.faults.modem_dead = True
    assert meter.receive_sms(command(KIND, token(), 1), NOW) == []
    assert meter.consume(30_000_000, NOW) == []
    assert dict(meter.dropped) == {"unreachable": 1}
    assert meter.keypad(token(), NOW) == ("accept", [])
    assert meter.credit_wh == 10_000


def test_without_power_nothing_is_used_heard_or_typed() -> None:
    meter = build(KIND)
    assert len(meter.power_cut(NOW)) == 1
    assert meter.power_cut(NOW) == []
    assert meter.consume(1_000_000, NOW) == []
    assert meter.receive_sms(command(KIND, token(), 1), NOW) == []
    assert meter.keypad(token(), NOW)[1] == []
    assert (meter.credit_wh, meter.powered) == (20_000, False)
    assert len(meter.power_restored(NOW)) == 1
    assert meter.power_restored(NOW) == []


def test_a_restart_forgets_nothing() -> None:
    meter = build(KIND)
    meter.receive_sms(command(KIND, token(), 7), NOW)
    kept = json.loads(json.dumps(meter.state()))
    again = build(KIND)
    again.restore(kept)
    assert again.state() == meter.state()
    assert again.receive_sms(command(KIND, token(), 7), NOW) == []
    counter, report = read(KIND, again.receive_sms(command(KIND, token(), 8), NOW)[0])
    assert isinstance(report, TokenResult)
    assert (counter, report.result, again.credit_wh) == (2, "used", 30_000)


def test_an_older_state_never_lowers_the_sent_counter() -> None:
    meter = build(KIND)
    old = meter.state()
    meter.receive_sms(command(KIND, token(), 1), NOW)
    meter.restore(old)
    assert meter.state()["link"]["sent_counter"] == 1


def test_wrong_configurations() -> None:
    good = build(KIND).config
    parts = {name: getattr(good, name) for name in MeterConfig.__slots__}
    with pytest.raises(UnknownModel):
        SimMeter(MeterConfig(**{**parts, "kind": "toaster"}))
    with pytest.raises(ValueError, match="nonces"):
        SimMeter(MeterConfig(**{**parts, "client_titles": (METER_TITLE,)}))
    with pytest.raises(ValueError, match="negative"):
        SimMeter(MeterConfig(**{**parts, "credit_wh": -1}))


def test_a_service_other_than_get_is_answered_by_an_exception() -> None:
    meter = build(KIND)
    plain = bytes.fromhex("c301c10046000060030aff0100")
    sealed = ciphering.protect(plain, keys=KEYS, system_title=HEAD_END_TITLE, counter=1)
    answered = meter.answer_request(wrapper.wrap(Wrapped(16, 1, sealed)))
    assert answered is not None
    opened = ciphering.unprotect(ciphering.parse(wrapper.unwrap(answered).apdu), KEYS)
    assert apdu.decode(opened) == apdu.ExceptionResponse(1, 2)
    assert meter.relay_closed
