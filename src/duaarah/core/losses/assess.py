# SPDX-License-Identifier: Apache-2.0
"""One transformer over one span, from its readings to what is said of it: the whole order of work in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from duaarah.core.losses.balance import Balance, balance
from duaarah.core.losses.clocks import ClockFinding, aligned, clock_findings
from duaarah.core.losses.estimate import Estimate, LossModel, daily_ntl, estimate, learn
from duaarah.core.losses.panel import Hours, Panel, hours_of
from duaarah.core.losses.registers import RegisterFinding, register_findings
from duaarah.core.losses.steps import Step, find_step
from duaarah.core.losses.suspects import Ranking, rank
from duaarah.core.losses.technical import Plate, lines_loss_wh

CLEAN_DAYS = 14
RANK_DAYS_MIN = 14


@dataclass(frozen=True, slots=True)
class Assessment:
    """
    `since_day`: the local day from which more is missing than before, None: no such day. `clean_days`: from how many days
    before it (or from a period known as clean) the loss model learned. `ranking` is None while a verdict is refused.
    """

    whole: Balance
    estimate: Estimate
    hours: Hours
    model: LossModel
    registers: list[RegisterFinding]
    clocks: list[ClockFinding]
    since_day: int | None
    step: Step | None
    ranking: Ranking | None


def assess(panel: Panel, plate: Plate, *, clean: tuple[int, int] | None = None, ranked: bool = True) -> Assessment:
    """
    `clean`: local days (both within) in which nothing was missing, as an inspection found; without it, days before a step
    in what is missing teach the model if there are two weeks of them. `ranked`: whether meters are looked for too, which
    takes most of the time.
    """
    registers, clocks = register_findings(panel), clock_findings(panel)
    put_right = aligned(panel, [c for c in clocks if c.meter_id])
    lines, known = lines_loss_wh(put_right, plate)
    hours = hours_of(put_right, lines, lines_known=known)
    lags = {c.meter_id: c.lag_s for c in clocks}
    whole = balance(panel, clock_lag_s=lags)
    model, step, since = _model(hours, plate, clean)
    asked = hours if since is None else hours.part(hours.day >= since)
    if clean is not None and since is None:
        asked = hours.part((hours.day < clean[0]) | (hours.day > clean[1]))
    answer = estimate(asked, model)
    enough = len(np.unique(hours.day[hours.use])) >= RANK_DAYS_MIN
    ranking = rank(hours, model, since_day=since) if ranked and enough and whole.refusal is None else None
    return Assessment(whole, answer, hours, model, registers, clocks, since, step, ranking)


def _model(hours: Hours, plate: Plate, clean: tuple[int, int] | None) -> tuple[LossModel, Step | None, int | None]:
    nothing = hours.part(np.zeros(len(hours.day), dtype=bool))
    model = learn(nothing, plate)
    if clean is not None:
        model = learn(hours.part((hours.day >= clean[0]) & (hours.day <= clean[1])), plate)
    days, above, noise = daily_ntl(hours, model)
    step = find_step(above, floor=float(noise.mean()) if len(noise) else 0.0)
    if step is None or step.size <= 0:
        return model, None, None
    since = int(days[step.index])
    if clean is None and step.index >= CLEAN_DAYS:
        model = learn(hours.part(hours.day < since), plate)
    return model, step, since
