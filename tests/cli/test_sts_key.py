"""`sts key`: a ceremony from the empty file to the first token, into file and module, audited, without a secret shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from tests.cli.ceremonies import KEY, PASSPHRASE, TERMS, House
from tests.keystore import softhsm

from duaarah.audit.models import AuditRecord
from duaarah.core.sts import KeyConfiguration
from duaarah.keystore import FileKeyStore, PKCS11KeyStore

pytestmark = pytest.mark.slow
CONFIGURATION = KeyConfiguration(dkga="04", ea="07", sgc="201457", ti="01", krn=1, kt=2, ken=255, base_date=2014)
PAN = "600727000000000009"
PUBLISHED = "87f3ecbb2e46b48f"


@pytest.fixture
def house(database: str, tmp_path: Path) -> House:
    return House(database, tmp_path)


@pytest.fixture
def module_house(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    environment = softhsm.make_token(tmp_path)
    monkeypatch.setenv("SOFTHSM2_CONF", environment["SOFTHSM2_CONF"])
    # The library is one per process and may still know another test's tokens.
    pkcs11.lib(softhsm.required()).reinitialize()
    yield House(database, tmp_path, environment)


def lines() -> list[tuple[str, str, bool]]:
    return list(AuditRecord.objects.order_by("id").values_list("verb", "actor", "refused"))


def test_a_ceremony_into_the_file(house: House) -> None:
    house.prepared()
    (waiting,) = house.done("list")
    assert (waiting["status"], waiting["of"]) == ("components", 2)
    assert waiting["components"] == {"ani": "E23CD9", "budi": "65A9D0"}
    (made,) = house.done("combine", "pln")
    assert (made["status"], made["check_value"], made["place"]) == ("pending", "0F353D", "file")
    times = ("--from", "2026-01-01T00:00", "--until", "2031-01-01T00:00")
    (once,) = house.done("activate", "pln", "--operator", "ani", *times)
    assert (once["status"], once["agreed_by"]) == ("pending", "ani")
    status, out, error = house.key("activate", "pln", "--operator", "ani", *times)
    assert (status, out) == (1, "") and "a second operator must" in error
    (twice,) = house.done("activate", "pln", "--operator", "budi", *times)
    assert (twice["status"], twice["issued_until"]) == ("active", "2031-01-01T00:00:00")
    store = FileKeyStore.open(house.path, PASSPHRASE)
    assert store.decoder_key("pln", CONFIGURATION, PAN).octets.hex() == PUBLISHED
    (over,) = house.done("expire", "pln", "--operator", "budi", "--at", "2026-02-01T00:00")
    assert over["status"] == "expired"
    written = lines()
    assert written[0::2] == [(f"{verb}.intent", actor, False) for verb, actor, _ in written[1::2]]
    assert [(verb, refused) for verb, _, refused in written[1::2]] == [
        ("keystore.new", False),
        ("keystore.operator", False),
        ("keystore.operator", False),
        ("keystore.component", False),
        ("keystore.component", False),
        ("keystore.combine", False),
        ("keystore.activate", False),
        ("keystore.activate", True),
        ("keystore.activate", False),
        ("keystore.expire", False),
    ]
    assert written[-1][1] == "operator:budi"
    everything = str(list(AuditRecord.objects.values()))
    assert not [secret for secret in house.secrets if secret in everything]


def test_a_ceremony_into_the_module(module_house: House) -> None:
    house = module_house
    house.prepared()
    (made,) = house.done("combine", "pln", "--into", "module")
    assert (made["status"], made["check_value"], made["place"]) == ("pending", "0F353D", "module")
    house.done("activate", "pln", "--operator", "ani")
    (active,) = house.done("activate", "pln", "--operator", "budi")
    assert (active["status"], active["place"]) == ("active", "module")
    assert FileKeyStore.open(house.path, PASSPHRASE).registers() == ()
    store = PKCS11KeyStore(house.environment["DUAARAH_PKCS11_MODULE"], softhsm.LABEL, softhsm.PIN)
    assert [register.approved for register in store.registers()] == [True]
    assert store.decoder_key("pln", CONFIGURATION, PAN).octets.hex() == PUBLISHED
    store.close()
    legacy = ("import", "old", "--dkga", "02", "--sgc", "123456", "--krn", "1")
    status, _, error = house.key(*legacy, "--into", "module", stdin="abababababababab")
    assert status == 1 and "DKGA02" in error
    house.done(*legacy, stdin="abababababababab")
    assert [(item["register_id"], item["place"]) for item in house.done("list")] == [("old", "file"), ("pln", "module")]


def test_the_pin_comes_from_a_file_and_a_wrong_one_is_named(module_house: House, tmp_path: Path) -> None:
    house = module_house
    house.done("new")
    del house.environment["DUAARAH_PKCS11_PIN"]
    assert "DUAARAH_PKCS11_PIN" in house.key("list")[2]
    (tmp_path / "pin").write_text(softhsm.PIN + "\n")
    house.environment["DUAARAH_PKCS11_PIN_FILE"] = str(tmp_path / "pin")
    assert house.done("list") == []
    (tmp_path / "pin").write_text("wrong " + softhsm.PIN)
    status, _, error = house.key("list")
    assert status == 1 and "refuses the PIN" in error


def test_a_passphrase_by_file_descriptor(house: House) -> None:
    del house.environment["DUAARAH_KEYSTORE_PASSPHRASE"]
    read, write = os.pipe()
    os.write(write, PASSPHRASE.encode() + b"\n")
    os.close(write)
    house.done("new", env={"DUAARAH_KEYSTORE_PASSPHRASE_FD": str(read)}, pass_fds=[read])
    assert FileKeyStore.open(house.path, PASSPHRASE).registers() == ()
    status, _, error = house.key("list")
    assert status == 1 and "DUAARAH_KEYSTORE_PASSPHRASE" in error


def test_a_new_passphrase(house: House) -> None:
    house.done("new")
    house.done("rekey")
    assert house.key("list")[0] == 1
    assert FileKeyStore.open(house.path, PASSPHRASE + "-2").registers() == ()


def test_no_verb_gives_a_key_away(house: House) -> None:
    for verb in ("export", "show", "dump"):
        assert house.key(verb)[0] == 2
    assert house.key("import", "pln", *TERMS, "00" * 20)[0] == 2


def test_without_the_audit_chain_nothing_changes(house: House) -> None:
    house.prepared()
    before = house.path.read_bytes()
    unreachable = {
        "DUAARAH_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1",
        "DUAARAH_POOL_TIMEOUT_S": "1",
    }
    for arguments in (("combine", "pln"), ("import", "x", *TERMS), ("rekey",), ("operator", "citra")):
        status, out, error = house.key(*arguments, stdin=KEY, env=unreachable)
        assert (status, out) == (1, "") and "nothing is changed" in error, error
    assert house.path.read_bytes() == before


def test_refusals_move_nothing_and_leave_one_line_each(house: House) -> None:
    house.prepared()
    before = house.path.read_bytes()
    for arguments, stdin, words in (
        (("combine", "nobody"), "", "No components"),
        (("component", "new", "--custodian", "ani"), KEY, "The first custodian says"),
        (("component", "new", "--custodian", "ani", "--of", "2", *TERMS), "xyz", "not a string of hex digits"),
        (("component", "pln", "--custodian", "ani"), KEY, "gave a component"),
        (("operator", "citra"), "", "vouches"),
        (("activate", "pln", "--operator", "ani"), "", "no key register"),
        (("expire", "pln"), "", "Say who"),
        (("import", "x", "--dkga", "04", "--sgc", "1", "--krn", "1"), KEY, "6 digits"),
        (("import", "x", *TERMS, "--into", "module"), KEY, "No security module"),
    ):
        status, out, error = house.key(*arguments, stdin=stdin)
        assert (status, out) == (1, "") and words in error, error
    assert house.path.read_bytes() == before
    assert AuditRecord.objects.filter(refused=True).count() == 9
