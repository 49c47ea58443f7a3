# SPDX-License-Identifier: Apache-2.0
"""A customer's load as watts for each hour of a day, or lived, no quarter-hour as another: exact integers in both directions.

Instants are microseconds since a local midnight, energy is in W x us (3,600,000 of them are one mWh), so that neither
asking "how much until then" nor "when is so much used" ever rounds away energy.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate, pairwise

HOUR_US = 3_600_000_000
QUARTER_US = HOUR_US // 4
DAY_US = 24 * HOUR_US
WUS_PER_MWH = 3_600_000


class Curve:
    """24 hourly watts, each above zero: energy then grows strictly, and each amount has one instant."""

    def __init__(self, hourly_w: tuple[int, ...]) -> None:
        if len(hourly_w) != 24 or min(hourly_w) <= 0:
            raise ValueError("A load curve has 24 hours, each above 0 W.")
        self._hourly_w = hourly_w
        self._edges = (0, *accumulate(watts * HOUR_US for watts in hourly_w))

    def used(self, at_us: int) -> int:
        """Energy from the first midnight to this instant, in W x us; before it, negative."""
        days, rest = divmod(at_us, DAY_US)
        hour, into = divmod(rest, HOUR_US)
        return days * self._edges[-1] + self._edges[hour] + self._hourly_w[hour] * into

    def instant(self, energy_wus: int) -> int:
        """The first microsecond at which so much has been used: the inverse of `used`, rounded up."""
        days, rest = divmod(energy_wus, self._edges[-1])
        if rest == 0:
            return days * DAY_US
        hour = bisect_left(self._edges, rest) - 1
        into = -(-(rest - self._edges[hour]) // self._hourly_w[hour])
        return days * DAY_US + hour * HOUR_US + into

    def used_mwh(self, at_us: int) -> int:
        """Whole mWh used until this instant."""
        return self.used(at_us) // WUS_PER_MWH

    def instant_of_mwh(self, energy_mwh: int) -> int:
        """The first microsecond at which `used_mwh` is at least this."""
        return self.instant(energy_mwh * WUS_PER_MWH)


@dataclass(frozen=True, slots=True)
class Habit:
    """
    How somebody strays from his mean day. `name` is what the draws are made of; `days` and `quarters`: by how many permille at
    most a day, or a quarter of an hour, lies off; `limit_w`: what the mean of a quarter keeps near, as his limiter makes him.
    """

    name: str
    days: int
    quarters: int
    limit_w: int


class LivedCurve(Curve):
    """
    A mean day as it is lived: the week's energy is exactly that of seven mean days, and lies on its days and quarters of an
    hour as the habit draws them, more at the weekend. `hourly_w` of LEAST_W or more, so that energy grows strictly.
    """

    LEAST_W = 15
    _KEPT_DAYS = 16
    # A kettle, an iron, a cooker: one quarter in eleven takes up to so many times more than a quiet one.
    _QUIET_OF_256, _BURST = 232, 60
    _WEEKEND = 80

    def __init__(self, hourly_w: tuple[int, ...], habit: Habit) -> None:
        super().__init__(hourly_w)
        if min(hourly_w) < self.LEAST_W or not 0 <= habit.days <= 400 or not 0 <= habit.quarters <= 500:
            raise ValueError(
                f"A lived curve has {self.LEAST_W} W or more, and a habit that leaves some of it to each day."
            )
        self._habit = habit
        self._week = 7 * 4 * sum(hourly_w)  # in W x quarters of an hour, as all sums here
        self._weeks: dict[int, tuple[int, ...]] = {}
        self._days: dict[int, tuple[int, ...]] = {}

    def used(self, at_us: int) -> int:
        """See Curve."""
        day, rest = divmod(at_us, DAY_US)
        week, weekday = divmod(day, 7)
        quarter, into = divmod(rest, QUARTER_US)
        edges = self._day_edges(day)
        whole = week * self._week + self._week_edges(week)[weekday] + edges[quarter]
        return whole * QUARTER_US + (edges[quarter + 1] - edges[quarter]) * into

    def instant(self, energy_wus: int) -> int:
        """See Curve."""
        week, rest = divmod(energy_wus, self._week * QUARTER_US)
        if rest == 0:
            return week * 7 * DAY_US
        quarters = -(-rest // QUARTER_US)
        weekday = bisect_left(self._week_edges(week), quarters) - 1
        rest -= self._week_edges(week)[weekday] * QUARTER_US
        edges = self._day_edges(week * 7 + weekday)
        quarter = bisect_left(edges, -(-rest // QUARTER_US)) - 1
        into = -(-(rest - edges[quarter] * QUARTER_US) // (edges[quarter + 1] - edges[quarter]))
        return (week * 7 + weekday) * DAY_US + quarter * QUARTER_US + into

    def quarters_w(self, day: int) -> tuple[int, ...]:
        """The 96 watts of a day, counted from the first midnight."""
        edges = self._day_edges(day)
        return tuple(after - before for before, after in pairwise(edges))

    def _week_edges(self, week: int) -> tuple[int, ...]:
        if week not in self._weeks:
            drawn = self._drawn(f"week {week}", 7)
            weights = [1000 + (byte - 128) * self._habit.days // 128 for byte in drawn]
            if self._habit.days > self._WEEKEND:  # who never changes has no weekend either
                weights[5:] = [weight + self._WEEKEND for weight in weights[5:]]
            self._keep(self._weeks, week, _shared(self._week, weights))
        return self._weeks[week]

    def _day_edges(self, day: int) -> tuple[int, ...]:
        if day not in self._days:
            week, weekday = divmod(day, 7)
            edges = self._week_edges(week)
            drawn = self._drawn(f"day {day}", 97)
            shift = drawn[96] % 5 - 2  # early today, or late
            weights = [self._weight(drawn[q], self._hourly_w[(q - shift) % 96 // 4]) for q in range(96)]
            # One watt for each quarter first: energy grows always.
            shared = _shared(edges[weekday + 1] - edges[weekday] - 96, weights)
            self._keep(self._days, day, tuple(edge + number for number, edge in enumerate(shared)))
        return self._days[day]

    def _weight(self, byte: int, watts: int) -> int:
        most = self._habit.quarters
        factor = 1000 + (byte % 128 - 64) * most // 64
        if byte >= self._QUIET_OF_256:
            factor += (byte - self._QUIET_OF_256 + 12) * self._BURST * most // 500
        return max(1, min(watts * factor, self._habit.limit_w * 1000))

    def _drawn(self, what: str, octets: int) -> bytes:
        name = f"duaarah load {self._habit.name} {what}".encode()
        return b"".join(
            hashlib.blake2b(name, digest_size=64, salt=bytes([number])).digest() for number in range(-(-octets // 64))
        )[:octets]

    def _keep(self, kept: dict[int, tuple[int, ...]], number: int, edges: tuple[int, ...]) -> None:
        if len(kept) >= self._KEPT_DAYS:
            del kept[next(iter(kept))]
        kept[number] = edges


def _shared(total: int, weights: list[int]) -> tuple[int, ...]:
    """The edges from 0 to `total` that share it out by weight, in whole numbers."""
    sums = (0, *accumulate(weights))
    return tuple(total * part // sums[-1] for part in sums)
