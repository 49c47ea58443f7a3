# SPDX-License-Identifier: Apache-2.0
"""What a purchase's price was made of, as it was booked; and the purchase that it is compared with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from duaarah.core.tariff import Row, TariffError, programme_for, quote, terms
from duaarah.core.tariff.explain import Change, Priced, changes
from duaarah.core.tariff.tables import admin_row, ppj_row, ppn_row, rate_row, stamp_row
from duaarah.vending.models import Vend
from duaarah.vending.queries import amount_idr

_WIB = ZoneInfo("Asia/Jakarta")
# How payment points round energy; a sale elsewhere does not say which.
_ROUNDINGS = ("half_up", "down")


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """
    The lines of a purchase and the loaded rows behind them (those of its day that say the same figure).

    `booked`: the lines are ours; else the purchase was made elsewhere and they are recomputed, to the same energy.
    """

    vend: Vend
    priced: Priced
    rows: Mapping[str, Row]
    booked: bool


def receipt_of(vend: Vend) -> Receipt | None:
    """The price of a vend; None for a sale elsewhere whose energy no loaded row explains."""
    return _recomputed(vend) if vend.payment is None else _booked(vend)


def tokens_of_meter(*, meter_id: int, limit: int) -> list[Vend]:
    """The latest vends of a meter that have a token, newest first, with their prices."""
    return list(_with_token(meter_id)[:limit])


def _with_token(meter_id: int) -> QuerySet[Vend]:
    related = ("meter", "payment__quote", "notification")
    found = Vend.objects.select_related(*related).filter(meter_id=meter_id, token__isnull=False)
    return found.order_by("-paid_at", "-pk")


def token_before(vend: Vend) -> Vend | None:
    """The meter's token before this one."""
    earlier = Q(paid_at__lt=vend.paid_at) | Q(paid_at=vend.paid_at, pk__lt=vend.pk)
    return _with_token(vend.meter_id).filter(earlier).first()


def difference(before: Receipt, after: Receipt) -> tuple[Change, ...]:
    """Why the energy of two purchases differs, cause by cause; empty when nothing changed."""
    return changes(before.priced, after.priced)


def _day(vend: Vend) -> dt.date:
    """Tariffs change at midnight in Jakarta, wherever the meter is."""
    return vend.paid_at.astimezone(_WIB).date()


def _booked(vend: Vend) -> Receipt:
    assert vend.payment is not None
    stored, day = vend.payment.quote, _day(vend)
    rows: dict[str, Row] = {}
    group, region = stored.tariff_group, stored.region or vend.meter.region
    va = stored.contracted_va or vend.meter.contracted_va
    nominal_idr = vend.payment.amount_idr
    _keep(rows, "rate", stored.rate_idr_per_kwh, lambda: rate_row(group=group, va=va, date=day, as_known_date=day))
    _keep(rows, "ppj", stored.ppj_rate, lambda: ppj_row(region=region, va=va, date=day, as_known_date=day))
    _keep(rows, "ppn", stored.ppn_rate, lambda: ppn_row(group=group, va=va, date=day, as_known_date=day))
    _keep(
        rows, "stamp", stored.stamp_sen // 100, lambda: stamp_row(nominal_idr=nominal_idr, date=day, as_known_date=day)
    )
    rows["admin"] = admin_row(day)
    if (
        stored.discount_sen
        and (programme := programme_for(group=group, va=va, date=day, as_known_date=day)) is not None
    ):
        rows["discount"] = programme.row
    priced = Priced(
        nominal_idr=nominal_idr,
        admin_idr=vend.payment.admin_idr,
        admin_inside=bool(rows["admin"].value),
        rate_idr_per_kwh=stored.rate_idr_per_kwh,
        ppj_rate=stored.ppj_rate,
        ppn_rate=stored.ppn_rate,
        stamp_sen=stored.stamp_sen,
        instalment_sen=stored.instalment_sen,
        ppj_sen=stored.ppj_sen,
        ppn_sen=stored.ppn_sen,
        stroom_sen=stored.stroom_sen,
        rounding_sen=stored.rounding_sen,
        energy_wh=stored.energy_wh,
        discount_sen=stored.discount_sen,
    )
    return Receipt(vend=vend, priced=priced, rows=rows, booked=True)


def _keep(rows: dict[str, Row], name: str, stored: object, find: Callable[[], Row]) -> None:
    """A row is a figure's basis only when it says that figure: the meter may have changed since."""
    try:
        row = find()
    except TariffError:
        return
    if row.value == stored:
        rows[name] = row


def _recomputed(vend: Vend) -> Receipt | None:
    """Sold elsewhere: the loaded terms of its day, when they lead to exactly the energy that was sold."""
    meter, day, nominal_idr = vend.meter, _day(vend), amount_idr(vend)
    try:
        found = terms(
            group=meter.tariff_group,
            va=meter.contracted_va,
            region=meter.region,
            nominal_idr=nominal_idr,
            date=day,
            admin_idr=0,
            as_known_date=day,
        )
        for rounding in _ROUNDINGS:
            lines = quote(nominal_idr, replace(found, rounding=rounding))
            if lines.energy_wh == vend.requested_wh:
                return Receipt(vend=vend, priced=Priced.of(lines, found), rows=found.rows, booked=False)
    except TariffError:
        pass
    return None
