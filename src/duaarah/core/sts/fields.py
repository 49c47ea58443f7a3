# SPDX-License-Identifier: Apache-2.0
"""
What the 44 bits behind the subclass mean, for each class and subclass (IEC 62055-41, 6.2).

The layouts are a table; `pack` and `unpack` walk it, so that both directions cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from duaarah.core.sts.errors import BadRequest, FieldRange

_TRANSFER = (("rnd", 4), ("tid", 24), ("field", 16))
_CURRENCY = (("se", 4), ("tid", 24), ("field", 16))

LAYOUTS: Mapping[tuple[int, int], tuple[tuple[str, int], ...]] = {
    **{(0, subclass): _TRANSFER for subclass in range(4)},
    **{(0, subclass): _CURRENCY for subclass in range(4, 8)},
    (1, 0): (("control", 36), ("mfr", 8)),
    (1, 1): (("control", 28), ("mfr", 16)),
    (1, 2): (("control", 36), ("mfr", 8)),
    **{(2, subclass): _TRANSFER for subclass in (0, 1, 2, 5, 6, 7, 10)},
    (2, 3): (("kenho", 4), ("krn", 4), ("ro", 1), ("kct", 1), ("kt", 2), ("nkho", 32)),
    (2, 4): (("kenlo", 4), ("ti", 8), ("nklo", 32)),
    (2, 8): (("sgclo", 12), ("nkmo2", 32)),
    (2, 9): (("sgcho", 12), ("nkmo1", 32)),
}

TRANSFER_CREDIT = frozenset((0, subclass) for subclass in range(8))
POWER = frozenset({(2, 0), (2, 6)})
KEY_CHANGE = frozenset({(2, 3), (2, 4), (2, 8), (2, 9)})
CLEAR_CREDIT = (2, 1)
CLEAR_TAMPER = (2, 5)
EXTENDED_SET = (2, 10)


@dataclass(frozen=True, slots=True)
class Fields:
    """One token's content: its class, its subclass, and its fields by name."""

    token_class: int
    subclass: int
    values: Mapping[str, int]

    @property
    def kind(self) -> tuple[int, int]:
        return self.token_class, self.subclass

    @property
    def tid(self) -> int | None:
        return self.values.get("tid")


def pack(token_class: int, subclass: int, values: Mapping[str, int]) -> int:
    """
    The 48-bit payload.

    Raises:
        BadRequest: no such class and subclass, or a field is missing.
        FieldRange: a value does not fit its bits.
    """
    layout = LAYOUTS.get((token_class, subclass))
    if layout is None:
        raise BadRequest(f"Class {token_class} subclass {subclass} is not supported.")
    payload = subclass
    for name, bits in layout:
        if name not in values:
            raise BadRequest(f"Class {token_class} subclass {subclass} needs {name}.")
        if not 0 <= values[name] < 1 << bits:
            raise FieldRange(f"{name} has {bits} bits.")
        payload = payload << bits | values[name]
    return payload


def unpack(token_class: int, payload48: int) -> Fields | None:
    """The fields of a payload, or None where this class and subclass are not supported."""
    subclass = payload48 >> 44
    layout = LAYOUTS.get((token_class, subclass))
    if layout is None:
        return None
    values: dict[str, int] = {}
    for name, bits in reversed(layout):
        values[name] = payload48 & (1 << bits) - 1
        payload48 >>= bits
    return Fields(token_class, subclass, {name: values[name] for name, _ in layout})
