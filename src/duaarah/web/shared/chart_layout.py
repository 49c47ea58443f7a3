# SPDX-License-Identifier: Apache-2.0
"""
A chart as boxes, lines, areas and words on a plane: the page's SVG, the PNG and the PDF paint the same drawing.

x goes right and y down, in units of about one pixel; a role names what a thing is, and the painter chooses its colour.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from duaarah.web.shared.chart_data import Axis, Chart, Kind, Series, X
from duaarah.web.shared.chart_kit import LETTER, SIZE, Area, Box, Drawing, Item, Label, Line, Point, tick_words, ticks
from duaarah.web.shared.chart_rank import ranked
from duaarah.web.shared.figures import figure

BAR_MAX = 72
WIDE, NARROW = (900, 270), (360, 230)
_FOOT, _RIGHT = 22, 14
DASHES: tuple[tuple[float, ...], ...] = ((), (7, 3), (2, 3), (9, 3, 2, 3), (4, 4))


@dataclass(frozen=True, kw_only=True)
class Plane:
    """The room for the values: its edges, and where a value and a position lie."""

    left: float
    top: float
    right: float
    bottom: float
    low: float
    high: float
    centers: tuple[float, ...]
    step: float

    def y(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return round(self.bottom - (inside - self.low) / (self.high - self.low) * (self.bottom - self.top), 1)


def drawn(chart: Chart, size: tuple[int, int] = WIDE) -> Drawing:
    """The chart without its heading and foot; a chart without a value is an empty plane."""
    width, height = size
    if chart.kind is Kind.RANK:
        return ranked(chart, width)
    drawing = Drawing(width, height)
    legend = list(_legend(chart, width))
    values = ticks(*_range(chart))
    words = [tick_words(value, values) for value in values]
    left = max(len(word) for word in words) * SIZE * LETTER + 10
    top = 20.0 + 16 * (1 + max((row for row, _x, _i in legend), default=-1))
    right, bottom = width - _RIGHT, height - _FOOT
    centers, step = _centers(chart, left, right)
    plane = Plane(
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        low=values[0],
        high=values[-1],
        centers=tuple(centers),
        step=step,
    )
    items = drawing.items
    for row, x, (number, name) in legend:
        items += _legend_mark(chart, number, x, 14 + 16 * row)
        items.append(Label(x=x + 24, y=14 + 16 * row, text=name, anchor="start"))
    if chart.allowed is not None:
        high, low = plane.y(chart.allowed[1]), plane.y(chart.allowed[0])
        items.append(Box(x=left, y=high, width=right - left, height=low - high, role="band"))
    for value, word in zip(values, words, strict=True):
        y = plane.y(value)
        items.append(Line(points=((left, y), (right, y)), role="base" if value in (0, values[0]) else "grid"))
        items.append(Label(x=left - 6, y=y + 4, text=word, anchor="end"))
    items += _places(chart, plane, size)
    for number, one in enumerate(chart.series):
        items += _one(chart, plane, number, one)
    items += _thresholds(chart, plane)
    items += _most(chart, plane)
    return drawing


def _range(chart: Chart) -> tuple[float, float]:
    """The least and the most that must be seen."""
    seen = [value for one in chart.series for value in (*one.values, *(one.lows or ())) if value is not None]
    seen += [one.value for one in chart.thresholds]
    seen += list(chart.allowed or ())
    if not seen:
        return 0.0, 1.0
    low, high = min(seen), max(seen)
    if chart.from_zero:
        return min(low, 0.0), max(high, 0.0) or 1.0
    room = (high - low) * 0.05 or 1.0
    return low - room, high + room


def _centers(chart: Chart, left: float, right: float) -> tuple[list[float], float]:
    """Where each position lies, and the room of one: evenly for bars and names, by its value for the rest."""
    count = max(len(chart.positions), 1)
    if chart.kind is Kind.BAR or chart.axis is Axis.NAME:
        step = (right - left) / count
        return [left + (number + 0.5) * step for number in range(count)], step
    places = [_number(each) for each in chart.positions]
    first, last = min(places, default=0.0), max(places, default=1.0)
    if chart.axis is Axis.MINUTE:
        first, last = 0.0, 1440.0
    elif chart.axis is Axis.SHARE:
        first, last = 0.0, 1.0
    if first == last:
        return [(left + right) / 2] * count, right - left
    scale = (right - left) / (last - first)
    return [round(left + (place - first) * scale, 1) for place in places], (right - left) / count


def _number(position: X) -> float:
    if isinstance(position, dt.datetime):
        return position.timestamp()
    return float(position.toordinal()) if isinstance(position, dt.date) else float(position)


def _legend(chart: Chart, width: float) -> Iterator[tuple[int, float, tuple[int, str]]]:
    """(row, x, (series or -1 for the mark, name)) of a legend; none for one series without a mark."""
    entries = [(number, one.name) for number, one in enumerate(chart.series)] if len(chart.series) > 1 else []
    if chart.marked:
        entries.append((-1, chart.mark))
    row, x = 0, 4.0
    for number, name in entries:
        room = 24 + len(name) * SIZE * LETTER + 16
        if x + room > width and x > 4:
            row, x = row + 1, 4.0
        yield row, x, (number, name)
        x += room


def _legend_mark(chart: Chart, number: int, x: float, y: float) -> list[Item]:
    if number < 0:
        return [Box(x=x + 4, y=y - 9, width=12, height=9, role="s1", part=True)]
    role = f"s{number % 5 + 1}"
    if chart.series[number].lows is not None:
        return [Box(x=x + 2, y=y - 9, width=16, height=9, role=f"{role} range")]
    if chart.kind is Kind.BAR:
        return [Box(x=x + 4, y=y - 9, width=12, height=9, role=role)]
    return [Line(points=((x, y - 4), (x + 20, y - 4)), role=role, dash=DASHES[number % 5], width=2)]


def _places(chart: Chart, plane: Plane, size: tuple[int, int]) -> list[Item]:
    """Words under the axis, as many as have room."""
    narrow = size[0] < 600
    if chart.axis is Axis.MINUTE and chart.kind is not Kind.BAR:
        marks = [float(minute) for minute in range(0, 1441, 360 if narrow else 180)]
        scale = (plane.right - plane.left) / 1440
        return [_under(chart.short(mark), plane.left + mark * scale, plane) for mark in marks]
    if chart.axis is Axis.SHARE:
        scale = plane.right - plane.left
        return [_under(chart.short(mark), plane.left + mark * scale, plane) for mark in (0.0, 0.25, 0.5, 0.75, 1.0)]
    # Of instants over days, those that begin a day.
    over_days = len(chart.midnights) > 1
    named = chart.midnights if over_days else range(len(chart.positions))
    words = [chart.short(chart.positions[number]) for number in named]
    room = max((len(word) for word in words), default=1) * SIZE * LETTER + 8
    found: list[Item] = []
    free = -math.inf
    every = 1 if over_days else _every(chart, room, plane)
    for place, (number, word) in enumerate(zip(named, words, strict=True)):
        center = plane.centers[number]
        if place % every == 0 and center - room / 2 >= free:
            found.append(_under(word, center, plane))
            free = center + room / 2
    return found


def _every(chart: Chart, room: float, plane: Plane) -> int:
    """Each so many positions get a word; quarter-hours at whole hours."""
    least = max(1, math.ceil(room / max(plane.step, 0.1)))
    if chart.axis is not Axis.MINUTE or len(chart.positions) < 2:
        return least
    hour = max(1, round(60 / (float(chart.positions[1]) - float(chart.positions[0]))))  # type: ignore[arg-type]
    return next((hour * each for each in (1, 2, 3, 4, 6, 12) if hour * each >= least), least)


def _under(text: str, x: float, plane: Plane) -> Label:
    half = len(text) * SIZE * LETTER / 2
    if x + half > plane.right + _RIGHT:
        return Label(x=plane.right + _RIGHT - 2, y=plane.bottom + 15, text=text, anchor="end")
    return Label(x=round(x, 1), y=plane.bottom + 15, text=text)


def _one(chart: Chart, plane: Plane, number: int, one: Series) -> list[Item]:
    role = f"s{number % 5 + 1}"
    if one.lows is not None:
        return _band(plane, one, role)
    if chart.kind is Kind.BAR:
        return _bars(chart, plane, number, one, role)
    items: list[Item] = []
    for run in _runs(one.values):
        points = [(plane.centers[n], plane.y(one.values[n] or 0.0)) for n in run]
        if chart.kind is Kind.STEP:
            points = list(_stairs(points, plane))
        if len(points) == 1:
            x, y = points[0]
            items.append(Box(x=x - 2, y=y - 2, width=4, height=4, role=role))
        else:
            items.append(Line(points=tuple(points), role=role, dash=DASHES[number % 5], width=2))
    for n in sorted(chart.marked) if number == 0 else ():
        if (value := one.values[n]) is not None:
            items.append(Box(x=plane.centers[n] - 3, y=plane.y(value) - 3, width=6, height=6, role=role, part=True))
    return items


def _runs(values: Sequence[float | None]) -> Iterator[list[int]]:
    """Numbers of neighbouring values; a gap parts them, it is never drawn over."""
    run: list[int] = []
    for number, value in enumerate(values):
        if value is not None:
            run.append(number)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _stairs(points: list[Point], plane: Plane) -> Iterator[Point]:
    """Each value holds from its position to the next."""
    for (x, y), following in zip(points, [*points[1:], None], strict=True):
        yield x, y
        yield (following[0] if following else min(x + plane.step, plane.right)), y


def _band(plane: Plane, one: Series, role: str) -> list[Item]:
    lows = one.lows or one.values
    both = [None if low is None or high is None else high for low, high in zip(lows, one.values, strict=True)]
    items: list[Item] = []
    for run in _runs(both):
        over = [(plane.centers[n], plane.y(one.values[n] or 0.0)) for n in run]
        below = [(plane.centers[n], plane.y(lows[n] or 0.0)) for n in reversed(run)]
        if len(run) == 1:
            over = [(over[0][0] - 3, over[0][1]), (over[0][0] + 3, over[0][1])]
            below = [(below[0][0] + 3, below[0][1]), (below[0][0] - 3, below[0][1])]
        items.append(Area(points=(*over, *below), role=f"{role} range"))
    return items


def _bars(chart: Chart, plane: Plane, number: int, one: Series, role: str) -> list[Item]:
    share = min(0.72 * plane.step, BAR_MAX) / len(chart.series)
    base = plane.y(0.0)
    items: list[Item] = []
    for n, value in enumerate(one.values):
        if not value:
            continue
        y = plane.y(value)
        height = max(abs(base - y), 1.0)
        part = n in chart.marked
        title = f"{chart.place(chart.positions[n])}: {chart.said(value)}{f' · {chart.mark}' if part else ''}"
        x = plane.centers[n] + (number - len(chart.series) / 2) * share
        top = base - height if value > 0 else base
        items.append(
            Box(
                x=round(x, 1),
                y=round(top, 1),
                width=round(share, 1),
                height=round(height, 1),
                role=role,
                part=part,
                title=title,
            )
        )
    return items


def _thresholds(chart: Chart, plane: Plane) -> list[Item]:
    items: list[Item] = []
    for one in chart.thresholds:
        y = plane.y(one.value)
        items.append(Line(points=((plane.left, y), (plane.right, y)), role="limit", dash=(5, 4), width=1.2))
        items.append(Label(x=plane.left + 4, y=y - 4, text=one.name, anchor="start", role="limit"))
    return items


def _most(chart: Chart, plane: Plane) -> list[Item]:
    """The figure of the highest value of a chart with one series: it is the scale."""
    if len(chart.series) != 1 or chart.series[0].lows is not None or chart.empty:
        return []
    known = [(value, number) for number, value in enumerate(chart.series[0].values) if value is not None]
    value, number = max(known, key=lambda each: (each[0], -each[1]))
    text = figure(value, chart.decimals)
    half = len(text) * SIZE * LETTER / 2
    x = min(max(plane.centers[number], plane.left + half), plane.right - half)
    return [Label(x=round(x, 1), y=max(plane.y(value) - 6, plane.top - 6), text=text, role="ink")] if value else []
