# SPDX-License-Identifier: Apache-2.0
"""Readings placed on the network and on the meter's own local day."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

if TYPE_CHECKING:
    from ibis.expr.types import IntegerColumn, Table

# Where each meter is. `zone_s`: seconds its zone is ahead of UTC on the day in question.
PLACES = pa.schema(
    [
        ("meter_id", pa.int64()),
        ("transformer_id", pa.int64()),
        ("feeder_id", pa.int64()),
        ("tariff", pa.string()),
        ("phase", pa.string()),
        ("zone_s", pa.int64()),
    ]
)
DAY_S = 86400


def on_local_day(readings: Table, places: Table, date: dt.date) -> Table:
    """
    The readings whose interval ends in (00:00, 24:00] of `date` at the meter, with the meter's place.

    Args:
        readings: schema READINGS; one row a meter and instant.
        places: schema PLACES.

    Returns: READINGS and PLACES joined, with `local_s`: the interval's last second, 0 to 86,399 of the local day.
    """
    midnight = int(dt.datetime.combine(date, dt.time(), dt.UTC).timestamp())
    widest = dt.timedelta(hours=15)
    begin = dt.datetime.combine(date, dt.time(), dt.UTC) - widest
    near = readings.filter(
        readings.ts > ibis.literal(begin), readings.ts <= ibis.literal(begin + widest * 2 + dt.timedelta(days=1))
    )
    placed = near.inner_join(places, "meter_id")
    local_s: IntegerColumn = placed.ts.epoch_seconds() + placed.zone_s - 1 - midnight
    placed = placed.mutate(local_s=local_s)
    return placed.filter(placed.local_s >= 0, placed.local_s < DAY_S)
