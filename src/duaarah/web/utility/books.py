# SPDX-License-Identifier: Apache-2.0
"""PLN's books, its sales by unit and tariff, and how its channels do."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.vending.models import PLN_BOOK
from duaarah.vending.reports import channel_figures, sales, total
from duaarah.web.shared.access import for_kind
from duaarah.web.shared.books import Portal, account_page, balance_page, entry_page
from duaarah.web.shared.days import days_of
from duaarah.web.shared.export import as_xlsx, exported
from duaarah.web.shared.pdf_table import TooLong, as_pdf
from duaarah.web.shared.sales_report import channels_table, sales_printed, sales_table, shown_figures, tokens_table

for_pln = for_kind(Organisation.Kind.UTILITY)
PORTAL = Portal(
    nav="utility/nav.html",
    menu="utility/books_menu.html",
    balance="desk-books",
    account="desk-account",
    entry="desk-entry",
    meter="desk-meter",
)


@for_pln
def balance(request: HttpRequest) -> HttpResponseBase:
    """The trial balance of PLN's books."""
    return balance_page(request, portal=PORTAL, books=[PLN_BOOK])


@for_pln
def account(request: HttpRequest) -> HttpResponseBase:
    """One account of PLN's."""
    return account_page(request, portal=PORTAL, books=[PLN_BOOK])


@for_pln
def entry(request: HttpRequest, entry: int) -> HttpResponse:
    """One entry of PLN's."""
    return entry_page(request, portal=PORTAL, books=[PLN_BOOK], entry=entry)


@for_pln
def sold(request: HttpRequest) -> HttpResponseBase:
    """Sales by day, unit and tariff; `unduh` may be csv, xlsx, pdf, or token for each token as XLSX."""
    first, last = days_of(request, now())
    days = {"from_date": first, "to_date": last}
    if (file := exported(request, lambda: sales_table(**days))) is not None:
        return file
    if request.GET.get("unduh") == "token":
        return as_xlsx(tokens_table(**days))
    if request.GET.get("unduh") == "pdf":
        try:
            return as_pdf(sales_printed(**days))
        except TooLong:
            messages.error(request, _("That is too long to print. Choose fewer days, or take the Excel file."))
            return redirect("desk-sales")
    rows = sales(**days)
    return render(request, "utility/sold.html", {"rows": rows, "sums": total(rows), "first": first, "last": last})


@for_pln
def channels(request: HttpRequest) -> HttpResponseBase:
    """What each channel sold, how often it failed and how fast it was, the one that sold most first."""
    first, last = days_of(request, now())
    days = {"from_date": first, "to_date": last}
    if (file := exported(request, lambda: channels_table(**days))) is not None:
        return file
    rows = [shown_figures(row) for row in channel_figures(**days)]
    return render(request, "utility/channels.html", {"rows": rows, "first": first, "last": last})
