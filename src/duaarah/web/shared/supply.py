# SPDX-License-Identifier: Apache-2.0
"""The state of a meter's supply as a page shows it: a word, a sign and a colour, and never more than is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from duaarah.notices.forecasts import DAYS_MIN
from duaarah.notices.models import Forecast
from duaarah.outages.models import MeterSupply
from duaarah.outages.queries import current_interruption
from duaarah.registry.models import Meter

AXIS_DAYS, AXIS_MAX_DAYS = 14, 60
# On the 28-SMS package a meter has something to say every ten days at least; the daily plan comes with its own limit.
SILENT_AFTER = dt.timedelta(days=11)


@dataclass(frozen=True, kw_only=True)
class Days:
    """Days that the credit lasts from now on, with the 80 % band; `axis_days` is how far a drawn band reaches."""

    days: float
    low: float
    high: float
    ends_at: dt.datetime | None
    known: int

    @property
    def axis_days(self) -> int:
        """Two weeks, or what the band needs."""
        return min(max(AXIS_DAYS, round(self.high) + 1), AXIS_MAX_DAYS)

    @property
    def band(self) -> dict[str, int]:
        """Begin, width and middle in thousandths of the axis."""
        low, middle, high = (min(round(1000 * one / self.axis_days), 1000) for one in (self.low, self.days, self.high))
        return {"x": low, "width": max(high - low, 4), "middle": middle}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """
    What is known of a meter now. `sign`: nyala, padam, putus (ordered off), habis, diam (the page's colour and icon). While
    it is padam `off_since_at` says since when, `back_at` what an operator expects.
    """

    meter: Meter
    name: str
    balance_wh: int | None
    balance_at: dt.datetime | None
    heard_at: dt.datetime | None
    sign: str
    scale_wh: int
    days: Days | None = None
    off_since_at: dt.datetime | None = None
    back_at: dt.datetime | None = None

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


def days_of(meter: Meter, now: dt.datetime) -> Days | None:
    """What the meter's forecast says from now on; None when nobody can say, or the credit was read too long ago."""
    forecast: Forecast | None = getattr(meter, "forecast", None)
    if forecast is None or forecast.as_of_at is None or now - forecast.as_of_at > SILENT_AFTER:
        return None
    left = forecast.left_at(now)
    if left is None or forecast.days_known < DAYS_MIN:
        return None
    return Days(days=left.days, low=left.low, high=left.high, ends_at=forecast.ends_at, known=forecast.days_known)


def reading(meter: Meter, now: dt.datetime) -> Reading:
    """A meter that has not been heard for eleven days is silent, whatever it said last."""
    counters = getattr(meter, "invocation_counter", None)
    supply = getattr(meter, "supply", None)
    heard_at = counters.latest_contact_at if counters else None
    signs = {MeterSupply.State.PADAM: "padam", MeterSupply.State.STROOM_HABIS: "habis"}
    sign = signs.get(supply.state, "nyala") if supply else "nyala"
    if sign != "padam" and _ordered_off(meter, now):
        sign = "putus"
    if supply is not None and supply.state == MeterSupply.State.MODEM_DIAM and sign == "nyala":
        sign = "diam"
    if heard_at is None or (sign == "nyala" and now - heard_at > SILENT_AFTER):
        sign = "diam"
    site = getattr(meter, "site", None)
    off = current_interruption(meter_id=meter.pk) if sign == "padam" else None
    since_at = supply.since_at if sign == "padam" and supply else None
    expected_at = off.outage.estimated_end_at if off is not None and off.outage is not None else None
    return Reading(
        meter=meter,
        name=site.alias if site is not None else (meter.customer.name if meter.customer else meter.drn),
        balance_wh=counters.balance_wh if counters else None,
        balance_at=counters.balance_at if counters else None,
        heard_at=heard_at,
        sign=sign,
        scale_wh=meter.low_credit_threshold_wh * 6,
        days=days_of(meter, now),
        off_since_at=off.began_at if off is not None else since_at,
        back_at=expected_at if expected_at is not None and expected_at > now else None,
    )
