# SPDX-License-Identifier: Apache-2.0
"""How every stage opens on an opened database: the seeded world, its keys, its registry rows, simulators and platform."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.db import connections

from duaarah.clock import operations as clock_operations
from duaarah.sim.town.past import Past
from duaarah.sim.town.server import TOTALS
from duaarah.sim.town.world import START, World, make_world
from duaarah.stage.history import bring_readings, live_outages, load_history, replay
from duaarah.stage.processes import Processes
from duaarah.stage.registration import make_keys, register_world


def open_stage(
    processes: Processes, *, past: Past | None = None, before_start: Callable[[World], None] = lambda _: None
) -> World:
    """
    Register the world of the stage's seed, with its past if it has one, and start everything; time stands at START.

    `before_start` may add rows while nothing runs yet.
    """
    world = make_world(processes.seed, processes.meters)
    clock_operations.move(at=START, rate=1, founding=True)
    store = make_keys(world, processes.folder / "keys.duaarah", processes.passphrase)
    smsc = processes.open_smsc()
    since_us = past.begin_us if past is not None else 0
    register_world(
        world, store, host=smsc.host, port=smsc.port, user=smsc.user, password=smsc.password, since_us=since_us
    )
    memories = _live(processes, world, past) if past is not None else None
    before_start(world)
    processes.open_town(smsc, memories=memories)
    processes.open_platform()
    return world


def _live(processes: Processes, world: World, past: Past) -> Path:
    """Load the past; the file in which the town finds what its meters remember of it."""
    with ThreadPoolExecutor(1) as beside:
        # Mostly arithmetic and files: it goes on while the rows of the past are made and copied.
        readings = beside.submit(_bring_readings, world, past, processes.truth)
        replayed = replay(world, past)
        load_history(past, replayed)
        live_outages(past, replayed)
        registers_wh = readings.result()
    memories = processes.folder / "memories.json"
    memories.touch(0o600)
    memories.write_text(json.dumps({**replayed.memories, TOTALS: registers_wh}))
    return memories


def _bring_readings(world: World, past: Past, truth: Path) -> dict[str, int]:
    """What the total meters show at the end of the past (Wh), by DRN."""
    try:
        return bring_readings(world, past, truth).total_registers_wh
    finally:
        connections.close_all()


def change_rate_of_both(town: Callable[..., object], rate: int) -> None:
    """Faster or slower from now on, the platform's clock and the town's together."""
    at = clock_operations.change_rate(rate)
    town("clock", anchor=at.isoformat(), rate=rate)


def move_both(town: Callable[..., object], at: dt.datetime, rate: int) -> None:
    """Forward, the platform's clock and the town's together. Raises ClockBackwards."""
    clock_operations.move(at=at, rate=rate)
    town("clock", anchor=at.isoformat(), rate=rate)
