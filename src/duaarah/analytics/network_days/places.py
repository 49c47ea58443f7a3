# SPDX-License-Identifier: Apache-2.0
"""Where the customers' meters are: transformer, feeder, phase, tariff group, zone. Total meters are nobody's and left out."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa

from duaarah.analytics.measures.local_days import PLACES
from duaarah.registry.models import Meter, NodeMeter


def meter_places(date: dt.date) -> pa.Table:
    """Schema PLACES of every meter that is no total meter on `date`; null transformer or feeder: none."""
    noon = dt.datetime.combine(date, dt.time(12), dt.UTC)
    totals = NodeMeter.objects.filter(valid__contains=noon).values("meter_id")
    rows = list(
        Meter.objects.exclude(pk__in=totals).values_list(
            "pk", "transformer_id", "transformer__parent_id", "tariff_group", "phase", "zone"
        )
    )
    ahead = {zone: _ahead_s(zone, date) for zone in {row[5] for row in rows}}
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    values = [*columns[:5], [ahead[zone] for zone in columns[5]]]
    return pa.table([pa.array(list(v), f.type) for v, f in zip(values, PLACES, strict=True)], schema=PLACES)


def _ahead_s(zone: str, date: dt.date) -> int:
    """At noon: a zone with summer time has a day of 23 or 25 hours, of which the odd hour lies beside the day."""
    offset = dt.datetime.combine(date, dt.time(12), ZoneInfo(zone)).utcoffset() or dt.timedelta()
    return int(offset.total_seconds())
