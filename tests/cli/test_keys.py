"""The key file by the command line: made once, keys by stdin only, in no output, in the audit chain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from duaarah.audit.models import AuditRecord

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
KEY = "abababababababab949494949494949401234567"
REGISTER = ["add", "test-2014", "--dkga", "04", "--sgc", "999901", "--krn", "1"]


def keys(database: str, tmp_path: Path, *arguments: str, stdin: str = "", passphrase: str = "twelve letters") -> tuple:
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", "keys", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "DUAARAH_DATABASE_URL": database,
            "DUAARAH_KEYSTORE": str(tmp_path / "keys"),
            "DUAARAH_KEYSTORE_PASSPHRASE": passphrase,
        },
        check=False,
    )
    assert KEY not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def test_made_filled_listed_and_audited(database: str, tmp_path: Path) -> None:
    assert keys(database, tmp_path, "new")[0] == 0
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    status, out, _ = keys(database, tmp_path, *REGISTER, stdin=KEY + "\n")
    assert status == 0
    listed = keys(database, tmp_path, "list")[1]
    assert listed == out
    assert json.loads(listed) == {
        "register_id": "test-2014",
        "dkga": "04",
        "sgc": "999901",
        "krn": 1,
        "kt": 2,
        "ken": 255,
        "base_date": 2014,
        "active_from": None,
        "issued_until": None,
        "approved": True,
        "place": "file",
        "check_value": "0F353D",
        "agreed_by": None,
        "status": "active",
    }
    assert list(AuditRecord.objects.order_by("id").values_list("verb", "subject")) == [
        ("keystore.new.intent", "keys"),
        ("keystore.new", "keys"),
        ("keystore.import.intent", "test-2014"),
        ("keystore.import", "test-2014"),
    ]
    assert KEY not in str(list(AuditRecord.objects.values_list("detail", flat=True)))


def test_what_is_refused_changes_nothing(database: str, tmp_path: Path) -> None:
    assert "Make one with ./duaarah keys new" in keys(database, tmp_path, "list")[2]
    assert "at least 12" in keys(database, tmp_path, "new", passphrase="short")[2]
    assert not (tmp_path / "keys").exists()
    keys(database, tmp_path, "new")
    before = (tmp_path / "keys").read_bytes()
    for arguments, stdin, passphrase, words in (
        (["new"], "", "twelve letters", "exists"),
        (REGISTER, KEY, "another passphrase", "wrong"),
        (REGISTER, "not hex " + KEY, "twelve letters", "not a string of hex digits"),
        (REGISTER, "abab", "twelve letters", "20 octets"),
        ([*REGISTER[:-1], "12"], KEY, "twelve letters", "1 to 9"),
    ):
        status, out, error = keys(database, tmp_path, *arguments, stdin=stdin, passphrase=passphrase)
        assert (status, out) == (1, "") and words in error, error
    assert (tmp_path / "keys").read_bytes() == before
    assert list(AuditRecord.objects.filter(refused=True).order_by("id").values_list("code", flat=True)) == [
        "ValueError", "FileExistsError", "wrong_passphrase", "ValueError", "key_length", "ValueError",
    ]  # fmt: skip
    assert AuditRecord.objects.filter(refused=False).exclude(verb__endswith=".intent").count() == 1
    assert KEY not in str(list(AuditRecord.objects.values_list("reason", flat=True)))
