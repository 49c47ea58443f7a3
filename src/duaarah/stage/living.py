# SPDX-License-Identifier: Apache-2.0
"""`./duaarah demo`: the living town, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import webbrowser

from django.db import connections

from duaarah.clock import operations as clock_operations
from duaarah.people.models import AccountHolder
from duaarah.sim.town.world import START, make_world
from duaarah.stage.page.personas import make_logins
from duaarah.stage.processes import Processes
from duaarah.stage.registration import make_keys, register_world

BEGINS_HOUR = 5


def run(processes: Processes, *, speed: int) -> int:
    """Set the town up on an opened database, say where it is, and stay until Ctrl-C or SIGTERM."""
    world = make_world(processes.seed, processes.meters)
    clock_operations.move(at=START, rate=1, founding=True)
    store = make_keys(world, processes.folder / "keys.duaarah", processes.passphrase)
    smsc = processes.open_smsc()
    register_world(world, store, host=smsc.host, port=smsc.port, user=smsc.user, password=smsc.password)
    _personas()
    processes.open_town(smsc)
    os.environ["DJANGO_SETTINGS_MODULE"] = "duaarah.stage.settings"
    _say("starting links, workers and web ...")
    processes.open_platform()
    at = START.replace(hour=BEGINS_HOUR)
    clock_operations.move(at=at, rate=speed)
    processes.town("clock", anchor=at.isoformat(), rate=speed)
    connections.close_all()
    url = f"http://127.0.0.1:{processes.web_port}/"
    _say(f"the town lives at {url}  (Ctrl-C ends it)")
    if sys.stdout.isatty():
        webbrowser.open(url)
    return _stay(processes)


def _personas() -> None:
    """The demo's household is one with money and a site-less meter; the fleet owner is the company."""
    homes = AccountHolder.objects.filter(kind=AccountHolder.Kind.HOUSEHOLD, wallet__balance_sen__gt=50_000_000)
    household = homes.order_by("pk").first() or AccountHolder.objects.order_by("pk").first()
    fleet = AccountHolder.objects.filter(kind=AccountHolder.Kind.COMPANY).order_by("pk").first() or household
    assert household is not None and fleet is not None
    make_logins(household, fleet)


def _stay(processes: Processes) -> int:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.wait(0.5):
        if processes.supervisor is not None and processes.supervisor.failed:
            _say(f"stopped: {processes.supervisor.failed}; see {processes.folder / 'platform.log'}")
            return 1
    _say("ending ...")
    return 0


def _say(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)
