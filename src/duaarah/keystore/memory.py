# SPDX-License-Identifier: Apache-2.0
"""Key registers in memory: for tests, for one batch, and as the opened form of the encrypted file."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from duaarah.core.sts import (
    DecoderKey,
    KeyConfiguration,
    KeyRegister,
    UnknownRegister,
    check_value,
    check_vending_key,
    derive,
)

DECODER_KEYS_CACHED = 20_000


class MemoryKeyStore:
    """Vending keys by register. They go in; only decoder keys come out. Nothing here prints a key."""

    def __init__(self) -> None:
        self._registers: dict[str, tuple[KeyRegister, bytes]] = {}
        # Deriving a key and its cipher schedule costs more than a token; a meter's key is asked for again and again.
        self._derive = lru_cache(maxsize=DECODER_KEYS_CACHED)(self._derive_uncached)

    @classmethod
    def of(cls, entries: Iterable[tuple[KeyRegister, bytes]]) -> MemoryKeyStore:
        """A store of these registers with their vending keys. Raises as `add`."""
        made = cls()
        for register, vending_key in entries:
            made.add(register, vending_key)
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(self._registers)})"

    def add(self, register: KeyRegister, vending_key: bytes) -> KeyRegister:
        """
        Put a register in; returned as the record for the audit chain.

        Raises:
            KeyLength: the key does not fit the register's DKGA.
            ValueError: the register exists.
        """
        check_vending_key(vending_key, register.dkga)
        if register.register_id in self._registers:
            raise ValueError(f"The register {register.register_id} exists already.")
        self._registers[register.register_id] = (register, vending_key)
        return register

    def registers(self) -> tuple[KeyRegister, ...]:
        return tuple(self._registers[name][0] for name in sorted(self._registers))

    def decoder_key(self, register_id: str, configuration: KeyConfiguration, pan: str) -> DecoderKey:
        """See `core.sts.KeyStore`. Raises UnknownRegister."""
        self._found(register_id)[0].check_serving(configuration)
        return self._derive(register_id, configuration, pan)

    def _derive_uncached(self, register_id: str, configuration: KeyConfiguration, pan: str) -> DecoderKey:
        return DecoderKey(configuration.ea, derive(self._registers[register_id][1], configuration, pan))

    def check_value(self, register_id: str) -> str:
        """Six hex digits, see core.sts.check_value. Raises UnknownRegister."""
        return check_value(self._found(register_id)[1])

    def _found(self, register_id: str) -> tuple[KeyRegister, bytes]:
        found = self._registers.get(register_id)
        if found is None:
            raise UnknownRegister(f"There is no key register {register_id}.")
        return found
