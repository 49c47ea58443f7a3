# SPDX-License-Identifier: Apache-2.0
"""
Figures of losses over many seeds: how near the non-technical part is and whether its interval is honest, whether each fault
of mapping, registers and clocks is found and named, how well meters are ranked, and how long a transformer takes.

No database: towns whose truth is known (`losses_town`), made without any code of the platform.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from duaarah.core.losses.assess import assess
from duaarah.core.losses.clocks import aligned, clock_findings
from duaarah.core.losses.estimate import Estimate, estimate, learn
from duaarah.core.losses.mapping import PHASE, TRANSFORMER, check_mapping
from duaarah.core.losses.panel import Panel, hours_of
from duaarah.core.losses.registers import RESET, SWAP, register_findings
from duaarah.core.losses.suspects import rank
from duaarah.core.losses.technical import lines_loss_wh
from duaarah.stage import losses_town as town

SEEDS, FAULT_SEEDS, RANK_SEEDS = 200, 20, 10
CLEAN, AFTER, RANK_DAYS = 14, 14, 42
NTL, NEAR = 0.02, 0.25
Record = dict[str, Any]


def run(seeds: int = SEEDS) -> Iterator[Record]:
    """Records `figure, value, unit`; a tenth of the seeds for faults, a twentieth for rankings."""
    yield from _estimates(seeds)
    yield from _faults(max(seeds * FAULT_SEEDS // SEEDS, 1))
    yield from _rankings(max(seeds * RANK_SEEDS // SEEDS, 1))


def _record(figure: str, value: float | np.floating[Any], unit: str, **how: Any) -> Record:
    cores = os.cpu_count() or 1
    return {"bench": "losses", "figure": figure, "value": round(float(value), 4), "unit": unit, "cores": cores, **how}


def hiding(share: float, clean: int) -> town.Steal:
    """Three to six customers hide from day `clean` on; together `share` of what all draw."""

    def steal(rng: np.random.Generator, use: town.Array) -> tuple[town.Array, dict[int, str]]:
        late = slice(clean * town.STEPS_DAY, None)
        columns = np.argsort(-use.sum(axis=0))[rng.permutation(12)[: int(rng.integers(3, 7))]]
        stolen = np.zeros_like(use)
        stolen[late, columns] = use[late, columns]
        stolen *= share * use[late].sum() / stolen.sum()
        return stolen, {int(c): "partial" for c in columns}

    return steal


def one(seed: int, *, known: bool, wander: float = 0.0) -> tuple[Estimate, float, float]:
    """
    A transformer of 50 to 120 meters: the estimate of the fortnight after the clean one, truly stolen, truly lost (Wh).
    `known`: the model learned from the clean one; `wander`: of every meter's gain from day to day.
    """
    rng = np.random.default_rng(seed)
    made = town.feed(
        rng, days=CLEAN + AFTER, meters=int(rng.integers(50, 121)), steal=hiding(NTL, CLEAN), wander=wander
    )
    lines, drops = lines_loss_wh(made.panel, made.plate)
    hours = hours_of(made.panel, lines, lines_known=drops)
    begin = hours.day[0] + CLEAN
    model = learn(hours.part((hours.day < begin) & known), made.plate)
    late = slice(CLEAN * town.STEPS_DAY, None)
    lost = (made.truth.lines_wh + made.truth.transformer_wh)[late].sum()
    return estimate(hours.part(hours.day >= begin), model), float(made.truth.stolen_wh[late].sum()), float(lost)


def _estimates(seeds: int) -> Iterator[Record]:
    cases: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("after 14 clean days", seeds, {"known": True}),
        ("after 14 clean days, gains that wander by 0.03 %", seeds // 2, {"known": True, "wander": 0.0003}),
        ("after 14 clean days, gains that wander by 0.1 %", seeds // 2, {"known": True, "wander": 0.001}),
        ("without a clean period", seeds // 4, {"known": False}),
    )
    for word, count, how in cases:
        answers = []
        for seed in range(max(count, 1)):
            answers.append(one(seed, **how))
            _progress(f"NTL {word}", seed)
        off = np.array([abs(e.ntl_wh / true - 1) for e, true, _ in answers])
        covered = np.mean([e.ntl_low_wh <= true <= e.ntl_high_wh for e, true, _ in answers])
        width = np.mean([(e.ntl_high_wh - e.ntl_low_wh) / 2 / true for e, true, _ in answers])
        physics = np.array([abs(e.technical_wh / lost - 1) for e, _, lost in answers])
        rows = {"rows": len(answers)}
        yield _record(f"NTL of 2 % {word}: within 25 %", (off <= NEAR).mean(), "1", **rows)
        yield _record(f"NTL of 2 % {word}: median error", np.median(off), "1", **rows)
        yield _record(f"NTL of 2 % {word}: covered by the 80 % interval", covered, "1", **rows)
        yield _record(f"NTL of 2 % {word}: mean half interval, of the truth", width, "1", **rows)
        yield _record(f"technical loss {word}: greatest error", physics.max(), "1", **rows)


def _faults(seeds: int) -> Iterator[Record]:
    """Three transformers a seed with 3 % of the meters at a wrong place, a swap, a reset, two clocks and a total's off."""
    planted = {"place": 0, "register": 0, "clock": 0}
    found, extra = dict(planted), dict(planted)
    for seed in range(seeds):
        _progress("faults", seed)
        for name, (want, have) in faults_of(seed).items():
            planted[name] += len(want)
            found[name] += len(want & have)
            extra[name] += len(have - want)
    for name, count in planted.items():
        rows = {"rows": count}
        yield _record(f"{name} faults found and named as they are", found[name] / count, "1", **rows)
        yield _record(f"{name} faults made up", extra[name], "1", **rows)


