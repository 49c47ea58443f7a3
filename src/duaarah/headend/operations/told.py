# SPDX-License-Identifier: Apache-2.0
"""What of a report is kept elsewhere than in its event: intervals and summaries as readings, the modem's word. All join."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from duaarah.core.intent import DailySummary, Report
from duaarah.core.reports import LoadProfile, ModemStatus
from duaarah.headend.operations.paces import note_cell
from duaarah.readings.landing import land_rows
from duaarah.readings.operations import AHEAD, OLDEST, Landed, Value, land
from duaarah.registry.models import Meter

DAY_S = 86_400
ABSENT = float("nan")
# The reports that are kept elsewhere too.
TOLD = (LoadProfile, DailySummary, ModemStatus)

_STATUS = """
INSERT INTO headend_meterstatus AS s (meter_id, signal_dbm, cell, network, firmware, resets, counter, reported_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (meter_id) DO UPDATE SET signal_dbm = excluded.signal_dbm, cell = excluded.cell,
    network = excluded.network, firmware = excluded.firmware, resets = excluded.resets, counter = excluded.counter,
    reported_at = excluded.reported_at
WHERE s.counter < excluded.counter
"""


def keep_told(
    *, meter: Meter, report: Report, counter: int, now: dt.datetime, rows: list[tuple[Any, ...]] | None = None
) -> Landed | None:
    """
    Land what a report says of intervals and days, note what it says of its modem; what landed, if anything could.

    `rows`: what goes into the interval store is added here, and the caller lands it with that of other reports.
    """
    match report:
        case LoadProfile():
            landed = land(
                meter_id=meter.pk, period_s=report.period_s, values=_intervals(report), counter=counter, now=now
            )
            if landed.kept:
                made = interval_rows(meter_id=meter.pk, report=report, counter=counter, now=now)
                if rows is None:
                    land_rows(made)
                else:
                    rows += made
            return landed
        case DailySummary():
            return land(
                meter_id=meter.pk, period_s=DAY_S, values=day_values(report, meter.zone), counter=counter, now=now
            )
        case ModemStatus():
            words = [report.signal_dbm, report.cell, report.network, report.firmware, report.resets]
            with connection.cursor() as cursor:
                cursor.execute(_STATUS, [meter.pk, *words, counter, now])
            note_cell(meter_id=meter.pk, cell=report.cell or "")
    return None


def interval_rows(*, meter_id: int, report: LoadProfile, counter: int, now: dt.datetime) -> list[tuple[Any, ...]]:
    """
    Rows for the interval store: volts and amperes of the phases that were told, of several the lowest volt, the highest A. Where
    only registers are told, an energy is the difference to the interval before it; a first row then only begins the count.
    """
    step, oldest_at, newest_at = dt.timedelta(seconds=report.period_s), now - OLDEST, now + AHEAD
    place = {name: at for at, name in enumerate(report.channels)}
    energy, register = place.get("energy_wh"), place.get("register_wh")
    volts = [at for name, at in place.items() if name.startswith("voltage_l")]
    amperes = [at for name, at in place.items() if name.startswith("current_l")]
    rows: list[tuple[Any, ...]] = [
        (
            meter_id,
            one.start_at + step,
            report.period_s,
            ABSENT if energy is None or values[energy] is None else values[energy],
            ABSENT if register is None or values[register] is None else values[register],
            _thousandths(values, volts, min),
            _thousandths(values, amperes, max),
            one.status,
            counter,
        )
        for one in report.intervals
        if oldest_at <= one.start_at <= newest_at and (values := one.values).count(None) < len(values)
    ]
    return _differences(rows, step) if energy is None and register is not None and len(rows) > 1 else rows


def _differences(rows: list[tuple[Any, ...]], step: dt.timedelta) -> list[tuple[Any, ...]]:
    """The energies that registers tell: absent after a gap, or where a register fell (another meter, or one that began anew)."""
    found = []
    for before, row in itertools.pairwise(rows):
        used_wh = row[4] - before[4]
        follows = row[1] - before[1] == step and used_wh >= 0  # never where one of them is absent
        found.append((*row[:3], used_wh if follows else ABSENT, *row[4:]))
    return found


def _thousandths(values: Sequence[int | None], places: list[int], choose: Callable[[list[int]], int]) -> float:
    """One of these values (the lowest, the highest) in whole units, absent where none was told."""
    if len(places) == 1:
        only = values[places[0]]
        return ABSENT if only is None else only / 1000
    told = [value for at in places if (value := values[at]) is not None]
    return choose(told) / 1000 if told else ABSENT


def _intervals(report: LoadProfile) -> list[Value]:
    return [
        Value(channel=channel, start_at=one.start_at, value=value, status=one.status)
        for one in report.intervals
        for channel, value in zip(report.channels, one.values, strict=True)
        if value is not None
    ]


def day_values(report: DailySummary, zone: str) -> list[Value]:
    """The figures of a day's summary as values of that local day."""
    start_at = dt.datetime.combine(report.day_date, dt.time(), ZoneInfo(zone))
    told = {
        "energy_wh": report.energy_wh,
        "voltage_min_mv": report.voltage_min_mv,
        "voltage_avg_mv": report.voltage_avg_mv,
        "voltage_max_mv": report.voltage_max_mv,
        "outages_count": report.outages,
        "out_s": report.out_s,
        "demand_w": report.demand_w,
    }
    return [Value(channel=name, start_at=start_at, value=value) for name, value in told.items() if value is not None]


def event_data(report: Report, landed: Landed | None = None) -> dict[str, Any]:
    """What of a report is kept beside its kind and its clock, as JSON values; the values of intervals are readings."""
    if isinstance(report, LoadProfile):
        first = report.intervals[0].start_at.isoformat() if report.intervals else None
        data: dict[str, Any] = {
            "period_s": report.period_s,
            "channels": list(report.channels),
            "start_at": first,
            "intervals": len(report.intervals),
        }
    else:
        data = {key: _json_value(value) for key, value in dataclasses.asdict(report).items() if key != "at"}
    if landed is not None and landed.refused:
        data["refused"] = landed.refused
    return data


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _json_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(one) for one in value]
    return value.isoformat() if isinstance(value, dt.date) else value
