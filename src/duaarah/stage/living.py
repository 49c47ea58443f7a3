# SPDX-License-Identifier: Apache-2.0
"""`./duaarah demo`: the living town, until Ctrl-C; the next start goes on where it stopped."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import sys
import threading
import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from django.db import OperationalError, connection, connections

from duaarah.clock import operations as clock_operations
from duaarah.clock.models import BusinessClock
from duaarah.clock.queries import now
from duaarah.keystore import FileKeyStore
from duaarah.net.jsonport import ControlFailed
from duaarah.people.models import AccountHolder, Organisation
from duaarah.sim.town.past import make_past
from duaarah.sim.town.past_theft import hidden_theft
from duaarah.sim.town.world import START, World, make_world
from duaarah.sms.models import Bind
from duaarah.stage.opening import change_rate_of_both, move_both, open_stage
from duaarah.stage.page.personas import make_logins, make_staff
from duaarah.stage.processes import Processes, StageError
from duaarah.stage.saved import PROCESSES, SavedTown
from duaarah.wiring.keystores import wrap_bind_password

BEGINS_HOUR = 5
LOOK_S = 0.5
_LATEST = """
(SELECT arrived_at FROM sms_inboundsms ORDER BY id DESC LIMIT 1) UNION ALL
(SELECT created_at FROM sms_outboundsegment ORDER BY id DESC LIMIT 1) UNION ALL
(SELECT created_at FROM messaging_message ORDER BY id DESC LIMIT 1) UNION ALL
(SELECT at FROM audit_auditrecord ORDER BY id DESC LIMIT 1)
"""


@dataclass(frozen=True)
class Living:
    """
    What `run` needs beside the processes: the saved town, whether it is taken up, how fast its time goes, and how many days lie
    behind a new one.
    """

    saved: SavedTown
    again: bool
    speed: int
    past_days: int


def run(processes: Processes, living: Living) -> int:
    """Found or take up the town on an opened database, say where it is, and stay until Ctrl-C or SIGTERM."""
    begun_s = time.monotonic()
    os.environ["DJANGO_SETTINGS_MODULE"] = "duaarah.stage.settings"
    saved = _take_up(processes, living) if living.again else _found(processes, living)
    _tell_where(processes)
    connections.close_all()
    url = f"http://127.0.0.1:{processes.web_port}/"
    # Before it is said: whoever reads "Ctrl-C ends it" may be quick.
    stopping = _asked_to_stop()
    _say(f"the town lives at {url}  ({time.monotonic() - begun_s:.1f} s; Ctrl-C ends it)")
    if sys.stdout.isatty():
        webbrowser.open(url)
    return _stay(processes, saved, stopping)


def _found(processes: Processes, living: Living) -> SavedTown:
    """A new town with its past; it is saved when everything stands."""
    if Organisation.objects.exists():
        raise StageError(
            "The database is not empty, and it is not this demo's town. Name an empty one in DUAARAH_DATABASE_URL."
        )
    _say(f"founding the town and its last {living.past_days} days ...")
    world = make_world(processes.seed, processes.meters)
    open_stage(processes, past=make_past(world, living.past_days), before_start=lambda _: _personas())
    at = START.replace(hour=BEGINS_HOUR)
    move_both(processes.town, at, living.speed)
    _go_on_stealing(processes, world)
    return living.saved.seen(processes.folder, at)


def _go_on_stealing(processes: Processes, world: World) -> None:
    """The hidden thief of the past does not stop; only the town knows."""
    if (theft := hidden_theft(world)) is not None:
        percent = round(100 * theft.share)
        processes.town("theft", drn=theft.drn, on=True, watts=round(theft.watts), share_percent=percent)


def _take_up(processes: Processes, living: Living) -> SavedTown:
    """The town as it was when it stopped: rows in the database, meters and phones in the town's own file."""
    _say("taking up the town where it stopped ...")
    assert living.saved.seen_at is not None
    # Children that outlived a killed demo for some seconds have gone further than it had noted.
    at = max(dt.datetime.fromisoformat(living.saved.seen_at), *_latest_lived())
    smsc = processes.open_smsc()
    store = FileKeyStore.open(processes.folder / "keys.duaarah", processes.passphrase)
    Bind.objects.update(
        host=smsc.host,
        port=smsc.port,
        system_id=smsc.user,
        password_wrapped=wrap_bind_password(store, "opsel-1", smsc.password),
        state="DOWN",
    )
    make_staff()
    clock_operations.resume(at=at, rate=living.speed)
    processes.open_town(smsc)
    processes.open_platform(links=False)
    change_rate_of_both(processes.town, living.speed)
    return living.saved


def _latest_lived() -> list[dt.datetime]:
    """The latest business instants that rows bear witness of."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST)
        return [row[0] for row in cursor.fetchall() if row[0] is not None]


def _personas() -> None:
    """The demo's household is one with money and a site-less meter; the fleet owner is the company."""
    homes = AccountHolder.objects.filter(kind=AccountHolder.Kind.HOUSEHOLD, wallet__balance_sen__gt=50_000_000)
    household = homes.order_by("pk").first() or AccountHolder.objects.order_by("pk").first()
    fleet = AccountHolder.objects.filter(kind=AccountHolder.Kind.COMPANY).order_by("pk").first() or household
    assert household is not None and fleet is not None
    make_logins(household, fleet)


def _tell_where(processes: Processes) -> None:
    """For scripts and tests: the ports of what runs, beside the log."""
    where = {"web_port": processes.web_port, "town_control": processes.town_control, "pid": os.getpid()}
    _write(processes.folder / "running.json", where)


def _asked_to_stop() -> threading.Event:
    """Set by Ctrl-C and SIGTERM from now on, in place of an interruption."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _stay(processes: Processes, saved: SavedTown, stopping: threading.Event) -> int:
    while not stopping.wait(LOOK_S):
        if processes.supervisor is not None and processes.supervisor.failed:
            _say(f"stopped: {processes.supervisor.failed}; see {processes.folder / 'platform.log'}")
            return 1
        for name in processes.tend():
            _say(f"{name} ended by itself and was started again")
        saved = _look(processes, saved)
    _say("ending; the next start goes on from here ...")
    _look(processes, saved)
    return 0


def _look(processes: Processes, saved: SavedTown) -> SavedTown:
    """Show what runs; keep the town's time with ours; note how far business time has come."""
    _write(processes.folder / PROCESSES, processes.states())
    try:
        at, rate = now(), BusinessClock.objects.values_list("rate", flat=True).get(pk=1)
    except OperationalError:
        # The database is being started again: business time is not asked for meanwhile.
        connections.close_all()
        return saved
    with contextlib.suppress(ControlFailed):
        # A town that was started again stands still until it is told the time.
        if not processes.town("status")["running"]:
            processes.town("clock", anchor=at.isoformat(), rate=rate)
    # Further than anything that can happen before the next look.
    return saved.seen(processes.folder, at + dt.timedelta(seconds=2 * LOOK_S * rate))


def _write(path: Path, content: object) -> None:
    written = path.with_name(path.name + ".new")
    written.write_text(json.dumps(content))
    written.replace(path)


def _say(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)
