# SPDX-License-Identifier: Apache-2.0
"""What is off: the live list with the tree and its map, one outage's evidence, and what an operator does to it."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.notices.models import OutageNotice
from duaarah.outages import deeds
from duaarah.outages.models import Interruption, Outage
from duaarah.outages.queries import OPEN, open_outages, past_outages, places, tree, words_of
from duaarah.registry.models import Meter
from duaarah.web.shared.access import for_operator
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.fresh import answer, shared_text
from duaarah.web.utility.guard import keeper
from duaarah.web.utility.outage_words import REFUSED, WORDS, outage_row

SHOWN, PAST_DAYS = 100, 14
DEEDS = ("estimate", "wide", "close")


def _live() -> dict[str, Any]:
    at = now()
    branches = tree()
    return {
        "open": [outage_row(one) for one in open_outages()[:SHOWN]],
        "past": [outage_row(one) for one in past_outages(since_at=at - dt.timedelta(days=PAST_DAYS))[:SHOWN]],
        "branches": branches,
        "places": places(branches),
        "customers_off": Interruption.objects.filter(superseded_at=None, ended_at=None).count(),
        "waiting": OutageNotice.objects.filter(state=OutageNotice.State.WAITING).count(),
    }


@for_operator
def outages(request: HttpRequest) -> HttpResponseBase:
    """The list, live; as a file, the outages of the last fortnight."""
    if (file := exported(request, _table)) is not None:
        return file
    part = shared_text("utility/outages_part.html", _live)
    if request.headers.get("HX-Request"):
        return answer(request, part)
    return render(request, "utility/outages.html", {"part": part})


def _table() -> Table:
    at = now()
    head = (_("Outage"), _("Level"), _("State"), _("Cause"), _("Began"), _("Ended"), _("Customers"))
    found = [*open_outages(), *past_outages(since_at=at - dt.timedelta(days=PAST_DAYS))]

    def row(one: Outage) -> tuple[object, ...]:
        words = outage_row(one)
        named = (words["name"], str(words["level"]), str(words["word"]), str(words["cause"]))
        return (*named, one.began_at.isoformat(), one.ended_at.isoformat() if one.ended_at else None, one.affected)

    return Table(name=f"padam-{at:%Y-%m-%d}", head=head, rows=(row(one) for one in found))


@for_operator
def outage(request: HttpRequest, outage: int) -> HttpResponse:
    """One outage: its timeline with evidence, who was told, and the forms of its deeds."""
    found = get_object_or_404(Outage.objects.select_related("node", "meter", "planned__node"), pk=outage)
    return render(request, "utility/outage.html", _context(found))


def _context(found: Outage) -> dict[str, Any]:
    counts, words = words_of(found)
    notices = OutageNotice.objects.filter(outage=found).values("kind", "state").annotate(n=Count("pk"))
    told = {f"{row['kind']}_{row['state']}": row["n"] for row in notices}
    rows = Interruption.objects.filter(outage=found, superseded_at=None)
    return {
        **outage_row(found),
        "zone": zone_of(found),
        "counts": [(WORDS[kind], counts[kind]) for kind in WORDS if kind in counts],
        "words": [{"heard": word, "says": WORDS.get(word.kind, word.kind)} for word in words],  # type: ignore[call-overload]
        "told": told,
        "interruptions": rows.select_related("meter__customer").order_by("began_at", "pk")[:SHOWN],
        "of_logs": rows.filter(source=Interruption.Source.LOG).count(),
        "number": rows.count(),
        "is_open": found.state in OPEN,
        "now": now(),
    }


def zone_of(found: Outage) -> str:
    """The zone of the first meter below it."""
    meter = found.meter or Meter.objects.filter(interruptions__outage=found).order_by("pk").first()
    return meter.zone if meter is not None else "Asia/Jakarta"


@require_POST
@for_operator
def change(request: HttpRequest, outage: int) -> HttpResponse:
    """A deed: shown first with what it does and to how many; done when it is said again with `sure`."""
    login, form = keeper(request), request.POST
    found = get_object_or_404(Outage.objects.select_related("node", "meter"), pk=outage)
    deed = form.get("deed", "")
    if deed not in DEEDS:
        messages.error(request, _("Nothing was chosen. Nothing was changed."))
        return redirect("desk-outage", outage=found.pk)
    try:
        end_at = local_instant(form.get("end_at", ""), zone_of(found)) if deed == "estimate" else None
        if form.get("sure") != "yes":
            context = {"deed": deed, "end_at": end_at, "form": form, **_context(found)}
            return render(request, "utility/outage_sure.html", context)
        actor, at = f"login:{login.pk}", now()
        if deed == "estimate":
            deeds.set_estimated_end(outage_id=found.pk, end_at=end_at, actor=actor, now=at)
        elif deed == "wide":
            deeds.declare_wide(outage_id=found.pk, actor=actor, now=at)
        else:
            deeds.close_outage(outage_id=found.pk, reason=form.get("reason", ""), actor=actor, now=at)
        messages.success(request, _("Done. It stands in the audit record."))
    except deeds.OutageRefused as error:
        messages.error(request, str(REFUSED[error.code]))
    return redirect("desk-outage", outage=found.pk)


def local_instant(text: str, zone: str) -> dt.datetime:
    """What a form's local time means. Raises OutageRefused: "bad_time"."""
    try:
        return dt.datetime.strptime(text.strip()[:16], "%Y-%m-%dT%H:%M").replace(tzinfo=ZoneInfo(zone))
    except ValueError as error:
        raise deeds.OutageRefused("bad_time", "No time.") from error
