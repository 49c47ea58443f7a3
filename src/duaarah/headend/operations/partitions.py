# SPDX-License-Identifier: Apache-2.0
"""Month partitions of attempts, meter events, interval values and the host's journal, made before their month begins."""

from __future__ import annotations

import datetime as dt
import itertools

from django.db import connection, transaction

MONTHS_AHEAD = 3
LOCK_TIMEOUT_S = 2
PARTITIONED = (
    ("headend_attempt", "started_at"),
    ("headend_meterevent", "recorded_at"),
    ("readings_interval", "start_at"),
    ("vending_ppobmessage", "at"),
)

_WAITING = "SELECT EXISTS (SELECT 1 FROM {table}_default WHERE {key} >= '{begin}' AND {key} < '{end}')"
# The usual way: nobody is in the way. (To detach and attach locks every table that is referred to against its readers, and one
# who reads several of them at that moment is in a deadlock.)
_MAKE = "SELECT duaarah_make_month('{table}', '{month}'::date)"

# Rows that came before their partition lie in the default one, which then refuses a partition of their month. Detached,
# it is a plain table without the append-only trigger; the rows go through the parent into their month.
_MOVE = """
ALTER TABLE {table} DETACH PARTITION {table}_default;
SELECT duaarah_make_month('{table}', '{month}'::date);
INSERT INTO {table} SELECT * FROM {table}_default WHERE {key} >= '{begin}' AND {key} < '{end}';
DELETE FROM {table}_default WHERE {key} >= '{begin}' AND {key} < '{end}';
ALTER TABLE {table} ATTACH PARTITION {table}_default DEFAULT;
"""


def _months(today: dt.date, ahead: int) -> list[dt.date]:
    """First days of this month and the next ones."""
    first = today.year * 12 + today.month - 1
    return [dt.date((first + n) // 12, (first + n) % 12 + 1, 1) for n in range(ahead + 2)]


def make_month_partitions(*, today: dt.date, ahead: int = MONTHS_AHEAD) -> list[str]:
    """
    Entry: partitions of the UTC month of `today` (machine time) and the `ahead` next ones; returns those made now.

    One transaction each, waiting at most two seconds for a lock: a chore must not hold up the queue behind it.
    """
    made = []
    months = _months(today, ahead)
    for table, key in PARTITIONED:
        for month, following in itertools.pairwise(months):
            name = f"{table}_{month:%Y_%m}"
            with transaction.atomic(durable=True), connection.cursor() as cursor:
                cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
                if cursor.fetchone()[0]:
                    continue
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
                begin, end = f"{month} 00:00+00", f"{following} 00:00+00"
                cursor.execute(_WAITING.format(table=table, key=key, begin=begin, end=end))
                how = _MOVE if cursor.fetchone()[0] else _MAKE
                cursor.execute(how.format(table=table, key=key, month=month, begin=begin, end=end))
                made.append(name)
    return made
