"""The encrypted key file: opens with its passphrase only, notices a flipped bit, prints no key."""

from __future__ import annotations

import base64
import functools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from duaarah.core.sts import KeyConfiguration, KeyLength, KeyRegister, UnknownRegister, derive
from duaarah.keystore import FileKeyStore, KeyFileDamaged, Unwrapped, WrongPassphrase, sealed

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


def test_every_flipped_byte_and_every_shortening_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "stretch", functools.lru_cache(sealed.stretch))
    whole = path.read_bytes()
    for place in range(len(whole)):
        for mask in (0x01, 0x04, 0x20, 0x80):
            damaged = bytearray(whole)
            damaged[place] ^= mask
            path.write_bytes(damaged)
            if _salt_hit(whole, damaged):
                continue  # another salt is another key, tested below: scrypt for each of them takes its time
            with pytest.raises(KeyFileDamaged):
                FileKeyStore.open(path, PASSPHRASE)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(KeyFileDamaged):
            FileKeyStore.open(path, PASSPHRASE)
    path.write_bytes(whole + b"\n")
    with pytest.raises(KeyFileDamaged):
        FileKeyStore.open(path, PASSPHRASE)


def _salt_hit(whole: bytes, damaged: bytearray) -> bool:
    try:
        return json.loads(damaged)["salt"] != json.loads(whole)["salt"]
    except (ValueError, KeyError):
        return False


def test_a_flipped_salt_is_another_key(path: Path) -> None:
    envelope = json.loads(path.read_text())
    envelope["salt"] = ("B" if envelope["salt"][0] == "A" else "A") + envelope["salt"][1:]
    path.write_text(json.dumps(envelope))
    with pytest.raises(WrongPassphrase):
        FileKeyStore.open(path, PASSPHRASE)


def test_a_file_of_the_first_format_opens_and_is_written_in_the_second(tmp_path: Path) -> None:
    """Made by the release before activation and issued-until; without them a register has no limits."""
    item = {"register_id": "r", "dkga": "04", "sgc": "999901", "krn": 1, "kt": 2, "ken": 255, "base_date": 2014}
    content = {
        "registers": [{**item, "vending_key": base64.b64encode(KEY).decode()}],
        "wrapping_key": base64.b64encode(bytes(32)).decode(),
    }
    salt, nonce = bytes(range(16)), bytes(range(12))
    key = Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(PASSPHRASE.encode())
    box = AESGCM(key).encrypt(nonce, json.dumps(content).encode(), b"duaarah-keys-1")
    parts = {"salt": salt, "nonce": nonce, "sealed": box}
    path = tmp_path / "keys"
    path.write_text(
        json.dumps(
            {"format": "duaarah-keys-1", **{name: base64.b64encode(part).decode() for name, part in parts.items()}}
        )
    )
    store = FileKeyStore.open(path, PASSPHRASE)
    assert store.registers() == (REGISTER,)
    store.add(replace(REGISTER, register_id="s"), KEY)
    assert json.loads(path.read_text())["format"] == "duaarah-keys-2"
    assert [each.register_id for each in FileKeyStore.open(path, PASSPHRASE).registers()] == ["r", "s"]


def test_a_vending_key_of_a_wrong_length_inside_is_damage(path: Path) -> None:
    opened, content = sealed.SealedFile.open(path, PASSPHRASE)
    content["registers"][0]["vending_key"] = base64.b64encode(KEY[:19]).decode()
    opened.write(content)
    with pytest.raises(KeyFileDamaged) as raised:
        FileKeyStore.open(path, PASSPHRASE)
    assert KEY[:19].hex() not in str(raised.value) and raised.value.__cause__ is None


def test_two_who_write_at_once_lose_no_register(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace;"
        "from tests.keystore.test_file import REGISTER, KEY, PASSPHRASE; from duaarah.keystore import FileKeyStore;"
        "store = FileKeyStore.open(Path(sys.argv[1]), PASSPHRASE);"
        "[store.add(replace(REGISTER, register_id=f'{sys.argv[2]}-{n}'), KEY) for n in range(20)]"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], env=environment) for name in ("a", "b", "c")
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(FileKeyStore.open(path, PASSPHRASE).registers()) == 61
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_mode_stays_0600_and_a_planted_temporary_file_is_not_written_through(path: Path, tmp_path: Path) -> None:
    bait = tmp_path / "bait"
    bait.write_text("")
    (tmp_path / "keys.new").symlink_to(bait)
    FileKeyStore.open(path, PASSPHRASE).add(replace(REGISTER, register_id="s"), KEY)
    assert bait.read_text() == "" and not path.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600


def test_file_then_name_then_folder_reach_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (seen.append(str(Path(f"/proc/self/fd/{fd}").readlink())), real_sync(fd))[1]
    )
    monkeypatch.setattr(Path, "replace", lambda self, to: (seen.append("replace"), real_replace(self, to))[1])
    FileKeyStore.open(path, PASSPHRASE).add(replace(REGISTER, register_id="s"), KEY)
    assert seen == [f"{path}.new", "replace", str(path.parent)]


def test_a_new_passphrase_opens_and_the_old_one_does_not(path: Path) -> None:
    store = FileKeyStore.open(path, PASSPHRASE)
    bystander = FileKeyStore.open(path, PASSPHRASE)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="at least 12"):
        store.rekey("short")
    assert path.read_bytes() == before
    store.rekey("an entirely new passphrase")
    with pytest.raises(WrongPassphrase):
        FileKeyStore.open(path, PASSPHRASE)
    with pytest.raises(WrongPassphrase, match="changed meanwhile"):
        bystander.add(replace(REGISTER, register_id="s"), KEY)
    store.add(replace(REGISTER, register_id="s"), KEY)
    again = FileKeyStore.open(path, "an entirely new passphrase")
    assert [each.register_id for each in again.registers()] == ["r", "s"]
    assert again.wrapping_key.unwrap(bystander.wrapping_key.wrap(b"secret", "meter:1"), "meter:1") == b"secret"
