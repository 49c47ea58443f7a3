# SPDX-License-Identifier: Apache-2.0
"""Physical units of COSEM registers (IEC 62056-6-2, 4.3.2) and exact scaling: no float ever touches energy."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum


class UnitError(ValueError):
    """A value cannot be expressed in the wanted unit without losing a part of it."""

    code = "not_exact"
    retryable = False


class Unit(IntEnum):
    """The unit numbers of scaler_unit that a prepaid meter uses."""

    YEAR = 1
    MONTH = 2
    DAY = 4
    HOUR = 5
    MINUTE = 6
    SECOND = 7
    CURRENCY = 10
    WATT = 27
    VOLT_AMPERE = 28
    VAR = 29
    WATT_HOUR = 30
    VOLT_AMPERE_HOUR = 31
    VAR_HOUR = 32
    AMPERE = 33
    VOLT = 35
    HERTZ = 44
    COUNT = 255

    @property
    def symbol(self) -> str:
        """The symbol people read; empty for a plain count."""
        return _SYMBOLS[self]


_SYMBOLS = {
    Unit.YEAR: "a",
    Unit.MONTH: "mo",
    Unit.DAY: "d",
    Unit.HOUR: "h",
    Unit.MINUTE: "min",
    Unit.SECOND: "s",
    Unit.CURRENCY: "currency",
    Unit.WATT: "W",
    Unit.VOLT_AMPERE: "VA",
    Unit.VAR: "var",
    Unit.WATT_HOUR: "Wh",
    Unit.VOLT_AMPERE_HOUR: "VAh",
    Unit.VAR_HOUR: "varh",
    Unit.AMPERE: "A",
    Unit.VOLT: "V",
    Unit.HERTZ: "Hz",
    Unit.COUNT: "",
}

SCALER_MIN, SCALER_MAX = -12, 12  # a scaler is an integer8 on the wire; no register of a meter needs more


def _check_scaler(scaler: int) -> None:
    if not SCALER_MIN <= scaler <= SCALER_MAX:
        raise UnitError(f"A scaler is {SCALER_MIN} to {SCALER_MAX}, not {scaler}.")


def scaled(raw: int, scaler: int) -> Decimal:
    """raw x 10^scaler, exact."""
    _check_scaler(scaler)
    return Decimal(raw).scaleb(scaler)


def to_raw(whole: int, scaler: int) -> int:
    """The raw value whose raw x 10^scaler is this whole number; raise UnitError when there is none."""
    _check_scaler(scaler)
    if scaler <= 0:
        return whole * int(10**-scaler)
    raw, rest = divmod(whole, int(10**scaler))
    if rest:
        raise UnitError(f"{whole} is no multiple of 10^{scaler}.")
    return raw


def to_whole(raw: int, scaler: int) -> int:
    """raw x 10^scaler as a whole number of the base unit; raise UnitError when a fraction would be lost."""
    _check_scaler(scaler)
    if scaler >= 0:
        return raw * int(10**scaler)
    whole, rest = divmod(raw, int(10**-scaler))
    if rest:
        raise UnitError(f"{raw} x 10^{scaler} is not a whole number of the base unit.")
    return whole
