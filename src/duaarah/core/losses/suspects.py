# SPDX-License-Identifier: Apache-2.0
"""
Which meters the unexplained energy points to, hour by hour.

The hour's residual is explained by columns that cannot be negative: each meter's own reading (somebody who meters a part
of what he draws hides energy in the rhythm of what he meters), the same from the day on which his use fell, at night
only, and for a meter that fell to zero its former day. Beside them stand what is nobody's: a constant load in the dark
hours (street light). The gain, the lines' scale and the no-load error may go either way, as far as the loss model lets them.
A meter's score is its best coefficient in standard deviations; a standard deviation that readings too much alike blow up
keeps it low, and then the answer is "cannot tell". All of it is an indication.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from duaarah.core.losses.estimate import LossModel
from duaarah.core.losses.panel import HOUR_S, Array, Flags, Hours
from duaarah.core.losses.steps import find_step
from duaarah.core.losses.technical import transformer_loss_wh

PARTIAL, DROP, NIGHT, BYPASS, LATER = "partial", "drop", "night", "bypass", "later"
NIGHT_FROM, NIGHT_TO, DARK_FROM, DARK_TO, SUN_FROM, SUN_TO = 22, 5, 18, 6, 9, 15
_Found = tuple[float, str, float, float, int | None]  # score, mechanism, coefficient, Wh a day, since
# A case is opened from this score on, hiding so much of the own use and so much a day.
SCORE_CASE, HIDDEN_SHARE_MIN, HIDDEN_WH_DAY_MIN = 6.5, 0.15, 300.0
SCORE_CLEAR = 4.0
# The other story of a step counts only if it leaves so much less unexplained.
LATER_BETTER = 0.97
# A meter whose own reading the others explain so well (variance inflation) cannot be told from them.
ALIKE = 30.0
ZERO_SHARE, DROP_SHARE, ALIVE_WH_DAY = 0.05, 0.20, 400.0
STREET_WH_MIN = 40.0


@dataclass(frozen=True, slots=True)
class Suspect:
    """
    One meter. `score` in standard deviations; `mechanism` of its best column; `hidden_wh_day`: what it would hide a day;
    `share`: of what it draws; `since_day`: local day number from which on, None: since before these readings. `case`: an
    inspection pays. `alike`: its readings are too much like others' to tell.
    """

    meter_id: int
    score: float
    mechanism: str
    share: float
    hidden_wh_day: float
    since_day: int | None
    case: bool
    alike: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """`suspects` best first (all meters). `street_light_w`: a constant load in the dark. `vacant`: fell to zero, and the
    residual did not rise. `pv`: feed in at noon. `cannot_tell`: energy is missing and no meter stands out."""

    suspects: list[Suspect]
    street_light_w: float
    vacant: list[int]
    pv: list[int]
    cannot_tell: bool
    pv_suspected: bool = False


@dataclass(slots=True)
class _Columns:
    values: list[Array] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)  # column of the meter; -1: nobody's
    kind: list[str] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    doubt: list[float] = field(default_factory=list)  # prior standard deviation; inf: none
    since: list[int | None] = field(default_factory=list)

    def add(self, values: Array, owner: int, kind: str, since: int | None = None, *, low: float = 0.0,
            doubt: float = np.inf) -> None:  # fmt: skip
        self.values.append(values)
        self.owner.append(owner)
        self.kind.append(kind)
        self.low.append(low)
        self.doubt.append(doubt)
        self.since.append(since)


def residual_of(hours: Hours, model: LossModel) -> Array:
    """Wh of each hour above the loss model's answer."""
    plate = transformer_loss_wh(hours.total_wh, HOUR_S, model.plate)
    design = np.column_stack([np.ones(len(hours.total_wh)), hours.total_wh, hours.lines_wh])
    return np.asarray(hours.total_wh - hours.sold_wh - plate - hours.lines_wh - design @ model.mean)


