# SPDX-License-Identifier: Apache-2.0
"""The GSM 7-bit default alphabet (3GPP TS 23.038, 6.2.1): counting septets, octets as SMPP carries them (unpacked)."""

from __future__ import annotations

# Position = septet. ESC (0x1B) stands at its place and is not a character.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
_EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
_ESC = 0x1B
_SEPTET = {char: septet for septet, char in enumerate(_BASIC) if septet != _ESC}
_FROM_EXTENSION = {septet: char for char, septet in _EXTENSION.items()}
SEGMENT_SEPTETS = 160


class GSM7Error(ValueError):
    """The text cannot go out as it is."""

    code = "gsm7"
    retryable = False


class NotInAlphabet(GSM7Error):
    """A character that the alphabet does not have."""

    code = "gsm7_character"


class TooLong(GSM7Error):
    """More than one segment."""

    code = "gsm7_length"


def septets(text: str) -> int:
    """Length on the air; characters of the extension table count two. Raises NotInAlphabet."""
    return len(encode(text))


def encode(text: str) -> bytes:
    """One octet a septet. Raises NotInAlphabet."""
    octets = bytearray()
    for char in text:
        if char in _SEPTET:
            octets.append(_SEPTET[char])
        elif char in _EXTENSION:
            octets += bytes((_ESC, _EXTENSION[char]))
        else:
            raise NotInAlphabet(f"{char!r} is not in the GSM alphabet.")
    return bytes(octets)


def decode(octets: bytes) -> str:
    """
    Text of unpacked septets, never an error: a phone sent it.

    After ESC, what the extension table does not know is the basic table's character, and a second ESC a space (3GPP TS
    23.038, 6.2.1.1); an octet that is no septet becomes a question mark.
    """
    chars = []
    escaped = False
    for octet in octets:
        if octet == _ESC and not escaped:
            escaped = True
            continue
        if octet == _ESC:
            chars.append(" ")
        elif escaped and octet in _FROM_EXTENSION:
            chars.append(_FROM_EXTENSION[octet])
        else:
            chars.append(_BASIC[octet] if octet < len(_BASIC) else "?")
        escaped = False
    return "".join(chars)


def one_segment(text: str) -> None:
    """
    Pass only what fits one SMS in the basic set: filters and old handsets garble the extension table.

    Raises:
        NotInAlphabet: a character outside the basic set.
        TooLong: more than 160 septets.
    """
    for char in text:
        if char not in _SEPTET:
            raise NotInAlphabet(f"{char!r} is not in the GSM basic set.")
    if len(text) > SEGMENT_SEPTETS:
        raise TooLong(f"{len(text)} septets do not fit one SMS.")
