# SPDX-License-Identifier: Apache-2.0
"""`grid indices` and `grid med`: exact numbers, the rules that are easy to get wrong, a sentence for each fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.schema import faults, load

from duaarah.cli.main import main

CIRCUIT = """event_id,start,end,customers
1,2025-03-17T12:12:20,2025-03-17T12:20:30,200
2,2025-04-15T18:23:56,2025-04-15T18:24:26,400
3,2025-05-05T00:23:10,2025-05-05T01:34:29,600
4,2025-06-12T23:17:00,2025-06-12T23:47:14,25
5,2025-07-06T09:30:10,2025-07-06T09:31:10,2000
6,2025-08-20T15:45:39,2025-08-20T20:12:50,90
7,2025-08-31T08:20:00,2025-08-31T10:20:00,700
8,2025-09-03T17:10:00,2025-09-03T17:20:00,1500
9,2025-10-27T10:15:00,2025-10-27T10:55:00,100
"""
HEAD = "event_id,start,end,customers\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict], str]:
    try:
        status = main(["grid", *arguments])
    except SystemExit as end:
        status = int(end.code or 0)
    printed = capsys.readouterr()
    return status, [json.loads(line) for line in printed.out.splitlines()], printed.err


@pytest.fixture
def indices(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def ask(text: str, *more: str, first: str = "2025-01-01", last: str = "2025-12-31", served: str = "2000"):
        file = tmp_path / "events.csv"
        file.write_text(text, encoding="utf-8")
        return run(
            *(capsys, "indices", "--events", str(file), "--customers-served", served, "--from", first, "--to", last),
            *more,
        )

    return ask


def test_the_sample_circuit(indices) -> None:
    status, [found], errors = indices(CIRCUIT, "--distinct", "1800")
    assert (status, errors) == (0, "")
    assert faults(found, load("grid-indices")) == []
    assert found["ci"] == 3215
    assert found["cmi"] == pytest.approx(172225 + 2 / 3, rel=1e-14)
    assert found["saifi"] == 1.6075
    assert found["saidi_min"] == pytest.approx(86.1128, abs=5e-5)
    assert found["caidi_min"] == pytest.approx(53.5694, abs=5e-5)
    assert found["maifi"] == 1.2
    assert found["asai"] == pytest.approx(0.99983616, abs=5e-9)
    assert found["caifi"] == pytest.approx(1.78611, abs=5e-6)
    assert found["ctaidi_min"] == pytest.approx(95.6809, abs=5e-5)
    assert list(found["daily_saidi_min"]) == [
        *("2025-03-17", "2025-05-05", "2025-06-12", "2025-08-20", "2025-08-31", "2025-09-03", "2025-10-27")
    ]
    assert found["daily_saidi_min"]["2025-08-31"] == 42.0


def test_the_event_decides_the_day_of_its_rows_and_each_row_its_length(indices) -> None:
    text = HEAD + (
        "A,2026-03-02T00:30:00,2026-03-02T01:30:00,10\n"
        "A,2026-03-01T23:50:00,2026-03-02T00:20:00,5\n"
        "A,2026-03-01T23:55:00,2026-03-02T00:00:00,3\n"  # exactly 300 s
        "B,2026-03-02T00:00:00,2026-03-02T00:05:01,4\n"  # 301 s, the last day of the range
        "C,2026-03-03T00:00:00,2026-03-03T09:00:00,1000\n"
        "D,2026-02-28T23:59:59,2026-03-01T09:00:00,1000\n"
    )
    status, [found], _ = indices(text, first="2026-03-01", last="2026-03-02", served="100")
    assert status == 0
    assert (found["ci"], found["maifi"]) == (19, 0.03)
    assert found["cmi"] == pytest.approx(600 + 150 + 4 * 301 / 60, rel=1e-14)
    assert found["daily_saidi_min"] == pytest.approx({"2026-03-01": 7.5, "2026-03-02": 4 * 301 / 6000}, rel=1e-14)
    assert found["asai"] == pytest.approx(1 - found["cmi"] / (100 * 2 * 1440), rel=1e-14)
    assert "caifi" not in found


def test_offsets_and_zones(indices) -> None:
    """18:30 UTC is the next day in Jakarta, and a naive time is of --tz."""
    text = HEAD + "A,2026-03-01T18:30:00Z,2026-03-01T19:30:00+00:00,1\nB,2026-03-01T00:10,2026-03-01T01:10,2\n"
    _, [jakarta], _ = indices(text, first="2026-03-01", last="2026-03-02", served="10")
    assert jakarta["daily_saidi_min"] == {"2026-03-01": 12.0, "2026-03-02": 6.0}
    _, [utc], _ = indices(text, "--tz", "UTC", first="2026-03-01", last="2026-03-02", served="10")
    assert utc["daily_saidi_min"] == {"2026-03-01": 18.0}
    _, [jayapura], _ = indices(text, "--tz", "Asia/Jayapura", first="2026-03-02", last="2026-03-02", served="10")
    assert jayapura["ci"] == 1
    spring = HEAD + "A,2026-03-29T01:30:00,2026-03-29T03:30:00,1\n"
    _, [berlin], _ = indices(spring, "--tz", "Europe/Berlin", first="2026-03-29", last="2026-03-29", served="1")
    assert (berlin["cmi"], berlin["asai"]) == (60.0, 1 - 60 / 1440)


def test_nothing_happened(indices) -> None:
    status, [found], _ = indices(HEAD, "--distinct", "0")
    assert status == 0
    assert faults(found, load("grid-indices")) == []
    assert found == {
        **{"ci": 0, "cmi": 0, "saifi": 0, "saidi_min": 0, "caidi_min": None, "maifi": 0, "asai": 1},
        **{"daily_saidi_min": {}, "caifi": None, "ctaidi_min": None},
    }


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (HEAD + "A,2025-03-01T00:00,,5\n", "open_event", "no end"),
        ("", "bad_file", "is empty"),
        ("event_id,start,customers\nA,2025-03-01T00:00,5\n", "bad_file", "no column end"),
        (HEAD + "A,2025-03-01T01:00,2025-03-01T00:00,5\n", "bad_row", "before the start"),
        (HEAD + "A,soon,2025-03-01T00:00,5\n", "bad_row", "line 2: soon is no time"),
        (HEAD + "A,2025-03-01T00:00,2025-03-01T01:00,-5\n", "bad_row", "number of customers"),
        (HEAD + "A,2025-03-01T00:00,2025-03-01T01:00\n", "bad_row", "too short"),
        (HEAD + ",2025-03-01T00:00,2025-03-01T01:00,5\n", "bad_row", "event_id"),
    ],
)
def test_a_fault_of_the_file_is_the_answer(indices, text: str, code: str, words: str) -> None:
    status, [found], _ = indices(text)
    assert (status, found["error"]) == (1, code)
    assert words in found["message"]
    assert faults(found, load("grid-indices")) == []


@pytest.mark.parametrize(
    "more",
    [
        ("--tz", "Asia/Atlantis"),
        ("--tz", "../etc"),
        ("--from", "2025-02-30"),
        ("--from", "2026-01-01"),
        ("--customers-served", "0"),
        ("--customers-served", "many"),
        ("--distinct", "-1"),
        ("--events", "/nowhere.csv"),
    ],
)
def test_wrong_usage_is_exit_2_without_a_record(indices, more: tuple[str, str]) -> None:
    status, records, errors = indices(CIRCUIT, *more)
    assert (status, records) == (2, [])
    assert errors.strip()


@pytest.fixture
def med(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def ask(text: str):
        file = tmp_path / "daily.csv"
        file.write_text(text)
        return run(capsys, "med", "--daily", str(file))

    return ask


def test_med_of_the_worked_series(med) -> None:
    values = [1, 2, 4, 8, 16, 0, 32, 64, 0, 128]
    status, [found], _ = med("date,saidi_min\n" + "".join(f"2026-01-{d + 1:02},{v}\n" for d, v in enumerate(values)))
    assert status == 0
    assert faults(found, load("grid-med")) == []
    assert found["days_used"] == 8
    assert found["alpha"] == pytest.approx(2.4260151, abs=5e-8)
    assert found["beta"] == pytest.approx(1.6978569, abs=5e-8)
    assert found["t_med"] == pytest.approx(788.91407, abs=5e-6)
    assert found["med_days"] == []


def test_med_names_the_days_above(med) -> None:
    rows = [f"2026-01-{d:02},{1 + d % 3 / 10}\n" for d in range(1, 32)]
    status, [found], _ = med(
        "\ufeffdate,saidi_min,note\n" + "".join(rows) + "2026-02-02,50,storm\n2026-02-01,40,storm\n"
    )
    assert status == 0
    assert found["med_days"] == ["2026-02-01", "2026-02-02"]
    assert found["t_med"] < 40


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("date,saidi_min\n2026-01-01,5\n2026-01-02,0\n", "too_few_days"),
        ("date,saidi_min\n", "too_few_days"),
        ("", "bad_file"),
        ("day,saidi_min\n", "bad_file"),
        ("date,saidi_min\n2026-01-01,5\n2026-01-01,6\n", "bad_row"),
        ("date,saidi_min\n2026-01-01,-5\n", "bad_row"),
        ("date,saidi_min\n2026-01-01,nan\n", "bad_row"),
        ("date,saidi_min\n2026-13-01,5\n", "bad_row"),
    ],
)
def test_no_threshold(med, text: str, code: str) -> None:
    status, [found], _ = med(text)
    assert (status, found["error"]) == (1, code)
    assert faults(found, load("grid-med")) == []
