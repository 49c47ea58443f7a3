# SPDX-License-Identifier: Apache-2.0
"""
`bench dlms`, figure `sessions_per_s`: whole TCP sessions with simulated meters. Needs no database.

One process is the head end, another one holds the meters. A session is: connect, AARQ, HLS-GMAC passes 3 and 4, 96 rows
{clock, status, energy} of the load profile by blocks, a 20-digit token, release. Tokens are made before the clock
starts; every one must have been credited by its meter.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from duaarah.core.obis import TOKEN_GATEWAY
from duaarah.core.sts import DecoderKey, MeterDecoder, issue_electricity_credit
from duaarah.net.dlms import Endpoint, session
from duaarah.sim.meter import Device, MeterConfig, SimMeter
from duaarah.sim.meter.device import LOAD_PROFILE, MANAGER_SAP
from duaarah.sim.meter.server import MeterServer
from duaarah.wire.dlms.axdr import octets
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.sealing import Style

SEED = 7
METERS = 50
ROWS = 96
SESSIONS = 500
REPETITIONS = 5
ENERGY_WH = 100
FIRST_TID = 0x64_0000
HEAD_END = b"HES\x00\x00\x00\x00\x01"
NOW = datetime(2026, 7, 11, 6, 0, tzinfo=timezone(timedelta(hours=7)))
_CHILD = "from duaarah.stage.bench_dlms_session import meters_child; meters_child()"
Record = dict[str, Any]


def _keys(number: int) -> Keys:
    draw = random.Random(f"{SEED}:{number}")
    return Keys(draw.randbytes(16), draw.randbytes(16))


def _decoder_key(number: int) -> DecoderKey:
    return DecoderKey("07", random.Random(f"{SEED}:sts:{number}").randbytes(8))


def _title(number: int) -> bytes:
    return b"DUA\x01" + number.to_bytes(4, "big")


def _device(number: int) -> Device:
    meter = SimMeter(
        MeterConfig(
            kind="single-phase-modem",
            drn=f"{number:011d}",
            system_title=_title(number),
            keys=_keys(number),
            client_titles=(HEAD_END,),
            decoder=MeterDecoder(_decoder_key(number)),
            credit_wh=1_000_000,
            low_credit_threshold_wh=1,
        )
    )
    meter.consume(ROWS * 100_000, NOW)
    device = Device(meter, lambda: NOW, challenge=lambda: os.urandom(16))
    device.fill(ROWS)
    return device


def meters_child() -> None:
    """The process of the meters: prints their ports, serves until stdin ends, then prints what they credited."""

    async def serve() -> None:
        devices = [_device(number) for number in range(METERS)]
        servers = [MeterServer(device.meter, device) for device in devices]
        for server in servers:
            await server.open()
        print(json.dumps([server.port for server in servers]), flush=True)
        before_s = time.process_time()
        await asyncio.to_thread(sys.stdin.read)
        for server in servers:
            await server.close()
        credited = sum(device.meter.tokens_accepted for device in devices)
        print(json.dumps([credited, time.process_time() - before_s]), flush=True)

    asyncio.run(serve())


def _tokens(sessions: int) -> list[str]:
    return [
        issue_electricity_credit(
            _decoder_key(number % METERS),
            energy_wh=ENERGY_WH,
            tid=FIRST_TID + number // METERS,
            rnd=number % 16,
            ken=255,
        ).digits
        for number in range(sessions)
    ]


async def _one(endpoint: Endpoint, token: str, counters: Iterator[int]) -> None:
    async with session(endpoint, next_counter=lambda: next(counters)) as opened:
        rows = await opened.get(7, LOAD_PROFILE, 2)
        assert len(rows.value) == ROWS
        await opened.act(115, TOKEN_GATEWAY, 1, octets(token.encode()))


async def _round(ports: list[int], tokens: list[str], counters: list[Iterator[int]], first: int, count: int) -> float:
    """So many sessions, every meter's one after the other; the seconds they took."""
    endpoints = [
        Endpoint(
            host="127.0.0.1",
            port=port,
            client_sap=MANAGER_SAP,
            keys=_keys(number),
            system_title=HEAD_END,
            meter_title=_title(number),
            style=Style.SERVICE_GLO,
        )
        for number, port in enumerate(ports)
    ]

    async def meter(number: int) -> None:
        for index in range(first + (number - first) % METERS, first + count, METERS):
            await _one(endpoints[number], tokens[index], counters[number])

    started_s = time.perf_counter()
    await asyncio.gather(*(meter(number) for number in range(METERS)))
    return time.perf_counter() - started_s


def run(sessions: int = SESSIONS, repetitions: int = REPETITIONS) -> Iterator[Record]:
    """Yields the bench's JSON record: the best of several rounds."""
    tokens = _tokens(sessions * repetitions)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        ports = json.loads(child.stdout.readline())
        counters: list[Iterator[int]] = [itertools.count(1) for _ in range(METERS)]
        taken_s, cpu_s = [], []
        for number in range(repetitions):
            before_s = time.process_time()
            taken_s.append(asyncio.run(_round(ports, tokens, counters, number * sessions, sessions)))
            cpu_s.append(time.process_time() - before_s)
        child.stdin.close()
        credited, meters_cpu_s = json.loads(child.stdout.readline())
    finally:
        child.stdin.close()
        child.wait()
    if credited != len(tokens):
        raise AssertionError(f"{len(tokens)} tokens were sent, {credited} credited.")
    method = {"sessions": sessions, "meters": METERS, "rows": ROWS, "repetitions": repetitions, "seed": SEED}
    yield {
        "bench": "dlms",
        "figure": "sessions_per_s",
        "value": round(sessions / min(taken_s), 1),
        "unit": "1/s",
        "cores": 1,  # the head end's process; the meters have another one
        "best_of": repetitions,
        "head_end_cpu_ms": round(min(cpu_s) / sessions * 1000, 3),
        "meters_cpu_ms": round(meters_cpu_s / len(tokens) * 1000, 3),
        "tokens_credited": credited,
        **method,
    }
