# SPDX-License-Identifier: Apache-2.0
"""How every stage opens on an opened database: the seeded world, its keys, its registry rows, simulators and platform."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from duaarah.clock import operations as clock_operations
from duaarah.sim.town.world import START, World, make_world
from duaarah.stage.processes import Processes
from duaarah.stage.registration import make_keys, register_world


def open_stage(processes: Processes, *, before_start: Callable[[World], None] = lambda _: None) -> World:
    """
    Register the world of the stage's seed and start everything; business time stands at START.

    `before_start` may add rows while nothing runs yet.
    """
    world = make_world(processes.seed, processes.meters)
    clock_operations.move(at=START, rate=1, founding=True)
    store = make_keys(world, processes.folder / "keys.duaarah", processes.passphrase)
    smsc = processes.open_smsc()
    register_world(world, store, host=smsc.host, port=smsc.port, user=smsc.user, password=smsc.password)
    before_start(world)
    processes.open_town(smsc)
    processes.open_platform()
    return world


def move_both(town: Callable[..., object], at: dt.datetime, rate: int) -> None:
    """Forward, the platform's clock and the town's together. Raises ClockBackwards."""
    clock_operations.move(at=at, rate=rate)
    town("clock", anchor=at.isoformat(), rate=rate)
