# SPDX-License-Identifier: Apache-2.0
"""
The terms of a purchase on a date, as they were known on a date. What no loaded row says is refused, never guessed.

Rates by tariff group, PPJ (PBJT on electricity) by region and power, PPN with its base rule, stamp duty, and whether the
payment point's fee is inside the nominal: the files under `data`, each row with its legal basis.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from decimal import Decimal

from duaarah.core.tariff.rows import NO_END, Row, Table, lines_of

NOMINALS_IDR = (20_000, 50_000, 100_000, 200_000, 250_000, 500_000, 1_000_000)

RATES, PPJ, PPN, STAMP = Table("rates"), Table("ppj"), Table("ppn"), Table("stamp")
RULES = Table("rules")
_HOUSEHOLD, _OTHER = "household", "other"
# People say Jakarta; the province's by-law is the loaded row.
_REGION_NAMES = {name.casefold(): name for name in PPJ.names()} | {"jakarta": "DKI Jakarta"}
# R1, R1T (prepaid), R1M (without subsidy), R-1: as receipts and P2APST write a group.
_CODE = re.compile(r"([RBIPS])-?([1-4])(M?)T?|(L)T?")


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
    """The group or region exists, but no row is loaded for this date, or none was known then."""

    code = "no_rate_at_date"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """
    What a price is made of on one date; rates are fractions, money is whole rupiah.

    `rows` names the loaded row behind each figure (`rate`, `ppj`, `ppn`, `stamp`, `admin`); a figure that was given has
    none.
    """

    rate_idr_per_kwh: Decimal
    ppj_rate: Decimal
    ppn_rate: Decimal
    stamp_idr: int
    admin_idr: int
    admin_inside: bool
    rounding: str = "half_up"
    rows: dict[str, Row] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Group:
    """A tariff group at a band of contracted power, both ends within."""

    name: str
    va_from: int
    va_to: int
    customers: str


GROUPS = tuple(
    Group(
        name=line["group"],
        va_from=int(line["va_from"]),
        va_to=int(line["va_to"]) if line["va_to"] else NO_END,
        customers=line["customers"],
    )
    for line in lines_of("groups")
)


def group_of(code: str) -> str:
    """
    The group's name of a code as receipts write it: `R1`, `R1T`, `R-1T` are `R-1`, `R1M` and `R1MT` are `R-1M`.

    Raises:
        UnknownTariff: no group is called so.
    """
    match = _CODE.fullmatch(code.strip().upper())
    name = (match[4] or f"{match[1]}-{match[2]}{match[3]}") if match else code
    if not any(group.name == name for group in GROUPS):
        raise UnknownTariff(f"No tariff group is called {code[:20]!r}.")
    return name


def region_of(name: str) -> str:
    """
    The loaded name of a region, whatever its capitals.

    Raises:
        UnknownRegion: no PPJ row is loaded for it.
    """
    found = _REGION_NAMES.get(name.strip().casefold())
    if found is None:
        raise UnknownRegion(f"No PPJ rate is loaded for {name[:40]!r}.")
    return found


def rate_row(*, group: str, va: int, date: dt.date, as_known_date: dt.date | None = None) -> Row:
    """
    The rate in Rp/kWh of a group at a contracted power.

    Raises:
        UnknownTariff: no such group at this power.
        NoRateAtDate: the group exists, but no row is loaded for this date.
    """
    name = group_of(group)
    if not any(one.name == name and one.va_from <= va <= one.va_to for one in GROUPS):
        raise UnknownTariff(f"There is no tariff {name} at {va} VA.")
    return _found(RATES.find(name, va, date, as_known_date), f"rate of {name} at {va} VA", date, as_known_date)


def ppj_row(*, region: str, va: int, date: dt.date, as_known_date: dt.date | None = None) -> Row:
    """The PPJ (PBJT) of a region, a fraction of the electricity. Raises UnknownRegion, NoRateAtDate."""
    name = region_of(region)
    return _found(PPJ.find(name, va, date, as_known_date), f"PPJ of {name}", date, as_known_date)


def ppn_row(*, group: str, va: int, date: dt.date, as_known_date: dt.date | None = None) -> Row:
    """The PPN, a fraction of the electricity: 0 but for dwellings above 6,600 VA. Raises UnknownTariff, NoRateAtDate."""
    kind = _HOUSEHOLD if group_of(group).startswith("R-") else _OTHER
    return _found(PPN.find(kind, va, date, as_known_date), "PPN", date, as_known_date)


def stamp_row(*, nominal_idr: int, date: dt.date, as_known_date: dt.date | None = None) -> Row:
    """The stamp duty on a nominal, in rupiah. Raises NoRateAtDate."""
    return _found(STAMP.find("stamp", nominal_idr, date, as_known_date), "stamp duty", date, as_known_date)


def admin_row(date: dt.date) -> Row:
    """1 while the payment point's fee is inside the nominal, 0 when it comes on top; the date alone decides."""
    row = RULES.find("admin_inside", 0, date)
    assert row is not None  # its two rows hold for every date
    return row


def _found(row: Row | None, what: str, date: dt.date, as_known_date: dt.date | None) -> Row:
    if row is None:
        known = f", as known at {as_known_date.isoformat()}" if as_known_date is not None else ""
        raise NoRateAtDate(f"No {what} is loaded for {date.isoformat()}{known}.")
    return row


def terms(
    *,
    group: str,
    va: int,
    region: str,
    nominal_idr: int,
    date: dt.date,
    admin_idr: int,
    as_known_date: dt.date | None = None,
) -> Terms:
    """
    Look up the terms of a purchase on a WIB date, as they were known at the end of `as_known_date` (None: as known today).

    Raises:
        UnknownTariff: no such group at this power.
        UnknownRegion: no PPJ row for the region.
        NoRateAtDate: rows exist, but not for this date, or they were not known then.
    """
    rows = {
        "rate": rate_row(group=group, va=va, date=date, as_known_date=as_known_date),
        "ppj": ppj_row(region=region, va=va, date=date, as_known_date=as_known_date),
        "ppn": ppn_row(group=group, va=va, date=date, as_known_date=as_known_date),
        "stamp": stamp_row(nominal_idr=nominal_idr, date=date, as_known_date=as_known_date),
        "admin": admin_row(date),
    }
    return Terms(
        rate_idr_per_kwh=rows["rate"].value,
        ppj_rate=rows["ppj"].value,
        ppn_rate=rows["ppn"].value,
        stamp_idr=int(rows["stamp"].value),
        admin_idr=admin_idr,
        admin_inside=bool(rows["admin"].value),
        rows=rows,
    )
