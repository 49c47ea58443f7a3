# SPDX-License-Identifier: Apache-2.0
"""The stage: personas, a phone, a meter, the live wire, the books, the town's map, and buttons that make things happen."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock import operations as clock_operations
from duaarah.clock.models import BusinessClock
from duaarah.clock.queries import now
from duaarah.net import jsonport
from duaarah.people.models import Login
from duaarah.registry.models import Meter, Pairing
from duaarah.sms.models import InboundSms, OutboundSegment
from duaarah.stage.page import mobile, network, tour, wire
from duaarah.stage.page.deeds import DEEDS, STEPS
from duaarah.stage.page.personas import PERSONAS
from duaarah.stage.page.token import explained
from duaarah.stage.saved import PROCESSES
from duaarah.vending.models import LedgerEntry, LedgerLine
from duaarah.vending.queries import amount_idr, journey, vends_of_meters
from duaarah.web.shared.fresh import fragment
from duaarah.web.shared.supply import reading

LEDGER_SHOWN = 6
INBOX_SHOWN = 8
# A purchase of days ago is no part of what happens now.
STORY = dt.timedelta(hours=6)


def _pairing(request: HttpRequest) -> Pairing:
    """The meter that this visitor looks at: chosen by him, else the household's."""
    chosen = request.GET.get("meter") or request.session.get("stage_meter", "")
    joined = ("meter__customer__holder__wallet", "meter__site", "meter__transformer__parent__parent", "sim")
    pairings = Pairing.objects.select_related(*joined).order_by("pk")
    found = pairings.filter(meter__drn=chosen).first()
    if found is None:
        found = pairings.filter(meter__customer__holder__logins__username="demo-rumah").first() or pairings.first()
    if found is None:
        raise Http404
    if request.GET.get("meter") == found.meter.drn:
        request.session["stage_meter"] = found.meter.drn
    return found


def _town(op: str, **fields: object) -> dict[str, Any]:
    return jsonport.call(settings.STAGE_TOWN_PORT, {"op": op, **fields}, timeout_s=5)


def _alive(pairing: Pairing) -> dict[str, Any]:
    """Everything on the stage that moves."""
    meter, numbers = pairing.meter, {pairing.sim.msisdn, pairing.phone}
    inside: dict[str, Any] = {}
    talk: list[dict[str, Any]] = []
    with contextlib.suppress(jsonport.ControlFailed):
        inside = _town("meter", drn=meter.drn)
        phone = _town("phone", msisdn=pairing.phone)
        talk = [{**m, "mine": False} for m in phone["inbox"]] + [{**m, "mine": True} for m in phone["outbox"]]
        talk = sorted(talk, key=lambda m: m["at"])[-INBOX_SHOWN:]
    vends = vends_of_meters([meter.pk], 1)
    entries = LedgerEntry.objects.order_by("-pk").prefetch_related("lines__account")[:LEDGER_SHOWN]
    return {
        "pairing": pairing,
        "inside": inside,
        "talk": talk,
        "lines": wire.lines(numbers),
        "entries": entries,
        "ledger_sen": sum(LedgerLine.objects.filter(entry__in=list(entries)).values_list("amount_sen", flat=True)),
        "vend": vends[0] if vends else None,
        "amount_idr": amount_idr(vends[0]) if vends else None,
        "steps": journey(vends[0]) if vends else [],
        "story": STEPS,
        "lit": _lit(inside, talk, [vend for vend in vends if now() - vend.paid_at < STORY]),
        "clock": BusinessClock.objects.get(pk=1),
        "places": _map(meter),
        "parts": _parts(),
        "mobile": mobile.panel(pairing),
        "network_states": network.states(pairing, _town),
        "progress": network.progress(),
    }


def _parts() -> list[dict[str, Any]]:
    """The demo's processes as their keeper last saw them."""
    try:
        rows = json.loads((settings.STAGE_FOLDER / PROCESSES).read_text())
    except (OSError, ValueError):
        return []
    return [{"name": name, "runs": runs, "restarts": restarts} for name, runs, restarts in rows]


def _lit(inside: dict[str, Any], talk: list[dict[str, Any]], vends: list[Any]) -> set[str]:
    """Which steps of the story have happened for this meter, by what is seen, not by what was pressed."""
    lit = set()
    if inside and inside["credit_wh"] < inside["threshold_wh"]:
        lit.add("low")
    if any("ISI " in m["text"] and not m["mine"] for m in talk):
        lit |= {"low", "warned"}
    if vends:
        lit |= {"bought"} | {step.name for step in journey(vends[0]) if step.state == "done"}
    return lit


