# SPDX-License-Identifier: Apache-2.0
"""What a chart says, apart from how it is drawn: one description makes the picture on the page and each of its files."""

from __future__ import annotations

import datetime as dt
import enum
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from duaarah.web.shared.figures import figure
from duaarah.web.shared.templatetags.duaarah import MONTHS_EN, MONTHS_ID, instant, month_name
from duaarah.web.shared.templatetags.duaarah import day as day_words

X = dt.date | float | str


class Kind(enum.Enum):
    """A duration curve is a line over shares of the time, a rank lying bars; a series with `lows` is the band between."""

    LINE = "line"
    BAR = "bar"
    STEP = "step"
    DURATION = "duration"
    RANK = "rank"


class Axis(enum.Enum):
    """What the positions are: dates, the first days of months, minutes of a local day, shares of 0 to 1, instants, names."""

    DAY = "day"
    MONTH = "month"
    MINUTE = "minute"
    SHARE = "share"
    INSTANT = "instant"
    NAME = "name"


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values at the chart's positions, None where nothing is known; with `lows` the band from these to `values`."""

    name: str
    values: tuple[float | None, ...]
    lows: tuple[float | None, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A value that means something: `231 V`, `rated power`."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """
    Args:
        key: names the chart in the address of its page and in its files; letters, digits, hyphens.
        unit: of all values, `kW`; empty for a plain number.
        positions: of every series, ascending except names; as many as each series has values.
        marked: positions whose values are estimated, incomplete or of a day apart; `mark` says which of these.
        allowed: the band of values that is fine, drawn behind the series.
        source: where the values come from; coverage: how much of what was due they hold. Sentences.
        decimals: of a value as a reader sees it; files have six at most.
        from_zero: False where only the differences matter, as with voltages.
        zone: of instants.

    Raises:
        ValueError: a series has more or fewer values than there are positions.
    """

    key: str
    title: str
    unit: str
    kind: Kind
    axis: Axis
    positions: tuple[X, ...]
    series: tuple[Series, ...]
    source: str
    coverage: str = ""
    thresholds: tuple[Threshold, ...] = ()
    allowed: tuple[float, float] | None = None
    marked: frozenset[int] = field(default_factory=frozenset)
    mark: str = ""
    decimals: int = 1
    from_zero: bool = True
    zone: str = "Asia/Jakarta"

    def __post_init__(self) -> None:
        for one in self.series:
            if {len(one.values), len(one.lows or one.values)} != {len(self.positions)}:
                raise ValueError(f"Series {one.name!r} has not as many values as chart {self.key!r} has positions.")

    @property
    def empty(self) -> bool:
        """No series has a value anywhere."""
        return all(value is None for one in self.series for value in one.values)

    @property
    def heading(self) -> str:
        """`Load, kW`."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def said(self, value: float | None) -> str:
        """A value with its unit, as a reader sees it."""
        shown = figure(value, self.decimals)
        return f"{shown} {self.unit}" if self.unit and value is not None else shown

    @functools.cached_property
    def _one_month(self) -> bool:
        """Days need no month's name; asked once, a chart may have thousands of positions."""
        return len({str(each)[:7] for each in self.positions}) == 1

    @functools.cached_property
    def midnights(self) -> tuple[int, ...]:
        """Numbers of the instants that begin a local day."""
        zone = ZoneInfo(self.zone)
        found = [
            number
            for number, each in enumerate(self.positions)
            if isinstance(each, dt.datetime) and each.astimezone(zone).time() == dt.time()
        ]
        return tuple(found)

    def place(self, position: X) -> str:
        """A position in words, in full."""
        if isinstance(position, dt.datetime):
            return instant(position, self.zone)
        if isinstance(position, dt.date):
            return month_name(position) if self.axis is Axis.MONTH else day_words(position)
        if self.axis is Axis.MINUTE:
            return clock_words(float(position))
        return f"{figure(100 * float(position), 1)} %" if self.axis is Axis.SHARE else str(position)

    def short(self, position: X) -> str:
        """A position under its axis: as few letters as the chart allows."""
        months = MONTHS_EN if figure(0.5, 1) == "0.5" else MONTHS_ID
        if isinstance(position, dt.datetime):
            position = position.astimezone(ZoneInfo(self.zone)).date()
        if isinstance(position, dt.date):
            if self.axis is Axis.MONTH:
                return months[position.month - 1]
            return str(position.day) if self._one_month else f"{position.day} {months[position.month - 1]}"
        if self.axis is Axis.MINUTE:
            return clock_words(float(position))
        return f"{figure(100 * float(position), 0)} %" if self.axis is Axis.SHARE else str(position)


def clock_words(minutes: float) -> str:
    """Minutes of a day: `18.30`, `18:30`; its end is `24.00`."""
    mark = ":" if figure(0.5, 1) == "0.5" else "."
    return f"{int(minutes) // 60:02d}{mark}{int(minutes) % 60:02d}"


def head_of(chart: Chart) -> list[str]:
    """The columns of the chart's table: position, each series, and what marks a row."""
    axis = {
        Axis.DAY: _("Day"),
        Axis.MONTH: _("Month"),
        Axis.MINUTE: _("Time of day"),
        Axis.SHARE: _("Share of the time"),
        Axis.INSTANT: _("Time"),
        Axis.NAME: _("Name"),
    }[chart.axis]
    unit = f" ({chart.unit})" if chart.unit else ""
    head = [axis]
    for one in chart.series:
        head += [f"{one.name}{unit}"] if one.lows is None else _two(one.name, unit)
    return [*head, chart.mark] if chart.marked else head


def _two(name: str, unit: str) -> list[str]:
    return [f"{name}, {_('lowest')}{unit}", f"{name}, {_('highest')}{unit}"]


def _columns(chart: Chart) -> list[Sequence[float | None]]:
    return [
        values for one in chart.series for values in ((one.values,) if one.lows is None else (one.lows, one.values))
    ]


def rows_of(chart: Chart) -> list[list[str]]:
    """The same table as words, for a page or a printed file."""
    columns = _columns(chart)
    rows = []
    for number, position in enumerate(chart.positions):
        row = [chart.place(position), *(figure(column[number], chart.decimals) for column in columns)]
        rows.append([*row, chart.mark if number in chart.marked else ""] if chart.marked else row)
    return rows


def cells_of(chart: Chart) -> list[list[object]]:
    """The same table as cells of a file: dates as ISO 8601, figures as decimals, nothing where nothing is known."""
    columns = _columns(chart)
    rows: list[list[object]] = []
    for number, position in enumerate(chart.positions):
        row = [_cell_of(chart, position), *(_decimal(column[number]) for column in columns)]
        rows.append([*row, chart.mark if number in chart.marked else ""] if chart.marked else row)
    return rows


def _cell_of(chart: Chart, position: X) -> object:
    if isinstance(position, dt.datetime):
        return position.astimezone(ZoneInfo(chart.zone)).isoformat()
    if isinstance(position, dt.date):
        return position.isoformat()[:7] if chart.axis is Axis.MONTH else position.isoformat()
    if chart.axis is Axis.MINUTE:
        return f"{int(position) // 60:02d}:{int(position) % 60:02d}"
    return position if isinstance(position, str) else _decimal(position)


def _decimal(value: float | None) -> Decimal | None:
    if value is None:
        return None
    # Through text, so that 0.1 stays 0.1; no exponent, which a spreadsheet in another language would not read.
    return Decimal(f"{value:.6f}").normalize() if value % 1 else Decimal(int(value))


def summary(chart: Chart) -> str:
    """The chart in sentences, for who does not see it: each series' least, most and last value."""
    if chart.empty:
        return _("Nothing is known yet.")
    said = []
    for one in chart.series:
        known = [(value, place) for value, place in zip(one.values, chart.positions, strict=True) if value is not None]
        if not known:
            continue
        least = min(known, key=lambda each: each[0])
        most = max(known, key=lambda each: each[0])
        said.append(
            _("%(name)s: least %(least)s (%(where)s), most %(most)s (%(there)s).")
            % {
                "name": one.name,
                "least": chart.said(least[0]),
                "where": chart.place(least[1]),
                "most": chart.said(most[0]),
                "there": chart.place(most[1]),
            }
        )
    return " ".join(said)
