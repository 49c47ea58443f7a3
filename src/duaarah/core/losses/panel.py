# SPDX-License-Identifier: Apache-2.0
"""
One transformer's readings on one grid of time, and what is made of them before anything is weighed: gaps that a register
spans are filled so that their energy is exact, and intervals become hours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
DAY_S, HOUR_S = 86_400, 3_600


class LossError(ValueError):
    """What was given is no transformer's readings."""

    code = "bad_request"
    retryable = False


@dataclass(frozen=True, slots=True)
class Panel:
    """
    Customers' meters and the total of one transformer. `end_s` (steps,): interval ends in UTC seconds, equally spaced by
    `period_s`. `energy_wh`, `register_wh`, `voltage_v` (steps, meters); `total_wh`, `busbar_v` (steps,): what flowed in
    (several total meters summed) and the voltage at the transformer's low-voltage side. NaN: absent. `offset_s`: local
    time minus UTC, for day and night.
    """

    end_s: Ints
    period_s: int
    meter_ids: tuple[int, ...]
    energy_wh: Array
    register_wh: Array
    voltage_v: Array
    total_wh: Array
    busbar_v: Array
    offset_s: int = 7 * HOUR_S

    def __post_init__(self) -> None:
        steps, meters = len(self.end_s), len(self.meter_ids)
        wide = (self.energy_wh, self.register_wh, self.voltage_v)
        if any(a.shape != (steps, meters) for a in wide) or any(
            a.shape != (steps,) for a in (self.total_wh, self.busbar_v)
        ):
            raise LossError(f"readings of {meters} meters over {steps} intervals have another shape")
        if self.period_s <= 0 or HOUR_S % self.period_s:
            raise LossError(f"intervals of {self.period_s} s do not make up hours")
        if steps > 1 and bool((np.diff(self.end_s) != self.period_s).any()):
            raise LossError("intervals are not equally spaced")

    def days(self) -> Ints:
        """The local day (days since 1970) of each interval: that of its begin."""
        return (self.end_s - self.period_s + self.offset_s) // DAY_S

    def span(self, first: int, last: int) -> Panel:
        """The local days `first` to `last`, both within."""
        days = self.days()
        return self.rows((days >= first) & (days <= last))

    def rows(self, keep: Flags) -> Panel:
        """The intervals that are kept; they must follow one another."""
        return replace(
            self,
            end_s=self.end_s[keep],
            energy_wh=self.energy_wh[keep],
            register_wh=self.register_wh[keep],
            voltage_v=self.voltage_v[keep],
            total_wh=self.total_wh[keep],
            busbar_v=self.busbar_v[keep],
        )

    def without(self, meter_ids: set[int]) -> Panel:
        """Without these meters: they hang elsewhere."""
        keep = np.array([m not in meter_ids for m in self.meter_ids], dtype=bool)
        return replace(
            self,
            meter_ids=tuple(m for m in self.meter_ids if m not in meter_ids),
            energy_wh=self.energy_wh[:, keep],
            register_wh=self.register_wh[:, keep],
            voltage_v=self.voltage_v[:, keep],
        )

    def joined(self, other: Panel, meter_ids: set[int]) -> Panel:
        """With these meters of another transformer's panel on the same grid of time: they hang here."""
        if not np.array_equal(self.end_s, other.end_s):
            raise LossError("two panels are on different grids of time")
        taken = [i for i, m in enumerate(other.meter_ids) if m in meter_ids]
        return replace(
            self,
            meter_ids=self.meter_ids + tuple(other.meter_ids[i] for i in taken),
            energy_wh=np.hstack([self.energy_wh, other.energy_wh[:, taken]]),
            register_wh=np.hstack([self.register_wh, other.register_wh[:, taken]]),
            voltage_v=np.hstack([self.voltage_v, other.voltage_v[:, taken]]),
        )


