# SPDX-License-Identifier: Apache-2.0
"""
What the daily facts say over weeks, for who plans the network: use of transformers and its trend, line ends, feeders.

A trend is the least-squares line through the daily peaks. Its standard error takes days as independent, which neighbouring
days are not: a trend is called sure only when it is three of them away from none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

MONTH_DAYS = 30.4375
TREND_DAYS_MIN = 28
SURE_ERRORS = 3.0
COMPLETE = 0.9  # of the intervals of a day: fewer meters would look like less load

_USE = """
SELECT f.key::bigint, count(*) FILTER (WHERE f.whole),
    max(f.utilisation) FILTER (WHERE f.date > %(recent)s),
    count(*) FILTER (WHERE f.date > %(recent)s AND f.utilisation > 1),
    avg(f.utilisation) FILTER (WHERE f.date > %(recent)s),
    regr_slope(f.utilisation, f.date - %(first)s) FILTER (WHERE f.whole),
    regr_sxx(f.utilisation, f.date - %(first)s) FILTER (WHERE f.whole),
    regr_syy(f.utilisation, f.date - %(first)s) FILTER (WHERE f.whole),
    regr_sxy(f.utilisation, f.date - %(first)s) FILTER (WHERE f.whole),
    max(f.date)
FROM (
    SELECT key, date, utilisation, intervals >= %(complete)s * meters_known * (86400 / period_s) AS whole
    FROM analytics_dailyload
    WHERE superseded_at IS NULL AND scope = 'TRANSFORMER' AND utilisation IS NOT NULL
        AND date BETWEEN %(first)s AND %(last)s
) f
GROUP BY f.key
"""
_ENDS = """
SELECT f.transformer_id, f.phase, count(*), count(*) FILTER (WHERE f.below > 0), sum(f.intervals), sum(f.below),
    sum(f.above), min(f.evening_p5_v), percentile_cont(0.5) WITHIN GROUP (ORDER BY f.evening_p5_v), max(f.meters_known)
FROM analytics_dailyvoltage f
WHERE f.superseded_at IS NULL AND f.date BETWEEN %(first)s AND %(last)s
GROUP BY f.transformer_id, f.phase
HAVING sum(f.intervals) > 0
"""
_FEEDERS = """
SELECT f.scope_id, f.cause, sum(f.ci), sum(f.interrupted_us)
FROM analytics_dailyreliability f
WHERE f.superseded_at IS NULL AND f.scope = 'FEEDER' AND f.date BETWEEN %(first)s AND %(last)s
GROUP BY f.scope_id, f.cause
"""


@dataclass(frozen=True, kw_only=True)
class Use:
    """
    A transformer over some local days, as shares of its rating. `peak`: the highest of the newest 30 days; `over_days` of
    these above the rating; `growth_month`: the trend of the daily peaks a month, from `days` with COMPLETE of their
    intervals; None with fewer than 28 of these.
    """

    node_id: int
    days: int
    peak: float
    mean: float
    over_days: int
    growth_month: float | None
    growth_error: float | None
    last_date: dt.date

    @property
    def grows(self) -> bool:
        """The trend is up, and surely so."""
        if self.growth_month is None or self.growth_error is None:
            return False
        return self.growth_month > SURE_ERRORS * self.growth_error

    @property
    def months_to_full(self) -> float | None:
        """Until the peak reaches the rating, were the trend to go on; None: it does not grow surely, or is above it."""
        if not self.grows or not self.growth_month or self.peak >= 1:
            return None
        return (1 - self.peak) / self.growth_month


@dataclass(frozen=True, kw_only=True)
class End:
    """One phase's line ends over some local days. `below`, `above`: shares of the meters' time outside the limits."""

    node_id: int
    phase: str
    days: int
    low_days: int
    below: float
    above: float
    p5_min_v: float | None
    p5_median_v: float | None
    meters: int

    @property
    def outside(self) -> float:
        """Of the meters' time, too low or too high."""
        return self.below + self.above


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """A feeder's interruptions over some local days; `by_cause`: customer microseconds of each cause."""

    node_id: int
    ci: int
    interrupted_us: int
    by_cause: dict[str, int]


def _rows(
    statement: str, first_date: dt.date, last_date: dt.date, **more: dt.date | float
) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"first": first_date, "last": last_date, **more})
        return list(cursor.fetchall())


def uses(first_date: dt.date, last_date: dt.date) -> list[Use]:
    """Transformers with a rating and a day of load in the newest 30 days, the fullest first."""
    found = []
    recent = last_date - dt.timedelta(days=30)
    for row in _rows(_USE, first_date, last_date, recent=recent, complete=COMPLETE):
        node, days, peak, over, mean, slope, sxx, syy, sxy, last = row
        if peak is None:
            continue
        growth, error = _trend(int(days), slope, sxx, syy, sxy)
        found.append(
            Use(
                node_id=int(node),
                days=int(days),
                peak=float(peak),
                mean=float(mean),
                over_days=int(over),
                growth_month=growth,
                growth_error=error,
                last_date=last,
            )
        )
    return sorted(found, key=lambda one: (-one.peak, one.node_id))


def _trend(
    days: int, slope: float | None, sxx: float | None, syy: float | None, sxy: float | None
) -> tuple[float | None, float | None]:
    """(a month, its standard error) of a line through daily values; None: too few days."""
    if days < TREND_DAYS_MIN or slope is None or sxx is None or syy is None or sxy is None or sxx <= 0:
        return None, None
    rest = max(syy - slope * sxy, 0.0)
    return slope * MONTH_DAYS, (rest / (days - 2) / sxx) ** 0.5 * MONTH_DAYS


def ends(first_date: dt.date, last_date: dt.date) -> list[End]:
    """Phases of transformers, the most time outside the limits first."""
    found = []
    for node, phase, days, low, intervals, below, above, least, middle, meters in _rows(_ENDS, first_date, last_date):
        found.append(
            End(
                node_id=int(node),
                phase=str(phase),
                days=int(days),
                low_days=int(low),
                below=int(below) / int(intervals),
                above=int(above) / int(intervals),
                p5_min_v=least,
                p5_median_v=middle,
                meters=int(meters),
            )
        )
    return sorted(found, key=lambda one: (-one.outside, one.p5_min_v or 1e9, one.node_id))


def contributions(first_date: dt.date, last_date: dt.date) -> list[Contribution]:
    """Feeders with an interruption of a customer, the most customer time first."""
    sums: dict[int, tuple[int, dict[str, int]]] = {}
    for node, cause, ci, us in _rows(_FEEDERS, first_date, last_date):
        known, causes = sums.get(int(node), (0, {}))
        causes[str(cause)] = causes.get(str(cause), 0) + int(us)
        sums[int(node)] = (known + int(ci), causes)
    found = [
        Contribution(node_id=node, ci=ci, interrupted_us=sum(causes.values()), by_cause=causes)
        for node, (ci, causes) in sums.items()
    ]
    return sorted(found, key=lambda one: (-one.interrupted_us, one.node_id))
