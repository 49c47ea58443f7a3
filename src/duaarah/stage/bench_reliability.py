# SPDX-License-Identifier: Apache-2.0
"""
Figures of reliability on PostgreSQL: counting a day of many customers, a day on which all were off, a year, a TMP month.

Rows are made by statements inside the bench's own database, from a seed.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db import connection

from duaarah.analytics.reliability.operations import count_served, fix_threshold, recount_days
from duaarah.analytics.reliability.queries import days_of, med_dates, pln_months, view
from duaarah.analytics.tmp.queries import unit_month
from duaarah.people.models import AccountHolder, Organisation, Unit

T = TypeVar("T")
YEAR = 2025
PER_TRANSFORMER, PER_FEEDER, PER_SUBSTATION = 60, 20, 10
_NODES = """
INSERT INTO registry_networknode (code, name, kind, parent_id, unit_id)
SELECT %(prefix)s || n, '', %(kind)s, (SELECT id FROM registry_networknode WHERE code = %(parent)s || (n / %(per)s)), %(unit)s
FROM generate_series(0, %(count)s - 1) AS n
"""
_CUSTOMERS = """
INSERT INTO people_customer (idpel, name, holder_id)
SELECT '9' || lpad(n::text, 11, '0'), 'C', %(holder)s FROM generate_series(1, %(count)s) AS n
"""
_METERS = """
INSERT INTO registry_meter (drn, pan, profile, customer_id, transformer_id, zone, tariff_group, region, contracted_va,
    low_credit_threshold_wh, system_title, dlms_keys_wrapped, sts_register, sgc, ti, krn, kt, ken, base_date, dkga, ea)
SELECT '9' || lpad(n::text, 10, '0'), '9' || lpad(n::text, 17, '0'), 'bench', c.id, t.id, 'Asia/Jakarta', 'R-1', 'x', 1300, 0,
    decode('ff' || lpad(to_hex(n), 14, '0'), 'hex'), '', 'x', '0', '01', 1, 2, 255, 2014, '04', '07'
FROM generate_series(1, %(count)s) AS n
JOIN people_customer c ON c.idpel = '9' || lpad(n::text, 11, '0')
JOIN registry_networknode t ON t.code = 'BT' || (n / %(per)s)
"""
# Each day one meter in a hundred, by its number: from 1 to 181 minutes.
_YEAR = """
INSERT INTO outages_interruption (meter_id, began_at, ended_at, known_at, source, cause, excluded, version, recorded_at)
SELECT m.id, b.at, b.at + make_interval(mins => 1 + (m.id * 7 + d * 13)::int %% 181), b.at, 'LOG', 'UNPLANNED', '', 1, b.at
FROM registry_meter m CROSS JOIN generate_series(0, 364) AS d
CROSS JOIN LATERAL (SELECT %(begin)s::timestamptz + make_interval(days => d, secs => (m.id %% 20000)::int) AS at) AS b
WHERE m.profile = 'bench' AND (m.id + d) %% 100 = 0
"""
_ALL_OFF = """
INSERT INTO outages_interruption (meter_id, began_at, ended_at, known_at, source, cause, excluded, version, recorded_at)
SELECT id, %(begin)s::timestamptz + interval '20 hours', %(begin)s::timestamptz + interval '21 hours', %(begin)s, 'LOG',
    'UNPLANNED', '', 1, %(begin)s
