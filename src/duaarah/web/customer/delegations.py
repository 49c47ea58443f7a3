# SPDX-License-Identifier: Apache-2.0
"""What IZIN does by SMS, as a page: another phone may ask, or buy, for a while; a second look and the PIN, both ways."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from duaarah.clock.queries import now
from duaarah.core.msisdn import MSISDNError, canonical
from duaarah.people.models import AccountHolder
from duaarah.people.operations import PINLocked, PINRefused, check_pin
from duaarah.registry.access import meters_of_holder, pairing_of_meter
from duaarah.registry.delegations import (
    DAYS_DEFAULT,
    DAYS_MAX,
    LIVING_MAX,
    DelegationRefused,
    delegate,
    end_delegation,
)
from duaarah.registry.models import Delegation, Meter
from duaarah.web.shared.access import for_holder, holder_of

METERS_MAX = 200
ENDS = "END"


class _Wrong(Exception):
    """The form says nothing that can be done; the sentence says why."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the form asks for: a right of a phone on a meter for `days`, or its end (`right` END)."""

    meter: Meter
    phone: str
    right: str
    days: int


def _wish(request: HttpRequest, holder: AccountHolder) -> Wish:
    meter = meters_of_holder(holder_id=holder.pk).filter(drn=request.POST.get("meter", "")).first()
    if meter is None:
        raise Http404
    try:
        phone = canonical(request.POST.get("phone", ""))
    except MSISDNError as error:
        raise _Wrong(_("This is not an Indonesian mobile number.")) from error
    right, days = request.POST.get("right", ""), request.POST.get("days", "").strip() or str(DAYS_DEFAULT)
    if right not in (*Delegation.Right.values, ENDS):
        raise _Wrong(_("Choose what the other number may do."))
    if not (days.isascii() and days.isdigit() and len(days) < 4 and 1 <= int(days) <= DAYS_MAX):
        raise _Wrong(_("A right is given for 1 to 365 days."))
    return Wish(meter=meter, phone=phone, right=right, days=int(days))


@for_holder
def delegations(request: HttpRequest) -> HttpResponse:
    """Who may do what, until when; a form, a second look at what it means, and the PIN before anything changes."""
    holder, at = holder_of(request), now()
    wish, wrong, status = None, "", 200
    if request.method == "POST":
        try:
            wish = _wish(request, holder)
            if "pin" in request.POST:
                _do(wish, holder, request.POST["pin"].strip(), at)
                messages.success(request, _done(wish))
                return redirect("home-delegations")
        except _Wrong as error:
            wrong, status = f"{error} {_('Nothing was changed.')}", 409
    rows = (
        Delegation.objects.filter(holder=holder, valid__contains=at, meter__customer__holder=holder)
        .select_related("meter__customer", "meter__site")
        .order_by("meter_id", "pk")
    )
    context: dict[str, Any] = {
        "rows": rows,
        "meters": meters_of_holder(holder_id=holder.pk)[:METERS_MAX],
        "rights": Delegation.Right.choices,
        "days_default": DAYS_DEFAULT,
        "wish": wish,
        "until_at": at + dt.timedelta(days=wish.days) if wish else None,
        "before": rows.filter(meter=wish.meter, phone=wish.phone).first() if wish else None,
        "wrong": wrong,
    }
    return render(request, "customer/delegations.html", context, status=status)


def _do(wish: Wish, holder: AccountHolder, pin: str, at: dt.datetime) -> None:
    """PIN first, as IZIN does; then the same verb. Raises _Wrong."""
    try:
        check_pin(holder=holder, pin=pin, now=at)
    except PINLocked as error:
        raise _Wrong(_("The PIN was wrong too often; it is locked for an hour.")) from error
    except PINRefused as error:
        raise _Wrong(_("The PIN is wrong, or none was set at the shop.")) from error
    actor = f"holder:{holder.pk}"
    if wish.right == ENDS:
        if not end_delegation(meter=wish.meter, phone=wish.phone, actor=actor, now=at):
            raise _Wrong(_("This number has no right on this meter any more."))
        return
    pairing = pairing_of_meter(meter_id=wish.meter.pk, at=at)
    try:
        delegate(
            meter=wish.meter,
            phone=wish.phone,
            right=wish.right,
            days=wish.days,
            own_phone=pairing.phone if pairing else "",
            actor=actor,
            now=at,
        )
    except DelegationRefused as error:
        words = _("Not to the meter's own number, and to %(n)d numbers at most.")
        raise _Wrong(words % {"n": LIVING_MAX}) from error


def _done(wish: Wish) -> str:
    if wish.right == ENDS:
        return _("Taken back: the number …%(phone)s reaches this meter no more.") % {"phone": wish.phone[-3:]}
    return _("Given: the number …%(phone)s, for %(days)d days.") % {"phone": wish.phone[-3:], "days": wish.days}
