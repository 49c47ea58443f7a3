# SPDX-License-Identifier: Apache-2.0
"""Selling a token at a counter: find the meter, look once at what it costs, sell, print; and the end of the day."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from duaarah.clock.queries import now
from duaarah.core.tariff import NOMINALS_IDR
from duaarah.people.models import Login
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, Deposit, Vend
from duaarah.vending.operations import close_till, top_up
from duaarah.vending.operations.till import ClosingRefused, open_till
from duaarah.vending.operations.top_up import (
    ChannelLimitPassed,
    DepositTooLow,
    OneWay,
    ReferenceReused,
    TopUpRefused,
    fees_today,
)
from duaarah.vending.queries import latest_of_channel
from duaarah.web.shared.access import ACTING, login_of, signed_in, tills_of
from duaarah.web.shared.buying import CannotBuy, nominal_of, quoted
from duaarah.wiring.keystores import key_store
from duaarah.wiring.token_sources import OwnKeys

SHOWN = 20
_REFERENCE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AMOUNT = re.compile(r"\d{1,3}(?:[.,]\d{3})+|\d{1,12}")


def _till(request: HttpRequest) -> Channel:
    """The till of whoever is signed in; of several, the one that the address names. Raises PermissionDenied without one."""
    tills = list(tills_of(login_of(request)))
    if not tills:
        raise PermissionDenied
    wanted = request.GET.get("kasir") or request.POST.get("kasir")
    return next((one for one in tills if one.code == wanted), tills[0])


def _acting(request: HttpRequest, channel: Channel) -> Login:
    login = login_of(request)
    unit = channel.unit
    assert unit is not None
    units = [pk for pk in (unit.pk, unit.parent_id) if pk is not None]
    if not login.memberships.filter(unit_id__in=units, role__in=ACTING).exists():
        raise PermissionDenied
    return login


def _context(channel: Channel) -> dict[str, Any]:
    deposit = Deposit.objects.filter(pk=channel.pk).first()
    return {
        "till": channel,
        "float_idr": deposit.balance_sen // 100 if deposit else 0,
        "credit_idr": deposit.credit_sen // 100 if deposit else 0,
    }


@signed_in
def home(request: HttpRequest) -> HttpResponse:
    """The float, a field for the meter, and what was sold last."""
    channel = _till(request)
    context = {
        **_context(channel),
        "tills": tills_of(login_of(request)),
        "open": open_till(channel=channel),
        "sold": latest_of_channel(channel_id=channel.pk, limit=SHOWN),
    }
    return render(request, "gerai/home.html", context)


@signed_in
def sale(request: HttpRequest) -> HttpResponse:
    """The nominals for a meter; with one chosen, every line of its price once; a POST sells."""
    channel = _till(request)
    number = (request.POST if request.method == "POST" else request.GET).get("meter", "").strip().replace(" ", "")
    meter = _meter(number)
    if meter is None:
        messages.error(request, _("There is no meter or customer with this number. No money has moved."))
        return redirect("gerai")
    if request.method == "POST":
        return _sell(request, channel, meter)
    at = now()
    fees = fees_today(channel, at)
    context = {
        **_context(channel),
        "meter": meter,
        "name": _masked(meter.customer.name) if meter.customer else "",
        "nominals": NOMINALS_IDR,
        "admin_idr": fees.admin_idr,
        "reference": uuid.uuid4(),
    }
    if request.GET.get("nominal"):
        try:
            nominal_idr = nominal_of(request.GET["nominal"])
            context |= {"nominal": nominal_idr, "lines": quoted(meter, nominal_idr, at)}
            context["to_collect_idr"] = nominal_idr + fees.admin_idr
            context["left_idr"] = context["float_idr"] - context["to_collect_idr"]
            context["enough"] = context["left_idr"] + context["credit_idr"] >= 0
        except CannotBuy as error:
            context["wrong"] = str(error)
    return render(request, "gerai/sale.html", context)


def _meter(number: str) -> Meter | None:
    """By its own number or by the idpel. A customer with several meters is asked for the meter's number."""
    if not (number.isascii() and number.isdigit() and 11 <= len(number) <= 13):
        return None
    meters = Meter.objects.select_related("customer__holder")
    if (found := meters.filter(drn=number).first()) is not None:
        return found
    of_customer = list(meters.filter(customer__idpel=number)[:2])
    return of_customer[0] if len(of_customer) == 1 else None


