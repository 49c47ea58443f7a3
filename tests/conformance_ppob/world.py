"""
What the purchase protocol is played in: partners with deposits, meters that do not talk, bills, a source of tokens that
does as it is told, and a process that dies where it is told.
"""

from __future__ import annotations

import datetime as dt
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from duaarah.core.sts import KeyRegister, luhn_digit, pan_of
from duaarah.keystore import FileKeyStore
from duaarah.people.models import AccountHolder, Customer
from duaarah.registry.models import Meter
from duaarah.vending.operations import fill_deposit, set_channel_terms
from duaarah.vending.operations.ppob import new_partner
from duaarah.vending.ports import Issued, Refused, TokenRequest, Unknown
from duaarah.vending.ppob_models import PPOBPartner, Registration
from duaarah.wiring.token_sources import OwnKeys

WIB = dt.timezone(dt.timedelta(hours=7))
MORNING = dt.datetime(2026, 2, 16, 8, 0, tzinfo=WIB)
ADMIN_IDR, COMMISSION_IDR = 2_500, 1_000
BANK = "4510017"
BP_IDR = 1_218_000


class Died(BaseException):
    """The process was killed here. No `except Exception` of the code under test sees it."""


class Broken(AssertionError):
    """An invariant does not hold. `name` is what the list of planted bugs expects."""

    def __init__(self, name: str, detail: object = "") -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


# -- the source of tokens ----------------------------------------------------------------------------------------------


@dataclass
class Source:
    """
    A source over real keys, with a memory. `truth` is what it did for a request, for good; what it answers may be less:
    `says` UNKNOWN (nothing was done yet), LOST (done, but the answer was not heard), REFUSE, ISSUE.
    """

    keys: OwnKeys
    says: str = "ISSUE"
    truth: dict[Any, Issued | Refused] = field(default_factory=dict)
    asked: dict[Any, TokenRequest] = field(default_factory=dict)
    changed: list[Any] = field(default_factory=list)
    meanwhile: Callable[[], None] | None = None
    die: str = ""

    def obtain(self, request: TokenRequest) -> Issued | Refused | Unknown:
        first = self.asked.setdefault(request.request_id, request)
        if first != request:
            self.changed.append(request.request_id)
        if self.die == "before":
            self.die = ""
            raise Died("before the source was asked")
        says, meanwhile, self.meanwhile = self.says, self.meanwhile, None
        if says in ("ISSUE", "LOST") and request.request_id not in self.truth:
            self.truth[request.request_id] = self.keys.obtain(request)  # type: ignore[assignment]
        if says == "REFUSE":
            self.truth.setdefault(request.request_id, Refused("no_token", "There will be none."))
        if meanwhile is not None:
            # Whoever asks meanwhile hears the answer, also where this call's answer is lost.
            mine, self.says = self.says, "REFUSE" if says == "REFUSE" else "ISSUE"
            meanwhile()
            self.says = mine
        if self.die == "after":
            self.die = ""
            raise Died("after the source was asked")
        if says in ("UNKNOWN", "LOST"):
            return Unknown("no answer was heard")
        done = self.truth[request.request_id]
        # A source that gives the token of what it was asked for now, as one without a memory would.
        return self.keys.obtain(request) if isinstance(done, Issued) and first != request else done  # type: ignore[return-value]

    def issued(self, request_id: Any) -> bool:
        return isinstance(self.truth.get(request_id), Issued)


# -- death -------------------------------------------------------------------------------------------------------------


