# SPDX-License-Identifier: Apache-2.0
"""What the STS interface needs from whoever holds keys. The implementation is in `wiring`."""

from __future__ import annotations

import datetime as dt
from typing import Protocol

from duaarah.core.sts import Decoded, Explanation, KeyRegister
from duaarah.vending.ports import KeyTerms


class MachineRefused(Exception):
    """The keys do not allow this token. Asking again changes nothing."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MachineAway(Exception):
    """The keys cannot be reached now. The order stands: the same message id again gives its token."""

    code = "keys_unavailable"
    retryable = True


class TokenMachine(Protocol):
    """Every call raises MachineAway while the keys cannot be reached. Deterministic: the same order, the same digits."""

    def registers(self) -> tuple[KeyRegister, ...]:
        """The public facts of every key register."""
        ...

    def check(self, *, pan: str, keys: KeyTerms, at: dt.datetime) -> None:
        """Raises MachineRefused where the register does not serve this configuration, or makes no tokens at this time."""
        ...

    def make(self, *, token_class: int, payload48: int, pan: str, keys: KeyTerms | None) -> str:
        """The 20 digits; `keys` is None for class 1. Raises MachineRefused."""
        ...

    def open(self, *, digits: str, pan: str, keys: KeyTerms) -> Decoded:
        """What a meter with these keys makes of the digits. Raises MachineRefused."""
        ...

    def explain(self, *, digits: str, pan: str, keys: KeyTerms) -> Explanation:
        """A token bit by bit; the parts of a new key stay hidden. Raises MachineRefused."""
        ...

    def wrap(self, digits: str, owner: str) -> bytes:
        """Digits for a table, bound to the row that they belong to."""
        ...

    def unwrap(self, wrapped: bytes, owner: str) -> str:
        """Digits from a table. Raises MachineRefused when they do not open."""
        ...