def rank(hours: Hours, model: LossModel, *, since_day: int | None = None) -> Ranking:
    """
    Rank all meters of a transformer over these hours (a month or two; two weeks at least say something). `since_day`: the
    local day from which more is missing than before; a load beside a meter may have begun then while its own use went on.
    """
    hours = hours.part(hours.use)
    residual = residual_of(hours, model)
    pv, pv_suspected = feeding_in(hours, residual)
    if pv_suspected:
        # In the sun the balance does not hold: what one feeds in his neighbours use.
        keep = (hours.hour < SUN_FROM - 2) | (hours.hour > SUN_TO + 2)
        hours, residual = hours.part(keep), residual[keep]
    columns = _columns(hours, model)
    solved = _solve(columns, residual, hours.total_wh, np.ones(len(residual), dtype=bool))
    night = (hours.hour >= NIGHT_FROM) | (hours.hour < NIGHT_TO)
    # What the whole day explains clearly is taken away before the night is looked at by itself.
    clear = (solved.beta > 0) & (solved.beta >= SCORE_CLEAR * solved.sd)
    explained = sum((solved.beta[j] * columns.values[j] for j in np.flatnonzero(clear)), np.zeros(len(residual)))
    at_night = _solve(_night_columns(hours, model), residual - explained, hours.total_wh, night)
    days = max(len(np.unique(hours.day)), 1)
    later = _later_columns(hours, model, since_day)
    begun = _solve(later, residual, hours.total_wh, np.ones(len(residual), dtype=bool)) if later is not None else None
    if begun is not None and begun.noise > LATER_BETTER * solved.noise:
        begun = None  # what each meter's own days say explains it as well
    best = _best(hours, columns, solved, at_night, days, (later, begun) if later and begun else None)
    vacant = _vacant(columns, solved, hours)
    street = _street(columns, solved)
    missing = residual.sum() > 3 * model.noise * hours.total_wh.sum() / np.sqrt(days) and residual.sum() > 0
    told = any(s.case for s in best) or street > 0
    return Ranking(best, street, vacant, pv, bool(missing and not told), pv_suspected)


def feeding_in(hours: Hours, residual: Array) -> tuple[list[int], bool]:
    """Meters that feed in at noon: less came in than was used while the sun was high, and these drew nothing then."""
    sun = (hours.hour >= SUN_FROM) & (hours.hour <= SUN_TO)
    if not sun.any() or sun.all():
        return [], False
    days = np.unique(hours.day)
    noon = np.array([residual[sun & (hours.day == d)].sum() for d in days])
    total = np.array([hours.total_wh[sun & (hours.day == d)].sum() for d in days])
    below = noon < -0.02 * np.maximum(total, 1.0)
    if below.mean() < 0.5:
        return [], False
    drawn_sun, drawn_else = hours.energy_wh[sun].mean(axis=0), hours.energy_wh[~sun].mean(axis=0)
    dark = drawn_sun < 0.15 * drawn_else
    return [hours.meter_ids[i] for i in np.flatnonzero(dark & (drawn_else > 20.0))], True


def _shared(columns: _Columns, hours: Hours, model: LossModel) -> None:
    sd = np.sqrt(np.diag(model.covariance))
    ones = np.ones(len(hours.total_wh))
    columns.add(ones, -1, "no_load", low=-np.inf, doubt=float(sd[0]))
    columns.add(hours.total_wh, -1, "gain", low=-np.inf, doubt=float(sd[1]))
    columns.add(hours.lines_wh, -1, "lines", low=-np.inf, doubt=float(sd[2]))


