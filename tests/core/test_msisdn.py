"""Mobile numbers: one canonical form however it was written, and everything else refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.msisdn import MSISDNError, canonical, is_short_code

NUMBER = "6281200000001"


@pytest.mark.parametrize(
    "written",
    [
        "081200000001",
        "6281200000001",
        "+6281200000001",
        "006281200000001",
        "81200000001",
        "+62 812-0000-0001",
        " 0812 0000 0001 ",
        "(0812) 0000.0001",
        "0812\t0000\n0001",
        "+ 62 812 0000 0001",
    ],
)
def test_one_number_has_one_form(written: str) -> None:
    assert canonical(written) == NUMBER


@pytest.mark.parametrize("digits", [10, 15])
def test_shortest_and_longest(digits: int) -> None:
    number = "628" + "1" * (digits - 3)
    assert canonical(number) == canonical("0" + number[2:]) == number


@pytest.mark.parametrize(
    "written",
    [
        "",
        "+",
        "0",
        "62",
        "628",
        "628111111",  # 9 digits
        "62" + "8" + "1" * 13,  # 16 digits
        "3123",
        "8123",
        "812312",
        "021000001",  # a fixed line
        "62210000001",
        "620812000000",
        "+081200000001",
        "+81200000001",  # another country
        "+6581200000001",
        "0812OOOOOO1",
        "BANK",
        "0812-0000-0001x",
        "0812+00000001",
        "++6281200000001",
        "٠٨١٢٠٠٠٠٠٠٠١",
        "0812_0000_0001",
        "0812/00000001",
    ],
)
def test_anything_else_is_refused(written: str) -> None:
    with pytest.raises(MSISDNError) as refused:
        canonical(written)
    assert refused.value.code == "msisdn" and refused.value.retryable is False
    assert "0000" not in str(refused.value)


@pytest.mark.parametrize("code", ["123", "3123", "8123", "99999", "123456"])
def test_short_codes_are_known_and_are_no_mobile_numbers(code: str) -> None:
    assert is_short_code(code)
    with pytest.raises(MSISDNError):
        canonical(code)


@pytest.mark.parametrize("other", ["", "12", "1234567", "31 23", "+3123", "3123\n", "PLN", "٣١٢٣"])
def test_what_is_no_short_code(other: str) -> None:
    assert not is_short_code(other)


@given(st.from_regex(r"8[0-9]{7,12}", fullmatch=True), st.sampled_from(["0", "62", "+62", "0062", ""]))
def test_every_prefix_leads_to_the_same_number_and_canonical_is_a_fixed_point(rest: str, prefix: str) -> None:
    assert canonical(prefix + rest) == "62" + rest
    assert canonical("62" + rest) == "62" + rest


@given(st.text(max_size=20))
def test_whatever_is_written_the_answer_is_a_canonical_number_or_a_refusal(written: str) -> None:
    try:
        number = canonical(written)
    except MSISDNError:
        return
    assert number.startswith("628") and number.isascii() and number.isdigit() and 10 <= len(number) <= 15
