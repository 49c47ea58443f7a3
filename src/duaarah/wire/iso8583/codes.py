# SPDX-License-Identifier: Apache-2.0
"""
Response codes (field 39): what they mean, and what a client does about one in each phase, from codes.toml.

0068 on an inquiry is a failure; on a purchase, and on the advice about it, it means that nobody knows yet.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any


class Phase(StrEnum):
    """The exchange a code answers. A payment of a bill is a PURCHASE."""

    INQUIRY = "inquiry"
    PURCHASE = "purchase"
    ADVICE = "advice"
    REVERSAL = "reversal"
    NETWORK = "network"


class Verdict(StrEnum):
    """
    OK: done, book it. FAILED: there is no sale, the money goes back. PENDING: hold the money; a purchase, and an
    advice, asks by advice next, a reversal is repeated. SETTLED_ALREADY: a reversal that came too late: print and book.
    """

    OK = "ok"
    FAILED = "failed"
    PENDING = "pending"
    SETTLED_ALREADY = "settled_already"


_ALIASES = {"payment": Phase.PURCHASE, "advice_repeat": Phase.ADVICE, "reversal_repeat": Phase.REVERSAL}


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "codes.toml").read_text(encoding="utf-8"))


CODES: Mapping[str, str] = _tables()["meanings"]


def meaning(code: str) -> str | None:
    """What the code says, in words; None for one that nobody has written down."""
    return CODES.get(code)


def verdict(phase: Phase | str, code: str) -> Verdict:
    """
    What a client does about this code. `phase` may also be payment, advice_repeat or reversal_repeat. Two characters
    are a code of the 1987 dialect: the same without its first two zeros. Raises ValueError for an unknown phase.
    """
    table = _tables()[_ALIASES[phase] if phase in _ALIASES else Phase(phase)]
    if len(code) == 2:
        code = "00" + code
    if code in table and len(code) == 4:
        return Verdict(table[code])
    return Verdict(table["listed" if code in CODES else "unlisted"])
