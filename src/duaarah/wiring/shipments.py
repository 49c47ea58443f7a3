# SPDX-License-Identifier: Apache-2.0
"""A maker's keys, from its transport key (RFC 3394) to our master key, without ever being a row, a log line or a file."""

from __future__ import annotations

import hmac
import os

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from duaarah import drivers
from duaarah.headend.ports import KeysNotOpened, MeterKeys
from duaarah.headend.shipment_models import Maker
from duaarah.headend.shipments.columns import KEY_OCTETS
from duaarah.headend.shipments.operations import Taking
from duaarah.keystore import Unwrapped
from duaarah.wiring.keystores import PlatformKeyStore, wrap_meter_keys

TRANSPORT_KEY_OCTETS = (16, 24, 32)


class TransportKeyRefused(Exception):
    """This is no AES key."""

    code = "transport_key_refused"
    retryable = False


def wrap_transport_key(store: PlatformKeyStore, maker_code: str, key: bytes) -> bytes:
    """What is kept of a maker's transport key. Raises TransportKeyRefused."""
    if len(key) not in TRANSPORT_KEY_OCTETS:
        raise TransportKeyRefused("A transport key has 16, 24 or 32 octets (32, 48 or 64 hex digits).")
    return store.wrapping_key.wrap(key, f"maker:{maker_code}")


class OpenedShipment:
    """headend's ShipmentKeys for one file of one maker. `clear` says that keys may come unwrapped."""

    def __init__(self, store: PlatformKeyStore, maker: Maker, *, clear: bool) -> None:
        self._store = store
        self._clear = clear
        self._transport_key: bytes | None = None
        if maker.transport_key_wrapped:
            self._transport_key = store.wrapping_key.unwrap(bytes(maker.transport_key_wrapped), f"maker:{maker.code}")
        # Drawn for this file: equal keys are found, and nothing of them can be learnt later.
        self._fingerprint_key = os.urandom(32)

    def take(self, *, drn: str, encryption: bytes, authentication: bytes, master: bytes = b"") -> tuple[bytes, bytes]:
        """See headend.ports.ShipmentKeys."""
        keys = MeterKeys(self._open(encryption), self._open(authentication), self._open(master) if master else None)
        both = keys.encryption + keys.authentication
        if keys.master in (keys.encryption, keys.authentication):
            raise KeysNotOpened("weak_keys", "The master key is one of the keys that it is to wrap.")
        if keys.encryption == keys.authentication or len(set(keys.encryption)) == 1:
            raise KeysNotOpened("weak_keys", "Both keys are the same, or a key is one octet repeated.")
        return wrap_meter_keys(self._store, drn, keys), hmac.digest(self._fingerprint_key, both, "sha256")

    def _open(self, key: bytes) -> bytes:
        if len(key) == KEY_OCTETS:
            if not self._clear:
                raise KeysNotOpened("clear_key", "The key is not wrapped; a key in clear is not taken here.")
            return key
        if self._transport_key is None:
            raise KeysNotOpened("no_transport_key", "Nobody has entered this maker's transport key.")
        try:
            return aes_key_unwrap(self._transport_key, key)
        except (InvalidUnwrap, ValueError):
            raise KeysNotOpened("not_opened", "The key does not open with this maker's transport key.") from None


def taking(store: PlatformKeyStore, maker: Maker, *, clear: bool) -> Taking:
    """
    How a file of this maker's is judged here.

    Raises:
        keystore.Unwrapped: the transport key was kept under another master key.
    """
    return Taking(
        profiles=drivers.profiles(),
        registers=tuple(store.registers()),
        keys=OpenedShipment(store, maker, clear=clear),
    )


__all__ = ["OpenedShipment", "TransportKeyRefused", "Unwrapped", "taking", "wrap_transport_key"]
