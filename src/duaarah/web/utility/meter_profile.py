# SPDX-License-Identifier: Apache-2.0
"""One meter's intervals of a day, a week or a month as curves, from the interval store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from numpy.typing import NDArray

from duaarah.analytics.measures.loads import Load, load_of
from duaarah.analytics.network_days.queries import limits_of
from duaarah.clock.queries import now
from duaarah.readings.columns import ESTIMATED
from duaarah.readings.queries import next_month
from duaarah.readings.store import Coverage, counting_days, readings_of
from duaarah.registry.models import Meter
from duaarah.web.shared.access import for_operator
from duaarah.web.shared.chart_data import clock_words
from duaarah.web.shared.charts import Axis, Chart, Kind, Series, Threshold, chart_response
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.figures import exact, figure
from duaarah.web.shared.templatetags.duaarah import ZONE_NAMES, instant
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.utility.morning import data_words
from duaarah.web.utility.profile_words import lasting
from duaarah.web.utility.voltage import date_of

SPANS = {"hari": gettext_lazy("Day"), "minggu": gettext_lazy("Week"), "bulan": gettext_lazy("Month")}
PERIOD_S = 900
DAY_S = 86_400
HOUR = 4  # intervals
DRAWN = ("ts", "period_s", "energy_wh", "voltage_v", "quality")
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Span:
    """Local days of the meter: `first_date` up to the day before `end_date`."""

    name: str
    first_date: dt.date
    end_date: dt.date
    zone: str

    @property
    def begin_at(self) -> dt.datetime:
        return dt.datetime.combine(self.first_date, dt.time(), ZoneInfo(self.zone))

    @property
    def end_at(self) -> dt.datetime:
        return dt.datetime.combine(self.end_date, dt.time(), ZoneInfo(self.zone))

    @property
    def days(self) -> int:
        return (self.end_date - self.first_date).days


def span_of(request: HttpRequest, meter: Meter, today: dt.date) -> Span:
    """The day, its week from Monday on, or its month. Raises Http404 for others."""
    name, date = request.GET.get("rentang", "hari"), date_of(request, "hari", today) or today
    if name not in SPANS:
        raise Http404
    first, end = date, date + dt.timedelta(days=1)
    if name == "minggu":
        first = date - dt.timedelta(days=date.weekday())
        end = first + dt.timedelta(days=7)
    elif name == "bulan":
        first = date.replace(day=1)
        end = next_month(first)
    return Span(name=name, first_date=first, end_date=end, zone=meter.zone)


@for_operator
def meter_profile(request: HttpRequest, drn: str) -> HttpResponseBase:
    """`rentang`: hari, minggu or bulan, the one around `hari`; `unduh` may be csv or xlsx."""
    meter = get_object_or_404(Meter.objects.select_related("transformer"), drn=drn)
    at = now()
    span = span_of(request, meter, (at.astimezone(ZoneInfo(meter.zone)) - dt.timedelta(days=1)).date())
    if (file := exported(request, lambda: values_table(meter, span))) is not None:
        return file
    # Estimates run on to the end of a day that is not over.
    table = readings_of(meter.pk, span.begin_at, min(span.end_at, max(at, span.begin_at)), columns=DRAWN)
    grid = _grid(table, span)
    shown = _shown(grid, span, meter) if grid.known.any() else {"power": None, "volts": None}
    charts = [shown["power"], shown["volts"], _duration(grid, span, meter)] if shown["power"] else []
    if (file := chart_response(request, [one for one in charts if one is not None])) is not None:
        return file
    context = {
        "meter": meter,
        "span": span,
        "spans": SPANS.items(),
        "before": span.first_date - dt.timedelta(days=1),
        "after": span.end_date,
        "last_date": span.end_date - dt.timedelta(days=1),
        **shown,
        "duration": charts[-1] if charts else None,
        "tabled": span.days == 1,
        "data": data_words(coverage_of(table, span, at), at),
        "now": at,
    }
    return render(request, "utility/meter_profile.html", context)


def coverage_of(table: pa.Table, span: Span, at: dt.datetime) -> Coverage:
    """Of what was due of this meter up to now, what it told itself; estimates are nothing that came."""
    table = table.filter(pc.not_equal(table["quality"], ESTIMATED))
    due_s = (min(span.end_at, at) - span.begin_at).total_seconds()
    expected = max(0, int(due_s) // PERIOD_S)
    present = sum(table.column("period_s").to_pylist()) // PERIOD_S if table.num_rows else 0
    # A local day lies on two UTC days.
    days = counting_days(
        span.begin_at.astimezone(dt.UTC).date(), (span.end_at - dt.timedelta(seconds=1)).astimezone(dt.UTC).date()
    )
    newest = table.column("ts")[-1].as_py() if table.num_rows else None
    return Coverage(
        expected=expected,
        present=present,
        share=min(1.0, present / expected) if expected and table.num_rows else None,
        newest_at=newest,
        days_checked=min(sum(day.checked for day in days), span.days),
        days=span.days,
    )


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """The span's intervals in order, NaN where nothing is known; `estimated` of each."""

    watts: Floats
    volts: Floats
    estimated: NDArray[np.bool_]

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.watts)


