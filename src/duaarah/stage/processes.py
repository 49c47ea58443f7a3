# SPDX-License-Identifier: Apache-2.0
"""The stage's processes: database, simulators, workers and web, on loopback ports of their own, all gone at the end."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duaarah.net import jsonport
from duaarah.project.database import EmbeddedCluster
from duaarah.project.ports import claim_next
from duaarah.project.start import migrate, platform_children, setup
from duaarah.project.supervisor import ChildSpec, Supervisor, die_with_parent
from duaarah.sim.town.world import make_world

HOST = "127.0.0.1"
# On a machine that does much else at once; a process that ends is noticed at once.
READY_S = 90
COMMAND_LEASE_S = 3
INBOUND_LEASE_S = 3
SEGMENT_LEASE_S = 20
SIMS_AT_ONCE = 5_000


class StageError(Exception):
    """The stage cannot be set; the message says what to do."""

    code = "stage"


@dataclass(frozen=True)
class ExternalSMSC:
    """An SMSC that is not ours: the platform and the town bind to it with the same account."""

    host: str
    port: int
    user: str
    password: str


def _free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        number: int = probe.getsockname()[1]
    return number


class Processes:
    """Starts in `open`, ends in `close`; simulators are asked over their JSON ports."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        meters: int,
        external: ExternalSMSC | None,
        *,
        radio_faults: bool = True,
        segment_lease_s: int = SEGMENT_LEASE_S,
        web_port: int | None = None,
        town_lives: bool = False,
    ) -> None:
        """
        `town_lives`: the town keeps its meters and phones, and the SMSC its messages, in files for the next start; some
        meters have packets, and the platform a gateway for them.
        """
        self.folder, self.seed, self.meters, self.external = folder, seed, meters, external
        self.radio_faults = radio_faults
        self.segment_lease_s = segment_lease_s
        self.passphrase = secrets.token_urlsafe(24)
        self.smsc_password = secrets.token_hex(4)
        self.town_lives = town_lives
        self.cluster: EmbeddedCluster | None = None
        self.supervisor: Supervisor | None = None
        self._simulators: dict[str, subprocess.Popen[str]] = {}
        self.smsc_control: int | None = None
        self._commands: dict[str, list[str]] = {}
        self._restarts: Counter[str] = Counter()
        self.town_control = 0
        # Held until this process ends: two stages that start together never share a port.
        self._claim = claim_next(HOST, _free_port() if web_port is None else web_port)
        self.web_port = self._claim.port
        self.gateway_port = _free_port() if town_lives else 0

    @property
    def truth(self) -> Path:
        """The town's own folder for what really happened; no process of the platform is told of it."""
        return self.folder / "truth"

    def open_database(self, *, keep: bool = False) -> None:
        """
        The folder's own database (or the external one), migrated; Django is set up in this process.

        Without `keep` the folder is emptied first, and the database is new.
        """
        # One who still plays in this folder keeps it.
        EmbeddedCluster(self.folder / "postgres").refuse_if_busy()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "DUAARAH_DATA": str(self.folder),
            "DUAARAH_KEYSTORE": str(self.folder / "keys.duaarah"),
            "DUAARAH_KEYSTORE_PASSPHRASE": self.passphrase,
            "DUAARAH_COMMAND_LEASE_S": str(COMMAND_LEASE_S),
            "DUAARAH_COMMAND_BACKOFF_S": "1",
            "DUAARAH_INBOUND_LEASE_S": str(INBOUND_LEASE_S),
            "DUAARAH_SEGMENT_LEASE_S": str(self.segment_lease_s),
            "DUAARAH_READINGS": str(self.folder / "readings"),
            "DUAARAH_READINGS_SOON": "1",
        }
        os.environ.update(environment)
        os.environ.setdefault("DUAARAH_LOG_LEVEL", "WARNING")
        if not os.environ.get("DUAARAH_DATABASE_URL"):
            self.cluster = EmbeddedCluster(self.folder / "postgres")
            self.cluster.start()
            os.environ["DUAARAH_DATABASE_URL"] = self.cluster.conninfo("duaarah")
        setup("stage")
        migrate(self.cluster.conninfo("duaarah") if self.cluster is not None else None)

    def open_smsc(self) -> ExternalSMSC:
        """Where to bind: the external SMSC, or the built-in one, started here."""
        if self.external is not None:
            return self.external
        password = self.smsc_password
        command = ["sim", "smsc", "--account", f"duaarah:{password}", "--account", f"town:{password}"]
        if self.town_lives:
            command += ["--state", str(self.folder / "smsc.sqlite")]
        ready = self._simulator("smsc", command)
        self.smsc_control = int(ready["control_port"])
        fixed = ["--port", str(ready["smpp_port"]), "--control-port", str(ready["control_port"])]
        self._commands["smsc"] = [*command, *fixed]
        self._stock_sims()
        return ExternalSMSC(HOST, int(ready["smpp_port"]), "duaarah", password)

    def kill_smsc(self) -> None:
        """kill -9 of the built-in SMSC: what it had not delivered is gone, unless it keeps a file."""
        process = self._simulators["smsc"]
        process.kill()
        process.wait()

    def restart(self, name: str) -> None:
        """Start a simulator again on the same ports: it goes on where it keeps a file, else it is empty."""
        self._simulator(name, self._commands[name])
        if name == "smsc":
            self._stock_sims()

    def _stock_sims(self) -> None:
        """The operator behind the SMSC knows the SIMs of the town's meters, all of them active; told again it changes nothing."""
        sims = [[meter.iccid, meter.msisdn] for meter in make_world(self.seed, self.meters).meters]
        for start in range(0, len(sims), SIMS_AT_ONCE):
            part = sims[start : start + SIMS_AT_ONCE]
            self.smsc("sim_stock", request_id=f"stage-{start}", sims=part, state="ACTIVE")

    def open_town(self, smsc: ExternalSMSC, *, memories: Path | None = None) -> None:
        """Meters, phones and the ATM, bound to the same SMSC; `memories`: what the meters bring from a past."""
        user = smsc.user if self.external is not None else "town"
        command = ["sim", "town", "--seed", str(self.seed), "--meters", str(self.meters)]
        command += ["--smsc", f"{smsc.host}:{smsc.port}", "--smsc-user", user, "--smsc-password", smsc.password]
        command += ["--notify-url", f"http://{HOST}:{self.web_port}/api/v1/notifications/tokens"]
        if self.gateway_port:
            command += ["--gateway", f"{HOST}:{self.gateway_port}"]
        if not self.radio_faults:
            command.append("--no-radio-faults")
        if self.town_lives:
            command += ["--state", str(self.folder / "town.sqlite"), "--truth", str(self.truth)]
        if memories is not None:
            command += ["--memories", str(memories)]
        self.town_control = int(self._simulator("town", command)["control_port"])
        self._commands["town"] = [*command, "--control-port", str(self.town_control)]

    def tend(self) -> list[str]:
        """Start again what has ended by itself among database and simulators; returns their names."""
        ended = []
        if self.cluster is not None and self.cluster.tend():
            ended.append("database")
        for name, process in list(self._simulators.items()):
            if process.poll() is not None:
                self._restarts[name] += 1
                self.restart(name)
                ended.append(name)
        return ended

    def states(self) -> list[tuple[str, bool, int]]:
        """(name, whether it runs now, how often it was started again) of everything here."""
        rows = [] if self.cluster is None else [("database", self.cluster.pid is not None, self.cluster.restarts)]
        rows += [(name, process.poll() is None, self._restarts[name]) for name, process in self._simulators.items()]
        return rows + (self.supervisor.states() if self.supervisor is not None else [])

    def open_platform(self, *, links: bool = True) -> None:
        """Workers and web under a supervisor; waits until the web answers and (`links`) the links are bound."""
        from django.db import connections

        from duaarah.sms.models import Bind

        if self.gateway_port:
            os.environ["DUAARAH_GATEWAY"] = f"{HOST}:{self.gateway_port}"
        # What the demo's own web page asks the town.
        os.environ["DUAARAH_STAGE_TOWN"] = str(self.town_control)
        os.environ["DUAARAH_STAGE_SMSC"] = str(self.smsc_control or 0)
        os.environ["DUAARAH_STAGE_FOLDER"] = str(self.folder)
        os.environ["DUAARAH_STAGE_SEED"] = f"{self.seed}:{self.meters}"
        connections.close_all()
        self.supervisor = Supervisor(self.children(), log=self.folder / "platform.log")
        self.supervisor.start()
        deadline_s = time.monotonic() + READY_S
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.web_port), timeout=1):
                if not links or Bind.objects.filter(state="UP").exists():
                    return
            if self.supervisor.failed:
                break
            time.sleep(0.1)
        raise StageError(f"The platform does not start ({self.supervisor.failed}); see {self.folder / 'platform.log'}.")

    def children(self) -> list[ChildSpec]:
        """What the supervisor keeps alive; the page first, somebody waits for it."""
        *workers, web = platform_children(HOST, self.web_port)
        return [web, *workers]

    def _simulator(self, name: str, command: list[str]) -> dict[str, Any]:
        with (self.folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "duaarah", *command],
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                preexec_fn=die_with_parent,
            )
        self._simulators[name] = process
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise StageError(f"The simulator {name} does not start; see {self.folder / (name + '.log')}.")
        ready: dict[str, Any] = json.loads(line)
        return ready

    def town(self, op: str, **fields: object) -> dict[str, Any]:
        """Ask the town."""
        return jsonport.call(self.town_control, {"op": op, **fields}, timeout_s=30)

    def smsc(self, op: str, **fields: object) -> dict[str, Any]:
        """Ask the built-in SMSC."""
        assert self.smsc_control is not None
        return jsonport.call(self.smsc_control, {"op": op, **fields})

    def close(self) -> None:
        """Everything ends, in reverse order."""
        if self.supervisor is not None:
            self.supervisor.stop()
        for process in self._simulators.values():
            process.terminate()
        for process in self._simulators.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        from django.db import connection

        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()
        if self.cluster is not None:
            self.cluster.stop()
        self._claim.release()
