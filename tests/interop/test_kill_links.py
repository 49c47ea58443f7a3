"""
The links worker dies by SIGKILL at each stage of a message, and node-smpp's own count is compared with our rows.

Six workers at once, each with a bind of its own and a point of its own; when all are dead one worker takes all binds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from tests.conftest import fresh_database
from tests.flows.killable import FOLDER, POINTS, arm, fired
from tests.interop.conftest import NodeSMSC
from tests.interop.test_faults import NOW, WINDOW, enqueue, ledger_and_rows_agree, socket_and_rows_agree

from duaarah.people.models import Organisation
from duaarah.sms.console import ambiguous
from duaarah.sms.models import Bind, InboundSms, OutboundSegment
from duaarah.sms.operations import judge_stale_segments, match_parked_receipts

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
STAGES = [point for point in POINTS if point.process == "links"]
SEGMENTS = 5
NAMES = [f"kill{number}" for number in range(len(STAGES))]


@dataclass
class Story:
    """How every account ended, by the SMSC and by our rows, and which workers died at their points."""

    died: dict[str, int] = field(default_factory=dict)
    account: dict[str, dict[str, Any]] = field(default_factory=dict)


def _worker(conninfo: str, folder: Path, bind: str) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.interop.killable_links"],
        cwd=ROOT,
        env={
            **os.environ,
            FOLDER: str(folder),
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "DUAARAH_DATABASE_URL": conninfo,
            "DUAARAH_TEST_BIND": bind,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _until(what: str, holds: Any, seconds: float = 60) -> None:
    deadline_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline_s, f"{what} did not happen"
        time.sleep(0.1)


def _quiet(smsc: NodeSMSC) -> bool:
    """The sweeper's part; whether nothing is under way on either side."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sms_outboundsegment SET lease_until_at = now() - interval '1 s'"
            " WHERE state = 'SUBMITTING' AND submitted_at < clock_timestamp() - interval '4 s'"
        )
    judge_stale_segments(now=NOW)
    match_parked_receipts()
    accounts = [smsc.ask("account", account=name) for name in NAMES]
    open_rows = OutboundSegment.objects.filter(state__in=["QUEUED", "SUBMITTING"])
    return not open_rows.exists() and all(a["binds"] >= 2 and not a["pending"] for a in accounts)


@pytest.fixture(scope="module")
def story(node_modules: Path, cluster_conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    smsc = NodeSMSC(node_modules, script="faults.js", account=())
    workers: list[subprocess.Popen[bytes]] = []
    folder = tmp_path_factory.mktemp("kill")
    try:
        with fresh_database(cluster_conninfo) as conninfo:
            operator = Organisation.objects.create(code="OPS", name="Opsel", kind="MOBILE_OPERATOR")
            for number, name in enumerate(NAMES):
                bind = Bind.objects.create(
                    name=name,
                    operator=operator,
                    host="127.0.0.1",
                    port=smsc.port,
                    system_id=name,
                    password_wrapped=b"",
                    short_codes=["3123"],
                    window=WINDOW,
                    tps_max=1_000,
                    response_timeout_s=1,
                )
                enqueue(bind, number, SEGMENTS)
                for one in range(2):
                    sms = {
                        "source_addr": f"62899{number:07d}",
                        "destination_addr": "3123",
                        "short_message": f"SALDO {one}",
                    }
                    smsc.ask("mo", account=name, key=f"mo {one}", fields=sms)
            for number, point in enumerate(STAGES):
                (folder / str(number)).mkdir()
                arm(folder / str(number), point)
                workers.append(_worker(conninfo, folder / str(number), NAMES[number]))
            _until("every death", lambda: all(worker.poll() is not None for worker in workers))
            story = Story()
            for number, point in enumerate(STAGES):
                story.died[point.arrow] = workers[number].returncode if fired(folder / str(number), point) else 0
            workers.append(_worker(conninfo, folder / "after", ""))
            _until("quiet", lambda: _quiet(smsc))
            story.account = {name: smsc.ask("account", account=name) for name in NAMES}
            yield story
            for worker in workers:
                worker.kill()
                worker.wait()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        smsc.close()


def test_each_worker_died_at_its_point(story: Story) -> None:
    assert len(STAGES) == 6 and story.died == {point.arrow: -9 for point in STAGES}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost_nothing_is_charged_twice_and_the_unknown_is_listed(story: Story, name: str) -> None:
    account = story.account[name]
    rows = list(OutboundSegment.objects.filter(bind__name=name).order_by("id"))
    state = Counter(row.state for row in rows)
    # One worker's death takes at most what its window held.
    assert state["ACCEPTED"] + state["DELIVERED"] + state["AMBIGUOUS"] == SEGMENTS and state["AMBIGUOUS"] <= WINDOW
    socket_and_rows_agree(account, rows)
    ledger_and_rows_agree(rows)
    listed = {row.pk for row in ambiguous() if row.bind.name == name}
    assert listed == {row.pk for row in rows if row.state == "AMBIGUOUS"}
    assert account["most_in_flight"] <= WINDOW


@pytest.mark.parametrize("name", NAMES)
def test_what_came_in_is_here_once_whenever_the_worker_died(story: Story, name: str) -> None:
    account = story.account[name]
    inbound = InboundSms.objects.filter(bind__name=name).order_by("payload")
    assert [bytes(sms.payload) for sms in inbound] == [b"SALDO 0", b"SALDO 1"]
    assert account["pending"] == 0 and {status for _, status in account["acked"]} == {0}


def test_some_were_unknown(story: Story) -> None:
    """A death that costs nothing anywhere would have happened between messages."""
    assert OutboundSegment.objects.filter(state="AMBIGUOUS").exists()
