# ruff: noqa: DTZ001 - a token's time is naive utility-local time by definition
"""Vending keys in SoftHSM2: the published decoder keys and tokens, nothing comes out, lost sessions, named errors."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass
from tests.keystore import softhsm

from duaarah.core.sts import (
    KeyConfiguration,
    KeyLength,
    KeyRegister,
    UnknownRegister,
    check_value,
    derive,
    issue_key_change,
    tid_at,
)
from duaarah.core.sts.fields import pack
from duaarah.core.sts.token import seal
from duaarah.keystore import ModuleDamaged, ModuleUnavailable, NotForModule, PKCS11KeyStore, WrongPIN

VECTORS = [
    json.loads(line) for line in (Path(__file__).parents[1] / "vectors/sts-tokens.jsonl").read_text().splitlines()
]
KEY = bytes.fromhex("abababababababab949494949494949401234567")
PAN = "600727000000000009"
REGISTER = KeyRegister(
    register_id="pln-2014",
    dkga="04",
    sgc="201457",
    krn=1,
    kt=2,
    ken=255,
    base_date=2014,
    active_from=dt.datetime(2026, 1, 1),
    issued_until=dt.datetime(2031, 1, 1),
)
# Published conformance values: reference to IEC 62055-41, DKGA04 (VK20, PAN, SGC 201457, TI 01, KRN 1, base 2014).
PUBLISHED = {"07": "87f3ecbb2e46b48f", "11": "929bd3a415c9420a05ec5ee9f3ce91c3"}
Opener = Callable[..., PKCS11KeyStore]


def configuration(ea: str, ti: str = "01") -> KeyConfiguration:
    return KeyConfiguration(dkga="04", ea=ea, sgc="201457", ti=ti, krn=1, kt=2, ken=255, base_date=2014)


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    environment = softhsm.make_token(tmp_path)
    monkeypatch.setenv("SOFTHSM2_CONF", environment["SOFTHSM2_CONF"])
    module = environment["DUAARAH_PKCS11_MODULE"]
    pkcs11.lib(module).reinitialize()
    opened: list[PKCS11KeyStore] = []

    def open_store(pin: str = softhsm.PIN, token: str = softhsm.LABEL, **more: int) -> PKCS11KeyStore:
        opened.append(PKCS11KeyStore(module, token, pin, **more))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(opener: Opener) -> PKCS11KeyStore:
    made = opener()
    made.add(REGISTER, KEY)
    return made


def objects(store: PKCS11KeyStore, kind: ObjectClass) -> list:
    return list(store._session.get_objects({Attribute.CLASS: kind}))


@pytest.mark.parametrize("ea", ["07", "11"])
def test_it_derives_the_published_decoder_keys(store: PKCS11KeyStore, ea: str) -> None:
    assert store.decoder_key("pln-2014", configuration(ea), PAN).octets.hex() == PUBLISHED[ea]
    assert derive(KEY, configuration(ea), PAN).hex() == PUBLISHED[ea]


def test_its_keys_make_every_published_token_of_dkga04(opener: Opener) -> None:
    store = opener()
    made = 0
    for vector in VECTORS:
        if vector.get("dkga") != "04":
            continue
        terms = {name: vector[name] for name in ("dkga", "sgc", "krn", "kt", "base_date")}
        name = "-".join(map(str, (*terms.values(), vector["vending_key"][:4])))
        if name not in {register.register_id for register in store.registers()}:
            store.add(KeyRegister(register_id=name, ken=255, **terms), bytes.fromhex(vector["vending_key"]))
        wanted = KeyConfiguration(**terms, ea=vector["ea"], ti=vector["ti"], ken=vector["ken"])
        key = store.decoder_key(name, wanted, vector["pan"])
        assert seal(vector.get("class", 2), payload_of(vector), key) == vector["token"]
        made += 1
    assert made == 111


def payload_of(vector: dict) -> int:
    if "payload48" in vector:
        return int(vector["payload48"], 16)
    tid = tid_at(dt.datetime.fromisoformat(vector["issued_at"]), vector["base_date"])
    return pack(vector["class"], vector["subclass"], {"rnd": vector["rnd"], "tid": tid, "field": vector["field"]})


def test_its_keys_make_the_published_key_change(store: PKCS11KeyStore) -> None:
    old, new = (store.decoder_key("pln-2014", configuration("11", ti), PAN) for ti in ("01", "02"))
    assert issue_key_change(old, new, configuration("11", "02"), rollover=False).tokens == (
        "03854447086453451911",
        "02791799436242461152",
        "67118070329353977190",
        "19019128690902932218",
    )


def test_it_opens_again_from_module_label_and_pin_alone(store: PKCS11KeyStore, opener: Opener) -> None:
    store.close()
    again = opener()
    assert again.registers() == (REGISTER,)
    assert again.check_value("pln-2014") == check_value(KEY) == "0F353D"
    assert again.decoder_key("pln-2014", configuration("07"), PAN).octets.hex() == PUBLISHED["07"]


def test_a_key_never_comes_out(store: PKCS11KeyStore, tmp_path: Path) -> None:
    (key,) = objects(store, ObjectClass.SECRET_KEY)
    assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE], key[Attribute.PRIVATE]) == (True, False, True)
    with pytest.raises(pkcs11.AttributeSensitive):
        key[Attribute.VALUE]
    with pytest.raises(pkcs11.PKCS11Error):
        key[Attribute.EXTRACTABLE] = True
    assert KEY.hex() not in repr(store) and softhsm.PIN not in repr(store)
    for file in (tmp_path / "tokens").rglob("*"):
        assert not file.is_file() or KEY not in file.read_bytes()


def test_dkga02_is_refused_and_so_is_a_wrong_length(store: PKCS11KeyStore) -> None:
    legacy = replace(REGISTER, register_id="old", dkga="02")
    with pytest.raises(NotForModule, match="key file"):
        store.add(legacy, KEY[:8])
    with pytest.raises(KeyLength):
        store.add(replace(REGISTER, register_id="short"), KEY[:19])
    with pytest.raises(ValueError, match="exists already"):
        store.add(REGISTER, KEY)
    with pytest.raises(UnknownRegister):
        store.update(legacy)
    with pytest.raises(UnknownRegister, match="SGC"):
        store.decoder_key("pln-2014", replace(configuration("07"), sgc="999999"), PAN)
    assert len(objects(store, ObjectClass.SECRET_KEY)) == len(objects(store, ObjectClass.DATA)) == 1


def test_what_is_known_changes_the_key_stays(store: PKCS11KeyStore, opener: Opener) -> None:
    wanted = replace(REGISTER, issued_until=dt.datetime(2027, 1, 1), approved=False)
    store.update(wanted)
    assert store.registers() == (wanted,)
    assert len(objects(store, ObjectClass.DATA)) == 1
    store.close()
    assert opener().decoder_key("pln-2014", configuration("07"), PAN).octets.hex() == PUBLISHED["07"]


def test_killed_between_new_facts_and_old_ones_the_newer_count(
    store: PKCS11KeyStore, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = replace(REGISTER, issued_until=dt.datetime(2027, 1, 1))
    monkeypatch.setattr(store, "_records", lambda: [])
    store._call(lambda: store._write(wanted, store._registers["pln-2014"][1], 2))
    assert len(objects(store, ObjectClass.DATA)) == 2
    store.close()
    assert opener().registers() == (wanted,)


def test_killed_between_key_and_facts_the_next_try_succeeds(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opener()
    with monkeypatch.context() as patched:
        patched.setattr(store, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.add(REGISTER, KEY)
    store.refresh()
    assert store.registers() == () and len(objects(store, ObjectClass.SECRET_KEY)) == 1
    store.add(REGISTER, KEY)
    assert store.registers() == (REGISTER,) and len(objects(store, ObjectClass.SECRET_KEY)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_session_is_opened_again(store: PKCS11KeyStore) -> None:
    store._session.close()
    assert store.decoder_key("pln-2014", configuration("07"), PAN).octets.hex() == PUBLISHED["07"]
    pkcs11.lib(store._module).finalize()
    assert store.decoder_key("pln-2014", configuration("07", "02"), PAN).octets == derive(
        KEY, configuration("07", "02"), PAN
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_token_that_goes_away_and_comes_back(store: PKCS11KeyStore, tmp_path: Path) -> None:
    (tmp_path / "tokens").rename(tmp_path / "away")
    pkcs11.lib(store._module).finalize()
    with pytest.raises(ModuleUnavailable) as raised:
        store.decoder_key("pln-2014", configuration("07"), PAN)
    assert raised.value.retryable
    (tmp_path / "tokens").rmdir() if (tmp_path / "tokens").exists() else None
    (tmp_path / "away").rename(tmp_path / "tokens")
    pkcs11.lib(store._module).finalize()
    assert store.decoder_key("pln-2014", configuration("07"), PAN).octets.hex() == PUBLISHED["07"]


def test_threads_share_a_store(store: PKCS11KeyStore) -> None:
    wanted = [configuration("07", f"{ti:02d}") for ti in range(100)] * 4

    def one(each: KeyConfiguration) -> bytes:
        if each.ti == "50":
            store.close()
        return store.decoder_key("pln-2014", each, PAN).octets

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, wanted)) == [derive(KEY, each, PAN) for each in wanted]


def test_a_forked_child_opens_for_itself(store: PKCS11KeyStore) -> None:
    read, write = os.pipe()
    if os.fork() == 0:  # pragma: no cover
        try:
            os.write(write, store.decoder_key("pln-2014", configuration("07"), PAN).octets)
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 8).hex() == PUBLISHED["07"]
    os.wait()
    assert store.decoder_key("pln-2014", configuration("07"), PAN).octets.hex() == PUBLISHED["07"]


def test_a_wrong_pin_is_named_and_not_tried_twice(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongPIN) as raised:
        opener(pin="wrong-" + softhsm.PIN)
    assert softhsm.PIN not in str(raised.value)
    store = opener()
    store.close()
    store._pin = "wrong"
    with pytest.raises(WrongPIN):
        store.refresh()
    store._pin = softhsm.PIN
    with pytest.raises(WrongPIN, match="not tried again"):
        store.refresh()


def test_a_missing_module_and_token_are_named(opener: Opener) -> None:
    with pytest.raises(ModuleUnavailable, match="no token"):
        opener(token="nobody")
    with pytest.raises(ModuleUnavailable, match="cannot be loaded"):
        PKCS11KeyStore("/nowhere/module.so", softhsm.LABEL, softhsm.PIN)


def test_a_register_without_its_key_is_damage(store: PKCS11KeyStore) -> None:
    objects(store, ObjectClass.SECRET_KEY)[0].destroy()
    with pytest.raises(ModuleDamaged):
        store.decoder_key("pln-2014", configuration("07"), PAN)


def test_decoder_keys_are_kept_on_request_only(store: PKCS11KeyStore, opener: Opener) -> None:
    first, second = (store.decoder_key("pln-2014", configuration("07"), PAN) for _ in range(2))
    assert first is not second
    keeping = opener(decoder_keys_cached=2)
    kept = keeping.decoder_key("pln-2014", configuration("07"), PAN)
    assert keeping.decoder_key("pln-2014", configuration("07"), PAN) is kept
    for ti in ("02", "03"):
        keeping.decoder_key("pln-2014", configuration("07", ti), PAN)
    assert keeping.decoder_key("pln-2014", configuration("07"), PAN) is not kept


def test_the_library_is_imported_only_when_a_module_is_used() -> None:
    code = "import sys; import duaarah.keystore, duaarah.cli.sts_key; sys.exit('pkcs11' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