def _columns(hours: Hours, model: LossModel) -> _Columns:
    columns = _Columns()
    _shared(columns, hours, model)
    dark = ((hours.hour >= DARK_FROM) | (hours.hour < DARK_TO)).astype(np.float64)
    columns.add(dark, -1, "street_light")
    days = np.unique(hours.day)
    for m in range(hours.energy_wh.shape[1]):
        own = hours.energy_wh[:, m]
        columns.add(own, m, PARTIAL)
        daily = np.array([own[hours.day == d].sum() for d in days])
        step = find_step(daily, floor=0.1 * float(daily.mean()))
        if step is None or step.size >= 0:
            continue
        before, after = daily[: step.index].mean(), daily[step.index :].mean()
        since = int(days[step.index])
        late = hours.day >= since
        if after <= ZERO_SHARE * before and before >= ALIVE_WH_DAY:
            columns.add(np.where(late, _former_day(own, hours, ~late), 0.0), m, BYPASS, since)
        elif after <= (1 - DROP_SHARE) * before:
            columns.add(np.where(late, own, 0.0), m, DROP, since)
    return columns


def _later_columns(hours: Hours, model: LossModel, since_day: int | None) -> _Columns | None:
    """
    The other story of a step in what is missing: from that day on loads hang beside meters whose own use went on as before,
    and something that runs all day passes by every meter. None without a step within these hours.
    """
    if since_day is None:
        return None
    begun = hours.day >= since_day
    if begun.all() or not begun.any():
        return None
    columns = _Columns()
    _shared(columns, hours, model)
    dark = ((hours.hour >= DARK_FROM) | (hours.hour < DARK_TO)).astype(np.float64)
    columns.add(dark, -1, "street_light")
    columns.add(begun.astype(np.float64), -1, "beside")
    for m in range(hours.energy_wh.shape[1]):
        columns.add(np.where(begun, hours.energy_wh[:, m], 0.0), m, LATER, since_day)
    return columns


def _night_columns(hours: Hours, model: LossModel) -> _Columns:
    columns = _Columns()
    _shared(columns, hours, model)
    columns.add(np.ones(len(hours.total_wh)), -1, "street_light")
    for m in range(hours.energy_wh.shape[1]):
        columns.add(hours.energy_wh[:, m], m, NIGHT)
    return columns


def _former_day(own: Array, hours: Hours, before: Flags) -> Array:
    usual = np.array([own[before & (hours.hour == h)].mean() if (before & (hours.hour == h)).any() else 0.0
                      for h in range(24)])  # fmt: skip
    return np.asarray(usual[hours.hour])


@dataclass(frozen=True, slots=True)
class _Solved:
    beta: Array
    sd: Array
    inflation: Array
    noise: float


def _solve(columns: _Columns, residual: Array, total: Array, rows: Flags) -> _Solved:
    """Least squares with bounds and priors; standard deviations from the unbounded problem, so they are not too small."""
    weight = 1.0 / (0.3 * float(total.mean()) + total[rows])
    x = np.column_stack(columns.values)[rows] * weight[:, None]
    y = residual[rows] * weight
    size = np.sqrt((x**2).sum(axis=0))
    used = size > 1e-9
    x = x / np.where(used, size, 1.0)
    doubt = np.array(columns.doubt) * np.where(used, size, 1.0)
    gram, right = x.T @ x, x.T @ y
    low = np.array(columns.low)
    noise = float(np.std(y)) or 1e-12
    beta = np.zeros(len(size))
    for _ in range(3):
        ridge = np.where(np.isfinite(doubt) & (doubt > 0), noise**2 / np.maximum(doubt, 1e-12) ** 2, 0.0)
        beta = _descend(gram + np.diag(ridge), right, low, beta)
        left = y - x @ beta
        # The scatter that most hours have; a few wild ones do not widen all the rest.
        noise = max(float(np.sqrt((left**2).sum() / max(len(y) - (beta != 0).sum(), 1))), 1e-12)
    full = gram + np.diag(ridge + np.where(used, 1e-9, 1.0))
    inverse = np.linalg.inv(full)
    sd = noise * np.sqrt(np.maximum(np.diag(inverse), 0.0))
    scale = np.where(used, size, 1.0)
    return _Solved(np.where(used, beta / scale, 0.0), np.where(used, sd / scale, np.inf), np.diag(inverse), noise)


