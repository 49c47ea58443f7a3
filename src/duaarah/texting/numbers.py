# SPDX-License-Identifier: Apache-2.0
"""Numbers as Indonesians write them: 50000, 50.000, 50 000, 50rb, 50 ribu, Rp50.000,-, 1jt, 2,5jt; kilowatt-hours as 2,5."""

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS = {
    "RB": 1_000,
    "RBU": 1_000,
    "RIBU": 1_000,
    "REBU": 1_000,
    "K": 1_000,
    "JT": 1_000_000,
    "JUTA": 1_000_000,
    "KWH": 1,
}
# A group of three digits behind a dot or a comma is thousands, one or two are decimals. ASCII digits only.
_NUMBER = re.compile(
    r"(?:RP\.?)?([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,8})"
    r"(?:[.,]([0-9]{1,2}))?(?:,-)?(RB|RBU|RIBU|REBU|K|JT|JUTA|KWH)?-?"
)
WRITTEN_MAX = 16
_GROUP = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True)
class Number:
    """`thousandths` is exact; `text` is what was written, shortened to what an answer can repeat."""

    thousandths: int
    text: str

    @property
    def whole(self) -> int | None:
        """The number when it has no fraction."""
        return self.thousandths // 1_000 if self.thousandths % 1_000 == 0 else None


def read_number(words: list[str]) -> tuple[Number | None, int]:
    """The number that upper-case words begin with and how many words it took; (None, 0) when they do not."""
    match = _NUMBER.fullmatch(words[0]) if words and len(words[0]) <= WRITTEN_MAX else None
    if match is None:
        return None, 0
    unit, used, text = match[3] or "", 1, words[0]
    # "50 rb" in two words is one number.
    if not unit and len(words) > 1 and words[1] in UNITS:
        unit, used, text = words[1], 2, f"{words[0]} {words[1]}"
    elif not unit and len(words) > 1 and words[1] == "000" and _GROUP.fullmatch(words[0]):
        unit, used, text = "RIBU", 2, f"{words[0]} 000"
    fraction = (match[2] or "").ljust(3, "0")
    thousandths = (int(re.sub(r"[.,]", "", match[1])) * 1_000 + int(fraction)) * UNITS.get(unit, 1)
    return Number(thousandths, text.lower()), used
