# SPDX-License-Identifier: Apache-2.0
"""A mobile operator's own books: its share of SMS packages, and its gerai."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from duaarah.people.models import Organisation
from duaarah.web.mobileop.views import for_mobile_operator
from duaarah.web.shared.access import own_books
from duaarah.web.shared.books import Portal, account_page, balance_page, entry_page

PORTAL = Portal(
    nav="mobileop/nav.html", menu="", balance="mobile-books", account="mobile-account", entry="mobile-entry"
)


def _own(request: HttpRequest) -> list[str]:
    return own_books(request, Organisation.Kind.MOBILE_OPERATOR)


@for_mobile_operator
def balance(request: HttpRequest) -> HttpResponseBase:
    """The trial balance of the mobile operators that this login belongs to."""
    return balance_page(request, portal=PORTAL, books=_own(request))


@for_mobile_operator
def account(request: HttpRequest) -> HttpResponseBase:
    """One account of theirs."""
    return account_page(request, portal=PORTAL, books=_own(request))


@for_mobile_operator
def entry(request: HttpRequest, entry: int) -> HttpResponse:
    """One entry of theirs."""
    return entry_page(request, portal=PORTAL, books=_own(request), entry=entry)
