# SPDX-License-Identifier: Apache-2.0
"""A feeder of the town, solved by power-grid-model phase by phase: another program's voltages and losses for the same ohms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from duaarah.sim.town.grid import Grid, Transformer
from duaarah.sim.town.grid.plant import LOW_V, MEDIUM_V, TAP_STEP
from tests.oracle_grid import required


@dataclass(frozen=True)
class Truth:
    """`voltage_v` (meters, steps) as `Solved` has it; `input_w` (transformers, steps), `feeder_w` (steps,)."""

    voltage_v: np.ndarray
    input_w: np.ndarray
    feeder_w: np.ndarray


@dataclass
class _Parts:
    """Rows of the oracle's tables as they are collected; ids are given in order of appearance."""

    ids: int = 0
    nodes: list[tuple[int, float]] = field(default_factory=list)
    lines: list[tuple[int, int, int, complex, complex]] = field(default_factory=list)
    transformers: list[tuple[int, int, int, Transformer]] = field(default_factory=list)
    loads: list[tuple[int, int, np.ndarray]] = field(default_factory=list)  # id, node, VA (steps, 3)
    house_node: dict[str, int] = field(default_factory=dict)

    def number(self) -> int:
        self.ids += 1
        return self.ids - 1

    def node(self, rated_v: float) -> int:
        self.nodes.append((self.number(), rated_v))
        return self.nodes[-1][0]


def solved(grid: Grid, drawn_w: np.ndarray) -> Truth:
    """The first feeder of a grid for the watts of the houses (meters, steps)."""
    _, pgm = required()
    feeder, parts = grid.feeders[0], _Parts()
    source = at = parts.node(MEDIUM_V)
    for code, ohm in zip(feeder.transformers, feeder.section_ohm(), strict=True):
        before, at = at, parts.node(MEDIUM_V)
        parts.lines.append((parts.number(), before, at, ohm, ohm))
        _low_voltage(parts, grid, grid.transformers[grid.transformer_row[code]], at, drawn_w)
    tables, update = _tables(pgm, parts, source, feeder.source_v)
    out = pgm.PowerGridModel(tables).calculate_power_flow(
        update_data={"asym_load": update},
        symmetric=False,
        error_tolerance=1e-10,
        max_iterations=60,
        output_component_types=["node", "transformer", "source"],
    )
    volts = dict(zip(out["node"]["id"][0].tolist(), np.moveaxis(out["node"]["u"], 1, 0), strict=True))
    voltage = np.full(drawn_w.shape, np.nan)
    for one in grid.transformers:
        for house in one.houses:
            if (node := parts.house_node.get(house.meter.drn)) is not None:
                phases = volts[node]
                seen = phases[:, ["L1", "L2", "L3"].index(house.phase)] if house.phase else phases.min(axis=1)
                voltage[grid.row[house.meter.drn]] = seen
    return Truth(voltage, out["transformer"]["p_from"].sum(axis=2).T, out["source"]["p"][:, 0].sum(axis=1))


def _low_voltage(parts: _Parts, grid: Grid, one: Transformer, above: int, drawn_w: np.ndarray) -> None:
    busbar = parts.node(LOW_V)
    parts.transformers.append((parts.number(), above, busbar, one))
    ends: list[int] = []
    for branch in one.branches:
        end = parts.node(LOW_V)
        km = branch.length_m / 1000
        parent = busbar if branch.parent is None else ends[branch.parent]
        phase, neutral = branch.cable.phase_ohm_km * km, branch.cable.neutral_ohm_km * km
        # The neutral as a path back of its own: zero sequence is the phase and three times the neutral.
        parts.lines.append((parts.number(), parent, end, phase, phase + 3 * neutral))
        ends.append(end)
        if branch.drn is not None:
            parts.house_node[branch.drn] = end
    for house in one.houses:
        watts = drawn_w[grid.row[house.meter.drn]]
        va = watts * (1 + 1j * np.sqrt(1 / house.power_factor**2 - 1))
        split = np.array([name == house.phase for name in ("L1", "L2", "L3")]) if house.phase else np.full(3, 1 / 3)
        parts.loads.append((parts.number(), parts.house_node[house.meter.drn], va[:, None] * split))


def _tables(pgm: Any, parts: _Parts, source_node: int, source_v: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    node = pgm.initialize_array("input", "node", len(parts.nodes))
    node["id"], node["u_rated"] = zip(*parts.nodes, strict=True)
    line = pgm.initialize_array("input", "line", len(parts.lines))
    line["id"], line["from_node"], line["to_node"], z1, z0 = (
        np.array(column) for column in zip(*parts.lines, strict=True)
    )
    line["from_status"] = line["to_status"] = 1
    line["r1"], line["x1"], line["r0"], line["x0"] = z1.real, z1.imag, z0.real, z0.imag
    line["c1"] = line["c0"] = line["tan1"] = line["tan0"] = 0
    trafo = pgm.initialize_array("input", "transformer", len(parts.transformers))
    trafo["id"], trafo["from_node"], trafo["to_node"] = zip(*(row[:3] for row in parts.transformers), strict=True)
    trafo["from_status"] = trafo["to_status"] = 1
    for row, (*_, one) in zip(trafo, parts.transformers, strict=True):
        plate = one.plate
        row["u1"], row["u2"], row["sn"] = MEDIUM_V, LOW_V, plate.rated_va
        row["uk"], row["pk"] = plate.short_circuit, plate.load_loss_w
        row["i0"], row["p0"] = plate.no_load_current, plate.no_load_w
        row["tap_pos"], row["tap_size"] = -one.tap, MEDIUM_V * (1 - 1 / (1 + TAP_STEP))
    trafo["winding_from"], trafo["winding_to"], trafo["clock"] = 2, 1, 5
    trafo["tap_side"], trafo["tap_min"], trafo["tap_max"], trafo["tap_nom"] = 0, -2, 2, 0
    source = pgm.initialize_array("input", "source", 1)
    source["id"], source["node"], source["status"] = parts.number(), source_node, 1
    source["u_ref"], source["sk"] = source_v / MEDIUM_V, 1e15
    load = pgm.initialize_array("input", "asym_load", len(parts.loads))
    load["id"], load["node"] = zip(*(row[:2] for row in parts.loads), strict=True)
    load["status"], load["type"] = 1, 0
    power = np.stack([row[2] for row in parts.loads], axis=1)  # (steps, loads, 3)
    load["p_specified"], load["q_specified"] = power[0].real, power[0].imag
    update = pgm.initialize_array("update", "asym_load", power.shape[:2])
    update["id"], update["p_specified"], update["q_specified"] = load["id"], power.real, power.imag
    return {"node": node, "line": line, "transformer": trafo, "source": source, "asym_load": load}, update
