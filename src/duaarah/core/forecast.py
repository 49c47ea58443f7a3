# SPDX-License-Identifier: Apache-2.0
"""
Days left: how long a credit lasts at a meter's own pace, with a band in which the end lies four times of five.

The pace is an exponential average of the daily use (half-life 7 days), each day weighed by its weekday's factor.
A factor is the weekday's own average against all days', drawn towards 1 as long as few such days were seen. A day that
is excluded (outage, open relay, no reading) teaches nothing; it only passes. The band comes from the meter's own past:
how much longer or shorter its credit would have lasted than was said then. As long as that past is short, a usual
spread stands in for it. Floats: nothing here is sold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HALF_LIFE_DAYS = 7.0
WEEKDAY_HALF_LIFE_DAYS = 120.0
# So many days' worth of doubt stand against what a weekday has shown, even where all Sundays were alike; and at most.
WEEKDAY_DOUBT, WEEKDAY_DOUBT_MAX = 1.0, 40.0
WEEKDAY_FACTOR_MIN, WEEKDAY_FACTOR_MAX = 0.02, 5.0
_FADES, _FADES_SLOWLY = 0.5 ** (1 / HALF_LIFE_DAYS), 0.5 ** (1 / WEEKDAY_HALF_LIFE_DAYS)
# Less than a milliwatt-hour a day: no meter resolves it, and nothing could be said of its end.
NO_USE_KWH = 1e-6
# The usual spread of a household, as the standard deviation of a logarithm: of one day, and of the pace itself.
USUAL_DAY, USUAL_PACE = 0.35, 0.16
SPREAD_DOUBT = 3.0
NORMAL_80 = 1.2816
SHARE_LOW, SHARE_HIGH = 0.1, 0.9
HORIZON_MAX_DAYS = 28
ERRORS_MIN = 8
RATIO_MIN, RATIO_MAX = 0.2, 5.0
WEEK = 7
DAYS_MAX, KWH_MAX = 10_000, 1e9
# What lies longer back says nothing more of the pace, and only a little of the weekdays.
HISTORY_DAYS = 120
# A day's notice, where days are looked at once a day: who is warned a day later has none. The quarter is for those whose
# use leaves the band (`bench forecast` says how many are missed).
NOTICE_DAYS = 2.25


class ForecastError(ValueError):
    """What was given is no series of daily use, no weekday or no credit."""

    code = "bad_request"
    retryable = False


@dataclass(frozen=True, slots=True)
class DaysLeft:
    """Days from the end of the last day, and the band around them: `low <= days_left <= high`. All None: no use."""

    days_left: float | None
    low: float | None
    high: float | None


NOTHING = DaysLeft(None, None, None)


class Pace:
    """A meter's use, learnt day by day: `learn` each day in order, then ask what a weekday is expected to take."""

    __slots__ = ("_by_weekday", "_factors", "_level", "_weight")

    def __init__(self) -> None:
        self._level = self._weight = 0.0
        # Of each weekday: how many days were seen, their sum, the sum of their squares; all of them fading.
        self._by_weekday = [[0.0, 0.0, 0.0] for _ in range(WEEK)]
        self._factors = [1.0] * WEEK

    def learn(self, used_kwh: float | None, weekday: int) -> None:
        """One day more; None: excluded, it only passes."""
        self._level *= _FADES
        self._weight *= _FADES
        for sums in self._by_weekday:
            sums[0] *= _FADES_SLOWLY
            sums[1] *= _FADES_SLOWLY
            sums[2] *= _FADES_SLOWLY
        if used_kwh is None:
            return
        sums = self._by_weekday[weekday]
        sums[0] += 1
        sums[1] += used_kwh
        sums[2] += used_kwh * used_kwh
        self._factors = _factors(self._by_weekday)
        # The sum of what was used over the sum of what was expected of an average pace: a weekday on which a shop is
        # closed moves it no more than it should.
        self._level += used_kwh
        self._weight += self._factors[weekday]

    def factor(self, weekday: int) -> float:
        """What this weekday (0 = Monday) takes against the average day."""
        return self._factors[weekday]

    def expected_kwh(self, weekday: int) -> float | None:
        """What a day of this weekday is expected to take; None as long as no use is known."""
        if self._weight <= 0 or self._level / self._weight < NO_USE_KWH:
            return None
        return self._level / self._weight * self._factors[weekday]

    def week_kwh(self, first_weekday: int) -> list[float] | None:
        """The next seven days, of which the first is `first_weekday`; None as long as no use is known."""
        level = self.expected_kwh(0)
        if level is None:
            return None
        level /= self._factors[0]
        return [level * self._factors[(first_weekday + day) % WEEK] for day in range(WEEK)]


