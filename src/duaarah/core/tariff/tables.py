# SPDX-License-Identifier: Apache-2.0
"""
Effective-dated rates. A date outside the loaded rows is refused, never guessed.

Loaded: the regular groups below for 1 Jan 2024 to 31 Mar 2026 (Permen ESDM 28/2016 with its adjustments, 7/2024),
PPJ/PBJT of a few regions (UU 1/2022), PPN on households above 6,600 VA, stamp duty since 2021.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

NOMINALS_IDR = (20_000, 50_000, 100_000, 200_000, 250_000, 500_000, 1_000_000)


class TariffError(Exception):
    """No price can be made."""

    code = "tariff"


class UnknownTariff(TariffError):
    """No such tariff group for this power."""

    code = "unknown_tariff"


class UnknownRegion(TariffError):
    """No PPJ rate is loaded for this region."""

    code = "unknown_region"


class NoRateAtDate(TariffError):
    """The group exists, but no rate is loaded for this date."""

    code = "no_rate_at_date"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a price is made of on one date; rates are fractions, money is whole rupiah."""

    rate_idr_per_kwh: Decimal
    ppj_rate: Decimal
    ppn_rate: Decimal
    stamp_idr: int
    admin_idr: int
    admin_inside: bool
    rounding: str = "half_up"


@dataclass(frozen=True)
class _Row:
    group: str
    va_from: int
    va_to: int
    from_date: dt.date
    to_date: dt.date
    value: Decimal


_FROM, _TO = dt.date(2024, 1, 1), dt.date(2026, 3, 31)


def _rate(group: str, va_from: int, va_to: int, value: str) -> _Row:
    return _Row(group, va_from, va_to, _FROM, _TO, Decimal(value))


RATES_IDR_PER_KWH = (
    _rate("R-1", 450, 450, "415"),
    _rate("R-1", 900, 900, "605"),
    _rate("R-1M", 900, 900, "1352"),
    _rate("R-1", 1300, 2200, "1444.70"),
    _rate("R-2", 3500, 5500, "1699.53"),
    _rate("R-3", 6600, 197_000, "1699.53"),
    _rate("B-2", 6600, 200_000, "1444.70"),
    _rate("P-1", 6600, 200_000, "1699.53"),
    _rate("P-3", 450, 200_000, "1699.53"),
)

# PBJT on electricity by region; `va_to` bounds the band.
PPJ_RATES = (
    _rate("DKI Jakarta", 0, 2200, "0.024"),
    _rate("DKI Jakarta", 2201, 5500, "0.03"),
    _rate("DKI Jakarta", 5501, 200_000, "0.04"),
    _rate("Depok", 0, 200_000, "0.03"),
    _rate("Bogor", 0, 200_000, "0.03"),
    _rate("Bandung", 0, 200_000, "0.06"),
    _rate("Surabaya", 0, 200_000, "0.08"),
    _rate("Makassar", 0, 200_000, "0.10"),
)

PPN_RATE_HOUSEHOLD = Decimal("0.11")
PPN_HOUSEHOLD_ABOVE_VA = 6600
STAMP_IDR = 10_000
STAMP_ABOVE_IDR = 5_000_000
ADMIN_OUTSIDE_SINCE = dt.date(2015, 10, 1)


def _find(rows: tuple[_Row, ...], group: str, va: int, date: dt.date, missing: TariffError) -> Decimal:
    fitting = [r for r in rows if r.group == group and r.va_from <= va <= r.va_to]
    if not fitting:
        raise missing
    for row in fitting:
        if row.from_date <= date <= row.to_date:
            return row.value
    raise NoRateAtDate(f"No rate of {group} at {va} VA is loaded for {date.isoformat()}.")


def terms(*, group: str, va: int, region: str, nominal_idr: int, date: dt.date, admin_idr: int) -> Terms:
    """
    Look up the terms of a purchase on a WIB date.

    Raises:
        UnknownTariff: no such group at this power.
        UnknownRegion: no PPJ row for the region.
        NoRateAtDate: rows exist, but not for this date.
    """
    rate = _find(RATES_IDR_PER_KWH, group, va, date, UnknownTariff(f"No tariff {group} at {va} VA."))
    ppj = _find(PPJ_RATES, region, va, date, UnknownRegion(f"No PPJ rate is loaded for {region}."))
    household_above = group.startswith("R-") and va > PPN_HOUSEHOLD_ABOVE_VA
    return Terms(
        rate_idr_per_kwh=rate,
        ppj_rate=ppj,
        ppn_rate=PPN_RATE_HOUSEHOLD if household_above else Decimal(0),
        stamp_idr=STAMP_IDR if nominal_idr > STAMP_ABOVE_IDR else 0,
        admin_idr=admin_idr,
        admin_inside=date < ADMIN_OUTSIDE_SINCE,
    )
