"""Any JSON gets an answer or one of the engine's errors; amounts are exact to the last digit."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.sts import AmountNegative, STSError
from duaarah.core.sts.batch import answer

BASE = {
    "dkga": "04",
    "ea": "11",
    "vending_key": "abababababababab949494949494949401234567",
    "pan": "600727000000000009",
    "sgc": "201457",
    "ti": "01",
    "krn": 1,
    "kt": 2,
    "ken": 255,
    "base_date": 2014,
    "class": 0,
    "subclass": 0,
    "issued_at": "2026-07-11T00:30",
    "rnd": 5,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = [*BASE, "op", "field", "amount", "se", "tid", "control", "mfr", "payload48", "new", "ro", "token", "tid_store"]


def answered(request: Any) -> dict[str, Any] | None:
    try:
        return answer(request, lambda: 0)
    except STSError as error:
        assert error.code and str(error).endswith(".")
        return None


@given(JSON)
def test_any_json_is_answered_or_refused_by_name(request: Any) -> None:
    answered(request)


@given(st.sampled_from(["issue", "decode", "key_change"]), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_a_request_with_anything_in_its_place_never_breaks(op: str, changes: dict[str, Any]) -> None:
    answered({**BASE, "op": op, "field": 1, "new": {"krn": 2}, "token": "0" * 20, **changes})


@given(st.decimals(min_value=0, max_value=1_820_162, allow_nan=False, places=35), st.integers(0, 3))
def test_what_is_decoded_is_at_least_what_was_asked_and_at_most_one_step_more(amount: Any, subclass: int) -> None:
    request = {**BASE, "subclass": subclass}
    made = answer({**request, "op": "issue", "amount": f"{amount:f}"}, lambda: 0)
    found = answer({**request, "op": "decode", "token": made["token"]}, lambda: 0)
    step = 10 ** (found["field"] >> 14)
    assert 0 <= found["steps"] - Fraction(amount) * 10 < step


def test_an_amount_of_many_digits_is_still_rounded_up() -> None:
    for text in ("0.1000000000000000000000000000000000001", "0.2"):
        made = answer({**BASE, "op": "issue", "amount": text}, lambda: 0)
        assert answer({**BASE, "op": "decode", "token": made["token"]}, lambda: 0)["amount"] == "0.2"
    with pytest.raises(AmountNegative):
        answer({**BASE, "op": "issue", "amount": "-0.01"}, lambda: 0)


def test_a_base_date_that_has_not_begun_has_no_expired_key() -> None:
    change = {**BASE, "op": "key_change", "new": {"base_date": 2035, "krn": 2, "ken": 0}}
    assert len(answer(change, lambda: 0)["tokens"]) == 4
