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
    days_of_month,
    month_of_meter,
    next_month,
    readings_between,
)
from duaarah.registry.models import Meter
from duaarah.web.shared.charts import Axis, Chart, Kind, Series, Threshold
from duaarah.web.shared.export import Table
from duaarah.web.shared.templatetags.duaarah import ZONE_NAMES
from duaarah.web.shared.templatetags.duaarah import day as day_words

HEIGHT, TOP, FOOT = 130, 16, 18
DAY_WIDTH = 24
GLANCE_DAYS = 14
# The band of the service voltage (SPLN 1: 220 V, +5 %, -10 %).
VOLTAGE_LOW_MV, VOLTAGE_HIGH_MV = 198_000, 231_000
_DATE = re.compile(r"20\d\d-\d\d-\d\d\Z")


def usage(meter: Meter, month_date: dt.date, words: str, language: str) -> dict[str, Any]:
    """`days`, their chart, the chosen `day` with its `profile` and `voltage`, and the months beside. `words`: the day."""
    days = days_of_month(meter_id=meter.pk, month_date=month_date, zone=meter.zone)
    chosen = _chosen(days, words)
    profile = _profile(meter, chosen) if chosen else None
    voltage, span_words = (_voltage(meter, chosen.date) if chosen else None) or (None, "")
    month_chart = _days_chart(meter, days, month_date)
    return {
        "month": month_date,
        "before": (month_date - dt.timedelta(days=1)).replace(day=1),
        "after": next_month(month_date),
        "days": days,
        "sum_wh": sum(day.energy_wh or 0 for day in days),
        "month_chart": month_chart,
        "day": chosen,
        "profile": profile,
        "intervals": _intervals(chosen, meter.zone, language) if chosen else [],
        "voltage": voltage,
        "voltage_span": span_words,
        "voltage_inside": voltage is not None and _inside(voltage),
        "charts": [one for one in (month_chart, profile, voltage) if one is not None],
    }


def _inside(chart: Chart) -> bool:
    low, high = chart.allowed or (0.0, 0.0)
    return all(low <= value <= high for one in chart.series for value in one.values if value is not None)


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


def _source(meter: Meter) -> str:
    zone = ZONE_NAMES.get(meter.zone, meter.zone)
    return _("What meter %(drn)s told, by its own clock (%(zone)s).") % {"drn": meter.drn, "zone": zone}


def _days_chart(meter: Meter, days: list[Day], month_date: dt.date) -> Chart:
    """The energy of each day of the month; a day that nothing is known of is a gap."""
    by_date = {day.date: day for day in days}
    count = (next_month(month_date) - month_date).days
    dates = tuple(month_date + dt.timedelta(days=number) for number in range(count))
    told = [by_date[date] if date in by_date and by_date[date].energy_wh is not None else None for date in dates]
    parts = frozenset(number for number, day in enumerate(told) if day is not None and not day.whole)
    return Chart(
        key="hari",
        title=_("kWh a day"),
        unit="kWh",
        kind=Kind.BAR,
        axis=Axis.DAY,
        positions=dates,
        series=(
            Series(
                name=_("Energy"), values=tuple(None if day is None else (day.energy_wh or 0) / 1000 for day in told)
            ),
        ),
        source=_source(meter),
        coverage=_("%(n)d of %(days)d days are told.") % {"n": sum(d is not None for d in told), "days": count},
        marked=parts,
        mark=_("not the whole day"),
    )


def _profile(meter: Meter, day: Day) -> Chart | None:
    """The day's intervals as columns over 24 hours."""
    if not day.intervals:
        return None
    period_s = day.intervals[0].period_s
    by_minute = {_minute(one.start_at, meter.zone): one for one in day.intervals}
    minutes = range(0, DAY_S // 60, max(1, period_s // 60))
    found = [by_minute.get(minute) for minute in minutes]
    heard = sum(one is not None for one in found)
    return Chart(
        key="profil",
        title=_("Energy over the day"),
        unit="kWh",
        kind=Kind.BAR,
        axis=Axis.MINUTE,
        positions=tuple(float(minute) for minute in minutes),
        series=(Series(name=_("Energy"), values=tuple(None if one is None else one.value / 1000 for one in found)),),
        source=f"{day_words(day.date)}. {_source(meter)}",
        coverage=_("%(n)d of %(all)d intervals of %(minutes)d minutes are told.")
        % {"n": heard, "all": len(minutes), "minutes": period_s // 60},
        marked=frozenset(number for number, one in enumerate(found) if one is not None and one.status),
        mark=_("the meter gave it a status"),
        decimals=3,
        zone=meter.zone,
    )


def _minute(at: dt.datetime, zone: str) -> int:
    local = at.astimezone(ZoneInfo(zone))
    return local.hour * 60 + local.minute


def _intervals(day: Day, zone: str, language: str) -> list[dict[str, Any]]:
    """The rows of the profile's table."""
    return [
        {
            "time": f"{one.start_at.astimezone(ZoneInfo(zone)):%H:%M}",
            "text": f"{kwh(one.value, language)} kWh",
            "reading": one,
        }
        for one in day.intervals
    ]


def _voltage(meter: Meter, date: dt.date) -> tuple[Chart, str] | None:
    """The voltages of a day over the allowed band, and their span in volts; None when nothing was measured."""
    begin = dt.datetime.combine(date, dt.time(), ZoneInfo(meter.zone))
    found = readings_between(meter_id=meter.pk, begin_at=begin, end_at=begin + dt.timedelta(days=1))
    phases: dict[str, dict[int, int]] = {}
    for one in found:
        if one.channel.startswith("voltage_l") and one.channel.endswith("_mv") and one.period_s < DAY_S:
            phases.setdefault(one.channel, {})[_minute(one.start_at, meter.zone)] = one.value
    if not phases:
        return None
    minutes = sorted({minute for values in phases.values() for minute in values})
    every = [value for values in phases.values() for value in values.values()]
    low, high = VOLTAGE_LOW_MV / 1000, VOLTAGE_HIGH_MV / 1000
    chart = Chart(
        key="tegangan",
        title=_("Voltage"),
        unit="V",
        kind=Kind.LINE,
        axis=Axis.MINUTE,
        positions=tuple(float(minute) for minute in minutes),
        series=tuple(
            Series(
                name=name.removeprefix("voltage_").removesuffix("_mv").upper(),
                values=tuple(values[minute] / 1000 if minute in values else None for minute in minutes),
            )
            for name, values in sorted(phases.items())
        ),
        thresholds=(Threshold(name="-10 %", value=low), Threshold(name="+5 %", value=high)),
        allowed=(low, high),
        source=f"{day_words(date)}. {_source(meter)}",
        coverage=_("%(n)d intervals are told.") % {"n": len(minutes)},
        from_zero=False,
        zone=meter.zone,
    )
    return chart, f"{min(every) // 1000}-{max(every) // 1000} V"


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
