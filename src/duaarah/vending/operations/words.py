# SPDX-License-Identifier: Apache-2.0
"""What vending tells the customer, in his language; each message belongs to one vend and one occasion (joining)."""

from __future__ import annotations

import datetime as dt

from duaarah.messaging.operations import queue_message
from duaarah.messaging.texts import kwh, render, rupiah, short_drn, token_groups
from duaarah.sms.models import MessageClass, Priority
from duaarah.vending.models import Vend


def _language(vend: Vend) -> str:
    customer = vend.meter.customer
    return customer.holder.language if customer else "id"


def _tell(vend: Vend, occasion: str, template: str, now: dt.datetime, **values: str) -> None:
    if not vend.phone:
        return
    language = _language(vend)
    queue_message(
        dedupe=f"{occasion}:vend:{vend.pk}",
        phone=vend.phone,
        template=template,
        language=language,
        text=render(template, language, **values),
        message_class=MessageClass.RECEIPT,
        priority=Priority.TOKEN,
        meter_id=vend.meter_id,
        correlation=vend.correlation,
        now=now,
    )


def amount_of(vend: Vend) -> int:
    """The nominal, wherever it was paid."""
    return vend.payment.amount_idr if vend.payment is not None else vend.notification.amount_idr


def tell_loaded(vend: Vend, digits: str, balance_wh: int, now: dt.datetime) -> None:
    """The one receipt: energy, balance and the digits."""
    language = _language(vend)
    _tell(
        vend,
        "receipt",
        "receipt",
        now,
        kwh=kwh(vend.encoded_wh or 0, language),
        nominal=rupiah(amount_of(vend), language),
        balance=kwh(balance_wh, language),
        token=token_groups(digits),
    )


def tell_digits_instead(vend: Vend, digits: str, now: dt.datetime) -> None:
    """In place of the receipt: the meter has not answered in time. Same occasion, so that only one of them goes out."""
    _tell(
        vend,
        "receipt",
        "digits_instead",
        now,
        kwh=kwh(vend.encoded_wh or 0, _language(vend)),
        token=token_groups(digits),
    )


def tell_digits_one_way(vend: Vend, digits: str, amount_idr: int, now: dt.datetime) -> None:
    """The meter does not talk: its customer keys the token in."""
    if not vend.phone:
        return
    language = _language(vend)
    _tell(
        vend,
        "receipt",
        "digits_one_way",
        now,
        kwh=kwh(vend.encoded_wh or 0, language),
        nominal=rupiah(amount_idr, language),
        token=token_groups(digits),
    )


def tell_rejected(vend: Vend, now: dt.datetime) -> None:
    """The meter refused the token; a person will look at it."""
    language = _language(vend)
    _tell(
        vend,
        "rejected",
        "token_rejected",
        now,
        meter=short_drn(vend.drn),
        kwh=kwh(vend.encoded_wh or 0, language),
    )


def tell_refund(vend: Vend, amount_idr: int, now: dt.datetime) -> None:
    """No token was made; the money is back."""
    _tell(vend, "refund", "refunded", now, nominal=rupiah(amount_idr, _language(vend)))


def tell_taken_back(vend: Vend, template: str, drn: str, now: dt.datetime) -> None:
    """A purchase for the wrong meter was taken back (`taken_back`), or could not be moved to `drn` (`not_moved`)."""
    assert vend.payment is not None
    language = _language(vend)
    _tell(
        vend,
        "taken_back",
        template,
        now,
        nominal=rupiah(vend.payment.amount_idr, language),
        total=rupiah(vend.payment.amount_idr + vend.payment.admin_idr, language),
        meter=short_drn(drn),
    )


def tell_moved(vend: Vend, bought: Vend, now: dt.datetime) -> None:
    """Whoever bought for the wrong meter learns that it is the other's now, which tells its own receipt."""
    language = _language(vend)
    _tell(
        vend,
        "taken_back",
        "moved",
        now,
        nominal=rupiah(amount_of(vend), language),
        old=short_drn(vend.drn),
        meter=short_drn(bought.drn),
        kwh=kwh(bought.encoded_wh or bought.requested_wh, language),
    )
