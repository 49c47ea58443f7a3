"""Debian's PostgreSQL as an external server: a cluster of its own in a temporary folder, over TCP with a password."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

MAJOR = 15


def binaries() -> Path:
    """Debian's binaries of this version; without them a loud skip, in CI they are installed by the test command."""
    found = Path(f"/usr/lib/postgresql/{MAJOR}/bin")
    if not (found / "postgres").exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"Debian's postgresql-{MAJOR} is required in CI")
        pytest.skip(f"NOT TESTED ON DEBIAN'S POSTGRESQL: postgresql-{MAJOR} is not installed")
    return found


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Yields the URL of an empty database on a running server."""
    install = binaries()
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="duaarah-pg-"))
    password = secrets.token_hex(8)
    (folder / "pw").write_text(password)
    if user is not None:
        for path in (folder, folder / "pw"):
            os.chown(path, user.pw_uid, user.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user is not None else {}
    command = [install / "initdb", "-D", folder / "data", "-U", "owner", "--auth=scram-sha-256", "--no-sync"]
    command += [f"--pwfile={folder / 'pw'}", "--encoding=UTF8", "--locale=C.UTF-8"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, cwd="/", **as_user)
    process = subprocess.Popen(
        [str(install / "postgres"), "-D", str(folder / "data"), "-k", str(folder), "-p", str(port), "-c", "fsync=off"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **as_user,
    )
    owner = f"postgresql://owner:{password}@127.0.0.1:{port}"
    try:
        deadline_s = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(f"{owner}/postgres", autocommit=True) as connection:
                    connection.execute("CREATE DATABASE town")
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline_s, "Debian's PostgreSQL does not start"
                time.sleep(0.1)
        yield f"{owner}/town"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
