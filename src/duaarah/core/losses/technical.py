# SPDX-License-Identifier: Apache-2.0
"""
What a transformer and its lines lose by physics.

Transformer: the no-load loss always, the load loss by the square of the apparent load (both from the name plate). Lines:
each customer's current times the drop between the busbar and his terminals. Over a radial network these products add up
to the lines' loss whatever its shape, neutral and service drop within, so no map of the lines is needed; reactive power
moves the answer by a few percent only. Where voltages are missing, a usual share of the input that grows with the square
of the load stands in for it, with a wide doubt.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from duaarah.core.losses.panel import HOUR_S, Array, Panel

POWER_FACTOR = 0.95
# Of transformers whose test sheet is not known: shares of the rating, and how much they are doubted.
USUAL_NO_LOAD, USUAL_LOAD_LOSS = 0.0025, 0.0135
PLATE_DOUBT, UNKNOWN_PLATE_DOUBT = 0.05, 0.35
# Lines without voltages: a share of the input (at a load that does not vary) and its doubt; with voltages: the doubt left.
USUAL_LINES_SHARE, USUAL_LINES_DOUBT, DROP_DOUBT = 0.02, 0.6, 0.06
# Drops are believed when so many of the intervals have them.
DROPS_MIN = 0.5


@dataclass(frozen=True, slots=True)
class Plate:
    """A transformer's rating (VA), its loss without load and at rated load (W)."""

    rated_va: float
    no_load_w: float
    load_loss_w: float
    known: bool = True

    @property
    def doubt(self) -> float:
        return PLATE_DOUBT if self.known else UNKNOWN_PLATE_DOUBT


def usual_plate(rated_va: float) -> Plate:
    """What transformers of this rating usually lose; doubted more than a test sheet."""
    return Plate(rated_va, USUAL_NO_LOAD * rated_va, USUAL_LOAD_LOSS * rated_va, known=False)


def transformer_loss_wh(input_wh: Array, period_s: int, plate: Plate, *, power_factor: float = POWER_FACTOR) -> Array:
    """Loss of each interval (steps,) at its mean load; NaN where the input is absent."""
    hours = period_s / HOUR_S
    loading = input_wh / hours / power_factor / plate.rated_va
    return np.asarray((plate.no_load_w + plate.load_loss_w * loading**2) * hours)


def busbar_of(panel: Panel) -> tuple[Array, bool]:
    """
    The busbar's voltage, and whether it was measured. Where no total meter tells it, the highest customer's stands in:
    he sits nearest, and the drop to him is lost to the estimate.
    """
    measured = panel.busbar_v
    if np.isfinite(measured).mean() >= DROPS_MIN:
        return measured, True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmax(panel.voltage_v, axis=1) if panel.meter_ids else measured, False


def lines_loss_wh(panel: Panel, plate: Plate | None) -> tuple[Array, bool]:
    """The lines' loss of each interval (steps,) from the measured drops, and whether these are enough to be believed."""
    if not panel.meter_ids:
        return np.zeros(len(panel.end_s)), False
    busbar, measured = busbar_of(panel)
    drop = (busbar[:, None] - panel.voltage_v) / panel.voltage_v
    known = np.isfinite(drop) & np.isfinite(panel.energy_wh)
    if known.mean() < DROPS_MIN:
        return usual_lines_wh(panel.total_wh), False
    each = np.where(known, panel.energy_wh * drop, 0.0)
    energy = np.where(known, panel.energy_wh, 0.0).sum(axis=1)
    # What nobody metered flows through the lines as well, and is taken to lose as the others do.
    share = np.maximum(np.divide(each.sum(axis=1), energy, out=np.zeros(len(energy)), where=energy > 0), 0.0)
    fixed = transformer_loss_wh(panel.total_wh, panel.period_s, plate) if plate else 0.0
    drawn = np.maximum(panel.total_wh - fixed, 0.0) / (1 + share)
    return np.where(np.isfinite(drawn), drawn, np.nansum(panel.energy_wh, axis=1)) * share, measured


def usual_lines_wh(input_wh: Array) -> Array:
    """Lines of which nothing is known: the usual share, by the square of the load."""
    mean = np.nanmean(input_wh) if np.isfinite(input_wh).any() else 0.0
    return USUAL_LINES_SHARE * input_wh**2 / mean if mean > 0 else np.zeros(len(input_wh))
