"""Public vectors: the Green Book's suite 0, and frames captured from real meters (sources named at each)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from duaarah.core.obis import Obis
from duaarah.wire.dlms import apdu, ciphering, hdlc, wrapper
from duaarah.wire.dlms.apdu import DataNotification, GetRequest
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.errors import AuthFailed, BadChecksum

# DLMS UA Green Book, the example of security suite 0.
GREEN_BOOK = ciphering.Keys(
    bytes.fromhex("000102030405060708090A0B0C0D0E0F"), bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
)


def test_green_book_authenticated_encryption() -> None:
    title = bytes.fromhex("4D4D4D0000BC614E")
    plain = bytes.fromhex("c0010000080000010000ff0200")
    frame = ciphering.protect(plain, keys=GREEN_BOOK, system_title=title, counter=0x01234567)
    expected = "30" + "01234567" + "411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
    assert frame.hex() == "db08" + title.hex() + "1e" + expected
    parsed = ciphering.parse(frame)
    assert (parsed.system_title, parsed.counter) == (title, 0x01234567)
    assert ciphering.unprotect(parsed, GREEN_BOOK) == plain
    assert apdu.decode(plain) == GetRequest(0, 8, Obis(0, 0, 1, 0, 0), 2)


def test_green_book_gmac() -> None:
    title = bytes.fromhex("4D4D4D0000000001")
    tag = ciphering.gmac(bytes.fromhex("503677524a323146"), keys=GREEN_BOOK, system_title=title, counter=1)
    assert tag.hex() == "1a52fe7dd3e72748973c1e28"


# dlms-cosem (MIT, before 2023), tests/test_udp_message.py; the keys are the public dummy key of that test.
UDP_KEYS = ciphering.Keys(b"MYDUMMYGLOBALKEY", b"MYDUMMYGLOBALKEY")
UDP_FRAMES = [
    (
        "0001000100010046db082f192291991641033b30000001e5025ce9d2271fd78be8c204211a916a9d7f587e0a7a814cadea89e9593f01f9"
        "2ea8c087b5bdfdefeab6becf282dfe49c08f5be6dc8400",
        485,
        "0f000001db000922125a8591360000000049000000110000000a5a8513d014800000000d0000000a0100",
    ),
    (
        "0001000100010046db082f192291991641033b30000001eef486600ff8cf8d4d4121e1423e510d9c8729f48b21628574fe16d9cb540673"
        "4cef5714487ff62310a43f1a76004ca5601bbf3ef9639f",
        494,
        "0f000001e4000922125a863b47000000004c000000110000000a5a8513d014800000000d0000000a0100",
    ),
]


@pytest.mark.parametrize(("frame_hex", "counter", "plain_hex"), UDP_FRAMES)
def test_encrypted_push_over_udp(frame_hex: str, counter: int, plain_hex: str) -> None:
    frame = wrapper.unwrap(bytes.fromhex(frame_hex))
    assert (frame.source, frame.destination) == (1, 1)
    parsed = ciphering.parse(frame.apdu)
    assert parsed.counter == counter
    plain = ciphering.unprotect(parsed, UDP_KEYS)
    assert plain.hex() == plain_hex
    push = apdu.decode(plain)
    assert isinstance(push, DataNotification)
    assert (push.long_invoke, push.date_time) == (int(plain_hex[2:10], 16), None)
    assert push.body == Data(Tag.OCTET_STRING, bytes.fromhex(plain_hex)[8:])
    # Written again by us it is the same frame, octet for octet.
    again = ciphering.protect(apdu.encode(push), keys=UDP_KEYS, system_title=parsed.system_title, counter=counter)
    assert wrapper.wrap(wrapper.Wrapped(1, 1, again)).hex() == frame_hex


def test_one_altered_octet_of_a_captured_frame_is_refused() -> None:
    frame = bytearray.fromhex(UDP_FRAMES[0][0])
    frame[40] ^= 1
    with pytest.raises(AuthFailed) as refused:
        ciphering.unprotect(ciphering.parse(wrapper.unwrap(bytes(frame)).apdu), UDP_KEYS)
    assert refused.value.code == "auth_failed"


# esphome-libs/dlms_parser (Apache-2.0), tests/dumps: hdlc_norway_han_1phase.
AIDON = bytes.fromhex(
    "7ea0d24108831382d6e6e7000f40000000000109020209060101000281ff0a0b4149444f4e5f5630303031020209060000600100ff0a10"
    "37333539393932383930393431373432020209060000600107ff0a0436353135020309060100010700ff060000055202020f00161b0203"
    "09060100020700ff060000000002020f00161b020309060100030700ff06000003e402020f00161d020309060100040700ff0600000000"
    "02020f00161d0203090601001f0700ff10005d02020fff1621020309060100200700ff1209c402020fff1623e0c47e"
)


def _obis_values(body: Data) -> dict[str, object]:
    return {str(Obis.from_octets(row.value[0].value)): row.value[1].value for row in body.value}


def test_aidon_push_inside_hdlc() -> None:
    push = apdu.decode(hdlc.decode(AIDON).apdu)
    assert isinstance(push, DataNotification)
    assert (push.long_invoke, push.date_time) == (0x40000000, None)
    assert _obis_values(push.body) == {
        "1-1:0.2.129": "AIDON_V0001",
        "0-0:96.1.0": "7359992890941742",
        "0-0:96.1.7": "6515",
        "1-0:1.7.0": 1362,
        "1-0:2.7.0": 0,
        "1-0:3.7.0": 996,
        "1-0:4.7.0": 0,
        "1-0:31.7.0": 93,
        "1-0:32.7.0": 2500,
    }
    # scaler_unit of the current: 10^-1, ampere
    assert push.body.value[7].value[2] == Data(Tag.STRUCTURE, (Data(Tag.INTEGER, -1), Data(Tag.ENUM, 33)))
    assert apdu.encode(push) == hdlc.decode(AIDON).apdu


@pytest.mark.parametrize("position", [6, 40, -2])
def test_an_altered_hdlc_frame_fails_its_check_sequence(position: int) -> None:
    frame = bytearray(AIDON)
    frame[position] ^= 0x10
    with pytest.raises(BadChecksum):
        hdlc.decode(bytes(frame))


# esphome-libs/dlms_parser (Apache-2.0), tests/dumps: Salzburg Netz, a Kaifa meter.
SALZBURG = bytes.fromhex(
    "0f0017fa980c07e60b0c0610360000ffc400021009060000010000ff090c07e60b0c0610360000ffc400020209060000600100ff090e31"
    "4b464d303230303233343830340202090600002a0000ff09104b464d31323030323030323334383034020309060100200700ff1208f402"
    "020fff1623020309060100340700ff12090c02020fff1623020309060100480700ff12090a02020fff16230203090601001f0700ff1200"
    "a502020ffe1621020309060100330700ff1200ad02020ffe1621020309060100470700ff12002502020ffe1621020309060100010700ff"
    "06000002ca02020f00161b020309060100020700ff060000000002020f00161b020309060100010800ff060014416002020f00161e0203"
    "09060100020800ff060000000002020f00161e020309060100030800ff06000012d202020f001620020309060100040800ff060005be60"
    "02020f001620"
)


def test_salzburg_push_with_the_time_zone_in_the_clock() -> None:
    push = apdu.decode(SALZBURG)
    assert isinstance(push, DataNotification)
    assert push.date_time is not None
    assert push.date_time.deviation_min == -60
    assert push.date_time.to_instant() == datetime(2022, 11, 12, 15, 54, tzinfo=UTC)
    # This body is one flat structure: the clock's name and value, then {name, value[, scaler_unit]}.
    rows = [row for row in push.body.value if row.tag is Tag.STRUCTURE]
    values = {str(Obis.from_octets(row.value[0].value)): row.value[1].value for row in rows}
    assert values == {
        "0-0:96.1.0": b"1KFM0200234804",
        "0-0:42.0.0": b"KFM1200200234804",
        "1-0:32.7.0": 2292,
        "1-0:52.7.0": 2316,
        "1-0:72.7.0": 2314,
        "1-0:31.7.0": 165,
        "1-0:51.7.0": 173,
        "1-0:71.7.0": 37,
        "1-0:1.7.0": 714,
        "1-0:2.7.0": 0,
        "1-0:1.8.0": 1_327_456,
        "1-0:2.8.0": 0,
        "1-0:3.8.0": 4_818,
        "1-0:4.8.0": 376_416,
    }
    assert apdu.encode(push) == SALZBURG