def _map(mine: Meter) -> dict[str, Any]:
    """Transformers as rows, their meters as dots, coloured by what their own messages say."""
    at = now()
    rows: dict[str, dict[str, Any]] = {}
    lines = []
    meters = (
        Meter.objects.filter(customer__isnull=False)
        .select_related("transformer", "supply", "invocation_counter", "customer", "site")
        .order_by("pk")
    )
    for meter in meters[:600]:
        code = meter.transformer.code if meter.transformer else "-"
        row = rows.setdefault(code, {"code": code, "dots": []})
        number = len(row["dots"])
        row["dots"].append(
            {
                "x": 62 + 11 * number,
                "sign": reading(meter, at).sign,
                "drn": meter.drn,
                "mine": meter.pk == mine.pk,
            }
        )
    for number, row in enumerate(rows.values()):
        row["y"] = 12 + 16 * number
        lines.append(row)
    return {
        "rows": lines,
        "height": 12 + 16 * len(lines),
        "width": 80 + 11 * max((len(r["dots"]) for r in lines), default=1),
    }


def stage(request: HttpRequest) -> HttpResponse:
    """The whole page."""
    pairing = _pairing(request)
    choices = Pairing.objects.select_related("meter__site", "meter__customer").order_by("pk")[:300]
    context = {**_alive(pairing), "personas": PERSONAS, "deeds": DEEDS, "choices": choices}
    context |= {"mobile_deeds": mobile.DEEDS, "network": network.rows(pairing)}
    return render(request, "stage/stage.html", context)


def live(request: HttpRequest) -> HttpResponse:
    """Its moving parts in one answer."""
    return fragment(request, "stage/live.html", _alive(_pairing(request)))


def wire_detail(request: HttpRequest, way: str, row: int) -> HttpResponse:
    """One SMS opened."""
    if way == "out":
        detail = wire.outbound(get_object_or_404(OutboundSegment, pk=row))
    else:
        detail = wire.inbound(get_object_or_404(InboundSms, pk=row))
    template = "stage/wire_part.html" if request.headers.get("HX-Request") else "stage/wire.html"
    return render(request, template, {"detail": detail})


def token_page(request: HttpRequest) -> HttpResponse:
    """Any token explained; `digits` and perhaps `of`, the number of its meter."""
    digits, of = request.GET.get("digits", "")[:40], request.GET.get("of", "").strip()[:13]
    context = {"digits": digits, "of": of, "token": explained(digits, of) if digits else None}
    return render(request, "stage/token.html", context)


def tour_page(request: HttpRequest) -> HttpResponse:
    """Seven steps beside three."""
    return render(request, "stage/tour.html", tour.context(request, _pairing(request)))


def tour_live(request: HttpRequest) -> HttpResponse:
    """The three, as far as they have come."""
    return fragment(request, "stage/tour_live.html", tour.context(request, _pairing(request)))


@require_POST
def tour_step(request: HttpRequest, step: str) -> HttpResponse:
    """Make one step of the tour happen, or begin it again."""
    pairing = _pairing(request)
    if step == "again":
        tour.begin(request)
    elif step in tour.STEPS:
        deed, form = tour.STEPS[step], {"text": tour.tour_of(pairing, tour.start_of(request)).answer}
        with contextlib.suppress(jsonport.ControlFailed):
            DEEDS[deed].act(_town, pairing, form)
    else:
        raise Http404
    if request.headers.get("HX-Request"):
        return render(request, "stage/tour_live.html", tour.context(request, pairing))
    return redirect("stage-tour")


@require_POST
def enter(request: HttpRequest, persona: str) -> HttpResponse:
    """Sign in as a persona, at his first page or at that in `ke`; one whose pages come later says what will be there."""
    chosen = next((p for p in PERSONAS if p.key == persona), None)
    if chosen is None:
        raise Http404
    if not chosen.page:
        words = {"title": chosen.name, "text": _("Comes later: %(what)s") % {"what": chosen.later}}
        return render(request, "shared/message.html", words)
    login(request, get_object_or_404(Login, username=f"demo-{persona}"))
    to = request.GET.get("ke", "")
    # A path of this site only: nobody is sent elsewhere from here.
    return redirect(to if url_has_allowed_host_and_scheme(to, allowed_hosts=None) else chosen.page)


@require_POST
def act(request: HttpRequest, deed: str) -> HttpResponse:
    """A button, a text or a keypad entry; what follows is seen on the page, not told by it."""
    chosen = DEEDS.get(deed) or network.DEEDS.get(deed) or mobile.DEEDS.get(deed)
    if chosen is None:
        raise Http404
    pairing = _pairing(request)
    try:
        said = chosen.act(_town, pairing, request.POST)
    except (jsonport.ControlFailed, clock_operations.ClockBackwards, ValueError) as error:
        said = str(error)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204) if not said else render(request, "stage/said.html", {"said": said})
    if said:
        messages.info(request, said)
    return redirect("stage")