FROM registry_meter WHERE profile = 'bench'
"""


def run(customers: int = 100_000) -> Iterator[dict[str, Any]]:
    """Records `figure, value, unit`; the database of the settings gets the rows."""
    now = dt.datetime(YEAR + 1, 1, 2, 3, tzinfo=dt.UTC)
    first, last = dt.date(YEAR, 1, 1), dt.date(YEAR, 12, 31)
    begin = dt.datetime(YEAR, 1, 1, tzinfo=dt.UTC) - dt.timedelta(hours=7)
    unit = _found(customers)
    rows = _execute(_YEAR, {"begin": begin})
    _execute("ANALYZE", {})
    yield _figure("customers", customers, "1")
    yield _figure("interruptions of the year", rows, "1")
    spent_s, _ = _timed(lambda: count_served(date=last, now=now))
    yield _figure("customers served, one day, every scope", spent_s, "s")
    for n in range(364):
        _copy_served(last, first + dt.timedelta(days=n))
    spent_s, _ = _timed(lambda: recount_days(first_date=last, last_date=last, now=now))
    yield _figure("a day counted", spent_s, "s")
    spent_s, _ = _timed(lambda: [recount_days(first_date=a, last_date=b, now=now) for a, b in _months()])
    yield _figure("a year counted from the ledger", spent_s, "s")
    spent_s, _ = _timed(lambda: [recount_days(first_date=last, last_date=last, now=now)])
    yield _figure("a day counted again, nothing new", spent_s, "s")
    fix_threshold(year=YEAR + 1, now=now)

    def twelve_months() -> None:
        days = days_of(scope="UTILITY", scope_id=0, first_date=first, last_date=last)
        meds = med_dates(first_date=first, last_date=last)
        view(days), view(days, without=meds), pln_months(days, without=meds)

    spent_s, _ = _timed(twelve_months)
    yield _figure("twelve months of SAIDI with MED", spent_s, "s")
    _execute(_ALL_OFF, {"begin": begin + dt.timedelta(days=364)})
    _execute("ANALYZE outages_interruption", {})
    spent_s, _ = _timed(lambda: recount_days(first_date=last, last_date=last, now=now))
    yield _figure("a day counted on which all were off", spent_s, "s")
    spent_s, month = _timed(lambda: unit_month(unit_id=unit.pk, month_date=dt.date(YEAR, 12, 1)))
    yield _figure("a TMP month", spent_s, "s")
    yield _figure("customers of the TMP month", len(month.rows), "1")


def _found(customers: int) -> Unit:
    organisation = Organisation.objects.create(code="BENCHR", name="Bench", kind="UTILITY")
    unit = Unit.objects.create(organisation=organisation, code="BENCHR", name="Bench")
    holder = AccountHolder.objects.create(name="Bench", kind="HOUSEHOLD", language="id")
    transformers = customers // PER_TRANSFORMER + 1
    feeders = transformers // PER_FEEDER + 1
    levels = (
        ("BS", "SUBSTATION", "-", PER_SUBSTATION, feeders // PER_SUBSTATION + 1),
        ("BF", "FEEDER", "BS", PER_SUBSTATION, feeders),
        ("BT", "TRANSFORMER", "BF", PER_FEEDER, transformers),
    )
    for prefix, kind, parent, per, count in levels:
        said = {"prefix": prefix, "kind": kind, "parent": parent, "per": per, "count": count, "unit": unit.pk}
        _execute(_NODES, said)
    _execute(_CUSTOMERS, {"holder": holder.pk, "count": customers})
    _execute(_METERS, {"count": customers, "per": PER_TRANSFORMER})
    return unit


def _copy_served(source_date: dt.date, date: dt.date) -> None:
    _execute(
        "INSERT INTO analytics_servedcustomers (date, scope, scope_id, served, how, version, counted_at) "
        "SELECT %(date)s, scope, scope_id, served, how, 1, counted_at FROM analytics_servedcustomers "
        "WHERE date = %(source)s AND scope <> 'TRANSFORMER'",
        {"source": source_date, "date": date},
    )


def _months() -> list[tuple[dt.date, dt.date]]:
    firsts = [dt.date(YEAR, month, 1) for month in range(1, 13)] + [dt.date(YEAR + 1, 1, 1)]
    return [(a, b - dt.timedelta(days=1)) for a, b in itertools.pairwise(firsts)]


def _execute(statement: str, values: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.rowcount


def _timed(deed: Callable[[], T]) -> tuple[float, T]:
    begun_s = time.monotonic()
    result = deed()
    return time.monotonic() - begun_s, result


def _figure(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"bench": "reliability", "cores": os.cpu_count(), "figure": name, "value": round(value, 3), "unit": unit}
