# SPDX-License-Identifier: Apache-2.0
"""The town's physics: against a line worked by hand, another program's power flow, and the books that must balance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import oracle_town

from duaarah.sim.town.grid import Cable, Grid, Plate, Theft
from duaarah.sim.town.grid.layout import WEAK_V, Branch, Transformer
from duaarah.sim.town.grid.plant import WEAK
from duaarah.sim.town.grid.sweep import FLOOR_V, Lines, low_voltage
from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.network import WEAK_HOUSES, nodes_of, phases_of, weak_end_of
from duaarah.sim.town.world import make_world

WORLD = make_world(7, 50)
GRID = Grid.of(WORLD)
DAY = GRID.loads_w(0, 1)
IDEAL = Plate(1_000_000_000, 0.0, 0.0, short_circuit=1e-9, no_load_current=0.0)


def noisy(grid: Grid, seed: int, steps: int = 24) -> np.ndarray:
    """Loads of any shape at all: from nothing to one and a half times the usual."""
    return grid.loads_w(0, 1, 3600)[:, :steps] * np.random.default_rng(seed).uniform(0, 1.5, (len(grid.meters), steps))


def test_one_house_on_one_line_by_hand() -> None:
    # 2,000 W behind 0.4 ohm and a neutral of 0.4 ohm at 230 V: v = (230 + sqrt(230^2 - 4 * 0.8 * 2000)) / 2.
    lines = Lines(np.ones((1, 1)), np.array([0.4 + 0j]), np.array([0.4 + 0j]), np.array([1]))
    flow = low_voltage(lines, IDEAL, np.array([230.0]), np.array([[2_000 + 0j]]))
    by_hand = (230 + (230**2 - 4 * 0.8 * 2_000) ** 0.5) / 2
    assert abs(flow.voltage_v[0, 0]) == pytest.approx(by_hand, abs=1e-6)
    assert flow.lines_w[0] == pytest.approx(0.8 * (2_000 / by_hand) ** 2, rel=1e-8)


def test_three_equal_houses_leave_the_neutral_without_current() -> None:
    path, phase = np.ones((1, 3)), np.arange(3)
    power = np.full((3, 1), 2_000 + 0j)
    flow = low_voltage(Lines(path, np.array([0.4 + 0j]), np.array([9 + 0j]), phase), IDEAL, np.array([230.0]), power)
    by_hand = (230 + (230**2 - 4 * 0.4 * 2_000) ** 0.5) / 2
    assert np.abs(flow.voltage_v[:, 0]) == pytest.approx(by_hand, abs=1e-6)


def test_what_a_line_cannot_carry_goes_dim_and_the_books_still_balance() -> None:
    lines = Lines(np.ones((1, 1)), np.array([2 + 0j]), np.array([2 + 0j]), np.array([0]))
    flow = low_voltage(lines, IDEAL, np.array([230.0]), np.array([[9_000 + 0j]]))
    assert abs(flow.voltage_v[0, 0]) < FLOOR_V and 0 < flow.delivered_w[0, 0] < 9_000
    assert flow.input_va[0].real == pytest.approx(flow.delivered_w[0, 0] + flow.lines_w[0], rel=1e-7)


@pytest.mark.parametrize(("seed", "count"), [(7, 50), (3, 120), (11, 10)])
def test_voltages_and_losses_are_those_of_another_program(seed: int, count: int) -> None:
    grid = Grid.of(make_world(seed, count))
    loads = noisy(grid, seed)
    mine, other = grid.solve(loads, step_s=3600), oracle_town.solved(grid, loads)
    first = [grid.rows_of(grid.transformers[grid.transformer_row[code]]) for code in grid.feeders[0].transformers]
    meters = [row for rows in first for row in rows]
    assert np.abs(mine.voltage_v[meters] - other.voltage_v[meters]).max() < 0.05
    assert mine.input_wh[: len(first)] == pytest.approx(other.input_w, rel=1e-5)
    lost = other.input_w.sum(axis=1) - [loads[rows].sum() for rows in first]
    assert mine.loss_wh.sum(axis=1)[: len(first)] == pytest.approx(lost, rel=5e-4)
    assert mine.feeder_input_wh[0] == pytest.approx(other.feeder_w, rel=1e-5)


@given(st.integers(0, 10_000))
def test_what_flows_in_is_used_or_lost(seed: int) -> None:
    loads = noisy(GRID, seed, 4)
    solved = GRID.solve(loads, step_s=3600)
    assert solved.input_wh == pytest.approx(solved.delivered_wh + solved.loss_wh, rel=1e-9)
    assert solved.delivered_wh.sum(axis=0) == pytest.approx(loads.sum(axis=0), rel=1e-9)
    fed = solved.input_wh.sum(axis=0) + solved.feeder_lines_wh[0]
    assert solved.feeder_input_wh[0] == pytest.approx(fed, rel=1e-9)


def test_a_world_has_one_network_with_a_place_for_every_meter() -> None:
    again = Grid.of(make_world(7, 50))
    assert again.transformers == GRID.transformers and again.feeders == GRID.feeders
    houses = [house for one in GRID.transformers for house in one.houses]
    assert {house.meter.drn for house in houses} == set(GRID.meters) and len(houses) == 50
    assert {house.meter.drn: house.phase for house in houses} == phases_of(WORLD)
    assert {house.phase for house in houses if house.meter.contracted_va < 6_600} == {"L1", "L2", "L3"}
    assert all(house.meter.place.transformer == one.code for one in GRID.transformers for house in one.houses)
    nodes = {node.code: node for node in nodes_of(WORLD)}
    for one in GRID.transformers:
        node = nodes[one.code]
        assert (one.plate.rated_va, one.plate.no_load_w, one.plate.load_loss_w, one.feeder) == (
            *(node.rated_va, node.no_load_w, node.load_loss_w, node.parent),
        )
        assert all(one.spot.distance_m(house.spot) < 900 for house in one.houses)
    assert [feeder.code for feeder in GRID.feeders] == ["F-001"] and min(GRID.feeders[0].section_m) > 300


@pytest.mark.parametrize("seed", range(4))
def test_one_transformer_has_a_weak_end(seed: int) -> None:
    grid = Grid.of(make_world(seed, 75))
    lowest = grid.solve(grid.loads_w(0, 1)).voltage_v.min(axis=1)
    [weak] = [one for one in grid.transformers if one.weak]
    thin = {number for number, branch in enumerate(weak.branches) if branch.cable is WEAK}
    last = [branch.drn for branch in weak.branches if branch.drn and branch.parent in thin]
    assert len(last) == WEAK_HOUSES
    rows = [grid.row[drn or ""] for drn in last]
    assert weak_end_of(grid.world)[:2] == (weak.code, tuple(last))
    assert set(np.argsort(lowest)[:3]) <= set(rows) and lowest.min() < WEAK_V + 6
    others = [row for one in grid.transformers if not one.weak for row in grid.rows_of(one)]
    assert lowest[others].min() > 202


def test_loads_are_the_meters_curves() -> None:
    steps = GRID.loads_w(-2, 3, 1800)
    for row in (0, 17, 49):
        curve = WORLD.meters[row].curve
        used = [curve.used(-2 * DAY_US + (step + 1) * HOUR_US // 2) - curve.used(-2 * DAY_US) for step in range(144)]
        assert np.cumsum(steps[row]) * 1_800 * 1_000_000 == pytest.approx(np.array(used, dtype=float), abs=1e6)
    with pytest.raises(ValueError, match="steps that make up a day"):
        GRID.loads_w(0, 1, 700)


def test_a_theft_flows_and_is_not_counted() -> None:
    drn = GRID.meters[3]
    noon = 12 * HOUR_US
    thefts = [Theft(drn, from_us=noon, watts=500), Theft(drn, from_us=noon, to_us=noon + HOUR_US // 2, share=0.5)]
    extra = GRID.unmetered_w(DAY, thefts, 0)
    assert not extra[:, :48].any() and (extra[3, 50:] == 500).all()
    assert extra[3, 48:50] == pytest.approx(500 + DAY[3, 48:50]) and not np.delete(extra, 3, axis=0).any()
    clean, robbed = GRID.solve(DAY), GRID.solve(DAY, unmetered_w=extra)
    transformer = GRID.transformer_row[WORLD.meters[3].place.transformer]
    more = robbed.input_wh - clean.input_wh
    assert np.abs(more[:, :48]).max() < 1e-6
    assert (more[transformer, 48:] > extra[3, 48:] / 4).all() and (
        robbed.voltage_v[3, 48:] < clean.voltage_v[3, 48:]
    ).all()


@pytest.mark.parametrize("bad", [{"share": 1.0}, {"watts": -1.0}, {"to_us": -5}])
def test_a_theft_that_cannot_be_is_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match="theft"):
        Theft("x", from_us=0, **bad)


def test_a_dark_transformer_takes_nothing_and_shows_nothing() -> None:
    dark = np.zeros((2, 96))
    dark[0, 10:12], dark[0, 12] = 1.0, 0.5
    loads = DAY.copy()
    rows = GRID.rows_of(GRID.transformers[0])
    loads[np.ix_(rows, range(10, 12))] = 0
    loads[rows, 12] /= 2
    lit, half = GRID.solve(DAY), GRID.solve(loads, dark=dark)
    assert not half.input_wh[0, 10:12].any() and np.isnan(half.voltage_v[rows, 10:12]).all()
    assert half.input_wh[0, 12] == pytest.approx(lit.input_wh[0, 12] / 2, rel=1e-5)
    assert half.voltage_v[rows, 12] == pytest.approx(lit.voltage_v[rows, 12], abs=5e-3)
    assert half.input_wh[1] == pytest.approx(lit.input_wh[1], rel=1e-5)
    with pytest.raises(ValueError, match="dark"):
        GRID.solve(DAY, dark=dark[:1])


def test_branches_before_a_house_are_counted_once() -> None:
    one = GRID.transformers[0]
    lines = one.lines()
    for column, (house, _) in enumerate(one.connections()):
        place = next(n for n, branch in enumerate(one.branches) if branch.drn == one.houses[house].meter.drn)
        way = []
        walk: int | None = place
        while walk is not None:
            way.append(walk)
            walk = one.branches[walk].parent
        assert np.flatnonzero(lines.path[:, column]).tolist() == sorted(way)
    thin = Cable("test", 1 + 0j, 2 + 0j)
    small = Transformer(
        "T", "F", one.plate, 0, one.spot, one.houses[:1], (Branch(None, thin, 500, one.houses[0].meter.drn),), False
    )
    assert small.lines().phase_ohm.tolist() == [0.5 + 0j] * 1 and small.lines().neutral_ohm.tolist() == [1 + 0j]
