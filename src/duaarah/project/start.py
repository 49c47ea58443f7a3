# SPDX-License-Identifier: Apache-2.0
"""Bringing a process to life: logs, Django, the database it needs, the children it watches."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from duaarah.project import assets, founding, logs
from duaarah.project.database import DatabaseError, EmbeddedCluster
from duaarah.project.places import CHECKOUT, data_dir
from duaarah.project.ports import PortClaim
from duaarah.project.supervisor import ChildSpec, Supervisor

# Threads of one process take turns; a page that is rendered needs a core of its own.
WEB_PROCESSES_MAX = 2
_MIGRATION_LOCK = 0x44554102
WORKERS = ("links", "headend", "messenger", "sweeper", "chores")
LISTENERS = {"gateway": "DUAARAH_GATEWAY", "bank": "DUAARAH_PPOB"}


def setup(process: str) -> None:
    """Logs and Django, once. The settings read the environment."""
    logs.install(process, os.environ.get("DUAARAH_LOG_LEVEL", "INFO"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duaarah.project.settings")
    import django

    django.setup()


@contextmanager
def database_ready() -> Iterator[None]:
    """Django set up against the external database, or against the embedded one, started for as long as needed."""
    if os.environ.get("DUAARAH_DATABASE_URL"):
        setup("command")
        yield
        return
    cluster = EmbeddedCluster(data_dir() / "postgres")
    cluster.start()
    try:
        os.environ["DUAARAH_DATABASE_URL"] = cluster.conninfo("duaarah")
        setup("command")
        migrate(cluster.conninfo("duaarah"))
        yield
    finally:
        cluster.stop()


def migrate(embedded: str | None = None) -> None:
    """
    Apply the migrations under an advisory lock, so that two starting machines do not meet.

    `embedded`: the conninfo of the same database when it is our own cluster's; while it is empty it is founded from a dump.
    """
    from django.core.management import call_command
    from django.db import connection

    fresh = embedded is not None and founding.is_empty(embedded)
    founded = embedded is not None and fresh and founding.found(embedded)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
        try:
            call_command("migrate", interactive=False, verbosity=0)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])
    if embedded is not None and fresh and not founded:
        founding.keep(embedded)


def _assets() -> None:
    """Before the settings look for them."""
    assets.ensure(CHECKOUT, lambda text: print(f"duaarah: {text}", file=sys.stderr, flush=True))


def serve_web(host: str, port: int, threads: int) -> int:
    """Replace this process by granian serving the WSGI application."""
    PortClaim(host, port).survive_exec()
    _assets()
    command = web_command(host, port, threads)
    os.execv(command[0], command)


def web_command(host: str, port: int, threads: int = 4) -> list[str]:
    """The command line of the web process."""
    return [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        str(max(1, min(WEB_PROCESSES_MAX, os.cpu_count() or 1))),
        "--blocking-threads",
        str(threads),
        "--no-ws",
        "--log-level",
        "warning",
        "duaarah.project.wsgi:application",
    ]


def platform_children(host: str, port: int) -> list[ChildSpec]:
    """Links, workers and web, in the order in which they start."""
    # Pushes over IP and banks come to an address that somebody has named, else no port is open.
    named = [name for name, variable in LISTENERS.items() if os.environ.get(variable)]
    names = (*WORKERS, *named)
    workers = [ChildSpec(name, [sys.executable, "-m", "duaarah", "worker", name]) for name in names]
    return [*workers, ChildSpec("web", web_command(host, port), death_signal=signal.SIGKILL)]


def up(host: str, port: int) -> int:
    """Run the platform until SIGTERM or Ctrl-C; 0 when it drained cleanly."""
    logs.install("up", os.environ.get("DUAARAH_LOG_LEVEL", "INFO"))
    key_file = Path(os.environ.get("DUAARAH_KEYSTORE", data_dir() / "keys.duaarah"))
    if not key_file.exists() or not os.environ.get("DUAARAH_KEYSTORE_PASSPHRASE"):
        raise DatabaseError(
            f"There is no key file to open at {key_file}. Make one with ./duaarah keys new and set"
            " DUAARAH_KEYSTORE_PASSPHRASE; to see the system at work without keys of your own, run ./duaarah demo --once."
        )
    # Two platforms on one port would mix their visitors.
    claim = PortClaim(host, port)
    _assets()
    cluster = None
    if not os.environ.get("DUAARAH_DATABASE_URL"):
        cluster = EmbeddedCluster(data_dir() / "postgres")
        cluster.start()
        os.environ["DUAARAH_DATABASE_URL"] = cluster.conninfo("duaarah")
    try:
        setup("up")
        migrate(cluster.conninfo("duaarah") if cluster is not None else None)
        from django.db import connections

        connections.close_all()
        tend = cluster.tend if cluster is not None else lambda: False
        print(f"Dua Arah runs on http://{host}:{port}/ ; Ctrl-C stops it.", file=sys.stderr)
        return Supervisor(platform_children(host, port)).run_until_stopped(tend)
    finally:
        if cluster is not None:
            cluster.stop()
        claim.release()
