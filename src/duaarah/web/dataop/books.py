# SPDX-License-Identifier: Apache-2.0
"""The data operator's own books: SMS packages, never electricity."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from duaarah.people.models import Organisation
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.access import own_books
from duaarah.web.shared.books import Portal, account_page, balance_page, entry_page

PORTAL = Portal(nav="dataop/nav.html", menu="", balance="data-books", account="data-account", entry="data-entry")


def _own(request: HttpRequest) -> list[str]:
    return own_books(request, Organisation.Kind.DATA_OPERATOR)


@for_data_operator
def balance(request: HttpRequest) -> HttpResponseBase:
    """The trial balance of the data operators that this login belongs to."""
    return balance_page(request, portal=PORTAL, books=_own(request))


@for_data_operator
def account(request: HttpRequest) -> HttpResponseBase:
    """One account of theirs."""
    return account_page(request, portal=PORTAL, books=_own(request))


@for_data_operator
def entry(request: HttpRequest, entry: int) -> HttpResponse:
    """One entry of theirs."""
    return entry_page(request, portal=PORTAL, books=_own(request), entry=entry)
