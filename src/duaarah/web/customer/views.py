# SPDX-License-Identifier: Apache-2.0
"""The household: credit at a glance, a purchase, a token's journey, messages, preferences."""

from __future__ import annotations

import re
import uuid
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.headend.queries import latest_readings
from duaarah.notices.auto.queries import request_of_vend
from duaarah.notices.settings import MeterDoesNotTalk, ThresholdRange, latest_order, order_threshold
from duaarah.people.keys import TooManyKeys, make_key, revoke_key
from duaarah.people.models import APIKey, Language
from duaarah.people.operations import choose_language
from duaarah.registry.access import meters_of_holder
from duaarah.registry.models import Meter
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.package.statement import customer_statement
from duaarah.vending.models import Vend
from duaarah.vending.queries import amount_idr, journey, messages_of_meters, vends_of_meters, wallet_balance_idr
from duaarah.vending.receipts import receipt_of
from duaarah.web.shared.access import for_holder, holder_of
from duaarah.web.shared.buying import OFFERED_IDR, CannotBuy, nominal_of, quoted
from duaarah.web.shared.buying import buy as buy_now
from duaarah.web.shared.export import exported
from duaarah.web.shared.fresh import fragment
from duaarah.web.shared.package import left_of, months_beside, statement_table, sums
from duaarah.web.shared.receipts import explained, receipt_pdf
from duaarah.web.shared.supply import reading
from duaarah.web.shared.traffic import month_of
from duaarah.web.shared.usage import glance

TOKENS_SHOWN = 8
MESSAGES_SHOWN = 8
READINGS_SHOWN = 6
STATEMENT_SHOWN = 500
_KWH = re.compile(r"[0-9]{1,3}([.,][0-9]{1,3})?")
QUICK_IDR = (20_000, 50_000, 100_000, 200_000)


def _meter(request: HttpRequest, drn: str | None) -> Meter:
    """His meter of this number, or his first one. Another's does not exist for him."""
    meters = meters_of_holder(holder_id=holder_of(request).pk)
    meter = (meters.filter(drn=drn) if drn is not None else meters).first()
    if meter is None:
        raise Http404
    return meter


def _vend(request: HttpRequest, vend_id: int) -> Vend:
    holder_id = holder_of(request).pk
    vend = (
        Vend.objects.select_related(
            "token", "payment__channel", "payment__quote", "notification__channel", "command", "meter"
        )
        .filter(pk=vend_id, meter__customer__holder_id=holder_id)
        .first()
    )
    if vend is None:
        raise Http404
    return vend


def _overview(meter: Meter) -> dict[str, Any]:
    vends = vends_of_meters([meter.pk], TOKENS_SHOWN)
    return {
        "reading": reading(meter, now()),
        "vends": [{"vend": v, "amount_idr": amount_idr(v), "steps": journey(v)} for v in vends],
        "texts": messages_of_meters([meter.pk], MESSAGES_SHOWN),
        "readings": latest_readings(meter_id=meter.pk, limit=READINGS_SHOWN),
    }


@for_holder
def home(request: HttpRequest, drn: str | None = None) -> HttpResponse:
    """One meter in one glance; a switch above it where he has several."""
    holder = holder_of(request)
    try:
        meter = _meter(request, drn)
    except Http404:
        if drn is not None:
            raise
        return render(request, "customer/none.html")
    context = {
        **_overview(meter),
        "meters": meters_of_holder(holder_id=holder.pk)[:20],
        "meter": meter,
        "wallet_idr": wallet_balance_idr(holder_id=holder.pk),
        "quick": QUICK_IDR,
        "glance": glance(meter, now(), "en" if (get_language() or "id").startswith("en") else "id"),
        "left": left_of(meter_ids=[meter.pk], month_date=package_month(now())).get(meter.pk),
    }
    return render(request, "customer/home.html", context)


@for_holder
def package(request: HttpRequest) -> HttpResponseBase:
    """His statement of a month: each meter's SMS, what is left, what it comes to; as a page and as a file."""
    month_date = month_of(request.GET.get("bulan", ""), now())
    rows = customer_statement(holder_id=holder_of(request).pk, month_date=month_date)
    if (file := exported(request, lambda: statement_table(f"paket-sms-{month_date:%Y-%m}", rows))) is not None:
        return file
    context = {**months_beside(month_date), "rows": rows[:STATEMENT_SHOWN], "sums": sums(rows), "meters": len(rows)}
    return render(request, "customer/package.html", context)


@for_holder
def now_part(request: HttpRequest, drn: str) -> HttpResponse:
    """The live part of the page."""
    meter = _meter(request, drn)
    return fragment(request, "customer/now.html", {**_overview(meter), "meter": meter})