def faults_of(seed: int) -> dict[str, tuple[set[Any], set[Any]]]:
    """Of each kind of fault: what was planted, and what was found."""
    rng = np.random.default_rng(10_000 + seed)
    mv = town.source(rng, CLEAN)
    feeds = [
        town.feed(rng, days=CLEAN, meters=int(rng.integers(50, 101)), first_id=1000 * n, source_v=mv) for n in (1, 2, 3)
    ]
    panels, registers, clocks = _broken(rng, feeds)
    seen_clocks = [clock_findings(panel) for panel in panels]
    told = {(n, f.meter_id, f.lag_s) for n, each in enumerate(seen_clocks) for f in each}
    faults = {(f.meter_id, f.kind) for panel in panels for f in register_findings(panel)}
    right = [aligned(p, [c for c in each if c.meter_id]) for p, each in zip(panels, seen_clocks, strict=True)]
    want, have = _places(rng, feeds, right)
    return {"place": (want, have), "register": (registers, faults), "clock": (clocks, told)}


def _broken(
    rng: np.random.Generator, feeds: list[town.Feed]
) -> tuple[list[Panel], set[tuple[int, str]], set[tuple[int, int, int]]]:
    """Panels with a reset, a swap, a clock late by an hour, one early by seven, and the third total's clock late."""
    panels, registers, clocks = [], set(), set()
    for n, made in enumerate(feeds):
        panel = made.panel
        series = [panel.energy_wh.copy(), panel.register_wh.copy(), panel.voltage_v.copy()]
        picked = [int(c) for c in rng.choice(len(panel.meter_ids), 4, replace=False)]
        at = int(rng.integers(300, 1000))
        series[1][at:, picked[0]] -= series[1][at - 1, picked[0]]
        series[1][at + 50 :, picked[1]] += 2_345_670.0
        registers |= {(panel.meter_ids[picked[0]], RESET), (panel.meter_ids[picked[1]], SWAP)}
        for column, lag in ((picked[2], 4), (picked[3], -28)):
            for each in series:
                moved = np.roll(each[:, column], lag)
                moved[slice(0, lag) if lag > 0 else slice(lag, None)] = np.nan
                each[:, column] = moved
            clocks.add((n, panel.meter_ids[column], lag * 900))
        total = np.roll(panel.total_wh, 4) if n == 2 else panel.total_wh
        if n == 2:
            clocks.add((n, 0, 3600))
        panels.append(
            replace(panel, energy_wh=series[0], register_wh=series[1], voltage_v=series[2], total_wh=total)
        )  # fmt: skip
    return panels, registers, clocks


