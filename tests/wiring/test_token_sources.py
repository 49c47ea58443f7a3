# ruff: noqa: DTZ001 - a token's time is naive utility-local time by definition
"""OwnKeys: a register's life is judged by the token's own time; a module that is away is no reason to give money back."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import replace
from pathlib import Path

import pkcs11
import pytest
from tests.keystore import softhsm

from duaarah.core.sts import KeyRegister, tid_at
from duaarah.keystore import FileKeyStore, JoinedKeyStore, MemoryKeyStore, TwoPlaces
from duaarah.vending.ports import Issued, KeyTerms, Refused, TokenRequest, Unknown
from duaarah.wiring.keystores import joined
from duaarah.wiring.token_sources import OwnKeys

KEY = bytes.fromhex("abababababababab949494949494949401234567")
PAN = "600727000000000009"
FROM, UNTIL = dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1)
REGISTER = KeyRegister(register_id="pln", dkga="04", sgc="201457", krn=1, kt=2, ken=255, base_date=2014)
TERMS = KeyTerms(register="pln", dkga="04", ea="07", sgc="201457", ti="01", krn=1, kt=2, ken=255, base_date=2014)


def request_at(at: dt.datetime) -> TokenRequest:
    return TokenRequest(request_id=uuid.UUID(int=1), pan=PAN, keys=TERMS, tid=tid_at(at, 2014), rnd=5, energy_wh=25_600)


def source(**changes: object) -> OwnKeys:
    store = MemoryKeyStore()
    store.add(replace(REGISTER, **changes), KEY)
    return OwnKeys(store)


def test_tokens_of_the_register_s_life_are_made_and_others_refused() -> None:
    own = source(active_from=FROM, issued_until=UNTIL)
    minute = dt.timedelta(minutes=1)
    answers = [own.obtain(request_at(at)) for at in (FROM - minute, FROM, UNTIL - minute, UNTIL)]
    assert [getattr(answer, "code", "issued") for answer in answers] == [
        "register_not_active",
        "issued",
        "issued",
        "register_expired",
    ]
    assert answers[1] == source().obtain(request_at(FROM))
    refused = source(approved=False).obtain(request_at(FROM))
    assert isinstance(refused, Refused) and refused.code == "register_not_active"


def test_what_an_expired_register_made_is_read_still() -> None:
    made = source().obtain(request_at(FROM))
    assert isinstance(made, Issued)
    facts = source(issued_until=FROM).read(digits=made.digits, pan=PAN, keys=TERMS)
    assert (facts.energy_wh, facts.tid) == (25_600, tid_at(FROM, 2014))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileKeyStore:
    for name, value in softhsm.make_token(tmp_path).items():
        monkeypatch.setenv(name, value)
    pkcs11.lib(softhsm.required()).reinitialize()
    return FileKeyStore.create(tmp_path / "keys", "a passphrase for tests")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_platform_makes_tokens_with_a_module_and_waits_while_it_is_away(file: FileKeyStore, tmp_path: Path) -> None:
    store = joined(file)
    assert isinstance(store, JoinedKeyStore) and store.wrapping_key is file.wrapping_key
    store.module.add(REGISTER, KEY)
    file.add(replace(REGISTER, register_id="other"), KEY)
    assert [register.register_id for register in store.registers()] == ["other", "pln"]
    expected = source().obtain(request_at(FROM))
    assert OwnKeys(store).obtain(request_at(FROM)) == expected
    (tmp_path / "tokens").rename(tmp_path / "away")
    pkcs11.lib(softhsm.required()).finalize()
    assert isinstance(OwnKeys(store).obtain(request_at(FROM)), Unknown)
    (tmp_path / "away").rename(tmp_path / "tokens")
    pkcs11.lib(softhsm.required()).finalize()
    assert OwnKeys(store).obtain(request_at(FROM)) == expected
    file.add(REGISTER, KEY)
    with pytest.raises(TwoPlaces, match="pln"):
        JoinedKeyStore(file, store.module)
    store.module.close()
