# SPDX-License-Identifier: Apache-2.0
"""
A UTC day of readings judged: raw readings in, checked readings out, each with quality, reason and version. No database.

Meters go in chunks, so that memory stays bounded. The day's neighbours give the registers beside it; only meters with a
longer gap, or one without a register after it, are read again with four weeks to either side.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from duaarah.core.quality.block import VALUES, Block, Rows, layout
from duaarah.core.quality.checks import check
from duaarah.core.quality.faults import DEFAULT, Fault, Rules
from duaarah.core.quality.gaps import open_gaps
from duaarah.core.quality.verdict import Quality, Verdict, judge, reasons
from duaarah.readings.columns import EDITED, ESTIMATED, RAW, READINGS, VALIDATED

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table

DAY_S = 86400
MARGIN_DAYS = 1
LIKE_DAYS = 28
CHUNK_METERS, CHUNK_LONG_METERS = 5000, 1000
WORDS = {Quality.RAW: RAW, Quality.VALIDATED: VALIDATED, Quality.ESTIMATED: ESTIMATED, Quality.EDITED: EDITED}
_COLUMNS = ("meter_id", "ts", *VALUES, "flags", "version")


@dataclass(frozen=True, slots=True)
class Meters:
    """Arrays of one length, sorted by `meter_id`. `phases`: conductors; NaN: current is not the whole load's."""

    meter_id: NDArray[np.int64]
    contracted_va: NDArray[np.float64]
    phases: NDArray[np.float64]

    def part(self, chosen: slice | NDArray[np.bool_]) -> Meters:
        """Some of them."""
        return Meters(self.meter_id[chosen], self.contracted_va[chosen], self.phases[chosen])


@dataclass(frozen=True, slots=True)
class Off:
    """Logged outages, arrays of one length: meter and its span, seconds UTC; still open: a far end."""

    meter_id: NDArray[np.int64]
    from_s: NDArray[np.int64]
    to_s: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Edit:
    """An interval's energy set by hand."""

    meter_id: int
    ts_s: int
    energy_wh: float


@dataclass(slots=True)
class Tally:
    """Intervals of the judged day by quality, and by fault's word."""

    qualities: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Sources:
    """`raw`: readings as they came, around the day; `prior`: what was checked before of the day itself; both READINGS."""

    raw: Table
    prior: Table | None
    engine: BaseBackend


def judge_day(
    date: dt.date,
    meters: Meters,
    off: Off,
    edits: Iterable[Edit],
    sources: Sources,
    *,
    tally: Tally | None = None,
    rules: Rules = DEFAULT,
    until_s: int | None = None,
) -> Iterator[pa.Table]:
    """
    Checked readings of the UTC day in which intervals end, chunk by chunk, sorted by meter and time; schema READINGS.

    An interval of which nothing can be said has no row, nor has one that ends after `until_s` (seconds UTC) and was not told:
    nobody can have used anything yet. A row equal to the prior one keeps its version.
    """
    by_hand = list(edits)
    tally = Tally() if tally is None else tally
    for start in range(0, len(meters.meter_id), CHUNK_METERS):
        part = meters.part(slice(start, start + CHUNK_METERS))
        yield _chunk(date, part, off, by_hand, sources, tally, rules, until_s)


