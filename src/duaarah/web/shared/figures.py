# SPDX-License-Identifier: Apache-2.0
"""Measured figures in the reader's language."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import get_language

DASH = "-"


def figure(value: float | None, decimals: int) -> str:
    """`1.234,50` or `1,234.50`; a dash where there is none. What rounds to nothing has no sign."""
    if value is None:
        return DASH
    text = f"{value:z,.{decimals}f}"
    return text if (get_language() or "id").startswith("en") else text.translate(str.maketrans(",.", ".,"))


def exact(value: float | None) -> Decimal | str:
    """For files: a thousandth of a watt-hour; an empty cell where nothing is known."""
    return "" if value is None else Decimal(f"{value:.3f}")
