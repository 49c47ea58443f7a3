# SPDX-License-Identifier: Apache-2.0
"""Keeping the daily facts up to what is known: cheap when nothing changed, resumed where a dead worker left it."""

from __future__ import annotations

import datetime as dt

from django.db import connection
from django.db.models import Max, Min

from duaarah.analytics.models import DailyReliability, Scope, ServedCustomers
from duaarah.analytics.reliability import sql
from duaarah.analytics.reliability.operations import WIB, count_served, fix_threshold, recount_days
from duaarah.outages.models import Interruption

DAYS_A_RUN = 120
# A version that was written before the last count but committed after it is found again.
LOOK_BACK = dt.timedelta(hours=2)


def catch_up(*, now: dt.datetime) -> int:
    """
    Entry of entries: customers served of each day that is not counted yet, and the facts of every day that changed.

    Returns the days it worked on. A day is counted again until nothing in it is open; equal facts write nothing.
    """
    today = now.astimezone(WIB).date()
    days = _unserved(today)
    for date in days:
        count_served(date=date, now=now)
    # A day whose customers are counted now was never looked at, whenever its interruptions say they were recorded.
    changed = sorted({*_changed(), *days})
    for first_date, last_date in _ranges(changed):
        recount_days(first_date=first_date, last_date=last_date, now=now)
    fix_threshold(year=today.year, now=now)
    return len(changed)


def _unserved(today: dt.date) -> list[dt.date]:
    """
    Days from the last counted one on, and those before the first one of which the ledger tells (a past brought later).

    Yesterday's count is made anew after midnight, now that it is over; today's is the count so far.
    """
    counted = ServedCustomers.objects.filter(scope=Scope.UTILITY, superseded_at=None)
    ends = counted.aggregate(first=Min("date"), last=Max("date"))
    began = (
        Interruption.objects.filter(superseded_at=None).order_by("began_at").values_list("began_at", flat=True).first()
    )
    oldest = min(began.astimezone(WIB).date(), today) if began else today
    if ends["last"] is None:
        return _days(oldest, today)
    missing = _days(max(oldest, ends["first"] - dt.timedelta(days=DAYS_A_RUN)), ends["first"] - dt.timedelta(days=1))
    return missing + (_days(ends["last"], today) if ends["last"] < today else [])


def _days(first_date: dt.date, last_date: dt.date) -> list[dt.date]:
    return [first_date + dt.timedelta(days=n) for n in range(min((last_date - first_date).days + 1, DAYS_A_RUN))]


def _changed() -> list[dt.date]:
    last = DailyReliability.objects.aggregate(last=Max("computed_at"))["last"]
    since = last - LOOK_BACK if last else dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    with connection.cursor() as cursor:
        cursor.execute(sql.CHANGED, {"since": since})
        return sorted(row[0] for row in cursor.fetchall())


def _ranges(dates: list[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Runs of days that follow each other closely, at most a month at once."""
    made: list[tuple[dt.date, dt.date]] = []
    for date in dates:
        if made and (date - made[-1][1]).days <= 2 and (date - made[-1][0]).days < 31:
            made[-1] = made[-1][0], date
        else:
            made.append((date, date))
    return made
