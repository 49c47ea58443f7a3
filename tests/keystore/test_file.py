"""The encrypted key file: opens with its passphrase only, notices a flipped bit, prints no key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from duaarah.core.sts import KeyConfiguration, KeyLength, KeyRegister, UnknownRegister, derive
from duaarah.keystore import FileKeyStore, KeyFileDamaged, Unwrapped, WrongPassphrase

PASSPHRASE = "a passphrase for tests"
KEY = bytes(range(1, 21))
PAN = "600727000000000009"
REGISTER = KeyRegister(register_id="r", dkga="04", sgc="999901", krn=1, kt=2, ken=255, base_date=2014)
CONFIGURATION = KeyConfiguration(dkga="04", ea="11", sgc="999901", ti="01", krn=1, kt=2, ken=255, base_date=2014)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = FileKeyStore.create(tmp_path / "keys", PASSPHRASE)
    store.add(REGISTER, KEY)
    return tmp_path / "keys"


def test_it_opens_again_and_derives_the_same_keys(path: Path) -> None:
    store = FileKeyStore.open(path, PASSPHRASE)
    assert store.registers() == (REGISTER,)
    assert store.decoder_key("r", CONFIGURATION, PAN).octets == derive(KEY, CONFIGURATION, PAN)
    assert path.stat().st_mode & 0o077 == 0
    assert KEY.hex() not in repr(store) and KEY.hex() not in path.read_text()


def test_a_wrong_passphrase_and_a_flipped_bit_are_named(path: Path) -> None:
    with pytest.raises(WrongPassphrase):
        FileKeyStore.open(path, "another passphrase")
    envelope = json.loads(path.read_text())
    envelope["sealed"] = ("B" if envelope["sealed"][0] == "A" else "A") + envelope["sealed"][1:]
    path.write_text(json.dumps(envelope))
    with pytest.raises(WrongPassphrase):
        FileKeyStore.open(path, PASSPHRASE)
    path.write_text("not a key file")
    with pytest.raises(KeyFileDamaged):
        FileKeyStore.open(path, PASSPHRASE)


def test_refusals_leave_the_file_as_it_was(path: Path) -> None:
    before = path.read_bytes()
    store = FileKeyStore.open(path, PASSPHRASE)
    with pytest.raises(ValueError, match="exists already"):
        store.add(REGISTER, KEY)
    with pytest.raises(KeyLength):
        store.add(KeyRegister(register_id="s", dkga="04", sgc="1", krn=1, kt=2, ken=1, base_date=2014), b"short")
    with pytest.raises(FileExistsError):
        FileKeyStore.create(path, PASSPHRASE)
    with pytest.raises(UnknownRegister):
        store.decoder_key("nobody", CONFIGURATION, PAN)
    assert path.read_bytes() == before


def test_a_wrapped_secret_opens_for_its_owner_only(path: Path) -> None:
    wrapping = FileKeyStore.open(path, PASSPHRASE).wrapping_key
    wrapped = wrapping.wrap(b"secret", "meter:1")
    assert wrapping.unwrap(wrapped, "meter:1") == b"secret"
    for damaged, owner in ((wrapped, "meter:2"), (wrapped[:-1], "meter:1"), (b"", "meter:1")):
        with pytest.raises(Unwrapped):
            wrapping.unwrap(damaged, owner)
