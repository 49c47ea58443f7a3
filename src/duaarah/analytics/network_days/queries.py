# SPDX-License-Identifier: Apache-2.0
"""What is asked of the voltage and load facts; only versions that count."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db.models import Max, QuerySet

from duaarah.analytics.engines import own_connection
from duaarah.analytics.measures import loads
from duaarah.analytics.measures.voltage import Limits
from duaarah.analytics.models import DailyLoad, DailyVoltage, VoltageRule

if TYPE_CHECKING:
    from ibis.expr.types import Table


def limits_of(date: dt.date) -> Limits:
    """The evening and the voltages that hold on a date; 18-22 h and 198-231 V where none was set."""
    rule = VoltageRule.objects.filter(valid_from_date__lte=date).order_by("-valid_from_date").first()
    return Limits() if rule is None else Limits(rule.from_hour, rule.to_hour, rule.low_v, rule.high_v)


def last_voltage_date() -> dt.date | None:
    """The newest local day with a voltage fact."""
    last_date: dt.date | None = DailyVoltage.objects.filter(superseded_at=None).aggregate(day=Max("date"))["day"]
    return last_date


def last_load_date() -> dt.date | None:
    """The newest local day with a load fact."""
    last_date: dt.date | None = DailyLoad.objects.filter(superseded_at=None).aggregate(day=Max("date"))["day"]
    return last_date


def voltages(first_date: dt.date, last_date: dt.date) -> QuerySet[DailyVoltage]:
    """Facts of a range of local days, both ends included; by transformer's code, phase, day."""
    rows = DailyVoltage.objects.filter(superseded_at=None, date__range=(first_date, last_date))
    return rows.select_related("transformer__parent__parent").order_by("transformer__code", "phase", "date")


def daily_loads(scope: str, first_date: dt.date, last_date: dt.date) -> QuerySet[DailyLoad]:
    """Facts of one kind of scope over a range of local days, both ends included."""
    rows = DailyLoad.objects.filter(superseded_at=None, scope=scope, date__range=(first_date, last_date))
    return rows.order_by("key", "date")


def meter_load(readings: Table, meter_id: int, zone_s: int, date: dt.date, period_s: int = 900) -> loads.Load | None:
    """
    The load of one meter on a local day, on demand; None without a reading.

    Args:
        readings: schema READINGS around the day.
        zone_s: seconds the meter's zone is ahead of UTC.
    """
    midnight = int(dt.datetime.combine(date, dt.time(), dt.UTC).timestamp()) - zone_s
    local_s = readings.ts.epoch_seconds() - 1 - midnight
    own = readings.filter(readings.meter_id == meter_id, readings.energy_wh.notnull(), local_s >= 0, local_s < 86400)
    rows = own_connection().execute(own.select("ts", "energy_wh").order_by("ts"))
    if rows.empty:
        return None
    slots = [(int(ts.timestamp()) - 1 - midnight) // period_s for ts in rows["ts"]]
    watts = (rows["energy_wh"] * 3600 / period_s).tolist()
    return loads.load_of(slots, watts, max(watts), period_s)
