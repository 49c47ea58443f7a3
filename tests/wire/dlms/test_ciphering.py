"""general-glo-ciphering beyond the vectors: length forms, refusals, and that keys are never printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms import ciphering
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import AuthFailed, DlmsError, Unencodable, Unprotected

KEYS = Keys(bytes(range(16)), bytes(range(16, 32)))
TITLE = b"DUA\x00\x00\x00\x00\x01"


@given(st.binary(max_size=400), st.integers(0, 0xFFFFFFFF))
def test_round_trip(plain: bytes, counter: int) -> None:
    parsed = ciphering.parse(ciphering.protect(plain, keys=KEYS, system_title=TITLE, counter=counter))
    assert (parsed.system_title, parsed.counter) == (TITLE, counter)
    assert ciphering.unprotect(parsed, KEYS) == plain


@pytest.mark.parametrize(("plain", "length"), [(110, "7f"), (111, "8180"), (238, "81ff"), (239, "820100")])
def test_the_long_form_of_the_length_begins_at_128(plain: int, length: str) -> None:
    frame = ciphering.protect(bytes(plain), keys=KEYS, system_title=TITLE, counter=1)
    assert frame.hex()[20 : 20 + len(length)] == length
    assert ciphering.unprotect(ciphering.parse(frame), KEYS) == bytes(plain)


def test_any_altered_octet_is_refused() -> None:
    frame = ciphering.protect(b"credit", keys=KEYS, system_title=TITLE, counter=7)
    for position in range(len(frame)):
        altered = bytearray(frame)
        altered[position] ^= 0x01
        with pytest.raises(DlmsError) as refused:
            ciphering.unprotect(ciphering.parse(bytes(altered)), KEYS)
        assert refused.value.code in ("auth_failed", "unprotected", "malformed", "incomplete", "unknown_apdu")


def test_another_meters_keys_are_refused() -> None:
    parsed = ciphering.parse(ciphering.protect(b"credit", keys=KEYS, system_title=TITLE, counter=7))
    for other in (Keys(bytes(16), KEYS.authentication_key), Keys(KEYS.encryption_key, bytes(16))):
        with pytest.raises(AuthFailed):
            ciphering.unprotect(parsed, other)


@pytest.mark.parametrize("security_control", [0x00, 0x10, 0x20, 0x31, 0x70, 0xB0])
def test_less_or_other_than_authenticated_encryption_of_suite_0_is_refused(security_control: int) -> None:
    frame = bytearray(ciphering.protect(b"credit", keys=KEYS, system_title=TITLE, counter=7))
    frame[11] = security_control
    with pytest.raises(Unprotected):
        ciphering.unprotect(ciphering.parse(bytes(frame)), KEYS)


@given(st.binary(max_size=60))
def test_random_octets_raise_only_own_errors(octets: bytes) -> None:
    for frame in (octets, b"\xdb\x08" + octets):
        try:
            ciphering.unprotect(ciphering.parse(frame), KEYS)
        except DlmsError:
            continue
        raise AssertionError("random octets were authenticated")


def test_keys_and_counters_are_checked_and_keys_hidden() -> None:
    assert repr(KEYS) == "Keys(hidden)"
    assert KEYS.encryption_key.hex() not in f"{KEYS!r}{KEYS!s}"
    with pytest.raises(Unencodable):
        Keys(bytes(15), bytes(16))
    with pytest.raises(Unencodable):
        ciphering.protect(b"", keys=KEYS, system_title=TITLE, counter=1 << 32)
    with pytest.raises(Unencodable):
        ciphering.protect(b"", keys=KEYS, system_title=TITLE[:7], counter=1)
