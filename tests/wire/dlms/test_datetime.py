"""The 12-octet clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.errors import Malformed, Unencodable

WIB = timezone(timedelta(hours=7))
_FROM, _TO = datetime(2000, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - hypothesis draws naive times


def test_jakarta_is_420_minutes_ahead_hence_a_deviation_of_minus_420() -> None:
    stamp = DateTime.from_instant(datetime(2026, 7, 11, 0, 30, 5, 250_000, tzinfo=WIB))
    assert stamp.to_octets().hex() == "07ea070b06001e0519fe5c00"
    assert stamp.to_instant() == datetime(2026, 7, 10, 17, 30, 5, 250_000, tzinfo=UTC)


@given(st.binary(min_size=12, max_size=12))
def test_any_twelve_octets_are_kept_and_never_raise(octets: bytes) -> None:
    stamp = DateTime.from_octets(octets)
    assert stamp.to_octets() == octets
    instant = stamp.to_instant()
    assert instant is None or instant.tzinfo is not None


@given(st.datetimes(_FROM, _TO), st.integers(-720, 840))
def test_an_instant_survives_to_the_hundredth(naive: datetime, offset_min: int) -> None:
    instant = naive.replace(
        microsecond=naive.microsecond // 10_000 * 10_000, tzinfo=timezone(timedelta(minutes=offset_min))
    )
    assert DateTime.from_octets(DateTime.from_instant(instant).to_octets()).to_instant() == instant


@pytest.mark.parametrize(
    "octets",
    [
        "07ea070b06001e00008000" + "00",  # deviation not specified
        "07ea070b06001e0000fe5c01",  # the meter calls its clock invalid
        "ffff070b06001e0000fe5c00",  # any year
        "07ea0d0b06001e0000fe5c00",  # month 13
        "07eafd0b06001e0000fe5c00",  # "end of summer time"
    ],
)
def test_a_clock_that_names_no_instant_gives_none(octets: str) -> None:
    assert DateTime.from_octets(bytes.fromhex(octets)).to_instant() is None


def test_refusals() -> None:
    with pytest.raises(Malformed):
        DateTime.from_octets(bytes(11))
    with pytest.raises(Unencodable):
        DateTime.from_instant(datetime(2026, 1, 1))  # noqa: DTZ001
