# SPDX-License-Identifier: Apache-2.0
"""The day from which on something is different: one step in a daily series, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from duaarah.core.losses.panel import Array

SIDE_MIN = 4
# Of the best of some dozens of days; pure noise reaches it about once in a thousand series.
SCORE_MIN = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """From `index` on the series is `size` higher; `score`: in standard deviations of that difference."""

    index: int
    size: float
    score: float


def find_step(series: Array, *, floor: float = 0.0, side_min: int = SIDE_MIN) -> Step | None:
    """
    The most likely step of a series (n,), up or down; None: none that stands out. `floor`: the noise that a day has at
    least. Days follow one another a little (a cold week), so the noise's memory of one day is counted in.
    """
    n = len(series)
    best: Step | None = None
    if n < 2 * side_min:
        return None
    for k in range(side_min, n - side_min + 1):
        before, after = series[:k], series[k:]
        size = float(after.mean() - before.mean())
        left = np.r_[before - before.mean(), after - after.mean()]
        variance = float((left**2).sum() / (n - 2))
        memory = float(np.clip((left[1:] * left[:-1]).mean() / variance, 0.0, 0.6)) if variance > 0 else 0.0
        sd = max(np.sqrt(variance * (1 + memory) / (1 - memory)), floor)
        if sd <= 0:
            continue
        score = abs(size) / (sd * np.sqrt(1 / k + 1 / (n - k)))
        if best is None or score > best.score:
            best = Step(k, size, float(score))
    return best if best and best.score >= SCORE_MIN else None
