# SPDX-License-Identifier: Apache-2.0
"""
How a PIN is kept.

Six digits have a million values: no number of iterations protects them from someone who holds the table, the lock after
three wrong ones protects them from everybody else. So a PIN's hash is salted and cheap, a password's is slow.
"""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class PINHasher(PBKDF2PasswordHasher):
    """PBKDF2-HMAC-SHA-256 with 20,000 iterations, for six digits behind a lock only."""

    algorithm = "pin_pbkdf2_sha256"
    iterations = 20_000
