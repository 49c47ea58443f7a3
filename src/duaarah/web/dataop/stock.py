# SPDX-License-Identifier: Apache-2.0
"""SIM stock with its alarms, and the catalogue of modems and packages with dated prices."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.audit.models import AuditRecord
from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.registry.models import CatalogueItem, Sim
from duaarah.registry.operations import NEXT, PriceRefused, SimStateRefused, change_sim_state, set_price
from duaarah.registry.queries import price_on, sim_alarms, sims_of
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.access import acting
from duaarah.web.shared.export import Table, exported

PAGE = 50
HISTORY_MAX = 50
_WIB = ZoneInfo("Asia/Jakarta")
_DATA = Organisation.Kind.DATA_OPERATOR


def _why(error: Exception) -> str:
    """A refusal of the registry in the reader's language."""
    words = {
        "Say why, in at most 400 letters.": _("Say why, in at most 400 letters."),
        "This state does not follow the one the SIM has.": _("This state does not follow the one the SIM has."),
        "The SIM still serves a meter: end its pairing first.": _(
            "The SIM still serves a meter: end its pairing first."
        ),
        "A price is 1 to 100,000,000 rupiah.": _("A price is 1 to 100,000,000 rupiah."),
        "A price begins tomorrow at the earliest: the past is not changed.": _(
            "A price begins tomorrow at the earliest: the past is not changed."
        ),
    }
    return words.get(str(error), str(error))


def _sims_table(rows: QuerySet[Sim]) -> Table:
    head = ("ICCID", _("State"), _("Meter"), _("Operator"))
    found = rows.iterator(chunk_size=2_000)
    return Table(
        name="sim",
        head=head,
        rows=((s.iccid, _(s.get_state_display()), s.drn, s.operator.name) for s in found),  # type: ignore[attr-defined]
    )


@for_data_operator
def sims(request: HttpRequest) -> HttpResponseBase:
    """Every SIM by ICCID with state and meter; alarms first, filters in the address."""
    every = sims_of(operator_ids=None, at=now())
    state, words = request.GET.get("keadaan", ""), request.GET.get("cari", "").strip()[:20]
    rows = every.filter(state=state) if state in Sim.State.values else every
    if words:
        rows = rows.filter(iccid__startswith=words)
    if (file := exported(request, lambda: _sims_table(rows))) is not None:
        return file
    after = request.GET.get("sesudah", "")[:20]
    found = list((rows.filter(iccid__gt=after) if after else rows)[:PAGE])
    counted = dict(Sim.objects.values_list("state").annotate(n=Count("pk")).order_by())
    context = {
        "alarms": sim_alarms(every)[:PAGE],
        "alarms_n": sim_alarms(every).count(),
        "rows": found,
        "counts": [(label, counted.get(code, 0)) for code, label in Sim.State.choices],
        "states": Sim.State.choices,
        "moves": [(label, [Sim.State(after).label for after in NEXT[code]]) for code, label in Sim.State.choices],
        "state": state,
        "words": words,
        "after": found[-1].iccid if len(found) == PAGE else None,
    }
    return render(request, "dataop/sims.html", context)


@for_data_operator
def sim(request: HttpRequest, iccid: str) -> HttpResponse:
    """One SIM: state, meters it served, who changed it and why; a form for what may follow."""
    row = get_object_or_404(sims_of(operator_ids=None, at=now()), iccid=iccid)
    if request.method == "POST":
        login = acting(request, _DATA)
        state, reason = request.POST.get("state", ""), request.POST.get("reason", "")
        try:
            change_sim_state(sim_id=row.pk, state=state, reason=reason, actor=f"login:{login.pk}", now=now())
            messages.success(request, _("The SIM's new state is written down."))
        except SimStateRefused as error:
            messages.error(request, f"{_why(error)} {_('Nothing was changed.')}")
        return redirect("data-sim", iccid=iccid)
    context = {
        "sim": row,
        "pairings": row.pairings.select_related("meter").order_by("-id")[:HISTORY_MAX],
        "next": [(code, Sim.State(code).label) for code in NEXT[row.state]],
        "record": AuditRecord.objects.filter(subject=f"sim:{row.iccid}").order_by("-id")[:HISTORY_MAX],
        "alarm": sim_alarms(sims_of(operator_ids=None, at=now()).filter(pk=row.pk)).exists(),
    }
    return render(request, "dataop/sim.html", context)


@for_data_operator
def catalogue(request: HttpRequest) -> HttpResponse:
    """What is sold, the price of today, the past and the coming ones; a form for a new price from a day on."""
    today = now().astimezone(_WIB).date()
    items: list[dict[str, Any]] = []
    for item in CatalogueItem.objects.prefetch_related("prices").order_by("kind", "code"):
        current = price_on(item_id=item.pk, date=today)
        prices = sorted(item.prices.all(), key=lambda p: (p.valid_from_date, p.pk), reverse=True)[:HISTORY_MAX]
        items.append({"item": item, "current": current, "prices": prices})
    context = {"items": items, "tomorrow": today + dt.timedelta(days=1), "today": today}
    return render(request, "dataop/catalogue.html", context)


@require_POST
@for_data_operator
def price(request: HttpRequest) -> HttpResponse:
    """A new price from a coming day on; what was true before stays."""
    login = acting(request, _DATA)
    amount, day = request.POST.get("amount", "").replace(".", "").replace(",", ""), request.POST.get("from", "")
    item = CatalogueItem.objects.filter(code=request.POST.get("item", "")).first()
    try:
        valid_from_date = dt.date.fromisoformat(day)
        if item is None or not amount.isascii() or not amount.isdigit() or len(amount) > 12:
            raise ValueError
    except ValueError:
        messages.error(request, _("Give a price in whole rupiah and the day it begins. Nothing was changed."))
        return redirect("data-catalogue")
    try:
        set_price(
            item_id=item.pk,
            amount_idr=int(amount),
            valid_from_date=valid_from_date,
            reason=request.POST.get("reason", ""),
            actor=f"login:{login.pk}",
            now=now(),
        )
        messages.success(request, _("The new price is written down."))
    except PriceRefused as error:
        messages.error(request, f"{_why(error)} {_('Nothing was changed.')}")
    return redirect("data-catalogue")
