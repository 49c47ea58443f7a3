# SPDX-License-Identifier: Apache-2.0
"""
The non-technical part of a transformer's loss, with an interval in which it lies four times of five.

One linear model of the day's residual (input less metered less technical by physics):

    residual = no-load error x hours + gain x input + scale x lines' loss + stolen + noise

Its three unknowns have a prior each: the name plate's doubt, the error classes of the total meter (0.5S) and of the
customers' meters (1), the doubt of the drops. A clean period (nothing stolen) sharpens them; without one the priors
speak. What the days under question have above the model's answer is non-technical. Its variance has three parts: the
model's own, the days' noise, and the customers' meters: a gain fitted while some used more than others is a little wrong
when others do. Floats: nothing here is billed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from duaarah.core.losses.panel import HOUR_S, Array, Hours
from duaarah.core.losses.technical import DROP_DOUBT, USUAL_LINES_DOUBT, Plate, transformer_loss_wh

# Half of a class is taken as one standard deviation: makers adjust to well within the limit.
TOTAL_GAIN_SD, METER_GAIN_SD = 0.0025, 0.005
# Days' noise (share of the day's input) until days have shown their own, and how many days that belief weighs.
USUAL_NOISE, USUAL_NOISE_DAYS = 0.0010, 1.0
# Where nothing was learned the spread comes from the classes and the name plate, which are known: nearly the normal's.
PRIOR_FREEDOM = 30.0
# What a day repeats of the one before (weather at the meters), until days have shown their own; how much that weighs.
USUAL_MEMORY, MEMORY_DAYS, MEMORY_MAX = 0.5, 5.0, 0.85
ROUNDS = 4
DAY_HOURS_MIN = 12
# Student's t at 90 % for 1 ... 10 degrees of freedom, then the normal's with a correction.
_T90 = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372)
NORMAL_90 = 1.2816


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    Wh over the days asked. Each part with the ends of its 80 % interval; `noise_wh`: the part's standard deviation.
    `clean_days`: how many days the model learned from; 0: priors alone.
    """

    input_wh: float
    sold_wh: float
    technical_wh: float
    technical_low_wh: float
    technical_high_wh: float
    ntl_wh: float
    ntl_low_wh: float
    ntl_high_wh: float
    sd_wh: float
    clean_days: int


@dataclass(frozen=True, slots=True)
class LossModel:
    """
    What was learned of a transformer: `mean` (3,) and `covariance` (3, 3) of no-load error (W), gain, lines' scale; `noise`
    of a day (share of its input), and `memory`: how much of it the next day repeats, 0 to MEMORY_MAX.
    """

    plate: Plate
    mean: Array
    covariance: Array
    noise: float
    freedom: float
    clean_share: Array | None
    clean_days: int
    memory: float = 0.0


@dataclass(frozen=True, slots=True)
class Days:
    """Sums of the usable hours of each day. `energy_wh` (days, meters)."""

    day: Array
    hours: Array
    total_wh: Array
    lines_wh: Array
    plate_wh: Array
    energy_wh: Array

    @property
    def residual_wh(self) -> Array:
        return np.asarray(self.total_wh - self.energy_wh.sum(axis=1) - self.plate_wh - self.lines_wh)

    @property
    def design(self) -> Array:
        return np.column_stack([self.hours, self.total_wh, self.lines_wh])


def days_of(hours: Hours, plate: Plate) -> Days:
    """Days with half of their hours or more; an hour in which a meter is unknown is left out with all its parts."""
    part = hours.part(hours.use)
    days, place = np.unique(part.day, return_inverse=True)
    fixed = transformer_loss_wh(part.total_wh, HOUR_S, plate)

    def summed(values: Array) -> Array:
        out = np.zeros((len(days), *values.shape[1:]))
        np.add.at(out, place, values)
        return out

    count = np.bincount(place, minlength=len(days)).astype(np.float64)
    keep = count >= DAY_HOURS_MIN
    return Days(
        day=days[keep].astype(np.float64),
        hours=count[keep],
        total_wh=summed(part.total_wh)[keep],
        lines_wh=summed(part.lines_wh)[keep],
        plate_wh=summed(fixed)[keep],
        energy_wh=summed(part.energy_wh)[keep],
    )


def _prior(plate: Plate, meters: int, lines_known: bool, share: Array | None) -> tuple[Array, Array]:
    squares = float((share**2).sum()) if share is not None and share.sum() > 0 else 1.0 / max(meters, 1)
    gain_sd = float(np.hypot(TOTAL_GAIN_SD, METER_GAIN_SD * np.sqrt(squares)))
    lines_sd = DROP_DOUBT if lines_known else USUAL_LINES_DOUBT
    return np.zeros(3), np.array([plate.doubt * plate.no_load_w, gain_sd, lines_sd])


