"""`sim smsc --state` as a process, killed with -9: what it answered for is delivered, counted and charged once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sim.smsc.peers import METER, Raw

from duaarah.net.jsonport import call
from duaarah.wire.smpp import receipt

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "duaarah", "sim", "smsc", "--account", "platform:a", "--account", "town:b"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def start(*arguments: str) -> tuple[subprocess.Popen[str], int, int]:
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, env=ENVIRONMENT, text=True)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    return process, ready["smpp_port"], ready["control_port"]


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(5)


@pytest.mark.slow
def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    state = str(tmp_path / "smsc.db")
    process, port, control = start("--state", state)
    try:
        call(control, {"op": "sim_stock", "request_id": "1", "sims": [["896", METER]], "state": "ACTIVE"})
        activated = call(control, {"op": "package_register", "request_id": "2", "sim": METER, "package": "TWO_WAY_28"})
        platform = Raw(port)
        platform.bind()
        sent = [bytes([n]) for n in range(20)]
        for payload in sent:
            platform.submit(payload, receipt=True)
        ids = [platform.next().text["message_id"] for _ in sent]
        kill(process)

        process, port, control = start("--state", state)
        assert call(control, {"op": "stats"})["segments"] == {"platform": 20, "town": 0}
        assert call(control, {"op": "stats"})["pending"] == 20
        assert call(control, {"op": "cdr"})["records"] == call(control, {"op": "sim", "sim": METER})["used"] == 20
        again = {"op": "package_register", "request_id": "2", "sim": METER, "package": "TWO_WAY_28"}
        assert call(control, again) == activated
        town = Raw(port)
        town.bind("town", address_range="^62")
        assert [town.deliver().payload for _ in sent] == sent and town.nothing()
        kill(process)  # the receipts wait for the platform

        process, port, control = start("--state", state)
        platform = Raw(port)
        platform.bind()
        told = [receipt.parse(platform.deliver()) for _ in sent]
        assert [r is not None and r.state == 2 and i in r.message_ids for r, i in zip(told, ids, strict=True)] == [
            True
        ] * 20
        assert platform.nothing()
        platform.submit()
        assert platform.next().text["message_id"] == "0000000021"
    finally:
        kill(process)


@pytest.mark.slow
def test_a_file_in_use_another_file_and_a_wrong_switch_are_refused_with_a_sentence(tmp_path: Path) -> None:
    def refused(*arguments: str) -> str:
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, env=ENVIRONMENT, text=True, timeout=20)
        assert done.returncode == 2 and not done.stdout
        return done.stderr

    state, other = tmp_path / "smsc.db", tmp_path / "other.txt"
    other.write_text("no database at all, but long enough to be read as one" * 10)
    process, _, _ = start("--state", str(state), "--fault", "noresp=1", "--lose", "0.05")
    try:
        assert f"{state} is in use." in refused("--state", str(state))
    finally:
        kill(process)
    assert f"{other} is no state file of an SMSC." in refused("--state", str(other))
    assert "nothing=1 is no fault; the switches are throttle" in refused("--fault", "nothing=1")
    assert "--tls-cert and --tls-key go together." in refused("--tls-cert", "x.pem")
