# SPDX-License-Identifier: Apache-2.0
"""All sites by credit; several filled in one action, with a second look before money moves."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.contrib import messages
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.outages.models import MeterSupply
from duaarah.registry.access import meters_of_holder
from duaarah.registry.models import Meter, Site
from duaarah.sms.operations.enqueue import package_month
from duaarah.vending.queries import amount_idr, journey, vends_by_reference, wallet_balance_idr
from duaarah.web.shared.access import for_holder, holder_of
from duaarah.web.shared.buying import OFFERED_IDR, CannotBuy, buy, nominal_of, quoted
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.fresh import fragment
from duaarah.web.shared.package import left_of, next_month
from duaarah.web.shared.supply import SILENT_AFTER, reading
from duaarah.web.shared.templatetags.duaarah import SIGNS, instant

AT_ONCE_MAX = 100
PAGE = 50
_SHOWN = (
    *("drn", "low_credit_threshold_wh", "customer__name", "site__alias", "site__name", "site__meter"),
    *("invocation_counter__balance_wh", "invocation_counter__balance_at", "invocation_counter__latest_contact_at"),
    *("forecast__meter", "forecast__days_left", "forecast__low_days", "forecast__high_days", "forecast__as_of_at"),
    *("forecast__ends_at", "forecast__days_known"),
    *("supply__state", "transformer__code", "ordered_state__held_open", "ordered_state__held_open_until_at"),
)


def _filtered(request: HttpRequest) -> QuerySet[Meter]:
    """His meters by the filters in the address: lowest credit first, never-heard ones before all: nobody knows."""
    kind, words = request.GET.get("jenis", ""), request.GET.get("cari", "").strip()
    meters = meters_of_holder(holder_id=holder_of(request).pk)
    if kind in Site.Kind.values:
        meters = meters.filter(site__kind=kind)
    if words:
        meters = meters.filter(Q(site__name__icontains=words) | Q(site__alias__icontains=words))
    if request.GET.get("urut") == "hari":
        return meters.order_by(F("forecast__ends_at").asc(nulls_last=True), "pk")
    return meters.order_by(F("invocation_counter__balance_wh").asc(nulls_first=True), "pk")


def _counts(meters: QuerySet[Meter], at: dt.datetime) -> dict[str, int]:
    """How many there are, are low, are cut, are empty, are silent; counted by the database."""
    supply = "supply__state"
    silent = Q(invocation_counter__latest_contact_at=None) | (
        Q(invocation_counter__latest_contact_at__lt=at - SILENT_AFTER)
        & ~Q(**{f"{supply}__in": [MeterSupply.State.PADAM, MeterSupply.State.STROOM_HABIS]})
    )
    return meters.order_by().aggregate(
        all=Count("pk"),
        low=Count("pk", filter=Q(invocation_counter__balance_wh__lt=F("low_credit_threshold_wh"))),
        padam=Count("pk", filter=Q(**{supply: MeterSupply.State.PADAM})),
        habis=Count("pk", filter=Q(**{supply: MeterSupply.State.STROOM_HABIS})),
        diam=Count("pk", filter=silent),
    )


def _least_left(meters: QuerySet[Meter], month_date: dt.date, page: int) -> list[Meter]:
    """One page of the meters with the least SMS left; those without a package come last."""
    ids = list(meters.values_list("pk", flat=True))
    left = {meter_id: one.left for meter_id, one in left_of(meter_ids=ids, month_date=month_date).items()}
    order = sorted(ids, key=lambda pk: (pk not in left, left.get(pk, 0), pk))[(page - 1) * PAGE : page * PAGE]
    found = {m.pk: m for m in meters.filter(pk__in=order)}
    return [found[pk] for pk in order if pk in found]


def _table(meters: QuerySet[Meter], at: dt.datetime) -> Table:
    head = (
        _("Site"),
        _("Meter"),
        _("Credit (Wh)"),
        _("Read"),
        _("Days left"),
        _("State"),
        _("SMS left"),
        _("SMS held"),
    )
    found = list(meters.only(*_SHOWN))
    left = left_of(meter_ids=[m.pk for m in found], month_date=package_month(at))

    def row(meter: Meter) -> tuple[object, ...]:
        one, sms = reading(meter, at), left.get(meter.pk)
        days = f"{one.days.days:.1f}" if one.days else None
        more = (sms.left, sms.held) if sms else (None, None)
        return (one.name, meter.drn, one.balance_wh, instant(one.balance_at), days, str(SIGNS[one.sign]), *more)

    return Table(name=f"lokasi-{at:%Y-%m-%d}", head=head, rows=(row(meter) for meter in found))


@for_holder
def sites(request: HttpRequest) -> HttpResponseBase:
    """The list, fifty at a time, by credit, days or SMS left; filters live in the address; as a file, all that fit."""
    at, meters = now(), _filtered(request)
    if (file := exported(request, lambda: _table(meters, at))) is not None:
        return file
    counts = _counts(meters, at)
    number = request.GET.get("halaman", "1")
    pages = max(1, -(-counts["all"] // PAGE))
    page = max(1, min(pages, int(number) if number.isdigit() and len(number) < 7 else 1))
    month_date = package_month(at)
    order = request.GET.get("urut", "")
    by_left = order == "sms"
    shown = meters.only(*_SHOWN)
    found = _least_left(shown, month_date, page) if by_left else list(shown[(page - 1) * PAGE : page * PAGE])
    left = left_of(meter_ids=[m.pk for m in found], month_date=month_date)
    context = {
        "rows": [{"reading": reading(m, at), "left": left.get(m.pk)} for m in found],
        "by_left": by_left,
        "order": order if order in ("sms", "hari") else "",
        "next_month": next_month(month_date),
        "counts": counts,
        "page": page,
        "pages": pages,
        "kinds": Site.Kind.choices,
        "kind": request.GET.get("jenis", ""),
        "words": request.GET.get("cari", "").strip(),
        "nominals": OFFERED_IDR,
        "wallet_idr": wallet_balance_idr(holder_id=holder_of(request).pk),
    }
    return render(request, "fleet/sites.html", context)


def _picked(request: HttpRequest) -> list[Meter]:
    """His meters among those that the form names. Raises CannotBuy for none or too many."""
    drns = request.POST.getlist("meter")
    meters = list(meters_of_holder(holder_id=holder_of(request).pk).filter(drn__in=drns[: AT_ONCE_MAX + 1]))
    if not meters:
        raise CannotBuy(_("Choose at least one site. No money has moved."))
    if len(drns) > AT_ONCE_MAX:
        raise CannotBuy(_("At most %(n)d sites at once. No money has moved.") % {"n": AT_ONCE_MAX})
    return meters


@require_POST
@for_holder
def review(request: HttpRequest) -> HttpResponse:
    """The second look: what will happen, to how many, for how much."""
    at = now()
    try:
        nominal_idr, meters = nominal_of(request.POST.get("nominal")), _picked(request)
        items = [{"reading": reading(m, at), "lines": quoted(m, nominal_idr, at)} for m in meters]
    except CannotBuy as error:
        messages.error(request, str(error))
        return redirect("fleet")
    total_idr = sum(item["lines"].total_paid_idr for item in items)  # type: ignore[attr-defined]
    wallet_idr = wallet_balance_idr(holder_id=holder_of(request).pk)
    context = {
        "items": items,
        "nominal": nominal_idr,
        "total_idr": total_idr,
        "wallet_idr": wallet_idr,
        "left_idr": wallet_idr - total_idr,
        "batch": uuid.uuid4(),
    }
    return render(request, "fleet/review.html", context)


@require_POST
@for_holder
def top_up_all(request: HttpRequest) -> HttpResponse:
    """One purchase a site, each under its own part of the batch's reference: sent again, it buys nothing again."""
    bought = 0
    try:
        nominal_idr, meters = nominal_of(request.POST.get("nominal")), _picked(request)
        batch_id = uuid.UUID(request.POST.get("batch", ""))
    except (CannotBuy, ValueError) as error:
        words = str(error) if isinstance(error, CannotBuy) else _("This form is not complete. No money has moved.")
        messages.error(request, words)
        return redirect("fleet")
    for meter in meters:
        try:
            buy(meter, nominal_idr, f"{batch_id}:{meter.drn}", now())
            bought += 1
        except CannotBuy as error:
            left = len(meters) - bought
            messages.error(request, _("%(n)d sites were not filled: ") % {"n": left} + str(error))
            break
    return redirect("fleet-batch", batch=batch_id) if bought else redirect("fleet")


@for_holder
def batch(request: HttpRequest, batch: uuid.UUID) -> HttpResponse:
    """What became of each site of one action."""
    vends = vends_by_reference(holder_id=holder_of(request).pk, prefix=f"{batch}:", limit=AT_ONCE_MAX)
    rows = [{"vend": v, "amount_idr": amount_idr(v), "steps": journey(v)} for v in vends]
    context: dict[str, Any] = {"rows": rows, "batch": batch, "total_idr": sum(amount_idr(v) for v in vends)}
    if request.headers.get("HX-Request"):
        return fragment(request, "fleet/batch_rows.html", context)
    return render(request, "fleet/batch.html", context)