@contextmanager
def dying(seam: tuple[str, int] | None, source: Source) -> Iterator[None]:
    """
    Within the block the process dies at a seam: ("statement", n) before its n-th statement, ("commit", n) before its n-th
    commit, ("committed", n) after it, ("source", 0 or 1) before or after the source was asked.
    """
    if seam is None:
        yield
        return
    where, number = seam
    if where == "source":
        source.die = ("before", "after")[number % 2]
        try:
            yield
        finally:
            source.die = ""
        return
    count = itertools.count(1)
    owner: Any = psycopg.Cursor if where == "statement" else BaseDatabaseWrapper
    name = "execute" if where == "statement" else "commit"
    real = getattr(owner, name)

    def surrounded(self: Any, *args: Any, **said: Any) -> Any:
        at = next(count)
        if at == number and where != "committed":
            if where == "commit":
                # The server does this when the connection of a dead process breaks.
                self.connection.rollback()
            raise Died(f"before {where} {number}")
        result = real(self, *args, **said)
        if at == number:
            raise Died(f"after commit {number}")
        return result

    setattr(owner, name, surrounded)
    try:
        yield
    finally:
        setattr(owner, name, real)


def reborn() -> None:
    """The process starts over: what its connection had open is rolled back."""
    connection.close()


# -- rows --------------------------------------------------------------------------------------------------------------


class World:
    """One database for many stories; each story has partners, meters and bills of its own."""

    def __init__(self, folder: Path) -> None:
        store = FileKeyStore.create(folder / "keys", "a passphrase for tests")
        store.add(
            KeyRegister(register_id="test", dkga="04", sgc="999901", krn=1, kt=2, ken=255, base_date=2014),
            bytes(range(1, 21)),
        )
        self.keys = OwnKeys(store)
        self._numbers = itertools.count(1)
        self.holder = AccountHolder.objects.create(name="Contoh", kind="HOUSEHOLD", language="id")

    def partner(self, *, filled_idr: int, now: dt.datetime, code: str = "") -> PPOBPartner:
        number = next(self._numbers)
        made = new_partner(
            code=code or f"P{number:06d}",
            name="Bank Contoh",
            banks=[BANK],
            switchers=[],
            products=["501", "502", "504"],
            networks=[],
            access=None,
            actor="t",
            now=now,
        )
        set_channel_terms(
            channel=made.channel,
            from_date=dt.date(2013, 1, 1),
            admin_idr=ADMIN_IDR,
            commission_idr=COMMISSION_IDR,
            actor="t",
            now=now,
        )
        if filled_idr:
            fill_deposit(channel=made.channel, amount_idr=filled_idr, reference="first", actor="t", now=now)
        return made

    def meter(self, *, contracted_va: int = 1_300, **changed: Any) -> Meter:
        number = next(self._numbers)
        payload = f"98{number:08d}"
        drn = payload + luhn_digit(payload)
        customer = Customer.objects.create(idpel=f"53511{number:07d}", name="Contoh Pelanggan", holder=self.holder)
        return Meter.objects.create(
            drn=drn,
            pan=pan_of(drn),
            profile="single-phase-modem",
            customer=customer,
            **{"tariff_group": "R-1", "region": "Depok", "contracted_va": contracted_va, **changed},
            low_credit_threshold_wh=5_000,
            system_title=b"DUA" + number.to_bytes(5, "big"),
            dlms_keys_wrapped=b"",
            sts_register="test",
            sgc="999901",
            ti="01",
            krn=1,
            kt=2,
            ken=255,
            base_date=2014,
            dkga="04",
            ea="07",
        )

    def registration(self, *, now: dt.datetime, number: str = "", **changed: Any) -> Registration:
        made = next(self._numbers)
        today = now.astimezone(WIB).date()
        return Registration.objects.create(
            **{
                "number": number or f"53511{made:08d}",
                "kind": "PB",
                "transaction_name": "PEMASANGAN BARU",
                "registered_date": today - dt.timedelta(days=3),
                "expires_date": today + dt.timedelta(days=30),
                "idpel": f"53511{made:07d}",
                "name": "CONTOH PELANGGAN",
                "unit": "53511",
                "unit_address": "JL. CONTOH NO. 1",
                "unit_phone": "123",
                "details_idr": [BP_IDR],
                **changed,
            }
        )


def module(name: str) -> Any:
    """A module of the host's verbs, also where a function has its name."""
    return sys.modules[f"duaarah.vending.operations.{name}"]
