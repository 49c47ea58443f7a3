# SPDX-License-Identifier: Apache-2.0
"""The KeyStore port: whoever makes tokens sees key registers and decoder keys, never a vending key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.decoder_key import DecoderKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRegister:
    """What may be known of a vending key: its name, and the configuration it serves."""

    register_id: str
    dkga: str
    sgc: str
    krn: int
    kt: int
    ken: int
    base_date: int


class UnknownRegister(Exception):
    """The key store has no such register, or the register does not serve this configuration."""

    code = "unknown_register"
    retryable = False


class KeyStore(Protocol):
    def registers(self) -> tuple[KeyRegister, ...]:
        """Every register, by name."""
        ...

    def decoder_key(self, register_id: str, configuration: KeyConfiguration, pan: str) -> DecoderKey:
        """
        A meter's decoder key.

        Raises:
            UnknownRegister: no such register, or it serves another SGC, KRN, KT, DKGA or base date.
        """
        ...