@for_holder
def buy(request: HttpRequest, drn: str) -> HttpResponse:
    """Choose, look at the price, confirm; the form carries its own reference, so that twice is once."""
    meter, at = _meter(request, drn), now()
    wallet_idr = wallet_balance_idr(holder_id=holder_of(request).pk)
    context: dict[str, Any] = {"meter": meter, "nominals": OFFERED_IDR, "wallet_idr": wallet_idr}
    status = 200
    try:
        if request.method == "POST":
            vend = buy_now(meter, nominal_of(request.POST.get("nominal")), request.POST.get("reference", ""), at)
            return redirect("home-token", vend_id=vend.pk)
        if "nominal" in request.GET:
            nominal_idr = nominal_of(request.GET["nominal"])
            lines = quoted(meter, nominal_idr, at)
            left_idr = wallet_idr - lines.total_paid_idr
            context |= {"nominal": nominal_idr, "lines": lines, "left_idr": left_idr, "reference": uuid.uuid4()}
    except CannotBuy as error:
        context["wrong"], status = str(error), 409
    return render(request, "customer/buy.html", context, status=status)


@for_holder
def token(request: HttpRequest, vend_id: int) -> HttpResponse:
    """The whole life of one token."""
    return render(request, "customer/token.html", _token_context(_vend(request, vend_id)))


@for_holder
def token_part(request: HttpRequest, vend_id: int) -> HttpResponse:
    """Its live part."""
    return fragment(request, "customer/token_part.html", _token_context(_vend(request, vend_id)))


@for_holder
def receipt(request: HttpRequest, vend_id: int) -> HttpResponseBase:
    """Every rupiah of one purchase, and why its energy differs from the one before; as a page and as a PDF."""
    vend = _vend(request, vend_id)
    found = receipt_of(vend)
    page = explained(found) if found is not None else None
    if page is not None and request.GET.get("unduh") == "pdf":
        return receipt_pdf(page)
    context = {"vend": vend, "amount_idr": amount_idr(vend), "page": page}
    return render(request, "customer/explained.html", context)


def _token_context(vend: Vend) -> dict[str, Any]:
    closed = vend.state in (Vend.State.LOADED, Vend.State.REJECTED, Vend.State.REFUNDED)
    why = {"auto": request_of_vend(vend)}
    return {"vend": vend, "steps": journey(vend), "amount_idr": amount_idr(vend), "closed": closed, **why}


@for_holder
def preferences(request: HttpRequest) -> HttpResponse:
    """The language of his SMS, and below which credit each meter warns: as the meter has it, and what it was told."""
    holder = holder_of(request)
    if request.method == "POST" and "threshold" in request.POST:
        return _threshold(request)
    if request.method == "POST":
        try:
            choose_language(holder=holder, language=request.POST.get("language", ""), now=now())
        except ValueError:
            messages.error(request, _("Choose one of the languages. Nothing was changed."))
        else:
            messages.success(request, _("Saved. Your next SMS comes in this language."))
        return redirect("home-preferences")
    context = {
        "holder": holder,
        "languages": Language.choices,
        "meters": [
            {"meter": m, "order": latest_order(meter_id=m.pk)} for m in meters_of_holder(holder_id=holder.pk)[:20]
        ],
        "keys": APIKey.objects.filter(holder=holder).order_by("-pk")[:20],
    }
    return render(request, "customer/preferences.html", context)


def _threshold(request: HttpRequest) -> HttpResponse:
    """Order a threshold for one of his meters, in kWh with a comma or a point."""
    meter = _meter(request, request.POST.get("meter", ""))
    try:
        if not _KWH.fullmatch(words := request.POST["threshold"].strip()):
            raise ValueError
        threshold_wh = int(Decimal(words.replace(",", ".")) * 1000)
        order_threshold(meter=meter, threshold_wh=threshold_wh, actor=f"holder:{holder_of(request).pk}", now=now())
    except (ValueError, ThresholdRange):
        messages.error(request, _("A warning is set between 0.5 and 100 kWh, in steps of 0.5. Nothing was changed."))
    except MeterDoesNotTalk:
        messages.error(request, _("This meter has no modem now; it cannot be told. Nothing was changed."))
    else:
        messages.success(request, _("The meter is being told. It is changed when the meter has answered."))
    return redirect("home-preferences")


@require_POST
@for_holder
def api_keys(request: HttpRequest) -> HttpResponse:
    """Make a key, shown this once, or revoke one."""
    holder, at = holder_of(request), now()
    revoke = request.POST.get("revoke", "")
    if revoke:
        done = revoke.isdigit() and revoke_key(holder=holder, key_id=int(revoke), now=at)
        if done:
            messages.success(request, _("The key opens nothing any more."))
        else:
            messages.error(request, _("There is no living key of this number. Nothing was changed."))
        return redirect("home-preferences")
    try:
        plain = make_key(holder=holder, name=request.POST.get("name", "").strip(), now=at)
    except TooManyKeys:
        messages.error(request, _("Ten keys are alive; revoke one first. Nothing was changed."))
        return redirect("home-preferences")
    return render(request, "customer/key.html", {"plain": plain})
