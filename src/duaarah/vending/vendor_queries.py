# SPDX-License-Identifier: Apache-2.0
"""Reading for vendors: the statement of a deposit from the ledger itself, a channel's own sales, keys and their use."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Prefetch, QuerySet

from duaarah.vending.models import Channel, Deposit, Vend
from duaarah.vending.operations.books import deposit_account
from duaarah.vending.vendor_models import FreeIssue, VendorKey

_WIB = ZoneInfo("Asia/Jakarta")


@dataclass(frozen=True, kw_only=True)
class StatementLine:
    """One booking on a deposit; `amount_sen` in is positive, out negative; `balance_sen` is after it."""

    line_id: int
    at: dt.datetime
    kind: str
    amount_sen: int
    balance_sen: int
    reference: str
    drn: str
    nominal_idr: int | None
    admin_idr: int | None
    commission_idr: int | None
    energy_wh: int | None


@dataclass(frozen=True, kw_only=True)
class Statement:
    """
    A part of a deposit's statement: `opening_sen` and `closing_sen` are those of the whole span, in 1/100 rupiah.

    `after`: where the next part begins, None at the end.
    """

    opening_sen: int
    closing_sen: int
    lines: Sequence[StatementLine]
    after: tuple[dt.datetime, int] | None


# A deposit is money owed to the channel: what comes in is a credit, hence the minus.
_BALANCE = """
SELECT coalesce(-sum(l.amount_sen), 0)
FROM vending_ledgerline l JOIN vending_account a ON a.id = l.account_id JOIN vending_ledgerentry e ON e.id = l.entry_id
WHERE a.code = %s AND (e.at, l.id) <= (%s, %s)
"""
_LINES = """
SELECT l.id, e.at, e.kind, -l.amount_sen, coalesce(p.reference, substr(e.reference, length(a.code) + 2)),
    coalesce(v.drn, ''), p.amount_idr, p.admin_idr, p.commission_idr, coalesce(v.encoded_wh, v.requested_wh)
FROM vending_ledgerline l JOIN vending_account a ON a.id = l.account_id JOIN vending_ledgerentry e ON e.id = l.entry_id
    LEFT JOIN vending_vend v ON v.id = e.vend_id LEFT JOIN vending_payment p ON p.id = v.payment_id
WHERE a.code = %s AND e.at < %s AND (e.at, l.id) > (%s, %s)
ORDER BY e.at, l.id LIMIT %s
"""


def statement(
    *,
    channel: Channel,
    from_date: dt.date,
    to_date: dt.date,
    after: tuple[dt.datetime, int] | None,
    limit: int,
) -> Statement:
    """The lines of a deposit over WIB days, both ends within, oldest first, from behind `after`; at most `limit`."""
    code = deposit_account(channel.pk)
    begins_at = dt.datetime.combine(from_date, dt.time(), _WIB)
    ends_at = dt.datetime.combine(to_date + dt.timedelta(days=1), dt.time(), _WIB)
    start = after if after is not None and after[0] >= begins_at else (begins_at, 0)
    with connection.cursor() as cursor:
        cursor.execute(_BALANCE, [code, begins_at, 0])
        opening_sen = int(cursor.fetchone()[0])
        cursor.execute(_BALANCE, [code, ends_at, 0])
        closing_sen = int(cursor.fetchone()[0])
        cursor.execute(_BALANCE, [code, *start])
        balance_sen = int(cursor.fetchone()[0])
        cursor.execute(_LINES, [code, ends_at, *start, limit + 1])
        rows = cursor.fetchall()
    lines = []
    for row in rows[:limit]:
        balance_sen += int(row[3])
        lines.append(
            StatementLine(
                line_id=row[0],
                at=row[1],
                kind=row[2],
                amount_sen=int(row[3]),
                balance_sen=balance_sen,
                reference=row[4],
                drn=row[5],
                nominal_idr=row[6],
                admin_idr=row[7],
                commission_idr=row[8],
                energy_wh=row[9],
            )
        )
    more = len(rows) > limit
    return Statement(
        opening_sen=opening_sen,
        closing_sen=closing_sen,
        lines=lines,
        after=(lines[-1].at, lines[-1].line_id) if more else None,
    )


def deposit_sen(channel_id: int) -> int:
    """What a channel's deposit holds, in 1/100 rupiah; 0 without one."""
    found = Deposit.objects.filter(pk=channel_id).values_list("balance_sen", flat=True).first()
    return found or 0


def sales_of_meter(*, channel_id: int, meter_id: int, limit: int) -> list[Vend]:
    """A channel's own sales for a meter that have a token, newest first."""
    own = Vend.objects.select_related("token", "meter__customer", "command", "payment__quote", "payment__channel")
    own = own.filter(payment__channel_id=channel_id, meter_id=meter_id, token__isnull=False)
    return list(own.order_by("-pk")[:limit])


def vendors() -> QuerySet[Channel]:
    """Channels that have keys or sell from a deposit, with both; by code."""
    keys = VendorKey.objects.select_related("login").order_by("pk")
    found = Channel.objects.filter(kind=Channel.Kind.DEPOSIT).select_related("deposit")
    return found.prefetch_related(Prefetch("vendor_keys", queryset=keys)).order_by("code")


def free_issues_of(*, channel_id: int, limit: int) -> list[FreeIssue]:
    """What a channel asked for without money, newest first, with who asked and who decided."""
    found = FreeIssue.objects.filter(message__channel_id=channel_id).order_by("-pk")
    return list(found.select_related("message", "meter", "approval__requested_by", "approval__decided_by")[:limit])
