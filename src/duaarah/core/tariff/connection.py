# SPDX-License-Identifier: Apache-2.0
"""Contracted power: the ladder that is sold with its breakers, and what a new connection or a change costs (BP)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from duaarah.core.tariff.rows import Row, Table, lines_of
from duaarah.core.tariff.tables import NoRateAtDate, TariffError

# The table of 2014 and that of 2017 are keys of their own: a bill names the one it was made by.
BP = Table("bp")


class UnknownPower(TariffError):
    """This contracted power is not on the ladder, or no price is known for it."""

    code = "unknown_power"


@dataclass(frozen=True, kw_only=True)
class Daya:
    """One step of contracted power: `mcb_a` amperes in each of `phases` phases."""

    va: int
    phases: int
    mcb_a: int


DAYA = tuple(
    Daya(va=int(line["va"]), phases=int(line["phases"]), mcb_a=int(line["mcb_a"])) for line in lines_of("daya")
)
_BY_VA = {step.va: step for step in DAYA}


def daya(va: int) -> Daya:
    """The step of this power. Raises UnknownPower."""
    if va not in _BY_VA:
        raise UnknownPower(f"{va} VA is not sold.")
    return _BY_VA[va]


@dataclass(frozen=True, kw_only=True)
class ConnectionFee:
    """What a connection costs in whole rupiah, by which table (`2014`, `2017`), and the row behind it."""

    amount_idr: int
    table: str
    row: Row


def bp(*, va: int, date: dt.date, as_known_date: dt.date | None = None) -> ConnectionFee:
    """
    The fee of a new connection (PB) on a date.

    Raises:
        UnknownPower: not on the ladder, or the table of this date has no price for it.
        NoRateAtDate: no table is loaded for this date.
    """
    daya(va)
    rows = [row for table in BP.names() if (row := BP.find(table, va, date, as_known_date)) is not None]
    if rows:
        row = max(rows, key=lambda one: (one.from_date, one.known_date))
        fixed = bool(row.line["idr"])
        return ConnectionFee(amount_idr=int(row.value) if fixed else int(row.value) * va, table=row.key, row=row)
    if any(row.from_date <= date <= row.to_date for row in BP.rows):
        raise UnknownPower(f"The table of {date.isoformat()} has no price for {va} VA.")
    raise NoRateAtDate(f"No table of connection fees is loaded for {date.isoformat()}.")


def pd(*, from_va: int, to_va: int, date: dt.date, as_known_date: dt.date | None = None) -> ConnectionFee:
    """
    The fee of a change of power (PD): the difference of the two connections by one table; a decrease costs nothing.

    Stamp duty is not in it. Raises as `bp`.
    """
    before = bp(va=from_va, date=date, as_known_date=as_known_date)
    after = bp(va=to_va, date=date, as_known_date=as_known_date)
    return ConnectionFee(amount_idr=max(0, after.amount_idr - before.amount_idr), table=after.table, row=after.row)
