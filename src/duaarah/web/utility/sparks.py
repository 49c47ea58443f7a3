# SPDX-License-Identifier: Apache-2.0
"""Lines so small that they stand in a table's cell; the page beside them has the chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

WIDTH, HEIGHT = 120, 28


def spark(
    values: Sequence[float | None], band: tuple[float, float] | None = None, *, zero: bool = False
) -> dict[str, Any] | None:
    """
    For `utility/spark.html`; None without two values. A gap parts the line; a value alone is a short dash.

    Args:
        values: at equal steps; None: not known.
        band: its lower end is drawn; the scale begins there or lower.
        zero: the scale begins at nothing.
    """
    told = [value for value in values if value is not None]
    if len(told) < 2:
        return None
    most = max(told)
    low = 0.0 if zero else min([*told, *(() if band is None else (band[0],))])
    span = (most - low) or 1.0

    def y(value: float) -> str:
        return f"{2 + (HEIGHT - 4) * (most - value) / span:.1f}"

    step = WIDTH / len(values)
    made = []
    for run in _runs(values):
        points = [f"{(place + 0.5) * step:.1f} {y(value)}" for place, value in run]
        made.append(f"M{points[0]}h{step:.1f}" if len(run) == 1 else f"M{points[0]}L{' '.join(points[1:])}")
    limit = y(band[0]) if band is not None and low <= band[0] <= most else ""
    return {"width": WIDTH, "height": HEIGHT, "path": "".join(made), "limit": limit}


def _runs(values: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    run: list[tuple[int, float]] = []
    for place, value in enumerate(values):
        if value is not None:
            run.append((place, value))
        elif run:
            yield run
            run = []
    if run:
        yield run
