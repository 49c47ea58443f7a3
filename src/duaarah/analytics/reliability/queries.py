# SPDX-License-Identifier: Apache-2.0
"""
Indices of any scope and span from the daily facts; IEEE's view and PLN's, each with its denominator.

Major event days are the whole utility's: days on which its SAIDI is greater than the year's T_MED.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import Avg, DateTimeField, F, Sum, Value
from django.db.models.functions import Coalesce

from duaarah.analytics.models import DailyReliability, MedYear, Scope, ServedCustomers
from duaarah.analytics.reliability import sql
from duaarah.analytics.reliability.operations import excluded_days, saidi_sample
from duaarah.core import indices
from duaarah.outages.models import Cause, Interruption

ALL = tuple(Cause.values)
BASES: Mapping[str, tuple[str, ...]] = {
    "all": ALL,
    "unplanned": (Cause.UNPLANNED, Cause.SUPPLY, Cause.FORCE_MAJEURE),
    "planned": (Cause.PLANNED,),
    "supply": (Cause.SUPPLY,),
    "force_majeure": (Cause.FORCE_MAJEURE,),
}


@dataclass(kw_only=True)
class Day:
    """One local day's sums over the chosen causes; `served` None: the day was not counted."""

    served: int | None = None
    ci: int = 0
    interrupted_us: int = 0
    momentary: int = 0
    momentary_events: int = 0
    excluded_ci: int = 0
    open_ci: int = 0


@dataclass(frozen=True, kw_only=True)
class View:
    """
    Indices of a span. `served` is N_T: the mean of the span's daily counts; `days` in the span, `counted` of them known.
    """

    first_date: dt.date
    last_date: dt.date
    served: float | None
    days: int
    counted: int
    indices: indices.SystemIndices
    excluded_ci: int
    open_ci: int


@dataclass(frozen=True, kw_only=True)
class Month:
    """
    PLN's month: hours and times a customer over the count of the month's last counted day, and the year's sums so far.
    """

    first_date: dt.date
    served: int | None
    saidi_h: float | None
    saifi: float | None
    year_saidi_h: float | None
    year_saifi: float | None


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """T_MED in minutes; `fixed`: stored for the year; otherwise from what there is, and provisional."""

    t_med_min: float
    alpha: float
    beta: float
    days: int
    provisional: bool
    fixed: bool


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How interruptions spread over customers: (sustained, momentary, longest us, total us) and how many customers."""

    rows: Sequence[tuple[int, int, int, int, int]] = field(default_factory=list)

    @property
    def distinct(self) -> int:
        """CN: customers with at least one sustained interruption, each once."""
        return sum(row[4] for row in self.rows if row[0])

    def share(self, served: float | None, *, column: int, least: float) -> float | None:
        return indices.ratio(sum(row[4] for row in self.rows if row[column] >= least), served or 0)

    def cemi(self, n: int, served: float | None) -> float | None:
        """CEMI-n: share with more than n sustained interruptions."""
        return self.share(served, column=0, least=n + 1)

    def cemsmi(self, n: int, served: float | None) -> float | None:
        """CEMSMI-n: share with more than n sustained interruptions and momentary events together."""
        return indices.ratio(sum(row[4] for row in self.rows if row[0] + row[1] > n), served or 0)

    def celid_s(self, hours: float, served: float | None) -> float | None:
        """CELID-s: share with one interruption of `hours` or more."""
        return self.share(served, column=2, least=hours * 3600e6)

    def celid_t(self, hours: float, served: float | None) -> float | None:
        """CELID-t: share whose interruptions sum to `hours` or more."""
        return self.share(served, column=3, least=hours * 3600e6)


def days_of(
    *, scope: str, scope_id: int, first_date: dt.date, last_date: dt.date, causes: Collection[str] = ALL
) -> dict[dt.date, Day]:
    """Each day of the span, both ends included."""
    found = {first_date + dt.timedelta(days=n): Day() for n in range((last_date - first_date).days + 1)}
    of = {"scope": scope, "scope_id": scope_id, "date__range": (first_date, last_date), "superseded_at": None}
    for date, served in ServedCustomers.objects.filter(**of).values_list("date", "served"):
        found[date].served = served
    names = ("ci", "interrupted_us", "momentary", "momentary_events", "excluded_ci", "open_ci")
    for date, *sums in DailyReliability.objects.filter(**of, cause__in=list(causes)).values_list("date", *names):
        for name, value in zip(names, sums, strict=True):
            setattr(found[date], name, getattr(found[date], name) + value)
    return found


def view(days: Mapping[dt.date, Day], *, without: Collection[dt.date] = (), distinct: int | None = None) -> View:
    """IEEE's indices of days of `days_of`; `without`: major event days, whose interruptions are left out."""
    used = [day for date, day in days.items() if date not in without]
    counts = [day.served for day in days.values() if day.served is not None]
    served = indices.average_served(counts)
    made = indices.system_indices(
        ci=sum(day.ci for day in used),
        cmi=sum(day.interrupted_us for day in used) / 60e6,
        customers_served=served or 0,
        period_min=len(used) * 1440,
        momentary=sum(day.momentary for day in used),
        momentary_events=sum(day.momentary_events for day in used),
        distinct=distinct,
    )
    return View(
        first_date=min(days),
        last_date=max(days),
        served=served,
        days=len(days),
        counted=len(counts),
        indices=made,
        excluded_ci=sum(day.excluded_ci for day in used),
        open_ci=sum(day.open_ci for day in used),
    )


