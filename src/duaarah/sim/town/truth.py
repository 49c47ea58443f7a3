# SPDX-License-Identifier: Apache-2.0
"""
What really happened, in a folder of the town's own: losses, thefts, outages, credit that ran out, messages that were lost.

Lines of JSON that only tests and whoever checks the platform's answers read. No process of the platform opens this folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from duaarah.sim.town.grid import Grid, Solved
from duaarah.sim.town.grid.sweep import Array
from duaarah.sim.town.load import DAY_US

FILE = "truth.jsonl"


class Truth:
    """Appends to the file in this folder, which nobody else may read; without a folder nothing is written."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path: Path | None = None
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = folder / FILE
            self._path.touch(mode=0o600)

    def __bool__(self) -> bool:
        return self._path is not None

    def write(self, kind: str, at_us: int, **facts: Any) -> None:
        """One fact at a town instant (microseconds since the town's START)."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, "at_us": at_us, **facts}, separators=(",", ":")) + "\n")


def read_truth(folder: Path) -> list[dict[str, Any]]:
    """All facts in their order; a town that was killed between two steps may have told one twice."""
    return [json.loads(line) for line in (folder / FILE).read_text(encoding="utf-8").splitlines()]


def write_flows(truth: Truth, grid: Grid, solved: Solved, drawn_w: tuple[Array, Array], begin_us: int) -> None:
    """
    A day of each transformer and feeder: where its input went. `drawn_w`: what meters counted and what went beside them
    (meters, steps); the steps of `solved` begin at `begin_us`.
    """
    if not truth:
        return
    metered_w, beside_w = drawn_w
    hours = solved.step_s / 3600
    for row, one in enumerate(grid.transformers):
        rows = grid.rows_of(one)
        lowest_v = np.where(np.isnan(solved.voltage_v[rows]), np.inf, solved.voltage_v[rows]).min(axis=1)
        seen = bool(np.isfinite(lowest_v).any())
        truth.write(
            "transformer_day",
            begin_us,
            node=one.code,
            day=begin_us // DAY_US,
            input_wh=float(solved.input_wh[row].sum()),
            metered_wh=float(metered_w[rows].sum() * hours),
            unmetered_wh=float(beside_w[rows].sum() * hours),
            lines_wh=float(solved.lines_wh[row].sum()),
            winding_wh=float(solved.winding_wh[row].sum()),
            core_wh=float(solved.core_wh[row].sum()),
            lowest_v=float(lowest_v.min()) if seen else None,
            lowest_drn=one.houses[int(lowest_v.argmin())].meter.drn if seen else None,
        )
    for row, feeder in enumerate(grid.feeders):
        truth.write(
            "feeder_day",
            begin_us,
            node=feeder.code,
            day=begin_us // DAY_US,
            input_wh=float(solved.feeder_input_wh[row].sum()),
            lines_wh=float(solved.feeder_lines_wh[row].sum()),
        )
