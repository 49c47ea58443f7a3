# SPDX-License-Identifier: Apache-2.0
"""Landing interval values (joining), and forgetting old months."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection, transaction

# What lies outside was told by a clock that is wrong: a meter keeps a year at most, and nobody measures tomorrow.
OLDEST = dt.timedelta(days=400)
AHEAD = dt.timedelta(days=1)
MONTHS_KEPT = 25
VALUE_MAX = 2**63 - 1
LOCK_TIMEOUT_S = 2

# The value of the higher counter counts, so a repeat only moves the counter on.
_LAND = """
INSERT INTO readings_interval AS r (meter_id, channel, start_at, period_s, value, status, counter, arrived_at)
SELECT %(meter)s, t.channel, t.start_at, %(period)s, t.value, t.status, %(counter)s, %(now)s
FROM unnest(%(channels)s::text[], %(starts)s::timestamptz[], %(values)s::bigint[], %(statuses)s::integer[])
    AS t (channel, start_at, value, status)
ON CONFLICT (meter_id, start_at, channel, period_s, value, status) DO UPDATE
    SET counter = excluded.counter, arrived_at = excluded.arrived_at WHERE r.counter < excluded.counter
"""


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of one interval, in the unit that ends the channel's name."""

    channel: str
    start_at: dt.datetime
    value: int
    status: int = 0


@dataclass(frozen=True, kw_only=True)
class Landed:
    """How many values are kept, and how many were not taken because of their time or size."""

    kept: int
    refused: int


def land(*, meter_id: int, period_s: int, values: Iterable[Value], counter: int, now: dt.datetime) -> Landed:
    """Joining: keep what a meter told under `counter`. The same values again change nothing that counts."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Values land in the transaction that takes their frame.")
    wanted: dict[tuple[str, dt.datetime, int, int], None] = {}
    refused = 0
    for one in values:
        if now - OLDEST <= one.start_at <= now + AHEAD and abs(one.value) <= VALUE_MAX:
            wanted[one.channel, one.start_at, one.value, one.status] = None
        else:
            refused += 1
    if not wanted:
        return Landed(kept=0, refused=refused)
    channels, starts, numbers, statuses = zip(*wanted, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _LAND,
            {
                "meter": meter_id,
                "period": period_s,
                "counter": counter,
                "now": now,
                "channels": list(channels),
                "starts": list(starts),
                "values": list(numbers),
                "statuses": list(statuses),
            },
        )
    return Landed(kept=len(wanted), refused=refused)


def forget_months(*, today: dt.date, months_kept: int = MONTHS_KEPT) -> list[str]:
    """
    Entry: drop the months of intervals that lie more than `months_kept` before `today`; returns the partitions dropped.

    One transaction each, waiting at most two seconds for a lock.
    """
    oldest = today.year * 12 + today.month - 1 - months_kept
    limit = f"readings_interval_{oldest // 12}_{oldest % 12 + 1:02d}"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'readings_interval'::regclass AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'"
            " AND c.relname < %s ORDER BY 1",
            [limit],
        )
        names = [row[0] for row in cursor.fetchall()]
    for name in names:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
            cursor.execute(f'DROP TABLE "{name}"')
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM readings_interval_default WHERE start_at < %s",
            [dt.datetime(oldest // 12, oldest % 12 + 1, 1, tzinfo=dt.UTC)],
        )
    return names
