# SPDX-License-Identifier: Apache-2.0
"""A meter's month of readings as a page shows it: a bar for each day, one day's profile, and the values as a file."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404
from django.utils.translation import gettext as _

from duaarah.core.reports import channel_unit
from duaarah.messaging.texts import kwh
from duaarah.readings.queries import (
    DAY_S,
    Day,
    Reading,
    days_of_month,
    month_of_meter,
    next_month,
    readings_between,
)
from duaarah.registry.models import Meter
from duaarah.web.shared.export import Table

HEIGHT, TOP, FOOT = 130, 16, 18
DAY_WIDTH, PROFILE_WIDTH = 24, 720
GLANCE_DAYS = 14
# The band of the service voltage (SPLN 1: 220 V, +5 %, -10 %).
VOLTAGE_LOW_MV, VOLTAGE_HIGH_MV = 198_000, 231_000
_DATE = re.compile(r"20\d\d-\d\d-\d\d\Z")


def usage(meter: Meter, month_date: dt.date, words: str, language: str) -> dict[str, Any]:
    """`days`, their `bars`, the chosen `day` with its `profile` and `voltage`, and the months beside. `words`: the day."""
    days = days_of_month(meter_id=meter.pk, month_date=month_date, zone=meter.zone)
    chosen = _chosen(days, words)
    return {
        "month": month_date,
        "before": (month_date - dt.timedelta(days=1)).replace(day=1),
        "after": next_month(month_date),
        "days": days,
        "sum_wh": sum(day.energy_wh or 0 for day in days),
        "bars": day_bars(days, month_date, language),
        "day": chosen,
        "profile": _profile(chosen, meter.zone, language) if chosen else None,
        "voltage": _voltage(meter, chosen.date) if chosen else None,
    }


def _chosen(days: list[Day], words: str) -> Day | None:
    """The day that is asked for, else the last one with intervals."""
    if words:
        if not _DATE.match(words):
            raise Http404
        return next((day for day in days if day.date.isoformat() == words), None)
    return next((day for day in reversed(days) if day.intervals), None)


def glance(meter: Meter, at: dt.datetime, language: str) -> dict[str, Any] | None:
    """The last days in small: bars and how old the last one is; None when the meter never told a day."""
    today = at.astimezone(ZoneInfo(meter.zone)).date()
    first = today - dt.timedelta(days=GLANCE_DAYS)
    months = sorted({first.replace(day=1), today.replace(day=1)})
    days = [d for m in months for d in days_of_month(meter_id=meter.pk, month_date=m, zone=meter.zone)]
    shown = [day for day in days if day.date >= first and day.energy_wh is not None]
    if not shown:
        return None
    return {"bars": _bars(shown, first, GLANCE_DAYS + 1, language), "days": shown}


def day_bars(days: list[Day], month_date: dt.date, language: str) -> dict[str, Any]:
    """One column for each day of the month."""
    return _bars(days, month_date, (next_month(month_date) - month_date).days, language)


def _bars(days: list[Day], first: dt.date, count: int, language: str) -> dict[str, Any]:
    by_date = {day.date: day for day in days}
    most_wh = max((day.energy_wh or 0 for day in days), default=0)
    columns = []
    for number in range(count):
        date = first + dt.timedelta(days=number)
        day = by_date.get(date)
        told = day is not None and day.energy_wh is not None
        height = max(1, HEIGHT * (day.energy_wh or 0) // most_wh) if day is not None and told and most_wh else 0
        x = number * DAY_WIDTH
        columns.append(
            {
                "label": date.day,
                "date": date,
                "text": f"{kwh(day.energy_wh or 0, language)} kWh" if day is not None and told else "",
                "x": x + 3,
                "middle": x + DAY_WIDTH // 2,
                "y": HEIGHT + TOP - height,
                "height": height,
                "whole": day is not None and day.whole,
                "most": bool(height) and day is not None and day.energy_wh == most_wh,
                "figure_y": HEIGHT + TOP - height - 4,
            }
        )
    return {"columns": columns, "width": DAY_WIDTH * count, "column": DAY_WIDTH - 6, **_frame()}


def _frame() -> dict[str, int]:
    return {"height": HEIGHT + TOP + FOOT, "base": HEIGHT + TOP, "label_y": HEIGHT + TOP + 14}


def _profile(day: Day, zone: str, language: str) -> dict[str, Any] | None:
    """The day's intervals as columns over 24 hours."""
    if not day.intervals:
        return None
    most = max(one.value for one in day.intervals)
    period_s = day.intervals[0].period_s
    width = max(1, PROFILE_WIDTH * period_s // DAY_S)
    columns = []
    for one in day.intervals:
        local = one.start_at.astimezone(ZoneInfo(zone))
        height = max(1, HEIGHT * one.value // most) if most and one.value > 0 else 0
        columns.append(
            {
                "time": f"{local:%H:%M}",
                "x": _x(local),
                "y": HEIGHT + TOP - height,
                "height": height,
                "whole": not one.status,
                "text": f"{kwh(one.value, language)} kWh",
                "reading": one,
            }
        )
    hours = [{"x": PROFILE_WIDTH * hour // 24, "label": f"{hour:02d}"} for hour in range(0, 24, 3)]
    return {
        "columns": columns,
        "column": max(1, width - 1),
        "width": PROFILE_WIDTH,
        "hours": hours,
        "most": f"{kwh(most, language)} kWh",
        "minutes": period_s // 60,
        **_frame(),
    }


def _x(local: dt.datetime) -> int:
    return PROFILE_WIDTH * (local.hour * 3600 + local.minute * 60 + local.second) // DAY_S


def _voltage(meter: Meter, date: dt.date) -> dict[str, Any] | None:
    """The voltages of a day as lines, the band of the service voltage behind them; None when nothing was measured."""
    begin = dt.datetime.combine(date, dt.time(), ZoneInfo(meter.zone))
    found = readings_between(meter_id=meter.pk, begin_at=begin, end_at=begin + dt.timedelta(days=1))
    phases: dict[str, list[Reading]] = {}
    for one in found:
        if one.channel.startswith("voltage_l") and one.channel.endswith("_mv") and one.period_s < DAY_S:
            phases.setdefault(one.channel, []).append(one)
    if not phases:
        return None
    values = [one.value for readings in phases.values() for one in readings]
    low, high = min(*values, VOLTAGE_LOW_MV) - 5_000, max(*values, VOLTAGE_HIGH_MV) + 5_000

    def y(value: int) -> int:
        return TOP + HEIGHT * (high - value) // (high - low)

    lines = [
        {
            "name": name.removeprefix("voltage_").removesuffix("_mv").upper(),
            "number": number,
            "points": " ".join(
                f"{_x(one.start_at.astimezone(ZoneInfo(meter.zone)))},{y(one.value)}" for one in readings
            ),
        }
        for number, (name, readings) in enumerate(sorted(phases.items()), 1)
    ]
    return {
        "lines": lines,
        "width": PROFILE_WIDTH,
        "band_y": y(VOLTAGE_HIGH_MV),
        "band_height": y(VOLTAGE_LOW_MV) - y(VOLTAGE_HIGH_MV),
        "lowest_v": _volts(min(values)),
        "highest_v": _volts(max(values)),
        "inside": all(VOLTAGE_LOW_MV <= value <= VOLTAGE_HIGH_MV for value in values),
        **_frame(),
    }


def _volts(value_mv: int) -> str:
    return str(value_mv // 1000)


def usage_table(meter: Meter, month_date: dt.date) -> Table:
    """Every value of the month as a file."""
    zone = ZoneInfo(meter.zone)
    head = (_("Begin"), _("Seconds"), _("Channel"), _("Value"), _("Unit"), _("Status"), _("Values told"))
    rows = (
        (
            one.start_at.astimezone(zone).isoformat(),
            one.period_s,
            one.channel,
            one.value,
            channel_unit(one.channel),
            one.status,
            one.versions,
        )
        for one in month_of_meter(meter_id=meter.pk, month_date=month_date, zone=meter.zone)
    )
    return Table(name=f"pemakaian-{meter.drn}-{month_date:%Y-%m}", head=head, rows=rows)
