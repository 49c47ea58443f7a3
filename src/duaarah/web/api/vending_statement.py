# SPDX-License-Identifier: Apache-2.0
"""A vendor's statement: every booking on its deposit, in parts, as JSON or CSV."""

from __future__ import annotations

import base64
import binascii
import csv
import datetime as dt
import io
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from duaarah.vending.operations.policy import WIB
from duaarah.vending.vendor_models import VendorKey
from duaarah.vending.vendor_queries import Statement, statement
from duaarah.web.api import vending_words as words
from duaarah.web.api.customer import Refused
from duaarah.web.api.vending import key_with, vendor_key

DAYS_MAX = 366
router = Router(tags=["vending"])


@router.get(
    "/statement",
    response=words.StatementOut,
    auth=vendor_key,
    by_alias=True,
    openapi_extra={"responses": words.refusals("statement")},
)
def read_statement(request: HttpRequest, asked: Query[words.StatementQuery]) -> Any:
    """
    Every booking on your deposit over days (WIB, both ends within, a year at most), oldest first, in parts: `next` is the
    `after` of the next one. With `Accept: text/csv` the lines as a file; the cursor is then in the header `Link`.
    """
    key = key_with(request, VendorKey.Scope.STATEMENT)
    if not dt.timedelta(0) <= asked.to_date - asked.from_date < dt.timedelta(days=DAYS_MAX):
        raise Refused(400, "bad_request", "From one day to another, a year at most.")
    found = statement(
        channel=key.channel,
        from_date=asked.from_date,
        to_date=asked.to_date,
        after=_cursor(asked.after),
        limit=asked.limit,
    )
    if "text/csv" in request.headers.get("Accept", ""):
        return _csv(request, found)
    return {
        "from": asked.from_date,
        "to": asked.to_date,
        "opening_sen": found.opening_sen,
        "closing_sen": found.closing_sen,
        "lines": [_line(one) for one in found.lines],
        "next": _written(found.after),
    }


_COLUMNS = tuple(words.LineOut.model_fields)


def _line(one: Any) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in _COLUMNS}
    return {**row, "at": one.at.astimezone(WIB), "drn": one.drn or None}


def _csv(request: HttpRequest, found: Statement) -> HttpResponse:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for one in found.lines:
        row = {**_line(one), "at": one.at.astimezone(WIB).isoformat()}
        writer.writerow(["" if row[name] is None else row[name] for name in _COLUMNS])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["X-Opening-Sen"], response["X-Closing-Sen"] = str(found.opening_sen), str(found.closing_sen)
    cursor = _written(found.after)
    if cursor is not None:
        query = request.GET.copy()
        query["after"] = cursor
        response["Link"] = f'<{request.path}?{query.urlencode()}>; rel="next"'
    return response


def _written(after: tuple[dt.datetime, int] | None) -> str | None:
    if after is None:
        return None
    return base64.urlsafe_b64encode(f"{after[0].isoformat()}|{after[1]}".encode()).decode().rstrip("=")


def _cursor(text: str) -> tuple[dt.datetime, int] | None:
    if not text:
        return None
    try:
        at, _, number = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").partition("|")
        found = dt.datetime.fromisoformat(at), int(number)
        if found[0].tzinfo is None or not 0 <= found[1] < 1 << 63:
            raise ValueError
    except (ValueError, binascii.Error, OverflowError) as error:
        raise Refused(400, "bad_request", "`after` is the `next` of an earlier part.") from error
    return found
