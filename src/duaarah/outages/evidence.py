# SPDX-License-Identifier: Apache-2.0
"""From what a meter reports to the words that matter for outages (joining: they commit with the frame)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import connection, transaction

from duaarah.core.intent import (
    CreditExhausted,
    DailySummary,
    DataBlock,
    LastGasp,
    LowCredit,
    PowerRestored,
    Report,
    TokenResult,
)
from duaarah.core.outage import Kind
from duaarah.core.reports import LoadProfile, ModemStatus, PowerFailureLog, RelayState

# A clock that is further off than this is not believed; the arrival counts then.
AHEAD, BEHIND = dt.timedelta(minutes=10), dt.timedelta(days=40)
Word = tuple[Kind, dt.datetime, dt.datetime | None]

_KEEP = """
INSERT INTO outages_meterword (meter_id, kind, meter_at, end_at, arrived_at, seen)
SELECT %s, v.kind, v.meter_at, v.end_at, %s, false
FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS v (kind, meter_at, end_at)
ON CONFLICT DO NOTHING
"""


def note_report(*, meter_id: int, report: Report, now: dt.datetime) -> None:
    """Joining: keep what this report says of the supply, arrived at `now`."""
    keep_words(meter_id=meter_id, words=words_of(report, now), now=now)


def keep_words(*, meter_id: int, words: Iterable[Word], now: dt.datetime) -> None:
    """Joining: keep words of one meter; those that are known already stay as they are."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A word is kept in the transaction that takes its frame.")
    rows = list(words)
    if not rows:
        return
    kinds, meter_ats, end_ats = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [meter_id, now, [str(kind) for kind in kinds], list(meter_ats), list(end_ats)])


def words_of(report: Report, now: dt.datetime) -> list[Word]:
    """What a report says of its meter's supply; every report says at least that its meter was alive."""
    at = getattr(report, "at", None)
    if at is None or not now - BEHIND <= at <= now + AHEAD:
        at = now
    match report:
        case LastGasp():
            return [(Kind.GASP, at, None)]
        case PowerRestored():
            return [(Kind.RESTORE, at, None)]
        case CreditExhausted(relay_closed=False) | RelayState(relay_closed=False, relay_reason="credit"):
            return [(Kind.CREDIT_OPEN, at, None)]
        case RelayState(relay_closed=True):
            return [(Kind.CREDIT_CLOSED, at, None)]
        case TokenResult(balance_wh=balance_wh) if balance_wh > 0:
            return [(Kind.CREDIT_CLOSED, at, None)]
        case DataBlock(balance_wh=0) | DailySummary(balance_wh=0):
            return [(Kind.BALANCE_EMPTY, at, None)]
        case LowCredit(relay_closed=True):
            return [(Kind.CREDIT_CLOSED, at, None)]
        case ModemStatus():
            return [(Kind.MODEM, at, None)]
        case PowerFailureLog():
            return _of_log(report, at)
        case LoadProfile():
            return [*_of_profile(report, now), (Kind.ALIVE, at, None)]
    return [(Kind.ALIVE, at, None)]


def _of_log(log: PowerFailureLog, at: dt.datetime) -> list[Word]:
    told = [(one.begin_at, one.begin_at + dt.timedelta(seconds=one.out_s)) for one in log.outages if one.begin_at]
    # It tells all since its oldest entry; one that is empty was never full.
    since_at = min((begin_at for begin_at, _ in told), default=at - BEHIND)
    words: list[Word] = [(Kind.LOG, begin_at, end_at) for begin_at, end_at in told]
    if all(one.begin_at for one in log.outages) and since_at < at:
        words.append((Kind.LOG_COVERS, since_at, at))
    return words


def _of_profile(profile: LoadProfile, now: dt.datetime) -> list[Word]:
    volts = [
        place for place, name in enumerate(profile.channels) if name.startswith("voltage") and name.endswith("_mv")
    ]
    words: list[Word] = []
    for interval in profile.intervals:
        end_at = interval.start_at + dt.timedelta(seconds=profile.period_s)
        measured = [value for place in volts if (value := interval.values[place]) is not None]
        if not measured or not now - BEHIND <= end_at <= now + AHEAD:
            continue
        words.append((Kind.INTERVAL if max(measured) > 0 else Kind.ZERO, end_at, None))
    return words
