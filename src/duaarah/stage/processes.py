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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duaarah.net import jsonport
from duaarah.project.database import EmbeddedCluster
from duaarah.project.start import migrate, setup, web_command
from duaarah.project.supervisor import ChildSpec, Supervisor, die_with_parent

WORKERS = ("links", "headend", "messenger", "sweeper")
READY_S = 30
COMMAND_LEASE_S = 5


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


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


class Processes:
    """Starts in `open`, ends in `close`; simulators are asked over their JSON ports."""

    def __init__(
        self, folder: Path, seed: int, meters: int, external: ExternalSMSC | None, *, radio_faults: bool = True
    ) -> None:
        self.folder, self.seed, self.meters, self.external = folder, seed, meters, external
        self.radio_faults = radio_faults
        self.passphrase = secrets.token_urlsafe(24)
        self.cluster: EmbeddedCluster | None = None
        self.supervisor: Supervisor | None = None
        self._simulators: list[subprocess.Popen[str]] = []
        self.smsc_control: int | None = None
        self.town_control = 0
        self.web_port = free_port()

    def open_database(self) -> None:
        """A new database (or the external one), migrated; Django is set up in this process."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        environment = {
            "DUAARAH_DATA": str(self.folder),
            "DUAARAH_KEYSTORE": str(self.folder / "keys.duaarah"),
            "DUAARAH_KEYSTORE_PASSPHRASE": self.passphrase,
            "DUAARAH_COMMAND_LEASE_S": str(COMMAND_LEASE_S),
            "DUAARAH_COMMAND_BACKOFF_S": "1",
            "DUAARAH_SEGMENT_LEASE_S": "20",
        }
        os.environ.update(environment)
        os.environ.setdefault("DUAARAH_LOG_LEVEL", "WARNING")
        if not os.environ.get("DUAARAH_DATABASE_URL"):
            self.cluster = EmbeddedCluster(self.folder / "postgres")
            self.cluster.start()
            os.environ["DUAARAH_DATABASE_URL"] = self.cluster.conninfo("duaarah")
        setup("stage")
        migrate()

    def open_smsc(self) -> ExternalSMSC:
        """Where to bind: the external SMSC, or the built-in one, started here."""
        if self.external is not None:
            return self.external
        password = secrets.token_hex(4)
        command = ["sim", "smsc", "--account", f"duaarah:{password}", "--account", f"town:{password}"]
        ready = self._simulator(command, "smsc")
        self.smsc_control = int(ready["control_port"])
        return ExternalSMSC("127.0.0.1", int(ready["smpp_port"]), "duaarah", password)

    def open_town(self, smsc: ExternalSMSC) -> None:
        """Meters, phones and the ATM, bound to the same SMSC."""
        user = smsc.user if self.external is not None else "town"
        command = ["sim", "town", "--seed", str(self.seed), "--meters", str(self.meters)]
        command += ["--smsc", f"{smsc.host}:{smsc.port}", "--smsc-user", user, "--smsc-password", smsc.password]
        command += ["--notify-url", f"http://127.0.0.1:{self.web_port}/api/v1/notifications/tokens"]
        if not self.radio_faults:
            command.append("--no-radio-faults")
        self.town_control = int(self._simulator(command, "town")["control_port"])

    def open_platform(self) -> None:
        """Workers and web under a supervisor; waits until the web answers and the links are bound."""
        from django.db import connections

        from duaarah.sms.models import Bind

        children = [ChildSpec(name, [sys.executable, "-m", "duaarah", "worker", name]) for name in WORKERS]
        children.append(ChildSpec("web", web_command("127.0.0.1", self.web_port, 2)))
        connections.close_all()
        self.supervisor = Supervisor(children, log=self.folder / "platform.log")
        self.supervisor.start()
        deadline_s = time.monotonic() + READY_S
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.web_port), timeout=1):
                if Bind.objects.filter(state="UP").exists():
                    return
            if self.supervisor.failed:
                break
            time.sleep(0.1)
        raise StageError(f"The platform does not start ({self.supervisor.failed}); see {self.folder / 'platform.log'}.")

    def _simulator(self, command: list[str], name: str) -> dict[str, Any]:
        log = (self.folder / f"{name}.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", "duaarah", *command],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=die_with_parent,
        )
        self._simulators.append(process)
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
        for process in self._simulators:
            process.terminate()
        for process in self._simulators:
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
