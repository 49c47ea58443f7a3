# SPDX-License-Identifier: Apache-2.0
"""Whether a meter that was paired was new then, by its register: a modem comes to old customers too."""

from __future__ import annotations

import datetime as dt
import time

import ibis
from django.db import connection, transaction

from duaarah.analytics.engines import open_readings, own_connection
from duaarah.analytics.losses.panels import DAY
from duaarah.analytics.models import LossFirst

LOOK_DAYS = 3
_UNKNOWN = """
SELECT p.meter_id, p.at FROM (
    SELECT meter_id, min(lower(valid)) AS at FROM registry_pairing WHERE lower(valid) IS NOT NULL GROUP BY meter_id
) AS p JOIN registry_meter AS m ON m.id = p.meter_id AND m.transformer_id IS NOT NULL
LEFT JOIN analytics_lossfirst AS f ON f.meter_id = p.meter_id AND f.paired_at = p.at
WHERE f.id IS NULL
"""


def note_firsts(*, now: dt.datetime, ends: float) -> int:
    """
    Entry a day: first registers of meters whose pairing was not looked at, the newest first, until `ends` (monotonic clock).
    Returns the rows written. One that has told nothing yet is looked at again until its days are over.
    """
    by_day: dict[dt.date, list[tuple[int, dt.datetime]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_UNKNOWN)
        for meter_id, at in cursor.fetchall():
            by_day.setdefault(at.astimezone(dt.UTC).date(), []).append((meter_id, at))
    written = 0
    for date in sorted(by_day, reverse=True):
        if time.monotonic() > ends:
            break
        own = by_day[date]
        told = _first_registers(date, [meter_id for meter_id, _at in own])
        over = now > dt.datetime.combine(date + (LOOK_DAYS + 1) * DAY, dt.time(), dt.UTC)
        rows = [
            LossFirst(meter_id=meter_id, paired_at=at, register_wh=told.get(meter_id))
            for meter_id, at in own
            if over or meter_id in told
        ]
        with transaction.atomic(durable=True):
            LossFirst.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["meter"],
                update_fields=["paired_at", "register_wh"],
                batch_size=2000,
            )
        written += len(rows)
    return written


def _first_registers(date: dt.date, meter_ids: list[int]) -> dict[int, float]:
    """Of each meter the first register told in the days from `date` on, Wh."""
    readings = open_readings(date, date + LOOK_DAYS * DAY)
    own = readings.inner_join(ibis.memtable({"meter_id": meter_ids}), "meter_id")
    own = own.filter(own.register_wh.notnull(), ~own.register_wh.isnan())
    # The register stands at the end of an interval; what it held at the beginning is what counts.
    began_wh = own.register_wh - ibis.coalesce(own.energy_wh, ibis.literal(0.0))
    rows = own_connection().to_pyarrow(own.group_by("meter_id").agg(register_wh=began_wh.argmin(own.ts)))
    return {int(row["meter_id"]): float(row["register_wh"]) for row in rows.to_pylist()}
