# SPDX-License-Identifier: Apache-2.0
"""What a nominal is worth for one meter today: its terms, its instalments, and the programme that pays a part of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import connection
from django.db.models import Sum

from duaarah.core.tariff import NOMINALS_IDR, Discount, QuoteLines, TariffError, Terms, programme_for, quote, terms
from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, Vend
from duaarah.vending.operations import arrears, sql
from duaarah.vending.operations.policy import WIB
from duaarah.vending.operations.refusals import ChannelLimitPassed, NominalRefused, NoPrice
from duaarah.vending.operations.tids import lock_tids


def wib_date(now: dt.datetime) -> dt.date:
    """The day of tariffs, limits and months: WIB."""
    return now.astimezone(WIB).date()


@dataclass(frozen=True)
class Fees:
    """Of one day, in whole rupiah; None is no limit."""

    admin_idr: int = 0
    commission_idr: int = 0
    purchase_max_idr: int | None = None
    day_max_idr: int | None = None


def fees_today(channel: Channel, now: dt.datetime) -> Fees:
    """What a channel charges and may sell today; a wallet's channel has no terms, charges nothing and has no limit."""
    if channel.kind != Channel.Kind.DEPOSIT:
        return Fees()
    with connection.cursor() as cursor:
        cursor.execute(sql.CHANNEL_TERMS, {"channel": channel.pk, "day": wib_date(now)})
        return Fees(*cursor.fetchone())


def terms_of_channel(channel: Channel, amount_idr: int, now: dt.datetime) -> Fees:
    fees = fees_today(channel, now)
    if fees.purchase_max_idr is not None and amount_idr > fees.purchase_max_idr:
        raise ChannelLimitPassed("More than this channel sells at once.")
    return fees


def price(meter: Meter, amount_idr: int, now: dt.datetime, channel: Channel | None = None) -> QuoteLines:
    """
    What a nominal buys for a meter now, by a channel, its instalments taken off; nothing is written.

    Raises:
        NominalRefused, NoPrice, ChannelLimitPassed.
    """
    fees = terms_of_channel(channel, amount_idr, now) if channel is not None else Fees()
    dues = arrears.due(meter=meter, nominal_idr=amount_idr, date=wib_date(now), lock=False)
    return priced(meter, amount_idr, now, fees.admin_idr, sum(one.amount_idr for one in dues))[1]


def priced(
    meter: Meter, amount_idr: int, now: dt.datetime, admin_idr: int, instalment_idr: int
) -> tuple[Terms, QuoteLines]:
    """
    A nominal under the terms of today, with the programme that holds for the meter.

    Within a transaction the meter's purchases take turns as soon as a programme has a limit.

    Raises:
        NominalRefused, NoPrice.
    """
    if amount_idr not in NOMINALS_IDR:
        raise NominalRefused(f"Rp{amount_idr} is not a nominal that is sold.")
    try:
        found = _terms(meter, amount_idr, now, admin_idr)
        return found, quote(amount_idr, found, instalment_idr=instalment_idr, discount=_discount(meter, now))
    except TariffError as error:
        raise NoPrice(str(error)) from error


def given(meter: Meter, amount_idr: int, now: dt.datetime) -> tuple[Terms, QuoteLines]:
    """A compensation as energy: no sale, hence no tax, stamp, admin fee or instalment on it, and any amount."""
    try:
        found = replace(_terms(meter, amount_idr, now, 0), ppj_rate=Decimal(0), ppn_rate=Decimal(0), stamp_idr=0)
        return found, quote(amount_idr, found)
    except TariffError as error:
        raise NoPrice(str(error)) from error


def _terms(meter: Meter, amount_idr: int, now: dt.datetime, admin_idr: int) -> Terms:
    return terms(
        group=meter.tariff_group,
        va=meter.contracted_va,
        region=meter.region,
        nominal_idr=amount_idr,
        date=wib_date(now),
        admin_idr=admin_idr,
    )


def _discount(meter: Meter, now: dt.datetime) -> Discount | None:
    date = wib_date(now)
    programme = programme_for(group=meter.tariff_group, va=meter.contracted_va, date=date)
    if programme is None:
        return None
    if connection.in_atomic_block:
        # What is left of the month is counted here and spent by the vend: one purchase of a meter at a time.
        lock_tids(meter_id=meter.pk, base_dates=[meter.base_date])
    month = dt.datetime.combine(date.replace(day=1), dt.time(), WIB)
    bought = Vend.objects.filter(meter=meter, paid_at__gte=month, paid_at__lte=now, payment__quote__discount_sen__gt=0)
    had_wh = bought.exclude(state=Vend.State.REFUNDED).aggregate(had=Sum("requested_wh"))["had"] or 0
    return programme.discount(va=meter.contracted_va, had_wh=had_wh)
