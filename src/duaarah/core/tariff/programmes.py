# SPDX-License-Identifier: Apache-2.0
"""Programmes that pay a part of the electricity for some groups over some months, as dated rows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from duaarah.core.tariff.quote import Discount
from duaarah.core.tariff.rows import Row, Table
from duaarah.core.tariff.tables import RULES, group_of

PROGRAMMES = Table("programmes")


@dataclass(frozen=True, kw_only=True)
class Programme:
    """One programme as it holds for a group: `rate` 1 is free energy, given as tokens and never as a price."""

    name: str
    rate: Decimal
    limit_hours: int | None
    row: Row

    def discount(self, *, va: int, had_wh: int) -> Discount | None:
        """What is left of it for a purchase, after `had_wh` of this month were had at the discount; None: nothing."""
        if self.rate >= 1:
            return None
        if self.limit_hours is None:
            return Discount(rate=self.rate)
        left_wh = self.limit_hours * va - had_wh
        return Discount(rate=self.rate, limit_wh=left_wh) if left_wh > 0 else None


def programme_for(*, group: str, va: int, date: dt.date, as_known_date: dt.date | None = None) -> Programme | None:
    """The programme for a group at a power on a WIB date; None when there is none. Raises UnknownTariff."""
    row = PROGRAMMES.find(group_of(group), va, date, as_known_date)
    if row is None:
        return None
    hours = row.line["limit_hours"]
    return Programme(name=row.line["programme"], rate=row.value, limit_hours=int(hours) if hours else None, row=row)


def cap_wh(*, va: int, date: dt.date) -> int:
    """
    The most energy that may be bought in a calendar month: 720 hours of the contracted power; the host says 0047 beyond.

    The month begins anew on its 1st, by WIB.
    """
    return _hours("cap_hours", date) * va


def minimum_wh(*, va: int, date: dt.date) -> int:
    """The energy of the minimum bill: 40 hours of the contracted power; the base of compensation (TMP)."""
    return _hours("minimum_hours", date) * va


def _hours(item: str, date: dt.date) -> int:
    row = RULES.find(item, 0, date)
    assert row is not None  # these rules hold for every date
    return int(row.value)
