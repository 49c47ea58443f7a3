# SPDX-License-Identifier: Apache-2.0
"""A key file and a security module as one key store: each register in one place, meters' secrets under the file's key."""

from __future__ import annotations

from duaarah.core.sts import DecoderKey, KeyConfiguration, KeyRegister, UnknownRegister
from duaarah.keystore.file import FileKeyStore
from duaarah.keystore.pkcs11 import PKCS11KeyStore


class TwoPlaces(Exception):
    """A register of one name stands in the key file and in the module: which key makes the tokens?"""

    code = "register_in_two_places"
    retryable = False


class JoinedKeyStore:
    """The registers of both. Raises TwoPlaces at opening."""

    def __init__(self, file: FileKeyStore, module: PKCS11KeyStore) -> None:
        self.file, self.module = file, module
        self.wrapping_key = file.wrapping_key
        names = [{register.register_id for register in store.registers()} for store in (file, module)]
        if both := names[0] & names[1]:
            raise TwoPlaces(f"{', '.join(sorted(both))} stands in the key file and in the security module.")

    def __repr__(self) -> str:
        return f"JoinedKeyStore({self.file!r}, {self.module!r})"

    def registers(self) -> tuple[KeyRegister, ...]:
        return tuple(sorted((*self.file.registers(), *self.module.registers()), key=lambda each: each.register_id))

    def decoder_key(self, register_id: str, configuration: KeyConfiguration, pan: str) -> DecoderKey:
        """See `core.sts.KeyStore`. Raises UnknownRegister, keystore.ModuleError."""
        return self.place_of(register_id).decoder_key(register_id, configuration, pan)

    def place_of(self, register_id: str) -> FileKeyStore | PKCS11KeyStore:
        """Raises UnknownRegister."""
        for store in (self.file, self.module):
            if any(register.register_id == register_id for register in store.registers()):
                return store
        raise UnknownRegister(f"There is no key register {register_id}.")
