# SPDX-License-Identifier: Apache-2.0
"""Lines over time as SVG made on the server: axes with round steps, gaps where nothing was told, a band behind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from duaarah.web.utility.reliability_words import figure

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, FOOT = 44, 8, 10, 22
SPARK_WIDTH, SPARK_HEIGHT = 120, 28
Values = Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Line:
    """`values` at equal steps over the whole width; None is a gap. `look` is a class of the style sheet."""

    name: str
    values: Values
    look: str = "phase1"


@dataclass(frozen=True, kw_only=True)
class Axes:
    """`marks`: (share of the width, 0 to 1; word). `band`: what is still within, drawn behind. `zero`: begin at nothing."""

    marks: Sequence[tuple[float, str]]
    unit: str
    band: tuple[float, float] | None = None
    zero: bool = True
    lasting: bool = False
    height: int = HEIGHT


def curve(lines: Sequence[Line], axes: Axes) -> dict[str, Any] | None:
    """
    For `utility/curve.html`; None when no line has a value.

    `lasting` values hold for a step each (the mean of an interval), others are points at the steps' middles.
    """
    told = [value for line in lines for value in line.values if value is not None]
    if not told:
        return None
    least, most = min(told), max(told)
    if axes.band is not None:
        least, most = min(least, axes.band[0]), max(most, axes.band[1])
    ticks, decimals = steps(0.0 if axes.zero else least, most)
    low, high = ticks[0], ticks[-1]
    height = axes.height - TOP - FOOT

    def y(value: float) -> float:
        return round(TOP + height * (high - value) / ((high - low) or 1.0), 1)

    return {
        "width": WIDTH,
        "height": axes.height,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "base": axes.height - FOOT,
        "label_y": axes.height - 8,
        "unit": axes.unit,
        "inner": WIDTH - LEFT - RIGHT,
        "ticks": [
            {"y": f"{y(tick):.1f}", "text_y": f"{y(tick) + 3.5:.1f}", "word": figure(tick, decimals)} for tick in ticks
        ],
        "marks": [{"x": f"{LEFT + at * (WIDTH - LEFT - RIGHT):.1f}", "word": word} for at, word in axes.marks],
        "band": None
        if axes.band is None
        else {"y": f"{y(axes.band[1]):.1f}", "height": f"{y(axes.band[0]) - y(axes.band[1]):.1f}"},
        "lines": [
            {"name": line.name, "look": line.look, "path": path(line.values, y, LEFT, WIDTH - RIGHT, axes.lasting)}
            for line in lines
        ],
    }


def steps(least: float, most: float, wanted: int = 4) -> tuple[list[float], int]:
    """Round figures that embrace a range, and how many decimals they need; 1, 2 or 5 times a power of ten apart."""
    if most <= least:
        most = least + (abs(least) or 1.0)
    rough = (most - least) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999999)
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return [number * step for number in range(first, last + 1)], max(0, -math.floor(math.log10(step) + 1e-9))


def path(values: Values, y: Any, left: float, right: float, lasting: bool) -> str:
    """`d` of an SVG path; a value alone between gaps is a short dash, so that it is seen."""
    step = (right - left) / max(len(values), 1)
    made: list[str] = []
    runs: list[list[tuple[int, float]]] = []
    for place, value in enumerate(values):
        if value is None:
            continue
        if not runs or runs[-1][-1][0] != place - 1:
            runs.append([])
        runs[-1].append((place, y(value)))
    for run in runs:
        if lasting or len(run) == 1:
            made.append(f"M{left + run[0][0] * step:.1f} {run[0][1]}h{step:.2f}")
            made.extend(f"V{at_y}H{left + (place + 1) * step:.1f}" for place, at_y in run[1:])
        else:
            points = [f"{left + (place + 0.5) * step:.1f} {at_y}" for place, at_y in run]
            made.append(f"M{points[0]}L{' '.join(points[1:])}")
    return "".join(made)


def spark(values: Values, band: tuple[float, float] | None = None, *, zero: bool = False) -> dict[str, Any] | None:
    """A line so small that it stands in a table's cell, for `utility/spark.html`; None without two values."""
    told = [value for value in values if value is not None]
    if len(told) < 2:
        return None
    low, high = min([*told, *(() if band is None else (band[0],))]), max(told)
    low = 0.0 if zero else low
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return round(2 + (SPARK_HEIGHT - 4) * (high - min(value, high)) / span, 1)

    limit = "" if band is None or not low <= band[0] <= high else f"{y(band[0]):.1f}"
    return {
        "width": SPARK_WIDTH,
        "height": SPARK_HEIGHT,
        "path": path(values, y, 0, SPARK_WIDTH, False),
        "limit": limit,
    }
