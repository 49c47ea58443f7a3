"""The meter's side: which tokens it takes, key changes that get mixed up, and what a store of bounded size forgets."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.sts import DecoderKey, MeterDecoder
from duaarah.core.sts.batch import answer
from duaarah.core.sts.fields import pack
from duaarah.core.sts.meter import ALL_REGISTERS, KEY_CHANGE_TIMEOUT_S, TID_STORE_SIZE, WATER
from duaarah.core.sts.token import seal

OLD = {
    "dkga": "04",
    "vending_key": "abababababababab949494949494949401234567",
    "pan": "600727000000000009",
    "sgc": "201457",
    "ti": "01",
    "krn": 1,
    "kt": 2,
    "ken": 255,
    "base_date": 2014,
}


def change(ea: str, new: dict[str, Any], **more: Any) -> tuple[list[str], MeterDecoder, str]:
    """A key-change set, the meter that may take it, and the key it should then hold."""
    made = answer({**OLD, "ea": ea, "op": "key_change", "new": new, **more}, lambda: 0)
    return made["tokens"], MeterDecoder(DecoderKey(ea, bytes.fromhex(made["decoder_key_old"]))), made["decoder_key_new"]


def token(meter: MeterDecoder, kind: tuple[int, int], tid: int, field: int = 0, lead: int = 5) -> str:
    name = "se" if kind[0] == 0 and kind[1] > 3 else "rnd"
    return seal(kind[0], pack(*kind, {name: lead, "tid": tid, "field": field}), meter.key)


@given(st.sampled_from(["07", "11"]), st.randoms(use_true_random=False))
def test_a_set_is_put_together_in_any_order_with_repeats(ea: str, shuffle: Any) -> None:
    tokens, meter, new_key = change(ea, {"ti": "02", "krn": 3})
    entries = [*tokens[:-1], *tokens]
    shuffle.shuffle(entries)
    for digits in entries:
        if meter.key.octets.hex() == new_key:
            break
        assert meter.enter(digits, now_s=0).result == "accept"
    assert (meter.key.octets.hex(), meter.krn, meter.ti) == (new_key, 3, 2)


def test_sections_of_two_sets_with_one_in_common_are_not_mixed() -> None:
    first, meter, _ = change("07", {"ti": "02"})
    second, _, new_key = change("07", {"ti": "03"})
    before = meter.key.octets
    assert not meter.enter(first[0], now_s=0).key_changed
    assert not meter.enter(second[0], now_s=1).key_changed and meter.key.octets == before
    assert meter.enter(second[1], now_s=2).key_changed and meter.key.octets.hex() == new_key


def test_a_set_of_four_begun_twice_takes_the_second() -> None:
    first, meter, _ = change("11", {"ti": "02"})
    second, _, new_key = change("11", {"ti": "03"})
    for digits in (*first[:3], *second):
        entry = meter.enter(digits, now_s=0)
    assert entry.key_changed and meter.key.octets.hex() == new_key


def test_a_set_that_dawdles_starts_anew() -> None:
    tokens, meter, new_key = change("07", {"ti": "02"})
    meter.enter(tokens[0], now_s=0)
    assert not meter.enter(tokens[1], now_s=KEY_CHANGE_TIMEOUT_S + 1).key_changed
    assert meter.enter(tokens[0], now_s=KEY_CHANGE_TIMEOUT_S + 2).key_changed
    assert meter.key.octets.hex() == new_key


def test_an_expired_new_key_is_refused_whole() -> None:
    tokens, meter, _ = change("07", {"ti": "02", "ken": 90})
    key = meter.key.octets
    meter.enter(token(meter, (0, 0), 91 << 16), now_s=0)
    assert [meter.enter(digits, now_s=1).result for digits in tokens] == ["accept", "key_expired"]
    assert (meter.key.octets, meter.ken, meter.krn) == (key, 255, None)
    # With RO the old TIDs say nothing of the new base date.
    tokens, _, new_key = change("07", {"ken": 90, "base_date": 2035, "krn": 2})
    assert [meter.enter(digits, now_s=2).key_changed for digits in tokens] == [False, True]
    assert meter.key.octets.hex() == new_key and meter.tids == ()


def test_a_set_of_four_is_not_for_an_ea07_meter_unless_it_waits_for_it() -> None:
    tokens, meter, new_key = change("07", {"ea": "11"})
    assert [meter.enter(digits, now_s=0).result for digits in tokens[2:]] == ["unsupported", "unsupported"]
    assert meter.state()["sections"] == {}
    for order in itertools.permutations(tokens):
        waiting = MeterDecoder(meter.key, new_key_ea="11")
        assert [waiting.enter(digits, now_s=0).key_changed for digits in order] == [False, False, False, True]
        assert (waiting.key.ea, waiting.key.octets.hex()) == ("11", new_key)


def test_a_set_of_three_is_not_guessed_at() -> None:
    tokens, meter, _ = change("07", {"ti": "02"})
    values = {"kenho": 15, "krn": 2, "ro": 0, "kct": 1, "kt": 2, "nkho": 1}
    assert meter.enter(seal(2, pack(2, 3, values), meter.key), now_s=0).result == "unsupported"
    assert not meter.enter(tokens[1], now_s=0).key_changed


def test_a_meter_takes_credit_of_its_own_service_only() -> None:
    key = DecoderKey("07", bytes(8))
    electricity = MeterDecoder(key)
    water = MeterDecoder(key, credits=WATER)
    currency = MeterDecoder(key, credits=frozenset({4}))
    taken = {
        name: [
            subclass
            for subclass in range(8)
            if meter.enter(token(meter, (0, subclass), 10 + subclass), now_s=0).result == "accept"
        ]
        for name, meter in (("electricity", electricity), ("water", water), ("currency", currency))
    }
    assert taken == {"electricity": [0], "water": [1], "currency": [4]}
    assert (electricity.tids, water.tids, currency.tids) == ((10,), (11,), (14,))
    assert water.enter(token(water, (2, 0), 20), now_s=0).result == "unsupported"
    assert electricity.enter(token(electricity, (2, 7), 20), now_s=0).result == "unsupported"
    assert water.enter(token(water, (2, 7), 21, 9), now_s=0).result == "accept" and water.settings == {
        "water_factor": 9
    }


def test_limits_are_kept_and_survive_a_power_cut() -> None:
    meter = MeterDecoder(DecoderKey("07", bytes(8)))
    meter.enter(token(meter, (2, 0), 10, 16_746), now_s=0)
    meter.enter(token(meter, (2, 6), 11, 500), now_s=0)
    meter.enter(token(meter, (2, 2), 12, 3), now_s=0)
    kept = {"power_limit_w": 20_004, "phase_unbalance_limit_w": 500, "tariff_rate": 3}
    assert MeterDecoder.restore(meter.state()).settings == kept


@pytest.mark.parametrize(("register", "result"), [(0, "accept"), (ALL_REGISTERS, "accept"), (1, "range"), (9, "range")])
def test_clear_credit_names_its_register(register: int, result: str) -> None:
    meter = MeterDecoder(DecoderKey("07", bytes(8)))
    entry = meter.enter(token(meter, (2, 1), 10, register), now_s=0)
    assert entry.result == result
    assert entry.clear_register == (register if result == "accept" else None)
    assert meter.tids == ((10,) if result == "accept" else ())


def test_the_store_is_bounded_and_what_it_forgot_is_old() -> None:
    meter = MeterDecoder(DecoderKey("07", bytes(8)))
    for tid in range(100, 100 + 2 * TID_STORE_SIZE, 2):
        assert meter.enter(token(meter, (0, 0), tid), now_s=0).result == "accept"
    assert meter.enter(token(meter, (0, 0), 99), now_s=0).result == "old"
    assert meter.enter(token(meter, (0, 0), 101), now_s=0).result == "accept"
    assert len(meter.tids) == TID_STORE_SIZE
    assert meter.enter(token(meter, (0, 0), 100), now_s=0).result == "old"
    assert meter.enter(token(meter, (0, 0), 101), now_s=0).result == "used"


def test_an_overflow_moves_nothing_and_the_token_stays_good() -> None:
    meter = MeterDecoder(DecoderKey("07", bytes(8)), register_max_wh=10_000)
    digits = token(meter, (0, 0), 10, 60)
    assert meter.enter(digits, now_s=0, credit_wh=5_000).result == "overflow" and meter.tids == ()
    assert meter.enter(digits, now_s=0, credit_wh=4_000).energy_wh == 6_000


@given(st.text(max_size=24), st.integers(0, 10**20 - 1))
def test_nothing_that_is_typed_breaks_a_meter(text: str, number: int) -> None:
    meter = MeterDecoder(DecoderKey("07", bytes(8)))
    for digits in (text, f"{number:020d}"):
        assert meter.enter(digits, now_s=0).energy_wh >= 0
