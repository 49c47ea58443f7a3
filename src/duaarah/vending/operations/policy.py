# SPDX-License-Identifier: Apache-2.0
"""The dated data of the money day (WIB): cut-off window, and the share of a nominal that stays energy."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from duaarah.vending.ledger_models import LedgerPolicy

WIB = ZoneInfo("Asia/Jakarta")


def policy(date: dt.date) -> LedgerPolicy:
    """The row of a day: the latest that has begun. Raises LedgerPolicy.DoesNotExist before the first."""
    found = LedgerPolicy.objects.filter(from_date__lte=date).order_by("-from_date").first()
    if found is None:
        raise LedgerPolicy.DoesNotExist(f"No policy of the ledger is in force on {date}.")
    return found


def cutoff_at(day_date: dt.date) -> dt.datetime:
    """When a settlement day ends: what is booked at this instant or later belongs to the next one."""
    return dt.datetime.combine(day_date, policy(day_date).cutoff_from, WIB)


def settled_from(day_date: dt.date) -> dt.datetime:
    """When a settlement day may be settled: the end of its cut-off window, mostly after midnight."""
    row = policy(day_date)
    over = day_date if row.cutoff_until >= row.cutoff_from else day_date + dt.timedelta(days=1)
    return dt.datetime.combine(over, row.cutoff_until, WIB)


def settlement_day(at: dt.datetime) -> dt.date:
    """The settlement day of an instant."""
    day_date = at.astimezone(WIB).date()
    return day_date if at < cutoff_at(day_date) else day_date + dt.timedelta(days=1)
