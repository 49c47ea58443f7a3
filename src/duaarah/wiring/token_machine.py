# SPDX-License-Identifier: Apache-2.0
"""vending's TokenMachine over our own keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Protocol

from duaarah.core.sts import (
    Decoded,
    DecoderKey,
    KeyConfiguration,
    KeyRegister,
    KeyStore,
    STSError,
    UnknownRegister,
    decode,
)
from duaarah.core.sts.token import seal
from duaarah.keystore import KeyFileDamaged, Unwrapped, WrappingKey
from duaarah.vending.ports import KeyTerms
from duaarah.vending.sts_ports import MachineAway, MachineRefused


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

    def check(self, *, pan: str, keys: KeyTerms) -> None:
        """See vending.sts_ports.TokenMachine."""
        self._key(pan, keys)

    def make(self, *, token_class: int, payload48: int, pan: str, keys: KeyTerms | None) -> str:
        """See vending.sts_ports.TokenMachine."""
        return seal(token_class, payload48, None if keys is None else self._key(pan, keys))

    def open(self, *, digits: str, pan: str, keys: KeyTerms) -> Decoded:
        """See vending.sts_ports.TokenMachine."""
        try:
            return decode(digits, self._key(pan, keys), kt=keys.kt, ken=keys.ken)
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
        except (OSError, KeyFileDamaged) as error:
            # Not the error's own words: they name a path.
            raise MachineAway("The keys cannot be reached now. Send the same message id again later.") from error

    def _key(self, pan: str, keys: KeyTerms) -> DecoderKey:
        terms = {field.name: getattr(keys, field.name) for field in fields(KeyConfiguration)}
        try:
            return self._store().decoder_key(keys.register, KeyConfiguration(**terms), pan)
        except (STSError, UnknownRegister) as error:
            raise MachineRefused(error.code, str(error)) from error
