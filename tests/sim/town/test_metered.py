"""What the past's meters counted: exact registers, no two days alike, volts and totals from the network, a thief."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from duaarah.sim.town.grid import Theft
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.metered import STEPS, Counted, Metered, Way
from duaarah.sim.town.network import weak_end_of
from duaarah.sim.town.past import Drawn, Past, make_past
from duaarah.sim.town.past_theft import SINCE_DAYS, hidden_theft
from duaarah.sim.town.truth import Truth, read_truth
from duaarah.sim.town.world import World, make_world

DAYS = 12


@pytest.fixture(scope="module")
def lived() -> tuple[World, Past, list[Counted]]:
    world = make_world(7, 60)
    past = make_past(world, DAYS)
    metered = Metered(world, past)
    return world, past, [metered.day() for _ in range(DAYS)]


def test_registers_are_what_was_used_of_the_credit(
    lived: tuple[World, Past, list[Counted]],
) -> None:
    _, past, days = lived
    for row, one in enumerate(past.meters):
        drawn = Drawn(one.meter.curve, past.begin_us, one.outages)
        for number, day in enumerate(days):
            end_us = past.begin_us + (number + 1) * DAY_US
            for step in (0, 37, 95):
                at_us = end_us - (95 - step) * 900_000_000
                assert day.register_wh[row, step] == drawn.until_mwh(at_us) // 1000
    registers = np.concatenate([day.register_wh for day in days], axis=1)
    energies = np.concatenate([day.energy_wh for day in days], axis=1)
    assert (np.diff(registers, axis=1) == energies[:, 1:]).all() and (energies >= 0).all()
    totals = np.concatenate([day.total_register_wh for day in days], axis=1)
    assert (np.diff(totals, axis=1) == np.concatenate([d.total_energy_wh for d in days], axis=1)[:, 1:]).all()


def test_no_two_days_of_a_house_are_alike_and_its_limiter_holds(lived: tuple[World, Past, list[Counted]]) -> None:
    world, _, days = lived
    for row, meter in enumerate(world.meters):
        watts = np.array([day.energy_wh[row] * 4 for day in days])
        assert watts.max() <= meter.contracted_va
        if meter.site is None:
            assert np.corrcoef(watts)[0, 1:].max() < 0.97


def test_who_is_off_counts_nothing_and_shows_no_volts(lived: tuple[World, Past, list[Counted]]) -> None:
    _, past, days = lived
    off = np.concatenate([day.off for day in days], axis=1)
    assert off.any()
    assert (np.concatenate([day.energy_wh for day in days], axis=1)[off] == 0).all()
    volts = np.concatenate([day.voltage_v for day in days], axis=1)
    assert (np.isnan(volts) == off).all()
    whole = sum((o.to_us // 900_000_000 - -(-o.from_us // 900_000_000)) for one in past.meters for o in one.outages)
    assert off.sum() == whole


def test_the_weak_end_is_weak_and_totals_count_more_than_the_meters(lived: tuple[World, Past, list[Counted]]) -> None:
    world, _, days = lived
    _, thin, _ = weak_end_of(world)
    evening = np.nanmin([np.nanmin(day.voltage_v[:, 18 * 4 : 22 * 4], axis=1) for day in days], axis=0)
    lowest = world.meters[int(evening.argmin())].drn
    assert lowest in thin and 150 < evening.min() < 198 < np.median(evening) < 240
    metered = Metered(world, make_past(world, 1))
    place = {total.node: number for number, total in enumerate(metered.totals)}
    for transformer in metered.grid.transformers:
        metered_wh = sum(int(day.energy_wh[metered.grid.rows_of(transformer)].sum()) for day in days)
        lost = sum(int(day.total_energy_wh[place[transformer.code]].sum()) for day in days) / metered_wh - 1
        assert 0.01 < lost < 0.1


def test_the_thief_shows_in_his_transformers_balance_and_nowhere_else() -> None:
    world = make_world(7, 40)
    theft = hidden_theft(world)
    assert theft is not None and theft == hidden_theft(world) and theft.to_us is None
    assert SINCE_DAYS[0] <= -theft.from_us / DAY_US <= SINCE_DAYS[1]
    days = SINCE_DAYS[1] + 1
    past = make_past(world, days)
    honest, stolen = Metered(world, past), Metered(world, past, [theft])
    clean, dirty = [(honest.day(), stolen.day()) for _ in range(days)][:: days - 1]
    assert (clean[0].total_energy_wh == clean[1].total_energy_wh).all()
    assert (dirty[0].energy_wh == dirty[1].energy_wh).all()
    more_wh = (dirty[1].total_energy_wh - dirty[0].total_energy_wh).sum(axis=1)
    meter = next(one for one in world.meters if one.drn == theft.drn)
    place = {total.node: number for number, total in enumerate(honest.totals)}
    counted_wh = dirty[0].energy_wh[honest.grid.row[theft.drn]].sum()
    beside_wh = 24 * theft.watts + counted_wh * theft.share / (1 - theft.share)
    for node, number in place.items():
        if node in (meter.place.transformer, meter.place.feeder):
            # And what the lines lose by it.
            assert beside_wh < more_wh[number] < 1.08 * beside_wh
        else:
            assert abs(more_wh[number]) < 0.003 * beside_wh


def test_the_past_has_its_truth_too(tmp_path: Path) -> None:
    world = make_world(7, 40)
    past = make_past(world, 3)
    theft = Theft(world.meters[2].drn, -2 * DAY_US, watts=300)
    metered = Metered(world, past, [theft], Truth(tmp_path))
    days = [metered.day() for _ in range(3)]
    truth = read_truth(tmp_path)
    assert [fact["drn"] for fact in truth if fact["kind"] == "theft"] == [theft.drn]
    assert sum(fact["kind"] == "cut" for fact in truth) == len(past.outages)
    for fact in truth:
        if fact["kind"] == "transformer_day":
            day = days[fact["day"] + 3]
            rows = [row for row, meter in enumerate(world.meters) if meter.place.transformer == fact["node"]]
            assert day.energy_wh[rows].sum() == pytest.approx(fact["metered_wh"], abs=len(rows))
            lost = sum(fact[name] for name in ("lines_wh", "winding_wh", "core_wh", "unmetered_wh"))
            assert fact["input_wh"] == pytest.approx(fact["metered_wh"] + lost, rel=1e-6)
            assert (fact["unmetered_wh"] > 6_000) == (fact["node"] == "T-0001" and fact["day"] >= -2)
    assert sum(fact["kind"] == "transformer_day" for fact in truth) == 6


def test_some_readings_are_lost_and_some_come_late_the_same_in_every_run() -> None:
    world = make_world(7, 60)
    came = [Way(world, 90).of_day(number) for number in range(90)]
    again = Way(world, 90).of_day(17)
    assert (again.at_once == came[17].at_once).all() and (again.late == came[17].late).all()
    lost = [float((~one.at_once & ~one.late).mean()) for one in came]
    assert 0.004 < float(np.mean(lost)) < 0.03
    assert sum(one.late.any() for one in came) >= 5 and not any((one.late & one.at_once).any() for one in came)
    assert came[0].at_once.shape[1] == STEPS
    # Total meters are tended.
    assert np.mean([(~one.at_once)[60:].mean() for one in came]) < 0.002
