"""The GSM 7-bit default alphabet: every septet there and back, the extension table's price, what does not fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.gsm7 import NotInAlphabet, TooLong, decode, encode, one_segment, septets

ESC = 0x1B
# 3GPP TS 23.038 table 6.2.1.1 by code point, written here a second time.
EXTENSION = {"\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40}
EXTENSION["€"] = 0x65
BASIC = "".join(decode(bytes([septet])) for septet in range(128) if septet != ESC)


def test_the_basic_alphabet_has_127_characters_and_each_comes_back_as_its_septet() -> None:
    assert len(BASIC) == len(set(BASIC)) == 127
    assert [decode(encode(char)) for char in BASIC] == list(BASIC)
    assert list(encode(BASIC)) == [septet for septet in range(128) if septet != ESC]


@pytest.mark.parametrize(
    ("char", "septet"),
    [
        ("@", 0x00),
        ("$", 0x02),
        ("Ç", 0x09),
        ("\n", 0x0A),
        ("\r", 0x0D),
        ("Δ", 0x10),
        ("_", 0x11),
        ("Ξ", 0x1A),
        ("É", 0x1F),
        (" ", 0x20),
        ("¤", 0x24),
        ("0", 0x30),
        ("?", 0x3F),
        ("¡", 0x40),
        ("A", 0x41),
        ("§", 0x5F),
        ("¿", 0x60),
        ("z", 0x7A),
        ("à", 0x7F),
    ],
)
def test_known_places_of_the_basic_table(char: str, septet: int) -> None:
    assert encode(char) == bytes([septet])


@pytest.mark.parametrize(("char", "septet"), EXTENSION.items())
def test_a_character_of_the_extension_table_takes_two_septets(char: str, septet: int) -> None:
    assert encode(char) == bytes([ESC, septet])
    assert decode(bytes([ESC, septet])) == char
    assert septets(f"a{char}b") == 4


def test_septets_of_a_mixed_text() -> None:
    assert septets("Rp50.000 [A] €1") == 15 + 3
    assert septets("") == 0


@pytest.mark.parametrize("char", ["`", "ç", "\x1b", "\t", "“", "–", "Ā", "😀", "\x00", "\ud800"])
def test_what_the_alphabet_does_not_have_is_refused(char: str) -> None:
    for ask in (encode, septets, one_segment):
        with pytest.raises(NotInAlphabet) as refused:
            ask(f"a{char}")
        assert refused.value.code == "gsm7_character" and refused.value.retryable is False


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x1bA", "A"),  # unknown to the extension table: the basic table's character
        (b"\x1b\x1bA", " A"),  # reserved for another table: a space
        (b"A\x1b", "A"),  # cut off
        (b"\x80\xff", "??"),
        (b"\x1b\x80", "?"),
    ],
)
def test_what_a_phone_sends_wrong_is_still_text(octets: bytes, text: str) -> None:
    assert decode(octets) == text


def test_one_segment_is_160_septets_of_the_basic_set() -> None:
    one_segment("a" * 160)
    with pytest.raises(TooLong, match="161 septets"):
        one_segment("a" * 161)
    for char in EXTENSION:
        with pytest.raises(NotInAlphabet):
            one_segment(char)


@given(st.text(alphabet=st.sampled_from(BASIC + "".join(EXTENSION))))
def test_every_text_of_the_alphabet_comes_back(text: str) -> None:
    octets = encode(text)
    assert decode(octets) == text
    assert len(octets) == septets(text) == len(text) + sum(char in EXTENSION for char in text)
    assert max(octets, default=0) < 128


@given(st.text())
def test_any_text_is_encoded_whole_or_refused_by_name(text: str) -> None:
    try:
        octets = encode(text)
    except NotInAlphabet:
        assert set(text) - set(BASIC) - set(EXTENSION)
    else:
        assert decode(octets) == text


@given(st.binary())
def test_no_octets_disturb_the_decoder(octets: bytes) -> None:
    assert len(decode(octets)) <= len(octets)
