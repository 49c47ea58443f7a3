# SPDX-License-Identifier: Apache-2.0
"""What drawings are made of, and round figures for their axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from duaarah.web.shared.figures import figure

SIZE = 11
# Digits and small letters of a sans serif face are about so wide, as a share of its size.
LETTER = 0.6
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    role: str
    part: bool = False
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    points: tuple[Point, ...]
    role: str
    dash: tuple[float, ...] = ()
    width: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Area:
    points: tuple[Point, ...]
    role: str


@dataclass(frozen=True, kw_only=True)
class Label:
    x: float
    y: float
    text: str
    anchor: str = "middle"
    role: str = "mute"


Item = Box | Line | Area | Label


@dataclass
class Drawing:
    width: float
    height: float
    items: list[Item] = field(default_factory=list)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round values that span low to high: steps of 1, 2, 2.5 or 5 times a power of ten."""
    # Less than what a file tells is no span: a flat line gets room, a rounding error gets no axis of its own.
    span = max(high - low, 1e-6 * max(abs(low), abs(high), 1.0))
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each * about >= span * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        last += 1
    return [round(number * step, 10) for number in range(first, last + 1)]


def tick_words(value: float, values: Sequence[float]) -> str:
    """A value of `ticks` with as many decimals as their step needs."""
    step = values[1] - values[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else (1 if step % 1 else 0)
    return figure(value + 0.0, decimals if round(step, decimals) == step else decimals + 1)
