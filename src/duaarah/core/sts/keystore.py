# SPDX-License-Identifier: Apache-2.0
"""The KeyStore port: whoever makes tokens sees key registers and decoder keys, never a vending key."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Protocol

from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.decoder_key import DecoderKey
from duaarah.core.sts.errors import BadRequest, STSError


class RegisterNotActive(STSError):
    """Two operators have not agreed to the register yet, or the token's time lies before its activation (ACT)."""

    code = "register_not_active"


class RegisterExpired(STSError):
    """The token's time lies at or after the register's issued-until (IUT): it decodes, but makes no more tokens."""

    code = "register_expired"


class UnknownRegister(Exception):
    """The key store has no such register, or the register does not serve this configuration."""

    code = "unknown_register"
    retryable = False


class RegisterStatus(StrEnum):
    """Where a register stands at an instant."""

    PENDING = "pending"
    NOT_YET = "not_yet_active"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRegister:
    """
    What may be known of a vending key: its name, the configuration it serves, and when it may make tokens.

    `active_from` (ACT) is the first and `issued_until` (IUT) the first no more allowed instant of a token, both naive
    utility-local time like a TID's; None is no limit. They are judged by the *token's* time, not by the clock: a vend
    that was paid in time gives the same digits when it is repeated later. `approved` says that dual control is done.
    """

    register_id: str
    dkga: str
    sgc: str
    krn: int
    kt: int
    ken: int
    base_date: int
    active_from: dt.datetime | None = None
    issued_until: dt.datetime | None = None
    approved: bool = True

    def __post_init__(self) -> None:
        for at in (self.active_from, self.issued_until):
            if at is not None and at.tzinfo is not None:
                raise BadRequest("Activation and issued-until are naive utility-local time, without an offset.")
        if self.active_from and self.issued_until and self.active_from >= self.issued_until:
            raise BadRequest("A register's activation lies before its issued-until.")

    def status_at(self, at: dt.datetime) -> RegisterStatus:
        """`at` is naive utility-local."""
        if not self.approved:
            return RegisterStatus.PENDING
        if self.issued_until is not None and at >= self.issued_until:
            return RegisterStatus.EXPIRED
        if self.active_from is not None and at < self.active_from:
            return RegisterStatus.NOT_YET
        return RegisterStatus.ACTIVE

    def check_issuing(self, at: dt.datetime) -> None:
        """
        Whether this register may make a token of this time (naive utility-local).

        Raises:
            RegisterNotActive: it is not approved, or its activation lies ahead.
            RegisterExpired: its issued-until is over.
        """
        status = self.status_at(at)
        if status is RegisterStatus.PENDING:
            raise RegisterNotActive(f"The key register {self.register_id} waits for two operators to activate it.")
        if status is RegisterStatus.NOT_YET:
            raise RegisterNotActive(f"The key register {self.register_id} makes tokens from {self.active_from} on.")
        if status is RegisterStatus.EXPIRED:
            raise RegisterExpired(f"The key register {self.register_id} made tokens until {self.issued_until}.")

    def check_serving(self, configuration: KeyConfiguration) -> None:
        """Raises UnknownRegister unless SGC, KRN, KT, DKGA and base date are this register's."""
        for name in ("dkga", "sgc", "krn", "kt", "base_date"):
            if getattr(self, name) != getattr(configuration, name):
                raise UnknownRegister(f"The key register {self.register_id} does not serve this {name.upper()}.")

    def as_json(self) -> dict[str, Any]:
        """For the audit chain, key files and tokens; instants as ISO 8601 or None."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**found, **{name: at and at.isoformat() for name, at in found.items() if name in _INSTANTS}}

    @classmethod
    def from_json(cls, item: dict[str, Any]) -> KeyRegister:
        """What `as_json` gave; also from before there were ACT, IUT and approval. Raises TypeError, ValueError."""
        instants = {name: dt.datetime.fromisoformat(item[name]) for name in _INSTANTS if item.get(name)}
        return cls(**{**item, **dict.fromkeys(_INSTANTS), **instants})


_INSTANTS = ("active_from", "issued_until")


class KeyStore(Protocol):
    def registers(self) -> tuple[KeyRegister, ...]:
        """Every register, by name."""
        ...

    def decoder_key(self, register_id: str, configuration: KeyConfiguration, pan: str) -> DecoderKey:
        """
        A meter's decoder key, whatever the register's status: decoding stays possible.

        Raises:
            UnknownRegister: no such register, or it serves another SGC, KRN, KT, DKGA or base date.
        """
        ...


def find_register(store: KeyStore, register_id: str) -> KeyRegister:
    """Raises UnknownRegister."""
    for register in store.registers():
        if register.register_id == register_id:
            return register
    raise UnknownRegister(f"There is no key register {register_id}.")


def issuing_key(
    store: KeyStore, register_id: str, configuration: KeyConfiguration, pan: str, at: dt.datetime
) -> DecoderKey:
    """
    The decoder key to make a token of this time (naive utility-local) with.

    Raises:
        UnknownRegister: see KeyStore.decoder_key.
        RegisterNotActive, RegisterExpired: see KeyRegister.check_issuing.
    """
    find_register(store, register_id).check_issuing(at)
    return store.decoder_key(register_id, configuration, pan)
