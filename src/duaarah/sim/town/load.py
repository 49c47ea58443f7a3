# SPDX-License-Identifier: Apache-2.0
"""A customer's load as watts for each hour of a day, the same every day: exact integers in both directions.

Instants are microseconds since a local midnight, energy is in W x us (3,600,000 of them are one mWh), so that neither
asking "how much until then" nor "when is so much used" ever rounds away energy.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

HOUR_US = 3_600_000_000
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
