# ruff: noqa: DTZ001 - a token's time is naive utility-local time by definition
"""Components, dual control and the life of a register; on refusal the file stays as it was."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from duaarah.core.sts import (
    BadRequest,
    KeyConfiguration,
    KeyLength,
    KeyRegister,
    RegisterExpired,
    RegisterNotActive,
    RegisterStatus,
    STSError,
    UnknownRegister,
    check_value,
    derive,
    issuing_key,
)
from duaarah.keystore import FileKeyStore, NotForModule
from duaarah.keystore.ceremony import (
    Ceremony,
    CeremonyError,
    DualControl,
    NotAgreed,
    NotAnOperator,
    NotComplete,
    Operator,
    SamePerson,
)

PASSPHRASE = "a passphrase for tests"
A, B, C = (Operator(name, f"the passphrase of {name}") for name in ("a", "b", "c"))
KEY = bytes(range(1, 21))
PARTS = (bytes([0x5A] * 20), bytes(range(100, 120)))
LAST = bytes(k ^ p ^ q for k, p, q in zip(KEY, *PARTS, strict=True))
TERMS = KeyRegister(register_id="r", dkga="04", sgc="999901", krn=1, kt=2, ken=255, base_date=2014)
CONFIGURATION = KeyConfiguration(dkga="04", ea="11", sgc="999901", ti="01", krn=1, kt=2, ken=255, base_date=2014)
PAN = "600727000000000009"
FROM, UNTIL = dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ceremony = Ceremony(FileKeyStore.create(tmp_path / "keys", PASSPHRASE))
    ceremony.enrol(A, None)
    ceremony.enrol(B, None)
    ceremony.enrol(C, A)
    return tmp_path / "keys"


def opened(path: Path) -> Ceremony:
    return Ceremony(FileKeyStore.open(path, PASSPHRASE))


def store_of(path: Path) -> FileKeyStore:
    return FileKeyStore.open(path, PASSPHRASE)


def combined(path: Path) -> Ceremony:
    ceremony = opened(path)
    for custodian, part in zip((A, B, C), (*PARTS, LAST), strict=True):
        ceremony.component(TERMS, 3, custodian, part)
    ceremony.combine("r", [A, B, C], into_module=False)
    return ceremony


def refused(path: Path, error: type[Exception], deed: Callable[[], object], match: str | None = None) -> None:
    before = path.read_bytes()
    with pytest.raises(error, match=match):
        deed()
    assert path.read_bytes() == before


def test_three_components_make_the_key_and_two_operators_its_life(path: Path) -> None:
    ceremony = opened(path)
    seen = [ceremony.component(TERMS, 3, who, part) for who, part in zip((A, B, C), (*PARTS, LAST), strict=True)]
    assert seen == [(check_value(part), missing) for part, missing in zip((*PARTS, LAST), (2, 1, 0), strict=True)]
    assert store_of(path).registers() == ()
    register, value = ceremony.combine("r", [C, A, B], into_module=False)
    assert (register, value) == (replace(TERMS, approved=False), check_value(KEY))
    store = store_of(path)
    assert store.decoder_key("r", CONFIGURATION, PAN).octets == derive(KEY, CONFIGURATION, PAN)
    with pytest.raises(RegisterNotActive, match="two operators"):
        issuing_key(store, "r", CONFIGURATION, PAN, FROM)
    assert ceremony.activate("r", A, active_from=FROM, issued_until=UNTIL).approved is False
    assert ceremony.waits("r") == "a" and not store_of(path).registers()[0].approved
    done = ceremony.activate("r", B, active_from=FROM, issued_until=UNTIL)
    assert store_of(path).registers() == (done,) == (replace(TERMS, active_from=FROM, issued_until=UNTIL),)
    assert "ceremonies" in store_of(path).content() and not store_of(path).content()["ceremonies"]


@pytest.mark.parametrize(
    ("at", "error"),
    [
        (FROM - dt.timedelta(minutes=1), RegisterNotActive),
        (FROM, None),
        (UNTIL - dt.timedelta(minutes=1), None),
        (UNTIL, RegisterExpired),
    ],
)
def test_tokens_are_made_from_activation_until_issued_until(
    path: Path, at: dt.datetime, error: type[STSError] | None
) -> None:
    store = store_of(path)
    store.add(replace(TERMS, active_from=FROM, issued_until=UNTIL), KEY)
    assert store.decoder_key("r", CONFIGURATION, PAN).octets == derive(KEY, CONFIGURATION, PAN)
    if error is None:
        assert issuing_key(store, "r", CONFIGURATION, PAN, at).octets == derive(KEY, CONFIGURATION, PAN)
        return
    with pytest.raises(error):
        issuing_key(store, "r", CONFIGURATION, PAN, at)


def test_a_register_refuses_times_that_cannot_be() -> None:
    with pytest.raises(BadRequest, match="before"):
        replace(TERMS, active_from=UNTIL, issued_until=UNTIL)
    with pytest.raises(BadRequest, match="offset"):
        replace(TERMS, active_from=FROM.replace(tzinfo=dt.UTC))
    assert replace(TERMS, approved=False).status_at(FROM) is RegisterStatus.PENDING
    assert KeyRegister.from_json(replace(TERMS, active_from=FROM).as_json()) == replace(TERMS, active_from=FROM)


def test_the_same_person_counts_once(path: Path) -> None:
    ceremony = opened(path)
    ceremony.component(TERMS, 2, A, PARTS[0])
    refused(path, SamePerson, lambda: ceremony.component(TERMS, 2, A, PARTS[1]))
    refused(path, SamePerson, lambda: ceremony.enrol(Operator("d", A.passphrase), B), "has this passphrase")
    ceremony = combined_two(path)
    ceremony.activate("r", A, active_from=None, issued_until=None)
    refused(path, SamePerson, lambda: ceremony.activate("r", A, active_from=None, issued_until=None))
    assert not store_of(path).registers()[0].approved


def combined_two(path: Path) -> Ceremony:
    ceremony = opened(path)
    ceremony.component(TERMS, 2, B, PARTS[1])
    ceremony.combine("r", [A, B], into_module=False)
    return ceremony


def test_two_must_agree_to_the_same_times_and_one_may_change_his_mind(path: Path) -> None:
    ceremony = combined(path)
    ceremony.activate("r", A, active_from=FROM, issued_until=None)
    refused(path, NotAgreed, lambda: ceremony.activate("r", B, active_from=FROM, issued_until=UNTIL))
    ceremony.activate("r", A, active_from=FROM, issued_until=UNTIL)
    assert not store_of(path).registers()[0].approved
    ceremony.activate("r", B, active_from=FROM, issued_until=UNTIL)
    assert store_of(path).registers()[0] == replace(TERMS, active_from=FROM, issued_until=UNTIL)


def test_one_operator_stops_a_key_and_only_two_lengthen_its_life(path: Path) -> None:
    ceremony = combined(path)
    for who in (A, B):
        ceremony.activate("r", who, active_from=FROM, issued_until=UNTIL)
    refused(path, DualControl, lambda: ceremony.expire("r", None, at=FROM))
    refused(path, DualControl, lambda: ceremony.expire("r", A, at=UNTIL + dt.timedelta(1)), "two operators")
    sooner = UNTIL - dt.timedelta(days=30)
    assert ceremony.expire("r", A, at=sooner).issued_until == sooner
    refused(path, NotAnOperator, lambda: ceremony.expire("r", Operator("a", B.passphrase), at=FROM))
    for who in (B, C):
        ceremony.activate("r", who, active_from=FROM, issued_until=UNTIL)
    assert store_of(path).registers()[0].issued_until == UNTIL
    before_it_began = FROM - dt.timedelta(1)
    assert ceremony.expire("r", C, at=before_it_began).active_from is None
    assert store_of(path).registers()[0].status_at(FROM) is RegisterStatus.EXPIRED


def test_components_that_are_refused(path: Path) -> None:
    ceremony = opened(path)
    refused(path, KeyLength, lambda: ceremony.component(TERMS, 2, A, PARTS[0][:19]))
    refused(path, CeremonyError, lambda: ceremony.component(TERMS, 2, A, bytes(20)), "zeros")
    refused(path, ValueError, lambda: ceremony.component(TERMS, 1, A, PARTS[0]), "2 to 9")
    refused(path, NotAnOperator, lambda: ceremony.component(TERMS, 2, Operator("a", "not his passphrase"), PARTS[0]))
    refused(path, NotAnOperator, lambda: ceremony.component(TERMS, 2, Operator("nobody", "x" * 12), PARTS[0]))
    refused(path, UnknownRegister, lambda: ceremony.combine("r", [A], into_module=False))
    ceremony.component(TERMS, 2, A, PARTS[0])
    refused(path, CeremonyError, lambda: ceremony.component(replace(TERMS, krn=2), 2, B, PARTS[1]), "other terms")
    refused(path, NotComplete, lambda: ceremony.combine("r", [A], into_module=False), "1 of 2")
    ceremony.component(TERMS, 2, B, PARTS[0])
    refused(path, CeremonyError, lambda: ceremony.component(TERMS, 2, C, PARTS[1]), "All 2")
    refused(path, NotComplete, lambda: ceremony.combine("r", [A], into_module=False), "his own")
    refused(path, NotAnOperator, lambda: ceremony.combine("r", [A, Operator("b", "wrong one here")], into_module=False))
    refused(path, CeremonyError, lambda: ceremony.combine("r", [A, B], into_module=False), "equal")
    refused(path, CeremonyError, lambda: ceremony.put(TERMS, KEY, into_module=False), "Components")
    ceremony.discard("r", C)
    ceremony.put(TERMS, KEY, into_module=False)
    refused(path, ValueError, lambda: ceremony.component(TERMS, 2, A, PARTS[0]), "exists already")
    refused(path, NotForModule, lambda: ceremony.put(replace(TERMS, register_id="s"), KEY, into_module=True))
    assert [register.register_id for register in store_of(path).registers()] == ["r"]


def test_the_file_s_passphrase_alone_opens_no_component(path: Path) -> None:
    ceremony = opened(path)
    ceremony.component(TERMS, 2, A, PARTS[0])
    content = str(store_of(path).content())
    assert PARTS[0].hex() not in content and A.passphrase not in content
    assert "'of': 2" in str(ceremony.overview()) and "sealed" not in str(ceremony.overview())
    assert A.passphrase not in repr(A)


def test_a_third_operator_is_vouched_for(path: Path) -> None:
    ceremony = opened(path)
    newcomer = Operator("d", "the passphrase of d")
    refused(path, DualControl, lambda: ceremony.enrol(newcomer, None))
    refused(path, NotAnOperator, lambda: ceremony.enrol(newcomer, Operator("a", "wrong wrong wrong")))
    refused(path, CeremonyError, lambda: ceremony.enrol(Operator("a", "some other passphrase"), B), "already")
    refused(path, ValueError, lambda: ceremony.enrol(Operator("A b", "some other passphrase"), B), "small letters")
    ceremony.enrol(newcomer, B)
    assert ceremony.operators() == ("a", "b", "c", "d")


def test_a_whole_key_is_usable_at_once_only_without_operators(path: Path, tmp_path: Path) -> None:
    assert opened(path).put(TERMS, KEY, into_module=False).approved is False
    alone = Ceremony(FileKeyStore.create(tmp_path / "alone", PASSPHRASE))
    assert alone.put(TERMS, KEY, into_module=False).approved is True
    assert alone.expire("r", None, at=FROM).issued_until == FROM


def test_a_step_sees_what_another_process_did_meanwhile(path: Path) -> None:
    stale = opened(path)
    ceremony = combined(path)
    for who in (A, B):
        ceremony.activate("r", who, active_from=FROM, issued_until=None)
    stale.expire("r", C, at=UNTIL)
    assert store_of(path).registers()[0] == replace(TERMS, active_from=FROM, issued_until=UNTIL)


def test_the_check_value_of_a_des_key_is_the_customary_one() -> None:
    """DES of a zero block under 133457799BBCDFF1, by another implementation (OpenSSL's des-ecb)."""
    assert check_value(bytes.fromhex("133457799BBCDFF1")) == "948A43"
