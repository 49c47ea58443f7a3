"""What every test may ask for: a database of its own, made from a migrated template in one cluster a run."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import pytest

CONTROLLER = os.environ.setdefault("DUAARAH_TEST_CONTROLLER", str(os.getpid()))
RUN_FOLDER = Path(tempfile.gettempdir()) / f"duaarah-tests-{CONTROLLER}"
os.environ["DUAARAH_DATA"] = str(RUN_FOLDER)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duaarah.project.settings")
django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    import shutil

    if not hasattr(config, "workerinput"):
        # The cluster itself ends when this process does; what it left is removed by the next run's system.
        shutil.rmtree(RUN_FOLDER / "static", ignore_errors=True)


@pytest.fixture(scope="session")
def cluster_conninfo() -> str:
    """libpq connection string of the run's cluster, as its owner."""
    from tests.cluster import ensure

    return ensure(RUN_FOLDER, int(CONTROLLER))


@pytest.fixture
def database(cluster_conninfo: str) -> Iterator[str]:
    """A fresh database for one test; Django's default connection points at it. Yields its conninfo."""
    with fresh_database(cluster_conninfo) as conninfo:
        yield conninfo


@contextmanager
def fresh_database(cluster_conninfo: str) -> Iterator[str]:
    """The same for as long as one likes: a module whose tests look at one story."""
    import psycopg
    from django.db import connections
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    from tests.cluster import TEMPLATE

    name = f"t_{secrets.token_hex(6)}"
    with psycopg.connect(cluster_conninfo, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    parts = conninfo_to_dict(cluster_conninfo)
    default = connections["default"]
    default.close()
    default.close_pool()
    default.settings_dict.update(NAME=name, USER=parts["user"], PASSWORD=parts["password"], HOST=parts["host"], PORT="")
    conninfo = make_conninfo(cluster_conninfo, dbname=name)
    yield conninfo
    default.close()
    default.close_pool()
    with psycopg.connect(cluster_conninfo, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
