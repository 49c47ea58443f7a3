# SPDX-License-Identifier: Apache-2.0
"""
EA11 (MISTY1, RFC 2994) over many blocks with a key each: key schedule and cipher on columns of 16-bit words.

FI is two look-ups with the subkey between them, in two tables of 65,536 words made from S7 and S9.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from duaarah.core.sts.misty1_tables import S7, S9

Halves = NDArray[np.uint16]
Block32 = tuple[Halves, Halves]


@lru_cache(maxsize=4)
def fi_tables(s7: tuple[int, ...], s9: tuple[int, ...]) -> tuple[Halves, Halves]:
    """FI before and after its subkey (7 bits above 9), for every 16-bit word."""
    seven, nine = np.array(s7, dtype=np.uint16), np.array(s9, dtype=np.uint16)
    word = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    d9 = nine[word >> 7] ^ word & 0x7F
    d7 = seven[word & 0x7F] ^ d9 & 0x7F
    before = d7 << 9 | d9
    after = word & 0xFE00 | nine[word & 0x1FF] ^ word >> 9
    return before.astype(np.uint16), after.astype(np.uint16)


class Rows:
    """MISTY1 for one batch of keys, (n, 16) octets."""

    def __init__(self, keys: NDArray[np.uint8]) -> None:
        count = keys.shape[0]
        self._before, self._after = fi_tables(S7, S9)
        self._index = np.empty(count, dtype=np.intp)
        words = np.ascontiguousarray(keys).view(">u2").reshape(count, 8)
        plain = np.ascontiguousarray(words.T.astype(np.uint16))
        self._k = [*plain, *(self._fi(plain[i], plain[(i + 1) % 8]) for i in range(8))]

    def _fi(self, value: Halves, key: Halves) -> Halves:
        # An index of the machine's own width and "wrap" spare NumPy a copy and a check; 16 bits cannot be out of range.
        np.copyto(self._index, value)
        half = np.take(self._before, self._index, mode="wrap")
        half ^= key
        np.copyto(self._index, half)
        return np.take(self._after, self._index, out=half, mode="wrap")

    def _fo(self, value: Block32, i: int) -> Block32:
        k = self._k
        t0, t1 = value
        t0 = self._fi(t0 ^ k[i], k[(i + 5) % 8 + 8])
        t0 ^= t1
        t1 = self._fi(t1 ^ k[(i + 2) % 8], k[(i + 1) % 8 + 8])
        t1 ^= t0
        t0 = self._fi(t0 ^ k[(i + 7) % 8], k[(i + 3) % 8 + 8])
        t0 ^= t1
        return t1 ^ k[(i + 4) % 8], t0

    def _fl_keys(self, i: int) -> tuple[Halves, Halves]:
        """The subkeys of FL number i: for its AND and for its OR."""
        j = i // 2
        if i % 2 == 0:
            return self._k[j], self._k[(j + 6) % 8 + 8]
        return self._k[(j + 2) % 8 + 8], self._k[(j + 4) % 8]

    def _fl(self, value: Block32, i: int) -> Block32:
        for_and, for_or = self._fl_keys(i)
        d0, d1 = value
        d1 = d1 ^ d0 & for_and
        return d0 ^ (d1 | for_or), d1

    def _fl_inverse(self, value: Block32, i: int) -> Block32:
        for_and, for_or = self._fl_keys(i)
        d0, d1 = value
        d0 = d0 ^ (d1 | for_or)
        return d0, d1 ^ d0 & for_and

    def encrypt(self, blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """One 64-bit block a row."""
        d0, d1 = _split(blocks)
        for i in range(0, 8, 2):
            d0, d1 = self._fl(d0, i), self._fl(d1, i + 1)
            d1 = _xor(d1, self._fo(d0, i))
            d0 = _xor(d0, self._fo(d1, i + 1))
        return _joined(self._fl(d1, 9), self._fl(d0, 8))

    def decrypt(self, blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The inverse of `encrypt`."""
        d1, d0 = _split(blocks)
        d0, d1 = self._fl_inverse(d0, 8), self._fl_inverse(d1, 9)
        for i in range(6, -1, -2):
            d0 = _xor(d0, self._fo(d1, i + 1))
            d1 = _xor(d1, self._fo(d0, i))
            d0, d1 = self._fl_inverse(d0, i), self._fl_inverse(d1, i + 1)
        return _joined(d0, d1)


def _xor(left: Block32, right: Block32) -> Block32:
    return left[0] ^ right[0], left[1] ^ right[1]


def _split(blocks: NDArray[np.uint64]) -> tuple[Block32, Block32]:
    words = [(blocks >> np.uint64(shift)).astype(np.uint16) for shift in (48, 32, 16, 0)]
    return (words[0], words[1]), (words[2], words[3])


def _joined(high: Block32, low: Block32) -> NDArray[np.uint64]:
    made = high[0].astype(np.uint64)
    for word in (high[1], *low):
        made <<= np.uint64(16)
        made |= word
    return made
