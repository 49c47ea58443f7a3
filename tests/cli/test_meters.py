"""`meters`: a newcomer founds a maker, imports its file, and is told what is wrong in which row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.headend.shipments import TRANSPORT_KEY, file_of, keys_of, row_of

from duaarah.core.sts import KeyRegister
from duaarah.headend.shipments.operations import set_maker
from duaarah.keystore import FileKeyStore
from duaarah.registry.models import Meter

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def meters(
    *arguments: str, stdin: str = "", database: str = "", keys: Path | None = None, **more: str
) -> tuple[int, list[dict[str, object]], str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "DUAARAH_DATABASE_URL": database, **more}
    if keys is not None:
        environment |= {"DUAARAH_KEYSTORE": str(keys), "DUAARAH_KEYSTORE_PASSPHRASE": "a passphrase for tests"}
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", "meters", *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        env=environment,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_maker_and_its_file(database: str, tmp_path: Path) -> None:
    store = FileKeyStore.create(tmp_path / "keys", "a passphrase for tests")
    store.add(KeyRegister(register_id="t", dkga="04", sgc="999901", krn=1, kt=2, ken=255, base_date=2014), bytes(20))
    there = {"database": database, "keys": tmp_path / "keys"}
    file = tmp_path / "a.csv"
    bad = row_of(2)
    bad[5] = "1"
    file.write_bytes(file_of([row_of(1), bad]))
    status, _, error = meters("import", str(file), "--maker", "ACME", **there)
    assert status == 1 and error == "duaarah: There is no maker ACME; `meters maker ACME --name ...` founds it.\n"
    status, made, error = meters("maker", "ACME", "--name", "Acme", stdin=TRANSPORT_KEY.hex(), **there)
    assert (status, made, error) == (0, [{"maker": "ACME", "name": "Acme", "transport_key": True}], "")
    status, lines, error = meters("import", str(file), "--maker", "ACME", "--without-wrong", **there)
    assert (status, error) == (1, "")
    assert (lines[0]["row"], lines[0]["column"], lines[0]["code"]) == (3, "sgc", "no_register")
    assert (lines[1]["rows"], lines[1]["wrong"], lines[1]["taken"]) == (2, 1, 1)
    assert Meter.objects.count() == 1 and keys_of(1)[0].hex() not in str(lines)


def test_profiles_and_a_profile_that_is_wrong(tmp_path: Path) -> None:
    status, kinds, _ = meters("profiles")
    assert status == 0 and {kind["profile"] for kind in kinds} >= {"single-phase-modem", "three-phase-retrofit"}
    (tmp_path / "acme.toml").write_text('name = "acme"')
    status, _, error = meters("check", str(tmp_path / "acme.toml"))
    assert status == 1 and "'link' is missing" in error and "Traceback" not in error
    status, _, error = meters("profiles", DUAARAH_PROFILES=str(tmp_path))
    assert status == 1 and "acme.toml: 'link' is missing" in error and "Traceback" not in error
    shipped = ROOT / "src" / "duaarah" / "drivers" / "profiles" / "three-phase-modem.toml"
    status, results, _ = meters("check", str(shipped))
    assert status == 0 and results[-1] == {"profile": "three-phase-modem", "samples": len(results) - 1, "wrong": 0}


def test_firmware_by_its_maker_s_key_and_where_a_meter_answers(database: str, tmp_path: Path) -> None:
    signer = Ed25519PrivateKey.generate()
    image, signature = tmp_path / "dua.bin", tmp_path / "dua.sig"
    image.write_bytes(b"an image")
    signature.write_bytes(signer.sign(b"an image"))
    set_maker(code="ACME", name="Acme", transport_key_wrapped=None, actor="test", now=datetime(2026, 2, 16, tzinfo=UTC))
    take = ("firmware", str(image), "--maker", "ACME", "--profile", "single-phase-modem", "--version", "DUA-2.0")
    status, _, error = meters(*take, "--signature", str(signature), database=database)
    assert (status, error) == (1, "duaarah: Nobody has entered this maker's firmware key.\n")
    public = signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    status, told, _ = meters("firmware-key", "ACME", stdin=public.hex(), database=database)
    assert (status, told) == (0, [{"maker": "ACME", "firmware_key": True}])
    status, told, _ = meters(*take, "--signature", str(signature), database=database)
    assert status == 0 and (told[0]["version"], told[0]["octets"]) == ("DUA-2.0", 8)
    status, _, error = meters("line", "01234567890", "10.0.0.1", database=database)
    assert (status, error) == (1, "duaarah: There is no meter 01234567890.\n")


def test_a_database_folder_that_cannot_be_is_named() -> None:
    status, lines, error = meters("shipments", DUAARAH_DATA="/proc/nowhere")
    assert (status, lines) == (1, []) and error.startswith("duaarah: /proc/") and error.count("\n") == 1
