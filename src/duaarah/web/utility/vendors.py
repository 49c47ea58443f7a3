# SPDX-License-Identifier: Apache-2.0
"""Vendors who sell through the API: their deposits, their programs' keys and their latest use; a key is ended here."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.vending.models import Channel, LedgerEntry
from duaarah.vending.operations.vendors import revoke_vendor_key
from duaarah.vending.vendor_models import FreeIssue, VendorKey
from duaarah.vending.vendor_queries import free_issues_of, statement, vendors
from duaarah.web.shared.access import for_kind
from duaarah.web.shared.export import Table, exported
from duaarah.web.utility.guard import keeper

SHOWN = 100
LINES_SHOWN = 50
EXPORTED_MAX = 100_000
DAYS = 31
STATES = {
    FreeIssue.State.ASKED: gettext_lazy("Waits for a second person"),
    FreeIssue.State.AGREED: gettext_lazy("Agreed, the token is to be made"),
    FreeIssue.State.MADE: gettext_lazy("Made"),
    FreeIssue.State.FAILED: gettext_lazy("No token could be made"),
}
_WIB = ZoneInfo("Asia/Jakarta")


@for_kind(Organisation.Kind.UTILITY)
def vendor_list(request: HttpRequest) -> HttpResponse:
    """Every channel with a deposit: what it holds, how many keys are alive, when one was last used."""
    rows = []
    for channel in vendors()[:SHOWN]:
        keys = list(channel.vendor_keys.all())
        alive = [key for key in keys if key.revoked_at is None]
        used = [key.used_at for key in keys if key.used_at is not None]
        rows.append({"channel": channel, "alive": len(alive), "used_at": max(used) if used else None})
    return render(request, "utility/vendors.html", {"rows": rows, "now": now()})


@for_kind(Organisation.Kind.UTILITY)
def vendor(request: HttpRequest, code: str) -> HttpResponseBase:
    """One vendor: deposit, keys, what it asked for without money, the latest month of its statement, as a file too."""
    found = vendors().filter(code=code).first()
    if found is None:
        raise Http404
    today = now().astimezone(_WIB).date()
    span = {"from_date": today - dt.timedelta(days=DAYS), "to_date": today}
    file = exported(request, lambda: _table(found, span))
    if file is not None:
        return file
    read = statement(channel=found, after=None, limit=EXPORTED_MAX, **span)
    kinds = dict(LedgerEntry.Kind.choices)
    context = {
        "channel": found,
        "keys": found.vendor_keys.all(),
        "statement": read,
        "lines": [{"line": one, "kind": kinds.get(one.kind, one.kind)} for one in reversed(read.lines[-LINES_SHOWN:])],
        "issues": [(one, _state(one)) for one in free_issues_of(channel_id=found.pk, limit=LINES_SHOWN)],
        "now": now(),
        **span,
    }
    return render(request, "utility/vendor.html", context)


def _state(one: FreeIssue) -> str:
    if one.state == FreeIssue.State.ASKED and one.approval is not None and one.approval.state == "REFUSED":
        return _("Refused")
    return str(STATES[FreeIssue.State(one.state)])


def _table(channel: Channel, span: dict[str, dt.date]) -> Table:
    lines = statement(channel=channel, after=None, limit=EXPORTED_MAX, **span).lines
    head = (_("Time"), _("What"), _("Reference"), _("Meter"), "Rp", _("Balance"))
    rows: list[tuple[Any, ...]] = [
        (
            one.at.astimezone(_WIB).strftime("%Y-%m-%d %H:%M:%S"),
            one.kind,
            one.reference,
            one.drn,
            one.amount_sen // 100,
            one.balance_sen // 100,
        )
        for one in lines
    ]
    return Table(name=f"deposit-{channel.code}", head=head, rows=rows)


@require_POST
@for_kind(Organisation.Kind.UTILITY)
def revoke(request: HttpRequest, key: int) -> HttpResponse:
    """End a key, after a second look."""
    login = keeper(request)
    found = get_object_or_404(VendorKey.objects.select_related("channel"), pk=key)
    if request.POST.get("sure") != "yes":
        messages.error(request, _("Say that you are sure. Nothing was changed."))
    elif revoke_vendor_key(key_id=found.pk, actor=f"login:{login.pk}", now=now()):
        messages.success(request, _("The key opens nothing from now on."))
    else:
        messages.error(request, _("The key was ended before."))
    return redirect("desk-vendor", code=found.channel.code)
