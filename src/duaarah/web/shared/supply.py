# SPDX-License-Identifier: Apache-2.0
"""The state of a meter's supply as a page shows it: a word, a sign and a colour, and never more than is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from duaarah.outages.models import MeterSupply
from duaarah.registry.models import Meter

# On the 28-SMS package a meter has something to say every ten days at least; the daily plan comes with its own limit.
SILENT_AFTER = dt.timedelta(days=11)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is known of a meter now. `sign`: nyala, padam, putus (ordered off), habis, diam (the page's colour and icon)."""

    meter: Meter
    name: str
    balance_wh: int | None
    balance_at: dt.datetime | None
    heard_at: dt.datetime | None
    sign: str
    scale_wh: int

    @property
    def low(self) -> bool:
        """Whether the balance is under the meter's own threshold."""
        return self.balance_wh is not None and self.balance_wh < self.meter.low_credit_threshold_wh


def _ordered_off(meter: Meter, now: dt.datetime) -> bool:
    """Whether the meter itself has confirmed an order to keep the supply off that still holds."""
    state = getattr(meter, "ordered_state", None)
    if state is None or not state.held_open:
        return False
    return state.held_open_until_at is None or state.held_open_until_at > now


def reading(meter: Meter, now: dt.datetime) -> Reading:
    """A meter that has not been heard for eleven days is silent, whatever it said last."""
    counters = getattr(meter, "invocation_counter", None)
    supply = getattr(meter, "supply", None)
    heard_at = counters.latest_contact_at if counters else None
    signs = {MeterSupply.State.PADAM: "padam", MeterSupply.State.STROOM_HABIS: "habis"}
    sign = signs.get(supply.state, "nyala") if supply else "nyala"
    if sign != "padam" and _ordered_off(meter, now):
        sign = "putus"
    if heard_at is None or (sign == "nyala" and now - heard_at > SILENT_AFTER):
        sign = "diam"
    site = getattr(meter, "site", None)
    return Reading(
        meter=meter,
        name=site.alias if site is not None else (meter.customer.name if meter.customer else meter.drn),
        balance_wh=counters.balance_wh if counters else None,
        balance_at=counters.balance_at if counters else None,
        heard_at=heard_at,
        sign=sign,
        scale_wh=meter.low_credit_threshold_wh * 6,
    )
