"""`tariff quote` as a script sees it: every key of the contract, errors in place, the schemas."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.schema import faults, load

from duaarah.cli.main import main
from duaarah.core.tariff.record import answer
from duaarah.core.tariff.tables import TariffError

LOOKED_UP = {"nominal": 100_000, "date": "2026-01-05", "tariff": "R-1", "va": 1300, "region": "Depok"}
GIVEN = {
    **{"nominal": 200_000, "date": "2022-05-02", "rate": "1444.70", "ppj": "0.10", "ppn": "0.11"},
    **{"stamp": 0, "instalment": 0, "admin": 2500},
}
KEYS = (
    *("nominal", "admin", "admin_inside", "total_paid", "stamp", "instalment", "ppj", "ppn", "stroom"),
    *("rate", "kwh", "kwh_exact", "rounding_idr", "cap_kwh"),
)


def batch(
    lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[Any]]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    status = main(["tariff", "quote"])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def shown(**request: Any) -> dict[str, Any]:
    answered = answer(request)
    return {name: answered[name] for name in KEYS}


def test_looked_up() -> None:
    assert shown(**LOOKED_UP) == {
        "nominal": "100000.00",
        "admin": "0.00",
        "admin_inside": False,
        "total_paid": "100000.00",
        "stamp": "0.00",
        "instalment": "0.00",
        "ppj": "2912.62",
        "ppn": "0.00",
        "stroom": "97087.38",
        "rate": "1444.70",
        "kwh": "67.2",
        "kwh_exact": "67.2024",
        "rounding_idr": "-3.54",
        "cap_kwh": "936",
    }


def test_given_plns_published_example_with_the_fee_on_top() -> None:
    assert shown(**GIVEN) == {
        "nominal": "200000.00",
        "admin": "2500.00",
        "admin_inside": False,
        "total_paid": "202500.00",
        "stamp": "0.00",
        "instalment": "0.00",
        "ppj": "16528.93",
        "ppn": "18181.82",
        "stroom": "165289.25",
        "rate": "1444.70",
        "kwh": "114.4",
        "kwh_exact": "114.4108",
        "rounding_idr": "-15.58",
        "cap_kwh": None,
    }


def test_the_fee_inside_before_october_2015() -> None:
    before = shown(**GIVEN | {"date": "2015-09-30", "ppj": "0", "ppn": "0", "rate": "605", "nominal": 16_000})
    assert (before["admin_inside"], before["total_paid"], before["stroom"]) == (True, "16000.00", "13500.00")
    assert (before["kwh"], before["kwh_exact"], before["rate"]) == ("22.3", "22.3140", "605.00")
    since = shown(**GIVEN | {"date": "2015-10-01", "ppj": "0", "ppn": "0", "rate": "605", "nominal": 16_000})
    assert (since["admin_inside"], since["total_paid"], since["stroom"]) == (False, "18500.00", "16000.00")


def test_numbers_that_are_given_win() -> None:
    assert shown(**LOOKED_UP, rate="2000")["rate"] == "2000.00"
    assert shown(**LOOKED_UP, ppj="0")["ppj"] == "0.00"
    assert shown(**LOOKED_UP, ppn="0.11")["ppn"] == "9649.12"
    assert shown(**LOOKED_UP, stamp=3000, instalment=7000)["stroom"] == "87378.64"
    # Even where nothing could be looked up.
    gone = {**LOOKED_UP, "date": "2018-06-01"}
    assert shown(**gone, rate="1467.28")["kwh_exact"] == "66.1683"
    assert answer({**LOOKED_UP, "rate": "2000", "ppj": "0", "ppn": "0"})["rows"].keys() == {"stamp", "admin"}


def test_the_kwh_of_a_long_division_is_rounded_from_the_unrounded_quotient() -> None:
    # 0.14995 would be 0.1500 at four decimals, and that 0.2.
    lines = shown(**GIVEN | {"nominal": 14_995, "rate": "100000", "ppj": "0", "ppn": "0"})
    assert (lines["kwh_exact"], lines["kwh"]) == ("0.1500", "0.1")
    lines = shown(**GIVEN | {"nominal": 15_000, "rate": "100000", "ppj": "0", "ppn": "0"})
    assert (lines["kwh"], lines["rounding_idr"]) == ("0.2", "5000.00")
    assert (
        shown(**GIVEN | {"nominal": 15_000, "rate": "100000", "ppj": "0", "ppn": "0", "rounding": "down"})["kwh"]
        == "0.1"
    )


def test_a_fraction_of_a_kwh_of_cap_is_no_exponent() -> None:
    assert shown(**LOOKED_UP | {"va": 450})["cap_kwh"] == "324"
    assert shown(**GIVEN, va=1)["cap_kwh"] == "0.72"
    assert shown(**GIVEN, va=1_000_000)["cap_kwh"] == "720000"


def test_as_it_was_known() -> None:
    house = {**LOOKED_UP, "tariff": "R-3", "va": 7700, "date": "2025-01-02"}
    assert shown(**house)["ppn"] == "9649.12"
    assert shown(**house, as_known_at="2024-06-01")["ppn"] == "10434.78"
    assert shown(**house, as_known_at="2024-12-30T16:59:59Z")["ppn"] == "10434.78"
    assert shown(**house, as_known_at="2024-12-30T17:00:00Z")["ppn"] == "9649.12"


ERRORS: list[tuple[Any, str]] = [
    ({**LOOKED_UP, "tariff": "R-9"}, "unknown_tariff"),
    ({**LOOKED_UP, "va": 5500}, "unknown_tariff"),
    ({**LOOKED_UP, "va": 1301}, "unknown_tariff"),
    ({**LOOKED_UP, "region": "Atlantis"}, "unknown_region"),
    ({**LOOKED_UP, "date": "2018-01-01"}, "no_rate_at_date"),
    ({**LOOKED_UP, "date": "2012-12-31"}, "no_rate_at_date"),
    ({**LOOKED_UP, "date": "2026-04-01"}, "no_rate_at_date"),
    ({**LOOKED_UP, "tariff": "B-1"}, "no_rate_at_date"),
    ({**LOOKED_UP, "as_known_at": "2023-12-31"}, "no_rate_at_date"),
    ({**LOOKED_UP, "nominal": 0}, "amount_range"),
    ({**LOOKED_UP, "nominal": 74}, "amount_range"),
    ({**LOOKED_UP, "nominal": 10**12}, "amount_range"),
    ({**LOOKED_UP, "instalment": 100_000}, "amount_range"),
    ({**LOOKED_UP, "stamp": 10**30}, "amount_range"),
    ([], "bad_request"),
    ("quote", "bad_request"),
    (None, "bad_request"),
    ({}, "bad_request"),
    ({"nominal": 100_000}, "bad_request"),
    ({"nominal": 100_000, "date": "2026-01-05"}, "bad_request"),
    ({**LOOKED_UP, "colour": "red"}, "bad_request"),
    ({**LOOKED_UP, "nominal": "100000"}, "bad_request"),
    ({**LOOKED_UP, "nominal": 100_000.0}, "bad_request"),
    ({**LOOKED_UP, "nominal": True}, "bad_request"),
    ({**LOOKED_UP, "nominal": -1}, "bad_request"),
    ({**LOOKED_UP, "nominal": float("nan")}, "bad_request"),
    ({**LOOKED_UP, "nominal": None}, "bad_request"),
    ({**LOOKED_UP, "admin": -1}, "bad_request"),
    ({**LOOKED_UP, "va": 0}, "bad_request"),
    ({**LOOKED_UP, "va": "1300"}, "bad_request"),
    ({**LOOKED_UP, "region": 3}, "bad_request"),
    ({**LOOKED_UP, "tariff": ""}, "bad_request"),
    ({**LOOKED_UP, "date": "2026-02-30"}, "bad_request"),
    ({**LOOKED_UP, "date": "0000-01-01"}, "bad_request"),
    ({**LOOKED_UP, "date": "20260105"}, "bad_request"),
    ({**LOOKED_UP, "date": 20_260_105}, "bad_request"),
    ({**LOOKED_UP, "as_known_at": "yesterday"}, "bad_request"),
    ({**LOOKED_UP, "as_known_at": "2026-01-05T99:00"}, "bad_request"),
    ({**LOOKED_UP, "as_known_at": "0001-01-01T00:00:00+14:00"}, "bad_request"),
    ({**LOOKED_UP, "rounding": "up"}, "bad_request"),
    ({**LOOKED_UP, "rounding": ["down"]}, "bad_request"),
    ({**GIVEN, "rate": "0"}, "bad_request"),
    ({**GIVEN, "rate": "0.00"}, "bad_request"),
    ({**GIVEN, "rate": 1444.7}, "bad_request"),
    ({**GIVEN, "rate": "1e3"}, "bad_request"),
    ({**GIVEN, "rate": "NaN"}, "bad_request"),
    ({**GIVEN, "rate": "-605"}, "bad_request"),
    ({**GIVEN, "rate": "605\n"}, "bad_request"),
    ({**GIVEN, "rate": "٦٠٥"}, "bad_request"),
    ({**GIVEN, "ppj": "3"}, "bad_request"),
    ({**GIVEN, "ppj": 0}, "bad_request"),
]


def test_errors_by_code_in_the_place_of_their_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = json.dumps(LOOKED_UP)
    lines = [part for request, _ in ERRORS for part in (json.dumps(request), "", good)]
    status, answers = batch([*lines, "{", '{"nominal": Infinity}', "[" * 100_000], monkeypatch, capsys)
    assert status == 1
    assert [one.get("error") for one in answers[0:-3:2]] == [code for _, code in ERRORS]
    assert ["error" in one for one in answers[1:-3:2]] == [False] * len(ERRORS)
    assert [one["error"] for one in answers[-3:]] == ["bad_request"] * 3
    assert [faults(one, load("tariff-quote")) for one in answers] == [[]] * len(answers)
    assert all(one["message"] for one in answers if "error" in one)


def test_exit_status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert batch([json.dumps(LOOKED_UP), "", json.dumps(GIVEN)], monkeypatch, capsys)[0] == 0
    assert batch([], monkeypatch, capsys) == (0, [])
    for wrong in (["tariff"], ["tariff", "price"], ["tariff", "quote", "--colour"]):
        with pytest.raises(SystemExit) as ended:
            main(wrong)
        assert ended.value.code == 2


def test_the_schemas_fit_and_can_fail() -> None:
    request, reply = load("tariff-quote-request"), load("tariff-quote")
    for line in (LOOKED_UP, GIVEN, {**LOOKED_UP, "as_known_at": "2026-01-05T10:00:00Z", "rounding": "down"}):
        assert faults(line, request) == []
        assert faults(answer(line), reply) == []
    priced = answer(LOOKED_UP)
    assert set(KEYS) <= set(reply["oneOf"][0]["required"])
    for name in KEYS:
        assert faults({key: value for key, value in priced.items() if key != name}, reply) != []
    assert faults({**priced, "kwh": "67.20"}, reply) != []
    assert faults({**priced, "nominal": 100_000}, reply) != []
    assert faults({"error": "made_up", "message": ""}, reply) != []
    assert faults({**LOOKED_UP, "rate": 1444.7}, request) != []


WHATEVER = st.dictionaries(
    st.sampled_from([*LOOKED_UP, *GIVEN, "as_known_at", "rounding", "x"]),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.lists(st.integers(), max_size=2),
        st.sampled_from(["2026-01-05", "R-1", "Depok", "0.03", "605", "down", 100_000, 1300]),
    ),
)  # fmt: skip


@given(WHATEVER, st.booleans())
def test_whatever_comes_is_answered_or_refused_by_name(record: dict[str, Any], filled: bool) -> None:
    try:
        reply = answer({**LOOKED_UP, **record} if filled else record)
    except TariffError as error:
        reply = {"error": error.code, "message": str(error)}
    assert faults(json.loads(json.dumps(reply)), load("tariff-quote")) == []


def test_needs_no_database() -> None:
    root = Path(__file__).parents[2]
    line = json.dumps(LOOKED_UP)
    code = (
        "import sys; from duaarah.cli.main import main; status = main(['tariff', 'quote']);"
        "sys.exit(7 if 'django' in sys.modules else status)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        input=line,
        capture_output=True,
        text=True,
        cwd=root,
        env={"PYTHONPATH": "src"},
        check=False,
    )
    assert (ended.returncode, json.loads(ended.stdout)["kwh"]) == (0, "67.2")
