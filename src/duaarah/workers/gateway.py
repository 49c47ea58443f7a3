# SPDX-License-Identifier: Apache-2.0
"""The gateway's worker: listens for pushes where DUAARAH_GATEWAY says, and keeps them in the database."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

from duaarah.clock.queries import now
from duaarah.wiring.gateway import Intake
from duaarah.wiring.keystores import MeterKeyring, key_store
from duaarah.wiring.pushes import PushFrames
from duaarah.workers.gateway_server import Gateway, Limits

PORT = 4059  # DLMS/COSEM's registered port, TCP and UDP


def main() -> int:
    """Run until SIGTERM."""
    try:
        host, port = address(os.environ.get("DUAARAH_GATEWAY", ""))
    except ValueError as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 2
    intake = Intake(PushFrames(), MeterKeyring(key_store()), clock=now, monotonic=time.monotonic)
    return asyncio.run(_main(Gateway(intake.take, limits()), host, port))


def address(given: str) -> tuple[str, int]:
    """HOST or HOST:PORT ([::]:4059 for IPv6). Raises ValueError."""
    host, colon, port = given.rpartition(":")
    if not colon or given.endswith("]"):
        host, port = given, str(PORT)
    if not host or not port.isdigit() or int(port) > 0xFFFF:
        raise ValueError("DUAARAH_GATEWAY is HOST or HOST:PORT, for instance 10.20.0.1:4059.")
    return host.strip("[]"), int(port)


def limits() -> Limits:
    """What the environment says, else what the class says."""
    given = {
        name: int(os.environ[variable])
        for name, variable in (
            ("connections_max", "DUAARAH_GATEWAY_CONNECTIONS"),
            ("per_address_max", "DUAARAH_GATEWAY_PER_ADDRESS"),
            ("idle_s", "DUAARAH_GATEWAY_IDLE_S"),
            ("refusals_max", "DUAARAH_GATEWAY_REFUSALS"),
        )
        if os.environ.get(variable)
    }
    return Limits(**given)


async def _main(gateway: Gateway, host: str, port: int) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await gateway.open(host, port)
    try:
        await stopping.wait()
    finally:
        await gateway.close()
    return 0
