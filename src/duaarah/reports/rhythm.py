# SPDX-License-Identifier: Apache-2.0
"""When a report is due: an hour of WIB, each day, on one day of the week, or on the first of the month."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from duaarah.reports.models import Subscription

WIB = ZoneInfo("Asia/Jakarta")


def _due_on(date: dt.date, rhythm: str, weekday: int) -> bool:
    if rhythm == Subscription.Rhythm.WEEKLY:
        return date.weekday() == weekday
    return rhythm == Subscription.Rhythm.DAILY or date.day == 1


def next_due(*, rhythm: str, hour: int, weekday: int, after_at: dt.datetime) -> dt.datetime:
    """The first time after an instant."""
    return _near(rhythm, hour, weekday, after_at, 1)


def last_due(*, rhythm: str, hour: int, weekday: int, until_at: dt.datetime) -> dt.datetime:
    """The newest time up to an instant, itself included."""
    return _near(rhythm, hour, weekday, until_at, -1)


def _near(rhythm: str, hour: int, weekday: int, at: dt.datetime, step: int) -> dt.datetime:
    date = at.astimezone(WIB).date()
    # A month has 31 days at most; WIB knows no summer time.
    for _ in range(33):
        found = dt.datetime.combine(date, dt.time(hour), WIB)
        if _due_on(date, rhythm, weekday) and (found > at if step > 0 else found <= at):
            return found
        date += dt.timedelta(days=step)
    raise AssertionError("Every rhythm has a time within 33 days.")
