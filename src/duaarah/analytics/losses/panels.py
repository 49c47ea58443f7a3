# SPDX-License-Identifier: Apache-2.0
"""Readings of the interval store as the panel of one transformer."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from duaarah.analytics.engines import own_connection
from duaarah.analytics.losses.network import Place
from duaarah.core.losses.panel import HOUR_S, Panel

if TYPE_CHECKING:
    from ibis.expr.types import Table

DAY = dt.timedelta(days=1)
PERIOD_S = 900
_COLUMNS = ("meter_id", "ts", "period_s", "energy_wh", "register_wh", "voltage_v", "quality", "reason")
_VALUES = ("energy_wh", "register_wh", "voltage_v")
Array = NDArray[np.float64]


def rows_of(readings: Table, meter_ids: list[int], begin_s: int, end_s: int) -> pa.Table:
    """The rows of these meters whose intervals end in (begin, end], UTC seconds, by meter and time."""
    begin, end = (dt.datetime.fromtimestamp(s, dt.UTC) for s in (begin_s, end_s))
    near = readings.filter(readings.ts > begin, readings.ts <= end, readings.meter_id.isin(meter_ids))
    return own_connection().to_pyarrow(near.select(*_COLUMNS).order_by("meter_id", "ts"))


def panel_of(place: Place, readings: Table, first_date: dt.date, last_date: dt.date) -> Panel:
    """
    The local days `first_date` to `last_date` of a transformer, both within, at the longest interval its meters have.

    What validation made up for a reading that never came is absent here: the register bridges such gaps, and they count
    against completeness. Before a customer was there he drew nothing; that is known. Several total meters are summed.
    """
    begin_s, end_s = place.midnight_s(first_date), place.midnight_s(last_date + DAY)
    table = rows_of(readings, place.meter_ids, begin_s, end_s)
    told = {name: _floats(table[name]) for name in _VALUES}
    made_up = _made_up(table)
    for name in ("energy_wh", "register_wh"):
        told[name][made_up] = np.nan
    end = table["ts"].cast(pa.int64()).to_numpy() // 1_000_000
    period = table["period_s"].to_numpy().astype(np.int64)
    known = (period > 0) & (period <= HOUR_S)
    step_s = max((int(p) for p in np.unique(period[known]) if HOUR_S % p == 0), default=PERIOD_S)
    columns = [c.meter_id for c in place.customers] + sorted({t.meter_id for t in place.totals})
    grid = _Grid(begin_s, (end_s - begin_s) // step_s, step_s, columns)
    wide = grid.laid(table["meter_id"].to_numpy(), end, period, told, known & (step_s % np.maximum(period, 1) == 0))
    return _panel(place, grid, wide, place.offset_s(last_date))


def _panel(place: Place, grid: _Grid, wide: dict[str, Array], offset_s: int) -> Panel:
    count = len(place.customers)
    end_s = grid.begin_s + grid.step_s * (1 + np.arange(grid.steps))
    energy, register = wide["energy_wh"][:, :count], wide["register_wh"][:, :count]
    for column, customer in enumerate(place.customers):
        energy[end_s <= customer.since_s, column] = 0.0
    total, busbar = np.full((grid.steps, len(place.totals)), np.nan), np.full((grid.steps, len(place.totals)), np.nan)
    there = np.zeros((grid.steps, len(place.totals)), bool)
    for number, one in enumerate(place.totals):
        own = grid.columns.index(one.meter_id, count)
        there[:, number] = (end_s - grid.step_s >= one.from_s) & (end_s <= one.to_s)
        total[:, number], busbar[:, number] = wide["energy_wh"][:, own], wide["voltage_v"][:, own]
    summed = np.where(there, total, 0.0).sum(axis=1)
    volts = np.where(there & np.isfinite(busbar), busbar, 0.0).sum(axis=1)
    heard = (there & np.isfinite(busbar)).sum(axis=1)
    return Panel(
        end_s=end_s,
        period_s=grid.step_s,
        meter_ids=tuple(c.meter_id for c in place.customers),
        energy_wh=energy,
        register_wh=register,
        voltage_v=wide["voltage_v"][:, :count],
        total_wh=np.where(there.any(axis=1), summed, np.nan),
        busbar_v=np.divide(volts, heard, out=np.full(grid.steps, np.nan), where=heard > 0),
        offset_s=offset_s,
    )


class _Grid:
    """Steps of equal length and one column a meter (a total meter that customers have as well stands at the end)."""

    def __init__(self, begin_s: int, steps: int, step_s: int, columns: list[int]) -> None:
        self.begin_s, self.steps, self.step_s, self.columns = begin_s, steps, step_s, columns

    def laid(
        self,
        meter_id: NDArray[np.int64],
        end_s: NDArray[np.int64],
        period_s: NDArray[np.int64],
        values: dict[str, Array],
        use: NDArray[np.bool_],
    ) -> dict[str, Array]:
        """(steps, columns) each: energies of shorter intervals summed where all are there, voltages as their mean."""
        order = np.argsort(self.columns)
        ordered = np.array(self.columns, np.int64)[order]
        place = np.minimum(np.searchsorted(ordered, meter_id), max(len(ordered) - 1, 0))
        step = (end_s - self.begin_s - 1) // self.step_s
        use = use & (step >= 0) & (step < self.steps)
        if len(ordered):
            use &= ordered[place] == meter_id
        cell = (step * len(self.columns) + order[place])[use] if len(ordered) else np.zeros(0, np.int64)
        size, shape = self.steps * len(self.columns), (self.steps, len(self.columns))
        part, last = period_s[use] / self.step_s, (end_s[use] - self.begin_s) % self.step_s == 0
        out = {}
        for name, each in values.items():
            own = each[use]
            fine = np.isfinite(own)
            if name == "register_wh":
                flat = np.full(size, np.nan)
                flat[cell[fine & last]] = own[fine & last]
            else:
                weight = np.bincount(cell[fine], weights=part[fine], minlength=size)
                factor = part[fine] if name == "voltage_v" else 1.0
                sums = np.bincount(cell[fine], weights=own[fine] * factor, minlength=size)
                whole = weight > 0.999 if name == "energy_wh" else weight > 0
                flat = np.full(size, np.nan)
                flat[whole] = sums[whole] / (weight[whole] if name == "voltage_v" else 1.0)
            out[name] = flat.reshape(shape)
        return out


def _made_up(table: pa.Table) -> NDArray[np.bool_]:
    """Rows that no meter told: estimated over a gap. A logged outage is known to be zero."""
    guessed = pc.and_(pc.equal(table["quality"], "estimated"), pc.match_substring(table["reason"], "gap"))
    guessed = pc.and_(guessed, pc.invert(pc.match_substring(table["reason"], "outage")))
    return np.asarray(pc.fill_null(guessed, False).to_numpy(zero_copy_only=False), bool)


def _floats(column: pa.ChunkedArray) -> Array:
    return np.array(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), np.float64)


def local_day(date: dt.date) -> int:
    """Days since 1970, as `core.losses` counts local days."""
    return (date - dt.date(1970, 1, 1)).days


def date_of(day: int) -> dt.date:
    """The date of such a day."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))
