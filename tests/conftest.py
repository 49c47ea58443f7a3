"""What every test may ask for: a database of its own, made from a migrated template in one cluster a run."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import pytest

from tests import ram

CONTROLLER = os.environ.setdefault("DUAARAH_TEST_CONTROLLER", str(os.getpid()))
# Workers take the controller's folder.
RUN_FOLDER = Path(os.environ.get("DUAARAH_TEST_RUN_FOLDER") or ram.run_folder(int(CONTROLLER)))
ram.use(RUN_FOLDER)
os.environ["DUAARAH_DATA"] = str(RUN_FOLDER)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duaarah.project.settings")
django.setup()


# What takes longest begins first, so that no worker is left alone with it at the end; the rest as collected.
LONGEST = (
    *(
        "conformance_ppob/test_planted_bugs",
        "flows/test_day",
        "flows/test_living",
        "browser/test_pages",
        "flows/test_kill_points",
        "cli/test_sts_key",
    ),
    *("interop/test_day_over_node_smpp", "web/test_notifications", "browser/test_stage", "cli/test_sts_key_killed"),
    *("cli/test_sts_with_register", "flows/test_external_database", "web/test_sts_interface", "sms/test_links"),
    *("keystore/test_ceremony", "flows/test_conversation", "people/test_approval", "sms/test_planted_bugs"),
    "vending/test_reports",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))


def pytest_unconfigure(config: pytest.Config) -> None:
    # A cluster ends after this process and clears up behind itself.
    if not hasattr(config, "workerinput") and not (RUN_FOLDER / "starting").exists():
        ram.give_back(RUN_FOLDER)


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
