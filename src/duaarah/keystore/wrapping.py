# SPDX-License-Identifier: Apache-2.0
"""Secrets at rest in the database: AES-256-GCM under one master key, bound to what they belong to."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_OCTETS = 12
KEY_OCTETS = 32


class Unwrapped(Exception):
    """A wrapped secret does not open: another key, another owner, or a flipped bit."""

    code = "unwrap_failed"
    retryable = False


class WrappingKey:
    """Wraps and unwraps; `context` names the owner (`meter:...`), so that a secret cannot be moved to another row."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_OCTETS:
            raise ValueError("A wrapping key has 32 octets.")
        self._cipher = AESGCM(key)

    def wrap(self, secret: bytes, context: str) -> bytes:
        """Nonce, ciphertext and tag."""
        nonce = os.urandom(NONCE_OCTETS)
        return nonce + self._cipher.encrypt(nonce, secret, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Raises Unwrapped."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_OCTETS], wrapped[NONCE_OCTETS:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise Unwrapped(f"The secret of {context} does not open with this key.") from error
