# SPDX-License-Identifier: Apache-2.0
"""From the packages that were sold for a month to what each meter shall send on its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import connection

from duaarah.core.smsplan import COUNT_MAX, Overflow, ReportingPlan

# A meter whose package has ended: its credit and its answers, nothing else.
NOTHING_SOLD = ReportingPlan((), 0, 0)

_TERMS = """
SELECT s.meter_id, t.id, t.block_days, t.meter_fault_sms, t.data_sms, t.fault_overflow, t.data_overflow, t.daily_summary
FROM sms_subscription s
JOIN LATERAL (SELECT * FROM sms_packageterms t WHERE t.plan_id = s.plan_id AND t.valid_from_date <= %(month)s
              ORDER BY t.valid_from_date DESC LIMIT 1) t ON true
WHERE s.valid @> %(month)s::date AND (%(all)s OR s.meter_id = ANY(%(meters)s))
ORDER BY s.meter_id, s.slot
"""


def sold_plans(month_date: dt.date, meter_ids: Sequence[int] | None = None) -> dict[int, ReportingPlan]:
    """The reporting plan by meter; meters without a package are not in it. None = every meter."""
    with connection.cursor() as cursor:
        cursor.execute(_TERMS, {"month": month_date, "all": meter_ids is None, "meters": list(meter_ids or ())})
        sold: dict[int, list[tuple[Any, ...]]] = {}
        for row in cursor.fetchall():
            sold.setdefault(row[0], []).append(row)
    # Many meters, few combinations of terms.
    made: dict[tuple[int, ...], ReportingPlan] = {}
    plans = {}
    for meter_id, rows in sold.items():
        key = tuple(row[1] for row in rows)
        if key not in made:
            made[key] = _plan(rows)
        plans[meter_id] = made[key]
    return plans


def _plan(rows: list[tuple[Any, ...]]) -> ReportingPlan:
    """As the month's budget does: counts add up, the base package's policy for faults, the data package's for data."""
    days = {day for row in rows for day in (row[2] if isinstance(row[2], list) else _days(row[2]))}
    return ReportingPlan(
        block_days=tuple(sorted(days)),
        fault_sms=min(sum(row[3] for row in rows), COUNT_MAX),
        data_sms=min(sum(row[4] for row in rows), COUNT_MAX),
        fault_overflow=Overflow(rows[0][5]),
        data_overflow=Overflow(rows[-1][6]),
        daily=any(row[7] for row in rows),
    )


def _days(text: str) -> list[int]:
    """A JSON column of a raw query is text."""
    return [int(day) for day in text.strip("[] ").split(",") if day.strip()]
