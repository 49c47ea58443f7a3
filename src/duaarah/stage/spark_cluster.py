# SPDX-License-Identifier: Apache-2.0
"""A Spark standalone cluster over loopback, for tests and `bench grid --spark`: one master, workers of one core each."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

STARTS_WITHIN_S = 60
# Small heaps and a quick start: three daemons, which compute nothing, share one machine with their executors.
DAEMON = {
    "SPARK_LOCAL_IP": "127.0.0.1",
    "SPARK_DAEMON_MEMORY": "256m",
    "SPARK_DAEMON_JAVA_OPTS": "-XX:-UsePerfData -XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


class ClusterFailed(Exception):
    """A daemon did not start; its log is in the message."""

    code = "cluster_failed"


class SparkCluster:
    """
    Master and workers as processes of this one, gone when the block is left.

    Attributes:
        url: of the master, `spark://127.0.0.1:PORT`.
        workers: the daemons; each with its executors is a process group of its own.
    """

    def __init__(self, folder: Path, workers: int = 2, memory_mb: int = 1280) -> None:
        self._folder = folder
        self._number = workers
        self._memory_mb = memory_mb
        self._master: subprocess.Popen[bytes] | None = None
        self._status_url = ""
        self.url = ""
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> SparkCluster:
        self._folder.mkdir(parents=True, exist_ok=True)
        port, status_port = _free_port(), _free_port()
        self.url, self._status_url = f"spark://127.0.0.1:{port}", f"http://127.0.0.1:{status_port}/json/"
        try:
            self._master = self._start("master", "--port", str(port), "--webui-port", str(status_port))
            self._wait(lambda: self.status() is not None)
            memory = ("--cores", "1", "--memory", f"{self._memory_mb}m")
            for number in range(self._number):
                place = ("--work-dir", str(self._folder / f"work{number}"), "--webui-port", "0")
                self.workers.append(self._start("worker", *memory, *place, self.url))
            self._wait(lambda: self.alive() == self._number)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process that this cluster started."""
        for process in [*self.workers, *filter(None, [self._master])]:
            self.kill(process)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """A daemon and its executors, by -9."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def status(self) -> dict[str, Any] | None:
        """What the master says of itself; None while it is silent."""
        try:
            with urllib.request.urlopen(self._status_url, timeout=2) as reply:
                told: dict[str, Any] = json.load(reply)
                return told
        except (OSError, ValueError):
            return None

    def alive(self) -> int:
        """Workers that the master holds for alive."""
        return sum(worker["state"] == "ALIVE" for worker in (self.status() or {}).get("workers", []))

    def _start(self, role: str, *arguments: str) -> subprocess.Popen[bytes]:
        import pyspark

        home = Path(pyspark.__file__).parent
        kind = f"org.apache.spark.deploy.{role}.{role.title()}"
        log = self._folder / f"{role}{len(self.workers)}.log"
        with log.open("wb") as out:
            return subprocess.Popen(
                [home / "bin" / "spark-class", kind, "--host", "127.0.0.1", *arguments],
                env={**os.environ, **DAEMON, "SPARK_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the executors of a worker die with it
            )

    def _wait(self, ready: Any) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not ready():
            dead = [p for p in [*self.workers, *filter(None, [self._master])] if p.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = "\n".join(log.read_text(errors="replace")[-1500:] for log in sorted(self._folder.glob("*.log")))
                raise ClusterFailed(f"The Spark cluster does not start:\n{logs}")
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
