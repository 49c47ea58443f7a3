"""The verbs of `sts` as people and scripts see them: keys by stdin or key file only, bad input by name, nothing leaked."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.test_sts import ROOT, WRONG

from duaarah.cli.sts_selftest import all_checks, markdown
from duaarah.core.sts import KeyRegister
from duaarah.keystore import FileKeyStore

KEY = "abababababababab949494949494949401234567"
PAN = "600727000000000009"
SAID = {
    "dkga": "04",
    "ea": "11",
    "vending_key": KEY,
    "pan": PAN,
    "sgc": "201457",
    "ti": "01",
    "krn": 1,
    "kt": 2,
    "ken": 255,
    "base_date": 2014,
}
CURRENCY = "72503171501464925869"


def sts(*arguments: str, said: object = None, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", "sts", *arguments],
        input="" if said is None else json.dumps(said),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_issue_rounds_up_and_keeps_both_amounts() -> None:
    status, out, _ = sts("issue", "--stdin", "--amount", "25.61", "--at", "2026-07-11T00:30", "--json", said=SAID)
    made = json.loads(out)
    assert (status, made["tid"], made["requested"], made["encoded"]) == (0, 6586590, "25.61", "25.7")
    status, out, _ = sts("decode", made["token"], "--stdin", "--json", "--tids", "6586590", said=SAID)
    assert (status, json.loads(out)["result"]) == (0, "used")
    assert sts("issue", "--class", "1", "--control", "1")[1].endswith("0000 0000 0001 5099 7584\n")


def test_explain_prints_bits_and_meanings() -> None:
    status, out, _ = sts("explain", "--stdin", "7250 3171-5014 6492 5869", said=SAID)
    assert status == 0
    for words in ("Electricity credit in currency", "55..32", "2027-08-21 12:01", "1.00004", "EA11", "accepts"):
        assert words in out
    steps = json.loads(sts("explain", CURRENCY, "--json")[1])["steps"]
    assert steps[-1]["name"] == "locked"


def test_pan_and_tid() -> None:
    assert json.loads(sts("pan", "build", "--mfr", "0100", "--serial", "0", "--json")[1])["pan"] == "000001000000000082"
    built = json.loads(sts("pan", "build", "--mfr", "11", "--serial", "11111111", "--json")[1])
    assert (built["pan"], built["drn"]) == ("600727111111111153", "11111111115")
    assert json.loads(sts("pan", "check", built["drn"], "--json")[1]) == built
    assert json.loads(sts("tid", "2026-07-11T00:01", "--json")[1])["tid"] == 6586562
    back = json.loads(sts("tid", "16777215", "--base-date", "1993", "--json")[1])
    assert (back["instant"], back["ken"]) == ("2024-11-24T20:15", 255)
    assert json.loads(sts("tid", "5636095", "--json")[1])["ken_ends"] == "2024-09-18T22:55"


def test_every_vector_passes_and_the_page_shows_what_the_self_test_says() -> None:
    status, out, _ = sts("selftest", "--json")
    assert status == 0 and json.loads(out.splitlines()[-1]) == {"checks": 340, "passed": 340, "ok": True}
    page = (ROOT / "docs/protocols/sts.md").read_text()
    assert markdown(all_checks()) in page


def test_a_self_test_over_other_tables_fails(tmp_path: Path) -> None:
    tables = tmp_path / "tables.json"
    numbers = {"s1": list(range(16)), "s2": list(range(16)), "p": list(range(64))}
    tables.write_text(json.dumps(numbers))
    assert sts("selftest", DUAARAH_STA_TABLES=str(tables))[0] == 1
    tables.write_text(json.dumps({**numbers, "p": [0] * 64}))
    status, out, errors = sts("selftest", DUAARAH_STA_TABLES=str(tables))
    assert (status, out) == (1, "") and "tables_invalid" in errors


@pytest.mark.parametrize(
    ("arguments", "changes", "code"),
    [
        (["decode", "123", "--stdin"], {}, "token_length"),
        (["explain", "7" * 20], {}, "token_range"),
        (["decode", CURRENCY, "--stdin"], {"pan": "600727000000000008"}, "pan_luhn"),
        (["decode", CURRENCY, "--stdin"], {"pan": "6007"}, "pan_length"),
        (["explain", CURRENCY, "--stdin"], {"vending_key": KEY[:-2]}, "key_length"),
        (["explain", CURRENCY, "--stdin"], {"vending_key": ""}, "key_length"),
        (["issue", "--stdin", "--amount", "1820162.5"], {}, "amount_range"),
        (["issue", "--stdin", "--amount=-0.05"], {}, "amount_negative"),
        (["issue", "--stdin", "--amount", "1"], {"ken": 1}, "ken_expired"),
        (["issue", "--stdin", "--amount", "1", "--at", "2046-01-01T00:00"], {}, "date_range"),
        (["issue", "--stdin", "--field", "65536"], {}, "field_range"),
        (["pan", "check", "12345678904"], {}, "drn_luhn"),
        (["tid", "16777216"], {}, "field_range"),
        (["tid", "9" * 5000], {}, "field_range"),
    ],
)
def test_bad_input_is_named_ends_with_1_and_leaks_nothing(arguments: list[str], changes: dict, code: str) -> None:
    status, out, errors = sts(*arguments, said={**SAID, **changes})
    assert (status, out) == (1, "")
    assert errors.startswith("duaarah: ") and errors.rstrip().endswith(f"({code})")
    assert KEY[:-2] not in errors and CURRENCY not in errors and "Traceback" not in errors


@pytest.mark.parametrize(
    "arguments", [["issue"], ["issue", "--amount", "1"], ["pan"], ["tid"], ["rollover"], ["decode"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    status, out, errors = sts(*arguments)
    assert (status, out) == (2, "") and errors


def test_a_key_file_serves_decode_and_what_is_wrong_with_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    store = FileKeyStore.create(path, "twelve letters")
    register = KeyRegister(register_id="r", dkga="04", sgc="201457", krn=1, kt=2, ken=255, base_date=2014)
    store.add(register, bytes.fromhex(KEY))
    where = ["--register", "r", "--file", str(path), "--pan", PAN]
    good = {"DUAARAH_KEYSTORE_PASSPHRASE": "twelve letters"}
    status, out, _ = sts("decode", CURRENCY, *where, "--json", **good)
    assert status == 0 and json.loads(out)["amount"] == "1.00004"
    wrong = {"DUAARAH_KEYSTORE_PASSPHRASE": "another passphrase"}
    assert "(wrong_passphrase)" in sts("decode", CURRENCY, *where, **wrong)[2]
    assert "(unknown_register)" in sts("decode", CURRENCY, *["--register", "q", *where[2:]], **good)[2]
    content = json.loads(path.read_text())
    sealed = content["sealed"]
    path.write_text(json.dumps({**content, "sealed": ("B" if sealed[0] == "A" else "A") + sealed[1:]}))
    status, out, errors = sts("decode", CURRENCY, *where, **good)
    assert (status, out) == (1, "") and "(wrong_passphrase)" in errors
    path.write_text("{")
    assert "(key_file_damaged)" in sts("decode", CURRENCY, *where, **good)[2]
    path.unlink()
    assert "(no_key_file)" in sts("decode", CURRENCY, *where, **good)[2]


def test_a_batch_line_that_is_no_text_or_absurd_is_answered_in_its_place() -> None:
    lines = [b"\xff\xfe", b'{"op":["issue"]}', b"[" * 5000, b'"' + b"9" * 5000 + b'"', json.dumps(SAID).encode()]
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", "sts", "batch"],
        input=b"\n".join(lines),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert done.returncode == 1 and not done.stderr
    assert [json.loads(line)["error"] for line in done.stdout.splitlines()] == ["bad_request"] * 5
    assert len(WRONG) > 10


def test_rollover_plan_lists_reasons_ro_and_tokens_most_urgent_first(tmp_path: Path) -> None:
    head = "drn,dkga,ea,sgc,ti,krn,kt,ken,base_date\n"
    rows = "00000000000,04,11,201457,01,1,2,255,2014\n11111111115,02,07,123456,01,1,2,255,1993\n"
    more = "0100000000008,04,11,201457,01,1,2,101,2014\n"
    file = tmp_path / "meters.csv"
    file.write_text(head + rows + more)
    status, out, errors = sts(
        "rollover", "plan", "--input", str(file), "--now", "2026-07-11T00:30", "--within-days", "90"
    )
    found = [
        (r["drn"], r["reason"], r["ro"], r["tokens"], r["new_base_date"]) for r in csv.DictReader(io.StringIO(out))
    ]
    assert status == 0 and "2 meters need a key change: 6 tokens." in errors
    assert found == [
        ("11111111115", "expired", "1", "2", "2014"),
        ("0100000000008", "ken_ends", "0", "4", "2014"),
    ]
    plan = ["rollover", "plan", "--input", str(file), "--now", "2026-07-11T00:30", "--json"]
    lines = [json.loads(line) for line in sts(*plan, "--to-krn", "2")[1].splitlines()]
    assert [(r["order"], r["reason"], r["new_krn"]) for r in lines] == [
        (1, "expired", 2),
        (2, "ken_ends", 2),
        (3, "target", 2),
    ]
    assert "has not begun" in sts(*plan, "--to-base-date", "2035")[1]
    file.write_text(head + rows.replace("11111111115", "11111111113"))
    status, out, errors = sts(*plan)
    assert (status, json.loads(out)["error"]) == (1, "bad_request") and "Meter 2" in out
