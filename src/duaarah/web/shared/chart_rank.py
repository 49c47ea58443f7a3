# SPDX-License-Identifier: Apache-2.0
"""A ranking as lying bars: each with its name before it and its figure behind it, limits as upright lines."""

from __future__ import annotations

from duaarah.web.shared.chart_data import Chart
from duaarah.web.shared.chart_kit import LETTER, SIZE, Box, Drawing, Item, Label, Line, tick_words, ticks

ROW, TOP, FOOT = 24, 22, 20
BOLD = 0.68  # a bold letter's width, of its size


def ranked(chart: Chart, width: int) -> Drawing:
    """The first series, as high as it has positions."""
    values = chart.series[0].values
    names = [chart.place(position) for position in chart.positions]
    room = min(max((len(name) for name in names), default=1) * SIZE * BOLD + 10, 0.4 * width)
    letters = max(1, int((room - 10) / (SIZE * BOLD)))
    seen = [value for value in (*values, *(one.value for one in chart.thresholds)) if value is not None]
    steps = ticks(min([0.0, *seen]), max([*seen, 0.0]) or 1.0)
    # The figure of the longest bar has its room too.
    right = width - 12 - SIZE * LETTER * max((len(chart.said(value)) for value in values), default=1)
    bottom = TOP + ROW * len(values)

    def x(value: float) -> float:
        return round(room + (value - steps[0]) / (steps[-1] - steps[0]) * (right - room), 1)

    items: list[Item] = []
    for step in steps:
        base = "base" if step == 0 else "grid"
        items.append(Line(points=((x(step), TOP), (x(step), bottom)), role=base))
        items.append(Label(x=x(step), y=bottom + 14, text=tick_words(step, steps)))
    for number, one in enumerate(chart.thresholds):
        points = ((x(one.value), TOP - 4), (x(one.value), bottom))
        items.append(Line(points=points, role="limit", dash=(5, 4), width=1.2))
        # Two limits are often near each other: the last one's name goes to the right of it, the others' to the left.
        last = number == len(chart.thresholds) - 1
        place = x(one.value) + (-3 if last else 3)
        items.append(Label(x=place, y=TOP - 8, text=one.name, anchor="start" if last else "end", role="limit"))
    for number, (name, value) in enumerate(zip(names, values, strict=True)):
        y = TOP + ROW * number
        shown = name if len(name) <= letters else f"{name[: letters - 1]}…"
        items.append(Label(x=room - 6, y=y + 16, text=shown, anchor="end", role="ink"))
        if value is None:
            continue
        left, end = sorted((x(0.0), x(value)))
        part = number in chart.marked
        items.append(
            Box(
                x=left,
                y=y + 4,
                width=max(round(end - left, 1), 1.0),
                height=ROW - 8,
                role="s1",
                part=part,
                title=f"{name}: {chart.said(value)}{f' · {chart.mark}' if part else ''}",
            )
        )
        items.append(Label(x=max(end, x(0.0)) + 5, y=y + 16, text=chart.said(value), anchor="start"))
    return Drawing(width, bottom + FOOT, items)
