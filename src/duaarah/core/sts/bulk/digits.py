# SPDX-License-Identifier: Apache-2.0
"""
Check sums, class bits and the 20 digits of many tokens (IEC 62055-41, 6.4).

66 bits do not fit a machine word: a token's number is held as `upper` (its 56 highest bits) and `lower` (the ten below).
10^10 = 2^10 x 9,765,625, so that quotient and remainder by 10^10 need `upper` alone, and all stays exact in 64 bits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duaarah.core.sts.bulk.rows import Texts, octets
from duaarah.core.sts.crc import crc

Words = NDArray[np.uint64]
DIGITS = 20
_CLASS_SHIFT = np.uint64(27)
_CLASS_HOLE = np.uint64(~(3 << 27) & 0xFFFFFFFFFFFFFFFF)
_LOWER_BITS = np.uint64(10)
_LOWER = np.uint64(1023)
_FIVE = 5**10
UPPER_LIMIT = 1 << 56


@lru_cache(maxsize=1)
def _crc_tables() -> tuple[NDArray[np.uint16], ...]:
    """
    The check sum is affine: one table for each 16 bits of the payload, one for the class, XORed together.

    The last one takes a plain check sum to the one over one more octet 01 (CRC_C).
    """
    zero = crc(0, 0)
    tables = []
    for shift in (32, 16, 0):
        bits = [crc(0, 1 << shift + bit) ^ zero for bit in range(16)]
        tables.append(_linear(bits))
    tables.append(np.array([crc(token_class, 0) for token_class in range(4)], dtype=np.uint16))
    # Every value of the check sum occurs among payloads of 16 bits, once: a 16-bit CRC is a permutation of them.
    payloads = range(1 << 16)
    further = np.zeros(1 << 16, dtype=np.uint16)
    further[[crc(0, payload) for payload in payloads]] = [crc(0, payload, currency=True) for payload in payloads]
    return (*tables, further)


def _linear(bits: list[int]) -> NDArray[np.uint16]:
    table = np.zeros(1, dtype=np.uint16)
    for value in bits:
        table = np.concatenate((table, table ^ np.uint16(value)))
    return table


def check_sums(token_class: NDArray[Any], payload48: Words, currency: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """The 16 bits that follow each payload; CRC_C where `currency`."""
    high, middle, low, classes, further = _crc_tables()
    payload = payload48.view(np.int64)
    made = np.take(high, payload >> 32, mode="wrap")
    made ^= np.take(middle, payload >> 16 & 0xFFFF, mode="wrap")
    made ^= np.take(low, payload & 0xFFFF, mode="wrap")
    made ^= classes[token_class]
    return np.where(currency, further[made], made) if currency.any() else made


def insert_class(token_class: NDArray[Any], blocks: Words) -> tuple[Words, Words]:
    """`upper` and `lower` of the 66 bits: bits 28..27 of the block move to the top, the class takes their place."""
    top = blocks >> _CLASS_SHIFT & np.uint64(3)
    rest = blocks & _CLASS_HOLE | token_class.astype(np.uint64) << _CLASS_SHIFT
    return top << np.uint64(54) | rest >> _LOWER_BITS, rest & _LOWER


def extract_class(upper: Words, lower: Words) -> tuple[NDArray[np.intp], Words]:
    """The classes, and the 64-bit blocks as they were."""
    rest = upper << _LOWER_BITS | lower
    token_class = (rest >> _CLASS_SHIFT & np.uint64(3)).astype(np.intp)
    return token_class, rest & _CLASS_HOLE | (upper >> np.uint64(54)) << _CLASS_SHIFT


@lru_cache(maxsize=1)
def _groups() -> NDArray[np.uint32]:
    """The four ASCII digits of 0..9999, as they lie in memory."""
    numbers = np.arange(10_000)
    digits = np.stack([numbers // place % 10 + 48 for place in (1000, 100, 10, 1)], axis=1)
    return np.ascontiguousarray(digits.astype(np.uint8)).view(np.uint32).reshape(-1)


def write(upper: Words, lower: Words, out: NDArray[np.bytes_]) -> None:
    """Writes each number as 20 digits into `out`, contiguous of dtype S20."""
    # Signed division by a constant is what NumPy does fastest; every number here is below 2^56.
    above = upper.view(np.int64)
    high = above // _FIVE
    low = (above - high * _FIVE << 10) + lower.view(np.int64)
    groups = out.view(np.uint32).reshape(-1, 5)
    table = _groups()
    hundreds = high // 100
    first = hundreds // 10_000
    tail = low // 10_000
    third = tail // 10_000
    groups[:, 0] = np.take(table, first, mode="wrap")
    groups[:, 1] = np.take(table, hundreds - first * 10_000, mode="wrap")
    groups[:, 2] = np.take(table, (high - hundreds * 100) * 100 + third, mode="wrap")
    groups[:, 3] = np.take(table, tail - third * 10_000, mode="wrap")
    groups[:, 4] = np.take(table, low - tail * 10_000, mode="wrap")


def read(tokens: Texts) -> tuple[Words, Words, NDArray[np.bool_], NDArray[np.bool_]]:
    """
    `upper` and `lower` of many tokens, which are not 20 digits, and which are 2^66 or more (both read as zero).

    Raises:
        BadRequest: neither a sequence of str nor an array of texts.
    """
    table, malformed = octets(tokens, DIGITS, "tokens")
    # Four ASCII digits are one word; two steps add neighbours up. "<u4": the first digit is the lowest octet everywhere.
    word = table.view("<u4") - np.uint32(0x30303030)
    word = word * np.uint32(10) + (word >> np.uint32(8)) & np.uint32(0x00FF00FF)
    word = word * np.uint32(100) + (word >> np.uint32(16)) & np.uint32(0xFFFF)
    g0, g1, g2, g3, g4 = (word[:, group].astype(np.uint64) for group in range(5))
    high = g0 * np.uint64(10**6) + g1 * np.uint64(100) + g2 // np.uint64(100)
    low = g2 % np.uint64(100) * np.uint64(10**8) + g3 * np.uint64(10_000) + g4
    upper = high * np.uint64(_FIVE) + (low >> _LOWER_BITS)
    lower = low & _LOWER
    large = upper >= np.uint64(UPPER_LIMIT)
    if large.any():
        upper, lower = np.where(large, np.uint64(0), upper), np.where(large, np.uint64(0), lower)
    return upper, lower, malformed, large
