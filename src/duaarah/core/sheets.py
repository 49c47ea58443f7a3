# SPDX-License-Identifier: Apache-2.0
"""Cells of a file that a spreadsheet opens: nothing that somebody wrote is ever a formula there."""

from __future__ import annotations

import re
from decimal import Decimal

# What a spreadsheet would take for the beginning of a formula, also behind blanks; the wide forms are read as the narrow.
_FORMULA = re.compile(r"\s*[=+\-@|%＝＋－＠]|[\t\r\n]")
# XML 1.0 section 2.2 knows none of these.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
CELL_MAX = 32_000


def cell(value: object) -> int | Decimal | str:
    """
    A value as a cell: whole numbers and decimals stay numbers, None is empty, anything else is text.

    A text that would be a formula gets an apostrophe in front of it (OWASP, CSV injection); control characters go.
    """
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    if value is None:
        return ""
    text = _CONTROL.sub("", str(value))[:CELL_MAX]
    return f"'{text}" if _FORMULA.match(text) else text
