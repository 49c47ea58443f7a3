"""Meters of the test town behind real TCP ports, served by a loop of its own in a thread."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from duaarah.headend.operations import set_line
from duaarah.sim.meter import Device
from duaarah.sim.meter.server import MeterServer
from tests.flows.house import House, Town


@contextmanager
def served(town: Town, *houses: House) -> Iterator[list[Device]]:
    """The logical devices of these houses' meters, each at the port that its line names."""
    loop, challenges = asyncio.new_event_loop(), itertools.count(1)
    devices = [
        Device(house.sim, lambda: town.now, challenge=lambda: next(challenges).to_bytes(16, "big")) for house in houses
    ]
    servers = [MeterServer(device.meter, device) for device in devices]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        for house, server in zip(houses, servers, strict=True):
            asyncio.run_coroutine_threadsafe(server.open(), loop).result(5)
            set_line(meter=house.meter, host="127.0.0.1", port=server.port, actor="command:test", now=town.now)
        yield devices
    finally:
        for server in servers:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
