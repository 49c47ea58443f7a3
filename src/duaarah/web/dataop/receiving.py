# SPDX-License-Identifier: Apache-2.0
"""SIM cards come into stock: an operator's list is pasted or uploaded, looked at row by row, and taken once."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.registry.models import NumberRange, SimShipment
from duaarah.registry.operations import (
    RangesRefused,
    ShipmentRefused,
    look_at_shipment,
    receive_shipment,
    set_number_ranges,
)
from duaarah.registry.shipments import OCTETS_MAX, ROWS_MAX, Judged, ListRefused, judge, parse, text_of
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.access import acting

_DATA = Organisation.Kind.DATA_OPERATOR
SHOWN_MAX = 200
LATEST = 20
PROBLEMS = {
    "rounded": gettext_lazy("a spreadsheet has rounded a number: format the columns as text and export again"),
    "iccid_form": gettext_lazy("an ICCID is 18 to 20 digits and begins with 89"),
    "iccid_luhn": gettext_lazy("the ICCID's check digit is wrong: it would be %(about)s"),
    "msisdn_form": gettext_lazy("this is not an Indonesian mobile number"),
    "imsi_form": gettext_lazy("an IMSI is 15 digits"),
    "expires_form": gettext_lazy("the day on which it expires is not a date: write it as 2027-12-31"),
    "iccid_twice": gettext_lazy("the ICCID stands in line %(about)s already"),
    "msisdn_twice": gettext_lazy("the number stands in line %(about)s already"),
    "imsi_twice": gettext_lazy("the IMSI stands in line %(about)s already"),
    "iccid_known": gettext_lazy("this ICCID is in stock already, with other data or of another operator"),
    "msisdn_known": gettext_lazy("the number belongs to SIM %(about)s already"),
    "imsi_known": gettext_lazy("the IMSI belongs to SIM %(about)s already"),
    "msisdn_other": gettext_lazy("the number is one of %(about)s's ranges"),
    "msisdn_outside": gettext_lazy("the number is in none of this operator's ranges"),
}
REFUSED = {
    "empty": gettext_lazy("There is no SIM card in this list."),
    "too_long": gettext_lazy("At most 5,000 SIM cards at once: split the list."),
    "no_columns": gettext_lazy("The first line names its columns, but not ICCID and MSISDN."),
}


def _operators() -> list[Organisation]:
    return list(Organisation.objects.filter(kind=Organisation.Kind.MOBILE_OPERATOR).order_by("name"))


def _chosen(request: HttpRequest) -> Organisation | None:
    known = request.POST.get("operator", "")
    return next((each for each in _operators() if str(each.pk) == known), None)


def _words(each: Judged) -> list[str]:
    return [str(PROBLEMS[code]) % {"about": about} if about else str(PROBLEMS[code]) for code, about in each.problems]


@for_data_operator
def receive(request: HttpRequest) -> HttpResponse:
    """The form for a list, what came before, and which numbers are whose."""
    if request.method == "POST":
        login = acting(request, _DATA)
        found = _look(request, f"login:{login.pk}")
        if isinstance(found, SimShipment):
            return redirect("data-shipment", shipment=found.pk)
        messages.error(request, f"{found} {_('Nothing was changed.')}")
    ranges: dict[int, list[str]] = {}
    for pk, prefix in NumberRange.objects.order_by("prefix").values_list("operator_id", "prefix"):
        ranges.setdefault(pk, []).append(prefix)
    context = {
        "operators": [{"row": each, "ranges": ", ".join(ranges.get(each.pk, []))} for each in _operators()],
        "latest": SimShipment.objects.select_related("operator").defer("text").order_by("-id")[:LATEST],
        "rows_max": ROWS_MAX,
        "text": request.POST.get("text", ""),
    }
    return render(request, "dataop/receive.html", context)


def _look(request: HttpRequest, actor: str) -> SimShipment | str:
    """The shipment to look at, or why there is none."""
    operator, upload = _chosen(request), request.FILES.get("file")
    if operator is None:
        return _("Choose the mobile operator.")
    if upload is not None and (upload.size or 0) > OCTETS_MAX:
        return str(REFUSED["too_long"])
    text = text_of(upload.read()) if upload is not None else request.POST.get("text", "")
    # PostgreSQL keeps no NUL.
    text, name = text.replace("\0", ""), (upload.name or "") if upload is not None else ""
    try:
        return look_at_shipment(operator_id=operator.pk, text=text, file_name=name, actor=actor, now=now())
    except ListRefused as error:
        return str(REFUSED[error.reason])


@for_data_operator
def shipment(request: HttpRequest, shipment: int) -> HttpResponse:
    """Every row with its verdict, and one button that takes the good ones; afterwards, what it brought."""
    row = get_object_or_404(SimShipment.objects.select_related("operator"), pk=shipment)
    if request.method == "POST":
        login = acting(request, _DATA)
        seen = request.POST.get("good", "")
        try:
            receive_shipment(
                shipment_id=row.pk,
                good_seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 6 else -1,
                actor=f"login:{login.pk}",
                now=now(),
            )
            messages.success(request, _("The shipment is in stock."))
        except ShipmentRefused:
            messages.error(request, _("The stock has changed since you looked. Look again. Nothing was changed."))
        return redirect("data-shipment", shipment=row.pk)
    judged = judge(parse(row.text), operator_id=row.operator_id) if row.state == SimShipment.State.PREVIEW else []
    bad = [each for each in judged if each.problems]
    good = [each for each in judged if each.good]
    context: dict[str, Any] = {
        "shipment": row,
        "bad": [{"row": each.row, "words": _words(each)} for each in bad[:SHOWN_MAX]],
        "bad_n": len(bad),
        "good": [each.row for each in good[:SHOWN_MAX]],
        "good_n": len(good),
        "here_n": sum(each.here for each in judged),
        "shown": SHOWN_MAX,
        "checked": NumberRange.objects.filter(operator=row.operator).exists(),
    }
    return render(request, "dataop/shipment.html", context)


@require_POST
@for_data_operator
def ranges(request: HttpRequest) -> HttpResponse:
    """Which numbers are an operator's: 0811, 62811 or +62 811, by commas or blanks."""
    login, operator = acting(request, _DATA), _chosen(request)
    if operator is None:
        messages.error(request, f"{_('Choose the mobile operator.')} {_('Nothing was changed.')}")
        return redirect("data-receive")
    parts = re.split(r"[,;\s]+", request.POST.get("ranges", "")[:1_000])
    try:
        set_number_ranges(
            operator_id=operator.pk,
            prefixes=[re.sub(r"^(\+?62|0)", "62", part) for part in parts if part],
            reason=request.POST.get("reason", ""),
            actor=f"login:{login.pk}",
            now=now(),
        )
        messages.success(request, _("The number ranges are written down."))
    except RangesRefused:
        words = _("A range begins with 08 or 628, has 1 to 6 digits more, and is one operator's only; say why, too.")
        messages.error(request, f"{words} {_('Nothing was changed.')}")
    return redirect("data-receive")
