# SPDX-License-Identifier: Apache-2.0
"""
The inclusive price formula of a prepaid token.

stroom = (nominal - stamp - instalment [- admin when inside]) / (1 + PPJ + PPN); the taxes are rounded half-up to
1/100 rupiah and the printed stroom takes the remainder, so that the lines add exactly to the nominal. Energy is
quantised once, to the 0.1 kWh step that STS transfers; what that rounding is worth is a line of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from duaarah.core.tariff.tables import TariffError, Terms

_CENT = Decimal("0.01")
_STEP_KWH = Decimal("0.1")
_ROUNDINGS = {"half_up": ROUND_HALF_UP, "down": ROUND_DOWN}


class AmountOutOfRange(TariffError):
    """The nominal leaves nothing to buy energy with, or less than one step of it."""

    code = "amount_range"


@dataclass(frozen=True, kw_only=True)
class QuoteLines:
    """Every line of a quote; `_sen` = 1/100 rupiah, energy in Wh (multiples of 100)."""

    nominal_idr: int
    admin_idr: int
    total_paid_idr: int
    stamp_sen: int
    instalment_sen: int
    ppj_sen: int
    ppn_sen: int
    stroom_sen: int
    rounding_sen: int
    energy_wh: int
    rate_idr_per_kwh: Decimal


def _sen(amount_idr: Decimal) -> int:
    return int(amount_idr.quantize(_CENT, ROUND_HALF_UP).scaleb(2))


def quote(nominal_idr: int, terms: Terms, *, instalment_idr: int = 0) -> QuoteLines:
    """
    Turn a nominal into its lines under the terms of one date.

    Raises:
        AmountOutOfRange: nothing is left for energy after stamp, instalment and admin, or less than 0.1 kWh.
    """
    admin_inside_idr = terms.admin_idr if terms.admin_inside else 0
    base = Decimal(nominal_idr - terms.stamp_idr - instalment_idr - admin_inside_idr)
    if base <= 0:
        raise AmountOutOfRange("The nominal leaves nothing to buy energy with.")
    divisor = 1 + terms.ppj_rate + terms.ppn_rate
    ppj_sen = _sen(base * terms.ppj_rate / divisor)
    ppn_sen = _sen(base * terms.ppn_rate / divisor)
    quotient_kwh = base / divisor / terms.rate_idr_per_kwh
    energy_kwh = quotient_kwh.quantize(_STEP_KWH, _ROUNDINGS[terms.rounding])
    if energy_kwh <= 0:
        raise AmountOutOfRange("The nominal buys less than 0.1 kWh.")
    return QuoteLines(
        nominal_idr=nominal_idr,
        admin_idr=terms.admin_idr,
        total_paid_idr=nominal_idr + (0 if terms.admin_inside else terms.admin_idr),
        stamp_sen=terms.stamp_idr * 100,
        instalment_sen=instalment_idr * 100,
        ppj_sen=ppj_sen,
        ppn_sen=ppn_sen,
        stroom_sen=_sen(base) - ppj_sen - ppn_sen,
        rounding_sen=_sen((energy_kwh - quotient_kwh) * terms.rate_idr_per_kwh),
        energy_wh=int(energy_kwh * 1000),
        rate_idr_per_kwh=terms.rate_idr_per_kwh,
    )
