# SPDX-License-Identifier: Apache-2.0
"""Which groups have no row for which days: what `no_rate_at_date` will answer, to be listed for people."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from duaarah.core.tariff.rows import Row
from duaarah.core.tariff.tables import GROUPS, RATES, Group

SINCE = dt.date(2013, 1, 1)
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A group without a row, from a day to a day, both within; `to_date` None: from then on."""

    group: Group
    from_date: dt.date
    to_date: dt.date | None


def gaps() -> list[Gap]:
    """Every gap since 2013, group by group in the order of the groups' file, then by day."""
    found = []
    for group in GROUPS:
        begin = SINCE
        for row in sorted(_rows_of(group), key=lambda row: row.from_date):
            if row.from_date > begin:
                found.append(Gap(group=group, from_date=begin, to_date=row.from_date - _DAY))
            begin = max(begin, row.to_date + _DAY)
        found.append(Gap(group=group, from_date=begin, to_date=None))
    return found


def _rows_of(group: Group) -> list[Row]:
    """The rows that hold for the whole band of a group."""
    return [row for row in RATES.of_key(group.name) if row.low <= group.va_from and group.va_to <= row.high]
