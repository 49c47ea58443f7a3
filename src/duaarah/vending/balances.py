# SPDX-License-Identifier: Apache-2.0
"""Reading the books: what each account of an entity says on a day, and the entries behind it. Debit is positive."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from duaarah.vending.models import Account, LedgerLine
from duaarah.vending.operations.policy import WIB


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One account over the days asked for, in 1/100 rupiah: opening + debit - credit = closing."""

    account: str
    opening_sen: int
    debit_sen: int
    credit_sen: int
    closing_sen: int


# Accounts of single customers stand together: their number is not one that a reader wants line by line.
_TRIAL = """
SELECT CASE WHEN a.code LIKE 'wallet:%%' THEN 'wallet' ELSE a.code END AS account,
    coalesce(sum(l.amount_sen) FILTER (WHERE e.at < %(from)s), 0)::bigint,
    coalesce(sum(l.amount_sen) FILTER (WHERE e.at >= %(from)s AND l.amount_sen > 0), 0)::bigint,
    -coalesce(sum(l.amount_sen) FILTER (WHERE e.at >= %(from)s AND l.amount_sen < 0), 0)::bigint,
    coalesce(sum(l.amount_sen), 0)::bigint
FROM vending_ledgerentry e JOIN vending_ledgerline l ON l.entry_id = e.id JOIN vending_account a ON a.id = l.account_id
WHERE e.book = %(book)s AND e.at < %(until)s GROUP BY 1 ORDER BY 1
"""


def day_bounds(from_date: dt.date, to_date: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """From the first day's midnight (WIB) to the midnight after the last day."""
    first = dt.datetime.combine(from_date, dt.time(), WIB)
    return first, dt.datetime.combine(to_date + dt.timedelta(days=1), dt.time(), WIB)


def trial_balance(*, book: str, from_date: dt.date, to_date: dt.date) -> list[BalanceRow]:
    """Every account of a book with its movement over inclusive days (WIB); openings, debits and credits sum alike."""
    first, until = day_bounds(from_date, to_date)
    with connection.cursor() as cursor:
        cursor.execute(_TRIAL, {"book": book, "from": first, "until": until})
        return [BalanceRow(*row) for row in cursor.fetchall()]


def books() -> list[str]:
    """The codes of the entities that have accounts, PLN first."""
    codes = set(Account.objects.order_by().values_list("book", flat=True).distinct())
    return ["PLN", *sorted(codes - {"PLN"})]


def lines_of(*, book: str, account: str, from_date: dt.date, to_date: dt.date) -> QuerySet[LedgerLine]:
    """The lines of an account (`wallet`: of all wallets) over inclusive days, newest first, each with its entry."""
    first, until = day_bounds(from_date, to_date)
    lines = LedgerLine.objects.filter(entry__book=book, entry__at__gte=first, entry__at__lt=until)
    named = (
        lines.filter(account__code__startswith="wallet:")
        if account == "wallet"
        else lines.filter(account__code=account)
    )
    return named.select_related("entry__vend__meter", "account").order_by("-entry__at", "-pk")


def entry_lines(*, entry_id: int, book: str) -> Iterator[tuple[str, int]]:
    """An entry's lines: account and amount, debits first. Empty for an entry of other books."""
    lines = LedgerLine.objects.filter(entry_id=entry_id, entry__book=book).order_by("-amount_sen", "account__code")
    yield from lines.values_list("account__code", "amount_sen")
