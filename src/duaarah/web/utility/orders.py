# SPDX-License-Identifier: Apache-2.0
"""Orders on a meter's page: choose, look at what will happen, then send, or ask a second person; progress live."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.core.order import DANGEROUS, ORDER_FIELDS, Order, OrderError, OrderKind
from duaarah.headend.models import Command, MeterReach, MeterState
from duaarah.headend.operations import place_order, request_order, withdraw_order
from duaarah.headend.operations.orders import VERB, OrderRefused, check_order, order_of
from duaarah.headend.operations.sessions import ReachRefused, set_reach
from duaarah.headend.queries import order_steps, orders_of
from duaarah.people.models import Approval, Login, Membership
from duaarah.registry.models import Meter
from duaarah.web.shared.access import RUNNING, for_operator, login_of
from duaarah.web.shared.fresh import fragment
from duaarah.web.utility.order_words import WILL, refusal_words, values_words
from duaarah.web.utility.reads import shown_profile, shown_read
from duaarah.wiring.drivers import DriverDirectory

SHOWN = 6
REASON_MAX = 400
_ROLES = (Membership.Role.OPERATOR, Membership.Role.APPROVER, Membership.Role.ADMIN)
_DRIVER = DriverDirectory()


class BadForm(Exception):
    """A field of the form cannot be meant; the text is the sentence for the person."""


def operator_of(request: HttpRequest) -> Login:
    """Who may order. Raises PermissionDenied for those who only look on."""
    login = login_of(request)
    if not login.memberships.filter(unit__organisation__kind__in=RUNNING, role__in=_ROLES).exists():
        raise PermissionDenied
    return login


def _meter(drn: str) -> Meter:
    found = Meter.objects.select_related("customer__holder", "site").filter(drn=drn).first()
    if found is None:
        raise Http404
    return found


def order_from(form: QueryDict, zone: str, at: dt.datetime) -> Order:
    """The order that a form means. Raises Http404 for an unknown kind, BadForm for a field."""
    try:
        kind = OrderKind(form.get("order", ""))
    except ValueError:
        raise Http404 from None
    fields: dict[str, Any] = {}
    for name in ORDER_FIELDS[kind]:
        fields[name] = at.replace(microsecond=0) if name == "clock_at" else _field(name, form.get(name, ""), zone)
    try:
        return Order(kind=kind, **fields)
    except OrderError:
        raise BadForm(_("This number is outside what can be ordered.")) from None


def _field(name: str, text: str, zone: str) -> Any:
    if name.endswith("_at"):
        try:
            return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), second=0, microsecond=0)
        except ValueError:
            raise BadForm(_("Say until when: a day and a time.")) from None
    digits = text.replace(".", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise BadForm(_("A whole number is needed."))
    return int(digits)


def panel(meter: Meter, at: dt.datetime) -> dict[str, Any]:
    """What the meter's page shows of orders: what the meter confirmed, what waits, the latest ones with their steps."""
    rows = [
        {"command": command, "steps": order_steps(command), "words": values_words(order, meter.zone) if order else ""}
        for command in orders_of(meter_id=meter.pk, limit=SHOWN)
        for order in (order_of(command),)
    ]
    waiting = Approval.objects.filter(
        verb=VERB, subject=f"meter:{meter.pk}", state=Approval.State.REQUESTED, expires_at__gt=at
    )
    return {
        "meter": meter,
        "state": MeterState.objects.filter(pk=meter.pk).first(),
        "orders": rows,
        "waiting": waiting.select_related("requested_by"),
        "reach": MeterReach.objects.filter(pk=meter.pk).first(),
        "read": shown_read(meter.pk),
        "profile_read": shown_profile(meter),
    }


@for_operator
def orders_part(request: HttpRequest, drn: str) -> HttpResponse:
    """The live part: how far the orders have come."""
    at = now()
    return fragment(request, "utility/orders_part.html", {**panel(_meter(drn), at), "now": at})


