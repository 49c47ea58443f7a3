"""An empty database is founded from a kept dump: the same tables, rows and rights as the migrations made; else they run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from duaarah.project import founding
from duaarah.project.database import binaries

pytestmark = pytest.mark.slow
CASTS = re.compile(r"::character varying|::text(\[\])?|[()]")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(founding, "CHECKOUT", tmp_path)
    return tmp_path


@pytest.fixture
def empty(cluster_conninfo: str, database: str) -> str:
    """A database of the run's cluster with nothing in it."""
    name = "empty_" + str(conninfo_to_dict(database)["dbname"])
    with psycopg.connect(cluster_conninfo, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return make_conninfo(cluster_conninfo, dbname=name)


def dump(conninfo: str) -> list[str]:
    parts = conninfo_to_dict(conninfo)
    command = [str(binaries() / "bin/pg_dump"), "--inserts"]
    done = subprocess.run(
        [*command, "-h", str(parts["host"]), "-U", str(parts["user"]), "-d", str(parts["dbname"])],
        env={"PGPASSWORD": str(parts["password"])},
        capture_output=True,
        text=True,
        check=True,
    )
    # PostgreSQL prints a check such as `state IN (...)` with its casts elsewhere once it has read its own print: the same test.
    return [CASTS.sub("", line) for line in done.stdout.splitlines() if not line.startswith("\\")]


def test_founded_and_migrated_databases_are_the_same(checkout: Path, database: str, empty: str) -> None:
    assert founding.is_empty(empty) and not founding.is_empty(database)
    founding.keep(database)
    assert founding.found(empty)
    assert len(dump(empty)) > 3000
    assert dump(empty) == dump(database)
    # Its connection left no search path behind, and a second founding does nothing.
    assert not founding.found(empty)


def test_without_a_dump_that_fits_nothing_is_done(checkout: Path, database: str, empty: str) -> None:
    assert not founding.found(empty)
    founding.dump_file().parent.mkdir()
    founding.dump_file().write_text("CREATE TABLE half (x int);\nCREATE TABLE broken (")
    assert not founding.found(empty)
    assert founding.is_empty(empty)


def test_another_migration_or_month_wants_another_dump(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = founding.dump_file()
    monkeypatch.setattr(founding.time, "gmtime", lambda: founding.time.strptime("2031-05", "%Y-%m"))
    assert founding.dump_file() != here
