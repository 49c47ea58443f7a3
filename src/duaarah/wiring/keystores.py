# SPDX-License-Identifier: Apache-2.0
"""The key file that the settings name, opened once a process; meters' keys and channels' secrets unwrapped with it."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from duaarah.headend.ports import MeterKeys
from duaarah.keystore import FileKeyStore

_METER_KEYS_CACHED = 20_000


@lru_cache(maxsize=1)
def key_store() -> FileKeyStore:
    """
    The platform's key store.

    Raises:
        FileNotFoundError, KeyFileDamaged, WrongPassphrase: see keystore.FileKeyStore.open.
    """
    return FileKeyStore.open(settings.KEYSTORE_FILE, settings.KEYSTORE_PASSPHRASE)


class MeterKeyring:
    """headend's KeyUnwrapper over a store's wrapping key; opened keys are kept, a fleet asks for them all day."""

    def __init__(self, store: FileKeyStore) -> None:
        self._store = store
        self._opened = lru_cache(maxsize=_METER_KEYS_CACHED)(self._open)

    def meter_keys(self, *, drn: str, wrapped: bytes) -> MeterKeys:
        """Raises keystore.Unwrapped."""
        return self._opened(drn, wrapped)

    def _open(self, drn: str, wrapped: bytes) -> MeterKeys:
        octets = self._store.wrapping_key.unwrap(wrapped, f"meter:{drn}")
        return MeterKeys(octets[:16], octets[16:32])


def wrap_meter_keys(store: FileKeyStore, drn: str, keys: MeterKeys) -> bytes:
    """What the registry keeps of a meter's keys."""
    return store.wrapping_key.wrap(keys.encryption + keys.authentication, f"meter:{drn}")


def wrap_channel_secret(store: FileKeyStore, channel_code: str, secret: bytes) -> bytes:
    """What vending keeps of a channel's HMAC secret."""
    return store.wrapping_key.wrap(secret, f"channel:{channel_code}")


def unwrap_channel_secret(channel_code: str, wrapped: bytes) -> bytes:
    """Raises keystore.Unwrapped."""
    return key_store().wrapping_key.unwrap(wrapped, f"channel:{channel_code}")


def wrap_bind_password(store: FileKeyStore, bind_name: str, password: str) -> bytes:
    """What the SMS side keeps of a bind's password."""
    return store.wrapping_key.wrap(password.encode(), f"bind:{bind_name}")


def unwrap_bind_password(bind_name: str, wrapped: bytes) -> str:
    """Raises keystore.Unwrapped."""
    return key_store().wrapping_key.unwrap(wrapped, f"bind:{bind_name}").decode()
