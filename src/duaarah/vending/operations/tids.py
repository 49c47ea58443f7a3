# SPDX-License-Identifier: Apache-2.0
"""Token identifiers: monotonic per meter and base date, persisted, never given twice (IEC 62055-41, 6.3.5)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from zoneinfo import ZoneInfo

from django.db import connection

from duaarah.core.sts import check_ken, tid_at, tid_not_reserved
from duaarah.registry.models import Meter
from duaarah.vending.operations.statement import run

_WIB = ZoneInfo("Asia/Jakarta")
_PAN_LOCK = 0x44554103

# One statement: the row lock is held to the end of the caller's transaction. Minutes that are reserved are skipped
# on the way up, so the candidate is raised again until it stands.
_RAISE = """
INSERT INTO vending_tidsequence (meter_id, base_date, latest_tid) VALUES (%(meter)s, %(base)s, %(tid)s)
ON CONFLICT (meter_id, base_date) DO UPDATE
    SET latest_tid = greatest(vending_tidsequence.latest_tid + 1, excluded.latest_tid)
RETURNING latest_tid, xmax = 0
"""

_RAISE_PAN = """
INSERT INTO vending_pansequence (pan, base_date, latest_tid) VALUES (%(pan)s, %(base)s, %(tid)s)
ON CONFLICT (pan, base_date) DO UPDATE
    SET latest_tid = greatest(vending_pansequence.latest_tid + 1, excluded.latest_tid)
RETURNING latest_tid
"""

# A meter's first TID under a base date: what its PAN was given before it was registered stays below.
_CARRY_OVER = """
UPDATE vending_tidsequence s SET latest_tid = greatest(s.latest_tid, p.latest_tid + %(above)s)
FROM registry_meter m JOIN vending_pansequence p ON p.pan = m.pan
WHERE s.meter_id = %(meter)s AND s.base_date = %(base)s AND m.id = s.meter_id AND p.base_date = s.base_date
RETURNING s.latest_tid
"""


class RegisteredMeanwhile(Exception):
    """A meter came into the registry while a token was ordered for its PAN: its own sequence and keys count now."""

    code = "registered_meanwhile"
    retryable = True


def next_tid(*, meter_id: int, base_date: int, ken: int, now: dt.datetime) -> int:
    """
    Joining: the TID of a token made now, in utility-local time (WIB); several in one minute are consecutive.

    Raises:
        STSError: `now` lies outside the base date's range, or the key has expired (KEN).
    """
    tid = _raise(meter_id, base_date, _minute(now, base_date))
    if tid_not_reserved(tid) != tid:
        tid = _raise(meter_id, base_date, tid_not_reserved(tid))
    check_ken(tid, ken)
    return tid


def next_tid_of_pan(*, pan: str, base_date: int, ken: int, now: dt.datetime) -> int:
    """
    Joining: as `next_tid` for a PAN that is in no registry.

    Raises:
        RegisteredMeanwhile: it is in the registry now.
        STSError: as `next_tid`.
    """
    _lock_pan(pan)
    # After the lock: whoever gives a registered meter its first TID waits for it, and then sees ours.
    if Meter.objects.filter(pan=pan).exists():
        raise RegisteredMeanwhile("This meter has just been registered; please ask again.")
    tid = _raise_pan(pan, base_date, _minute(now, base_date))
    if tid_not_reserved(tid) != tid:
        tid = _raise_pan(pan, base_date, tid_not_reserved(tid))
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
            " SET latest_tid = greatest(vending_tidsequence.latest_tid, excluded.latest_tid) RETURNING xmax = 0",
            [meter_id, base_date, tid],
        )
        first = cursor.fetchone()[0]
    if first:
        _carry_over(meter_id, base_date, above=0)


def _minute(now: dt.datetime, base_date: int) -> int:
    return tid_at(now.astimezone(_WIB).replace(tzinfo=None), base_date)


def _raise(meter_id: int, base_date: int, tid: int) -> int:
    found = run(_RAISE, {"meter": meter_id, "base": base_date, "tid": tid})
    assert found is not None  # an upsert returns its row
    latest: int
    latest, first = found
    return _carry_over(meter_id, base_date, above=1) or latest if first else latest


def _raise_pan(pan: str, base_date: int, tid: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_RAISE_PAN, {"pan": pan, "base": base_date, "tid": tid})
        latest: int = cursor.fetchone()[0]
    return latest


def _carry_over(meter_id: int, base_date: int, *, above: int) -> int | None:
    """The meter's latest TID, at least `above` over what its PAN was given; None when that was nothing."""
    _lock_pan(Meter.objects.values_list("pan", flat=True).get(pk=meter_id))
    with connection.cursor() as cursor:
        cursor.execute(_CARRY_OVER, {"meter": meter_id, "base": base_date, "above": above})
        found = cursor.fetchone()
    return found[0] if found else None


def _lock_pan(pan: str) -> None:
    """To the end of the transaction: one giver of TIDs for a PAN whose sequence has no row to lock yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_PAN_LOCK, pan])
