"""The living demo as a person has it: killed in the middle of a busy town, started again, nothing lost; children killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from duaarah.net import jsonport
from duaarah.project.database import EmbeddedCluster
from duaarah.sim.town.past import make_past
from duaarah.sim.town.world import make_world

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
SEED, METERS, PAST_DAYS = 7, 24, 30
STARTS_S, WAIT_S = 120, 90


class Demo:
    """One run of `./duaarah demo` on a data folder."""

    def __init__(self, folder: Path, *arguments: str, url: str = "") -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("DUAARAH_", "DJANGO_"))}
        if url:
            environment["DUAARAH_DATABASE_URL"] = url
        self.folder = folder / "demo"
        self.url = url
        command = [sys.executable, "-m", "duaarah", "demo", "--meters", str(METERS), "--seed", str(SEED)]
        self.process = subprocess.Popen(
            [*command, "--speed", "10", "--port", "18600", "--past-days", str(PAST_DAYS), *arguments],
            env={**environment, "PYTHONPATH": str(ROOT / "src"), "DUAARAH_DATA": str(folder)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        deadline_s = time.monotonic() + STARTS_S
        assert self.process.stderr is not None
        while time.monotonic() < deadline_s and not any("lives at" in line for line in self.said):
            line = self.process.stderr.readline()
            assert line, f"the demo ended: {self.said}"
            self.said.append(line)
        self.where = json.loads((self.folder / "running.json").read_text())

    def town(self, op: str, **fields: object) -> dict[str, Any]:
        """Ask the town."""
        return jsonport.call(self.where["town_control"], {"op": op, **fields}, timeout_s=20)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        conninfo = self.url or EmbeddedCluster(self.folder / "postgres").conninfo("duaarah")
        with psycopg.connect(conninfo) as connection:
            return connection.execute(query).fetchall()

    def page(self, path: str = "/") -> str:
        """GET a page."""
        link = http.client.HTTPConnection("127.0.0.1", self.where["web_port"], timeout=20)
        link.request("GET", path)
        return link.getresponse().read().decode()

    def end(self) -> int:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One town for the whole file: whoever comes first founds it, the others take it up as the one before left it."""
    made = Path(tempfile.mkdtemp(prefix="duaarah-living-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def until(what: str, holds: Callable[[], object], seconds: float = WAIT_S) -> None:
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError, psycopg.Error, jsonport.ControlFailed, http.client.HTTPException):
            if holds():
                return
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def processes_of(folder: Path) -> list[int]:
    """Every process that has this data folder in its environment or its arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                if str(folder).encode() in words:
                    found.append(int(entry.name))
    return found


ELSEWHERE = "SELECT count(*) FROM vending_vend WHERE origin = 'ELSEWHERE'"
OPEN = """
SELECT (SELECT count(*) FROM vending_vend WHERE state NOT IN ('LOADED', 'REJECTED', 'REFUNDED'))
    + (SELECT count(*) FROM sms_inboundsms WHERE state = 'RECEIVED')
    + (SELECT count(*) FROM headend_command WHERE state IN ('QUEUED', 'SENT'))
    + (SELECT count(*) FROM sms_outboundsegment WHERE state IN ('QUEUED', 'SUBMITTING'))
"""


def settled(demo: Demo) -> bool:
    status = demo.town("status")
    return demo.rows(OPEN) == [(0,)] and status["busy"] == 0


def check_books(demo: Demo) -> None:
    """Money, energy and TIDs, of the past and of what was lived; what meters hold is asked of the meters."""
    assert demo.rows("SELECT coalesce(sum(amount_sen), 0) FROM vending_ledgerline") == [(0,)]
    inside = demo.town("meters")["meters"]
    issued = dict(demo.rows("SELECT v.drn, sum(t.energy_wh)::bigint FROM vending_token t JOIN vending_vend v"
                            " ON v.id = t.vend_id WHERE v.state = 'LOADED' GROUP BY v.drn"))  # fmt: skip
    assert {m["drn"]: m["token_energy_wh"] for m in inside if m["token_energy_wh"]} == issued
    assert all(m["tokens_accepted"] == m["tokens_distinct"] for m in inside)
    spent = demo.rows("SELECT count(*), count(DISTINCT reference) FROM vending_payment")[0]
    assert spent[0] == spent[1]


def busy(demo: Demo, count: int) -> list[dict[str, Any]]:
    """Many purchases at once: at the ATM, and by answers to warnings that were just sent."""
    world = make_world(SEED, METERS)
    homes = [m for m in world.meters if m.site is None][:count]
    for meter in homes[::2]:
        demo.town("buy_at_atm", drn=meter.drn, nominal_idr=50_000)
    for meter in homes[1::2]:
        demo.town("send", **{"from": meter.holder.phone, "text": f"ISI 50000 {meter.holder.pin}"})
    return [demo.town("meter", drn=meter.drn) for meter in homes]


@pytest.mark.parametrize("after_s", [0.05, 0.4, 1.2])
def test_killed_in_the_middle_of_a_busy_town_and_started_again_nothing_is_lost(folder: Path, after_s: float) -> None:
    first = Demo(folder)
    try:
        past = [
            purchase for meter in make_past(make_world(SEED, METERS), PAST_DAYS).meters for purchase in meter.purchases
        ]
        if any("founding" in line for line in first.said):
            assert first.rows("SELECT count(*) FROM vending_vend")[0][0] == len(past) > 50
            assert first.rows(ELSEWHERE) == [(sum(p.via == "ATM" for p in past),)]
        else:
            assert any("taking up" in line for line in first.said)
        sold, elsewhere = first.town("status")["atm_sold"], first.rows(ELSEWHERE)[0][0]
        busy(first, 12)
        time.sleep(after_s)
        first.process.kill()
        first.process.wait()
        until("everything has ended", lambda: not processes_of(folder), 40)
    finally:
        first.process.kill()
    again = Demo(folder)
    try:
        assert any("taking up" in line for line in again.said)
        # Six were bought at the ATM, which sells for cash; of the six by SMS those with money in the wallet.
        until("all is settled", lambda: settled(again) and again.town("status")["atm_sold"] >= sold + 6)
        assert again.rows(ELSEWHERE)[0][0] - elsewhere >= 6
        check_books(again)
        assert again.end() == 0
        until("nothing is left", lambda: not processes_of(folder), 60)
    finally:
        again.process.kill()


def test_whatever_is_killed_is_started_again_and_shown(folder: Path) -> None:
    demo = Demo(folder)
    try:
        sold = demo.town("status")["atm_sold"]
        keeper = demo.process.pid
        for name in ("headend", "links", "messenger", "web", "town", "smsc", "postgres"):
            pid = _child(keeper, name)
            os.kill(pid, signal.SIGKILL)
            shown = "database" if name == "postgres" else name
            until(f"{name} is back", lambda shown=shown: re.search(  # type: ignore[misc]
                rf">{shown}</span>\s*<span class=\"mute\">[^<]*(?:started again|dijalankan lagi) 1", demo.page()))  # fmt: skip
        busy(demo, 4)
        until("all is settled", lambda: settled(demo) and demo.town("status")["atm_sold"] >= sold + 2)
        check_books(demo)
        assert demo.end() == 0
        until("nothing is left", lambda: not processes_of(folder), 60)
    finally:
        demo.process.kill()


def _child(keeper: int, name: str) -> int:
    """The child of the demo whose command line says this name."""
    words = {"web": "granian", "town": "sim\0town", "smsc": "sim\0smsc", "postgres": "postgres\0-D"}.get(name, name)
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == keeper and words in (entry / "cmdline").read_text():
                return int(entry.name)
    raise AssertionError(f"there is no {name}")


def test_a_damaged_note_founds_the_town_anew(folder: Path) -> None:
    first = Demo(folder)
    assert first.end() == 0
    (first.folder / "town.json").write_text("{")
    again = Demo(folder)
    try:
        assert any("founding" in line for line in again.said)
        check_books(again)
        assert again.end() == 0
    finally:
        again.process.kill()
