# SPDX-License-Identifier: Apache-2.0
"""
Key registers in one encrypted file: scrypt from a passphrase, AES-256-GCM over everything.

The file is written whole, to a temporary name, fsynced and renamed; it is readable by its owner only. Beside the vending
keys it holds the master key that wraps what the database keeps (meters' DLMS keys, channels' secrets).
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from duaarah.core.sts import DecoderKey, KeyConfiguration, KeyRegister
from duaarah.keystore.memory import MemoryKeyStore
from duaarah.keystore.wrapping import KEY_OCTETS, WrappingKey

FORMAT = "duaarah-keys-1"
SCRYPT_N = 2**15
_FILE_MAX = 4 * 1024 * 1024


class KeyFileDamaged(Exception):
    """The file is not a key file, or was changed."""

    code = "key_file_damaged"
    retryable = False


class WrongPassphrase(KeyFileDamaged):
    """The passphrase does not open the file, or a bit of it was flipped: the two look alike from outside."""

    code = "wrong_passphrase"


class FileKeyStore:
    """An opened key file. `create` makes one, `open` reads one; `add` writes it anew."""

    def __init__(self, path: Path, passphrase: str, salt: bytes, content: dict[str, Any]) -> None:
        self._path = path
        self._key = _derive(passphrase, salt)
        self._salt = salt
        self._content = content
        self._memory = MemoryKeyStore()
        for item in content["registers"]:
            fields = dict(item)
            vending_key = base64.b64decode(fields.pop("vending_key"))
            self._memory.add(KeyRegister(**fields), vending_key)
        self.wrapping_key = WrappingKey(base64.b64decode(content["wrapping_key"]))

    def __repr__(self) -> str:
        return f"FileKeyStore({self._path.name!r})"

    @classmethod
    def create(cls, path: Path, passphrase: str) -> FileKeyStore:
        """
        A new, empty key file with a fresh wrapping key.

        Raises:
            FileExistsError: there is one already; it is never overwritten.
            ValueError: a passphrase under 12 characters.
        """
        if len(passphrase) < 12:
            raise ValueError("The passphrase of a key file has at least 12 characters.")
        if path.exists():
            raise FileExistsError(f"{path} exists; a key file is never overwritten.")
        wrapping_key = base64.b64encode(os.urandom(KEY_OCTETS)).decode()
        store = cls(path, passphrase, os.urandom(16), {"registers": [], "wrapping_key": wrapping_key})
        store._write()
        return store

    @classmethod
    def open(cls, path: Path, passphrase: str) -> FileKeyStore:
        """
        Raises:
            FileNotFoundError: no such file.
            KeyFileDamaged: not a key file.
            WrongPassphrase: it does not open.
        """
        try:
            envelope = json.loads(path.read_bytes()[:_FILE_MAX])
            salt, nonce, sealed = (base64.b64decode(envelope[name]) for name in ("salt", "nonce", "sealed"))
            if envelope["format"] != FORMAT:
                raise ValueError
        except (ValueError, KeyError, TypeError) as error:
            raise KeyFileDamaged(f"{path.name} is not a key file of Dua Arah.") from error
        try:
            opened = AESGCM(_derive(passphrase, salt)).decrypt(nonce, sealed, FORMAT.encode())
        except (InvalidTag, ValueError) as error:
            raise WrongPassphrase("The passphrase is wrong, or the key file was changed.") from error
        return cls(path, passphrase, salt, json.loads(opened))

    def add(self, register: KeyRegister, vending_key: bytes) -> KeyRegister:
        """Put a register in and write the file; returned as the record for the audit chain. Raises as MemoryKeyStore."""
        self._memory.add(register, vending_key)
        item = {**dataclasses.asdict(register), "vending_key": base64.b64encode(vending_key).decode()}
        self._content["registers"].append(item)
        self._write()
        return register

    def registers(self) -> tuple[KeyRegister, ...]:
        return self._memory.registers()

    def decoder_key(self, register_id: str, configuration: KeyConfiguration, pan: str) -> DecoderKey:
        return self._memory.decoder_key(register_id, configuration, pan)

    def _write(self) -> None:
        nonce = os.urandom(12)
        sealed = AESGCM(self._key).encrypt(nonce, json.dumps(self._content).encode(), FORMAT.encode())
        parts = {"salt": self._salt, "nonce": nonce, "sealed": sealed}
        envelope = {"format": FORMAT, **{name: base64.b64encode(part).decode() for name, part in parts.items()}}
        temporary = self._path.with_name(self._path.name + ".new")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(envelope, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)


def _derive(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=SCRYPT_N, r=8, p=1).derive(passphrase.encode())
