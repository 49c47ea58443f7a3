# SPDX-License-Identifier: Apache-2.0
"""Days left, computed anew on every reading: the report's transaction marks the meter, the sweeper computes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import connection, transaction

from duaarah.core.forecast import DaysLeft, Pace, days_left, needs_notice
from duaarah.headend.models import InvocationCounter
from duaarah.notices.models import Forecast
from duaarah.notices.use import Told, day_gone, local_date, told_by
from duaarah.registry.models import Meter

# So many meters share a transaction: a report of one of them waits for it.
BATCH_MAX = 20
# A forecast from less is not told by SMS, nor from a credit that was read longer ago.
DAYS_MIN, FRESH = 7, dt.timedelta(days=3)
FAR = dt.timedelta(days=3650)

# Ordered, as every batch of reports takes its meters in order.
_MARK = """
INSERT INTO notices_forecast AS f (meter_id, due, days_known)
SELECT id, true, 0 FROM unnest(%s::bigint[]) AS id ORDER BY id
ON CONFLICT (meter_id) DO UPDATE SET due = true WHERE NOT f.due
"""


def mark_read(*, meter_ids: Iterable[int]) -> None:
    """Joining: these meters have told something; what is computed of them is no longer the latest."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A reading marks its meter in the transaction that takes it.")
    ids = sorted(set(meter_ids))
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(_MARK, [ids])


def compute_claimed(*, now: dt.datetime, limit: int = BATCH_MAX) -> list[Forecast]:
    """Joining: lock up to `limit` meters that have spoken and compute their days left; the rows, by meter."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Forecasts are locked until what follows from them is committed.")
    due = list(
        Forecast.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("meter__invocation_counter")
        .filter(due=True)
        .order_by("meter_id")[:limit]
    )
    if due:
        told = told_by([row.meter_id for row in due], until_at=now)
        for row in due:
            compute(row, told[row.meter_id], now)
        Forecast.objects.bulk_update(due, [*_COMPUTED, "due"])
    return due


_COMPUTED = (
    *("days_left", "low_days", "high_days", "balance_wh", "as_of_at", "ends_at", "ends_low_at", "daily_wh"),
    *("days_known", "computed_at"),
)


def compute(row: Forecast, told: Told, now: dt.datetime) -> None:
    """Fill the row from what the meter told; a meter that never told its credit has nothing but its pace."""
    meter: Meter = row.meter
    counter: InvocationCounter | None = getattr(meter, "invocation_counter", None)
    as_of_at = counter.balance_at if counter is not None else None
    balance_wh = counter.balance_wh if counter is not None else None
    at = as_of_at or now
    use = told.use(zone=meter.zone, before_date=local_date(at, meter.zone))
    row.due, row.computed_at, row.days_known = False, now, use.days_known
    row.balance_wh, row.as_of_at = balance_wh, as_of_at
    row.daily_wh = _pace_wh(use.daily_kwh, use.weekday_of_first)
    found = DaysLeft(None, None, None)
    if balance_wh is not None and as_of_at is not None:
        found = days_left(
            daily_kwh=use.daily_kwh,
            weekday_of_first=use.weekday_of_first,
            credit_kwh=balance_wh / 1000,
            day_gone=day_gone(as_of_at, meter.zone),
        )
    row.days_left, row.low_days, row.high_days = found.days_left, found.low, found.high
    row.ends_at, row.ends_low_at = _end(as_of_at, found.days_left), _end(as_of_at, found.low)


def _pace_wh(daily_kwh: list[float | None], weekday_of_first: int) -> int | None:
    pace = Pace()
    for number, used in enumerate(daily_kwh):
        pace.learn(used, (weekday_of_first + number) % 7)
    week = pace.week_kwh(0)
    return None if week is None else round(sum(week) / 7 * 1000)


def _end(as_of_at: dt.datetime | None, days: float | None) -> dt.datetime | None:
    if as_of_at is None or days is None:
        return None
    return as_of_at + (dt.timedelta(days=days) if days < FAR.days else FAR)


def notice_due(row: Forecast) -> bool:
    """Whether this is the day on which a warning still gives a day's notice."""
    return needs_notice(DaysLeft(row.days_left, row.low_days, row.high_days))


def days_known(meter_id: int, now: dt.datetime, balance_wh: int | None = None) -> float | None:
    """
    Days left from `now` by the latest forecast of a meter; None without one, or one from too few days or too long ago.

    `balance_wh`: the credit that the meter tells just now, which no forecast knows yet; its pace is known.
    """
    row = Forecast.objects.filter(pk=meter_id).first()
    if row is None or row.days_known < DAYS_MIN or row.as_of_at is None or now - row.as_of_at > FRESH:
        return None
    if balance_wh is not None:
        return balance_wh / row.daily_wh if row.daily_wh else None
    left = row.left_at(now)
    return None if left is None else left.days


# -- which warning was the last: one cycle of the credit, one warning ---------------------------------------------------


def note_warning(*, meter_id: int, by_days: bool, now: dt.datetime) -> None:
    """Joining: a low-credit warning is queued."""
    said = {"warned_at": now, **({"days_warned_at": now} if by_days else {})}
    Forecast.objects.update_or_create(pk=meter_id, defaults=said)


def forget_warnings(*, meter_id: int) -> None:
    """Joining: a token was loaded; the next low credit is another one."""
    Forecast.objects.filter(pk=meter_id).update(warned_at=None, days_warned_at=None)


def days_warned_at(*, meter_id: int, after_at: dt.datetime) -> bool:
    """Whether a warning that followed from days left was queued after this moment, for the credit that is there now."""
    return Forecast.objects.filter(pk=meter_id, days_warned_at__gt=after_at).exists()
