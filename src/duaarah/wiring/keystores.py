# SPDX-License-Identifier: Apache-2.0
"""The key file that the settings name, opened once a process; meters' keys and channels' secrets unwrapped with it."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from django.conf import settings

from duaarah.core.intent import TransferKeys
from duaarah.headend.ports import MeterKeys, NoMasterKey
from duaarah.keystore import FileKeyStore, JoinedKeyStore, ModuleUnavailable, PKCS11KeyStore

_METER_KEYS_CACHED = 20_000


PlatformKeyStore = FileKeyStore | JoinedKeyStore


@lru_cache(maxsize=1)
def key_store() -> PlatformKeyStore:
    """
    The platform's key store: the key file, joined with a security module where the settings name one.

    Raises:
        FileNotFoundError, KeyFileDamaged, WrongPassphrase: see keystore.FileKeyStore.open.
        ModuleError, TwoPlaces: see keystore.PKCS11KeyStore and JoinedKeyStore.
    """
    return joined(FileKeyStore.open(settings.KEYSTORE_FILE, settings.KEYSTORE_PASSPHRASE))


def joined(file: FileKeyStore) -> PlatformKeyStore:
    """The key file with the module that the environment names, if it names one. Raises ModuleError, TwoPlaces."""
    module = open_module()
    return JoinedKeyStore(file, module) if module is not None else file


def open_module() -> PKCS11KeyStore | None:
    """
    The security module of DUAARAH_PKCS11_MODULE, _TOKEN, _PIN or _PIN_FILE and _CACHE; None where none is named.

    The PIN is read here and not kept in Django's settings, which debugging pages print.

    Raises:
        ModuleError: it does not open; ModuleUnavailable also when the label or the PIN is not given.
    """
    path = os.environ.get("DUAARAH_PKCS11_MODULE")
    if not path:
        return None
    token = os.environ.get("DUAARAH_PKCS11_TOKEN")
    pin = os.environ.get("DUAARAH_PKCS11_PIN")
    if pin is None and (file := os.environ.get("DUAARAH_PKCS11_PIN_FILE")):
        try:
            pin = Path(file).read_text().strip("\r\n")
        except OSError as error:
            raise ModuleUnavailable("The file of DUAARAH_PKCS11_PIN_FILE cannot be read.") from error
    if not token or not pin:
        raise ModuleUnavailable("Set DUAARAH_PKCS11_TOKEN, and DUAARAH_PKCS11_PIN or DUAARAH_PKCS11_PIN_FILE.")
    try:
        cached = int(os.environ.get("DUAARAH_PKCS11_CACHE", "0"))
    except ValueError:
        raise ModuleUnavailable("DUAARAH_PKCS11_CACHE is a number of decoder keys.") from None
    return PKCS11KeyStore(path, token, pin, decoder_keys_cached=cached)


class MeterKeyring:
    """headend's KeyUnwrapper over a store's wrapping key; opened keys are kept, a fleet asks for them all day."""

    def __init__(self, store: PlatformKeyStore) -> None:
        self._store = store
        self._opened = lru_cache(maxsize=_METER_KEYS_CACHED)(self._open)

    def meter_keys(self, *, drn: str, wrapped: bytes) -> MeterKeys:
        """Raises keystore.Unwrapped."""
        return self._opened(drn, wrapped)

    def _open(self, drn: str, wrapped: bytes) -> MeterKeys:
        octets = self._store.wrapping_key.unwrap(wrapped, f"meter:{drn}")
        return MeterKeys(octets[:16], octets[16:32], octets[32:48] or None)

    def _master(self, drn: str, wrapped: bytes) -> bytes:
        master = self.meter_keys(drn=drn, wrapped=wrapped).master
        if master is None:
            raise NoMasterKey("This meter's master key is not known: new keys cannot be brought to it.")
        return master

    def check_master(self, *, drn: str, wrapped: bytes) -> None:
        """See headend.ports.KeyMaker."""
        self._master(drn, wrapped)

    def draw(self, *, drn: str, wrapped: bytes) -> bytes:
        """See headend.ports.KeyMaker."""
        drawn = MeterKeys(os.urandom(16), os.urandom(16), self._master(drn, wrapped))
        return wrap_meter_keys(self._store, drn, drawn)

    def transfer(self, *, drn: str, wrapped: bytes) -> TransferKeys:
        """See headend.ports.KeyMaker."""
        keys, master = self.meter_keys(drn=drn, wrapped=wrapped), self._master(drn, wrapped)
        return TransferKeys(aes_key_wrap(master, keys.encryption), aes_key_wrap(master, keys.authentication))


def wrap_meter_keys(store: PlatformKeyStore, drn: str, keys: MeterKeys) -> bytes:
    """What the registry keeps of a meter's keys."""
    octets = keys.encryption + keys.authentication + (keys.master or b"")
    return store.wrapping_key.wrap(octets, f"meter:{drn}")


def wrap_channel_secret(store: PlatformKeyStore, channel_code: str, secret: bytes) -> bytes:
    """What vending keeps of a channel's HMAC secret."""
    return store.wrapping_key.wrap(secret, f"channel:{channel_code}")


def unwrap_channel_secret(channel_code: str, wrapped: bytes) -> bytes:
    """Raises keystore.Unwrapped."""
    return key_store().wrapping_key.unwrap(wrapped, f"channel:{channel_code}")


def wrap_bind_password(store: PlatformKeyStore, bind_name: str, password: str) -> bytes:
    """What the SMS side keeps of a bind's password."""
    return store.wrapping_key.wrap(password.encode(), f"bind:{bind_name}")


def unwrap_bind_password(bind_name: str, wrapped: bytes) -> str:
    """Raises keystore.Unwrapped."""
    return key_store().wrapping_key.unwrap(wrapped, f"bind:{bind_name}").decode()


def rewrap_bind_password(store: PlatformKeyStore, old_name: str, new_name: str, wrapped: bytes) -> bytes:
    """The same password for a bind of another name (the two of a pair). Raises keystore.Unwrapped."""
    return store.wrapping_key.wrap(store.wrapping_key.unwrap(wrapped, f"bind:{old_name}"), f"bind:{new_name}")
