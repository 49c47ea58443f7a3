# SPDX-License-Identifier: Apache-2.0
"""Cuts from a feeder to a house, silent concentrators, thefts, and what the radio makes of the messages."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.sim.town.test_server import _clock, _on_stage
from tests.sim.town.test_town import _report

from duaarah.core.intent import LastGasp, PowerRestored
from duaarah.net.jsonport import ControlFailed
from duaarah.sim.town.clock import MINUTE_US
from duaarah.sim.town.load import HOUR_US
from duaarah.sim.town.memory import Memory
from duaarah.sim.town.sms import Outgoing
from duaarah.sim.town.town import Town
from duaarah.sim.town.wires import LATE_MINUTES_MAX, Radio, UnknownInTown
from duaarah.sim.town.world import make_world

WORLD = make_world(7, 125)
BY_SIM = {meter.msisdn: meter for meter in WORLD.meters}
FIRST = [meter.drn for meter in WORLD.meters if meter.place.transformer == "T-0001"]
FEEDER = [meter.drn for meter in WORLD.meters if meter.place.feeder == "F-001"]


def town(at_us: int = 0, **options: Any) -> tuple[Town, list[Outgoing]]:
    sent: list[Outgoing] = []
    made = Town(WORLD, send=sent.append, **options)
    made.start(at_us)
    return made, sent


def kinds(sent: list[Outgoing]) -> Counter[type]:
    return Counter(type(_report(BY_SIM[sms.source], sms)) for sms in sent)


def dark(made: Town) -> set[str]:
    return {drn for drn, supply in made.supplies.items() if not supply.sim.powered}


def test_a_feeder_a_transformer_and_a_house_are_cut_and_mended_each_by_itself() -> None:
    made, sent = town(radio_faults=False)
    made.set_power(FIRST[3], False)
    assert made.set_node_power("T-0001", False) == [drn for drn in FIRST if drn != FIRST[3]]
    assert len(made.set_node_power("F-001", False)) == len(FEEDER) - len(FIRST)
    assert dark(made) == set(FEEDER) and kinds(sent) == {LastGasp: len(FEEDER)}
    # What is cut further down stays so when the feeder is back, and then the house when its transformer is.
    assert set(made.set_node_power("F-001", True)) == set(FEEDER) - set(FIRST)
    assert dark(made) == set(FIRST)
    made.set_power(FIRST[3], True)
    assert dark(made) == set(FIRST)
    assert made.set_node_power("T-0001", True) == FIRST and dark(made) == set()
    assert made.set_node_power("T-0001", True) == []
    assert kinds(sent) == {LastGasp: len(FEEDER), PowerRestored: len(FEEDER)}
    for bad in ("T-9999", "", FIRST[0]):
        with pytest.raises(UnknownInTown):
            made.set_node_power(bad, False)


def test_the_radio_loses_doubles_and_delays_as_the_seed_has_it() -> None:
    made, sent = town()
    runs = []
    for _ in range(6):
        made.set_node_power("GI-01", False)
        made.set_node_power("GI-01", True)
        runs.append(len(sent))
    # What the meters said: the same cuts with a radio that does nothing wrong (a package pays for a few faults a month only).
    calm, all_sent = town(radio_faults=False)
    for _ in range(6):
        calm.set_node_power("GI-01", False)
        calm.set_node_power("GI-01", True)
    told, said, seen, radio = kinds(sent), kinds(all_sent), made.seen, Radio.of(7)
    leaving = sum(said.values()) - seen["gasp_lost"]
    assert sum(told.values()) == leaving + seen["doubled"] - seen["late"]
    assert abs(seen["gasp_lost"] / said[LastGasp] - radio.lost / 1000) < 0.08
    assert (
        abs(seen["late"] / leaving - radio.late / 1000) < 0.04
        and abs(seen["doubled"] / leaving - radio.doubled / 1000) < 0.04
    )
    assert len({b - a for a, b in itertools.pairwise([0, *runs])}) > 1
    # The same in every run of the seed, another in another's.
    again, heard = town()
    for on in (False, True):
        again.set_node_power("GI-01", on)
    assert heard == sent[: runs[0]] and Radio.of(8) != radio
    before = len(sent)
    made.run(made.now_us + LATE_MINUTES_MAX * MINUTE_US, 10_000)
    assert kinds(sent[before:])[LastGasp] + kinds(sent[before:])[PowerRestored] == seen["late"]


def test_a_silent_concentrator_holds_what_its_meters_say_and_their_supply_stays() -> None:
    made, sent = town(radio_faults=False)
    alone = made.supplies[FIRST[0]]
    made.set_modem_dead(alone, True)
    assert made.set_silence("T-0001", True) == FIRST
    assert {drn for drn, supply in made.supplies.items() if supply.modem_dead} == set(FIRST) and dark(made) == set()
    made.use_up(FIRST[1])
    assert sent == [] and len(made.supplies[FIRST[1]].held) == 1
    made.set_silence("T-0001", False)
    assert len(sent) == 1 and {drn for drn, supply in made.supplies.items() if supply.modem_dead} == {FIRST[0]}
    made.set_modem_dead(alone, False)
    assert not alone.modem_dead


def test_a_theft_begins_and_ends() -> None:
    made, _ = town(9 * HOUR_US)
    made.start_theft(FIRST[2], watts=900)
    made.run(10 * HOUR_US, 0)
    made.start_theft(FIRST[2], share=0.4)
    made.start_theft(FIRST[4], watts=10)
    assert made.stop_theft(FIRST[2]) == 2 and made.stop_theft(FIRST[2]) == 0
    spans = [(theft.drn, theft.from_us // HOUR_US, theft.to_us) for theft in made.wires.thefts]
    assert spans == [(FIRST[2], 9, 10 * HOUR_US), (FIRST[2], 10, 10 * HOUR_US), (FIRST[4], 10, None)]
    with pytest.raises(UnknownInTown):
        made.start_theft("99000000000", watts=1)


def test_a_restart_forgets_no_cut_and_brings_what_was_late(tmp_path: Path) -> None:
    file = tmp_path / "town"
    first = Memory(file, WORLD)
    made, _ = town(memory=first)
    made.set_node_power("T-0002", False)
    made.set_silence("T-0001", True)
    made.start_theft(FIRST[2], watts=900)
    made.keep()
    was, late = made.wires, made.seen["late"]
    first.close()
    sent: list[Outgoing] = []
    again = Town(WORLD, send=sent.append, memory=Memory(file, WORLD))
    assert again.wires == was and len(dark(again)) == 25 and late > 0
    again.run(again.now_us + LATE_MINUTES_MAX * MINUTE_US, 10_000)
    again.keep()
    assert kinds(sent)[LastGasp] >= late


def test_the_network_by_the_control_port() -> None:
    async def play(stage: Any) -> None:
        await stage.ask("clock", **_clock(0))
        changed = (await stage.ask("node_power", node="T-0002", on=False))["changed"]
        assert len(changed) == 25
        assert len((await stage.ask("silence", node="T-0001", on=True))["meters"]) == 25
        assert await stage.ask("theft", drn=FIRST[0], on=True, watts=700) == {"started": 1}
        shown = await stage.ask("network")
        assert (shown["dark"], shown["silent"], shown["thefts"]) == (["T-0002"], ["T-0001"], [FIRST[0]])
        assert shown["nodes"] == {"GI-01": 50, "F-001": 50, "T-0001": 25, "T-0002": 25}
        assert (await stage.ask("theft", drn=FIRST[0], on=False))["stopped"] == 1
        for bad in ({"watts": -1}, {"watts": 20_000}, {"share_percent": 100}, {}):
            with pytest.raises(ControlFailed, match="theft"):
                await stage.ask("theft", drn=FIRST[0], on=True, **bad)
        assert (await stage.ask("network"))["thefts"] == []

    _on_stage(play)
