"""The embedded cluster: starts, refuses a second user, survives kill -9, keeps strangers out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from duaarah.project.database import DataFolderBusy, EmbeddedCluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    # Not under pytest's own folders: they are closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="duaarah-pg-"))
    folder.chmod(0o755)
    made = EmbeddedCluster(folder / "cluster-folder")
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_second_user_of_the_folder_is_refused_with_a_sentence(cluster: EmbeddedCluster) -> None:
    with pytest.raises(DataFolderBusy, match="already runs on the data folder"):
        EmbeddedCluster(cluster.folder).start()
    assert psycopg.connect(cluster.conninfo()).execute("SELECT 1").fetchone() == (1,)


def test_what_was_committed_survives_kill_9(cluster: EmbeddedCluster) -> None:
    with psycopg.connect(cluster.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (x int)")
        connection.execute("INSERT INTO kept VALUES (7)")

    cluster.kill()
    cluster.restart()

    assert psycopg.connect(cluster.conninfo()).execute("SELECT x FROM kept").fetchone() == (7,)


def test_the_password_is_needed_and_kept_from_others(cluster: EmbeddedCluster) -> None:
    assert (cluster.folder / "password").stat().st_mode & 0o077 == 0
    wrong = psycopg.conninfo.make_conninfo(cluster.conninfo(), password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_a_long_path_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = EmbeddedCluster(tmp_path / ("x" * 90))
    assert len(str(deep.socket_dir)) < 100
