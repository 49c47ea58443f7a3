# SPDX-License-Identifier: Apache-2.0
"""
Signed requests: `v1=` HMAC-SHA-256 over timestamp, a dot and the raw body, with the channel's secret.

The timestamp is machine time and may be five minutes off; a replay within that time is caught by the notification id.
"""

from __future__ import annotations

import hashlib
import hmac

SKEW_S = 300


class SignatureRefused(Exception):
    """The request is not from whom it says. Nothing of it was read."""

    code = "signature_refused"


def sign(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of the signature header."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def check_signature(*, secret: bytes, timestamp: str, signature: str, body: bytes, now_s: float) -> None:
    """Raises SignatureRefused for a stale timestamp or a signature that does not fit."""
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now_s - int(timestamp[:12])) > SKEW_S:
        raise SignatureRefused("The timestamp is missing or more than five minutes off.")
    # Octets: compare_digest raises TypeError on a str that is not ASCII, and a header may hold anything.
    if not hmac.compare_digest(sign(secret, timestamp, body).encode(), signature.encode(errors="replace")):
        raise SignatureRefused("The signature does not fit the body.")
