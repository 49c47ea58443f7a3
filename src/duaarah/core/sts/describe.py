# SPDX-License-Identifier: Apache-2.0
"""What a token's fields say in words and units: names of classes, amounts as whole steps and as decimal text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from duaarah.core.sts.amounts import decode_currency, decode_steps
from duaarah.core.sts.fields import POWER, TRANSFER_CREDIT, Fields
from duaarah.core.sts.token import is_currency

KIND_NAMES: Mapping[tuple[int, int], str] = {
    (0, 0): "Electricity credit",
    (0, 1): "Water credit",
    (0, 2): "Gas credit",
    (0, 3): "Time credit",
    (0, 4): "Electricity credit in currency",
    (0, 5): "Water credit in currency",
    (0, 6): "Gas credit in currency",
    (0, 7): "Time credit in currency",
    (1, 0): "Meter test or display, 2-digit manufacturer code",
    (1, 1): "Meter test or display, 4-digit manufacturer code",
    (1, 2): "Extended read",
    (2, 0): "Set the maximum power limit",
    (2, 1): "Clear credit",
    (2, 2): "Set the tariff rate",
    (2, 3): "Key change, first section",
    (2, 4): "Key change, second section",
    (2, 5): "Clear tamper condition",
    (2, 6): "Set the maximum phase power unbalance limit",
    (2, 7): "Set the water meter factor",
    (2, 8): "Key change, third section",
    (2, 9): "Key change, fourth section",
    (2, 10): "Extended set",
}
_UNITS: Mapping[tuple[int, int], str] = {
    (0, 0): "kWh",
    (0, 1): "m\N{SUPERSCRIPT THREE}",
    (0, 2): "m\N{SUPERSCRIPT THREE}",
    (0, 3): "min",
    (2, 0): "W",
    (2, 6): "W",
}


def amount_steps(fields: Fields) -> int | None:
    """The amount of a token in its field's unit (0.1, 0.00001 or 1 W); None where it has none."""
    if fields.kind in TRANSFER_CREDIT or fields.kind in POWER:
        if is_currency(fields.token_class, fields.subclass):
            return decode_currency(fields.values["se"], fields.values["field"])
        return decode_steps(fields.values["field"])
    return None


def amount_text(fields: Fields) -> str | None:
    """The amount as a decimal without exponent: 1 place for credits, 5 for currency, none for watts; None without amount."""
    steps = amount_steps(fields)
    if steps is None:
        return None
    if fields.kind in POWER:
        return str(steps)
    places = 5 if is_currency(fields.token_class, fields.subclass) else 1
    return f"{Decimal(steps).scaleb(-places):.{places}f}"


def unit_of(kind: tuple[int, int]) -> str:
    """The unit's symbol: kWh, m3, min, W; empty for currency, whose unit is the utility's, and where there is no amount."""
    return _UNITS.get(kind, "")
