# SPDX-License-Identifier: Apache-2.0
"""What vending needs from a source of tokens. Implementations live elsewhere; `wiring` brings them together."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class KeyTerms:
    """The whole STS key configuration that a token was, or is to be, made with (IEC 62055-41)."""

    register: str
    dkga: str
    ea: str
    sgc: str
    ti: str
    krn: int
    kt: int
    ken: int
    base_date: int


@dataclass(frozen=True, kw_only=True)
class TokenRequest:
    """Everything that decides the 20 digits; the same request gives the same token, forever."""

    request_id: uuid.UUID
    pan: str
    keys: KeyTerms
    tid: int
    rnd: int
    energy_wh: int


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A token exists: its digits, and the energy its field really says (never less than asked for)."""

    digits: str
    encoded_wh: int

    def __repr__(self) -> str:
        return f"Issued(encoded_wh={self.encoded_wh})"


@dataclass(frozen=True)
class Refused:
    """There will be no token for this request; the money goes back."""

    code: str
    message: str


@dataclass(frozen=True)
class Unknown:
    """Nobody can say whether a token was made: ask again with the same request, never buy again."""

    reason: str


class TokenSource(Protocol):
    def obtain(self, request: TokenRequest) -> Issued | Refused | Unknown: ...


@dataclass(frozen=True, kw_only=True)
class KeyChangeRequest:
    """Everything that decides the tokens of a key change; the same request gives the same tokens, forever."""

    request_id: uuid.UUID
    pan: str
    old: KeyTerms
    new: KeyTerms
    rollover: bool
    proof_tid: int
    proof_rnd: int


@dataclass(frozen=True, kw_only=True)
class KeyChangeTokens:
    """`sections`: digits by class and subclass (2.3, 2.4[, 2.8, 2.9]) under the old key; `proof`: no energy, new key."""

    sections: dict[str, str] = field(repr=False)
    proof: str = field(repr=False)


class KeyChangeSource(Protocol):
    def change_key(self, request: KeyChangeRequest) -> KeyChangeTokens | Refused | Unknown: ...


@dataclass(frozen=True, kw_only=True)
class TokenFacts:
    """What a token sold elsewhere says once it is decrypted with this meter's key."""

    tid: int
    energy_wh: int


class TokenNotForMeter(Exception):
    """The digits do not decode with this meter's key, or carry no electricity credit."""

    code = "token_not_for_meter"


class TokenReader(Protocol):
    def read(self, *, digits: str, pan: str, keys: KeyTerms) -> TokenFacts:
        """Raises TokenNotForMeter."""
        ...
