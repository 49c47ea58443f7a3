# SPDX-License-Identifier: Apache-2.0
"""
The inclusive price formula of a prepaid token.

stroom = (nominal - stamp - instalment [- admin when inside]) / (1 + PPJ + PPN); the taxes are rounded half-up to
1/100 rupiah and the printed stroom takes the remainder, so that the lines add exactly to the nominal. Energy is
quantised once, to the 0.1 kWh step that STS transfers; what that rounding is worth is a line of its own.

How the lines add: stroom + PPJ + PPN + stamp + instalment [+ admin when inside] = nominal, always. A discount is not paid
by the customer and changes none of these: it is energy that somebody else pays for, so
energy x rate = unrounded stroom + discount + rounding (the two last to 1/100 rupiah).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

from duaarah.core.tariff.tables import TariffError, Terms

_CENT = Decimal("0.01")
_STEP_KWH = Decimal("0.1")
_EXACT_KWH = Decimal("0.0001")
ROUNDINGS = {"half_up": ROUND_HALF_UP, "down": ROUND_DOWN}
# Twelve digits are what the host's amount field holds (ISO 8583 field 4 of P2APST).
NOMINAL_MAX_IDR = 10**12 - 1
_DIGITS = 60


class AmountOutOfRange(TariffError):
    """The nominal leaves nothing to buy energy with, less than one step of it, or is more than the host's field holds."""

    code = "amount_range"


@dataclass(frozen=True, kw_only=True)
class Discount:
    """
    A programme that pays a part of the electricity. `rate` is a fraction, 0 to under 1.

    `limit_wh` is the energy that may still be had at the discount this month; None has no limit. What goes beyond it is
    bought at the full rate.
    """

    rate: Decimal
    limit_wh: int | None = None


@dataclass(frozen=True, kw_only=True)
class QuoteLines:
    """
    Every line of a quote; `_sen` = 1/100 rupiah, energy in Wh (multiples of 100).

    `exact_kwh` is the energy before it was quantised, to 4 decimals half-up, discount included. `discount_sen` is what a
    programme pays on top of the nominal, 0 without one.
    """

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
    exact_kwh: Decimal
    discount_sen: int = 0


def _sen(amount_idr: Decimal) -> int:
    return int(amount_idr.quantize(_CENT, ROUND_HALF_UP).scaleb(2))


def quote(nominal_idr: int, terms: Terms, *, instalment_idr: int = 0, discount: Discount | None = None) -> QuoteLines:
    """
    Turn a nominal into its lines under the terms of one date.

    Raises:
        AmountOutOfRange: nothing is left for energy after stamp, instalment and admin, or less than 0.1 kWh; or the
            nominal is more than twelve digits.
    """
    if nominal_idr > NOMINAL_MAX_IDR:
        raise AmountOutOfRange("The nominal is more than twelve digits.")
    admin_inside_idr = terms.admin_idr if terms.admin_inside else 0
    with localcontext(prec=_DIGITS):
        base = Decimal(nominal_idr - terms.stamp_idr - instalment_idr - admin_inside_idr)
        if base <= 0:
            raise AmountOutOfRange("The nominal leaves nothing to buy energy with.")
        divisor = 1 + terms.ppj_rate + terms.ppn_rate
        ppj_sen = _sen(base * terms.ppj_rate / divisor)
        ppn_sen = _sen(base * terms.ppn_rate / divisor)
        paid_kwh = base / (divisor * terms.rate_idr_per_kwh)
        quotient_kwh = _discounted(paid_kwh, discount)
        energy_kwh = quotient_kwh.quantize(_STEP_KWH, ROUNDINGS[terms.rounding])
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
            exact_kwh=quotient_kwh.quantize(_EXACT_KWH, ROUND_HALF_UP),
            discount_sen=_sen((quotient_kwh - paid_kwh) * terms.rate_idr_per_kwh),
        )


def _discounted(paid_kwh: Decimal, discount: Discount | None) -> Decimal:
    """The energy that the paid one becomes: the same money buys more, as far as the limit reaches."""
    if discount is None:
        return paid_kwh
    if not 0 <= discount.rate < 1:
        raise ValueError("A discount is a fraction from 0 to under 1; free energy is given as tokens, not as a price.")
    whole = paid_kwh / (1 - discount.rate)
    if discount.limit_wh is None:
        return whole
    return min(whole, paid_kwh + discount.rate * discount.limit_wh / 1000)
