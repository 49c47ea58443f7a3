"""The network's buttons on the stage: each does one thing in the town, shows it, and says where the platform will show it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.template import Context, Template
from django.urls import resolve
from django.utils import translation

from duaarah.net.jsonport import ControlFailed
from duaarah.people.models import Customer
from duaarah.registry.models import Meter, NetworkNode, Pairing
from duaarah.sim.town.control import Control
from duaarah.sim.town.sms import Outgoing
from duaarah.sim.town.town import Town
from duaarah.sim.town.world import make_world
from duaarah.stage import page
from duaarah.stage.page import network

WORLD = make_world(7, 120)
KNOWN = WORLD.meters[3]


def pairing() -> Pairing:
    substation = NetworkNode(code=KNOWN.place.substation)
    feeder = NetworkNode(code=KNOWN.place.feeder, parent=substation)
    transformer = NetworkNode(pk=5, code=KNOWN.place.transformer, parent=feeder)
    return Pairing(meter=Meter(drn=KNOWN.drn, transformer=transformer, customer=Customer(name="Contoh")))


class Played:
    """A town in this process, behind its own control verbs."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.town = Town(WORLD, send=self.sent.append, radio_faults=False)
        self.town.start(0)
        self._verbs = Control(cast(Any, SimpleNamespace(town=self.town, now_us=lambda: 0))).handlers()

    def __call__(self, op: str, **fields: object) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            return await self._verbs[op]({"op": op, **fields})

        return asyncio.run(ask())

    def press(self, key: str) -> str:
        with translation.override("en"):
            return network.DEEDS[key].act(self, pairing(), {})

    def states(self) -> dict[str, str]:
        with translation.override("en"):
            return {key: state.word for key, state in network.states(pairing(), self).items()}


@pytest.fixture
def played() -> Played:
    return Played()


def powered(played: Played) -> set[str]:
    return {drn for drn, supply in played.town.supplies.items() if supply.sim.powered}


def test_a_feeder_and_a_transformer_go_dark_with_all_below_and_come_back(played: Played) -> None:
    feeder = {m.drn for m in WORLD.meters if m.place.feeder == KNOWN.place.feeder}
    transformer = {m.drn for m in WORLD.meters if m.place.transformer == KNOWN.place.transformer}
    everybody = {m.drn for m in WORLD.meters}
    assert len(transformer) < len(feeder) < len(everybody) and powered(played) == everybody
    assert played.press("feeder").startswith(f"{KNOWN.place.feeder} is cut: {len(feeder)} meters")
    assert powered(played) == everybody - feeder and len(played.sent) > 50
    assert played.states() == {
        "feeder": "cut",
        "gardu": "dark from above",
        "rumah-padam": "dark from above",
        "konsentrator": "on the air",
        "curi": "none",
    }
    # What is cut further down stays so.
    played.press("gardu")
    assert "meters have supply again" in played.press("feeder")
    assert powered(played) == everybody - transformer and played.states()["gardu"] == "cut"
    played.press("gardu")
    assert powered(played) == everybody and played.states()["gardu"] == "supplied"


def test_one_house_is_dark_alone(played: Played) -> None:
    assert played.press("rumah-padam").startswith("This one house")
    assert powered(played) == {m.drn for m in WORLD.meters} - {KNOWN.drn}
    assert (played.states()["rumah-padam"], played.states()["gardu"]) == ("cut", "supplied")
    assert played.press("rumah-padam") == "The house is mended." and KNOWN.drn in powered(played)


def test_a_silent_concentrator_is_no_outage(played: Played) -> None:
    assert "that is no outage" in played.press("konsentrator")
    below = [m.drn for m in WORLD.meters if m.place.transformer == KNOWN.place.transformer]
    assert {drn for drn, one in played.town.supplies.items() if one.modem_dead} == set(below)
    assert played.states()["konsentrator"] == "silent" and len(powered(played)) == len(WORLD.meters)
    assert f"{len(below)} meters are heard again" in played.press("konsentrator")
    assert not any(one.modem_dead for one in played.town.supplies.values())


def test_a_theft_changes_nothing_that_a_meter_says(played: Played) -> None:
    before = len(played.sent)
    assert played.press("curi").startswith("Half of the load")
    (theft,) = played.town.wires.thefts
    assert (theft.drn, theft.watts, theft.share) == (KNOWN.drn, 400.0, 0.5) and len(played.sent) == before
    assert played.states()["curi"] == "energy goes beside the meter"
    played.press("curi")
    assert played.states()["curi"] == "none" and played.town.wires.thefts[0].to_us is not None


def test_each_row_says_where_to_look_and_every_place_is_a_page() -> None:
    with translation.override("en"):
        found = network.rows(pairing())
    assert [row.key for row in found] == list(network.DEEDS)
    assert [resolve(row.to).url_name for row in found] == [
        "desk-outages",
        "desk-transformer",
        "desk-meter",
        "desk-outages",
        "desk-losses-node",
    ]


def test_without_an_answer_of_the_town_nothing_is_claimed() -> None:
    def silent(op: str, **fields: object) -> dict[str, Any]:
        raise ControlFailed("nobody there")

    assert network.states(pairing(), silent) == {}
    source = (Path(str(page.__file__)).parent / "templates/stage/network_state.html").read_text(encoding="utf-8")
    with translation.override("en"):
        assert "not known now" in Template(source).render(Context({"network_states": {}, "key": "feeder"}))
