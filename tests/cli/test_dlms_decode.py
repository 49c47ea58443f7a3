"""`dlms decode` as a script sees it: the reference's vectors to the letter, errors by code, and the schemas."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.schema import faults, load
from tests.wire.dlms.test_receive import CIPHERED, KEYS, LINES, TITLE, in_hdlc, wrapped
from tests.wire.dlms.test_vectors import AIDON, SALZBURG, UDP_FRAMES

from duaarah.cli.main import main
from duaarah.core.obis import Obis
from duaarah.drivers.decode import answer, tree
from duaarah.wire.dlms import apdu, axdr
from duaarah.wire.dlms.apdu import DataNotification, EventNotification
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.datetime import DateTime

DUMMY = b"MYDUMMYGLOBALKEY".hex()
GREEN_BOOK = {"ek": "000102030405060708090A0B0C0D0E0F", "ak": "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"}
OURS = {"ek": KEYS.encryption_key.hex(), "ak": KEYS.authentication_key.hex()}


def batch(
    lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[Any]]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    status = main(["dlms", "decode"])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def shown(answered: dict[str, Any]) -> dict[str, Any]:
    """The keys of the contract alone."""
    names = ("framing", "frames", "counter", "system_title", "date_time", "values", "readings")
    return {name: answered[name] for name in names}


def triples(answered: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(one.values()) for one in answered["readings"]]


def test_vector_1_the_green_books_request() -> None:
    frame = "db084d4d4d0000bc614e1e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
    got = answer({"hex": frame, **GREEN_BOOK})
    assert shown(got) == {
        "framing": "raw",
        "frames": [{"framing": "raw", "length": 41, "crc_ok": None}],
        "counter": 0x01234567,
        "system_title": "4d4d4d0000bc614e",
        "date_time": None,
        "values": None,
        "readings": [],
    }
    assert (got["apdu"], got["detail"]) == ("get_request", {"class_id": 8, "obis": "0-0:1.0.0", "attribute": 2})


@pytest.mark.parametrize(("frame", "counter", "plain"), UDP_FRAMES)
def test_vector_3_an_encrypted_push_over_udp(frame: str, counter: int, plain: str) -> None:
    assert shown(answer({"hex": frame, "ek": DUMMY, "ak": DUMMY})) == {
        "framing": "wrapper",
        "frames": [{"framing": "wrapper", "length": 78, "crc_ok": None}],
        "counter": counter,
        "system_title": "2f19229199164103",
        "date_time": None,
        "values": plain[16:],
        "readings": [],
    }


def test_vector_4_aidon_in_hdlc() -> None:
    got = answer({"hex": AIDON.hex()})
    assert shown(got) == {
        "framing": "hdlc",
        "frames": [{"framing": "hdlc", "length": 212, "crc_ok": True}],
        "counter": None,
        "system_title": None,
        "date_time": None,
        "values": [
            ["0101000281ff", {"text": "AIDON_V0001"}],
            ["0000600100ff", {"text": "7359992890941742"}],
            ["0000600107ff", {"text": "6515"}],
            ["0100010700ff", 1362, [0, 27]],
            ["0100020700ff", 0, [0, 27]],
            ["0100030700ff", 996, [0, 29]],
            ["0100040700ff", 0, [0, 29]],
            ["01001f0700ff", 93, [-1, 33]],
            ["0100200700ff", 2500, [-1, 35]],
        ],
        "readings": got["readings"],
    }
    assert triples(got) == [
        ("1-1:0.2.129", "AIDON_V0001", None, None),
        ("0-0:96.1.0", "7359992890941742", None, None),
        ("0-0:96.1.7", "6515", None, None),
        ("1-0:1.7.0", "1362", "W", 0),
        ("1-0:2.7.0", "0", "W", 0),
        ("1-0:3.7.0", "996", "var", 0),
        ("1-0:4.7.0", "0", "var", 0),
        ("1-0:31.7.0", "9.3", "A", -1),
        ("1-0:32.7.0", "250.0", "V", -1),
    ]


def test_vector_6_salzburg_with_the_offset_of_its_deviation() -> None:
    got = answer({"hex": SALZBURG.hex(), "framing": "raw"})
    assert got["date_time"] == "2022-11-12T16:54:00+01:00"
    assert triples(got) == [
        ("0-0:1.0.0", "07e60b0c0610360000ffc400", None, None),
        ("0-0:96.1.0", "314b464d30323030323334383034", None, None),
        ("0-0:42.0.0", "4b464d31323030323030323334383034", None, None),
        ("1-0:32.7.0", "229.2", "V", -1),
        ("1-0:52.7.0", "231.6", "V", -1),
        ("1-0:72.7.0", "231.4", "V", -1),
        ("1-0:31.7.0", "1.65", "A", -2),
        ("1-0:51.7.0", "1.73", "A", -2),
        ("1-0:71.7.0", "0.37", "A", -2),
        ("1-0:1.7.0", "714", "W", 0),
        ("1-0:2.7.0", "0", "W", 0),
        ("1-0:1.8.0", "1327456", "Wh", 0),
        ("1-0:2.8.0", "0", "Wh", 0),
        ("1-0:3.8.0", "4818", "varh", 0),
        ("1-0:4.8.0", "376416", "varh", 0),
    ]


BAD_CRC = AIDON[:-3] + b"\x00" + AIDON[-2:]
ERRORS = [
    ({"hex": UDP_FRAMES[0][0]}, "key_missing"),
    ({"hex": UDP_FRAMES[0][0], "ek": DUMMY}, "key_missing"),
    ({"hex": UDP_FRAMES[0][0], "ek": DUMMY, "ak": "00" * 16}, "auth_failed"),
    ({"hex": UDP_FRAMES[0][0][:-2], "ek": DUMMY, "ak": DUMMY}, "incomplete"),
    ({"hex": AIDON.hex()[:-2]}, "incomplete"),
    ({"hex": SALZBURG.hex()[:-2]}, "incomplete"),
    ({"hex": ""}, "incomplete"),
    ({"hex": "abababab"}, "unknown_framing"),
    ({"hex": "60"}, "unknown_apdu"),
    ({"hex": "abababab", "framing": "raw"}, "unknown_apdu"),
    ({"hex": BAD_CRC.hex()}, "crc"),
    ({"hex": "0f0000000107"}, "malformed"),
    ({"hex": "0"}, "malformed"),
    ({"hex": 7}, "malformed"),
    ({}, "malformed"),
    ({"hex": "00", "framing": "pigeon"}, "malformed"),
    ({"hex": "00", "framing": ["raw"]}, "malformed"),
    ({"hex": "00", "profile": "nobody"}, "malformed"),
    ({"hex": "00", "profile": 7}, "malformed"),
    ({"hex": "00", "ek": "00"}, "malformed"),
    ([], "malformed"),
]


def test_errors_by_code_in_the_place_of_their_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = json.dumps({"hex": AIDON.hex()})
    lines = [part for request, _ in ERRORS for part in (json.dumps(request), "", good)]
    status, answers = batch([*lines, "{", '{"hex": "\\ud800"}', "[" * 100_000], monkeypatch, capsys)
    assert status == 1
    assert [one.get("error") for one in answers[0:-3:2]] == [code for _, code in ERRORS]
    assert ["error" in one for one in answers[1:-3:2]] == [False] * len(ERRORS)
    assert [one["error"] for one in answers[-3:]] == ["malformed"] * 3
    schema = load("dlms-decode")
    assert [faults(one, schema) for one in answers] == [[]] * len(answers)
    assert batch([good, ""], monkeypatch, capsys)[0] == 0


def test_the_frames_stand_beside_a_bad_crc() -> None:
    got = answer({"hex": BAD_CRC.hex()})
    assert (got["error"], got["framing"]) == ("crc", "hdlc")
    assert got["frames"] == [{"framing": "hdlc", "length": 212, "crc_ok": False}]
    two = in_hdlc(SALZBURG, 200)
    damaged = two[:-3] + bytes((two[-3] ^ 1,)) + two[-2:]
    assert [frame["crc_ok"] for frame in answer({"hex": damaged.hex()})["frames"]] == [True, False]
    assert triples(answer({"hex": two.hex()})) == triples(answer({"hex": SALZBURG.hex()}))


@pytest.mark.parametrize("name", LINES)
def test_every_framing_fits_the_schema(name: str) -> None:
    line, framing, frames = LINES[name]
    request = {"hex": line.hex(), **OURS}
    got = answer(request)
    assert (got["framing"], len(got["frames"]), got["counter"]) == (framing, frames, 9)
    assert got["date_time"] == "2026-07-11T00:30:00+07:00"
    assert got["values"] == [["00" * 12, n, -n] for n in range(40)]
    assert faults(json.loads(json.dumps(got)), load("dlms-decode")) == []
    assert faults(request, load("dlms-decode-request")) == []


def test_further_whole_apdus_are_listed_under_more() -> None:
    got = answer({"hex": (wrapped(CIPHERED) + wrapped(SALZBURG)).hex(), **OURS})
    assert (got["counter"], len(got["frames"])) == (9, 2)
    (other,) = got["more"]
    assert (other["counter"], other["date_time"]) == (None, "2022-11-12T16:54:00+01:00")


def test_how_values_look() -> None:
    body = structure(
        Data(Tag.NULL, None),
        Data(Tag.BOOLEAN, True),
        Data(Tag.BIT_STRING, "0101"),
        Data(Tag.UTF8_STRING, "Rp é"),
        Data(Tag.FLOAT32, 1.5),
        Data(Tag.FLOAT64, float("inf")),
        Data(Tag.DATE_TIME, bytes(12)),
        Data(Tag.ENUM, 3),
        octets(b"\xab"),
        Data(Tag.ARRAY, ()),
        Data(Tag.DONT_CARE, None),
    )
    expected = [None, True, {"bits": "0101"}, {"text": "Rp é"}, 1.5, None, "00" * 12, 3, "ab", [], None]
    assert tree(body) == expected
    compact = bytes.fromhex("0f0000000100" + "13" + "02021200" + "04" + "00010002")
    assert answer({"hex": compact.hex()})["values"] == [[1, None], [2, None]]


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("07ea070b06001e0000fe5c00", "2026-07-11T00:30:00+07:00"),
        ("07ea070b06001e0032800000", "2026-07-11T00:30:00.500000"),
        ("07ea070bff001effff8000ff", "2026-07-11T00:30:00"),
        ("07ea07ffff001e0000fe5c00", None),
        ("07ea070b06001e00007fff00", "2026-07-11T00:30:00"),  # a deviation of 22 days is none
    ],
)
def test_the_date_time_of_the_header(clock: str, expected: str | None) -> None:
    push = DataNotification(1, DateTime.from_octets(bytes.fromhex(clock)), Data(Tag.NULL, None))
    assert answer({"hex": apdu.encode(push).hex()})["date_time"] == expected


def test_an_event_is_a_reading_of_its_object() -> None:
    event = EventNotification(None, 1, Obis(0, 0, 96, 11, 0, 3), 2, Data(Tag.UNSIGNED, 40))
    got = answer({"hex": apdu.encode(event).hex()})
    assert (got["apdu"], triples(got)) == ("event_notification", [("0-0:96.11.0*3", "40", None, None)])
    response = answer({"hex": apdu.encode(apdu.GetResponse(0xC1, Data(Tag.UNSIGNED, 4))).hex()})
    assert (response["apdu"], response["values"], response["readings"]) == ("get_response", 4, [])


def test_a_service_specific_form_takes_the_title_with_the_request() -> None:
    inner = CIPHERED[10:]
    assert answer({"hex": (b"\xca" + inner).hex(), **OURS})["error"] == "key_missing"
    got = answer({"hex": (b"\xca" + inner).hex(), **OURS, "system_title": TITLE.hex()})
    assert (got["system_title"], got["counter"], got["apdu"]) == (TITLE.hex(), 9, "data_notification")


def test_a_named_profile_gives_what_the_body_leaves_out() -> None:
    body = axdr.encode(structure(Data(Tag.DOUBLE_LONG_UNSIGNED, 1234)))
    line = (bytes.fromhex("0f4000000000") + body).hex()
    assert answer({"hex": line})["readings"] == []
    assert triples(answer({"hex": line, "profile": "kaifa"})) == [("1-0:1.7.0", "1234", "W", 0)]


def test_no_key_leaves_by_an_answer() -> None:
    for request in (
        {"hex": CIPHERED.hex(), **OURS},
        {"hex": CIPHERED.hex(), **OURS, "ak": "ab" * 16},
        {"hex": "", **OURS},
    ):
        said = json.dumps(answer(request))
        assert OURS["ek"] not in said and OURS["ak"] not in said and "ab" * 16 not in said


@given(st.binary(max_size=80), st.sampled_from(["auto", "raw", "wrapper", "short", "hdlc", "mbus"]))
def test_whatever_comes_the_answer_fits_the_schema(line: bytes, framing: str) -> None:
    got = answer({"hex": line.hex(), "framing": framing, **OURS})
    assert faults(json.loads(json.dumps(got)), load("dlms-decode")) == []


@pytest.mark.parametrize(
    ("hex_", "apdu", "detail"),
    [
        ("c0024100000001", "get_next", {"number": 1}),
        ("c4024100000000010002aabb", "get_block", {"block": {"last": False, "number": 1, "raw": "aabb"}}),
        ("c403410200120005010b", "get_list_response", {"results": [5, 11]}),
        (
            "c003410100080000010000ff0200",
            "get_with_list",
            {"items": [{"class_id": 8, "obis": "0-0:1.0.0", "number": 2}]},
        ),
    ],
)
def test_lists_and_blocks_of_a_session_are_shown(hex_: str, apdu: str, detail: dict[str, object]) -> None:
    read = answer({"hex": hex_, "framing": "raw"})
    assert (read["apdu"], read["detail"]) == (apdu, detail)
