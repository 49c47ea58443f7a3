# SPDX-License-Identifier: Apache-2.0
"""Token identifiers: monotonic per meter and base date, persisted, never given twice (IEC 62055-41, 6.3.5)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from zoneinfo import ZoneInfo

from django.db import connection

from duaarah.core.sts import check_ken, tid_at, tid_not_reserved

_WIB = ZoneInfo("Asia/Jakarta")

# One statement: the row lock is held to the end of the caller's transaction. Minutes that are reserved are skipped
# on the way up, so the candidate is raised again until it stands.
_RAISE = """
INSERT INTO vending_tidsequence (meter_id, base_date, latest_tid) VALUES (%(meter)s, %(base)s, %(tid)s)
ON CONFLICT (meter_id, base_date) DO UPDATE
    SET latest_tid = greatest(vending_tidsequence.latest_tid + 1, excluded.latest_tid)
RETURNING latest_tid
"""


def next_tid(*, meter_id: int, base_date: int, ken: int, now: dt.datetime) -> int:
    """
    Joining: the TID of a token made now, in utility-local time (WIB); several in one minute are consecutive.

    Raises:
        STSError: `now` lies outside the base date's range, or the key has expired (KEN).
    """
    local = now.astimezone(_WIB).replace(tzinfo=None)
    tid = _raise(meter_id, base_date, tid_at(local, base_date))
    if tid_not_reserved(tid) != tid:
        tid = _raise(meter_id, base_date, tid_not_reserved(tid))
    check_ken(tid, ken)
    return tid


def lock_tids(*, meter_id: int, base_dates: Collection[int]) -> None:
    """
    Joining: no token of this meter is begun before the caller's transaction ends.

    Every token, ours or from elsewhere, is entered under its meter's row here. Whoever changes what tokens are made with
    takes the rows first, in one order.
    """
    for base_date in sorted(set(base_dates)):
        keep_foreign_tid(meter_id=meter_id, base_date=base_date, tid=0)


def keep_foreign_tid(*, meter_id: int, base_date: int, tid: int) -> None:
    """Joining: a token of this TID was sold elsewhere; ours stay above it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO vending_tidsequence (meter_id, base_date, latest_tid) VALUES (%s, %s, %s)"
            " ON CONFLICT (meter_id, base_date) DO UPDATE"
            " SET latest_tid = greatest(vending_tidsequence.latest_tid, excluded.latest_tid)",
            [meter_id, base_date, tid],
        )


def _raise(meter_id: int, base_date: int, tid: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_RAISE, {"meter": meter_id, "base": base_date, "tid": tid})
        latest: int = cursor.fetchone()[0]
    return latest