@for_operator
def order(request: HttpRequest, drn: str) -> HttpResponse:
    """GET: what will happen (`?order=...`). POST: send it, or ask a second person."""
    meter, at = _meter(drn), now()
    form = request.POST if request.method == "POST" else request.GET
    try:
        wanted = order_from(form, meter.zone, at)
    except BadForm as error:
        messages.error(request, str(error))
        return redirect("desk-meter", drn=drn)
    if request.method == "POST":
        sent = _send(request, meter, wanted, at)
        if sent is not None:
            return sent
    wrong = ""
    try:
        check_order(meter=meter, order=wanted, driver=_DRIVER, now=at)
    except OrderRefused as error:
        wrong = refusal_words(error)
    context = {
        "meter": meter,
        "order": wanted,
        "label": Command.Kind(wanted.kind.value.upper()).label,
        "fields": {name: form.get(name, "") for name in ORDER_FIELDS[wanted.kind] if name != "clock_at"},
        "words": values_words(wanted, meter.zone),
        "will": WILL[wanted.kind],
        "dangerous": wanted.kind in DANGEROUS,
        "wrong": wrong,
        "state": MeterState.objects.filter(pk=meter.pk).first(),
    }
    return render(request, "utility/order.html", context, status=409 if request.method == "POST" else 200)


def _send(request: HttpRequest, meter: Meter, wanted: Order, at: dt.datetime) -> HttpResponse | None:
    login, reason = operator_of(request), request.POST.get("reason", "").strip()[:REASON_MAX]
    try:
        if wanted.kind in DANGEROUS:
            if not reason:
                messages.error(request, _("A reason is needed. Nothing was changed."))
                return None
            request_order(meter=meter, order=wanted, reason=reason, driver=_DRIVER, requested_by=login, now=at)
            messages.success(request, _("Asked. The order is sent when a second person has approved it."))
        else:
            place_order(meter=meter, order=wanted, reason=reason, driver=_DRIVER, actor=f"login:{login.pk}", now=at)
            messages.success(request, _("Queued. You see below how far it comes."))
    except OrderRefused as error:
        messages.error(request, refusal_words(error))
        return None
    return redirect("desk-meter", drn=meter.drn)


@require_POST
@for_operator
def set_address(request: HttpRequest, drn: str) -> HttpResponse:
    """Where the meter is reached over IP."""
    login, meter, form = operator_of(request), _meter(drn), request.POST
    if "host" not in form:
        messages.error(request, _("Nothing was chosen. Nothing was changed."))
        return redirect("desk-meter", drn=drn)
    numbers = [form.get(name, "") for name in ("port", "sms_tries")]
    try:
        if not all(text.isascii() and text.isdigit() and len(text) <= 5 for text in numbers):
            raise ReachRefused("A whole number is needed.")
        set_reach(
            meter=meter,
            host=form["host"].strip(),
            port=int(numbers[0]),
            wakes=form.get("wakes") == "yes",
            sms_tries=int(numbers[1]),
            actor=f"login:{login.pk}",
            now=now(),
        )
        messages.success(request, _("The address is kept."))
    except ReachRefused:
        messages.error(request, _("A host, a port and 0 to 8 frames are needed. Nothing was changed."))
    return redirect("desk-meter", drn=drn)


@require_POST
@for_operator
def withdraw(request: HttpRequest, command: int) -> HttpResponse:
    """Take an order back while no frame of it was sent."""
    login = operator_of(request)
    found = get_object_or_404(Command.objects.select_related("meter"), pk=command)
    if order_of(found) is None:
        raise Http404
    if withdraw_order(command_id=found.pk, actor=f"login:{login.pk}", now=now()):
        messages.success(request, _("Withdrawn before it was sent."))
    else:
        messages.error(request, _("Too late: a frame of it is out, or it is closed."))
    return redirect("desk-meter", drn=found.meter.drn)
