"""Reports: exact bodies, and whatever is not one is kept raw and never raises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.intent import LowCredit, TokenResult, UnknownReport
from duaarah.drivers import decode_report, profile, profiles

STAMP = "07ea070b06001e0000fe5c00"
AT = datetime(2026, 7, 10, 17, 30, tzinfo=UTC)


def test_low_credit_of_the_single_phase_meter() -> None:
    body = "0204" + "0910" + b"DUA0001234567890".hex() + "0906" + "0001190900ff" + "0600001387" + "0301"
    plain = bytes.fromhex("0f00000001" + "0c" + STAMP + body)
    assert decode_report(profile("single-phase-modem"), plain) == LowCredit(4_999, True, AT)


def test_token_result_of_the_three_phase_meter_has_steps_of_ten_wh() -> None:
    head = "0207" + "120301" + "090c" + STAMP + "060000002a"
    plain = bytes.fromhex("0f00000001" + "00" + head + "1112" + "06ffffffff" + "0500000000" + "05000007d1")
    expected = TokenResult(42, "used", None, 0, 20_010, AT)
    assert decode_report(profile("three-phase-modem"), plain) == expected


def test_low_credit_of_the_retrofit_modem_is_a_list_of_pairs() -> None:
    pairs = ["0906" + "0000600b00ff" + "110a", "0906" + "00008013 0aff".replace(" ", "") + "0600001387"]
    pairs.append("0906" + "000060030aff" + "0300")
    plain = bytes.fromhex("0f00000001" + "00" + "0103" + "".join("0202" + pair for pair in pairs))
    assert decode_report(profile("three-phase-retrofit"), plain) == LowCredit(4_999, False, None)


@pytest.mark.parametrize(
    "body",
    [
        "00",  # nothing
        "0200",  # an empty structure
        "0204" + "0900" + "0906" + "0009190900ff" + "0600001387" + "0301",  # a push setup nobody knows
        "0204" + "0900" + "0906" + "0001190900ff" + "1200ff" + "0301",  # another type
        "0205" + "0900" + "0906" + "0001190900ff" + "0600001387" + "0301" + "00",  # one column more
        "0207" + "0900" + "0906" + "0005190900ff" + "0600000001" + "1663" + "00" + "0600000000" + "0600000000",
    ],
)
def test_a_body_nobody_knows_is_kept_raw(body: str) -> None:
    plain = bytes.fromhex("0f00000001" + "0c" + STAMP + body)
    assert decode_report(profile("single-phase-modem"), plain) == UnknownReport(plain, AT)


@given(
    st.sampled_from(profiles()), st.binary(max_size=110), st.sampled_from([b"", b"\x0f\0\0\0\1\0", b"\x0f\0\0\0\1\0\2"])
)
def test_nothing_a_meter_can_say_raises(kind: str, octets: bytes, head: bytes) -> None:
    decode_report(profile(kind), head + octets)


def test_a_clock_that_is_not_set_gives_no_instant() -> None:
    body = "0204" + "0900" + "0906" + "0001190900ff" + "0600001387" + "0301"
    plain = bytes.fromhex("0f00000001" + "0c" + "ffffffffffffffffff8000ff" + body)
    assert decode_report(profile("single-phase-modem"), plain) == LowCredit(4_999, True, None)