def _chunk(
    date: dt.date, meters: Meters, off: Off, edits: list[Edit], sources: Sources, tally: Tally, rules: Rules,
    until_s: int | None,
) -> pa.Table:  # fmt: skip
    slots = DAY_S // rules.period_s
    block = _block(date, MARGIN_DAYS, meters, off, sources, rules)
    checked = check(block, rules)
    needs = open_gaps(block, checked, MARGIN_DAYS * slots, (MARGIN_DAYS + 1) * slots - 1, rules)
    day = _Day.of(block, judge(block, rules, checked), MARGIN_DAYS * slots, slots)
    chosen = np.flatnonzero(needs)
    for start in range(0, len(chosen), CHUNK_LONG_METERS):
        part = chosen[start : start + CHUNK_LONG_METERS]
        mask = np.zeros(len(needs), bool)
        mask[part] = True
        wide = _block(date, LIKE_DAYS, meters.part(mask), off, sources, rules)
        day.put(part, _Day.of(wide, judge(wide, rules), LIKE_DAYS * slots, slots))
    if until_s is not None:
        day.end((until_s - _midnight(date)) // rules.period_s)
    day.edit(edits, meters, _midnight(date), rules)
    table = _table(day, meters, _midnight(date), rules, _prior(date, meters, sources, slots, rules))
    _count(day, tally)
    return table


def _midnight(date: dt.date) -> int:
    return int(dt.datetime.combine(date, dt.time(), dt.UTC).timestamp())


def _block(date: dt.date, margin: int, meters: Meters, off: Off, sources: Sources, rules: Rules) -> Block:
    first_s = _midnight(date) - margin * DAY_S
    slots = (2 * margin + 1) * DAY_S // rules.period_s
    # A clock a little slow or fast puts a reading beside the first or last interval's end.
    rows = _read(sources.raw, meters, first_s - rules.period_s // 2, first_s + slots * rules.period_s, sources.engine)
    return layout(
        _rows(rows, meters),
        meters=len(meters.meter_id),
        first_s=first_s,
        slots=slots,
        contracted_va=meters.contracted_va,
        phases=meters.phases,
        off=_off(off, meters, first_s, slots, rules),
        rules=rules,
    )


def _read(table: Table, meters: Meters, from_s: int, to_s: int, engine: BaseBackend) -> pa.Table:
    """Rows of these meters with from <= ts < to. Few meters of many are named one by one, else by their range."""
    ids = meters.meter_id
    begin, end = (dt.datetime.fromtimestamp(s, dt.UTC) for s in (from_s, to_s))
    own = table.filter(table.ts >= begin, table.ts < end)
    own = own.filter(own.meter_id >= int(ids[0]), own.meter_id <= int(ids[-1]))
    if int(ids[-1]) - int(ids[0]) >= 2 * len(ids):
        own = own.filter(own.meter_id.isin(ids.tolist()))
    return engine.to_pyarrow(own.select(*_COLUMNS, "quality", "reason"))


def _rows(table: pa.Table, meters: Meters) -> Rows:
    ids = table["meter_id"].to_numpy()
    place = np.searchsorted(meters.meter_id, ids)
    ours = meters.meter_id[np.minimum(place, len(meters.meter_id) - 1)] == ids
    if not ours.all():
        table, place = table.filter(pa.array(ours)), place[ours]
    return Rows(
        place.astype(np.int64),
        _seconds(table),
        _floats(table["energy_wh"]),
        _floats(table["register_wh"]),
        _floats(table["voltage_v"]),
        _floats(table["current_a"]),
        table["flags"].to_numpy().astype(np.int32),
        table["version"].to_numpy().astype(np.int32),
    )


def _seconds(table: pa.Table) -> NDArray[np.int64]:
    micros = table["ts"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return np.asarray(micros // 1_000_000, np.int64)


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), np.float64)


def _off(off: Off, meters: Meters, first_s: int, slots: int, rules: Rules) -> NDArray[np.bool_]:
    """Intervals that lie wholly within an outage."""
    mask = np.zeros((len(meters.meter_id), slots), bool)
    place = np.searchsorted(meters.meter_id, off.meter_id)
    for row, number, begin, end in zip(
        place.tolist(), off.meter_id.tolist(), off.from_s.tolist(), off.to_s.tolist(), strict=True
    ):
        if row < len(meters.meter_id) and meters.meter_id[row] == number:
            # The interval of column c is (first + (c - 1) x period, first + c x period].
            low = max(-((first_s - begin) // rules.period_s) + 1, 0)
            high = min((end - first_s) // rules.period_s + 1, slots)
            mask[row, low : max(high, low)] = True
    return mask


@dataclass(slots=True)
class _Day:
    """The judged day's matrices (meters, intervals)."""

    values: dict[str, NDArray[np.float64]]
    flags: NDArray[np.int32]
    raw_version: NDArray[np.int32]
    quality: NDArray[np.int8]
    faults: NDArray[np.int32]
    how: NDArray[np.int8]
    changed: NDArray[np.bool_]

    @classmethod
    def of(cls, block: Block, verdict: Verdict, first: int, slots: int) -> _Day:
        day = np.s_[:, first : first + slots]
        gone = np.isnan(verdict.voltage_v) & np.isfinite(block.voltage_v)
        return cls(
            {name: getattr(verdict, name)[day].copy() for name in VALUES},
            block.flags[day].copy(),
            block.version[day].copy(),
            verdict.quality[day].copy(),
            verdict.faults[day].copy(),
            verdict.how[day].copy(),
            (verdict.changed | gone)[day].copy(),
        )

    def put(self, rows: NDArray[np.int64], other: _Day) -> None:
        """Some meters judged with more around them."""
        for name in VALUES:
            self.values[name][rows] = other.values[name]
        for name in ("flags", "raw_version", "quality", "faults", "how", "changed"):
            getattr(self, name)[rows] = getattr(other, name)

    def end(self, last_slot: int) -> None:
        """Estimates of intervals after this one are taken away."""
        later = np.arange(self.quality.shape[1]) > last_slot
        self.quality[(self.quality == Quality.ESTIMATED) & later] = Quality.ABSENT

    def edit(self, edits: list[Edit], meters: Meters, midnight_s: int, rules: Rules) -> None:
        """What an operator has set stands over what was told or estimated."""
        for edit in edits:
            row = int(np.searchsorted(meters.meter_id, edit.meter_id))
            slot = (edit.ts_s - midnight_s) // rules.period_s
            if row < len(meters.meter_id) and meters.meter_id[row] == edit.meter_id and 0 <= slot < self.flags.shape[1]:
                self.values["energy_wh"][row, slot] = edit.energy_wh
                self.quality[row, slot] = Quality.EDITED
                self.changed[row, slot] = True


@dataclass(frozen=True, slots=True)
class _Prior:
    version: NDArray[np.int32]
    values: dict[str, NDArray[np.float64]]
    quality: NDArray[np.object_]
    reason: NDArray[np.object_]


def _prior(date: dt.date, meters: Meters, sources: Sources, slots: int, rules: Rules) -> _Prior | None:
    if sources.prior is None:
        return None
    begin = _midnight(date)
    table = _read(sources.prior, meters, begin, begin + DAY_S, sources.engine)
    rows = _rows(table, meters)
    if len(rows.meter) != table.num_rows:
        table = table.filter(pc.is_in(table["meter_id"], pa.array(meters.meter_id)))
    cell = (rows.meter, (rows.ts_s - begin) // rules.period_s)
    shape = (len(meters.meter_id), slots)
    values = {}
    for name in VALUES:
        values[name] = np.full(shape, np.nan)
        values[name][cell] = getattr(rows, name)
    version, quality, reason = np.zeros(shape, np.int32), np.full(shape, "", object), np.full(shape, "", object)
    version[cell] = rows.version
    quality[cell] = table["quality"].to_numpy()
    reason[cell] = table["reason"].to_numpy()
    return _Prior(version, values, quality, reason)


def _table(day: _Day, meters: Meters, midnight_s: int, rules: Rules, prior: _Prior | None) -> pa.Table:
    told = day.quality != Quality.ABSENT
    row, slot = np.nonzero(told)
    words = np.array([WORDS.get(Quality(q), "") for q in range(len(Quality))], object)
    quality = words[day.quality]
    reason = reasons(day.faults, day.how)
    reason[day.quality == Quality.EDITED] = EDITED
    version = np.where(day.changed, day.raw_version + 1, np.maximum(day.raw_version, 1)).astype(np.int32)
    if prior is not None:
        same = (prior.version > 0) & (prior.quality == quality) & (prior.reason == reason)
        for name in VALUES:
            same &= np.isclose(prior.values[name], day.values[name], rtol=0, atol=1e-6, equal_nan=True)
        newer = np.maximum(prior.version, day.raw_version) + 1
        version = np.where(prior.version == 0, version, np.where(same, prior.version, newer)).astype(np.int32)
    ts = (midnight_s + slot.astype(np.int64) * rules.period_s) * 1_000_000
    columns = [
        pa.array(meters.meter_id[row]),
        pa.array(ts).cast(pa.timestamp("us", "UTC")),
        pa.array(np.full(len(row), rules.period_s, np.int32)),
        *(pa.array(day.values[name][row, slot], from_pandas=True) for name in VALUES),
        pa.array(day.flags[row, slot]),
        pa.array(quality[row, slot], pa.string()),
        pa.array(reason[row, slot], pa.string()),
        pa.array(version[row, slot]),
    ]
    return pa.Table.from_arrays(columns, schema=READINGS)


def _count(day: _Day, tally: Tally) -> None:
    for number, count in enumerate(np.bincount(day.quality.ravel(), minlength=len(Quality)).tolist()):
        tally.qualities[Quality(number).name.lower()] += count
    if day.faults.any():
        for fault in Fault:
            found = int(((day.faults & fault) != 0).sum())
            if found:
                tally.faults[(fault.name or "").lower().replace("_", "-")] += found
