# SPDX-License-Identifier: Apache-2.0
"""Keys: the registers and their ceremony's record, and a new key for one meter, asked for by one and approved by another."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.audit.models import AuditRecord
from duaarah.clock.queries import now
from duaarah.headend.queries import counters_near_end, rotations_under_way
from duaarah.people.models import Approval, Login, Membership
from duaarah.registry.models import Meter
from duaarah.registry.queries import key_uses
from duaarah.vending.models import KeyChange
from duaarah.vending.operations import plan_key_change, request_key_change, withdraw_key_change
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.key_change import VERB, KeyChangeRefused
from duaarah.vending.ports import KeyTerms
from duaarah.vending.queries import key_change_steps, key_changes_of
from duaarah.web.shared.access import RUNNING, for_operator, login_of
from duaarah.web.shared.fresh import fragment
from duaarah.web.utility.key_words import refusal_words
from duaarah.wiring.keystores import key_store
from duaarah.wiring.registers import ken_ends_at, register_facts

ROLLOVER_AHEAD = dt.timedelta(days=366)
RECORD_SHOWN = 50
CHANGES_SHOWN = 10
EXTENDED_EA = "11"
_ROLES = (Membership.Role.OPERATOR, Membership.Role.APPROVER, Membership.Role.ADMIN)


def _keeper(request: HttpRequest) -> Login:
    """Who may ask for a key change and decide one. Raises PermissionDenied for those who only look on."""
    login = login_of(request)
    if not login.memberships.filter(unit__organisation__kind__in=RUNNING, role__in=_ROLES).exists():
        raise PermissionDenied
    return login


@for_operator
def registers(request: HttpRequest) -> HttpResponse:
    """The registers, how many meters use each, what runs out within a year, and what was done to the key store."""
    at, uses = now(), key_uses()
    counts: dict[str, int] = {}
    for use in uses:
        counts[use.register] = counts.get(use.register, 0) + use.meters
    facts = register_facts(at)
    ends = [(min(ken_ends_at(use.ken, use.base_date), _issued_until(facts, use.register)), use) for use in uses]
    context = {
        "rows": [{"facts": each, "meters": counts.pop(each.register.register_id, 0)} for each in facts],
        # Meters whose register is in no key store here: no token can be made for them.
        "lost": sorted(counts.items()),
        "rollover": sorted(((end, use) for end, use in ends if end < at + ROLLOVER_AHEAD), key=lambda pair: pair[0]),
        "lines": AuditRecord.objects.filter(verb__startswith="keystore.").order_by("-id")[:RECORD_SHOWN],
        "near": counters_near_end(mark=settings.COUNTER_MARK, limit=RECORD_SHOWN),
        "rotations": rotations_under_way(limit=RECORD_SHOWN),
        "open": KeyChange.objects.filter(closed_at=None).select_related("meter").order_by("pk")[:RECORD_SHOWN],
    }
    return render(request, "utility/keys.html", context)


def _issued_until(facts: list[Any], register: str) -> dt.datetime:
    found = next((each.issued_until_at for each in facts if each.register.register_id == register), None)
    return found or dt.datetime.max.replace(tzinfo=dt.UTC)


def _meter(drn: str) -> Meter:
    found = Meter.objects.select_related("customer", "site").filter(drn=drn).first()
    if found is None:
        raise Http404
    return found


def _target(meter: Meter, form: QueryDict) -> KeyTerms:
    """The configuration that a form asks for: the register's, with the meter's tariff index. Raises Http404."""
    chosen = form.get("register", "")
    register = next((each for each in key_store().registers() if each.register_id == chosen), None)
    if register is None:
        raise Http404
    present = key_terms(meter)
    names = ("dkga", "sgc", "krn", "kt", "ken", "base_date")
    target = replace(present, register=chosen, **{name: getattr(register, name) for name in names})
    return replace(target, ea=EXTENDED_EA) if form.get("ea") == EXTENDED_EA else target


@for_operator
def meter_key(request: HttpRequest, drn: str) -> HttpResponse:
    """A meter's key, and its change: choose, look at what will happen, ask a second person."""
    meter, at = _meter(drn), now()
    context: dict[str, Any] = {"status": 200}
    if request.method == "POST":
        if (asked := _ask(request, meter, at)) is not None:
            return asked
        context["status"] = 409
    if "register" in request.GET:
        target = _target(meter, request.GET)
        try:
            context |= {"target": target, "ends_at": ken_ends_at(target.ken, target.base_date)}
            context["plan"] = plan_key_change(meter=meter, target=target, now=at)
        except KeyChangeRefused as error:
            context["wrong"] = refusal_words(error)
    context |= {
        **_progress(meter),
        "facts": register_facts(at),
        "ken_ends_at": ken_ends_at(meter.ken, meter.base_date),
        "asked": Approval.objects.filter(
            verb=VERB, subject=f"meter:{meter.pk}", state=Approval.State.REQUESTED, expires_at__gt=at
        ).select_related("requested_by"),
    }
    return render(request, "utility/meter_key.html", context, status=context["status"])


def _ask(request: HttpRequest, meter: Meter, at: dt.datetime) -> HttpResponse | None:
    login, reason = _keeper(request), request.POST.get("reason", "").strip()
    target = _target(meter, request.POST)
    try:
        if not reason:
            messages.error(request, _("A reason is needed. Nothing was changed."))
            return None
        request_key_change(meter=meter, target=target, reason=reason[:400], requested_by=login, now=at)
    except KeyChangeRefused as error:
        messages.error(request, refusal_words(error))
        return None
    messages.success(request, _("Asked. The key changes when a second person has approved it."))
    return redirect("desk-meter-key", drn=meter.drn)


def _progress(meter: Meter) -> dict[str, Any]:
    changes = key_changes_of(meter_id=meter.pk, limit=CHANGES_SHOWN)
    latest = changes[0] if changes else None
    return {
        "meter": meter,
        "change": latest,
        "steps": key_change_steps(latest) if latest else [],
        "former": changes[1:],
    }


@for_operator
def meter_key_part(request: HttpRequest, drn: str) -> HttpResponse:
    """The live part: how far the latest change has come."""
    return fragment(request, "utility/key_part.html", {**_progress(_meter(drn)), "now": now()})


@require_POST
@for_operator
def withdraw(request: HttpRequest, change: int) -> HttpResponse:
    """Give a change up while the meter surely has its old key."""
    login = _keeper(request)
    found = get_object_or_404(KeyChange.objects.select_related("meter"), pk=change)
    try:
        withdraw_key_change(change_id=found.pk, actor=f"login:{login.pk}", now=now())
    except KeyChangeRefused as error:
        messages.error(request, refusal_words(error))
    else:
        messages.success(request, _("Withdrawn. The meter keeps its key."))
    return redirect("desk-meter-key", drn=found.meter.drn)
