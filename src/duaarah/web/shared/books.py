# SPDX-License-Identifier: Apache-2.0
"""An entity's books on a page: its trial balance, an account's entries, an entry's lines. The portal says whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _

from duaarah.clock.queries import now
from duaarah.vending.balances import BalanceRow, entry_lines, lines_of, trial_balance
from duaarah.vending.models import Account, LedgerEntry
from duaarah.web.shared.days import days_of
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.ledger_words import AccountNames

PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Portal:
    """Where these pages stand: the menu's template, the names of their URLs, and the page of a meter where there is one."""

    nav: str
    menu: str
    balance: str
    account: str
    entry: str
    meter: str = ""


def balance_page(request: HttpRequest, *, portal: Portal, books: list[str]) -> HttpResponseBase:
    """The trial balance of one of `books` (`buku` in the address, else the first)."""
    book = _book(request, books)
    first, last = days_of(request, now())
    rows = trial_balance(book=book, from_date=first, to_date=last)
    names = AccountNames()
    if (file := exported(request, lambda: _balance_table(book, rows, names, f"{first}--{last}"))) is not None:
        return file
    sums = {name: sum(getattr(row, name) for row in rows) for name in BalanceRow.__slots__[1:]}
    context = {
        "portal": portal,
        "book": book,
        "books": books,
        "first": first,
        "last": last,
        "rows": [{"row": row, "name": names(row.account)} for row in rows],
        "sums": sums,
    }
    return render(request, "shared/balance.html", context)


def _book(request: HttpRequest, books: list[str]) -> str:
    wanted = request.GET.get("buku") or books[0]
    if wanted not in books:
        raise Http404
    return wanted


def _balance_table(book: str, rows: list[BalanceRow], names: AccountNames, days: str) -> Table:
    head = (_("Account"), _("Code"), _("Opening"), _("Debit"), _("Credit"), _("Closing"))
    cells = (
        (
            names(row.account),
            row.account,
            *(Decimal(getattr(row, name)).scaleb(-2) for name in BalanceRow.__slots__[1:]),
        )
        for row in rows
    )
    return Table(name=f"neraca-{book}-{days}", head=head, rows=cells)


def account_page(request: HttpRequest, *, portal: Portal, books: list[str]) -> HttpResponseBase:
    """The lines of one account, newest first, a page at a time."""
    book, account = _book(request, books), request.GET.get("akun", "")
    # An account of other books does not exist for this reader.
    if account != "wallet":
        get_object_or_404(Account, code=account, book=book)
    elif book != "PLN":
        raise Http404
    first, last = days_of(request, now())
    found = lines_of(book=book, account=account, from_date=first, to_date=last)

    def table() -> Table:
        def rows() -> Iterator[tuple[object, ...]]:
            for x in found.iterator(chunk_size=2_000):
                amount = Decimal(x.amount_sen).scaleb(-2)
                yield (x.entry.at.isoformat(), x.entry.reference, _(x.entry.get_kind_display()), x.account.code, amount)

        head = (_("Time"), _("Reference"), _("What"), _("Account"), _("Amount"))
        return Table(name=f"akun-{book}", head=head, rows=rows())

    if (file := exported(request, table)) is not None:
        return file
    after = request.GET.get("mulai", "")
    start = int(after) if after.isdigit() and len(after) < 9 else 0
    lines = list(found[start : start + PAGE])
    context = {
        "portal": portal,
        "book": book,
        "account": account,
        "name": AccountNames()(account),
        "first": first,
        "last": last,
        "lines": lines,
        "further": start + PAGE if len(lines) == PAGE else None,
    }
    return render(request, "shared/account.html", context)


def entry_page(request: HttpRequest, *, portal: Portal, books: list[str], entry: int) -> HttpResponse:
    """One entry: what it booked, when, and the purchase behind it."""
    related = ("vend__meter", "vend__payment__channel", "vend__notification")
    row = get_object_or_404(LedgerEntry.objects.select_related(*related), pk=entry, book__in=books)
    names = AccountNames()
    lines = [
        {"code": code, "name": names(code), "amount_sen": amount_sen}
        for code, amount_sen in entry_lines(entry_id=row.pk, book=row.book)
    ]
    return render(request, "shared/entry.html", {"portal": portal, "entry": row, "lines": lines})