def _descend(gram: Array, right: Array, low: Array, start: Array) -> Array:
    """Coordinate descent: minimise b'Gb/2 - r'b with b >= low."""
    beta = start.copy()
    slope = gram @ beta - right
    diagonal = np.maximum(np.diag(gram), 1e-12)
    for _ in range(200):
        moved = 0.0
        for j in range(len(beta)):
            new = max(beta[j] - slope[j] / diagonal[j], low[j])
            step = new - beta[j]
            if step:
                slope += gram[:, j] * step
                beta[j] = new
                moved = max(moved, abs(step))
        if moved < 1e-6 * (np.abs(beta).max() + 1e-12):
            break
    return beta


def _best(
    hours: Hours,
    columns: _Columns,
    solved: _Solved,
    at_night: _Solved,
    days: int,
    begun: tuple[_Columns, _Solved] | None,
) -> list[Suspect]:
    values = columns.values
    found: dict[int, _Found] = {}
    night = (hours.hour >= NIGHT_FROM) | (hours.hour < NIGHT_TO)
    plain = {columns.owner[j]: solved.inflation[j] for j in range(len(values)) if columns.kind[j] == PARTIAL}
    for j, owner in enumerate(columns.owner):
        if owner >= 0:
            hidden = float(solved.beta[j] * values[j].sum()) / days
            _keep(found, owner, columns.kind[j], solved.beta[j], solved.sd[j], hidden, columns.since[j])
    for j in range(4, len(at_night.beta)):
        hidden = float(at_night.beta[j] * hours.energy_wh[night, j - 4].sum()) / days
        # Half the rows, twice the looks: what night alone says counts a little less.
        _keep(found, j - 4, NIGHT, at_night.beta[j], at_night.sd[j] / 0.8, hidden, None)
    if begun is not None:
        late, told = begun
        for j, owner in enumerate(late.owner):
            if owner >= 0:
                hidden = float(told.beta[j] * late.values[j].sum()) / max(
                    len(np.unique(hours.day[late.values[j] > 0])), 1
                )
                _keep(found, owner, LATER, told.beta[j], told.sd[j], hidden, late.since[j])
    out = []
    for m, meter_id in enumerate(hours.meter_ids):
        score, kind, beta, hidden, since = found.get(m, (0.0, PARTIAL, 0.0, 0.0, None))
        share = min(beta, 1.0) if kind == BYPASS else beta / (1 + beta)
        alike = plain.get(m, 0.0) > ALIKE and kind != BYPASS
        case = score >= SCORE_CASE and share >= HIDDEN_SHARE_MIN and hidden >= HIDDEN_WH_DAY_MIN and not alike
        if kind == BYPASS:
            case = case and share >= 0.4
        out.append(Suspect(meter_id, float(score), kind, float(share), hidden, since, bool(case), bool(alike)))
    return sorted(out, key=lambda s: (-s.score, s.meter_id))


def _keep(
    found: dict[int, _Found], owner: int, kind: str, beta: float, sd: float, hidden: float, since: int | None
) -> None:
    score = beta / sd if np.isfinite(sd) and sd > 0 else 0.0
    if owner not in found or score > found[owner][0]:
        found[owner] = (score, kind, float(beta), hidden, since)


def _vacant(columns: _Columns, solved: _Solved, hours: Hours) -> list[int]:
    return [
        hours.meter_ids[columns.owner[j]]
        for j, kind in enumerate(columns.kind)
        if kind == BYPASS and solved.beta[j] + 2 * solved.sd[j] < 0.5
    ]


def _street(columns: _Columns, solved: _Solved) -> float:
    j = columns.kind.index("street_light")
    sure = solved.beta[j] >= max(STREET_WH_MIN, 5 * solved.sd[j])
    return float(solved.beta[j]) if sure else 0.0
