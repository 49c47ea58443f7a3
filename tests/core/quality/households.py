# SPDX-License-Identifier: Apache-2.0
"""Seeded households for the tests of quality: loads that know nothing of the code under test, meters that count them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from duaarah.core.quality.block import Rows

DAY = 96
PERIOD_S = 900
MONDAY_S = 1_767_571_200 + PERIOD_S  # the end of the first quarter of Monday 5 January 2026, UTC


@dataclass
class Homes:
    """True energies, counted registers (cut to 10 Wh), voltages and currents: (meters, intervals)."""

    energy_wh: np.ndarray
    register_wh: np.ndarray
    voltage_v: np.ndarray
    current_a: np.ndarray
    contracted_va: np.ndarray

    def rows(self, keep: np.ndarray | None = None) -> Rows:
        """As rows; `keep` (meters, intervals): which are told."""
        meters, slots = self.energy_wh.shape
        meter, slot = np.nonzero(np.ones((meters, slots), bool) if keep is None else keep)
        pick = lambda matrix: matrix[meter, slot].copy()  # noqa: E731
        count = len(meter)
        return Rows(
            meter.astype(np.int64),
            (MONDAY_S + slot * PERIOD_S).astype(np.int64),
            pick(self.energy_wh),
            pick(self.register_wh),
            pick(self.voltage_v),
            pick(self.current_a),
            np.zeros(count, np.int32),
            np.ones(count, np.int32),
        )


def homes(seed: int, meters: int, days: int, *, resolution_wh: float = 10.0) -> Homes:
    """Families: a base, a cycling fridge, cooling in the afternoon, an evening peak, weekends; slow moods from day to day."""
    rng = np.random.default_rng(seed)
    slots = days * DAY
    hour = (np.arange(slots) % DAY) / 4
    weekend = (np.arange(slots) // DAY) % 7 >= 5
    va = rng.choice([900.0, 1300.0, 2200.0], meters, p=[0.4, 0.4, 0.2])
    base = rng.uniform(0.06, 0.14, meters)[:, None]
    shift = rng.normal(0, 0.6, meters)[:, None]
    evening = rng.uniform(0.25, 0.5, meters)[:, None] * np.exp(-(((hour - 19.5 - shift + 12) % 24 - 12) ** 2) / 5)
    morning = rng.uniform(0.08, 0.2, meters)[:, None] * np.exp(-((hour - 6 - shift) ** 2) / 2)
    cooling = rng.uniform(0, 0.25, meters)[:, None] * np.exp(-((hour - 14) ** 2) / 8) * (1 + 0.4 * weekend)
    mood = np.exp(rng.normal(0, 0.2, (meters, days))).repeat(DAY, axis=1)
    wobble = np.exp(rng.normal(0, 0.22, (meters, slots)))
    pump = 0.3 * (rng.random((meters, slots)) < 0.03)  # a pump or an iron, now and then, for a part of the quarter
    load = (base + evening + morning + cooling) * mood * wobble + pump * rng.uniform(0.2, 1, (meters, slots))
    watts = np.minimum(load, 0.95) * va[:, None]
    energy = watts / 4
    volts = 219 - 9 * load + rng.normal(0, 1.2, (meters, slots))
    amperes = watts / volts / rng.uniform(0.86, 0.97, meters)[:, None]
    begin = rng.uniform(1e5, 5e6, meters)[:, None]
    exact = begin + np.cumsum(energy, axis=1)
    register = np.floor(exact / resolution_wh) * resolution_wh
    return Homes(energy, register, volts.round(1), amperes.round(3), va)
