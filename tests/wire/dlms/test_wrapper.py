"""The two wrappers."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms import hdlc, wrapper
from duaarah.wire.dlms.errors import DlmsError, Incomplete, Malformed, TooLong, Unencodable
from duaarah.wire.dlms.wrapper import ShortOrder, Wrapped


def test_the_full_wrapper() -> None:
    frame = Wrapped(1, 102, b"\x0f\x00")
    assert wrapper.wrap(frame).hex() == "00010001006600020f00"
    assert wrapper.unwrap(wrapper.wrap(frame)) == frame


def test_the_order_of_the_short_wrapper_is_a_setting() -> None:
    frame = Wrapped(1, 16, b"\xdb")
    assert wrapper.wrap_short(frame, ShortOrder.OWN_FIRST).hex() == "0110db"
    assert wrapper.wrap_short(frame, ShortOrder.PEER_FIRST).hex() == "1001db"
    for order in ShortOrder:
        assert wrapper.unwrap_short(wrapper.wrap_short(frame, order), order) == frame


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("00010001", Incomplete),
        ("000100010066000300", Incomplete),
        ("00010001006600010f00", Malformed),
        ("00020001006600010f", Malformed),
        ("0001000100660000", Malformed),
        ("000100010066ffff", Malformed),
    ],
)
def test_bad_wrappers(octets: str, error: type[DlmsError]) -> None:
    with pytest.raises(error):
        wrapper.unwrap(bytes.fromhex(octets))


def test_limits() -> None:
    with pytest.raises(TooLong):
        wrapper.wrap(Wrapped(1, 1, bytes(wrapper.APDU_MAX + 1)))
    with pytest.raises(Unencodable):
        wrapper.wrap_short(Wrapped(256, 1, b"\x00"), ShortOrder.OWN_FIRST)
    with pytest.raises(Incomplete):
        wrapper.unwrap_short(b"\x01\x10", ShortOrder.OWN_FIRST)


@given(st.binary(max_size=40))
def test_random_octets_raise_only_own_errors(octets: bytes) -> None:
    for decode in (wrapper.unwrap, hdlc.decode, lambda o: wrapper.unwrap_short(o, ShortOrder.OWN_FIRST)):
        for candidate in (octets, b"\x7e\xa0" + octets + b"\x7e"):
            with contextlib.suppress(DlmsError):
                decode(candidate)
