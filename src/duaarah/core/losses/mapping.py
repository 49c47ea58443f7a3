# SPDX-License-Identifier: Apache-2.0
"""
Is each meter at the transformer and on the phase that the registry says? Their voltages tell.

All meters of a feeder see the medium voltage move; those of one transformer and phase see in addition the drop that their
common load makes. So the movement that all groups (transformer and phase) share is taken away, and each meter is compared
with the median of every group, itself left out. One that follows another group clearly better hangs there; where no group
stands out nothing is said.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from duaarah.core.losses.panel import Array

TRANSFORMER, PHASE, PHASE_UNKNOWN, EXCHANGED = "transformer", "phase", "phase_unknown", "exchanged"
GROUP_MIN = 3
CORRELATION_MIN, MARGIN_MIN = 0.3, 0.12
KNOWN_MIN = 0.5


@dataclass(frozen=True, slots=True)
class MappingFinding:
    """
    `kind` of what is wrong; recorded and likely (transformer id, phase); the correlation with both. `exchanged`: the meter
    that by all signs hangs where this one should (None: none). `phase_unknown` only proposes.
    """

    meter_id: int
    kind: str
    recorded: tuple[int, str]
    likely: tuple[int, str]
    correlation_recorded: float
    correlation_likely: float
    exchanged: int | None = None


def check_mapping(
    voltage_v: Array, meter_ids: list[int], transformer_ids: list[int], phases: list[str]
) -> list[MappingFinding]:
    """
    `voltage_v` (steps, meters) of all meters of one feeder on one grid of time. Groups smaller than three say nothing of
    others, and a feeder with a single group says nothing at all.
    """
    recorded = list(zip(transformer_ids, phases, strict=True))
    groups = sorted({g for g in recorded if g[1] and recorded.count(g) >= GROUP_MIN})
    if len(groups) < 2 or len(voltage_v) < 24:
        return []
    change = np.diff(voltage_v, axis=0)
    table = _correlations(change, recorded, groups)
    # A second look with those left out that seem to hang elsewhere: they blur the group in which they are recorded.
    best = [groups[int(k)] for k in table.argmax(axis=1)]
    settled = [b if _clear(table[i], groups, recorded[i]) else recorded[i] for i, b in enumerate(best)]
    if settled != recorded:
        table = _correlations(change, settled, groups)
    out = []
    for i, meter_id in enumerate(meter_ids):
        known = np.isfinite(change[:, i]).mean() >= KNOWN_MIN
        if known and _clear(table[i], groups, recorded[i]):
            out.append(_finding(meter_id, recorded[i], groups, table[i]))
    return _pairs(out)


def _correlations(change: Array, member: list[tuple[int, str]], groups: list[tuple[int, str]]) -> Array:
    """(meters, groups): each meter against each group's median without it, the movement of all groups taken away."""
    columns = {g: [i for i, m in enumerate(member) if m == g] for g in groups}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        medians = np.column_stack([np.nanmedian(change[:, columns[g]], axis=1) for g in groups])
        common = np.nanmean(medians, axis=1)
        out = np.full((change.shape[1], len(groups)), -1.0)
        for i in range(change.shape[1]):
            own = change[:, i] - common
            for k, g in enumerate(groups):
                if i in columns[g]:
                    others = [j for j in columns[g] if j != i]
                    against = np.nanmedian(change[:, others], axis=1) - common
                else:
                    against = medians[:, k] - common
                out[i, k] = _correlation(own, against)
    return out


def _correlation(a: Array, b: Array) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 24:
        return 0.0
    x, y = a[both] - a[both].mean(), b[both] - b[both].mean()
    size = np.sqrt((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / size) if size > 0 else 0.0


def _clear(row: Array, groups: list[tuple[int, str]], recorded: tuple[int, str]) -> bool:
    """
    Another group than the recorded one stands out: above it, and above all others. A recorded group that is too small to be
    compared with leaves nothing to say; where the phase is not known, the transformer's best group stands for it.
    """
    k = int(row.argmax())
    if groups[k] == recorded or row[k] < CORRELATION_MIN:
        return False
    kin = [n for n, group in enumerate(groups) if group == recorded or (not recorded[1] and group[0] == recorded[0])]
    if not kin:
        return False
    own = -1.0 if k in kin else float(row[kin].max())
    second = np.delete(row, k).max()
    return bool(row[k] - own >= MARGIN_MIN and row[k] - second >= MARGIN_MIN / 2)


def _finding(meter_id: int, recorded: tuple[int, str], groups: list[tuple[int, str]], row: Array) -> MappingFinding:
    k = int(row.argmax())
    likely = groups[k]
    if likely[0] != recorded[0]:
        kind = TRANSFORMER
    else:
        kind = PHASE if recorded[1] else PHASE_UNKNOWN
    own = float(row[groups.index(recorded)]) if recorded in groups else 0.0
    return MappingFinding(meter_id, kind, recorded, likely, own, float(row[k]))


def _pairs(found: list[MappingFinding]) -> list[MappingFinding]:
    """Two that hang where the other is recorded were perhaps exchanged when they were mounted."""
    out = []
    for one in found:
        others = [o for o in found if o.recorded == one.likely and o.likely == one.recorded]
        mutual = [p for p in found if p.recorded == one.recorded and p.likely == one.likely]
        alone = len(others) == 1 and len(mutual) == 1
        out.append(replace(one, exchanged=others[0].meter_id) if alone else one)
    return out