def pln_months(days: Mapping[dt.date, Day], *, without: Collection[dt.date] = ()) -> list[Month]:
    """PLN's months of a year's days, in order; a month without a counted day has no figures and adds nothing."""
    by_month: dict[dt.date, list[dt.date]] = {}
    for date in sorted(days):
        by_month.setdefault(date.replace(day=1), []).append(date)
    made: list[Month] = []
    hours = times = None
    for first_date, dates in by_month.items():
        served = next((days[date].served for date in reversed(dates) if days[date].served), None)
        us = sum(days[date].interrupted_us for date in dates if date not in without)
        ci = sum(days[date].ci for date in dates if date not in without)
        own = (us / 3600e6 / served, ci / served) if served else (None, None)
        if own[0] is not None and own[1] is not None:
            hours, times = (hours or 0) + own[0], (times or 0) + own[1]
        made.append(
            Month(
                first_date=first_date,
                served=served,
                saidi_h=own[0],
                saifi=own[1],
                year_saidi_h=hours,
                year_saifi=times,
            )
        )
    return made


def threshold(*, year: int, until_date: dt.date) -> Threshold | None:
    """
    T_MED that holds for a year: the stored one, else what the days up to `until_date` give, provisional. None: too few.
    """
    found = MedYear.objects.filter(year=year).first()
    if found is not None:
        return Threshold(
            t_med_min=found.t_med_min,
            alpha=found.alpha,
            beta=found.beta,
            days=found.days,
            provisional=found.provisional,
            fixed=True,
        )
    left_out = excluded_days()
    sample = saidi_sample(first_date=dt.date(year - 5, 1, 1), last_date=until_date)
    try:
        made = indices.t_med([saidi for date, saidi in sample.items() if date not in left_out])
    except indices.TooFewDays:
        return None
    return Threshold(
        t_med_min=made.t_med, alpha=made.alpha, beta=made.beta, days=made.days_used, provisional=True, fixed=False
    )


def med_dates(*, first_date: dt.date, last_date: dt.date) -> list[dt.date]:
    """The whole utility's major event days of a span, each by its own year's threshold."""
    found: list[dt.date] = []
    for year in range(first_date.year, last_date.year + 1):
        known = threshold(year=year, until_date=min(last_date, dt.date(year, 12, 31)))
        if known is None:
            continue
        ends = max(first_date, dt.date(year, 1, 1)), min(last_date, dt.date(year, 12, 31))
        found += indices.med_days(saidi_sample(first_date=ends[0], last_date=ends[1]), known.t_med_min)
    return found


def spread(
    *,
    scope: str,
    scope_id: int,
    first_date: dt.date,
    last_date: dt.date,
    now: dt.datetime,
    causes: Collection[str] = ALL,
    without: Collection[dt.date] = (),
) -> Spread:
    """How the span's interruptions spread over customers, from the ledger itself."""
    values: dict[str, Any] = {"first": first_date, "last": last_date, "now": now, "scope": scope, "scope_id": scope_id}
    values |= {"causes": list(causes), "without": list(without)}
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (sql.SCOPES, sql.PIECES, sql.CUSTOMERS):
            cursor.execute(statement, values)
        rows = cursor.fetchall()
        cursor.execute("DROP TABLE reliability_scope, reliability_piece")
    return Spread(rows=rows)


def month_ends(day: dt.date) -> tuple[dt.date, dt.date]:
    """First and last day of a day's month."""
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])


def is_scope(scope: str) -> bool:
    return scope in Scope.values


def sums_of(
    *, scope: str, scope_ids: Collection[int], first_date: dt.date, last_date: dt.date, causes: Collection[str] = ALL
) -> dict[int, tuple[float, int, int]]:
    """(mean N_T, CI, customer microseconds) of several scopes of one kind at once; without those never counted."""
    of = {
        "scope": scope,
        "scope_id__in": list(scope_ids),
        "date__range": (first_date, last_date),
        "superseded_at": None,
    }
    served = ServedCustomers.objects.filter(**of).values("scope_id").annotate(mean=Avg("served"))
    sums = DailyReliability.objects.filter(**of, cause__in=list(causes)).values("scope_id")
    rows = {row["scope_id"]: row for row in sums.annotate(ci=Sum("ci"), us=Sum("interrupted_us"))}
    none = {"ci": 0, "us": 0}
    found = {}
    for row in served:
        own = rows.get(row["scope_id"], none)
        found[row["scope_id"]] = (row["mean"], own["ci"], own["us"])
    return found


def longest(*, first_date: dt.date, last_date: dt.date, now: dt.datetime, limit: int) -> list[Interruption]:
    """The longest interruptions that began in a span (UTC days), with their meters; what is open counts up to `now`."""
    rows = Interruption.objects.filter(
        superseded_at=None,
        began_at__gte=dt.datetime.combine(first_date, dt.time(), dt.UTC),
        began_at__lt=dt.datetime.combine(last_date + dt.timedelta(days=1), dt.time(), dt.UTC),
    )
    length = Coalesce(F("ended_at"), Value(now, output_field=DateTimeField())) - F("began_at")
    return list(rows.select_related("meter").annotate(length=length).order_by("-length", "pk")[:limit])
