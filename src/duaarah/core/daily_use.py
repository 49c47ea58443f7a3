# SPDX-License-Identifier: Apache-2.0
"""
What a meter used on each day, from all that it ever tells: whole days where it told them, else the credit between reports.

Two reports of the credit say how much was used between them, since every loaded token is a report too. That is spread
evenly over the time with supply. A day is excluded (None) when it was without supply for more than a tenth of it, when
reports do not cover it, or when the credit rose without a token that the meter told of. Floats: nothing here is sold.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

DAY_S = 86_400
OFF_MAX_S = DAY_S // 10
# Reports that lie further apart say nothing of single days.
GAP_MAX = dt.timedelta(days=15)
# A meter counts whole watt-hours, and its report is some minutes old: so much more credit is no token.
SLACK_WH = 100


@dataclass(frozen=True, slots=True)
class CreditReport:
    """The credit as the meter told it at `at`, after the token in the same report had added `loaded_wh`."""

    at: dt.datetime
    balance_wh: int
    loaded_wh: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A time without supply: a grid outage, an open relay."""

    begin_at: dt.datetime
    end_at: dt.datetime


@dataclass(frozen=True, slots=True)
class DailyUse:
    """The days before some day, oldest first, in kWh; None is an excluded day. `weekday_of_first` 0 = Monday."""

    weekday_of_first: int
    daily_kwh: list[float | None]

    @property
    def days_known(self) -> int:
        """How many days are not excluded."""
        return sum(used is not None for used in self.daily_kwh)


def daily_use(
    *,
    told_wh: Mapping[dt.date, int],
    off_s: Mapping[dt.date, int],
    reports: Sequence[CreditReport],
    spans: Sequence[Span],
    zone: str,
    before_date: dt.date,
    days: int,
) -> DailyUse:
    """
    The last `days` local days before `before_date`, without excluded ones at their beginning.

    `told_wh` are whole days by the meter's word and `off_s` the seconds without supply that it told with them; `reports`
    are in the order of time.
    """
    first = before_date - dt.timedelta(days=days)
    series: list[float | None] = []
    segments = _segments(reports, spans)
    for number in range(days):
        date = first + dt.timedelta(days=number)
        begin, end = (dt.datetime.combine(date + dt.timedelta(days=n), dt.time(), ZoneInfo(zone)) for n in (0, 1))
        off = max(off_s.get(date, 0), _seconds(spans, begin, end))
        if off > OFF_MAX_S:
            used = None
        elif date in told_wh:
            used = told_wh[date] / 1000
        else:
            used = _between(segments, spans, begin, end)
        if used is not None or series:
            series.append(used)
    weekday = (before_date - dt.timedelta(days=len(series))).weekday()
    return DailyUse(weekday, series)


@dataclass(frozen=True, slots=True)
class _Segment:
    """Between two reports of the credit: watt-hours a second of supply."""

    begin_at: dt.datetime
    end_at: dt.datetime
    wh_per_s: float


def _segments(reports: Sequence[CreditReport], spans: Sequence[Span]) -> list[_Segment]:
    found = []
    for earlier, later in itertools.pairwise(reports):
        used_wh = earlier.balance_wh + later.loaded_wh - later.balance_wh
        on_s = (later.at - earlier.at).total_seconds() - _seconds(spans, earlier.at, later.at)
        if used_wh >= -SLACK_WH and on_s > 0 and later.at - earlier.at <= GAP_MAX:
            found.append(_Segment(earlier.at, later.at, max(used_wh, 0) / on_s))
    return found


def _between(
    segments: Sequence[_Segment], spans: Sequence[Span], begin_at: dt.datetime, end_at: dt.datetime
) -> float | None:
    """What the reports say of one day; None when they leave a part of it open."""
    used_wh, covered_s = 0.0, 0.0
    for segment in segments:
        if segment.end_at <= begin_at or segment.begin_at >= end_at:
            continue
        a, b = max(segment.begin_at, begin_at), min(segment.end_at, end_at)
        covered_s += (b - a).total_seconds()
        used_wh += segment.wh_per_s * ((b - a).total_seconds() - _seconds(spans, a, b))
    whole_s = (end_at - begin_at).total_seconds()
    return used_wh / 1000 if covered_s >= whole_s - 1 else None


def _seconds(spans: Sequence[Span], begin_at: dt.datetime, end_at: dt.datetime) -> float:
    """How long the spans last inside of this time; they do not overlap."""
    return sum(max((min(span.end_at, end_at) - max(span.begin_at, begin_at)).total_seconds(), 0.0) for span in spans)
