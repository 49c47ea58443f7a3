# SPDX-License-Identifier: Apache-2.0
"""Counting days: customers served and interruptions, versioned; the year's T_MED; exclusions by two people."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from duaarah.analytics.models import DailyReliability, Exclusion, MedYear, Scope, ServedCustomers
from duaarah.analytics.reliability import sql
from duaarah.audit import operations as audit
from duaarah.core.indices import TooFewDays, t_med
from duaarah.outages.models import Interruption
from duaarah.people.models import Approval, Login
from duaarah.people.operations import request_approval, use_approval

WIB = ZoneInfo("Asia/Jakarta")
VERB = "reliability.exclude"
MED_YEARS = 5


def recount_days(*, first_date: dt.date, last_date: dt.date, now: dt.datetime) -> int:
    """
    Entry: the facts of a range of local days from the interruptions as they are known; returns the rows that changed.

    Equal facts write nothing; a changed one supersedes the former. What is open counts up to `now`.
    """
    values: dict[str, Any] = {"first": first_date, "last": last_date, "now": now}
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        for statement in (sql.LOCK, sql.SCOPES, sql.PIECES, "ANALYZE reliability_piece", sql.FACTS):
            cursor.execute(statement, values)
        cursor.execute(sql.FACTS_CLOSE, values)
        closed = cursor.rowcount
        cursor.execute(sql.FACTS_WRITE, values)
        return max(closed, cursor.rowcount)


def count_served(*, date: dt.date, now: dt.datetime) -> int:
    """Entry: N_T of a local day for every scope; returns the rows that are new."""
    how = "day" if now.astimezone(WIB).date() - date <= dt.timedelta(days=1) else "later"
    values: dict[str, Any] = {"day": date, "now": now, "how": how}
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        for statement in (sql.LOCK, sql.SCOPES, sql.SERVED, sql.SERVED_CLOSE, sql.SERVED_WRITE):
            cursor.execute(statement, values)
        return cursor.rowcount


def fix_threshold(*, year: int, now: dt.datetime) -> MedYear | None:
    """
    Entry: T_MED of a year from the utility's days of the five years before it, once; None while it cannot be computed.

    Provisional when fewer than five of them are complete; days without SAIDI and excluded days are not used.
    """
    with transaction.atomic(durable=True):
        found = MedYear.objects.filter(year=year).first()
        if found is not None:
            return found
        first, last = dt.date(year - MED_YEARS, 1, 1), dt.date(year - 1, 12, 31)
        daily = saidi_sample(first_date=first, last_date=last)
        complete = len(daily) == (last - first).days + 1
        try:
            left_out = excluded_days()
            made = t_med([saidi for date, saidi in daily.items() if date not in left_out])
        except TooFewDays:
            return None
        return MedYear.objects.create(
            year=year,
            alpha=made.alpha,
            beta=made.beta,
            days=made.days_used,
            t_med_min=made.t_med,
            provisional=not complete,
            computed_at=now,
        )


def excluded_days() -> set[dt.date]:
    """The days that two people left out of T_MED's sample."""
    dates = Exclusion.objects.filter(date__isnull=False).values_list("date", flat=True)
    return {date for date in dates if date is not None}


def saidi_sample(*, first_date: dt.date, last_date: dt.date) -> dict[dt.date, float]:
    """SAIDI in minutes of each counted day of the whole utility, all causes; 0 for a day without interruptions."""
    of = {"scope": Scope.UTILITY, "scope_id": 0, "date__range": (first_date, last_date), "superseded_at": None}
    served = dict(ServedCustomers.objects.filter(**of).values_list("date", "served"))
    sums: dict[dt.date, int] = {}
    for date, us in DailyReliability.objects.filter(**of).values_list("date", "interrupted_us"):
        sums[date] = sums.get(date, 0) + us
    return {date: sums.get(date, 0) / 60e6 / count for date, count in sorted(served.items()) if count}


def ask_exclusion(
    *, date: dt.date | None, interruption_id: int | None, reason: str, asked_by: Login, now: dt.datetime
) -> Approval:
    """
    Entry: ask a second person to leave out a day (of T_MED's sample) or one interruption (of the indices).

    Raises:
        ValueError: not exactly one of both, or no reason.
    """
    if (date is None) == (interruption_id is None):
        raise ValueError("A day or an interruption, one of them.")
    detail: dict[str, Any]
    if date is not None:
        subject, detail = f"day:{date}", {"date": date.isoformat()}
    else:
        assert interruption_id is not None
        found = Interruption.objects.get(pk=interruption_id)
        subject = f"meter:{found.meter_id}"
        detail = {"meter": found.meter_id, "began_at": found.began_at.isoformat()}
    return request_approval(verb=VERB, subject=subject, detail=detail, reason=reason, requested_by=asked_by, now=now)


def exclude(*, approval_id: int, actor: str, now: dt.datetime) -> Exclusion:
    """
    Entry: carry out an approved exclusion, once; the next count of its day leaves it out.

    Raises:
        ApprovalRefused: not approved, expired, or used before.
    """
    subject = Approval.objects.values_list("subject", flat=True).get(pk=approval_id)
    with transaction.atomic(durable=True):
        approval = use_approval(approval_id=approval_id, verb=VERB, subject=subject, now=now)
        detail = approval.detail
        made = Exclusion.objects.create(
            date=dt.date.fromisoformat(detail["date"]) if "date" in detail else None,
            meter_id=detail.get("meter"),
            began_at=dt.datetime.fromisoformat(detail["began_at"]) if "began_at" in detail else None,
            reason=approval.reason,
            approval=approval,
            made_at=now,
        )
        audit.record(at=now, actor=actor, verb=VERB, subject=subject, reason=approval.reason, detail=detail)
        return made
