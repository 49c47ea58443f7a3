# SPDX-License-Identifier: Apache-2.0
"""Back ends of the KeyStore port (core.sts), and the wrapping of secrets that the database holds."""

from duaarah.keystore.file import FileKeyStore, KeyFileDamaged, WrongPassphrase
from duaarah.keystore.joined import JoinedKeyStore, TwoPlaces
from duaarah.keystore.memory import MemoryKeyStore
from duaarah.keystore.pkcs11 import (
    ModuleDamaged,
    ModuleError,
    ModuleUnavailable,
    NotForModule,
    PKCS11KeyStore,
    WrongPIN,
)
from duaarah.keystore.wrapping import Unwrapped, WrappingKey

__all__ = [
    "FileKeyStore",
    "JoinedKeyStore",
    "KeyFileDamaged",
    "MemoryKeyStore",
    "ModuleDamaged",
    "ModuleError",
    "ModuleUnavailable",
    "NotForModule",
    "PKCS11KeyStore",
    "TwoPlaces",
    "Unwrapped",
    "WrappingKey",
    "WrongPIN",
    "WrongPassphrase",
]
