"""Holds one PostgreSQL cluster for a whole test run: started by the first test that needs it, gone with the run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.ram import give_back

TEMPLATE = "duaarah_template"


def ensure(folder: Path, controller_pid: int) -> str:
    """The conninfo of the run's cluster with a migrated template database; starts it when nobody has."""
    folder.mkdir(parents=True, exist_ok=True)
    ready = folder / "conninfo"
    with (folder / "starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            subprocess.Popen(
                [sys.executable, "-m", "tests.cluster", str(folder), str(controller_pid)],
                cwd=Path(__file__).parents[1],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            deadline = time.monotonic() + 180
            while not ready.exists():
                assert time.monotonic() < deadline, "the test cluster does not start"
                time.sleep(0.05)
    return ready.read_text()


def hold(folder: Path, controller_pid: int) -> None:
    """The holding process: cluster, template, then wait until the test run is gone."""
    from duaarah.project.database import EmbeddedCluster

    # Without fsync and synchronous commits: no test kills this server. Those that do have a cluster of their own, with both.
    cluster = EmbeddedCluster(folder / "postgres", fsync=False)
    cluster.start()
    try:
        import psycopg

        with psycopg.connect(cluster.conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        os.environ["DUAARAH_DATABASE_URL"] = cluster.conninfo(TEMPLATE)
        os.environ["DUAARAH_DATA"] = str(folder)
        from duaarah.project.start import migrate, setup

        setup("tests")
        migrate(cluster.conninfo(TEMPLATE))
        from django.db import connections

        connections["default"].close()
        connections["default"].close_pool()
        written = folder / "conninfo.new"
        written.write_text(cluster.conninfo())
        written.rename(folder / "conninfo")
        while _alive(controller_pid):
            time.sleep(0.2)
    finally:
        cluster.stop()
        give_back(folder)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    hold(Path(sys.argv[1]), int(sys.argv[2]))
