# SPDX-License-Identifier: Apache-2.0
"""
A vendor's sale: the same message id is the same sale. Its message, payment and vend are one transaction (T1), so that
a death leaves either nothing, which may be sent again, or a sale that the sweeper or the next request finishes.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce

from duaarah.audit import operations as audit
from duaarah.core.sts import STSError
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, Vend
from duaarah.vending.operations.issue import TopUpOutcome
from duaarah.vending.operations.top_up import OneWay, TopUpRefused, obtain_token, price, take_payment
from duaarah.vending.operations.vendors.errors import CapReached, EngineRefused, MessageClosed, MessageUnknown
from duaarah.vending.operations.vendors.messages import allow, claim, message_of, refused
from duaarah.vending.ports import TokenSource
from duaarah.vending.vendor_models import VendorKey, VendorMessage

_WIB = ZoneInfo("Asia/Jakarta")
CAP_HOURS = 720


def cap_wh(meter: Meter) -> int:
    """What may be bought for a meter in a calendar month: 720 hours of its contracted power."""
    return CAP_HOURS * meter.contracted_va


def cap_left_wh(meter: Meter, now: dt.datetime) -> int:
    """
    What may still be bought for a meter this month (WIB), 0 at least.

    Counted are tokens of all channels, by when they were paid; not counted is what was refunded or replaced, and what
    was given without money.
    """
    first_date = now.astimezone(_WIB).date().replace(day=1)
    month = Vend.objects.filter(
        meter_id=meter.pk, paid_at__gte=dt.datetime.combine(first_date, dt.time(), _WIB), replacement=None
    )
    counted = month.exclude(state=Vend.State.REFUNDED).exclude(
        Q(payment__isnull=False) & Q(payment__channel__kind=Channel.Kind.COMPENSATION)
    )
    had_wh = counted.aggregate(had=Sum(Coalesce("encoded_wh", "requested_wh")))["had"] or 0
    return max(cap_wh(meter) - int(had_wh), 0)


def sell(
    *,
    key: VendorKey,
    message_id: str,
    meter: Meter,
    amount_idr: int,
    token_source: TokenSource,
    now: dt.datetime,
) -> TopUpOutcome:
    """
    Sell a nominal for a meter from the channel's deposit. `amount_idr` is the nominal; the fee comes on top.

    The same id with the same content returns the same vend and the same digits. Without digits the vend is PAID (the
    money is held, ask by advice) or REFUNDED (no token could be made, the money is back in the deposit).

    Raises:
        TopUpRefused: by its code; nothing moved, an audit line says so.
    """

    def begin() -> None:
        content: dict[str, str | int] = {"drn": meter.drn, "amount_idr": amount_idr}
        _, new = claim(key=key, message_id=message_id, kind=VendorMessage.Kind.VEND, content=content, now=now)
        if new:
            _within_cap(key, meter, amount_idr, now)

    subject = f"meter:{meter.pk}"
    try:
        allow(key, VendorKey.Scope.VEND)
    except TopUpRefused as error:
        refused(key, "vending.sell", subject, error, now)
        raise
    try:
        vend, repeated = take_payment(
            pairing=pairing_of_meter(meter_id=meter.pk, at=now) or OneWay(meter=meter),
            amount_idr=amount_idr,
            channel=key.channel,
            reference=message_id,
            now=now,
            first=begin,
        )
    except STSError as error:
        found = EngineRefused(error.code, str(error))
        refused(key, "vending.sell", subject, found, now)
        raise found from error
    outcome = obtain_token(vend=vend, token_source=token_source, now=now)
    return TopUpOutcome(vend=outcome.vend, digits=outcome.digits, repeated=repeated)


def _within_cap(key: VendorKey, meter: Meter, amount_idr: int, now: dt.datetime) -> None:
    # Two sales for one meter meet here, before either takes any other row.
    Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
    energy_wh, left_wh = price(meter, amount_idr, now, key.channel).energy_wh, cap_left_wh(meter, now)
    if energy_wh > left_wh:
        left_kwh = f"{left_wh // 1000}.{left_wh % 1000 // 100}"
        raise CapReached(f"This would pass 720 hours of the contracted power this month; {left_kwh} kWh are left.")


def close_unknown(*, key: VendorKey, message_id: str, now: dt.datetime) -> VendorMessage:
    """
    Entry: what an advice asks about; an id that was never used is closed, so that a request that is late buys nothing.

    Raises:
        ScopeRefused: an audit line says so.
    """
    try:
        allow(key, VendorKey.Scope.VEND)
    except TopUpRefused as error:
        refused(key, "vending.advice", f"message:{message_id}", error, now)
        raise
    found = message_of(key, message_id)
    if found is not None:
        return found
    try:
        with transaction.atomic(durable=True):
            row, new = claim(key=key, message_id=message_id, kind=VendorMessage.Kind.CLOSED, content={}, now=now)
            if new:
                audit.record(
                    at=now,
                    actor=f"vendorkey:{key.pk}",
                    verb="vending.close_message",
                    subject=f"channel:{key.channel.code}",
                    detail={"message": message_id},
                )
        return row
    except (MessageClosed, TopUpRefused):
        # A request under this id came first, while we looked.
        row_now = message_of(key, message_id)
        if row_now is None:
            raise MessageUnknown("This message id has asked for nothing.") from None
        return row_now
