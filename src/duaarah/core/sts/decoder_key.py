# SPDX-License-Identifier: Apache-2.0
"""A decoder key with its cipher schedules, made once and used for many tokens. Its octets are never printed."""

from __future__ import annotations

from functools import cached_property

from duaarah.core.sts import ea07
from duaarah.core.sts.dkga import DECODER_KEY_OCTETS
from duaarah.core.sts.ea11 import MISTY1
from duaarah.core.sts.errors import KeyLength


class DecoderKey:
    """8 octets under EA07, 16 under EA11. Raises KeyLength otherwise."""

    def __init__(self, ea: str, octets: bytes, *, tables: ea07.EA07Tables | None = None) -> None:
        if len(octets) != DECODER_KEY_OCTETS[ea]:
            raise KeyLength(f"A decoder key for EA{ea} has {DECODER_KEY_OCTETS[ea]} octets.")
        self.ea = ea
        self.octets = octets
        self._tables = tables

    def __repr__(self) -> str:
        return f"DecoderKey(ea={self.ea!r})"

    @cached_property
    def _sta(self) -> ea07.EA07Tables:
        return self._tables or ea07.standard_tables()

    @cached_property
    def _misty1(self) -> MISTY1:
        return MISTY1.from_key(self.octets)

    @cached_property
    def _encryption(self) -> ea07.Schedule:
        return self._sta.encryption_schedule(int.from_bytes(self.octets, "big"))

    @cached_property
    def _decryption(self) -> ea07.Schedule:
        return self._sta.decryption_schedule(int.from_bytes(self.octets, "big"))

    def encrypt(self, block: int) -> int:
        """One 64-bit data block."""
        return ea07.run(self._encryption, block) if self.ea == "07" else self._misty1.encrypt(block)

    def decrypt(self, block: int) -> int:
        """One 64-bit data block."""
        return ea07.run(self._decryption, block) if self.ea == "07" else self._misty1.decrypt(block)
