# SPDX-License-Identifier: Apache-2.0
"""The bank as a process of its own: the ATM of a seeded town behind a control port. It lives in machine time."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from duaarah.net.jsonport import JSONPort
from duaarah.sim.bank.atm import ATM, WIB, Sale
from duaarah.sim.bank.notify import BankError, Channel, Notifier
from duaarah.sim.town.world import CHANNEL, make_world

Reply = dict[str, Any]


def handlers(atm: ATM, now: Callable[[], datetime]) -> dict[str, Callable[[Reply], Awaitable[Reply]]]:
    """The verbs of the control port: buy and forge {"drn", "nominal_idr"}, repeat, status."""

    async def buy(request: Reply) -> Reply:
        return _sale(atm.buy(str(request["drn"]), int(request["nominal_idr"]), now()))

    async def forge(request: Reply) -> Reply:
        return _sale(atm.forge(str(request["drn"]), int(request["nominal_idr"]), now()))

    async def repeat(_request: Reply) -> Reply:
        return _sale(atm.repeat_latest())

    async def status(_request: Reply) -> Reply:
        outcomes = {key: [outcome.status, outcome.attempts] for key, outcome in list(atm.outcomes.items())[-100:]}
        return {"pending": atm.pending, "sold": atm.sold_count, "sold_wh": atm.sold_wh, "outcomes": outcomes}

    return {"buy": buy, "forge": forge, "repeat": repeat, "status": status}


def _sale(sale: Sale) -> Reply:
    return {"notification_id": sale.notification_id, "tid": sale.tid, "energy_wh": sale.energy_wh}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`./duaarah sim bank`"""
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--meters", type=int, default=50)
    parser.add_argument("--notify-url", default="http://127.0.0.1:8000")
    parser.add_argument("--control-port", type=int, default=0, help="default: any free port")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM; one JSON line on stdout says the control port."""
    try:
        world = make_world(args.seed, args.meters)
        notifier = Notifier(Channel(CHANNEL, world.channel_secret, args.notify_url))
    except (ValueError, BankError) as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 2
    asyncio.run(_main(ATM(world, notifier, CHANNEL), args.control_port))
    notifier.close()
    return 0


async def _main(atm: ATM, control_port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    port = JSONPort(handlers(atm, lambda: datetime.now(WIB)))
    print(json.dumps({"control_port": await port.start(port=control_port)}), flush=True)
    await stopped.wait()
    await port.stop()
