# SPDX-License-Identifier: Apache-2.0
"""Daily summaries that did not come are asked for: an SMS that is lost costs one question, not a hole in the month."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.order import Order, OrderKind, day_number
from duaarah.headend.operations.commands import queue_command
from duaarah.headend.ports import Driver, OrderNotForThis
from duaarah.sms.models import Priority

BATCH_MAX = 500
# Meters send a day's summary within two hours after midnight (a random offset spares the network); then one hour more.
PATIENCE = dt.timedelta(hours=3)
DAYS_BACK = 3
ASKS_MAX = 4
AGAIN_AFTER = dt.timedelta(hours=3)
# A question that is not answered in so long makes room for the next one.
ASK_LIFE_S = 3 * 3600
EVENTS_BACK = dt.timedelta(days=10)
_WIB = ZoneInfo("Asia/Jakarta")  # a package's days, wherever the meter hangs
_NAMESPACE = uuid.UUID("3f0a7f5e-6b1d-4a57-9c64-5b4d0e7a21c8")

# Who was paired when the day began, holds a daily plan, and of whose day nothing came; one question a meter at a time. What
# the meter refused (it does not keep the day) is not asked again. Events are looked for among those recorded in the last
# days: the clock that fills their partitions is never behind business time.
_MISSING = """
SELECT m.id, m.profile, d.day, (SELECT count(*) FROM headend_command c
    WHERE c.meter_id = m.id AND c.kind = 'DAY_SUMMARY' AND c.payload ->> 'day' = to_char(d.day, 'YYYYMMDD')) AS asked
FROM unnest(%(days)s::date[]) AS d (day)
JOIN registry_meter m ON m.reporting_plan ->> 'daily' = 'true'
JOIN registry_pairing p ON p.meter_id = m.id AND p.valid @> %(now)s::timestamptz
    AND lower(p.valid) <= d.day::timestamp AT TIME ZONE 'Asia/Jakarta'
WHERE NOT EXISTS (SELECT 1 FROM headend_meterevent e WHERE e.meter_id = m.id AND e.kind = 'DAILY_SUMMARY'
        AND e.data ->> 'day_date' = d.day::text AND e.recorded_at > %(since)s)
    AND NOT EXISTS (SELECT 1 FROM headend_command c WHERE c.meter_id = m.id AND c.kind = 'SET_PLAN' AND c.state = 'ACKED'
        AND c.closed_at > (d.day + 1)::timestamp AT TIME ZONE 'Asia/Jakarta')
    AND NOT EXISTS (SELECT 1 FROM headend_command c WHERE c.meter_id = m.id AND c.kind = 'DAY_SUMMARY'
        AND (c.state IN ('QUEUED', 'SENT') OR c.created_at > %(again)s
            OR c.state = 'REJECTED' AND c.payload ->> 'day' = to_char(d.day, 'YYYYMMDD')))
ORDER BY d.day DESC, m.id LIMIT %(limit)s
"""


def ask_missing_days(*, driver: Driver, now: dt.datetime, limit: int = BATCH_MAX) -> int:
    """
    Entry: ask up to `limit` meters for the latest day whose summary has not come; returns how many questions are queued.

    The same question is queued once, however many ask; each day at most ASKS_MAX times.
    """
    last = ((now - PATIENCE).astimezone(_WIB) - dt.timedelta(days=1)).date()
    days = [last - dt.timedelta(days=back) for back in range(DAYS_BACK)]
    asked = 0
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                _MISSING,
                {"days": days, "now": now, "again": now - AGAIN_AFTER, "since": now - EVENTS_BACK, "limit": limit},
            )
            rows = cursor.fetchall()
        seen: set[int] = set()
        for meter_id, profile, day, times in rows:
            order = Order(kind=OrderKind.DAY_SUMMARY, day=day_number(day))
            if meter_id in seen or times >= ASKS_MAX or not _knows(driver, profile, order):
                continue
            seen.add(meter_id)
            _ask(meter_id, order, times, now)
            asked += 1
    return asked


def _knows(driver: Driver, profile: str, order: Order) -> bool:
    try:
        driver.check_order(profile=profile, order=order)
    except OrderNotForThis:
        return False
    return True


def _ask(meter_id: int, order: Order, times: int, now: dt.datetime) -> None:
    name = json.dumps([meter_id, order.day, times])
    correlation = uuid.uuid4()
    command_id = queue_command(
        request_id=uuid.uuid5(_NAMESPACE, name),
        meter_id=meter_id,
        kind=order.kind.value.upper(),
        payload=order.values(),
        priority=Priority.DATA,
        correlation=correlation,
        now=now,
        life_s=ASK_LIFE_S,
    )
    audit.record(
        at=now,
        actor="headend",
        verb="headend.ask_missing_days",
        subject=f"meter:{meter_id}",
        correlation=correlation,
        detail={"command": command_id, "day": order.day},
    )
