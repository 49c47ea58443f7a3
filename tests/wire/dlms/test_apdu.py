"""APDUs: pairs of record and octets, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.obis import TOKEN_GATEWAY, Obis
from duaarah.wire.dlms import apdu, axdr
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.errors import DlmsError, Incomplete, Malformed, Unencodable, UnknownApdu

HEADS = [bytes.fromhex(head) for head in ("0f", "c001", "c101", "c301", "c401", "c501", "c701", "d8")]
STAMP = DateTime(2026, 7, 11, 6, 0, 30, 0, 0, -420, 0)
PAIRS: list[tuple[apdu.Apdu, str]] = [
    (
        apdu.ActionRequest(0x81, 115, TOKEN_GATEWAY, 1, axdr.octets(b"12345678901234567890")),
        "c30181007300001328" + "00ff" + "01" + "01" + "0914" + b"12345678901234567890".hex(),
    ),
    (apdu.ActionRequest(0x01, 70, Obis(0, 0, 96, 3, 10), 1), "c301010046" + "000060030aff" + "0100"),
    (apdu.ActionResponse(0x81, 0), "c701810000"),
    (apdu.ActionResponse(0x81, 0, value=Data(Tag.NULL, None)), "c7018100010000"),
    (apdu.ActionResponse(0x81, 3, access_result=3), "c7018103010103"),
    (apdu.GetRequest(0xC1, 3, Obis(1, 0, 1, 8, 0), 2), "c001c100030100010800ff0200"),
    (
        apdu.GetRequest(0xC1, 7, Obis(1, 0, 99, 1, 0), 2, 2, Data(Tag.NULL, None)),
        "c001c100070100630100ff02010200",
    ),
    (apdu.GetResponse(0xC1, value=Data(Tag.DOUBLE_LONG_UNSIGNED, 7)), "c401c1000600000007"),
    (apdu.GetResponse(0xC1, access_result=4), "c401c10104"),
    (
        apdu.SetRequest(0xC1, 112, Obis(0, 0, 19, 10, 0), 5, Data(Tag.DOUBLE_LONG, 5000)),
        "c101c100700000130a00ff0500" + "0500001388",
    ),
    (
        apdu.SetRequest(0xC1, 7, Obis(1, 0, 99, 1, 0), 2, Data(Tag.NULL, None), 2, Data(Tag.NULL, None)),
        "c101c100070100630100ff0201020000",
    ),
    (apdu.SetResponse(0xC1, 0), "c501c100"),
    (apdu.SetResponse(0xC1, 250), "c501c1fa"),
    (apdu.DataNotification(5, None, Data(Tag.NULL, None)), "0f000000050000"),
    (apdu.DataNotification(5, STAMP, Data(Tag.NULL, None)), "0f00000005" + "0c07ea070b06001e0000fe5c00" + "00"),
    (apdu.ExceptionResponse(1, 2), "d80102"),
    (apdu.ExceptionResponse(1, 6, 9), "d8010600000009"),
]


@pytest.mark.parametrize(("record", "octets"), PAIRS)
def test_record_and_octets(record: apdu.Apdu, octets: str) -> None:
    assert apdu.encode(record).hex() == octets
    assert apdu.decode(bytes.fromhex(octets)) == record


@pytest.mark.parametrize("tag", ["090c", "19", "0c"])
def test_the_date_time_of_a_push_may_carry_a_type_tag(tag: str) -> None:
    octets = bytes.fromhex("0f00000005" + tag) + STAMP.to_octets() + b"\x00"
    assert apdu.decode(octets) == apdu.DataNotification(5, STAMP, Data(Tag.NULL, None))


@given(st.binary(max_size=80))
def test_random_octets_raise_only_the_codecs_own_error(octets: bytes) -> None:
    try:
        apdu.decode(octets)
    except DlmsError as error:
        assert error.code in ("malformed", "incomplete", "unknown_apdu")


@given(
    st.sampled_from([b"\x0f", b"\xc0\x01", b"\xc1\x01", b"\xc5\x01", b"\xc3\x01", b"\xc4\x01", b"\xc7\x01", b"\xd8"]),
    st.binary(max_size=60),
)
def test_random_bodies_raise_only_the_codecs_own_error(head: bytes, octets: bytes) -> None:
    try:
        apdu.decode(head + octets)
    except DlmsError as error:
        assert error.code in ("malformed", "incomplete", "unknown_apdu")


@pytest.mark.parametrize(("record", "octets"), PAIRS)
def test_every_cut_is_incomplete(record: apdu.Apdu, octets: str) -> None:
    whole = bytes.fromhex(octets)
    for end in range(len(whole)):
        with pytest.raises(Incomplete):
            apdu.decode(whole[:end])


def test_left_over_octets_and_foreign_forms_are_refused() -> None:
    with pytest.raises(Malformed):
        apdu.decode(bytes.fromhex("c70181000000"))
    with pytest.raises(UnknownApdu):
        apdu.decode(bytes.fromhex("c00281"))
    with pytest.raises(UnknownApdu):
        apdu.decode(bytes.fromhex("d900"))
    with pytest.raises(Malformed):
        apdu.decode(bytes.fromhex("0f0000000507"))


def test_a_result_is_a_value_or_a_reason_never_both() -> None:
    for response in (apdu.GetResponse(1), apdu.GetResponse(1, Data(Tag.NULL, None), 1)):
        with pytest.raises(Unencodable):
            apdu.encode(response)
    with pytest.raises(Unencodable):
        apdu.encode(apdu.ExceptionResponse(1, 6))
    with pytest.raises(Unencodable):
        apdu.encode(apdu.ActionRequest(256, 1, TOKEN_GATEWAY, 1))
