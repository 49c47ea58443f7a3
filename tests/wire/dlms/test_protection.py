"""Every protection is read with the right key, refused with another, and says what it misses."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from duaarah.wire.dlms import ciphering, protection
from duaarah.wire.dlms.data import encode_length
from duaarah.wire.dlms.errors import AuthFailed, DlmsError, KeyMissing, Malformed, UnknownApdu
from duaarah.wire.dlms.protection import ReadKeys

EK, AK, TITLE = bytes(range(16)), bytes(range(0xD0, 0xE0)), b"DUA\x00\x00\x00\x00\x01"
EK256, AK256 = bytes(range(32)), bytes(range(0xC0, 0xE0))
PLAIN = bytes.fromhex("0f00000001000203")
COUNTER = 77


def body(control: int, *, ek: bytes = EK, ak: bytes = AK, bound: bytes = b"") -> bytes:
    """Security header and protected part, made with the primitive itself."""
    head = bytes((control,)) + COUNTER.to_bytes(4, "big")
    if not control & 0x30:
        return head + PLAIN
    cipher = Cipher(algorithms.AES(ek), modes.GCM(TITLE + COUNTER.to_bytes(4, "big"))).encryptor()
    if not control & 0x20:
        cipher.authenticate_additional_data(bytes((control,)) + ak + bound + PLAIN)
        cipher.finalize()
        return head + PLAIN + cipher.tag[:12]
    if control & 0x10:
        cipher.authenticate_additional_data(bytes((control,)) + ak + bound)
    text = cipher.update(PLAIN) + cipher.finalize()
    return head + text + (cipher.tag[:12] if control & 0x10 else b"")


def sized(octets: bytes) -> bytes:
    return encode_length(len(octets)) + octets


def opened(octets: bytes, keys: ReadKeys) -> bytes:
    return protection.unprotect(protection.parse(octets), keys)


KEYS = ReadKeys(EK, AK)


@pytest.mark.parametrize("tag", [0xDB, 0xDC])
@pytest.mark.parametrize("suite", [0, 1])
@pytest.mark.parametrize("control", [0x10, 0x20, 0x30, 0x70])
def test_general_glo_and_ded_with_every_control(tag: int, suite: int, control: int) -> None:
    octets = bytes((tag,)) + sized(TITLE) + sized(body(control | suite))
    assert opened(octets, KEYS) == PLAIN
    if control & 0x10:
        for wrong in (ReadKeys(EK, bytes(16)), ReadKeys(bytes(16), AK)):
            with pytest.raises(AuthFailed):
                opened(octets, wrong)
        with pytest.raises(KeyMissing):
            opened(octets, ReadKeys(EK))
    with pytest.raises(KeyMissing):
        opened(octets, ReadKeys())


def test_suite_2_has_keys_of_32_octets() -> None:
    octets = b"\xdb" + sized(TITLE) + sized(body(0x32, ek=EK256, ak=AK256))
    assert opened(octets, ReadKeys(EK256, AK256)) == PLAIN
    with pytest.raises(Malformed):
        ReadKeys(bytes(24))


@pytest.mark.parametrize("tag", [0xC8, 0xCA, 0xCB, 0xCC, 0xCF, 0xD0, 0xD4, 0xD7, 0x21])
def test_service_specific_forms_need_the_senders_title(tag: int) -> None:
    octets = bytes((tag,)) + sized(body(0x30))
    assert opened(octets, ReadKeys(EK, AK, TITLE)) == PLAIN
    with pytest.raises(KeyMissing, match="system_title"):
        opened(octets, KEYS)


HEAD = sized(b"\x00" * 7 + b"\x01") + sized(TITLE) + sized(b"HEADEND1") + sized(b"") + sized(b"")


@pytest.mark.parametrize("bound", [HEAD, b"\x00" * 7 + b"\x01" + TITLE + b"HEADEND1"])
def test_general_ciphering_with_an_identified_key(bound: bytes) -> None:
    octets = b"\xdd" + HEAD + b"\x01\x00\x00" + sized(body(0x30, bound=bound))
    envelope = protection.parse(octets)
    assert (envelope.system_title, envelope.counter) == (TITLE, COUNTER)
    assert protection.unprotect(envelope, KEYS) == PLAIN
    with pytest.raises(AuthFailed):
        opened(octets.replace(b"HEADEND1", b"HEADEND2"), KEYS)


@pytest.mark.parametrize(
    ("information", "word"), [("0102" + "0102" + "020000", "agreement"), ("0101" + "00" + "020000", "wrapped")]
)
def test_other_keys_of_general_ciphering_are_said_to_be_missing(information: str, word: str) -> None:
    with pytest.raises(KeyMissing, match=word):
        protection.parse(b"\xdd" + HEAD + bytes.fromhex(information) + sized(body(0x31)))


def test_what_is_not_protected_not_known_or_compressed() -> None:
    assert opened(b"\xdb" + sized(TITLE) + sized(body(0x00)), ReadKeys()) == PLAIN
    with pytest.raises(Malformed, match="compressed"):
        opened(b"\xdb" + sized(TITLE) + sized(body(0xB0)), KEYS)
    with pytest.raises(Malformed, match="suite 3"):
        opened(b"\xdb" + sized(TITLE) + sized(body(0x33)), KEYS)
    with pytest.raises(UnknownApdu):
        protection.parse(b"\x0f")
    with pytest.raises(Malformed):
        protection.parse(b"\xdb" + sized(TITLE[:7]) + sized(body(0x30)))


def test_a_tail_is_passed_over_only_where_it_is_expected() -> None:
    octets = ciphering.protect(PLAIN, keys=ciphering.Keys(EK, AK), system_title=TITLE, counter=COUNTER) + b"\x01\x02"
    with pytest.raises(Malformed):
        protection.parse(octets)
    assert protection.unprotect(protection.parse(octets, tail_ok=True), KEYS) == PLAIN


def test_any_altered_or_missing_octet_is_refused() -> None:
    octets = ciphering.protect(PLAIN, keys=ciphering.Keys(EK, AK), system_title=TITLE, counter=COUNTER)
    for position in range(len(octets)):
        altered = bytearray(octets)
        altered[position] ^= 0x01
        for wrong in (bytes(altered), octets[:position]):
            try:
                plain = opened(wrong, KEYS)
            except DlmsError:
                continue
            raise AssertionError(f"octet {position}: {plain.hex()}")


def test_keys_are_never_printed() -> None:
    assert repr(KEYS) == str(KEYS) == "ReadKeys(hidden)"
