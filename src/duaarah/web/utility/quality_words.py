# SPDX-License-Identifier: Apache-2.0
"""A meter's interval quality in words: its month as a calendar, a day's intervals with what was told beside what counts."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.analytics.models import ReadingEdit
from duaarah.readings.columns import EDITED, ESTIMATED, RAW, VALIDATED
from duaarah.web.shared.chart_data import clock_words
from duaarah.web.shared.charts import Axis, Chart, Kind, Series
from duaarah.web.shared.figures import figure
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.utility.meter_profile import PERIOD_S, Span

FAULTS = {
    "duplicate": gettext_lazy("told twice, differently"),
    "off-grid": gettext_lazy("beside its interval's end"),
    "clock-drift": gettext_lazy("the meter's clock is off"),
    "gap": gettext_lazy("not told"),
    "negative": gettext_lazy("the register ran backwards"),
    "rollover": gettext_lazy("the register began anew at its highest figure"),
    "reset": gettext_lazy("the register began at 0"),
    "meter-swap": gettext_lazy("another meter's register"),
    "sum-mismatch": gettext_lazy("does not add up to the register"),
    "spike": gettext_lazy("more than the fuse lets through"),
    "stuck": gettext_lazy("the register stood while current flowed"),
    "repeated": gettext_lazy("the former register told again"),
    "voltage": gettext_lazy("no voltage of this grid"),
    "current": gettext_lazy("not a current that the fuse lets through"),
    "power": gettext_lazy("more energy than voltage times current"),
    "outage-use": gettext_lazy("energy during an outage"),
}
WAYS = {
    "register": gettext_lazy("from the register"),
    "line": gettext_lazy("a line between its neighbours"),
    "like-days": gettext_lazy("as on like days"),
    "even": gettext_lazy("spread evenly"),
    "average": gettext_lazy("the mean of like days"),
    "outage": gettext_lazy("0 in an outage"),
    "nothing": gettext_lazy("nothing can be said"),
    "edited": gettext_lazy("set by hand"),
}
QUALITIES = {
    RAW: ("wait", gettext_lazy("as it came")),
    VALIDATED: ("nyala", gettext_lazy("validated")),
    ESTIMATED: ("diam", gettext_lazy("estimated")),
    EDITED: ("padam", gettext_lazy("set by hand")),
    "": ("habis", gettext_lazy("missing")),
}
WEEKDAYS = (
    *(gettext_lazy("Mon"), gettext_lazy("Tue"), gettext_lazy("Wed"), gettext_lazy("Thu")),
    *(gettext_lazy("Fri"), gettext_lazy("Sat"), gettext_lazy("Sun")),
)


def reason_words(reason: str) -> str:
    """`gap line` in words; what is not known here keeps its code."""
    return ", ".join(str(FAULTS.get(word) or WAYS.get(word) or word) for word in reason.split())


@dataclass(kw_only=True)
class Day:
    """A local day: how many intervals of each quality; `doubtful` ones stayed raw with a reason."""

    date: dt.date
    due: int
    told: int = 0
    qualities: Counter[str] = field(default_factory=Counter)
    doubtful: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def missing(self) -> int:
        return max(0, self.due - self.told)

    @property
    def unchecked(self) -> int:
        return self.qualities[RAW] - self.doubtful

    @property
    def sign(self) -> str:
        """A class of the style sheet, for what is most worth looking at."""
        if not self.due:
            return ""
        if not self.told:
            return "habis"
        if self.doubtful or self.missing:
            return "habis"
        if self.qualities[EDITED]:
            return "padam"
        return "diam" if self.qualities[ESTIMATED] else ("wait" if self.unchecked else "nyala")

    @property
    def words(self) -> list[str]:
        """`4 estimated`, `2 missing`; `complete` alone."""
        if not self.due:
            return []
        if not self.told:
            return [_("nothing told")]
        found = [
            (self.missing, _("%(n)d missing")),
            (self.doubtful, _("%(n)d doubtful")),
            (self.qualities[ESTIMATED], _("%(n)d estimated")),
            (self.qualities[EDITED], _("%(n)d set by hand")),
        ]
        said = [words % {"n": count} for count, words in found if count]
        if self.unchecked:
            said.append(_("not checked yet"))
        return said or [_("complete")]

    @property
    def checks(self) -> list[str]:
        """Which checks flagged it, the most frequent first; a gap is told as missing or estimated already."""
        found = [(word, count) for word, count in self.faults.most_common() if word != "gap"]
        return [f"{FAULTS.get(word, word)} ({count})" for word, count in found]


def month_days(table: pa.Table, span: Span, at: dt.datetime) -> list[Day]:
    """The days of a span of months by what counts in it; due is what had to be there by now."""
    begin_s, now_s = int(span.begin_at.timestamp()), int(at.timestamp())
    a_day = 86_400 // PERIOD_S
    days = [
        Day(
            date=span.first_date + dt.timedelta(days=n),
            due=max(0, min(a_day, (now_s - begin_s - n * 86_400) // PERIOD_S)),
        )
        for n in range(span.days)
    ]
    columns = (table.column(name).to_pylist() for name in ("period_s", "quality", "reason"))
    ends = (table.column("ts").cast(pa.int64()).to_numpy() // 1_000_000).tolist()
    for end_s, period_s, quality, reason in zip(ends, *columns, strict=True):
        day = days[min((end_s - 1 - begin_s) // 86_400, len(days) - 1)]
        count = max(1, period_s // PERIOD_S)
        day.told += count
        day.qualities[quality] += count
        day.doubtful += count if quality == RAW and reason else 0
        day.faults.update(word for word in reason.split() if word in FAULTS)
    return days


def weeks(days: list[Day]) -> list[list[Day | None]]:
    """The days by weeks from Monday, None before the first and after the last."""
    cells: list[Day | None] = [None] * days[0].date.weekday()
    cells += days
    cells += [None] * (-len(cells) % 7)
    return [cells[at : at + 7] for at in range(0, len(cells), 7)]


def day_rows(
    span: Span, counted: pa.Table, told: pa.Table, standing: dict[dt.datetime, ReadingEdit]
) -> list[dict[str, Any]]:
    """Each interval of a day: what was told, what counts, and what stands by hand but is not counted yet."""
    counts = {row["ts"]: row for row in counted.to_pylist()}
    raws: dict[dt.datetime, list[dict[str, Any]]] = {}
    for row in told.to_pylist():
        raws.setdefault(row["ts"], []).append(row)
    rows = []
    for slot in range(1, 86_400 // PERIOD_S + 1):
        ends_at = (span.begin_at + dt.timedelta(seconds=slot * PERIOD_S)).astimezone(dt.UTC)
        row, raw, edit = counts.get(ends_at, {}), raws.get(ends_at, []), standing.get(ends_at)
        energy_wh, quality = row.get("energy_wh"), row.get("quality", "")
        raw_wh = raw[-1]["energy_wh"] if raw else None
        rows.append(
            {
                "slot": slot,
                "ends_at": ends_at,
                "at": clock_words(slot * PERIOD_S // 60),
                "raw_wh": raw_wh,
                "raw": figure(raw_wh, 1),
                "times": len(raw),
                "energy_wh": energy_wh,
                "energy": figure(energy_wh, 1),
                "differs": energy_wh != raw_wh and (row or raw) and quality != RAW,
                "sign": QUALITIES[quality][0],
                "quality": QUALITIES[quality][1],
                "reason": reason_words(row.get("reason", "")) if quality != EDITED else "",
                "version": row.get("version"),
                "register": figure(None if row.get("register_wh") is None else row["register_wh"] / 1000, 2),
                "volts": figure(row.get("voltage_v"), 1),
                "amperes": figure(row.get("current_a"), 2),
                "flags": row.get("flags", 0),
                "edit": edit,
                "edit_wh": None if edit is None else figure(edit.energy_wh, 1),
                "waits": edit is not None and not (quality == EDITED and energy_wh == edit.energy_wh),
                "apart": quality not in (RAW, VALIDATED)
                or bool(row.get("reason"))
                or edit is not None
                or bool(row.get("flags")),
                "undone": edit is None and quality == EDITED,
            }
        )
    return rows


def day_chart(span: Span, rows: list[dict[str, Any]], drn: str) -> Chart:
    """What counts over the day, with what was told where it differs."""
    other = [row["raw_wh"] if row["differs"] else None for row in rows]
    series = [Series(name=_("Counts"), values=tuple(row["energy_wh"] for row in rows))]
    if any(value is not None for value in other):
        series.append(Series(name=_("Told otherwise"), values=tuple(other)))
    return Chart(
        key="mutu",
        title=_("Energy of each interval"),
        unit="Wh",
        kind=Kind.STEP,
        axis=Axis.MINUTE,
        positions=tuple(float((row["slot"] - 1) * PERIOD_S // 60) for row in rows),
        series=tuple(series),
        source=_("Meter %(drn)s, %(day)s.") % {"drn": drn, "day": day_words(span.first_date)},
        coverage=_("%(n)d of %(all)d intervals are known.")
        % {"n": sum(row["energy_wh"] is not None for row in rows), "all": len(rows)},
        marked=frozenset(n for n, row in enumerate(rows) if row["sign"] in ("diam", "padam")),
        mark=_("estimated or set by hand"),
        zone=span.zone,
    )
