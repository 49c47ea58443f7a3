# SPDX-License-Identifier: Apache-2.0
"""Days of readings of many meters, made by a seed: households with an evening peak, volts that fall with the load."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

PERIOD_S = 900
ROWS_A_DAY = 96
FIRST_DATE = dt.date(2026, 1, 5)
# Mean share of the day's load in each hour of the utility's day (WIB), as homes have it.
_HOURS = np.array(
    [55, 50, 48, 48, 55, 85, 110, 105, 85, 80, 82, 90, 98, 95, 92, 95, 105, 130, 180, 195, 185, 160, 110, 70]
)
_WIB_H = 7


def day_of(meters: int, number: int, seed: int, *, first_meter: int = 1) -> pa.Table:
    """
    One UTC day of quarter-hours of `meters` meters, by meter and time: columns `meter_id, ts, period_s, energy_wh, voltage_v,
    current_a, flags`. Energies are whole Wh, volts have one decimal, amperes two, as meters tell them.
    """
    draw = np.random.default_rng([seed, number])
    mean_w = np.random.default_rng(seed).lognormal(5.6, 0.6, meters)
    hour = (np.arange(ROWS_A_DAY) // 4 + _WIB_H) % 24
    shape = _HOURS[hour] / _HOURS.mean()
    noise = draw.gamma(3.0, 1 / 3.0, (meters, ROWS_A_DAY))
    watts = mean_w[:, None] * shape[None, :] * noise
    energy = np.rint(watts / 4)
    volts = np.round(226 - 8 * shape[None, :] * (mean_w[:, None] / 600) - draw.normal(0, 0.8, watts.shape), 1)
    begin_us = int(dt.datetime.combine(FIRST_DATE, dt.time(), dt.UTC).timestamp() + number * 86_400) * 1_000_000
    ts = begin_us + np.arange(ROWS_A_DAY) * PERIOD_S * 1_000_000
    count = meters * ROWS_A_DAY
    return pa.table(
        {
            "meter_id": pa.array(np.repeat(np.arange(first_meter, first_meter + meters), ROWS_A_DAY)),
            "ts": pa.array(np.tile(ts, meters)).cast(pa.timestamp("us", tz="UTC")),
            "period_s": pa.array(np.full(count, PERIOD_S, np.int32)),
            "energy_wh": pa.array(energy.ravel()),
            "voltage_v": pa.array(volts.ravel()),
            "current_a": pa.array(np.round(energy.ravel() * 4 / np.maximum(volts.ravel(), 100), 2)),
            "flags": pa.array(np.zeros(count, np.int32)),
        }
    )


def make_days(meters: int, days: int, seed: int) -> Iterator[tuple[dt.date, pa.Table]]:
    """The days one after another; the same seed gives the same readings."""
    for number in range(days):
        yield FIRST_DATE + dt.timedelta(days=number), day_of(meters, number, seed)
