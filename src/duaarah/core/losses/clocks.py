# SPDX-License-Identifier: Apache-2.0
"""
Meters whose clock is off by an interval or more.

Neighbours see the same medium voltage at the same moment. Where a meter's changes of voltage follow its neighbours' best
some intervals later or earlier, its time stamps are wrong by so much. The total meter is compared with the customers' sum
of energies instead: it may have no voltage. What is off by less than half an interval cannot be seen here; the head-end
knows it from each session.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from duaarah.core.losses.panel import DAY_S, Array, Panel

TOTAL = 0
LAG_MAX_S = 13 * 3600
BLOCK_DAYS = 3
CORRELATION_MIN, MARGIN_MIN = 0.25, 0.15
KNOWN_MIN = 0.5


@dataclass(frozen=True, slots=True)
class ClockFinding:
    """
    Clock of a meter (`meter_id` 0: the total meter) off by `lag_s`: above zero its stamps are too late. `since_s`: the
    begin of the first block of days in which it is so; `correlation` with its neighbours once put right.
    """

    meter_id: int
    lag_s: int
    since_s: int
    until_s: int
    correlation: float


def clock_findings(panel: Panel) -> list[ClockFinding]:
    """Meters and total, each with its most frequent lag over blocks of days."""
    steps = len(panel.end_s)
    block = BLOCK_DAYS * DAY_S // panel.period_s
    if steps < block or len(panel.meter_ids) < 3:
        return []
    starts = range(0, steps - block + 1, block)
    seen: dict[int, list[tuple[int, int, float]]] = {}
    for start in starts:
        rows = slice(start, start + block)
        for meter_id, lag, r in _block(panel, rows):
            seen.setdefault(meter_id, []).append((lag, start, r))
    out = []
    for meter_id, found in seen.items():
        lags = [lag for lag, _, _ in found]
        usual = max(set(lags), key=lags.count)
        same = [(start, r) for lag, start, r in found if lag == usual]
        # Once in many blocks may be chance.
        if len(same) < 2 and len(starts) > 1:
            continue
        since, until = int(panel.end_s[same[0][0]]) - panel.period_s, int(panel.end_s[same[-1][0] + block - 1])
        best = max(r for _, r in same)
        out.append(ClockFinding(meter_id, usual * panel.period_s, since, until, best))
    return sorted(out, key=lambda f: f.meter_id)


def aligned(panel: Panel, findings: list[ClockFinding]) -> Panel:
    """The panel with these clocks put right: shifted series, absent where nothing moves in. The total stays as it is."""
    energy, register, voltage = panel.energy_wh.copy(), panel.register_wh.copy(), panel.voltage_v.copy()
    place = {m: i for i, m in enumerate(panel.meter_ids)}
    for finding in findings:
        if finding.meter_id not in place:
            continue
        m, lag = place[finding.meter_id], finding.lag_s // panel.period_s
        rows = (panel.end_s > finding.since_s) & (panel.end_s <= finding.until_s)
        for series in (energy, register, voltage):
            moved = np.full(rows.sum(), np.nan)
            old = series[rows, m]
            if lag > 0:
                moved[:-lag] = old[lag:]
            else:
                moved[-lag:] = old[:lag]
            series[rows, m] = moved
    return replace(panel, energy_wh=energy, register_wh=register, voltage_v=voltage)


def _block(panel: Panel, rows: slice) -> list[tuple[int, int, float]]:
    """(meter, lag, correlation) of those off within one block."""
    most = LAG_MAX_S // panel.period_s
    out = []
    change = np.diff(panel.voltage_v[rows], axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        common = np.nanmedian(change, axis=1) if change.size else np.zeros(0)
    if np.isfinite(common).mean() >= KNOWN_MIN:
        columns = [i for i in range(change.shape[1]) if np.isfinite(change[:, i]).mean() >= KNOWN_MIN]
        for i, (lag, best, margin) in zip(columns, _lags(common, change[:, columns], most), strict=True):
            if lag and best >= CORRELATION_MIN and margin >= MARGIN_MIN:
                out.append((panel.meter_ids[i], lag, best))
    total, sold = np.diff(panel.total_wh[rows]), np.diff(np.nansum(panel.energy_wh[rows], axis=1))
    if np.isfinite(total).mean() >= KNOWN_MIN:
        ((lag, best, margin),) = _lags(sold, total[:, None], most)
        if lag and best >= 2 * CORRELATION_MIN and margin >= MARGIN_MIN:
            out.append((TOTAL, lag, best))
    return out


def _lags(common: Array, series: Array, most: int) -> list[tuple[int, float, float]]:
    """Of each column: the lag at which it follows `common` best, that correlation, and how far no lag lies below it."""
    n = len(common)
    size = 1 << int(np.ceil(np.log2(2 * n)))
    a = _unit(common[:, None])
    b = _unit(series)
    cross = np.fft.irfft(np.fft.rfft(b, size, axis=0) * np.conj(np.fft.rfft(a, size, axis=0)), size, axis=0)
    lags = np.r_[np.arange(0, most + 1), np.arange(-most, 0)]
    table = cross[lags]
    best = table.argmax(axis=0)
    return [(int(lags[k]), float(table[k, j]), float(table[k, j] - table[0, j])) for j, k in enumerate(best)]


def _unit(series: Array) -> Array:
    known = np.isfinite(series)
    mean = np.where(known, series, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, series - mean, 0.0)
    length = np.sqrt((centred**2).sum(axis=0))
    return np.asarray(centred / np.where(length > 0, length, 1.0))
