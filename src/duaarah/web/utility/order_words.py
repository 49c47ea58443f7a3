# SPDX-License-Identifier: Apache-2.0
"""Orders in sentences: what will happen, what became of it, why it was refused."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.core.order import Order, OrderKind
from duaarah.headend.operations.orders import OrderRefused

WILL = {
    OrderKind.RELAY_OPEN: gettext_lazy("The meter cuts the supply and keeps it cut until it is switched on again."),
    OrderKind.RELAY_CLOSE: gettext_lazy("The meter gives supply again, as far as it has credit."),
    OrderKind.POWER_LIMIT: gettext_lazy("The meter limits the power from now on."),
    OrderKind.TEMPORARY_SUPPLY: gettext_lazy(
        "The meter gives supply with its own limit, and goes back by its own clock when the time is over."
    ),
    OrderKind.TEMPORARY_DISCONNECT: gettext_lazy(
        "The meter cuts the supply, and gives it again by its own clock when the time is over."
    ),
    OrderKind.CLEAR_TAMPER: gettext_lazy("The meter forgets its tamper alarm; look at the site first."),
    OrderKind.CLEAR_CREDIT: gettext_lazy(
        "All credit in the meter is lost, and the supply is cut. This cannot be undone."
    ),
    OrderKind.TARIFF: gettext_lazy("The meter counts under this tariff index from now on."),
    OrderKind.CLOCK: gettext_lazy("The meter's clock is set to the time of the sending."),
    OrderKind.PUSH_NOW: gettext_lazy("The meter sends its registers now. It costs two SMS."),
    OrderKind.DAY_SUMMARY: gettext_lazy("The meter sends the summary of a day again. It costs three SMS."),
    OrderKind.READ_METER: gettext_lazy("The meter is asked over IP for its registers and what it measures now."),
    OrderKind.READ_PROFILE: gettext_lazy("The meter is asked over IP for its load profile of these hours."),
}
REFUSALS = {
    "needs_second_person": gettext_lazy("Another person has to agree to this. Nothing was changed."),
    "order_unsupported": gettext_lazy("This kind of meter does not know this order, or cannot write this number."),
    "meter_does_not_talk": gettext_lazy("This meter has no modem now; it cannot be told. Nothing was changed."),
    "no_ip": gettext_lazy("This meter has no address on the network; it cannot be read like that."),
    "order_ends": gettext_lazy("What is temporary ends in the future, within 90 days. Nothing was changed."),
}


def refusal_words(error: OrderRefused) -> str:
    """The sentence of a refusal."""
    return str(REFUSALS.get(error.code) or error)


def values_words(order: Order, zone: str) -> str:
    """What an order says besides its kind: `5,500 W until 17 Feb 18:00 WIB`; "" where there is nothing."""
    parts = []
    if order.limit_w is not None:
        parts.append(f"{order.limit_w:,} W".replace(",", "."))
    if order.tariff is not None:
        parts.append(_("index %(n)d") % {"n": order.tariff})
    if order.until_at is not None:
        parts.append(_("until %(at)s") % {"at": local_words(order.until_at, zone)})
    if order.from_at is not None and order.to_at is not None:
        parts.append(f"{local_words(order.from_at, zone)} - {local_words(order.to_at, zone)}")
    return " ".join(parts)


def local_words(at: dt.datetime, zone: str) -> str:
    """A day and a time in the meter's zone."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%d.%m.%Y %H:%M}"
