# SPDX-License-Identifier: Apache-2.0
"""
A small town with known losses: its own truth, made without any code of the platform.

Each transformer has a few lines; customers hang along them, one phase each. Loads are of independent homes (base load with
a cycling fridge, an evening peak, a cooler at night for some, a slow drift of habits). Voltages and line losses come from
a forward/backward sweep per phase with neutral return. Meters have a gain error by their class, registers of 10 Wh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from duaarah.core.losses.panel import Panel
from duaarah.core.losses.technical import Plate

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
# Given the dice and what all draw (steps, meters): what of it no meter counts, and by which mechanism, a column.
Steal = Callable[[np.random.Generator, Array], tuple[Array, dict[int, str]]]
PERIOD_S, STEPS_DAY = 900, 96
FIRST_S = 1_772_150_400  # 2026-02-27 00:00 UTC; local midnight is FIRST_S - 7 h
OFFSET_S = 25_200
RESOLUTION_WH = 10.0


@dataclass
class Truth:
    """What the platform must find out."""

    stolen_wh: Array  # (steps, meters): drawn but not metered
    lines_wh: Array  # (steps,)
    transformer_wh: Array
    thieves: dict[int, str] = field(default_factory=dict)  # column: mechanism


@dataclass
class Feed:
    """One transformer: the panel that the platform sees, and the truth."""

    panel: Panel
    truth: Truth
    plate: Plate
    phases: list[str]
    loads_wh: Array  # (steps, meters), drawn truly


def loads(rng: np.random.Generator, days: int, meters: int) -> Array:
    """Wh of each interval (steps, meters), diversified."""
    steps = days * STEPS_DAY
    hour = (np.arange(steps) % STEPS_DAY) / 4.0
    size = rng.lognormal(0.0, 0.45, meters)
    out = np.empty((steps, meters))
    evening = np.exp(-0.5 * ((hour[:, None] - rng.normal(19.3, 0.8, meters)) / rng.uniform(1.2, 2.4, meters)) ** 2)
    morning = np.exp(-0.5 * ((hour[:, None] - rng.normal(5.8, 0.7, meters)) / 0.9) ** 2)
    night = ((hour[:, None] >= 21.5) | (hour[:, None] < 5.0)) * (rng.random(meters) < 0.35)
    share = rng.dirichlet([4.0, 5.0, 1.5], meters)
    shape = 60 * share[:, 0] + 330 * share[:, 1] * evening + 200 * share[:, 2] * morning + 120 * night
    drift = np.exp(np.cumsum(rng.normal(0.0, 0.03, (days, meters)), axis=0) * 0.5)
    daily = np.exp(rng.normal(0.0, 0.25, (days, meters))) * drift
    noise = rng.gamma(2.0, 0.5, (steps, meters))
    # What is on in one quarter of an hour is mostly on in the next.
    noise[1:] = 0.6 * noise[:-1] + 0.4 * noise[1:]
    fridge = 25.0 * (rng.random((steps, meters)) < 0.4)
    out[:] = size * (shape * noise * np.repeat(daily, STEPS_DAY, axis=0) + fridge)
    return out


def sweep(
    loads_wh: Array,
    phase: Ints,
    line: Ints,
    order: Array,
    source_v: Array,
    rated_va: float,
    r_ohm: float,
) -> tuple[Array, Array, Array]:
    """Voltages (steps, meters), busbar (steps, 3) and line losses (steps,). Segments of `r_ohm`, neutral the same."""
    watts = loads_wh * 4.0
    steps, meters = watts.shape
    volts = np.full((steps, meters), 228.0)
    loss = np.zeros(steps)
    phase_w = np.stack([watts[:, phase == p].sum(axis=1) for p in range(3)], axis=1)
    busbar = source_v[:, None] - phase_w / 228.0 * (0.03 * 228.0**2 * 3 / rated_va)
    for _ in range(3):
        loss[:] = 0.0
        for lane in np.unique(line):
            for p in range(3):
                here = np.flatnonzero((line == lane) & (phase == p))
                here = here[np.argsort(order[here])]
                if not len(here):
                    continue
                amps = watts[:, here] / volts[:, here]
                flow = np.cumsum(amps[:, ::-1], axis=1)[:, ::-1]
                length = np.diff(np.r_[0, order[here]]) * r_ohm * 2.0
                service = 0.06
                loss += (flow**2 * length).sum(axis=1) + (amps**2 * service).sum(axis=1)
                volts[:, here] = busbar[:, p][:, None] - np.cumsum(flow * length, axis=1) - amps * service
    return volts, busbar, loss / 4.0


def source(rng: np.random.Generator, days: int) -> Array:
    """The medium voltage at the transformer, per phase to neutral of the low side."""
    steps = days * STEPS_DAY
    walk = np.zeros(steps)
    kicks = rng.normal(0.0, 0.35, steps)
    for i in range(1, steps):
        walk[i] = 0.97 * walk[i - 1] + kicks[i]
    return 230.0 + walk


def metered(rng: np.random.Generator, energy_wh: Array, class_sd: float, *, wander: float = 0.0) -> tuple[Array, Array]:
    """
    What registers of 10 Wh show: intervals and registers (both steps, meters). `wander`: by how much each meter's gain
    differs from day to day (standard deviation), following itself a little, as with the weather.
    """
    meters = energy_wh.shape[1]
    start = rng.uniform(1e5, 4e6, meters)
    gain: Array = np.ones(meters) + rng.normal(0.0, class_sd, meters)
    if wander:
        days = -(-len(energy_wh) // STEPS_DAY)
        drift = rng.normal(0.0, wander, (days, meters))
        for day in range(1, days):
            drift[day] = 0.8 * drift[day - 1] + 0.6 * drift[day]
        gain = gain[None, :] + np.repeat(drift, STEPS_DAY, axis=0)[: len(energy_wh)]
    register = start + np.cumsum(energy_wh * gain, axis=0)
    shown = np.floor(register / RESOLUTION_WH) * RESOLUTION_WH
    first = np.floor(start / RESOLUTION_WH) * RESOLUTION_WH
    return np.diff(np.vstack([first, shown]), axis=0), shown


def feed(
    rng: np.random.Generator,
    *,
    days: int = 28,
    meters: int = 80,
    steal: Steal | None = None,
    first_id: int = 1,
    source_v: Array | None = None,
    street_w: float = 0.0,
    r_ohm: float = 0.012,
    plate_error: float = 0.03,
    wander: float = 0.0,
) -> Feed:
    """
    One transformer. `steal(rng, loads_wh) -> (stolen_wh, {column: mechanism})`: what of the loads goes past the meters.
    """
    use = loads(rng, days, meters)
    thieves: dict[int, str] = {}
    stolen = np.zeros_like(use)
    if steal is not None:
        stolen, thieves = steal(rng, use)
    lines = max(3, meters // 20)
    line = rng.integers(0, lines, meters)
    order = np.zeros(meters)
    for lane in range(lines):
        here = np.flatnonzero(line == lane)
        order[here] = rng.permutation(len(here)) + rng.random(len(here))
    phase = rng.permutation(np.arange(meters) % 3)
    mv = source(rng, days) if source_v is None else source_v
    rated = 1.3 * 4.0 * use.sum(axis=1).max()
    drawn = use
    volts, busbar, lines_wh = sweep(drawn, phase, line, order, mv, rated, r_ohm)
    hour = (np.arange(len(use)) % STEPS_DAY) / 4.0
    street = np.where((hour >= 18) | (hour < 6), street_w / 4.0, 0.0)
    out = use.sum(axis=1) + lines_wh + street
    plate = Plate(rated, 0.0028 * rated, 0.0145 * rated)
    true = plate_error * rng.normal(size=2)
    core_wh = plate.no_load_w * (1 + true[0]) / 4.0
    copper_wh = plate.load_loss_w * (1 + true[1]) * (4.0 * out / 0.95 / rated) ** 2 / 4.0
    transformer_wh = core_wh + copper_wh
    energy, register = metered(rng, use - stolen, 0.005, wander=wander)
    total, _ = metered(rng, (out + transformer_wh)[:, None], 0.0025, wander=wander)
    panel = Panel(
        end_s=FIRST_S - OFFSET_S + PERIOD_S * (1 + np.arange(len(use))),
        period_s=PERIOD_S,
        meter_ids=tuple(range(first_id, first_id + meters)),
        energy_wh=energy,
        register_wh=register,
        voltage_v=np.round(volts, 1),
        total_wh=total[:, 0],
        busbar_v=np.round(busbar.mean(axis=1), 1),
        offset_s=OFFSET_S,
    )
    return Feed(panel, Truth(stolen, lines_wh, transformer_wh, thieves), plate, [f"L{p + 1}" for p in phase], use)
