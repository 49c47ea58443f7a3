# SPDX-License-Identifier: Apache-2.0
"""
The substitution and permutation tables of EA07 (the Standard Transfer Algorithm of IEC 62055-41).

They live here and nowhere else, so that a licensee can put his own in place: `EA07Tables` takes any. Two sets circulate
in public; these are the ones that published conformance tokens were made with (a token made with the other never
verifies, and a test says so). `load_tables` reads another set, `use_tables` makes it the process's own, once, at start.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from duaarah.core.sts.errors import TablesInvalid

# fmt: off
S1 = (
    14, 10, 7, 9, 12, 3, 2, 5, 13, 0, 15, 1, 4, 8, 6, 11,
)
S2 = (
    12, 8, 2, 13, 7, 6, 1, 3, 11, 5, 9, 15, 0, 4, 10, 14,
)
P = (
    55, 42, 10, 18, 24, 21, 44, 35, 2, 22, 56, 43, 27, 58, 9, 50,
    6, 36, 12, 61, 37, 38, 53, 16, 62, 3, 7, 4, 32, 20, 63, 25,
    51, 52, 54, 33, 49, 19, 46, 29, 48, 31, 23, 30, 41, 28, 13, 5,
    40, 60, 39, 11, 15, 17, 1, 0, 57, 34, 59, 8, 47, 14, 45, 26,
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Tables:
    """Two S-boxes of 16 nibbles and the place that each of 64 bits goes to. Raises TablesInvalid unless permutations."""

    s1: tuple[int, ...]
    s2: tuple[int, ...]
    p: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, table, size in (("S1", self.s1, 16), ("S2", self.s2, 16), ("P", self.p, 64)):
            if sorted(table) != list(range(size)):
                raise TablesInvalid(f"The EA07 table {name} is not a permutation of 0 to {size - 1}.")


STANDARD = Tables(S1, S2, P)
_in_use = STANDARD


def load_tables(text: str) -> Tables:
    """
    Tables from JSON: {"s1": [16 numbers], "s2": [16 numbers], "p": [64 numbers]}.

    Raises:
        TablesInvalid: not that shape, or not permutations.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise TablesInvalid("EA07 tables are one JSON object with s1, s2 and p.")
    return Tables(*(_row(content.get(name), name) for name in ("s1", "s2", "p")))


def _row(value: object, name: str) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or any(type(item) is not int for item in value):
        raise TablesInvalid(f"The EA07 table {name} is missing or not a list of integers.")
    return tuple(value)


def use_tables(tables: Tables) -> None:
    """Make keys of this process use these tables from now on; a key that has ciphered already keeps its own."""
    global _in_use
    _in_use = tables


def tables_in_use() -> Tables:
    """The tables that new decoder keys take."""
    return _in_use
