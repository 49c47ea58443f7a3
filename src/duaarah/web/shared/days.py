# SPDX-License-Identifier: Apache-2.0
"""The days that a page is about, by its address: `dari` and `sampai`, inclusive, WIB."""

from __future__ import annotations

import datetime as dt

from django.http import Http404, HttpRequest

from duaarah.vending.operations.policy import WIB

DAYS_MAX = 366


def days_of(request: HttpRequest, now: dt.datetime) -> tuple[dt.date, dt.date]:
    """The first and the last day; without an address today alone. Raises Http404 for what is no such span."""
    today = now.astimezone(WIB).date()
    try:
        first = dt.date.fromisoformat(request.GET["dari"]) if request.GET.get("dari") else today
        last = dt.date.fromisoformat(request.GET["sampai"]) if request.GET.get("sampai") else max(first, today)
        if not request.GET.get("sampai") and request.GET.get("dari"):
            last = first
    except ValueError as error:
        raise Http404 from error
    if not 0 <= (last - first).days < DAYS_MAX:
        raise Http404
    return first, last
