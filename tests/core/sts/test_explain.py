"""A token explained bit by bit: what the records hold, with and without a key, for every class."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.sts import DecoderKey, Explanation, KeyConfiguration, TokenLength, TokenRange, derive, explain
from duaarah.core.sts.decode import Result
from duaarah.core.sts.describe import KIND_NAMES
from duaarah.core.sts.explain_sentences import LABELS, MSGIDS, SENTENCES
from duaarah.core.sts.fields import LAYOUTS, pack
from duaarah.core.sts.token import TOKEN_MAX, seal

CONFIGURATION = KeyConfiguration(dkga="04", ea="11", sgc="201457", ti="01", krn=1, kt=2, ken=255, base_date=2014)
PAN = "600727000000000009"
VENDING_KEY = bytes.fromhex("abababababababab949494949494949401234567")
KEY = DecoderKey("11", derive(VENDING_KEY, CONFIGURATION, PAN))


def steps_of(explanation: Explanation) -> dict[str, tuple[int | None, int | None, str, str]]:
    return {step.name: (step.first, step.last, step.value, step.meaning) for step in explanation.steps}


def test_the_worked_example_of_the_standard_bit_by_bit() -> None:
    key = DecoderKey("07", bytes.fromhex("0ABC12DEF3456789"))
    base_1993 = KeyConfiguration(dkga="02", ea="07", sgc="123456", ti="01", krn=1, kt=2, ken=255, base_date=1993)
    explained = explain("29054347139309851356", key, base_1993)
    assert (explained.token_class, explained.subclass, explained.kind) == (0, 0, "Electricity credit")
    assert explained.result is Result.ACCEPT
    shown = [(s.stage, s.name, s.first, s.last, s.value) for s in explained.steps]
    assert shown == [
        ("entry", "digits", None, None, "2905 4347 1393 0985 1356"),
        ("entry", "number", 65, 0, "19335C6C9637352DC"),
        ("class", "class", 28, 27, "0"),
        ("class", "moved", 65, 64, "1"),
        ("class", "block", 63, 0, "9335C6C96B7352DC"),
        ("cipher", "data", 63, 0, "0B19EB230100C207"),
        ("fields", "subclass", 63, 60, "Electricity credit"),
        ("fields", "rnd", 59, 56, "11"),
        ("fields", "tid", 55, 32, "1698595"),
        ("fields", "exponent", 31, 30, "0"),
        ("fields", "mantissa", 29, 16, "256"),
        ("fields", "amount", None, None, "25.6 kWh"),
        ("check", "crc", 15, 0, "C207"),
        ("check", "ken", None, None, "25"),
        ("verdict", "result", None, None, "accept"),
    ]
    meanings = {name: meaning for name, (_, _, _, meaning) in steps_of(explained).items()}
    assert meanings["tid"] == "Minutes since 1 January of the base date 1993: 1996-03-25 13:55."
    assert meanings["amount"] == "0 + 256 x 1 = 256 steps of 0.1 kWh: 25.6 kWh."
    assert meanings["crc"] == "Expected C207, found C207: they agree."


def test_without_a_configuration_the_tid_is_shown_for_each_base_date() -> None:
    explained = explain("29054347139309851356", DecoderKey("07", bytes.fromhex("0ABC12DEF3456789")))
    meaning = steps_of(explained)["tid"][3]
    assert all(at in meaning for at in ("1996-03-25 13:55", "2017-03-25 13:55", "2038-03-25 13:55"))
    assert "ken" not in steps_of(explained)


def test_without_a_key_only_the_class_is_seen() -> None:
    explained = explain("29054347139309851356")
    assert (explained.token_class, explained.subclass, explained.result, explained.kind) == (0, None, None, "")
    assert [s.name for s in explained.steps] == ["digits", "number", "class", "moved", "block", "locked"]


def test_class_1_needs_no_key() -> None:
    explained = explain("00000000000201328896")
    shown = steps_of(explained)
    assert shown["control"][:3] == (59, 24, "000000004")
    assert shown["test"] == (26, 26, "3", "Show the total energy register.")
    assert shown["mfr"][:3] == (23, 16, "00")
    assert (explained.kind, explained.result) == (KIND_NAMES[1, 0], Result.ACCEPT)
    assert "every test" in steps_of(explain("56493153725450313471"))["control"][3]
    read = steps_of(explain("02305843009347914912"))
    assert (read["index"][:3], read["control30"][:2]) == ((59, 54, "0"), (53, 24))


def test_a_wrong_check_sum_is_shown_and_its_bits_called_noise() -> None:
    explained = explain("29054347139309851357", DecoderKey("07", bytes.fromhex("0ABC12DEF3456789")))
    shown = steps_of(explained)
    assert (explained.result, explained.subclass, explained.fields) == (Result.CRC, None, None)
    assert "noise" in shown["payload"][3] and shown["crc"][3].endswith("they differ.")
    assert "tid" not in shown and "amount" not in shown


def test_currency_shows_sign_both_halves_of_the_exponent_and_crc_c() -> None:
    shown = steps_of(explain("40156929596019478780", KEY, CONFIGURATION))
    assert shown["se"][2:] == ("8", "Sign - and the upper three bits of the exponent: 000.")
    assert shown["amount"][2] == "-0.99994"
    assert shown["amount"][3] == "-(16384 + 8361 x 10) = -99994 x 0.00001: -0.99994 of the base currency."
    assert shown["crc_c"][:2] == (15, 0)


def test_a_key_change_shows_every_field_but_not_the_new_key() -> None:
    tokens = ("03854447086453451911", "02791799436242461152", "67118070329353977190", "19019128690902932218")
    explained = [explain(token, KEY, CONFIGURATION) for token in tokens]
    shown = {name: step for e in explained for name, step in steps_of(e).items()}
    expected = {"kenho": "15", "krn": "1", "ro": "0", "kct": "0", "kt": "2", "kenlo": "15", "ti": "02"}
    assert {name: shown[name][2] for name in expected} == expected
    assert (shown["sgclo"][2], shown["sgcho"][2]) == ("2F1", "031")
    everything = repr([(s.bits, s.value, dict(s.params)) for e in explained for s in e.steps]).upper()
    for part in ("B199270A", "77AF96D3", "156C51B0", "964A8782"):
        assert part not in everything and f"{int(part, 16):032b}" not in everything
    open_shown = steps_of(explain(tokens[0], KEY, CONFIGURATION, show_new_key=True))
    assert open_shown["nkho"][2] == "B199270A" and open_shown["crc"][2] == "E928"


def test_registers_padding_limits_and_extended_sets() -> None:
    def field(kind: tuple[int, int], value: int) -> dict[str, tuple[int | None, int | None, str, str]]:
        token = seal(kind[0], pack(*kind, {"rnd": 1, "tid": 6_586_590, "field": value}), KEY)
        return steps_of(explain(token, KEY, CONFIGURATION))

    assert field((2, 1), 0xFFFF)["register"][3] == "All credit registers are cleared."
    assert field((2, 1), 1)["register"][3] == "The credit register of class 0 subclass 1 is cleared."
    assert field((2, 1), 9)["result"][2] == "range"
    assert field((2, 5), 0)["pad"][3] == "Always zero."
    assert field((2, 0), 16_746)["amount"][2] == "20004 W"
    assert field((2, 2), 7)["rate"][2] == field((2, 7), 7)["factor"][2] == "7"
    flag = field((2, 10), 64_512 | 5)
    assert (flag["index"][2:], flag["control10"][:3]) == (("63", "Index 63: a flag is set."), (25, 16, "5"))


def test_used_old_and_expired_are_told_apart() -> None:
    token = seal(0, pack(0, 0, {"rnd": 1, "tid": 6_586_590, "field": 1}), KEY)
    assert explain(token, KEY, CONFIGURATION, tid_store=[6_586_590]).result is Result.USED
    assert explain(token, KEY, CONFIGURATION, tid_store=[6_586_591]).result is Result.OLD
    tight = KeyConfiguration(dkga="04", ea="11", sgc="201457", ti="01", krn=1, kt=2, ken=99, base_date=2014)
    explained = explain(token, KEY, tight)
    assert explained.result is Result.KEY_EXPIRED and "needs 100" in steps_of(explained)["ken"][3]


def test_what_is_no_token_is_refused_by_name() -> None:
    with pytest.raises(TokenLength):
        explain("123")
    with pytest.raises(TokenRange):
        explain("7" * 20)
    assert explain(f"{3 << 27:020d}").result is Result.UNSUPPORTED


def test_bits_and_digits_stay_out_of_a_repr() -> None:
    explained = explain("29054347139309851356", DecoderKey("07", bytes.fromhex("0ABC12DEF3456789")))
    text = repr(explained) + repr(explained.steps)
    assert "2905" not in text and "0B19EB23" not in text and "25.6" not in text


@given(st.sampled_from(sorted(LAYOUTS)), st.data(), st.booleans(), st.sampled_from([None, CONFIGURATION]))
def test_the_fields_of_every_kind_cover_all_64_bits_once(
    kind: tuple[int, int], data: st.DataObject, show: bool, configuration: KeyConfiguration | None
) -> None:
    values = {name: data.draw(st.integers(0, 2**bits - 1)) for name, bits in LAYOUTS[kind]}
    token = seal(kind[0], pack(*kind, values), None if kind[0] == 1 else KEY)
    explained = explain(token, KEY, configuration, show_new_key=show)
    assert (explained.token_class, explained.subclass) == kind and explained.kind == KIND_NAMES[kind]
    covered = []
    for step in explained.steps:
        assert step.meaning and "%(" not in step.meaning
        assert {step.label, step.sentence} <= set(MSGIDS)
        if step.first is not None and step.last is not None:
            assert len(step.bits) == step.first - step.last + 1
            if step.stage in ("fields", "check") and step.name != "test":
                covered += range(step.last, step.first + 1)
    assert sorted(covered) == list(range(64))


@given(st.integers(0, TOKEN_MAX))
def test_any_digits_are_explained(number: int) -> None:
    explained = explain(f"{number:020d}", KEY, CONFIGURATION)
    assert explained.result is not None and explained.steps[-1].name == "result"


def test_every_label_and_sentence_is_used() -> None:
    folder = Path(__file__).parents[3] / "src/duaarah/core/sts"
    source = "".join((folder / name).read_text() for name in ("explain.py", "explain_fields.py"))
    formed = {"result", "test", "ro", "kt"}
    for name in {*LABELS, *SENTENCES}:
        assert (
            f'"{name}"' in source or name.split("_")[0] in formed or name in {n for k in LAYOUTS.values() for n, _ in k}
        )
