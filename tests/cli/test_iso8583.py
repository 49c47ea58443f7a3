"""`iso8583 decode` and `encode` as a script sees them: the reference's samples, errors in place, and the schemas."""

from __future__ import annotations

import io
import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.schema import faults, load
from tests.wire.iso8583.samples import INQUIRY, PURCHASE, SAMPLES, SIGN_ON

from duaarah.cli.iso8583 import answer
from duaarah.cli.main import main
from duaarah.wire.iso8583 import packaged

PLN = packaged("pln2003")


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(verb: str, lines: list[bytes | str], *options: str) -> tuple[int, list[Any]]:
        octets = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
        status = main(["iso8583", verb, *options])
        return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_all_samples_there_and_back(batch: Any) -> None:
    requests = [{"message": message} for message in SAMPLES.values()]
    status, decoded = batch("decode", [json.dumps(one) for one in requests])
    assert (status, [one["kind"] for one in decoded]) == (0, list(SAMPLES))
    assert [faults(one, load("iso8583-decode")) for one in decoded] == [[]] * len(SAMPLES)
    assert [faults(one, load("iso8583-decode-request")) for one in requests] == [[]] * len(SAMPLES)
    bare = [{"mti": one["mti"], "fields": one["fields"]} for one in decoded]
    assert [faults(one, load("iso8583-encode-request")) for one in [*decoded, *bare]] == [[]] * 2 * len(SAMPLES)
    for lines in (decoded, bare):
        status, encoded = batch("encode", [json.dumps(one) for one in lines])
        assert (status, [one["message"] for one in encoded]) == (0, list(SAMPLES.values()))
    assert [faults(one, load("iso8583-encode")) for one in encoded] == [[]] * len(SAMPLES)


def test_errors_in_the_place_of_their_line(batch: Any) -> None:
    good = json.dumps({"message": SIGN_ON})
    bad = [
        (json.dumps({"message": "0800" + SIGN_ON[4:]}), "bad_mti"),
        (json.dumps({"message": SIGN_ON + "x"}), "trailing_bytes"),
        (json.dumps({"message": SIGN_ON[:-1]}), "short_message"),
        (json.dumps({"message": SIGN_ON[:4] + "g" + SIGN_ON[5:]}), "bad_bitmap"),
        (json.dumps({"message": INQUIRY.replace("031PY", "030PY")[:-1]}), "ok"),
        (json.dumps({"message": INQUIRY.replace("031PY", "029PY")[:-2]}), "bad_field"),
        (json.dumps({"message": 7}), "bad_field"),
        (json.dumps({"message": "\ud800"}), "bad_field"),
        ("{}", "bad_field"),
        ("[]", "bad_field"),
        ("{", "bad_field"),
        ("[" * 100_000, "bad_field"),
        (b"\xff\xfe", "bad_field"),
    ]
    status, answers = batch("decode", [part for line, _ in bad for part in (line, b"", b"  ", good)])
    assert status == 1
    assert [one.get("error", "ok") for one in answers[0::2]] == [code for _, code in bad]
    assert [one["kind"] for one in answers[1::2]] == ["network_sign_on_request"] * len(bad)
    assert [faults(one, load("iso8583-decode")) for one in answers] == [[]] * len(answers)
    assert batch("decode", [good])[0] == 0 and batch("decode", []) == (0, [])


def test_errors_of_encode(batch: Any) -> None:
    bad: list[tuple[Any, str]] = [
        ({"mti": "0800", "fields": {}}, "bad_mti"),
        ({"fields": {}}, "bad_mti"),
        ({"mti": ["2800"], "fields": {}}, "bad_mti"),
        ({"mti": "2800"}, "bad_field"),
        ({"mti": "2800", "fields": []}, "bad_field"),
        ({"mti": "2800", "fields": {"12": "now"}}, "bad_field"),
        ({"mti": "2800", "fields": {"99": "0"}}, "bad_field"),
    ]
    status, answers = batch("encode", [json.dumps(line) for line, _ in bad])
    assert (status, [one["error"] for one in answers]) == (1, [code for _, code in bad])
    assert [faults(one, load("iso8583-encode")) for one in answers] == [[]] * len(bad)


def test_a_field_outside_ascii(batch: Any) -> None:
    wire = encode_with_footer("Ré \xff")
    status, (decoded,) = batch("decode", [json.dumps({"message": wire}, ensure_ascii=False)])
    assert (status, decoded["fields"]["63"]) == (0, "Ré \xff")


def encode_with_footer(footer: str) -> str:
    reply = answer("encode", json.dumps({"mti": "2810", "fields": {"39": "0000", "63": footer}}).encode(), PLN)
    return str(reply["message"])


def test_the_older_dialect_is_asked_for(batch: Any, tmp_path: Path) -> None:
    old = "08008020000000000000" + "0400000000000000" + "000001" + "301"
    line = [json.dumps({"message": old})]
    assert batch("decode", line)[1][0]["error"] == "bad_mti"
    status, (decoded,) = batch("decode", line, "--dialect", "pln1987")
    assert (status, decoded) == (
        0,
        {"mti": "0800", "kind": "network_echo_request", "fields": {"11": "000001", "70": "301"}},
    )
    copy = tmp_path / "mine.toml"
    copy.write_text((files("duaarah.wire.iso8583") / "pln1987.toml").read_text())
    assert batch("encode", [json.dumps(decoded)], "--dialect", str(copy))[1] == [{"message": old}]


@pytest.mark.parametrize("name", ["pln1993", "nothing/here.toml"])
def test_a_dialect_that_is_not_there_is_wrong_usage(name: str, batch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["iso8583", "decode", "--dialect", name]) == 2
    assert "iso8583 decode: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "value",
    [
        {"mti": "2100", "kind": "prepaid_dance_request", "fields": {}},
        {"mti": "2100", "kind": "prepaid_inquiry_request", "fields": {"48": {"total": "5"}}},
        {"error": "made_up", "message": ""},
    ],
)
def test_the_schema_can_fail(value: dict[str, Any]) -> None:
    assert faults(value, load("iso8583-decode")) != []


@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_whatever_comes_the_answer_fits_the_schema(tail: str) -> None:
    for message in (tail, "2100" + tail, PURCHASE + tail):
        reply = answer("decode", json.dumps({"message": message}).encode(), PLN)
        assert faults(json.loads(json.dumps(reply)), load("iso8583-decode")) == []
