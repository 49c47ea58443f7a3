# SPDX-License-Identifier: Apache-2.0
"""A day of the living town as it flowed: profiles and total meters agree with the network, and the truth stands apart."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duaarah.core.reports import LoadProfile
from duaarah.drivers import decode_report, profile
from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.grid import Grid
from duaarah.sim.town.load import DAY_US, HOUR_US, QUARTER_US
from duaarah.sim.town.memory import Memory
from duaarah.sim.town.network import total_meters_of
from duaarah.sim.town.physics import out_share
from duaarah.sim.town.profiles import Packets
from duaarah.sim.town.totals import total_errors
from duaarah.sim.town.town import Town
from duaarah.sim.town.truth import FILE, Truth, read_truth
from duaarah.sim.town.wires import Span
from duaarah.sim.town.world import SINGLE_PHASE, THREE_PHASE, make_world
from duaarah.wire.dlms import ciphering, wrapper
from duaarah.wire.dlms.ciphering import Keys

WORLD = make_world(7, 40)
GRID = Grid.of(WORLD)
THIEF = next(meter.drn for meter in WORLD.meters if meter.profile == SINGLE_PHASE)
KINDS = {meter.drn: (meter.profile, Keys(meter.ek, meter.ak)) for meter in WORLD.meters}
KINDS |= {total.drn: (THREE_PHASE, Keys(total.ek, total.ak)) for total in total_meters_of(WORLD)}


def until(town: Town, at_us: int) -> None:
    while (due_us := town.queue.next_due_us()) is not None and due_us <= at_us:
        town.run(due_us, 1)
    town.now_us = at_us
    town.keep()


def read(drn: str, push: bytes) -> LoadProfile:
    kind, keys = KINDS[drn]
    plain = ciphering.unprotect(ciphering.parse(wrapper.scan(push)[0].apdu), keys)
    report = decode_report(profile(kind), plain)
    assert isinstance(report, LoadProfile)
    return report


def live(folder: Path | None, memory: Memory | None = None) -> tuple[Town, dict[str, LoadProfile]]:
    """A day with a theft from 08:00, a transformer cut from 10:05 to 11:50 and a feeder from 10:20 to 10:50."""
    sent: dict[str, LoadProfile] = {}
    packets = Packets(lambda drn, push: sent.update({drn: read(drn, push)}))
    town = Town(WORLD, send=lambda sms: None, packets=packets, truth=Truth(folder), memory=memory)
    town.start(0)
    for at_us, deed in (
        (8 * HOUR_US, lambda: town.start_theft(THIEF, watts=700, share=0.2)),
        (10 * HOUR_US + HOUR_US // 12, lambda: town.set_node_power("T-0002", False)),
        (10 * HOUR_US + HOUR_US // 3, lambda: town.set_node_power("F-001", False)),
        (10 * HOUR_US + HOUR_US * 5 // 6, lambda: town.set_node_power("F-001", True)),
        (11 * HOUR_US + HOUR_US * 5 // 6, lambda: town.set_node_power("T-0002", True)),
    ):
        until(town, at_us)
        deed()
    until(town, DAY_US + 3 * HOUR_US)
    return town, sent


def energies(report: LoadProfile) -> list[int]:
    registers = [one.values[0] for one in report.intervals]
    assert len(registers) == 97 and report.intervals[1].start_at == instant_of(0)
    return np.diff(np.array(registers, dtype=np.int64)).tolist()


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, LoadProfile], list[dict[str, Any]], Path]:
    folder = tmp_path_factory.mktemp("town") / "truth"
    _, sent = live(folder)
    return sent, read_truth(folder), folder


def test_each_meter_and_each_total_tells_its_day(
    day: tuple[dict[str, LoadProfile], list[dict[str, Any]], Path],
) -> None:
    sent, truth, _ = day
    assert set(sent) == set(KINDS)
    gains = dict(zip([total.drn for total in total_meters_of(WORLD)], total_errors(WORLD)[0], strict=True))
    for total in total_meters_of(WORLD):
        kind = "feeder_day" if total.node.startswith("F") else "transformer_day"
        [true] = [fact for fact in truth if fact["kind"] == kind and fact["node"] == total.node and fact["day"] == 0]
        assert sum(energies(sent[total.drn])) == pytest.approx(true["input_wh"] * gains[total.drn], abs=2)
        if kind == "transformer_day":
            spent = sum(true[name] for name in ("metered_wh", "unmetered_wh", "lines_wh", "winding_wh", "core_wh"))
            assert true["input_wh"] == pytest.approx(spent, rel=1e-6)
            mine = [m.drn for m in WORLD.meters if m.place.transformer == total.node]
            assert sum(sum(energies(sent[drn])) for drn in mine) == pytest.approx(true["metered_wh"], abs=len(mine))
            assert true["lowest_drn"] in mine


def test_profiles_show_the_voltages_of_the_network(
    day: tuple[dict[str, LoadProfile], list[dict[str, Any]], Path],
) -> None:
    sent, _, _ = day
    loads_w = np.array([[wh * 4.0 for wh in energies(sent[drn])] for drn in GRID.meters])
    dark = np.zeros((2, 96))
    spans = [Span("T", 10 * HOUR_US + HOUR_US // 12, 11 * HOUR_US + HOUR_US * 5 // 6)]
    dark[1], dark[0] = out_share(spans, 0, 96), out_share([Span("F", 37_200_000_000, 39_000_000_000)], 0, 96)
    beside_w = np.zeros_like(loads_w)
    beside_w[GRID.row[THIEF], 32:] = (700 + loads_w[GRID.row[THIEF], 32:] / 4) * (1 - dark[0, 32:])
    solved = GRID.solve(loads_w, unmetered_w=beside_w, dark=dark)
    for drn in GRID.meters:
        shown = [one.values[1] for one in sent[drn].intervals][1:]
        true = solved.voltage_v[GRID.row[drn]]
        assert [value is None for value in shown] == np.isnan(true).tolist()
        off = [s / 1000 - t for s, t in zip(shown, true, strict=True) if s is not None]
        assert np.abs(off).max() < 5 and abs(np.mean(off)) < 0.6
    # A cut is in the status, too.
    cut = sent[WORLD.meters[-1].drn].intervals[1 + 42]
    assert cut.status == 4 and cut.values[1] is None


def test_the_drops_that_meters_show_tell_what_the_lines_lost(
    day: tuple[dict[str, LoadProfile], list[dict[str, Any]], Path],
) -> None:
    # Each current times its drop from the busbar (core.losses.technical): the loss of any radial network.
    sent, truth, _ = day
    [total] = [total for total in total_meters_of(WORLD) if total.node == "T-0002"]
    busbar = np.array([one.values[1] or np.nan for one in sent[total.drn].intervals[1:]], dtype=float)
    lost_wh = 0.0
    for meter in WORLD.meters:
        if meter.place.transformer == "T-0002":
            volts = np.array([one.values[1] or np.nan for one in sent[meter.drn].intervals[1:]], dtype=float)
            lost_wh += float(np.nansum(np.array(energies(sent[meter.drn])) * (busbar - volts) / volts))
    [true] = [f for f in truth if f["kind"] == "transformer_day" and f["node"] == "T-0002" and f["day"] == 0]
    assert lost_wh == pytest.approx(true["lines_wh"], rel=0.15)


def test_the_truth_says_what_happened_and_is_the_towns_own(
    day: tuple[dict[str, LoadProfile], list[dict[str, Any]], Path],
) -> None:
    _, truth, folder = day
    kinds = {fact["kind"] for fact in truth}
    assert {"transformer_day", "feeder_day", "theft", "cut", "mended", "credit_cut"} <= kinds
    cuts = [
        (fact["kind"], fact["node"], fact["at_us"] // 60_000_000) for fact in truth if fact["kind"] in ("cut", "mended")
    ]
    assert cuts == [("cut", "T-0002", 605), ("cut", "F-001", 620), ("mended", "F-001", 650), ("mended", "T-0002", 710)]
    [theft] = [fact for fact in truth if fact["kind"] == "theft"]
    assert (theft["drn"], theft["watts"], theft["share"]) == (THIEF, 700, 0.2)
    stolen = {fact["node"]: fact["unmetered_wh"] for fact in truth if fact["kind"] == "transformer_day"}
    assert stolen["T-0001"] > 0.7 * 15 * 700 and stolen["T-0002"] == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(("begin_us", "rows"), [(5 * HOUR_US + 130_000, 77), (5 * HOUR_US + 130_000_000, 76)])
def test_a_town_that_begins_in_the_morning_counts_from_there(begin_us: int, rows: int) -> None:
    sent: dict[str, LoadProfile] = {}
    packets = Packets(lambda drn, push: sent.update({drn: read(drn, push)}))
    town = Town(WORLD, send=lambda sms: None, packets=packets)
    town.start(begin_us)
    until(town, DAY_US + 3 * HOUR_US)
    assert {len(report.intervals) for report in sent.values()} <= {rows, rows - 1}
    assert all(one.values[1] for drn in GRID.meters for one in sent[drn].intervals[-75:])
    for total in total_meters_of(WORLD):
        mine = [m.drn for m in WORLD.meters if total.node in (m.place.feeder, m.place.transformer)]
        seen = sent[total.drn].intervals[-75:]
        assert seen[0].start_at == sent[mine[0]].intervals[-75].start_at
        counted = sum(sent[drn].intervals[-1].values[0] - sent[drn].intervals[-75].values[0] for drn in mine)
        assert 1.0 < (seen[-1].values[0] - seen[0].values[0]) / counted < 1.2


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    Truth().write("cut", 0, node="T")
    Truth(tmp_path / "own").write("cut", 5, node="T")
    assert not Truth() and Truth(tmp_path / "own")
    assert read_truth(tmp_path / "own") == [{"kind": "cut", "at_us": 5, "node": "T"}]


def test_a_restart_in_the_evening_counts_the_same_day(tmp_path: Path) -> None:
    whole, _ = live(None)
    file = tmp_path / "town"

    def begun(memory: Memory) -> Town:
        packets = Packets(lambda drn, push: None)
        return Town(WORLD, send=lambda sms: None, packets=packets, memory=memory)

    first = Memory(file, WORLD)
    town = begun(first)
    town.start(0)
    until(town, 20 * HOUR_US)
    first.close()
    again = begun(Memory(file, WORLD))
    until(again, DAY_US + HOUR_US)
    other = begun(Memory(tmp_path / "other", WORLD))
    other.start(0)
    until(other, DAY_US + HOUR_US)
    for drn, total in again.totals.items():
        assert total.ip.registers_wh() == other.totals[drn].ip.registers_wh()
        assert sum(np.diff(list(total.ip.registers_wh().values()))) > 0
    assert whole.totals.keys() == again.totals.keys()


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], [0, 0, 0]),
        ([Span("a", -5, QUARTER_US // 2)], [0.5, 0, 0]),
        ([Span("a", 0, 10 * QUARTER_US)], [1, 1, 1]),
        ([Span("a", QUARTER_US, None), Span("b", QUARTER_US * 2, QUARTER_US * 3)], [0, 1, 1]),
        ([Span("a", 0, QUARTER_US // 4), Span("b", QUARTER_US // 8, QUARTER_US // 2)], [0.5, 0, 0]),
        ([Span("a", QUARTER_US // 4, QUARTER_US // 2), Span("b", 0, QUARTER_US // 8)], [0.375, 0, 0]),
    ],
)
def test_what_lies_in_two_cuts_counts_once(spans: list[Span], expected: list[float]) -> None:
    assert out_share(spans, 0, 3).tolist() == expected