@dataclass(frozen=True, slots=True)
class Hours:
    """
    A panel by the hour. `energy_wh` (hours, meters) with gaps filled; `total_wh`, `lines_wh` (hours,); `day`, `hour`
    local. `use` marks the hours in which everything is known. `lines_known`: the lines' loss comes from measured drops.
    """

    day: Ints
    hour: Ints
    energy_wh: Array
    total_wh: Array
    lines_wh: Array
    use: Flags
    lines_known: bool
    meter_ids: tuple[int, ...]
    measured: Flags = None  # type: ignore[assignment]

    def part(self, keep: Flags) -> Hours:
        """Only these hours."""
        return replace(
            self,
            day=self.day[keep],
            hour=self.hour[keep],
            energy_wh=self.energy_wh[keep],
            total_wh=self.total_wh[keep],
            lines_wh=self.lines_wh[keep],
            use=self.use[keep],
            measured=self.measured[keep],
        )

    @property
    def sold_wh(self) -> Array:
        return np.asarray(self.energy_wh.sum(axis=1))


def fill_gaps(energy_wh: Array, register_wh: Array, slot: Ints) -> Array:
    """
    Energy (steps, meters) in which a gap between two register readings holds just their difference, spread as the meter's
    own mean day goes (`slot`: which part of the day an interval is). A gap without a register at its end, or over which
    the register fell, takes the mean day as it is. A meter that was never read stays NaN.
    """
    energy = energy_wh.copy()
    for m in range(energy.shape[1]):
        column = energy[:, m]
        gap = np.isnan(column)
        if not gap.any() or gap.all():
            continue
        usual = _mean_day(column, slot)
        edges = np.flatnonzero(np.diff(np.r_[False, gap, False].astype(np.int8)))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            guess = usual[begin:end]
            # The register after the gap, less what the first interval after it used, less the register before.
            if begin > 0 and end < len(column):
                known = register_wh[end, m] - column[end] - register_wh[begin - 1, m]
                if np.isfinite(known) and known >= 0:
                    total = guess.sum()
                    guess = guess * (known / total) if total > 0 else np.full(end - begin, known / (end - begin))
            column[begin:end] = guess
    return energy


def _mean_day(column: Array, slot: Ints) -> Array:
    known = np.isfinite(column)
    slots = int(slot.max()) + 1
    count = np.bincount(slot[known], minlength=slots)
    total = np.bincount(slot[known], weights=column[known], minlength=slots)
    mean = np.where(count > 0, total / np.maximum(count, 1), column[known].mean())
    return np.asarray(mean[slot])


def hours_of(panel: Panel, lines_wh: Array, *, lines_known: bool) -> Hours:
    """Whole hours of a panel; `lines_wh` (steps,) is the loss of the lines an interval (see `technical.lines_loss_wh`)."""
    local = panel.end_s - panel.period_s + panel.offset_s
    energy = fill_gaps(panel.energy_wh, panel.register_wh, (local % DAY_S) // panel.period_s)
    per_hour = HOUR_S // panel.period_s
    index = local // HOUR_S
    first, count = int(index[0]), int(index[-1] - index[0]) + 1
    place = index - first

    def summed(values: Array) -> Array:
        out = np.zeros((count, *values.shape[1:]))
        np.add.at(out, place, values)
        return out

    whole = np.bincount(place, minlength=count) == per_hour
    total, lines = summed(panel.total_wh), summed(np.nan_to_num(lines_wh))
    sums = summed(energy)
    hour_index = first + np.arange(count)
    never = np.isnan(energy).all(axis=0)
    sums[:, never] = 0.0
    use = whole & np.isfinite(total) & np.isfinite(sums).all(axis=1)
    return Hours(
        day=hour_index // 24,
        hour=hour_index % 24,
        energy_wh=sums,
        total_wh=total,
        lines_wh=lines,
        use=use,
        lines_known=lines_known,
        meter_ids=panel.meter_ids,
        measured=summed(np.isfinite(panel.energy_wh).astype(np.float64)) > 0,
    )
