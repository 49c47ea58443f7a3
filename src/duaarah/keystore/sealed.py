# SPDX-License-Identifier: Apache-2.0
"""
One JSON value in one encrypted file: scrypt from a passphrase, AES-256-GCM over everything.

The file is written whole to a temporary name, fsynced, renamed, and its folder fsynced: after a crash it holds the old
value or the new one. Writers take turns by a lock on the file beside it (`NAME.lock`), which is never removed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

FORMAT = "duaarah-keys-2"
_READABLE = (FORMAT, "duaarah-keys-1")
SCRYPT_N = 2**15
PASSPHRASE_MIN = 12
_FILE_MAX = 4 * 1024 * 1024


class KeyFileDamaged(Exception):
    """The file is not a key file, or was changed."""

    code = "key_file_damaged"
    retryable = False


class WrongPassphrase(KeyFileDamaged):
    """The passphrase does not open the file, or a bit of it was flipped: the two look alike from outside."""

    code = "wrong_passphrase"


def check_passphrase(passphrase: str) -> None:
    """Raises ValueError under 12 characters."""
    if len(passphrase) < PASSPHRASE_MIN:
        raise ValueError(f"A passphrase has at least {PASSPHRASE_MIN} characters.")


def stretch(passphrase: str, salt: bytes) -> bytes:
    """32 octets, slowly: scrypt with N = 2^15, r = 8, p = 1 (32 MiB)."""
    return Scrypt(salt=salt, length=32, n=SCRYPT_N, r=8, p=1).derive(passphrase.encode())


class SealedFile:
    """A file and the key that opens it. Every method but `locked` wants its caller to hold the lock when it writes."""

    def __init__(self, path: Path, passphrase: str, salt: bytes) -> None:
        self.path = path
        self._salt = salt
        self._key = stretch(passphrase, salt)

    @classmethod
    def create(cls, path: Path, passphrase: str, content: dict[str, Any]) -> SealedFile:
        """Raises FileExistsError, ValueError for a short passphrase."""
        check_passphrase(passphrase)
        made = cls(path, passphrase, os.urandom(16))
        with made.locked():
            if path.exists():
                raise FileExistsError(f"{path} exists; a key file is never overwritten.")
            made.write(content)
        return made

    @classmethod
    def open(cls, path: Path, passphrase: str) -> tuple[SealedFile, dict[str, Any]]:
        """Raises FileNotFoundError, KeyFileDamaged, WrongPassphrase."""
        opened = cls(path, passphrase, _envelope(path)["salt"])
        return opened, opened.read()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all who write this file, until the block ends or the process does."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        name = self.path.with_name(self.path.name + ".lock")
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> dict[str, Any]:
        """What the file holds now. Raises as `open`."""
        envelope = _envelope(self.path)
        if envelope["salt"] != self._salt:
            raise WrongPassphrase("The passphrase of the key file was changed meanwhile; begin again with the new one.")
        try:
            opened = AESGCM(self._key).decrypt(envelope["nonce"], envelope["sealed"], envelope["format"])
        except (InvalidTag, ValueError) as error:
            raise WrongPassphrase("The passphrase is wrong, or the key file was changed.") from error
        content: dict[str, Any] = json.loads(opened)
        return content

    def write(self, content: dict[str, Any]) -> None:
        """All of it or nothing, readable by its owner only."""
        nonce = os.urandom(12)
        sealed = AESGCM(self._key).encrypt(nonce, json.dumps(content).encode(), FORMAT.encode())
        parts = {"salt": self._salt, "nonce": nonce, "sealed": sealed}
        temporary = self.path.with_name(self.path.name + ".new")
        # What a killed writer left is not written through: its owner and mode are not ours to trust.
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_written(FORMAT, parts))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def rekey(self, passphrase: str, content: dict[str, Any]) -> None:
        """Write the content under a new passphrase and salt. Raises ValueError for a short one."""
        check_passphrase(passphrase)
        salt = os.urandom(16)
        self._key, self._salt = stretch(passphrase, salt), salt
        self.write(content)


def _written(form: str, parts: dict[str, bytes]) -> bytes:
    return json.dumps(
        {"format": form, **{name: base64.b64encode(part).decode() for name, part in parts.items()}}
    ).encode()


def _envelope(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()[:_FILE_MAX]
    try:
        envelope = json.loads(raw)
        form = envelope["format"]
        parts = {name: base64.b64decode(envelope[name], validate=True) for name in ("salt", "nonce", "sealed")}
        # Base64 and JSON have many spellings of one value: only the one that was written is this file.
        if form not in _READABLE or _written(form, parts) != raw:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeyFileDamaged(f"{path.name} is not a key file of Dua Arah, or was changed.") from error
    return {"format": form.encode(), **parts}
