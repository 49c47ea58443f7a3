"""Messages there and back: the reference's samples to the byte, every layout, and whatever else somebody sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.wire.iso8583.samples import (
    ADVICE,
    BILL,
    BOUGHT,
    BP,
    BP_REVERSAL,
    CUSTOMER,
    IDENTITY,
    INQUIRY,
    INQUIRY_ANSWER,
    POSTPAID_ANSWER,
    PURCHASE,
    PURCHASE_ANSWER,
    REFERENCES,
    SAMPLES,
    SIGN_ON,
    TERMINAL,
    lll,
)

from duaarah.wire.iso8583 import Dialect, DialectInvalid, ISOError, decode, encode, packaged, shortcomings
from duaarah.wire.iso8583.message import Message

CODES = {"bad_mti", "bad_bitmap", "short_message", "trailing_bytes", "bad_field"}


def code_of(message: str | bytes) -> str:
    with pytest.raises(ISOError) as caught:
        decode(message)
    return str(caught.value.code)


def with_48(sample: str, old: str, new: str) -> str:
    """The sample with another field 48."""
    assert lll(old) in sample
    return sample.replace(lll(old), lll(new))


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_sample_comes_out_as_it_went_in(kind: str) -> None:
    made = decode(SAMPLES[kind])
    assert (made.kind, made.mti) == (kind, SAMPLES[kind][:4])
    assert encode(made.mti, made.fields) == SAMPLES[kind]
    assert decode(SAMPLES[kind].encode("latin_1")) == made
    assert shortcomings(made) == []


def test_the_widths_of_the_reference() -> None:
    assert len(IDENTITY) == 31 and len(IDENTITY + REFERENCES) == 95
    assert len(IDENTITY + REFERENCES + CUSTOMER) == 144 and len(BOUGHT) == 241 and len(BP) == 267
    assert decode(SAMPLES["nontaglis_inquiry_request"]).fields["48"] == {
        "switcher_id": "PYLP001",
        "registration_no": "5351126110001",
        "transaction_code": "000",
    }


def test_the_purchase_of_the_reference() -> None:
    made = decode(PURCHASE)
    assert made.fields == {
        "2": "99502",
        "4": "3600000000100000",
        "11": "000000000042",
        "12": "20261123101530",
        "26": "6021",
        "32": "4510017",
        "33": "PYLP001",
        "41": "0000000000LOKET1",
        "48": {
            "switcher_id": "PYLP001",
            "meter_no": "99000000010",
            "idpel": "531000000018",
            "id_flag": "0",
            "pln_ref": "0A1B2C3D4E5F60718293A4B5C6D7E8F9",
            "switcher_ref": "SWPYLP001202611230000000000000AB",
            "name": "CONTOH PELANGGAN         ",
            "segment": "R1  ",
            "daya": "000001300",
            "admin": {"minor": "2", "value": "0000250000"},
            "option": "0",
        },
        "62": {
            "distribution": "53",
            "unit": "53511",
            "phone": "123            ",
            "max_kwh": "00936",
            "unsold": ["00000020000", "00000100000"],
        },
    }


def test_the_answer_with_the_token() -> None:
    private = decode(PURCHASE_ANSWER).fields["48"]
    assert private["receipt_no"] == "VEND0001" and private["token"] == "12345678901234567890"
    assert private["power_purchase"] == {"minor": "2", "value": "000009708738"}
    assert private["kwh"] == {"minor": "1", "value": "0000000672"}
    assert [private[name]["value"] for name in ("admin", "stamp", "ppn", "ppj", "angsuran")] == [
        "0000250000",
        "0000000000",
        "0000000000",
        "0000291262",
        "0000000000",
    ]


def test_the_reversal_carries_the_original_and_its_details() -> None:
    fields = decode(BP_REVERSAL).fields
    assert fields["56"] == "2200000000000043202611231015304510017"
    assert fields["62"] == {"details": [{"minor": "2", "value": "00000000121800000"}]}
    assert fields["48"]["transaction_name"] == "PEMASANGAN BARU          "
    assert fields["48"]["total"] == {"minor": "2", "value": "00000000121800000"}


def test_postpaid_bills_as_far_as_they_are_known() -> None:
    private = decode(POSTPAID_ANSWER).fields["48"]
    assert private["outstanding"] == "02" and len(private["bills"]) == 2
    assert private["bills"][1] == {
        "period": "202611",
        "due_date": "20261220",
        "read_date": "20261101",
        "bill": "00000250000",
        "incentive": "D000000000",
        "vat": "0000027500",
        "penalty": "0000003000",
        **{
            f"{end}_read_{n}": f"{2 * (n - 1) + i:08d}"
            for n in (1, 2, 3)
            for i, end in enumerate(("previous", "current"))
        },
    }
    answer = decode(POSTPAID_ANSWER)
    for count in (1, 4):
        bills = {**answer.fields, "48": {**private, "bills": [private["bills"][0]] * count}}
        assert decode(encode("2110", bills)).fields == bills
    five = {**answer.fields, "48": {**private, "bills": [private["bills"][0]] * 5}}
    with pytest.raises(ISOError, match="1 to 4 bills"):
        encode("2110", five)
    bare = {**answer.fields, "48": {"switcher_id": "PYLP001", "idpel": "531000000018", "bills": private["bills"]}}
    assert decode(encode("2110", bare)).fields == bare and len(BILL) == 111


def test_a_refusal_may_be_as_short_as_the_request() -> None:
    refused = INQUIRY_ANSWER.replace("07PYLP0010000", "07PYLP0010014", 1)
    for private, keys in (
        (IDENTITY, 4),
        (IDENTITY + REFERENCES, 6),
        (IDENTITY[:18], 2),
        ("", 0),
    ):
        made = decode(with_48(refused, IDENTITY + REFERENCES + CUSTOMER, private))
        assert (made.fields["39"], len(made.fields["48"])) == ("0014", keys)
        assert encode(made.mti, made.fields) == with_48(refused, IDENTITY + REFERENCES + CUSTOMER, private)
        assert shortcomings(made) == ["Field 48 has not its whole width."]
    echoed = with_48(PURCHASE_ANSWER, BOUGHT, IDENTITY + REFERENCES + CUSTOMER + "0")
    assert decode(echoed).fields["48"]["option"] == "0"


def test_what_has_no_layout_stays_raw() -> None:
    other = INQUIRY.replace("0599502", "0599503")
    made = decode(other)
    assert (made.kind, made.fields["48"]) == ("other_inquiry_request", {"raw": "PYLP001990000000100000000000000"})
    assert encode(made.mti, made.fields) == other
    reversal = decode("2400" + PURCHASE[4:])
    assert reversal.kind == "prepaid_reversal_request" and set(reversal.fields["48"]) == set(reversal.fields["62"]) == {
        "raw"
    }
    cut_off = SIGN_ON.replace("PYLP0010010", "PYLP0012010").replace("007PYLP001", "010PYLP001ABC")
    assert decode(cut_off).fields["48"] == {"raw": "PYLP001ABC"}
    assert encode("2810", {"39": "0000"}) == "2810000000000200000" + "00000"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "short_message"),
        ("210", "short_message"),
        ("2100", "short_message"),
        (INQUIRY[:19], "short_message"),
        ("0200" + PURCHASE[4:], "bad_mti"),
        ("2300" + PURCHASE[4:], "bad_mti"),
        ("abcd", "bad_mti"),
        ("2100" + "z" * 16, "bad_bitmap"),
        ("2100C030004180810000" + INQUIRY[20:], "bad_bitmap"),  # bit 1
        ("21004070004180810000" + INQUIRY[20:], "bad_bitmap"),  # bit 10
        ("2100403000418081000" + "a" + INQUIRY[20:], "bad_bitmap"),
        (PURCHASE + " ", "trailing_bytes"),
        (INQUIRY + "0" * 200, "trailing_bytes"),
        (INQUIRY.replace("0599502", "0A99502"), "bad_field"),
        (INQUIRY.replace("0599502", " 599502"), "bad_field"),
        (INQUIRY.replace("0599502", "+599502"), "bad_field"),
        (INQUIRY.replace("0599502", "-199502"), "bad_field"),
        (INQUIRY.replace("0599502", "2099502"), "bad_field"),
        (INQUIRY.replace("0599502", "059950x"), "bad_field"),
        (INQUIRY.replace("20261123101530", "2026112310153\xb2"), "bad_field"),
        (INQUIRY.replace(lll("PYLP001990000000100000000000000"), lll("PYLP0019900000001000000000000000")), "bad_field"),
        (with_48(PURCHASE, IDENTITY + REFERENCES + CUSTOMER + "0", IDENTITY + REFERENCES + CUSTOMER[:-1]), "bad_field"),
        (with_48(PURCHASE_ANSWER, BOUGHT, BOUGHT[:-1]), "bad_field"),
        (PURCHASE.replace("009362", "009363"), "bad_field"),
        (PURCHASE.replace("009362", "009361"), "bad_field"),
        (PURCHASE.replace("00936200", "00936x00"), "bad_field"),
        (BP_REVERSAL.replace("02001" + "2", "02002" + "2"), "bad_field"),
        ("2100€", "bad_field"),
    ],
)
def test_errors_by_code(message: str, code: str) -> None:
    assert code_of(message) == code


def test_lower_case_bitmaps_are_refused() -> None:
    answer = PURCHASE.replace("5030004180810004", "503000418081000C")
    assert code_of(answer.replace("503000418081000C", "503000418081000c")) == "bad_bitmap"


def test_a_bitmap_that_lies_never_passes() -> None:
    for bit in range(64):
        lie = f"{int(PURCHASE[4:20], 16) ^ (1 << bit):016X}"
        assert code_of(PURCHASE[:4] + lie + PURCHASE[20:]) in CODES


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_beginning_of_a_message_is_short(kind: str) -> None:
    assert {code_of(SAMPLES[kind][:end]) for end in range(len(SAMPLES[kind]))} == {"short_message"}


def test_a_server_can_answer_what_it_could_not_read() -> None:
    with pytest.raises(ISOError) as caught:
        decode(with_48(PURCHASE, IDENTITY + REFERENCES + CUSTOMER + "0", "SHORT"))
    assert caught.value.code == "bad_field" and caught.value.partial is not None
    assert caught.value.partial.kind == "prepaid_purchase_request"
    assert caught.value.partial.fields["11"] == "000000000042" and caught.value.partial.fields["48"] == {"raw": "SHORT"}


def test_shortcomings_name_what_is_missing() -> None:
    made = decode(PURCHASE)
    del made.fields["32"]
    assert shortcomings(made) == ["Field 32 is missing."]
    assert shortcomings(decode(with_48(ADVICE, IDENTITY + REFERENCES, IDENTITY))) == [
        "Field 48 has not its whole width."
    ]


BAD_TO_WRITE: list[tuple[Any, Any, str]] = [
    ("0200", {}, "bad_mti"),
    (2100, {}, "bad_mti"),
    (["2100"], {}, "bad_mti"),
    ("2100", {"1": "0" * 16}, "bad_field"),
    ("2100", {"3": "380000"}, "bad_field"),
    ("2100", {"02": "99502"}, "bad_field"),
    ("2100", {2: "99502"}, "bad_field"),
    ("2100", {"2": 99502}, "bad_field"),
    ("2100", {"2": "9" * 20}, "bad_field"),
    ("2100", {"4": "1"}, "bad_field"),
    ("2100", {"41": "LOKET1"}, "bad_field"),
    ("2100", {"63": "€"}, "bad_field"),
    ("2100", {"63": "x" * 1000}, "bad_field"),
    ("2100", {"2": "99502", "48": "PYLP001"}, "bad_field"),
    ("2100", {"2": "99502", "48": {"meter_no": "99000000010"}}, "bad_field"),
    ("2100", {"2": "99502", "48": {"switcher_id": "PYLP001", "surname": "x"}}, "bad_field"),
    ("2100", {"2": "99502", "48": {"switcher_id": "PYLP01"}}, "bad_field"),
    ("2100", {"2": "99502", "48": {"switcher_id": 7}}, "bad_field"),
    ("2100", {"2": "99503", "48": {"switcher_id": "PYLP001"}}, "bad_field"),
    ("2100", {"2": "99502", "48": {"raw": 7}}, "bad_field"),
    ("2100", {"2": "99502", "48": {"raw": "x" * 1000}}, "bad_field"),
]


@pytest.mark.parametrize(("mti", "fields", "code"), BAD_TO_WRITE)
def test_what_cannot_be_written(mti: Any, fields: Any, code: str) -> None:
    with pytest.raises(ISOError) as caught:
        encode(mti, fields)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "change",
    [
        {"admin": "20000250000"},
        {"admin": {"minor": "2"}},
        {"admin": {"minor": "x", "value": "0000250000"}},
        {"admin": {"minor": "2", "value": "250000"}},
        {"admin": {"minor": "2", "value": "0000250000", "more": ""}},
    ],
)
def test_amounts_that_cannot_be_written(change: dict[str, Any]) -> None:
    made = decode(PURCHASE)
    with pytest.raises(ISOError) as caught:
        encode("2200", {**made.fields, "48": {**made.fields["48"], **change}})
    assert caught.value.code == "bad_field"


def test_at_most_nine_unsold_tokens() -> None:
    made = decode(PURCHASE)
    nine = {**made.fields, "62": {**made.fields["62"], "unsold": ["00000020000"] * 9}}
    assert decode(encode("2200", nine)).fields == nine
    with pytest.raises(ISOError):
        encode("2200", {**nine, "62": {**nine["62"], "unsold": ["00000020000"] * 10}})


# -- whatever comes ----------------------------------------------------------------------------------------------------


def reads_or_refuses(octets: bytes) -> None:
    try:
        made = decode(octets)
    except ISOError as error:
        assert error.code in CODES
        return
    assert encode(made.mti, made.fields).encode("latin_1") == octets


@settings(max_examples=300)
@given(st.binary(max_size=120))
@example(b"21000000000000000000")
def test_arbitrary_bytes_raise_nothing_else(octets: bytes) -> None:
    reads_or_refuses(octets)
    reads_or_refuses(b"2100" + octets)
    reads_or_refuses(b"21004000000000010000" + octets)


@settings(max_examples=500)
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_a_changed_sample_is_read_to_the_byte_or_refused(kind: str, data: st.DataObject) -> None:
    octets = bytearray(SAMPLES[kind].encode("latin_1"))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(octets) - 1))
        what = data.draw(st.sampled_from(["set", "cut", "put"]))
        if what == "set":
            octets[at] = data.draw(st.integers(0, 255))
        elif what == "cut" and len(octets) > 1:
            del octets[at]
        else:
            octets.insert(at, data.draw(st.integers(0, 255)))
    reads_or_refuses(bytes(octets))


LATIN = st.characters(min_codepoint=0, max_codepoint=255)
DIGITS = st.characters(min_codepoint=48, max_codepoint=57)


def text(width: int) -> st.SearchStrategy[str]:
    return st.text(LATIN, min_size=width, max_size=width)


def amount(width: int) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({"minor": st.text(DIGITS, min_size=1, max_size=1), "value": text(width)})


IDS = {"switcher_id": text(7), "meter_no": text(11), "idpel": text(12), "id_flag": text(1)}
REFS = {"pln_ref": text(32), "switcher_ref": text(32)}
WHO = {"name": text(25), "segment": text(4), "daya": text(9)}
BREAKDOWN = {name: amount(10) for name in ("admin", "stamp", "ppn", "ppj", "angsuran")}
ANSWER = {
    **IDS, **REFS, "receipt_no": text(8), **WHO, "option": text(1), **BREAKDOWN,
    "power_purchase": amount(12), "kwh": amount(10), "token": text(20),
}  # fmt: skip
PRIVATE = {
    ("2100", "99502"): IDS,
    ("2110", "99502"): {**IDS, **REFS, **WHO, "admin": amount(10)},
    ("2200", "53502"): {**IDS, **REFS, **WHO, "admin": amount(10), "option": text(1)},
    ("2220", "51502"): {**IDS, **REFS},
    ("2221", "51502"): {**IDS, **REFS},
    ("2210", "99502"): ANSWER,
    ("2230", "99502"): ANSWER,
    ("2231", "99502"): ANSWER,
}


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    mti, pan = draw(st.sampled_from(sorted(PRIVATE)))
    layout = list(PRIVATE[mti, pan].items())
    fields: dict[str, Any] = {"2": pan}
    public = {"4": 16, "11": 12, "12": 14, "15": 8, "26": 4}
    for number in draw(st.sets(st.sampled_from(sorted(public)))):
        fields[number] = draw(st.text(DIGITS, min_size=public[number], max_size=public[number]))
    for number, most in (("32", 11), ("33", 11), ("56", 99), ("63", 999)):
        if draw(st.booleans()):
            fields[number] = draw(st.text(LATIN, max_size=most))
    upto = draw(st.integers(0, len(layout)))
    fields["48"] = {name: draw(strategy) for name, strategy in layout[:upto]}
    if draw(st.booleans()):
        unsold = draw(st.lists(text(11), max_size=9))
        fields["62"] = {"distribution": draw(text(2)), "unit": draw(text(5)), "phone": draw(text(15)),
                        "max_kwh": draw(text(5)), "unsold": unsold}  # fmt: skip
    return mti, fields


@settings(max_examples=150)
@given(messages())
def test_what_is_written_is_read_the_same(message: tuple[str, dict[str, Any]]) -> None:
    mti, fields = message
    wire = encode(mti, fields)
    made = decode(wire)
    assert made.fields == fields
    assert encode(made.mti, made.fields) == wire


# -- the older dialect -------------------------------------------------------------------------------------------------


def test_0xxx_is_read_only_when_its_layout_was_loaded() -> None:
    old = packaged("pln1987")
    sign_on = "0800" + "8020000000000000" + "0400000000000000" + "000001" + "001"
    assert code_of(sign_on) == "bad_mti"
    assert decode(sign_on, dialect=old) == Message("0800", "network_sign_on_request", {"11": "000001", "70": "001"})
    assert encode("0800", {"70": "001", "11": "000001"}, dialect=old) == sign_on
    inquiry = encode(
        "0100", {"2": "53502", "3": "380000", "11": "000042", "48": decode(INQUIRY).fields["48"]}, dialect=old
    )
    assert decode(inquiry, dialect=old).kind == "prepaid_inquiry_request"
    for message, code in (
        ("0800" + "80" + "0" * 14 + "0" * 16, "bad_bitmap"),
        ("0800" + "80" + "0" * 14 + "8" + "0" * 15, "bad_bitmap"),
        ("0800" + "80" + "0" * 14 + "04", "short_message"),
        (INQUIRY, "bad_mti"),
    ):
        with pytest.raises(ISOError) as caught:
            decode(message, dialect=old)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "change",
    [
        ("name = ", "called = "),
        ("[mti]", "[mtis]"),
        ("2100 = ", "21 = "),
        ('"inquiry request"\n2110', '"question request"\n2110'),
        ("fixed = 16", "fixed = 0"),
        ("prefix = 3, up_to = 999", "prefix = 3, up_to = 9999"),
        ('kind = "ans", fixed', 'kind = "bin", fixed'),
        ("15 = {", "65 = {"),
        ("[fields]", "[fields"),
    ],
)
def test_a_dialect_that_lacks_something_is_refused(change: tuple[str, str]) -> None:
    from importlib.resources import files

    good = (files("duaarah.wire.iso8583") / "pln2003.toml").read_text()
    assert change[0] in good
    with pytest.raises(DialectInvalid):
        Dialect.from_toml(good.replace(*change))
    with pytest.raises(DialectInvalid):
        packaged("pln1993")


def test_the_terminal_keeps_its_padding() -> None:
    assert decode(PURCHASE).fields["41"] == TERMINAL