def _places(rng: np.random.Generator, feeds: list[town.Feed], panels: list[Panel]) -> tuple[set[Any], set[Any]]:
    """3 % recorded at another transformer or phase in turn; each is to be named with its true place."""
    ids = [m for f in feeds for m in f.panel.meter_ids]
    nodes, phases = [m // 1000 for m in ids], [p for f in feeds for p in f.phases]
    truth = list(zip(nodes, phases, strict=True))
    want = set()
    for k, i in enumerate(int(i) for i in rng.choice(len(ids), round(0.03 * len(ids)), replace=False)):
        if k % 2:
            nodes[i] = truth[i][0] % 3 + 1
        else:
            phases[i] = f"L{int(truth[i][1][1]) % 3 + 1}"
        want.add((ids[i], TRANSFORMER if k % 2 else PHASE, truth[i]))
    voltage = np.hstack([panel.voltage_v for panel in panels])
    return want, {(f.meter_id, f.kind, f.likely) for f in check_mapping(voltage, ids, nodes, phases)}


def mixed(count: int) -> town.Steal:
    """`count` customers, each with a mechanism by lot: always a part, a part from a day on, all of it, nights only."""

    def steal(rng: np.random.Generator, use: town.Array) -> tuple[town.Array, dict[int, str]]:
        columns = rng.choice(use.shape[1], count, replace=False)
        stolen, thieves = np.zeros_like(use), {}
        hour = (np.arange(len(use)) % town.STEPS_DAY) / 4
        for column in columns:
            kind = ["always", "late", "all", "night"][int(rng.integers(4))]
            share = np.full(len(use), 1.0 if kind == "all" else rng.uniform(0.3, 0.8))
            if kind in ("late", "all"):
                share[: (RANK_DAYS // 2 + int(rng.integers(-5, 6))) * town.STEPS_DAY] = 0
            if kind == "night":
                share *= (hour >= 22) | (hour < 5)
            stolen[:, column] = use[:, column] * share
            thieves[int(column)] = kind
        return stolen, thieves

    return steal


def _rankings(seeds: int) -> Iterator[Record]:
    """Four transformers a seed, one of them clean, one with a street light; scores of all their meters together."""
    aucs, precisions, false, months, spent_s = [], [], 0, 0.0, []
    for seed in range(seeds):
        _progress("rankings", seed)
        rng = np.random.default_rng(100 + seed)
        scores: list[float] = []
        guilty: list[bool] = []
        for count, street in ((0, 0.0), (4, 0.0), (5, 600.0), (6, 0.0)):
            meters = int(rng.integers(50, 121))
            made = town.feed(rng, days=RANK_DAYS, meters=meters, steal=mixed(count) if count else None, street_w=street)
            months += meters * RANK_DAYS / 30
            lines, known = lines_loss_wh(made.panel, made.plate)
            hours = hours_of(made.panel, lines, lines_known=known)
            for suspect in rank(hours, learn(hours.part(hours.day < 0), made.plate)).suspects:
                scores.append(suspect.score)
                guilty.append(suspect.meter_id - 1 in made.truth.thieves)
                false += suspect.case and not guilty[-1]
            begin_s = time.thread_time()
            assess(made.panel, made.plate)
            spent_s.append((time.thread_time() - begin_s) / meters / RANK_DAYS * 100 * 30)
        aucs.append(_auc(np.array(scores), np.array(guilty)))
        precisions.append(float(np.array(guilty)[np.argsort(-np.array(scores))[:10]].mean()))
    rows = {"rows": 4 * seeds}
    yield _record("ranking: area under the curve", np.mean(aucs), "1", **rows)
    yield _record("ranking: precision of the first ten", np.mean(precisions), "1", **rows)
    yield _record("ranking: false cases in 1,000 meter months", false / months * 1000, "1", **rows)
    yield _record(
        "a transformer of 100 meters over 30 days, all of it, of the processor", np.median(spent_s), "s", **rows
    )


def _auc(scores: town.Array, guilty: np.ndarray) -> float:
    above, below = scores[guilty][:, None], scores[~guilty][None, :]
    return float(((above > below) + 0.5 * (above == below)).mean())


def _progress(what: str, seed: int) -> None:
    if seed % 20 == 0:
        print(f"bench: {what}, seed {seed} ...", file=sys.stderr, flush=True)
