"""What customers write, and what it means."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.sms.models import MessageClass
from duaarah.texting.grammar import BY_WORD, RULES, Asked, Verb, one_error, parse

K = {"nominal_idr": 50_000, "nominal_text": "50rb"}


AUTO_50 = {"nominal_idr": 50_000, "nominal_text": "50000"}


@pytest.mark.parametrize(
    ("text", "verb", "fields"),
    [
        ("SALDO", Verb.BALANCE, {}),
        ("sisa?", Verb.BALANCE, {}),
        ("Cek saldo bts014", Verb.BALANCE, {"alias": "BTS014"}),
        ("saldo 99000000016", Verb.BALANCE, {"alias": "99000000016"}),
        ("isi 50rb k7p", Verb.BUY, {**K, "code": "K7P"}),
        ("ISI K7P 50rb", Verb.BUY, {**K, "code": "K7P"}),
        ("isi 50 ribu 123456", Verb.BUY, {**K, "nominal_text": "50 ribu", "pin": "123456"}),
        ("ISI Rp50.000,- PIN 123456", Verb.BUY, {**K, "nominal_text": "rp50.000,-", "pin": "123456"}),
        ("isi rp 50.000 <123456>", Verb.BUY, {**K, "nominal_text": "50.000", "pin": "123456"}),
        ("ISI BTS014 100000 123456", Verb.BUY,
         {"nominal_idr": 100_000, "nominal_text": "100000", "alias": "BTS014", "pin": "123456"}),
        ("ISI 123456 100000", Verb.BUY, {"nominal_idr": 100_000, "nominal_text": "100000", "pin": "123456"}),
        ("ISI 150000 123456", Verb.BUY, {"nominal_idr": 150_000, "nominal_text": "150000", "pin": "123456"}),
        ("ISI 200000 100000", Verb.BUY, {"nominal_idr": 200_000, "nominal_text": "200000", "pin": "100000"}),
        ("ISI 123456", Verb.BUY, {"pin": "123456"}),
        ("beli 1jt 123456", Verb.BUY, {"nominal_idr": 1_000_000, "nominal_text": "1jt", "pin": "123456"}),
        ("beli 0,5 juta 123456", Verb.BUY, {"nominal_idr": 500_000, "nominal_text": "0,5 juta", "pin": "123456"}),
        ("isi 2,5", Verb.BUY, {"nominal_text": "2,5"}),
        ("BATAS 2,5", Verb.THRESHOLD, {"energy_wh": 2_500, "energy_text": "2,5"}),
        ("batas 2.5 kWh", Verb.THRESHOLD, {"energy_wh": 2_500, "energy_text": "2.5"}),
        ("batas bts014 8kwh", Verb.THRESHOLD, {"energy_wh": 8_000, "energy_text": "8kwh", "alias": "BTS014"}),
        ("BATAS 1.500", Verb.THRESHOLD, {"energy_wh": 1_500_000, "energy_text": "1.500"}),
        ("BATAS", Verb.THRESHOLD, {}),
        ("riwayat 3", Verb.HISTORY, {"count": 3}),
        ("HISTORY", Verb.HISTORY, {}),
        ("KENAPA", Verb.WHY, {}),
        ("kenapa kwh saya berkurang?", Verb.WHY, {}),
        ("kok 50rb cuma dapat 33 kwh", Verb.WHY, {}),
        ("why bts014", Verb.WHY, {"alias": "BTS014"}),
        ("KENAPA 535110000001 123456", Verb.WHY, {"alias": "535110000001"}),
        ("knapa", Verb.WHY, {}),
        # Not a question about prices.
        ("kenapa listrik mati", Verb.REPORT, {}),
        ("kok padam", Verb.REPORT, {}),
        ("lapor lampu satu rt padam semua sejak tadi malam pukul tujuh", Verb.REPORT, {}),
        ("STATUS 12345", Verb.STATUS, {}),
        ("AUTO", Verb.AUTO, {}),
        ("auto off", Verb.AUTO, {"off": True}),
        ("OTOMATIS berhenti BTS014", Verb.AUTO, {"off": True, "alias": "BTS014"}),
        (
            "AUTO 50000 5 300000 123456",
            Verb.AUTO,
            {**AUTO_50, "energy_wh": 5_000, "energy_text": "5", "budget_idr": 300_000, "pin": "123456"},
        ),
        (
            "auto 123456 isi 50rb batas 2,5 kwh plafon 1jt",
            Verb.AUTO,
            {**AUTO_50, "nominal_text": "50rb", "energy_wh": 2_500, "energy_text": "2,5", "budget_idr": 1_000_000}
            | {"pin": "123456"},
        ),
        # A PIN that is a round amount is the fourth number, and no other.
        (
            "AUTO 50000 5 300000 500000",
            Verb.AUTO,
            {**AUTO_50, "energy_wh": 5_000, "energy_text": "5", "budget_idr": 300_000, "pin": "500000"},
        ),
        ("AUTO 50000 5 200000", Verb.AUTO, {**AUTO_50, "energy_wh": 5_000, "energy_text": "5", "budget_idr": 200_000}),
        # The budget was forgotten: nothing is complete, and the PIN is in no field that an answer repeats.
        ("AUTO 50000 5 123456", Verb.AUTO, {**AUTO_50, "energy_wh": 5_000, "energy_text": "5", "pin": "123456"}),
        ("AUTO 123456", Verb.AUTO, {"pin": "123456"}),
        ("beban", Verb.LOAD, {}),
        ("gerai depok", Verb.SHOP, {}),
        ("stop", Verb.STOP, {}),
        ("MULAI", Verb.START, {}),
        ("IZIN 0812-9999-0001 BACA 123456", Verb.PERMIT, {"phone": "6281299990001", "right": "READ", "pin": "123456"}),
        ("izin BTS014 081299990001 beli 30 100000", Verb.PERMIT,
         {"phone": "6281299990001", "right": "BUY", "pin": "100000", "count": 30, "alias": "BTS014"}),
        ("izin +6281299990001 hapus 123456", Verb.PERMIT, {"phone": "6281299990001", "right": "END", "pin": "123456"}),
        ("izin", Verb.PERMIT, {}),
        ("bantuan!", Verb.HELP, {}),
        # Typing errors: a letter too much, too few, a wrong one, two swapped.
        ("SALDOO", Verb.BALANCE, {}),
        ("SLDO", Verb.BALANCE, {}),
        ("SALFO", Verb.BALANCE, {}),
        ("SADLO", Verb.BALANCE, {}),
        ("riwayt", Verb.HISTORY, {}),
        ("STPO", Verb.STOP, {}),
        ("BELU 50rb 123456", Verb.BUY, {**K, "pin": "123456"}),
        ("bel 50rb k7p", Verb.BUY, {**K, "code": "K7P"}),
        # Courtesy, filling words, other services' separators, and a PIN where none is needed.
        ("Selamat pagi, saldo saya berapa ya?", Verb.BALANCE, {}),
        ("cek slado", Verb.BALANCE, {}),
        ("sisa token bts014", Verb.BALANCE, {"alias": "BTS014"}),
        ("saldo 535110000001", Verb.BALANCE, {"alias": "535110000001"}),
        ("SALDO 123456", Verb.BALANCE, {}),
        ("ISI#50000#123456", Verb.BUY, {**K, "nominal_text": "50000", "pin": "123456"}),
        ("ISI*BTS014*50000*K7P", Verb.BUY, {**K, "nominal_text": "50000", "code": "K7P", "alias": "BTS014"}),
        ("ISI50rb 123456", Verb.BUY, {**K, "pin": "123456"}),
        ("beli token listrik 50 000 123456", Verb.BUY, {**K, "nominal_text": "50 000", "pin": "123456"}),
        ("isi 50rbu 123456", Verb.BUY, {**K, "nominal_text": "50rbu", "pin": "123456"}),
        ("isi 50rb 1234", Verb.BUY, K),
        ("ubah batas 8", Verb.THRESHOLD, {"energy_wh": 8_000, "energy_text": "8"}),
        ("BATAS 8 123456", Verb.THRESHOLD, {"energy_wh": 8_000, "energy_text": "8"}),
        ("BATAS 123456", Verb.THRESHOLD, {}),
        ("riwayat isi 3", Verb.HISTORY, {"count": 3}),
        ("stop stop", Verb.STOP, {}),
        ("unreg peringatan", Verb.STOP, {}),
        ("listrik mati sejak magrib", Verb.REPORT, {}),
        ("PADAM", Verb.REPORT, {}),
    ],
)  # fmt: skip
def test_the_table_of_what_people_write(text: str, verb: Verb, fields: dict[str, object]) -> None:
    assert parse(text) == Asked(verb, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "unsure"),
    [
        ("BELU 50rb", (Verb.BUY,)),
        ("AUTI", (Verb.AUTO,)),
        ("TOKE", (Verb.TOKEN, Verb.SHOP)),
        # The answer to our warning, its verb forgotten: never done without asking.
        ("50rb k7p", (Verb.BUY,)),
        ("50000 123456", (Verb.BUY,)),
    ],
)
def test_what_may_mean_two_things_or_money_is_asked_about(text: str, unsure: tuple[Verb, ...]) -> None:
    assert parse(text) == Asked(None, unsure=unsure)


@pytest.mark.parametrize(
    "text",
    ["", " ", "halo", "ISO 50000 123456", "IS 50000 123456", "BATAL", "BATAS 5 6", "SALDO A B", "ISI 5 6 7", "SALDO ١٢",
     "terima kasih", "X" * 200, "BUI 50000 123456", "RIWAYAT 3 4", "SALDO 50000", "K7P", "50000",
     "75rb 123456", "ISI 50000 20000 K7P", "ISI 50000 K7P 1234", "pada hari ini", "tolong", "\N{THUMBS UP SIGN}"],
)  # fmt: skip
def test_what_we_do_not_understand(text: str) -> None:
    assert parse(text) == Asked(None)


def test_every_verb_is_in_the_table_once_under_its_own_name() -> None:
    assert [rule.verb for rule in RULES] == list(Verb)
    assert all(rule.words[0] == rule.verb.value for rule in RULES)
    assert len(BY_WORD) == sum(len(rule.words) for rule in RULES)


def test_every_class_of_the_table_is_one_that_a_customer_can_cause() -> None:
    assert {rule.books for rule in RULES} == {"CUSTOMER_MO", "FAULT_MO"} <= set(MessageClass.values)
    assert {rule.verb for rule in RULES if rule.books == "FAULT_MO"} == {Verb.REPORT, Verb.STATUS}


def test_every_word_of_the_table_means_its_verb() -> None:
    for word, rule in BY_WORD.items():
        assert parse(word.lower()).verb is rule.verb


@given(st.sampled_from(sorted(w for w in BY_WORD if len(w) >= 4)), st.integers(0, 11), st.sampled_from("AEKOXZ"))
def test_one_error_is_symmetric_and_two_are_too_many(word: str, at: int, letter: str) -> None:
    at %= len(word)
    for written in (word[:at] + word[at + 1 :], word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :]):
        assert one_error(written, word) == one_error(word, written) == (written != word)
    assert not one_error(word + "QQ", word) and not one_error("Q" + word + "Q", word)


@given(st.text(max_size=200) | st.lists(st.sampled_from([*BY_WORD, "50rb", "123456", "K7P", "BTS1", "rp", "2,5", "kwh"]),
                                        max_size=9).map(" ".join))  # fmt: skip
def test_any_text_is_read_without_an_error_and_money_needs_its_word(text: str) -> None:
    asked = parse(text)
    assert asked.verb is None or not asked.unsure
    if asked.verb is Verb.BUY and asked.pin is None and asked.code is None:
        assert {"ISI", "BELI", "BUY"} & set(re.findall(r"[A-Z]+", text.upper()))
    assert asked.pin is None or asked.pin not in repr(asked)


def test_a_question_names_three_verbs_at_most() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    written = {word[:at] + letter + word[at + cut :] for word in BY_WORD for at in range(len(word) + 1)
               for letter in ["", *letters] for cut in (0, 1)}  # fmt: skip
    unsure = {asked.unsure for asked in map(parse, written) if len(asked.unsure) > 1}
    assert (Verb.TOKEN, Verb.SHOP) in unsure and max(map(len, unsure)) <= 3
