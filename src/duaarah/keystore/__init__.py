# SPDX-License-Identifier: Apache-2.0
"""Back ends of the KeyStore port (core.sts), and the wrapping of secrets that the database holds."""

from duaarah.keystore.file import FileKeyStore, KeyFileDamaged, WrongPassphrase
from duaarah.keystore.memory import MemoryKeyStore
from duaarah.keystore.wrapping import Unwrapped, WrappingKey

__all__ = ["FileKeyStore", "KeyFileDamaged", "MemoryKeyStore", "Unwrapped", "WrappingKey", "WrongPassphrase"]