def _masked(name: str) -> str:
    """Enough to tell a neighbour from a stranger: `CON*** PEL***`."""
    return " ".join(f"{word[:3]}***" for word in name.split())


def _sell(request: HttpRequest, channel: Channel, meter: Meter) -> HttpResponse:
    _acting(request, channel)
    reference = request.POST.get("reference", "")
    try:
        if not _REFERENCE.fullmatch(reference):
            raise CannotBuy(_("This form is not complete. Open it again; no money has moved."))
        outcome = top_up(
            pairing=pairing_of_meter(meter_id=meter.pk, at=now()) or OneWay(meter=meter),
            amount_idr=nominal_of(request.POST.get("nominal")),
            channel=channel,
            reference=reference,
            token_source=OwnKeys(key_store()),
            now=now(),
        )
    except (CannotBuy, TopUpRefused) as error:
        messages.error(request, str(error) if isinstance(error, CannotBuy) else _refusal(error))
        return redirect("gerai")
    return redirect("gerai-receipt", vend=outcome.vend.pk)


def _refusal(error: TopUpRefused) -> str:
    match error:
        case DepositTooLow():
            return _("The float is too low for this. Fill it first; no money has moved.")
        case ChannelLimitPassed():
            return _("This is above what this till may sell at once or in a day. No money has moved.")
        case ReferenceReused():
            return _("This form was used for another purchase. Open it again; no money has moved.")
    return _("No price is known for this meter today. No money has moved.")


@signed_in
def receipt(request: HttpRequest, vend: int) -> HttpResponse:
    """What the customer takes home; of this till's own sales only."""
    tills = tills_of(login_of(request))
    related = ("payment__quote", "payment__channel__unit", "token", "meter__customer")
    found = get_object_or_404(Vend.objects.select_related(*related), pk=vend, payment__channel__in=tills)
    payment = found.payment
    assert payment is not None
    context = {
        "vend": found,
        "token": getattr(found, "token", None),
        "payment": payment,
        "lines": payment.quote,
        "name": _masked(found.meter.customer.name) if found.meter.customer else "",
        "total_idr": payment.amount_idr + payment.admin_idr,
        "till": payment.channel,
    }
    return render(request, "gerai/receipt.html", context)


@signed_in
def closing(request: HttpRequest) -> HttpResponse:
    """The cash is counted against what was sold; whoever is signed in signs it."""
    channel = _till(request)
    if request.method == "POST":
        return _close(request, channel)
    context = {
        **_context(channel),
        "open": open_till(channel=channel),
        "closings": channel.closings.order_by("-sequence")[:SHOWN],
    }
    return render(request, "gerai/closing.html", context)


def _close(request: HttpRequest, channel: Channel) -> HttpResponse:
    login = _acting(request, channel)
    counted, seen = (request.POST.get(name, "").strip() for name in ("counted", "seen"))
    try:
        if not _AMOUNT.fullmatch(counted) or not re.fullmatch(r"-?\d{1,12}", seen):
            raise ClosingRefused("amount", "Not an amount.")
        row = close_till(
            channel=channel,
            counted_idr=int(re.sub(r"\D", "", counted)),
            seen_idr=int(seen),
            note=request.POST.get("note", ""),
            signed_by=login,
            now=now(),
        )
        messages.success(request, _("Closed and signed. The next sale begins a new day of this till."))
        return redirect(f"{request.path}?kasir={row.channel.code}")
    except ClosingRefused as error:
        messages.error(request, _closing_words(error))
        return redirect(f"{request.path}?kasir={channel.code}")


def _closing_words(error: ClosingRefused) -> str:
    words = {
        "nothing": _("Nothing was sold since the last closing. Nothing was booked."),
        "changed": _("Something was sold or returned while you counted. Count again; nothing was booked."),
        "note": _("The cash and the sales differ: say why, in at most 400 letters. Nothing was booked."),
        "amount": _("Write the cash in whole rupiah. Nothing was booked."),
    }
    return words.get(error.code, str(error))
