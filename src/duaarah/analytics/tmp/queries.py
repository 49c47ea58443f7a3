# SPDX-License-Identifier: Apache-2.0
"""A unit's month of TMP, customer by customer, what it declared, and the quarter's report."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Q, Sum

from duaarah.analytics.models import Compensation, DeclaredLevel, TMPMonth
from duaarah.analytics.models.tmp import Indicator
from duaarah.analytics.reliability import sql
from duaarah.analytics.reliability.queries import month_ends
from duaarah.core import tmp
from duaarah.outages.models import Cause

REPORT_DAYS = 30
# Maintenance, and what is not the utility's negligence.
EXEMPT = (Cause.PLANNED, Cause.FORCE_MAJEURE)

# Sustained interruptions of a month, its days in each meter's zone. Steps of one event are one time; each lasts by itself.
_LEDGER = """
SELECT i.meter_id, m.tariff_group, m.contracted_va, m.zone, count(DISTINCT coalesce(i.outage_id, -i.id)) AS times,
    sum(floor(greatest(extract(epoch FROM i.ended_at - CASE WHEN %(known)s THEN greatest(i.began_at, i.known_at)
        ELSE i.began_at END), 0)))::bigint AS interrupted_s,
    sum(floor(extract(epoch FROM i.ended_at - i.began_at)))::bigint AS physical_s
FROM outages_interruption i JOIN registry_meter m ON m.id = i.meter_id
JOIN reliability_scope s ON s.leaf = m.transformer_id AND s.scope = 'UNIT' AND s.scope_id = %(unit)s
WHERE i.superseded_at IS NULL AND i.ended_at > i.began_at + interval '300 seconds' AND m.customer_id IS NOT NULL
  AND i.excluded = '' AND i.cause <> ALL(%(exempt)s)
  AND i.began_at >= %(first)s::date - interval '1 day' AND i.began_at < %(last)s::date + interval '2 days'
  AND (i.began_at AT TIME ZONE m.zone)::date BETWEEN %(first)s AND %(last)s
  AND NOT EXISTS (SELECT FROM analytics_exclusion x WHERE x.meter_id = i.meter_id AND x.began_at = i.began_at)
GROUP BY 1, 2, 3, 4
ORDER BY interrupted_s DESC, i.meter_id
"""

_OPEN = """
SELECT count(*) FROM outages_interruption i JOIN registry_meter m ON m.id = i.meter_id
JOIN reliability_scope s ON s.leaf = m.transformer_id AND s.scope = 'UNIT' AND s.scope_id = %(unit)s
WHERE i.superseded_at IS NULL AND i.ended_at IS NULL AND m.customer_id IS NOT NULL
  AND i.began_at < %(last)s::date + interval '2 days' AND (i.began_at AT TIME ZONE m.zone)::date <= %(last)s
"""


@dataclass(frozen=True, kw_only=True)
class CustomerMonth:
    """A customer's month: seconds that count by the rules in force, seconds of the physical begin, times."""

    meter_id: int
    tariff_group: str
    contracted_va: int
    times: int
    interrupted_s: int
    physical_s: int


@dataclass(frozen=True, kw_only=True)
class UnitMonth:
    """TMP of a unit's month: the worst single customer's hours and times; declared values, None: none declared."""

    month_date: dt.date
    rows: list[CustomerMonth]
    open_customers: int
    declared_h: Decimal | None
    declared_times: Decimal | None

    @property
    def worst_s(self) -> int:
        return max((row.interrupted_s for row in self.rows), default=0)

    @property
    def worst_times(self) -> int:
        return max((row.times for row in self.rows), default=0)


def unit_month(*, unit_id: int, month_date: dt.date) -> UnitMonth:
    """
    Every customer of a unit (and the units below it) who was interrupted in a month.

    Raises:
        NoRules: no rules are loaded for this month.
    """
    first, last = month_ends(month_date)
    known = tmp.rules_of(first).counts == tmp.Counts.KNOWN
    values: dict[str, Any] = {"unit": unit_id, "first": first, "last": last, "known": known, "exempt": list(EXEMPT)}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SCOPES)
        cursor.execute(_LEDGER, values)
        found = cursor.fetchall()
        cursor.execute(_OPEN, values)
        still_off = cursor.fetchone()[0]
        cursor.execute("DROP TABLE reliability_scope")
    rows = [
        CustomerMonth(
            meter_id=meter_id,
            tariff_group=group,
            contracted_va=va,
            times=times,
            interrupted_s=int(interrupted_s),
            physical_s=int(physical_s),
        )
        for meter_id, group, va, _zone, times, interrupted_s, physical_s in found
    ]
    return UnitMonth(
        month_date=first,
        rows=rows,
        open_customers=still_off,
        declared_h=declared(unit_id=unit_id, indicator=Indicator.HOURS, date=first),
        declared_times=declared(unit_id=unit_id, indicator=Indicator.COUNT, date=first),
    )


def declared(*, unit_id: int, indicator: str, date: dt.date) -> Decimal | None:
    """The value that a unit had declared on a day; None: none."""
    rows = DeclaredLevel.objects.filter(unit_id=unit_id, indicator=indicator, valid_from_date__lte=date)
    return rows.order_by("-valid_from_date", "-pk").values_list("value", flat=True).first()


@dataclass(frozen=True, kw_only=True)
class ReportMonth:
    """A month of the quarterly report."""

    measured: UnitMonth
    state: str
    customers: int
    amount_idr: int
    given: int


def quarter(*, unit_id: int, first_date: dt.date) -> list[ReportMonth]:
    """The three months of the quarter that begins on `first_date`."""
    made = []
    for n in range(3):
        month_date = first_date.replace(month=first_date.month + n)
        closed = TMPMonth.objects.filter(unit_id=unit_id, month_date=month_date).exclude(state=TMPMonth.State.REFUSED)
        month = closed.first()
        sums = Compensation.objects.filter(month=month).aggregate(
            customers=Count("pk"), amount_idr=Sum("amount_idr"), given=Count("pk", filter=Q(given_at__isnull=False))
        )
        made.append(
            ReportMonth(
                measured=unit_month(unit_id=unit_id, month_date=month_date),
                state=month.state if month else "",
                customers=sums["customers"],
                amount_idr=sums["amount_idr"] or 0,
                given=sums["given"],
            )
        )
    return made


def quarter_of(date: dt.date) -> dt.date:
    """The first day of a day's quarter."""
    return dt.date(date.year, (date.month - 1) // 3 * 3 + 1, 1)


def report_due_date(first_date: dt.date) -> dt.date:
    """Until when the report of a quarter is due: 30 days after its end."""
    return month_ends(first_date.replace(month=first_date.month + 2))[1] + dt.timedelta(days=REPORT_DAYS)
