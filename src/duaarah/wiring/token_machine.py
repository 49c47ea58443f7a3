# SPDX-License-Identifier: Apache-2.0
"""vending's TokenMachine over our own keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Protocol
from zoneinfo import ZoneInfo

from duaarah.core.sts import (
    Decoded,
    DecoderKey,
    Explanation,
    KeyRegister,
    KeyStore,
    STSError,
    UnknownRegister,
    decode,
    explain,
    find_register,
)
from duaarah.core.sts.token import seal
from duaarah.keystore import KeyFileDamaged, ModuleError, TwoPlaces, Unwrapped, WrappingKey
from duaarah.vending.ports import KeyTerms
from duaarah.vending.sts_ports import MachineAway, MachineRefused
from duaarah.wiring.token_sources import configuration_of_terms

_UTILITY_ZONE = ZoneInfo("Asia/Jakarta")
_AWAY = "The keys cannot be reached now. Send the same message id again later."


class WrappingKeyStore(KeyStore, Protocol):
    """A key store with the master key for what the database keeps."""

    @property
    def wrapping_key(self) -> WrappingKey: ...


class OwnMachine:
    """Makes and opens tokens with the registers of a key store, which is opened when it is first needed."""

    def __init__(self, opened: Callable[[], WrappingKeyStore]) -> None:
        self._opened = opened

    def registers(self) -> tuple[KeyRegister, ...]:
        """See vending.sts_ports.TokenMachine."""
        return self._store().registers()

    def check(self, *, pan: str, keys: KeyTerms, at: dt.datetime) -> None:
        """See vending.sts_ports.TokenMachine."""
        self._key(pan, keys)
        try:
            find_register(self._store(), keys.register).check_issuing(at.astimezone(_UTILITY_ZONE).replace(tzinfo=None))
        except (STSError, UnknownRegister) as error:
            raise MachineRefused(error.code, str(error)) from error

    def make(self, *, token_class: int, payload48: int, pan: str, keys: KeyTerms | None) -> str:
        """See vending.sts_ports.TokenMachine."""
        return seal(token_class, payload48, None if keys is None else self._key(pan, keys))

    def open(self, *, digits: str, pan: str, keys: KeyTerms) -> Decoded:
        """See vending.sts_ports.TokenMachine."""
        try:
            return decode(digits, self._key(pan, keys), kt=keys.kt, ken=keys.ken)
        except STSError as error:
            raise MachineRefused(error.code, str(error)) from error

    def explain(self, *, digits: str, pan: str, keys: KeyTerms) -> Explanation:
        """See vending.sts_ports.TokenMachine."""
        try:
            return explain(digits, self._key(pan, keys), configuration_of_terms(keys))
        except STSError as error:
            raise MachineRefused(error.code, str(error)) from error

    def wrap(self, digits: str, owner: str) -> bytes:
        """See vending.sts_ports.TokenMachine."""
        return self._store().wrapping_key.wrap(digits.encode(), owner)

    def unwrap(self, wrapped: bytes, owner: str) -> str:
        """See vending.sts_ports.TokenMachine."""
        try:
            return self._store().wrapping_key.unwrap(wrapped, owner).decode()
        except Unwrapped as error:
            raise MachineRefused(error.code, "The stored token does not open with the key file of today.") from error

    def _store(self) -> WrappingKeyStore:
        try:
            return self._opened()
        except (OSError, KeyFileDamaged, ModuleError, TwoPlaces) as error:
            # Not the error's own words: they name a path.
            raise MachineAway(_AWAY) from error

    def _key(self, pan: str, keys: KeyTerms) -> DecoderKey:
        try:
            return self._store().decoder_key(keys.register, configuration_of_terms(keys), pan)
        except (STSError, UnknownRegister) as error:
            raise MachineRefused(error.code, str(error)) from error
        except ModuleError as error:
            raise MachineAway(_AWAY) from error