def _factors(by_weekday: Sequence[Sequence[float]]) -> list[float]:
    """
    Each weekday's average against all days', drawn towards 1.

    How far follows from the days themselves (empirical Bayes): the more days of one weekday differ from each other, and
    the less the weekdays do, the more of them it takes to believe in a difference.
    """
    days, used, squares = (sum(sums[part] for sums in by_weekday) for part in range(3))
    if used <= 0:
        return [1.0] * WEEK
    mean = used / days
    explained = sum(sums[1] * sums[1] / sums[0] for sums in by_weekday if sums[0] > 0)
    seen = sum(1 for sums in by_weekday if sums[0] > 0)
    doubt = WEEKDAY_DOUBT_MAX
    if days > seen + 1:
        within = max(squares - explained, 0.0) / (days - seen)
        between = (explained - days * mean * mean) / days - within * (seen - 1) / days
        if between * WEEKDAY_DOUBT_MAX > within:
            doubt = within / between
    doubt += WEEKDAY_DOUBT
    return [
        min(max((sums[1] + doubt * mean) / (sums[0] + doubt) / mean, WEEKDAY_FACTOR_MIN), WEEKDAY_FACTOR_MAX)
        for sums in by_weekday
    ]


def days_left(
    *, daily_kwh: Sequence[float | None], weekday_of_first: int, credit_kwh: float, day_gone: float = 0.0
) -> DaysLeft:
    """
    How long `credit_kwh` lasts from the end of the last day, and its 80 % band.

    `daily_kwh` is oldest first, None an excluded day; `weekday_of_first` 0 = Monday. All None when no use is known.
    `day_gone` (0 to 1) is how much of the day after the last one has passed when the credit was read; days count from then.

    Raises:
        ForecastError: a number that is no use of a day, no weekday or no credit (`bad_request`).
    """
    _check(daily_kwh, weekday_of_first, credit_kwh)
    pace, weeks = Pace(), []
    for number, used in enumerate(daily_kwh):
        weekday = (weekday_of_first + number) % WEEK
        weeks.append(pace.week_kwh(weekday))
        pace.learn(used, weekday)
    week = pace.week_kwh((weekday_of_first + len(daily_kwh)) % WEEK)
    if week is None:
        return NOTHING
    if credit_kwh <= 0:
        return DaysLeft(0.0, 0.0, 0.0)
    middle = lasts(credit_kwh, week, day_gone)
    horizon = min(max(round(middle), 1), HORIZON_MAX_DAYS)
    least, most = _band(_errors(daily_kwh, weeks, horizon), horizon)
    # Use that is `most` times what was expected ends the credit sooner.
    low, high = (lasts(credit_kwh / times, week, day_gone) for times in (most, least))
    return DaysLeft(middle, min(middle, low), max(middle, high))


def needs_notice(found: DaysLeft) -> bool:
    """Whether the credit may end before another look a day later could still give a day's notice."""
    return found.low is not None and found.low < NOTICE_DAYS


def lasts(credit_kwh: float, week_kwh: Sequence[float], day_gone: float = 0.0) -> float:
    """Days that a credit lasts when the use of these seven days repeats; within a day, use is even."""
    whole, left = divmod(credit_kwh + day_gone * week_kwh[0], sum(week_kwh))
    for day, used in enumerate(week_kwh):
        if left < used:
            return max(WEEK * whole + day + left / used - day_gone, 0.0)
        left -= used
    return WEEK * (whole + 1) - day_gone


def _errors(daily_kwh: Sequence[float | None], weeks: Sequence[list[float] | None], horizon: int) -> list[float]:
    """
    What was used over what was expected then, of every span of `horizon` days in the past; logarithms.

    A span with excluded days counts by the days that were told, at least half of them.
    """
    found = []
    for first in range(len(daily_kwh) - horizon + 1):
        week = weeks[first]
        if week is None:
            continue
        used, expected, told = 0.0, 0.0, 0
        for day in range(horizon):
            value = daily_kwh[first + day]
            if value is not None:
                used, expected, told = used + value, expected + week[day % WEEK], told + 1
        if 2 * told >= horizon and expected > 0:
            found.append(math.log(min(max(used / expected, RATIO_MIN), RATIO_MAX)))
    return found


def _band(errors: Sequence[float], horizon: int) -> tuple[float, float]:
    """Between which multiples of the expected use the use will lie, four times of five; never both on one side of 1."""
    usual = NORMAL_80 * math.hypot(USUAL_PACE, USUAL_DAY / math.sqrt(horizon))
    low, high = -usual, usual
    if len(errors) >= ERRORS_MIN:
        # Spans overlap: two that share most of their days say little more than one.
        apart = len(errors) / horizon
        trust = apart / (apart + SPREAD_DOUBT)
        low = (1 - trust) * low + trust * _quantile(errors, SHARE_LOW)
        high = (1 - trust) * high + trust * _quantile(errors, SHARE_HIGH)
    return math.exp(min(low, 0.0)), math.exp(max(high, 0.0))


def _quantile(values: Sequence[float], share: float) -> float:
    """The share-quantile, between two neighbours linearly."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def _check(daily_kwh: Sequence[float | None], weekday_of_first: int, credit_kwh: float) -> None:
    if not 0 <= weekday_of_first < WEEK:
        raise ForecastError("weekday_of_first is 0 (Monday) to 6 (Sunday).")
    if len(daily_kwh) > DAYS_MAX:
        raise ForecastError(f"At most {DAYS_MAX} days.")
    if any(used is not None and not 0 <= used <= KWH_MAX for used in daily_kwh):
        raise ForecastError("A day's use is null or a number of kWh that is not negative.")
    if not -KWH_MAX <= credit_kwh <= KWH_MAX:
        raise ForecastError("credit_kwh is a number of kWh.")
