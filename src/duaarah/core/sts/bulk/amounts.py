# SPDX-License-Identifier: Apache-2.0
"""Amount fields of many tokens (IEC 62055-41, 6.3.6 and 6.3.7), in integers, rounded up as `core.sts.amounts` does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from duaarah.core.sts.amounts import CREDIT_EXPONENT_MAX, CREDIT_STEPS_MAX, decode_currency, encode_currency
from duaarah.core.sts.bulk.rows import WIDE, Faults, fault_of, mark
from duaarah.core.sts.errors import AmountNegative, AmountRange

Column = NDArray[np.int64]
# Exponents whose whole range 64 bits hold; what lies beyond goes through the scalar path.
_EXPONENTS = 16
_POWER = np.array([10**e for e in range(_EXPONENTS)], dtype=np.int64)
_OFFSET = np.array([(1 << 14) * (10**e - 1) // 9 for e in range(_EXPONENTS)], dtype=np.int64)
_LAST = np.array([min(((1 << 14) - 1) * 10**e + (1 << 14) * (10**e - 1) // 9, 2**63 - 1) for e in range(_EXPONENTS)])


def _ceiling(steps: Column) -> tuple[Column, Column]:
    """Exponent and mantissa of the smallest value not below `steps`, which are 0 to `WIDE`."""
    exponent = np.searchsorted(_LAST, steps, side="left")
    mantissa = -((_OFFSET[exponent] - steps) // _POWER[exponent])
    # Between the last value of one exponent and the first of the next, the next one's first is the ceiling.
    return exponent, np.maximum(mantissa, 0)


def encode_steps(steps: Column, faults: Faults) -> Column:
    """The 16-bit fields of credits (unit 0.1) and powers (1 W); AmountNegative and AmountRange become faults."""
    mark(faults, steps < 0, AmountNegative)
    mark(faults, steps > CREDIT_STEPS_MAX, AmountRange)
    exponent, mantissa = _ceiling(np.clip(steps, 0, CREDIT_STEPS_MAX))
    return exponent << 14 | mantissa


def decode_steps(field: Column) -> Column:
    """The number of steps that 16-bit fields say."""
    exponent = field >> 14
    return (field & 0x3FFF) * _POWER[: CREDIT_EXPONENT_MAX + 1][exponent] + _OFFSET[exponent]


def encode_currency_rows(steps: Column, wide: dict[int, int], faults: Faults) -> tuple[Column, Column]:
    """
    S&E and 16-bit fields of signed currency amounts (unit 0.00001), the algebraic ceiling.

    `wide` holds the rows whose amount is beyond `WIDE`, exactly; AmountRange becomes a fault.
    """
    within = np.clip(steps, -WIDE, WIDE)
    exponent, mantissa = _ceiling(np.maximum(within, 0))
    size = np.maximum(-within, 0)
    below = np.searchsorted(_OFFSET, size, side="right") - 1
    # Towards zero is up for a negative amount.
    floor = np.minimum((size - _OFFSET[below]) // _POWER[below], 0x3FFF)
    negative = within < 0
    exponent, mantissa = np.where(negative, below, exponent), np.where(negative, floor, mantissa)
    sign_exponent, field = negative << 3 | exponent >> 2, (exponent & 3) << 14 | mantissa
    for row, amount_steps in wide.items():
        try:
            encoded = encode_currency(amount_steps)
        except AmountRange:
            faults[row] = faults[row] or fault_of(AmountRange)
        else:
            sign_exponent[row], field[row] = encoded.sign_exponent, encoded.amount
    return sign_exponent, field


def decode_currency_rows(sign_exponent: Column, field: Column) -> tuple[Column, NDArray[np.bool_]]:
    """Signed steps of 0.00001, and where 64 bits hold them (elsewhere 0; `core.sts.amounts.decode_currency` is exact)."""
    exponent = (sign_exponent & 7) << 2 | field >> 14
    known = exponent < _EXPONENTS
    small = np.where(known, exponent, 0)
    # The last exponent passes 63 bits within its range; those few are taken one by one.
    top = np.flatnonzero(known & (exponent == _EXPONENTS - 1))
    small[top] = 0
    steps = (field & 0x3FFF) * _POWER[small] + _OFFSET[small]
    steps = np.where(sign_exponent & 8, -steps, steps)
    for row in top:
        exact = decode_currency(int(sign_exponent[row]), int(field[row]))
        known[row] = abs(exact) < 1 << 63
        steps[row] = exact if known[row] else 0
    return np.where(known, steps, 0), known
