# SPDX-License-Identifier: Apache-2.0
"""Days whose readings, or their neighbours', are not those they were judged from: judged again, their facts counted again."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from duaarah.analytics.engines import open_readings
from duaarah.analytics.models import QualityDay
from duaarah.analytics.network_days.operations import recount_day
from duaarah.analytics.vee.edits import edited_days, standing_edits
from duaarah.analytics.vee.judging import LIKE_DAYS
from duaarah.analytics.vee.operations import DAY, check_day, edits_digest, signature
from duaarah.readings import store
from duaarah.readings.models import DayFile

BACK_DAYS = 120
# Its days end last of Indonesia's.
WIB = ZoneInfo("Asia/Jakarta")
DAYS_A_RUN = 10


def catch_up(*, now: dt.datetime) -> int:
    """Entries: the newest changed days first, a few a run; returns how many were judged."""
    today = now.astimezone(dt.UTC).date()
    known = dict(QualityDay.objects.values_list("date", "source"))
    days = {today - n * DAY for n in range(BACK_DAYS)}
    # An older day is judged again for what was set by hand in it; its neighbours are what it is judged from.
    old = {day for day in edited_days() if known.get(day, "") == ""}
    # Neighbours of the oldest day too: `check_day` sees them, and both must come to the same signature.
    near = {day + n * DAY for day in days | old for n in range(-LIKE_DAYS, LIKE_DAYS + 1)}
    bases = {day: base for day in near if (base := store.base_of(day)) is not None}
    digests = {day: edits_digest(numbers) for day, numbers in standing_edits().items()}
    due = [
        day
        for day in sorted((days | old) & set(bases), reverse=True)
        if known.get(day) != signature(day, _around(day, bases), digests.get(day, ""))
    ]
    for day in due[:DAYS_A_RUN]:
        check_day(date=day, now=now)
    # A UTC day holds parts of two local days east of Greenwich.
    # One that is not over is no day yet: half of it would stand beside whole ones.
    over = now.astimezone(WIB).date()
    for local_date in sorted({day + n * DAY for day in due[:DAYS_A_RUN] for n in (0, 1)}):
        if local_date >= over:
            continue
        recount_day(date=local_date, readings=open_readings(local_date - DAY, local_date + DAY), now=now)
    return len(due[:DAYS_A_RUN])


def _around(day: dt.date, bases: dict[dt.date, DayFile]) -> dict[dt.date, DayFile]:
    return {other: base for other, base in bases.items() if abs((other - day).days) <= LIKE_DAYS}
