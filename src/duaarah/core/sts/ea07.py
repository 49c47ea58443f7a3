# SPDX-License-Identifier: Apache-2.0
"""
EA07, the Standard Transfer Algorithm (IEC 62055-41, 6.5.4): 16 rounds of substitution, permutation and key rotation.

Substitution and permutation are fused into tables: one 64-bit word for each octet place, pair of select bits and octet
value. A round is then eight look-ups and seven XORs, and the key schedule is a choice of tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from duaarah.core.sts import sta_tables

_MASK64 = (1 << 64) - 1
ROUNDS = 16
Schedule = tuple[tuple[tuple[int, ...], ...], ...]


def _rotl(value: int, count: int) -> int:
    return (value << count | value >> (64 - count)) & _MASK64


class EA07Tables:
    """The cipher over one set of S-boxes and permutation. Raises ValueError for tables that are not permutations."""

    def __init__(self, s1: Sequence[int], s2: Sequence[int], p: Sequence[int]) -> None:
        if sorted(s1) != list(range(16)) or sorted(s2) != list(range(16)) or sorted(p) != list(range(64)):
            raise ValueError("EA07 needs two permutations of 0..15 and one of 0..63.")
        self.s1, self.s2, self.p = tuple(s1), tuple(s2), tuple(p)
        inverse_p = [0] * 64
        for source, target in enumerate(p):
            inverse_p[target] = source
        self._encrypt = self._fuse((tuple(s1), tuple(s2)), p)
        inverses = tuple(tuple(s.index(v) for v in range(16)) for s in (list(s2), list(s1)))
        self._decrypt = self._fuse(inverses, inverse_p)
        # The last round of decryption has no permutation behind it, the first one has one before it.
        self._substitute = self._fuse(inverses, range(64))
        self._permute = self._fuse((tuple(range(16)), tuple(range(16))), inverse_p)

    @staticmethod
    def _fuse(boxes: Sequence[Sequence[int]], p: Sequence[int]) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """[octet place][low select | high select << 1] -> 256 words."""
        places = []
        for place in range(8):
            words = [[0] * 16 for _ in range(2)]
            for nibble in range(2):
                for value in range(16):
                    first = 8 * place + 4 * nibble
                    words[nibble][value] = sum(1 << p[first + bit] for bit in range(4) if value >> bit & 1)
            places.append(
                tuple(
                    tuple(
                        words[0][boxes[select & 1][octet & 15]] | words[1][boxes[select >> 1][octet >> 4]]
                        for octet in range(256)
                    )
                    for select in range(4)
                )
            )
        return tuple(places)

    def encryption_schedule(self, decoder_key: int) -> Schedule:
        """The tables of all 16 rounds for a 64-bit decoder key."""
        masks = _masks(_rotl(~decoder_key & _MASK64, 52))
        # Round r selects by the highest bit of each nibble of the key rotated left by r: bit 4i + 3 - r of the key itself.
        return tuple(_chosen(self._encrypt, _rotated(masks, 3 - r)) for r in range(ROUNDS))

    def decryption_schedule(self, decoder_key: int) -> Schedule:
        """The initial permutation, then the tables of all 16 rounds."""
        masks = _masks(decoder_key)
        rounds = [_chosen(self._decrypt, _rotated(masks, r)) for r in range(ROUNDS - 1)]
        return (_chosen(self._permute, 0), *rounds, _chosen(self._substitute, _rotated(masks, ROUNDS - 1)))


def _masks(key: int) -> tuple[int, ...]:
    """For each of the four bits of a nibble, that bit of all 16 nibbles of a key: what every round selects from."""
    masks = []
    for bit in range(4):
        value = key >> bit & 0x1111111111111111
        value = (value | value >> 3) & 0x0303030303030303
        value = (value | value >> 6) & 0x000F000F000F000F
        value = (value | value >> 12) & 0x000000FF000000FF
        masks.append((value | value >> 24) & 0xFFFF)
    return tuple(masks)


def _rotated(masks: tuple[int, ...], first: int) -> int:
    """The 16 select bits at 4i + `first` (which may be negative), i being the nibble."""
    mask, places = masks[first % 4], first // 4 % 16
    return (mask >> places | mask << 16 - places) & 0xFFFF


def _chosen(tables: tuple[tuple[tuple[int, ...], ...], ...], mask: int) -> tuple[tuple[int, ...], ...]:
    """The eight tables of a round, two select bits each."""
    t0, t1, t2, t3, t4, t5, t6, t7 = tables
    return (
        t0[mask & 3],
        t1[mask >> 2 & 3],
        t2[mask >> 4 & 3],
        t3[mask >> 6 & 3],
        t4[mask >> 8 & 3],
        t5[mask >> 10 & 3],
        t6[mask >> 12 & 3],
        t7[mask >> 14],
    )


def run(schedule: Schedule, block: int) -> int:
    """Put one 64-bit block through a schedule."""
    for t0, t1, t2, t3, t4, t5, t6, t7 in schedule:
        block = (
            t0[block & 255]
            ^ t1[block >> 8 & 255]
            ^ t2[block >> 16 & 255]
            ^ t3[block >> 24 & 255]
            ^ t4[block >> 32 & 255]
            ^ t5[block >> 40 & 255]
            ^ t6[block >> 48 & 255]
            ^ t7[block >> 56]
        )
    return block


@lru_cache(maxsize=2)
def _fused(tables: sta_tables.Tables) -> EA07Tables:
    return EA07Tables(tables.s1, tables.s2, tables.p)


def standard_tables() -> EA07Tables:
    """The tables that `sta_tables` has in use, fused when first used."""
    return _fused(sta_tables.tables_in_use())