def learn(hours: Hours, plate: Plate) -> LossModel:
    """The model after a clean period; of no hours at all: the priors."""
    days = days_of(hours, plate) if hours.use.any() else None
    meters = hours.energy_wh.shape[1]
    n = len(days.day) if days is not None else 0
    if days is None or n < 2:
        mean, sd = _prior(plate, meters, hours.lines_known, None)
        return LossModel(plate, mean, np.diag(sd**2), USUAL_NOISE, PRIOR_FREEDOM, None, 0)
    energy = days.energy_wh.sum(axis=0)
    share = energy / energy.sum() if energy.sum() > 0 else None
    mean, sd = _prior(plate, meters, hours.lines_known, share)
    scale = days.total_wh.mean()
    noise = USUAL_NOISE * scale
    design, residual = days.design, days.residual_wh
    memory = 0.0
    # Some rounds: noise and memory are learned from the former fit's residuals, with a belief worth a few days.
    for _ in range(ROUNDS):
        spread = noise**2 * longer(n, memory)
        precision = np.diag(1 / sd**2) + design.T @ design / spread
        covariance = np.linalg.inv(precision)
        mean = covariance @ (design.T @ residual / spread)
        left = residual - design @ mean
        used = float(np.trace(covariance @ (design.T @ design)) / spread)
        belief = USUAL_NOISE_DAYS * (USUAL_NOISE * scale) ** 2
        freedom = max(n - used, 1.0) + USUAL_NOISE_DAYS
        noise = float(np.sqrt(((left**2).sum() + belief) / freedom))
        memory = memory_of(left)
    return LossModel(plate, mean, covariance, noise / scale, freedom / longer(n, memory) ** 0.5, share, n, memory)


def memory_of(left: Array) -> float:
    """
    How much of a day's residual the next day repeats (n,), 0 to MEMORY_MAX. Few days tell it badly and too small; the usual
    correction for that is made, and a belief weighs as much as some days.
    """
    n, squares = len(left), float((left**2).sum())
    if n < 4 or squares <= 0:
        return USUAL_MEMORY
    told = float((left[1:] * left[:-1]).sum()) / squares
    told = (told + 1 / n) / (1 - 3 / n) if n > 6 else told
    return float(np.clip((n * told + MEMORY_DAYS * USUAL_MEMORY) / (n + MEMORY_DAYS), 0.0, MEMORY_MAX))


def longer(days: int, memory: float) -> float:
    """By how much the variance of a sum of so many days is greater than if each were by itself."""
    step = np.arange(1, days)
    return float(1 + 2 * ((1 - step / max(days, 1)) * memory**step).sum())


def quantile_90(freedom: float) -> float:
    """Student's t, one-sided 90 %: the half-width of an 80 % interval in standard deviations."""
    if freedom <= len(_T90):
        return _T90[max(round(freedom), 1) - 1]
    return NORMAL_90 * (1 + 0.66 / freedom)


def estimate(hours: Hours, model: LossModel) -> Estimate:
    """Technical and non-technical loss of these hours, scaled to all hours of their days where a few are unknown."""
    days = days_of(hours, model.plate)
    if not len(days.day):
        nan = float("nan")
        return Estimate(0.0, 0.0, nan, nan, nan, nan, nan, nan, nan, model.clean_days)
    total, energy = float(days.total_wh.sum()), days.energy_wh.sum(axis=0)
    row = days.design.sum(axis=0)
    ntl = float(days.residual_wh.sum() - row @ model.mean)
    noise = (model.noise**2 * days.total_wh**2).sum() * longer(len(days.day), model.memory)
    mix = _mix_variance(energy, total, model)
    sd = float(np.sqrt(row @ model.covariance @ row + noise + mix))
    physics = np.array([row[0], 0.0, row[2]])
    technical = float(days.plate_wh.sum() + days.lines_wh.sum() + physics @ model.mean)
    technical_sd = float(np.sqrt(physics @ model.covariance @ physics))
    # The load loss of the name plate is doubted as much as its no-load loss.
    load_loss = float(days.plate_wh.sum() - model.plate.no_load_w * days.hours.sum())
    technical_sd = float(np.hypot(technical_sd, model.plate.doubt * load_loss))
    if not model.clean_days:
        sd = float(np.hypot(sd, model.plate.doubt * load_loss))
    scale = float(hours.total_wh[np.isfinite(hours.total_wh)].sum()) / total if total > 0 else 1.0
    width = quantile_90(model.freedom)
    return Estimate(
        input_wh=total * scale,
        sold_wh=float(energy.sum()) * scale,
        technical_wh=technical * scale,
        technical_low_wh=(technical - NORMAL_90 * technical_sd) * scale,
        technical_high_wh=(technical + NORMAL_90 * technical_sd) * scale,
        ntl_wh=ntl * scale,
        ntl_low_wh=(ntl - width * sd) * scale,
        ntl_high_wh=(ntl + width * sd) * scale,
        sd_wh=sd * scale,
        clean_days=model.clean_days,
    )


def _mix_variance(energy_wh: Array, total: float, model: LossModel) -> float:
    """Customers' gains that the fitted gain does not hold, because another mix of customers used the energy_wh."""
    if model.clean_share is None or model.clean_share.shape != energy_wh.shape:
        return 0.0
    return float(METER_GAIN_SD**2 * ((energy_wh - model.clean_share * energy_wh.sum()) ** 2).sum())


def daily_ntl(hours: Hours, model: LossModel) -> tuple[Array, Array, Array]:
    """Days, what each has above the model (Wh), and its standard deviation without the part that all days share."""
    days = days_of(hours, model.plate)
    above = days.residual_wh - days.design @ model.mean
    return days.day, np.asarray(above), np.asarray(model.noise * days.total_wh)
