"""What a client does about each response code, from a table typed from the reference (domain, 3.2), not from ours."""

from __future__ import annotations

import pytest

from duaarah.wire.iso8583 import CODES, Phase, Verdict, meaning, verdict

LOW = (0, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 16, 30, 31, 32, 33, 41, 42, 45, 46, 47, 48)
HIGH = (63, 68, 77, 83, 88, 89, 90, 92, 93, 94, 97, 98)
REFERENCE = {f"{number:04d}" for number in (*LOW, *HIGH)}


def by_verdict(phase: str) -> dict[Verdict, set[str]]:
    found: dict[Verdict, set[str]] = {}
    for code in REFERENCE:
        found.setdefault(verdict(phase, code), set()).add(code)
    return found


def test_every_code_of_the_reference_has_a_meaning() -> None:
    assert set(CODES) == REFERENCE
    assert meaning("0047") == "total kWh above the monthly maximum" and meaning("1234") is None


def test_an_inquiry_sells_nothing() -> None:
    assert by_verdict("inquiry") == {Verdict.OK: {"0000"}, Verdict.FAILED: REFERENCE - {"0000"}}


@pytest.mark.parametrize("phase", ["purchase", "payment"])
def test_after_a_time_out_of_a_purchase_the_money_is_held(phase: str) -> None:
    assert by_verdict(phase) == {
        Verdict.OK: {"0000"},
        Verdict.PENDING: {"0068"},
        Verdict.FAILED: REFERENCE - {"0000", "0068"},
    }


@pytest.mark.parametrize("phase", ["advice", "advice_repeat"])
def test_only_two_answers_to_an_advice_give_the_money_back(phase: str) -> None:
    got = by_verdict(phase)
    assert (got[Verdict.OK], got[Verdict.FAILED]) == ({"0000"}, {"0063", "0098"})
    assert {"0005", "0068", "0088", "0090"} < got[Verdict.PENDING] and len(got) == 3


@pytest.mark.parametrize("phase", ["reversal", "reversal_repeat"])
def test_a_reversal_that_came_too_late_is_booked(phase: str) -> None:
    got = by_verdict(phase)
    assert got[Verdict.OK] == {"0000", "0094"} and got[Verdict.SETTLED_ALREADY] == {"0012"}
    assert got[Verdict.PENDING] == {"0068"}


def test_a_code_that_nobody_has_written_down() -> None:
    assert {phase.value: verdict(phase, "7777").value for phase in Phase} == {
        "inquiry": "failed",
        "purchase": "pending",
        "advice": "pending",
        "reversal": "pending",
        "network": "failed",
    }
    assert verdict("purchase", "list") is verdict("purchase", "") is Verdict.PENDING
    assert verdict("purchase", "listed") is verdict("purchase", "unlisted") is Verdict.PENDING


def test_the_older_dialect_has_two_characters() -> None:
    assert verdict("purchase", "68") is Verdict.PENDING and verdict("inquiry", "68") is Verdict.FAILED
    with pytest.raises(ValueError):
        verdict("dance", "0000")
