# SPDX-License-Identifier: Apache-2.0
"""Makers' shipments: upload a file, look at every wrong row, then take its meters up."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.headend.models import Maker, Shipment
from duaarah.headend.shipments.operations import ShipmentRefused, discard_shipment, read_shipment, take_shipment
from duaarah.headend.shipments.table import FILE_OCTETS_MAX, BadTable
from duaarah.people.models import Login
from duaarah.web.shared.access import ACTING, RUNNING, for_operator, login_of
from duaarah.web.utility.shipment_words import REFUSALS, fault_words, table_words
from duaarah.wiring.keystores import key_store
from duaarah.wiring.shipments import Unwrapped, taking

SHOWN = 30
FAULTS_PAGE = 50


def _keeper(request: HttpRequest) -> Login:
    """Who may bring meters into the registry. Raises PermissionDenied for those who only look on."""
    login = login_of(request)
    if not login.memberships.filter(unit__organisation__kind__in=RUNNING, role__in=ACTING).exists():
        raise PermissionDenied
    return login


@for_operator
def shipments(request: HttpRequest) -> HttpResponse:
    """What was read, newest first, and the form for the next file."""
    status = 200
    if request.method == "POST":
        read = _read(request)
        if read is not None:
            return redirect("desk-shipment", shipment=read.pk)
        status = 409
    rows = Shipment.objects.select_related("maker").order_by("-pk")[:SHOWN]
    context = {"rows": rows, "makers": Maker.objects.order_by("name"), "octets_max": FILE_OCTETS_MAX}
    return render(request, "utility/shipments.html", context, status=status)


def _read(request: HttpRequest) -> Shipment | None:
    login = _keeper(request)
    maker = get_object_or_404(Maker, code=request.POST.get("maker", ""))
    given = request.FILES.get("file")
    if given is None or given.size is None:
        messages.error(request, _("Choose a file first (CSV or XLSX, at most 32 MB)."))
        return None
    try:
        return read_shipment(
            maker=maker,
            file_name=given.name or "",
            content=given.read(),
            taking=taking(key_store(), maker, clear=False),
            actor=f"login:{login.pk}",
            now=now(),
        )
    except BadTable as error:
        messages.error(request, table_words(error.code, str(error)))
    except Unwrapped:
        messages.error(request, _("This maker's transport key was kept under another master key; enter it again."))
    return None


@for_operator
def shipment(request: HttpRequest, shipment: int) -> HttpResponse:
    """One file: how many rows are right, what is wrong in the others, and the decision."""
    found = get_object_or_404(Shipment.objects.select_related("maker"), pk=shipment)
    after = request.GET.get("sesudah", "")
    lines = found.lines.filter(fine=False).order_by("row")
    if after.isdigit():
        lines = lines.filter(row__gt=int(after))
    wrong = list(lines[:FAULTS_PAGE])
    context: dict[str, Any] = {
        "shipment": found,
        "right": found.rows - found.wrong,
        "wrong": [{"line": line, "faults": [fault_words(fault) for fault in line.faults]} for line in wrong],
        "more": wrong[-1].row if len(wrong) == FAULTS_PAGE else None,
        "first": found.lines.filter(fine=True).order_by("row")[:5],
    }
    return render(request, "utility/shipment.html", context)


@require_POST
@for_operator
def close_shipment(request: HttpRequest, shipment: int) -> HttpResponse:
    """Take the meters up, or discard the file."""
    login = _keeper(request)
    found = get_object_or_404(Shipment, pk=shipment)
    actor = f"login:{login.pk}"
    try:
        if request.POST.get("decision") == "discard":
            discard_shipment(shipment_id=found.pk, actor=actor, now=now())
            messages.success(request, _("Discarded. No meter came of it."))
            return redirect("desk-shipments")
        without_wrong = request.POST.get("without_wrong") == "yes"
        taken = take_shipment(shipment_id=found.pk, without_wrong=without_wrong, actor=actor, now=now())
    except ShipmentRefused as error:
        messages.error(request, str(REFUSALS[error.code]))
    else:
        messages.success(request, _("Taken up: %(n)d meters.") % {"n": taken})
    return redirect("desk-shipment", shipment=found.pk)
