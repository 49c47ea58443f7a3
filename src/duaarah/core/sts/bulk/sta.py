# SPDX-License-Identifier: Apache-2.0
"""
EA07 over many blocks with a key each, bit-sliced: 64 rows to a machine word, one word for each bit of the block.

Permutation and key rotation then cost nothing but a choice of words, and both S-boxes become one Boolean programme: with
x the four bits of a nibble and k its select bit, S(x) = A(x) ^ k & (A ^ B)(x). The programme is made from the tables
themselves (algebraic normal form, common pairs taken out), so that a licensee's own tables run as fast.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ROUNDS = 16
_BITS = 64
_ONES = 0
_AND, _XOR = 0, 1
Words = NDArray[np.uint64]
Step = tuple[int, int, int, int]
# (shift, mask) of the six exchanges that transpose a matrix of 64 x 64 bits.
_EXCHANGES = (
    (32, 0x00000000FFFFFFFF),
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


@dataclass(frozen=True, slots=True)
class Programme:
    """
    Steps (and or xor, target, left, right) over registers 0 = all ones, 1..4 = the nibble's bits, 5.. = scratch; and the
    registers of the four bits of A and of A ^ B (None where both boxes agree in a bit).
    """

    steps: tuple[Step, ...]
    base: tuple[int, ...]
    difference: tuple[int | None, ...]
    registers: int


def _normal_form(truth: Sequence[int]) -> set[int]:
    """Moebius transform of a function of four bits: the products (as sets of variables) whose XOR it is."""
    form = list(truth)
    for bit in range(4):
        for place in range(16):
            if place >> bit & 1:
                form[place] ^= form[place ^ 1 << bit]
    return {place for place in range(16) if form[place]}


def _factored(sums: list[set[int]], first: int) -> list[Step]:
    """Rewrites XOR sums in place to one term each; the pair that most sums share is taken out first."""
    steps: list[Step] = []
    while True:
        shared: dict[tuple[int, int], int] = {}
        for terms in sums:
            for pair in itertools.combinations(sorted(terms), 2):
                shared[pair] = shared.get(pair, 0) + 1
        if not shared:
            return steps
        pair = max(shared, key=lambda candidate: (shared[candidate], candidate))
        made = first + len(steps)
        steps.append((_XOR, made, *pair))
        for terms in sums:
            if terms >= set(pair):
                terms -= set(pair)
                terms.add(made)


def _products(sums: list[set[int]]) -> tuple[list[Step], dict[int, int]]:
    """The AND steps for every product that occurs, and the register of each."""
    registers = {0: _ONES, 1: 1, 2: 2, 4: 3, 8: 4}
    steps: list[Step] = []

    def register(product: int) -> int:
        if product not in registers:
            low = product & -product
            left, right = register(product ^ low), registers[low]
            registers[product] = 5 + len(steps)
            steps.append((_AND, registers[product], left, right))
        return registers[product]

    for product in sorted(set().union(*sums)):
        register(product)
    return steps, registers


def programme(a: Sequence[int], b: Sequence[int]) -> Programme:
    """The Boolean programme of two S-boxes of 16 nibbles."""
    sums = [_normal_form([a[x] >> bit & 1 for x in range(16)]) for bit in range(4)]
    sums += [_normal_form([(a[x] ^ b[x]) >> bit & 1 for x in range(16)]) for bit in range(4)]
    steps, registers = _products(sums)
    renamed = [{registers[product] for product in terms} for terms in sums]
    steps += _factored(renamed, 5 + len(steps))
    outputs = [next(iter(terms), None) for terms in renamed]
    base = tuple(register for register in outputs[:4] if register is not None)
    return _allocated(steps, base, tuple(outputs[4:]))


def _allocated(steps: list[Step], base: tuple[int, ...], difference: tuple[int | None, ...]) -> Programme:
    """The same programme with scratch registers used again as soon as their value is dead: the cache holds them all."""
    last = {register: index for index, (_, _, *sources) in enumerate(steps) for register in sources}
    kept = {*base, *difference}
    place = {register: register for register in range(5)}
    free: list[int] = []
    count = 5
    made: list[Step] = []
    for index, (kind, target, left, right) in enumerate(steps):
        sources = place[left], place[right]
        for register in {left, right}:
            if register >= 5 and register not in kept and last[register] == index:
                free.append(place[register])
        if free:
            place[target] = free.pop()
        else:
            place[target] = count
            count += 1
        made.append((kind, place[target], *sources))
    moved = tuple(None if register is None else place[register] for register in difference)
    return Programme(tuple(made), tuple(place[register] for register in base), moved, count)


def transpose(matrix: Words) -> None:
    """Transposes, in place, the 64 x 64 bits in each column of (64, words)."""
    words = matrix.shape[1]
    for shift, mask in _EXCHANGES:
        pairs = matrix.reshape(_BITS // (2 * shift), 2, shift, words)
        low, high = pairs[:, 0], pairs[:, 1]
        moved = low >> np.uint64(shift)
        moved ^= high
        moved &= np.uint64(mask)
        high ^= moved
        moved <<= np.uint64(shift)
        low ^= moved


def _planes(values: Words) -> Words:
    """(4, 16, words): bit b of nibble i of 64 rows a word, from 64 * words values."""
    matrix = values.reshape(_BITS, -1).copy()
    transpose(matrix)
    return np.ascontiguousarray(matrix.reshape(16, 4, -1).transpose(1, 0, 2))


def _values(planes: Words) -> Words:
    matrix = np.ascontiguousarray(planes.transpose(1, 0, 2)).reshape(_BITS, -1)
    transpose(matrix)
    return matrix.reshape(-1)


def _padded(values: Words) -> Words:
    missing = -values.size % _BITS
    return np.pad(values, (0, missing)) if missing else values


class BitslicedSTA:
    """The cipher over one set of S-boxes and permutation, checked by `EA07Tables`."""

    def __init__(self, s1: Sequence[int], s2: Sequence[int], p: Sequence[int]) -> None:
        self._encrypt = programme(s1, s2)
        self._decrypt = programme([list(s2).index(v) for v in range(16)], [list(s1).index(v) for v in range(16)])
        # Where bit j of the block stands among the planes: bit of the nibble first.
        plane = [(bit % 4) * 16 + bit // 4 for bit in range(_BITS)]
        forward, backward = [0] * _BITS, [0] * _BITS
        for source, target in enumerate(p):
            forward[plane[target]] = plane[source]
            backward[plane[source]] = plane[target]
        self._forward = np.array(forward, dtype=np.intp)
        self._backward = np.array(backward, dtype=np.intp)

    def encrypt(self, blocks: Words, keys: Words) -> Words:
        """64-bit blocks under a 64-bit decoder key each; two equally long arrays, a new one back."""
        return self._run(blocks, keys, encrypting=True)

    def decrypt(self, blocks: Words, keys: Words) -> Words:
        """The inverse of `encrypt`."""
        return self._run(blocks, keys, encrypting=False)

    def _run(self, blocks: Words, keys: Words, *, encrypting: bool) -> Words:
        # The round key of encryption is the complement of the decoder key, rotated right by twelve.
        select = _planes(_padded(~keys if encrypting else keys))
        # Twice behind one another, so that every rotation is one slice.
        select = np.concatenate((select, select), axis=1)
        state = _planes(_padded(blocks))
        words = state.shape[2]
        made = np.empty_like(state)
        boxes = self._encrypt if encrypting else self._decrypt
        scratch = [np.empty((16, words), dtype=np.uint64) for _ in range(boxes.registers - 5)]
        ones = np.full((16, words), 0xFFFFFFFFFFFFFFFF, dtype=np.uint64)
        flat_state, flat_made = state.reshape(_BITS, words), made.reshape(_BITS, words)
        for number in range(ROUNDS):
            offset = (15 - number if encrypting else number) % _BITS
            chosen = select[offset % 4, offset // 4 : offset // 4 + 16]
            if encrypting:
                _substitute(boxes, [ones, *state, *scratch], chosen, made)
                np.take(flat_made, self._forward, axis=0, out=flat_state, mode="clip")
            else:
                np.take(flat_state, self._backward, axis=0, out=flat_made, mode="clip")
                _substitute(boxes, [ones, *made, *scratch], chosen, state)
        return _values(state)[: blocks.size]


def _substitute(boxes: Programme, registers: list[Words], chosen: Words, out: Words) -> None:
    """One round's S-boxes of all rows and nibbles: registers as `Programme` says, into the four planes of `out`."""
    for kind, target, left, right in boxes.steps:
        if kind == _XOR:
            np.bitwise_xor(registers[left], registers[right], out=registers[target])
        else:
            np.bitwise_and(registers[left], registers[right], out=registers[target])
    for bit in range(4):
        difference = boxes.difference[bit]
        if difference is None:
            np.copyto(out[bit], registers[boxes.base[bit]])
        else:
            np.bitwise_and(chosen, registers[difference], out=out[bit])
            np.bitwise_xor(out[bit], registers[boxes.base[bit]], out=out[bit])


@lru_cache(maxsize=8)
def bitsliced(s1: tuple[int, ...], s2: tuple[int, ...], p: tuple[int, ...]) -> BitslicedSTA:
    """The cipher of three tables, made once for each set of values."""
    return BitslicedSTA(s1, s2, p)
