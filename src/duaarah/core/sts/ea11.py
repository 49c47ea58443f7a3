# SPDX-License-Identifier: Apache-2.0
"""EA11: MISTY1 with eight rounds and a 128-bit key over one 64-bit block (IEC 62055-41, 6.5.5; RFC 2994)."""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.core.sts.misty1_tables import S7, S9


def _fi(value: int, key: int) -> int:
    """RFC 2994, 2.1: 9- and 7-bit halves through S9, S7, S9 with a 16-bit subkey in between."""
    d9, d7 = value >> 7, value & 0x7F
    d9 = S9[d9] ^ d7
    d7 = S7[d7] ^ d9 & 0x7F
    d7 ^= key >> 9
    d9 ^= key & 0x1FF
    d9 = S9[d9] ^ d7
    return d7 << 9 | d9


def _fo(value: int, k: tuple[int, ...], i: int) -> int:
    ek, n = k, i
    t0, t1 = value >> 16, value & 0xFFFF
    t0 ^= ek[n]
    t0 = _fi(t0, ek[(n + 5) % 8 + 8])
    t0 ^= t1
    t1 ^= ek[(n + 2) % 8]
    t1 = _fi(t1, ek[(n + 1) % 8 + 8])
    t1 ^= t0
    t0 ^= ek[(n + 7) % 8]
    t0 = _fi(t0, ek[(n + 3) % 8 + 8])
    t0 ^= t1
    t1 ^= ek[(n + 4) % 8]
    return t1 << 16 | t0


def _fl(value: int, k: tuple[int, ...], i: int) -> int:
    d0, d1 = value >> 16, value & 0xFFFF
    if i % 2 == 0:
        d1 ^= d0 & k[i // 2]
        d0 ^= d1 | k[(i // 2 + 6) % 8 + 8]
    else:
        d1 ^= d0 & k[((i - 1) // 2 + 2) % 8 + 8]
        d0 ^= d1 | k[((i - 1) // 2 + 4) % 8]
    return d0 << 16 | d1


def _fl_inverse(value: int, k: tuple[int, ...], i: int) -> int:
    d0, d1 = value >> 16, value & 0xFFFF
    if i % 2 == 0:
        d0 ^= d1 | k[(i // 2 + 6) % 8 + 8]
        d1 ^= d0 & k[i // 2]
    else:
        d0 ^= d1 | k[((i - 1) // 2 + 4) % 8]
        d1 ^= d0 & k[((i - 1) // 2 + 2) % 8 + 8]
    return d0 << 16 | d1


@dataclass(frozen=True, slots=True, repr=False)
class MISTY1:
    """The cipher under one key; `subkeys` are K1..K8 and K'1..K'8."""

    subkeys: tuple[int, ...]

    @classmethod
    def from_key(cls, key: bytes) -> MISTY1:
        """Raises ValueError unless the key is 16 octets."""
        if len(key) != 16:
            raise ValueError("MISTY1 takes a key of 16 octets.")
        k = [int.from_bytes(key[i : i + 2], "big") for i in range(0, 16, 2)]
        return cls((*k, *(_fi(k[i], k[(i + 1) % 8]) for i in range(8))))

    def encrypt(self, block: int) -> int:
        """One 64-bit block."""
        k = self.subkeys
        d0, d1 = block >> 32, block & 0xFFFFFFFF
        for i in range(0, 8, 2):
            d0, d1 = _fl(d0, k, i), _fl(d1, k, i + 1)
            d1 ^= _fo(d0, k, i)
            d0 ^= _fo(d1, k, i + 1)
        d0, d1 = _fl(d0, k, 8), _fl(d1, k, 9)
        return d1 << 32 | d0

    def decrypt(self, block: int) -> int:
        """One 64-bit block."""
        k = self.subkeys
        d1, d0 = block >> 32, block & 0xFFFFFFFF
        d0, d1 = _fl_inverse(d0, k, 8), _fl_inverse(d1, k, 9)
        for i in range(6, -1, -2):
            d0 ^= _fo(d1, k, i + 1)
            d1 ^= _fo(d0, k, i)
            d0, d1 = _fl_inverse(d0, k, i), _fl_inverse(d1, k, i + 1)
        return d0 << 32 | d1
