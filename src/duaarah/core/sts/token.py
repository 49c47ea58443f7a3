# SPDX-License-Identifier: Apache-2.0
"""
From a 48-bit payload to 20 digits and back (IEC 62055-41, 6.4): CRC, encryption, transposition of the class bits.

Classes 0 and 2 are encrypted, class 1 is clear. The first four bits of every payload are the subclass.
"""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.core.sts.crc import crc
from duaarah.core.sts.decoder_key import DecoderKey
from duaarah.core.sts.errors import FieldRange, TokenLength, TokenRange

TOKEN_MAX = (1 << 66) - 1
CURRENCY_SUBCLASSES = range(4, 8)
_CLASS_SHIFT = 27
_LOW = (1 << _CLASS_SHIFT) - 1


def is_currency(token_class: int, subclass: int) -> bool:
    """Currency credits carry CRC_C, so that a meter that does not know them refuses them."""
    return token_class == 0 and subclass in CURRENCY_SUBCLASSES


def insert_class(token_class: int, block: int) -> int:
    """66 bits: bits 28..27 of the block move to the top, the class takes their place."""
    return (block >> _CLASS_SHIFT & 3) << 64 | block & ~(3 << _CLASS_SHIFT) | token_class << _CLASS_SHIFT


def extract_class(token66: int) -> tuple[int, int]:
    """The class, and the 64-bit block as it was."""
    token_class = token66 >> _CLASS_SHIFT & 3
    block = token66 & ((1 << 64) - 1) & ~(3 << _CLASS_SHIFT) | (token66 >> 64) << _CLASS_SHIFT
    return token_class, block


def seal(token_class: int, payload48: int, key: DecoderKey | None) -> str:
    """
    The 20 digits of a payload; `key` is None for class 1 only.

    Raises:
        FieldRange: the payload does not fit 48 bits.
    """
    if not 0 <= payload48 < 1 << 48:
        raise FieldRange("A token's payload has 48 bits.")
    currency = is_currency(token_class, payload48 >> 44)
    block = payload48 << 16 | crc(token_class, payload48, currency=currency)
    if token_class != 1:
        if key is None:
            raise ValueError("A token of class 0 or 2 needs a decoder key.")
        block = key.encrypt(block)
    return f"{insert_class(token_class, block):020d}"


@dataclass(frozen=True, slots=True)
class Opened:
    """Class, 48-bit payload, and whether the check sum agreed."""

    token_class: int
    payload48: int
    crc_fits: bool

    @property
    def subclass(self) -> int:
        return self.payload48 >> 44


def parse(token: str) -> int:
    """
    The number that 20 digits are.

    Raises:
        TokenLength: not 20 digits.
        TokenRange: 2^66 or more.
    """
    if len(token) != 20 or not (token.isascii() and token.isdigit()):
        raise TokenLength("A token is 20 digits.")
    number = int(token)
    if number > TOKEN_MAX:
        raise TokenRange("No token is that large; please check the digits.")
    return number


def open_token(token: str, key: DecoderKey | None) -> Opened:
    """
    Take a token apart; a wrong key shows as a check sum that does not fit.

    Raises:
        TokenLength, TokenRange: these digits are no token at all.
    """
    token_class, block = extract_class(parse(token))
    if token_class in (0, 2):
        if key is None:
            raise ValueError("A token of class 0 or 2 needs a decoder key.")
        block = key.decrypt(block)
    payload48 = block >> 16
    currency = is_currency(token_class, payload48 >> 44)
    return Opened(token_class, payload48, block & 0xFFFF == crc(token_class, payload48, currency=currency))
