# SPDX-License-Identifier: Apache-2.0
"""
Key registers in one encrypted file (see `keystore.sealed`).

Beside the vending keys it holds the master key that wraps what the database keeps (meters' DLMS keys, channels'
secrets), and what a key ceremony has come to so far: operators, components, agreements (see `keystore.ceremony`).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from duaarah.core.sts import DecoderKey, KeyConfiguration, KeyRegister, STSError, UnknownRegister, check_vending_key
from duaarah.keystore.memory import MemoryKeyStore
from duaarah.keystore.sealed import FORMAT, KeyFileDamaged, SealedFile, WrongPassphrase
from duaarah.keystore.wrapping import KEY_OCTETS, WrappingKey

__all__ = ["FORMAT", "FileKeyStore", "KeyFileDamaged", "WrongPassphrase"]


class FileKeyStore:
    """An opened key file. `create` makes one, `open` reads one; every change re-reads and writes it under its lock."""

    def __init__(self, sealed: SealedFile, content: dict[str, Any]) -> None:
        self._sealed = sealed
        self._load(content)
        self.wrapping_key = WrappingKey(base64.b64decode(content["wrapping_key"]))

    def __repr__(self) -> str:
        return f"FileKeyStore({self._sealed.path.name!r})"

    @classmethod
    def create(cls, path: Path, passphrase: str) -> FileKeyStore:
        """
        A new, empty key file with a fresh wrapping key.

        Raises:
            FileExistsError: there is one already; it is never overwritten.
            ValueError: a passphrase under 12 characters.
        """
        content = {"registers": [], "wrapping_key": base64.b64encode(os.urandom(KEY_OCTETS)).decode()}
        return cls(SealedFile.create(path, passphrase, content), content)

    @classmethod
    def open(cls, path: Path, passphrase: str) -> FileKeyStore:
        """
        Raises:
            FileNotFoundError: no such file.
            KeyFileDamaged: not a key file, or a vending key in it does not fit its DKGA.
            WrongPassphrase: it does not open.
        """
        return cls(*SealedFile.open(path, passphrase))

    def add(self, register: KeyRegister, vending_key: bytes) -> KeyRegister:
        """Put a register in and write the file; returned as the record for the audit chain. Raises as MemoryKeyStore."""
        with self.changing() as content:
            put_register(content, register, vending_key)
        return register

    def update(self, register: KeyRegister) -> KeyRegister:
        """Replace what is known of a register, never its key; returned for the audit chain. Raises UnknownRegister."""
        with self.changing() as content:
            update_register(content, register)
        return register

    def registers(self) -> tuple[KeyRegister, ...]:
        return self._memory.registers()

    def check_value(self, register_id: str) -> str:
        """Six hex digits, see core.sts.check_value. Raises UnknownRegister."""
        return self._memory.check_value(register_id)

    def decoder_key(self, register_id: str, configuration: KeyConfiguration, pan: str) -> DecoderKey:
        return self._memory.decoder_key(register_id, configuration, pan)

    def rekey(self, passphrase: str) -> None:
        """Change the passphrase; the keys inside stay. Raises ValueError for a short one."""
        with self._sealed.locked():
            self._sealed.rekey(passphrase, self._sealed.read())

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """
        What the file holds now, under its lock; written at the end of the block, or not at all when the block raises.

        Raises:
            WrongPassphrase: somebody changed the passphrase meanwhile.
        """
        with self._sealed.locked():
            content = self._sealed.read()
            self._load(content)
            yield content
            MemoryKeyStore.of(_entries(content))
            self._sealed.write(content)
            self._load(content)

    def content(self) -> dict[str, Any]:
        """What the file holds now, to look at."""
        return self._sealed.read()

    def _load(self, content: dict[str, Any]) -> None:
        try:
            self._memory = MemoryKeyStore.of(_entries(content))
        except (STSError, ValueError, KeyError, TypeError):
            # The tag was right: somebody with the passphrase wrote this. The cause might quote what stands there.
            raise KeyFileDamaged(f"{self._sealed.path.name} holds a register that cannot be used.") from None


def _entries(content: dict[str, Any]) -> Iterator[tuple[KeyRegister, bytes]]:
    for item in content["registers"]:
        fields = dict(item)
        vending_key = base64.b64decode(fields.pop("vending_key"))
        yield KeyRegister.from_json(fields), vending_key


def put_register(content: dict[str, Any], register: KeyRegister, vending_key: bytes) -> None:
    """Into the content of a key file. Raises KeyLength, ValueError for a name that is taken."""
    check_vending_key(vending_key, register.dkga)
    if any(item["register_id"] == register.register_id for item in content["registers"]):
        raise ValueError(f"The register {register.register_id} exists already.")
    content["registers"].append({**register.as_json(), "vending_key": base64.b64encode(vending_key).decode()})


def update_register(content: dict[str, Any], register: KeyRegister) -> None:
    """What is known of a register in the content of a key file. Raises UnknownRegister."""
    for item in content["registers"]:
        if item["register_id"] == register.register_id:
            item.update(register.as_json())
            return
    raise UnknownRegister(f"There is no key register {register.register_id}.")
