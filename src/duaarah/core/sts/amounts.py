# SPDX-License-Identifier: Apache-2.0
"""
Amount fields (IEC 62055-41, 6.3.6 and 6.3.7): exponent and mantissa, in whole steps, always rounded up.

value = m x 10^e + sum over i = 1..e of 2^14 x 10^(i-1). Rounding up means that a customer never loses; the requested
and the encoded amount are both worth keeping.
"""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.core.sts.errors import AmountNegative, AmountRange, FieldRange

_MANTISSAS = 1 << 14
CREDIT_EXPONENT_MAX = 3
CURRENCY_EXPONENT_MAX = 31


def _offset(exponent: int) -> int:
    return _MANTISSAS * (10**exponent - 1) // 9


CREDIT_STEPS_MAX = (_MANTISSAS - 1) * 10**CREDIT_EXPONENT_MAX + _offset(CREDIT_EXPONENT_MAX)
CURRENCY_STEPS_MAX = (_MANTISSAS - 1) * 10**CURRENCY_EXPONENT_MAX + _offset(CURRENCY_EXPONENT_MAX)


def step_of(exponent: int) -> tuple[int, int]:
    """Of an exponent: the worth of one step of the mantissa, and the value of mantissa 0, in the smallest unit."""
    return 10**exponent, _offset(exponent)


def _ceiling(steps: int, exponent_max: int) -> tuple[int, int]:
    """Exponent and mantissa of the smallest value that is not below `steps`."""
    for exponent in range(exponent_max + 1):
        mantissa = -((_offset(exponent) - steps) // 10**exponent)
        if mantissa < _MANTISSAS:
            return exponent, max(mantissa, 0)
    raise AmountRange("The amount is larger than a token can carry.")


def encode_steps(steps: int) -> int:
    """
    The 16-bit field of a credit (unit 0.1) or a power (unit 1 W), rounded up to the next representable step.

    Raises:
        AmountNegative: below zero.
        AmountRange: above 18,201,624 steps.
    """
    if steps < 0:
        raise AmountNegative("This amount may not be negative.")
    exponent, mantissa = _ceiling(steps, CREDIT_EXPONENT_MAX)
    return exponent << 14 | mantissa


def decode_steps(field: int) -> int:
    """The number of steps that a 16-bit field says. Raises FieldRange beyond 16 bits."""
    if not 0 <= field <= 0xFFFF:
        raise FieldRange("An amount field has 16 bits.")
    exponent = field >> 14
    return (field & 0x3FFF) * 10**exponent + _offset(exponent)


@dataclass(frozen=True, slots=True)
class CurrencyField:
    """Sign and upper exponent (4 bits, in place of RND), and the 16-bit amount field."""

    sign_exponent: int
    amount: int


def encode_currency(steps: int) -> CurrencyField:
    """
    A currency amount in units of 0.00001, signed; the algebraic ceiling, so -1.0 becomes -0.99994.

    Raises:
        AmountRange: beyond what five bits of exponent carry.
    """
    if steps >= 0:
        exponent, mantissa = _ceiling(steps, CURRENCY_EXPONENT_MAX)
        return CurrencyField(exponent >> 2, (exponent & 3) << 14 | mantissa)
    if -steps > CURRENCY_STEPS_MAX:
        raise AmountRange("The amount is larger than a token can carry.")
    exponent = max(e for e in range(CURRENCY_EXPONENT_MAX + 1) if _offset(e) <= -steps)
    # Towards zero is up for a negative amount; the mantissa cannot overflow, its range borders the next exponent.
    mantissa = min((-steps - _offset(exponent)) // 10**exponent, _MANTISSAS - 1)
    return CurrencyField(0b1000 | exponent >> 2, (exponent & 3) << 14 | mantissa)


def decode_currency(sign_exponent: int, amount: int) -> int:
    """Signed steps of 0.00001. Raises FieldRange beyond 4 and 16 bits."""
    if not (0 <= sign_exponent <= 0xF and 0 <= amount <= 0xFFFF):
        raise FieldRange("A currency amount has 4 bits of sign and exponent and 16 of amount.")
    exponent = (sign_exponent & 7) << 2 | amount >> 14
    steps = (amount & 0x3FFF) * 10**exponent + _offset(exponent)
    return -steps if sign_exponent & 8 else steps
