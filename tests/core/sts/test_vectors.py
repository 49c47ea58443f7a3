# ruff: noqa: DTZ001 - a token's time is naive utility-local time by definition
"""Published tokens, key changes and primitives (STS 531 conformance values; IEC 62055-41's example; RFC 2994)."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.sts import DecoderKey, KENExpired, MeterDecoder, check_drn, instant_of, luhn_digit, pan_of, tid_at
from duaarah.core.sts.amounts import CREDIT_STEPS_MAX, decode_currency, decode_steps, encode_currency, encode_steps
from duaarah.core.sts.batch import answer
from duaarah.core.sts.crc import crc
from duaarah.core.sts.ea07 import EA07Tables, run
from duaarah.core.sts.errors import AmountNegative, AmountRange, DRNLuhn
from duaarah.core.sts.issue import issue_electricity_credit
from duaarah.core.sts.sta_tables import S1, S2, P

VECTORS = [
    json.loads(line) for line in (Path(__file__).parents[2] / "vectors/sts-tokens.jsonl").read_text().splitlines()
]
V20 = {
    "pan": "600727000000000009",
    "sgc": "201457",
    "ti": "01",
    "krn": 1,
    "kt": 2,
    "ken": 255,
    "base_date": 2014,
    "dkga": "04",
    "vending_key": "abababababababab949494949494949401234567",
}


def draw() -> int:
    raise AssertionError("no random number is needed")


def test_all_271_published_tokens_are_reproduced() -> None:
    assert len(VECTORS) == 271
    for vector in VECTORS:
        request = {key: value for key, value in vector.items() if key != "token"}
        assert answer({**request, "op": "issue"}, draw)["token"] == vector["token"]


def test_published_tokens_of_class_0_are_decoded_back() -> None:
    decoded = 0
    for vector in VECTORS:
        if vector.get("class") != 0:
            continue
        found = answer({**vector, "op": "decode"}, draw)
        assert found["result"] == "accept"
        assert (found["field"], found["rnd"], found["subclass"]) == (vector["field"], 5, vector["subclass"])
        decoded += 1
    assert decoded == 164


def test_key_change_sets_of_both_algorithms() -> None:
    ea11 = answer({**V20, "op": "key_change", "ea": "11", "new": {"ti": "02"}}, draw)
    assert ea11["tokens"] == [
        "03854447086453451911",
        "02791799436242461152",
        "67118070329353977190",
        "19019128690902932218",
    ]
    assert ea11["decoder_key_new"] == "b199270a77af96d3156c51b0964a8782"
    new = {"ti": "02", "sgc": "203557", "krn": 6, "base_date": 2035}
    ea07 = answer({**V20, "op": "key_change", "ea": "07", "new": new}, draw)
    assert ea07["tokens"] == ["65413070543688156280", "27469374567476953413"]
    assert (ea07["decoder_key_old"], ea07["decoder_key_new"]) == ("87f3ecbb2e46b48f", "bdc28dcf6005434d")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 0, 3, 1)])
def test_a_meter_puts_a_key_change_together_in_any_order(order: tuple[int, ...]) -> None:
    change = answer({**V20, "op": "key_change", "ea": "11", "new": {"ti": "02"}}, draw)
    meter = MeterDecoder(DecoderKey("11", bytes.fromhex(change["decoder_key_old"])))
    entries = [meter.enter(change["tokens"][index], now_s=0) for index in order]
    assert [entry.key_changed for entry in entries] == [False, False, False, True]
    assert meter.key.octets.hex() == change["decoder_key_new"]
    assert (meter.ti, meter.sgc, meter.krn) == (2, 201457, 1)


@pytest.mark.parametrize(
    ("at", "amount", "ea", "token"),
    [
        ("2027-08-21T12:01", "1", "11", "72503171501464925869"),
        ("2027-08-21T12:03", "16384", "11", "36535899498250296222"),
        ("2027-08-21T13:12", "-1", "11", "40156929596019478780"),
        ("2024-04-21T10:01", "1", "07", "42334201269947232996"),
    ],
)
def test_currency_tokens(at: str, amount: str, ea: str, token: str) -> None:
    request = {**V20, "op": "issue", "ea": ea, "class": 0, "subclass": 4, "issued_at": at, "amount": amount}
    assert answer(request, draw)["token"] == token


@pytest.mark.parametrize(
    ("subclass", "control", "token"),
    [
        (0, "fffffffff", "56493153725450313471"),
        (0, "1", "00000000000150997584"),
        (0, "80", "00000000002281728512"),
        (1, "0000001", "01152921509036054672"),
        (1, "fffffff", "02305843005052951967"),
        (2, "0", "02305843009347914912"),
    ],
)
def test_class_1_tokens_need_no_key(subclass: int, control: str, token: str) -> None:
    request = {"op": "issue", "class": 1, "subclass": subclass, "control": control, "mfr": "0"}
    assert answer(request, draw)["token"] == token
    found = answer({"op": "decode", "token": token}, draw)
    assert (found["result"], int(found["control"], 16)) == ("accept", int(control, 16))


def test_the_worked_example_of_the_standard() -> None:
    key = DecoderKey("07", bytes.fromhex("0ABC12DEF3456789"))
    tid = tid_at(dt.datetime(1996, 3, 25, 13, 55), 1993)
    assert tid == 0x19EB23
    assert crc(0, 0x0B19EB230100) == 0xC207
    assert key.encrypt(0x0B19EB230100C207) == 0x9335C6C96B7352DC
    assert issue_electricity_credit(key, energy_wh=25_600, tid=tid, rnd=0xB, ken=255).digits == "29054347139309851356"


def test_misty1_of_rfc_2994() -> None:
    key = DecoderKey("11", bytes.fromhex("00112233445566778899AABBCCDDEEFF"))
    assert key.encrypt(0x0123456789ABCDEF) == 0x8B1DA5F56AB3D07C
    assert key.encrypt(0xFEDCBA9876543210) == 0x04B68240B13BE95D
    assert key.decrypt(0x8B1DA5F56AB3D07C) == 0x0123456789ABCDEF


def test_other_tables_make_another_cipher() -> None:
    other = EA07Tables(S2, S1, P)
    block = run(other.encryption_schedule(0x0ABC12DEF3456789), 0x0B19EB230100C207)
    assert block != 0x9335C6C96B7352DC
    assert EA07Tables(S1, S2, P).encryption_schedule(1) != other.encryption_schedule(1)


@given(st.binary(min_size=8, max_size=8), st.integers(0, 2**64 - 1))
def test_both_ciphers_undo_themselves(octets: bytes, block: int) -> None:
    for key in (DecoderKey("07", octets), DecoderKey("11", octets * 2)):
        assert key.decrypt(key.encrypt(block)) == block


@given(st.integers(0, CREDIT_STEPS_MAX))
def test_an_encoded_amount_is_never_less_and_at_most_one_step_more(steps: int) -> None:
    field = encode_steps(steps)
    assert steps <= decode_steps(field) < steps + 10 ** (field >> 14) or decode_steps(field) == steps


@given(st.integers(-(10**30), 10**30))
def test_a_currency_amount_is_rounded_towards_plus(steps: int) -> None:
    field = encode_currency(steps)
    decoded = decode_currency(field.sign_exponent, field.amount)
    assert decoded >= steps and decoded - steps <= max(abs(steps) // 1000, 1)


def test_amounts_at_their_borders() -> None:
    pairs = {20_000: 16_746, 180_223: 32_768, 180_224: 32_768, 1_818_623: 49_152, 18_201_624: 65_535}
    assert {steps: encode_steps(steps) for steps in pairs} == pairs
    with pytest.raises(AmountRange):
        encode_steps(18_201_625)
    with pytest.raises(AmountNegative):
        encode_steps(-1)


def test_tids_and_their_last_minutes() -> None:
    lasts = {1993: "2024-11-24T20:15", 2014: "2045-11-24T20:15", 2035: "2066-11-24T20:15"}
    assert {b: instant_of(2**24 - 1, b).isoformat(timespec="minutes") for b in lasts} == lasts
    assert tid_at(dt.datetime(2026, 7, 11, 0, 1, 59), 2014) == tid_at(dt.datetime(2026, 7, 11, 0, 2), 2014)


def test_an_expired_key_issues_nothing() -> None:
    key = DecoderKey("07", bytes(8))
    tid = tid_at(dt.datetime(2024, 9, 18, 22, 55), 2014)
    assert issue_electricity_credit(key, energy_wh=100, tid=tid, rnd=0, ken=85).encoded_wh == 100
    with pytest.raises(KENExpired):
        issue_electricity_credit(key, energy_wh=100, tid=tid + 1, rnd=0, ken=85)


def test_identifiers() -> None:
    assert (luhn_digit("1234567890"), luhn_digit("43135625623"), luhn_digit("7861754265922")) == ("3", "7", "0")
    assert pan_of("00000000000") == "600727000000000009"
    for drn in ("12345678904", "11111111113"):
        with pytest.raises(DRNLuhn):
            check_drn(drn)


def test_a_meter_refuses_used_and_locks_after_three_wrong_entries() -> None:
    key = DecoderKey("07", bytes(8))
    meter = MeterDecoder(key)
    good = issue_electricity_credit(key, energy_wh=1_000, tid=5_000_000, rnd=1, ken=255).digits
    assert (meter.enter(good, now_s=0).energy_wh, meter.enter(good, now_s=1).result) == (1_000, "used")
    for second in (2, 3, 4):
        assert meter.enter("0" * 19 + "7", now_s=second, by_keypad=True).result == "crc"
    fresh = issue_electricity_credit(key, energy_wh=1_000, tid=5_000_002, rnd=1, ken=255).digits
    assert meter.enter(fresh, now_s=5, by_keypad=True).result == "lockout"
    assert MeterDecoder.restore(meter.state()).enter(fresh, now_s=400, by_keypad=True).result == "accept"


def test_a_default_key_refuses_credit() -> None:
    key = DecoderKey("07", bytes(8))
    token = issue_electricity_credit(key, energy_wh=1_000, tid=5_000_000, rnd=1, ken=255).digits
    meter = MeterDecoder(key, kt=1)
    assert meter.enter(token, now_s=0).result == "ddtk" and meter.tids == ()
