# SPDX-License-Identifier: Apache-2.0
"""A small town's day over real sockets: its pushes fill the interval store with what flowed, and its truth stays its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from duaarah.headend.models import MeterEvent
from duaarah.notices.pushes import take_pushes
from duaarah.readings.days import compact
from duaarah.readings.store import readings_of
from duaarah.registry.models import Meter, NodeMeter
from duaarah.sim.town.network import total_meters_of
from duaarah.sim.town.totals import total_errors
from duaarah.sim.town.truth import FILE, read_truth
from duaarah.sim.town.world import START, make_world
from duaarah.stage.registration import make_keys, register_world
from duaarah.wiring.gateway import Intake
from duaarah.wiring.keystores import MeterKeyring
from duaarah.wiring.pushes import PushFrames
from duaarah.workers.gateway_server import Gateway, Limits

pytestmark = pytest.mark.slow
METERS = 30
# A town in a process of its own, as in life; only its SMS go nowhere.
TOWN = """
import asyncio, sys
from pathlib import Path
from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.packets import PacketLink
from duaarah.sim.town.profiles import Packets
from duaarah.sim.town.town import Town
from duaarah.sim.town.truth import Truth
from duaarah.sim.town.world import make_world

async def day(port, folder, meters):
    link = PacketLink("127.0.0.1", port, lambda drn, answer: town.packets.answered(town, town.teller(drn), answer))
    world = make_world(7, meters)
    town = Town(world, send=lambda sms: None, packets=Packets(link.send), truth=Truth(folder))
    town.start(0)
    town.start_theft(world.meters[3].drn, watts=400)
    while (due_us := town.queue.next_due_us()) is not None and due_us <= DAY_US + 3 * HOUR_US:
        town.run(due_us, 100)
        while link.busy:
            await asyncio.sleep(0.01)
    print(link.counts["confirmed"], link.counts["unanswered"])

asyncio.run(day(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
"""


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The files that this process, which is the platform here, opens until the test looks itself."""
    found: list[str] = []
    watching = [True]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str | Path):
            found.append(str(arguments[0]))

    sys.addaudithook(hook)  # for good: it only ever looks while it is told to
    yield found
    watching.clear()


async def _live_a_day(intake: Intake, truth: Path) -> str:
    gateway = Gateway(intake.take, Limits())
    await gateway.open("127.0.0.1", 0)
    try:
        arguments = [sys.executable, "-c", TOWN, str(gateway.port), str(truth), str(METERS)]
        child = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, text=True, timeout=90)
        assert child.returncode == 0, child.stderr
        return child.stdout.strip()
    finally:
        await gateway.close()


def test_a_days_pushes_fill_the_store_with_what_flowed(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    monkeypatch.setattr(settings, "READINGS_FOLDER", tmp_path / "readings")
    world = make_world(7, METERS)
    store = make_keys(world, tmp_path / "keys", "a passphrase for tests")
    register_world(world, store, host="127.0.0.1", port=1, user="x", password="y")
    now = START + dt.timedelta(days=1, hours=3)
    keys, frames = MeterKeyring(store), PushFrames()
    intake = Intake(frames, keys, clock=lambda: now, monotonic=time.monotonic)
    totals = total_meters_of(world)
    said = asyncio.run(_live_a_day(intake, tmp_path / "truth"))
    assert said == f"{METERS + len(totals)} 0"
    while take_pushes(frames=frames, keys=keys, now=now):
        pass
    assert MeterEvent.objects.filter(kind="LOAD_PROFILE").count() == METERS + len(totals)
    compact(open_too=True)
    ids = dict(Meter.objects.values_list("drn", "pk"))
    read = {drn: readings_of(pk, START, START + dt.timedelta(days=1)).to_pydict() for drn, pk in ids.items()}
    # What the platform opened all day: its own files, never the town's.
    assert any("readings" in name for name in opened)
    assert not [name for name in opened if str(tmp_path / "truth") in name]
    truth = [fact for fact in read_truth(tmp_path / "truth") if fact.get("day") == 0]
    assert opened[-1] == str(tmp_path / "truth" / FILE)
    gains = dict(zip([total.node for total in totals], total_errors(world)[0], strict=True))
    assert {fact["node"] for fact in truth} == set(gains)
    for fact in truth:
        total = read[NodeMeter.objects.get(node__code=fact["node"]).meter.drn]
        assert len(total["ts"]) == 96 and None not in total["energy_wh"]
        assert sum(total["energy_wh"]) == pytest.approx(fact["input_wh"] * gains[fact["node"]], abs=2)
        mine = [meter.drn for meter in world.meters if meter.place.transformer == fact["node"]]
        metered_wh = sum(sum(read[drn]["energy_wh"]) for drn in mine)
        if mine:
            assert metered_wh == pytest.approx(fact["metered_wh"], abs=len(mine))
            lost = fact["lines_wh"] + fact["winding_wh"] + fact["core_wh"] + fact["unmetered_wh"]
            assert sum(total["energy_wh"]) - metered_wh == pytest.approx(lost, rel=0.1, abs=len(mine))
            assert min(min(read[drn]["voltage_v"]) for drn in mine) == pytest.approx(fact["lowest_v"], abs=5)
            assert min(total["voltage_v"]) > 200 and max(total["voltage_v"]) < 250
