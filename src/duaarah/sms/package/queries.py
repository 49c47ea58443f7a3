# SPDX-License-Identifier: Apache-2.0
"""What was spent of the packages and what is left: sums of the ledger by SQL, never a running balance.

A segment belongs to the month in which it was reserved, whenever it is settled: what is left never grows by waiting.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from duaarah.core.smsplan import Bucket, Budget, Decision, Overflow, Settlement, decide, settle

# Used = reserved and not released, and what came from a handset. SETTLE and RELEASE of a segment are looked up by the
# month of its reservation, which they carry; HOLD changes nothing, the reservation stays.
_USED = """
SELECT e.meter_id, r.bucket,
    count(*) FILTER (WHERE e.kind = 'RESERVE' OR e.inbound_id IS NOT NULL)
        - count(*) FILTER (WHERE e.kind = 'RELEASE') AS used,
    count(*) FILTER (WHERE e.kind = 'SETTLE') AS settled,
    count(*) FILTER (WHERE e.retry AND e.kind = 'RESERVE') + count(*) FILTER (WHERE e.retry AND e.inbound_id IS NOT NULL)
        - count(*) FILTER (WHERE e.retry AND e.kind = 'RELEASE') AS retries
FROM sms_packageentry e
JOIN (SELECT DISTINCT ON (message_class) message_class, bucket FROM sms_packagerule
      WHERE valid_from_date <= %(month)s ORDER BY message_class, valid_from_date DESC) r
    ON r.message_class = e.message_class
WHERE e.month_date = %(month)s AND e.counts AND e.meter_id IS NOT NULL AND r.bucket <> ''
    AND (%(all)s OR e.meter_id = ANY(%(meters)s))
GROUP BY e.meter_id, r.bucket
"""

# The base package first; a bought data package adds its counts, and its data policy holds.
_TERMS = """
SELECT s.meter_id, s.slot, s.plan_id, t.id, t.token_sms, t.fault_sms, t.data_sms, t.token_overflow, t.fault_overflow,
    t.data_overflow, t.sms_price_idr, t.package_price_idr
FROM sms_subscription s
JOIN LATERAL (SELECT * FROM sms_packageterms t WHERE t.plan_id = s.plan_id AND t.valid_from_date <= %(month)s
              ORDER BY t.valid_from_date DESC LIMIT 1) t ON true
JOIN sms_packageplan p ON p.id = s.plan_id
WHERE s.valid @> %(month)s::date AND (%(all)s OR s.meter_id = ANY(%(meters)s))
    AND (%(operator)s::bigint IS NULL OR p.operator_id = %(operator)s)
ORDER BY s.meter_id, s.slot
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """Segments of one bucket: used (reserved or settled), settled, and of the used ones repeated sends."""

    used: int = 0
    settled: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class SoldTerms:
    """The dated terms that a meter has in a month: prices in rupiah."""

    terms_id: int
    plan_id: int
    slot: str
    sms_price_idr: int
    package_price_idr: int


@dataclass(frozen=True, slots=True)
class MeterMonth:
    """A meter's month: what it bought, what was spent by bucket, and where that is booked (core.smsplan.settle)."""

    meter_id: int
    month_date: dt.date
    sold: tuple[SoldTerms, ...]
    budget: Budget
    spent: dict[Bucket, Spent]

    @property
    def settlement(self) -> dict[Bucket, Settlement]:
        """By bucket: own, borrowed, billed, left."""
        return settle(self.budget, {bucket: spent.used for bucket, spent in self.spent.items()})

    @property
    def settled_settlement(self) -> dict[Bucket, Settlement]:
        """The same of the settled segments alone: what may be charged."""
        return settle(self.budget, {bucket: spent.settled for bucket, spent in self.spent.items()})

    @property
    def open(self) -> int:
        """Segments reserved or held, not decided yet."""
        return sum(spent.used - spent.settled for spent in self.spent.values())

    @property
    def left(self) -> int:
        """Segments left in the whole month's package."""
        return sum(part.left for part in self.settlement.values())


def spent(month_date: dt.date, meter_ids: Sequence[int] | None = None) -> dict[int, dict[Bucket, Spent]]:
    """By meter and bucket what was spent in a month; only meters that spent anything. None = every meter."""
    with connection.cursor() as cursor:
        cursor.execute(_USED, _scope(month_date, meter_ids))
        found: dict[int, dict[Bucket, Spent]] = {}
        for meter_id, bucket, used, settled, retries in cursor.fetchall():
            found.setdefault(meter_id, {})[Bucket(bucket)] = Spent(used, settled, retries)
    return found


def meter_months(
    month_date: dt.date, *, meter_ids: Sequence[int] | None = None, operator_id: int | None = None
) -> list[MeterMonth]:
    """The month of each meter that has a package (of this operator), by meter id. Meters without one are not in it."""
    scope = _scope(month_date, meter_ids)
    with connection.cursor() as cursor:
        cursor.execute(_TERMS, {**scope, "operator": operator_id})
        sold: dict[int, list[tuple[Any, ...]]] = {}
        for row in cursor.fetchall():
            sold.setdefault(row[0], []).append(row)
    used = spent(month_date, meter_ids)
    return [
        MeterMonth(
            meter_id,
            month_date,
            tuple(SoldTerms(r[3], r[2], r[1], r[10], r[11]) for r in rows),
            _budget(rows),
            {bucket: used.get(meter_id, {}).get(bucket, Spent()) for bucket in Bucket},
        )
        for meter_id, rows in sold.items()
    ]


def meter_month(meter_id: int, month_date: dt.date) -> MeterMonth | None:
    """One meter's month; None when it has no package."""
    found = meter_months(month_date, meter_ids=[meter_id])
    return found[0] if found else None


def _budget(rows: list[tuple[Any, ...]]) -> Budget:
    base = rows[0]
    data = rows[-1]
    counts = [sum(int(str(row[column])) for row in rows) for column in (4, 5, 6)]
    policies = (base[7], base[8], data[9])
    return Budget(
        dict(zip(Bucket, counts, strict=True)),
        {bucket: Overflow(str(policy)) for bucket, policy in zip(Bucket, policies, strict=True)},
    )


def _scope(month_date: dt.date, meter_ids: Sequence[int] | None) -> dict[str, Any]:
    return {"month": month_date, "all": meter_ids is None, "meters": list(meter_ids or ())}


def next_segment(*, meter_id: int, bucket: Bucket, month_date: dt.date) -> Decision | None:
    """What the meter's overflow policy says of one more segment of a bucket; None when it has no package."""
    month = meter_month(meter_id, month_date)
    if month is None:
        return None
    return decide(month.budget, {name: spent.used for name, spent in month.spent.items()}, bucket)
