# SPDX-License-Identifier: Apache-2.0
"""Energy that flows and is not counted: a hook before the meter, or a share that goes around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from duaarah.sim.town.grid.sweep import Array
from duaarah.sim.town.load import DAY_US

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Theft:
    """
    At the service of meter `drn` from town microsecond `from_us` until `to_us` (None: for good). What flows beside the meter
    is `watts` always, and of all that is used there the share `share` (0 <= share < 1): of 1,000 W that the meter counts at a
    share of 0.5, another 1,000 W go around it. Only while the service has supply.
    """

    drn: str
    from_us: int
    to_us: int | None = None
    watts: float = 0.0
    share: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.share < 1 and self.watts >= 0):
            raise ValueError("A theft takes 0 W or more, and a share from 0 to under 1.")
        if self.to_us is not None and self.to_us < self.from_us:
            raise ValueError("A theft does not end before it begins.")

    def unmetered_w(self, metered_w: Array, first_us: int, step_s: int) -> Array:
        """Mean watts beside the meter in steps (steps,) from `first_us`, for what the meter counts in them."""
        step_us = step_s * _US
        begin = first_us + step_us * np.arange(len(metered_w))
        end_us = np.iinfo(np.int64).max // 2 if self.to_us is None else self.to_us
        within = np.clip(np.minimum(begin + step_us, end_us) - np.maximum(begin, self.from_us), 0, step_us) / step_us
        return np.asarray(within * (self.watts + metered_w * (self.share / (1 - self.share))))


def first_us_of(day: int) -> int:
    """Town microseconds of the midnight that begins day number `day` (0: the town's first day)."""
    return day * DAY_US