def _grid(table: pa.Table, span: Span) -> _Grid:
    """Intervals longer than a quarter of an hour fill all of its quarters with their mean."""
    length = int((span.end_at - span.begin_at).total_seconds()) // PERIOD_S
    last = (
        table.column("ts").cast(pa.int64()).to_numpy() // 1_000_000 - 1 - int(span.begin_at.timestamp())
    ) // PERIOD_S
    period_s = table.column("period_s").to_numpy().astype(np.int64)
    watts, volts = _floats(table, "energy_wh") * 3600 / period_s, _floats(table, "voltage_v")
    guessed = np.asarray(table.column("quality").to_pylist()) == ESTIMATED
    grid = _Grid(watts=np.full(length, np.nan), volts=np.full(length, np.nan), estimated=np.zeros(length, bool))
    for back in range(int(period_s.max()) // PERIOD_S if len(period_s) else 0):
        slot = last - back
        chosen = (period_s > back * PERIOD_S) & (slot >= 0)
        grid.watts[slot[chosen]], grid.volts[slot[chosen]] = watts[chosen], volts[chosen]
        grid.estimated[slot[chosen]] = guessed[chosen]
    return grid


def _shown(grid: _Grid, span: Span, meter: Meter) -> dict[str, Any]:
    """Charts and figures of a span of which something is known."""
    known = grid.watts[grid.known]
    load = load_of(np.flatnonzero(grid.known).tolist(), known.tolist(), float(known.max()), PERIOD_S)
    volts = grid.volts[np.isfinite(grid.volts)]
    limits = limits_of(span.first_date)
    context: dict[str, Any] = {
        "power": _power(grid, span, meter),
        "figures": _figures(load, span, int(grid.estimated.sum()), len(known)),
        "volts": None,
    }
    if len(volts):
        context |= {
            "volts": _volts(grid, span, meter),
            "least": figure(float(volts.min()), 1),
            "most": figure(float(volts.max()), 1),
            "below": figure(100 * float((volts < limits.low_v).mean()), 2),
            "above": figure(100 * float((volts > limits.high_v).mean()), 2),
            "outside": bool(((volts < limits.low_v) | (volts > limits.high_v)).any()),
        }
    return context


def _duration(grid: _Grid, span: Span, meter: Meter) -> Chart:
    shares = [n / 100 for n in range(101)]
    return Chart(
        key="lama",
        title=_("Duration curve"),
        unit="W",
        kind=Kind.DURATION,
        axis=Axis.SHARE,
        positions=tuple(shares),
        series=(Series(name=_("Power"), values=lasting(grid.watts[grid.known].tolist(), shares)),),
        source=_source(meter, span),
        decimals=0,
    )


def _figures(load: Load, span: Span, estimated: int, intervals: int) -> list[tuple[str, str]]:
    peak_at = span.begin_at + dt.timedelta(seconds=(load.peak_slot + 1) * PERIOD_S)
    minute = (load.peak_slot + 1) * PERIOD_S // 60
    when = clock_words(minute) if span.days == 1 else instant(peak_at, span.zone)
    return [
        (_("Energy (kWh)"), figure(load.energy_wh / 1000, 2)),
        (_("Peak (kW)"), f"{figure(load.peak_w / 1000, 3)} · {when}"),
        (_("Load factor"), figure(load.load_factor, 3)),
        (_("Intervals"), figure(intervals, 0)),
        (_("of them estimated"), figure(estimated, 0)),
    ]


def _positions(span: Span, count: int) -> tuple[Axis, tuple[Any, ...]]:
    step_s = span.days * DAY_S // count
    if span.days == 1:
        return Axis.MINUTE, tuple(float(n * step_s // 60) for n in range(count))
    return Axis.INSTANT, tuple(span.begin_at + dt.timedelta(seconds=n * step_s) for n in range(count))


def _source(meter: Meter, span: Span) -> str:
    zone = ZONE_NAMES.get(meter.zone, meter.zone)
    return _("What counts of meter %(drn)s in the interval store, from %(day)s on, %(zone)s.") % {
        "drn": meter.drn,
        "day": day_words(span.first_date),
        "zone": zone,
    }


def _power(grid: _Grid, span: Span, meter: Meter) -> Chart:
    """Each interval's mean power; of a month each hour's mean, with the lowest and the highest of its intervals."""
    group = HOUR if span.days > 7 else 1
    guessed = grid.estimated.reshape(-1, group).any(axis=1)
    means = _of(grid.watts, group, np.nanmean)
    axis, positions = _positions(span, len(means))
    series = [Series(name=_("Power") if group == 1 else _("Mean of the hour"), values=means)]
    if group > 1:
        lows, highs = _of(grid.watts, group, np.nanmin), _of(grid.watts, group, np.nanmax)
        series.append(Series(name=_("Intervals of the hour"), values=highs, lows=lows))
    return Chart(
        key="beban",
        title=_("Power"),
        unit="W",
        kind=Kind.STEP if group == 1 else Kind.LINE,
        axis=axis,
        positions=positions,
        series=tuple(series),
        source=_source(meter, span),
        coverage=_("%(n)d of %(all)d intervals are known.") % {"n": int(grid.known.sum()), "all": len(grid.watts)},
        marked=frozenset(np.flatnonzero(guessed).tolist()),
        mark=_("estimated"),
        decimals=0,
        zone=meter.zone,
    )


def _volts(grid: _Grid, span: Span, meter: Meter) -> Chart:
    group = HOUR if span.days > 7 else 1
    values = _of(grid.volts, group, np.nanmin)
    axis, positions = _positions(span, len(values))
    limits = limits_of(span.first_date)
    return Chart(
        key="tegangan",
        title=_("Voltage") if group == 1 else _("Lowest voltage of each hour"),
        unit="V",
        kind=Kind.LINE,
        axis=axis,
        positions=positions,
        series=(Series(name=_("Voltage"), values=values),),
        thresholds=tuple(Threshold(name=f"{v:.0f} V", value=v) for v in (limits.low_v, limits.high_v)),
        allowed=(limits.low_v, limits.high_v),
        source=_source(meter, span),
        from_zero=False,
        zone=meter.zone,
    )


def _of(values: Floats, group: int, how: Callable[..., Any]) -> tuple[float | None, ...]:
    """One value for each `group` of intervals; None where none of them is known."""
    rows = values.reshape(-1, group)
    known = np.isfinite(rows).any(axis=1)
    found = np.full(len(rows), np.nan)
    found[known] = how(rows[known], axis=1)
    return tuple(round(value, 3) if value == value else None for value in found.tolist())


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), np.float64)


def values_table(meter: Meter, span: Span) -> Table:
    """Every interval as a file."""
    zone = ZoneInfo(meter.zone)
    head = (
        _("Interval ends at"),
        _("Seconds"),
        "Wh",
        _("Register (Wh)"),
        "V",
        "A",
        _("Status"),
        _("Reason"),
        _("Version"),
    )
    rows = (
        (
            row["ts"].astimezone(zone).isoformat(),
            row["period_s"],
            *(exact(row[name]) for name in ("energy_wh", "register_wh", "voltage_v", "current_a")),
            row["quality"],
            row["reason"],
            row["version"],
        )
        for row in readings_of(meter.pk, span.begin_at, span.end_at).to_pylist()
    )
    return Table(name=f"profil-{meter.drn}-{span.first_date}", head=head, rows=rows)
