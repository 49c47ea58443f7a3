# SPDX-License-Identifier: Apache-2.0
"""
Vending keys in a security module over PKCS#11: they go in once and never come out, only decoder keys do.

DKGA04 is one CKM_SHA256_HMAC on a sensitive, not extractable key; the 160-bit vending key is padded with zeros to 32
octets, which SoftHSM2 wants and HMAC does not notice. **DKGA02 is refused**: DK = DES_VK(X) xor X xor VK, so whoever may
ask a general module for DES_VK(X) and holds one decoder key has VK = DK xor X xor DES_VK(X); CKM_XOR_BASE_AND_DATA gives
it away by a XOR with zero. No attribute on the key helps; such keys stay in the key file, where nobody is deceived.

What is known of a register lies beside its key as a private CKO_DATA object, so that module, token label and PIN are
enough to open the store. A change writes the new object before it destroys the old one; the highest version counts.
Registers are read at opening and by `refresh`. Only a key ceremony writes, under the lock of its key file.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from duaarah.core.sts import (
    DecoderKey,
    KeyConfiguration,
    KeyRegister,
    STSError,
    UnknownRegister,
    check_vending_key,
    dkga04_message,
)
from duaarah.core.sts.dkga import CHECK_VALUE_MESSAGE, DECODER_KEY_OCTETS

T = TypeVar("T")
_APPLICATION = "duaarah"
_HMAC_KEY_OCTETS = 32
# A module's library is one per process and, by PKCS#11, one login per token: calls take turns. SoftHSM2 answers an HMAC
# in 25 microseconds; who wants more at once starts more processes.
_LOCK = threading.RLock()
_LOST = (
    "SessionHandleInvalid", "SessionClosed", "KeyHandleInvalid", "ObjectHandleInvalid", "UserNotLoggedIn", "DeviceError",
    "DeviceRemoved", "TokenNotPresent", "FunctionFailed", "GeneralError", "OperationActive", "PKCS11Error",
)  # fmt: skip


class ModuleError(Exception):
    """The security module does not do what is asked."""

    code = "module"
    retryable = False


class ModuleUnavailable(ModuleError):
    """The module's library, its token or its session is not there; later it may be."""

    code = "module_unavailable"
    retryable = True


class WrongPIN(ModuleError):
    """The token refuses the PIN, or it is locked. A store that met this asks no second time: tokens count the tries."""

    code = "wrong_pin"


class NotForModule(ModuleError):
    """A key that a general security module cannot keep secret: DKGA02."""

    code = "not_for_module"


class ModuleDamaged(ModuleError):
    """A register on the token has no key, or cannot be read."""

    code = "module_damaged"


class PKCS11KeyStore:
    """An opened token. Decoder keys are kept only when asked for (`decoder_keys_cached`): each is a meter's secret."""

    def __init__(self, module: str, token: str, pin: str, *, decoder_keys_cached: int = 0) -> None:
        """
        Raises:
            ModuleUnavailable: no such library or token, or python-pkcs11 is not installed.
            WrongPIN, ModuleDamaged.
        """
        self._module, self._token, self._pin = module, token, pin
        self._pin_refused = False
        self._session: Any = None
        self._pid = 0
        self._keys: dict[bytes, Any] = {}
        self._registers: dict[str, tuple[KeyRegister, bytes]] = {}
        self._derive = self._derived
        if decoder_keys_cached:
            self._derive = lru_cache(maxsize=decoder_keys_cached)(self._derived)
        self.refresh()

    def __repr__(self) -> str:
        return f"PKCS11KeyStore({self._token!r}, {sorted(self._registers)})"

    def registers(self) -> tuple[KeyRegister, ...]:
        return tuple(self._registers[name][0] for name in sorted(self._registers))

    def decoder_key(self, register_id: str, configuration: KeyConfiguration, pan: str) -> DecoderKey:
        """See `core.sts.KeyStore`. Raises UnknownRegister, ModuleUnavailable, WrongPIN, ModuleDamaged."""
        self._found(register_id)[0].check_serving(configuration)
        return self._derive(register_id, configuration, pan)

    def check_value(self, register_id: str) -> str:
        """Six hex digits as core.sts.check_value, made by the module. Raises UnknownRegister, ModuleError."""
        return self._hmac(self._found(register_id)[1], CHECK_VALUE_MESSAGE)[:3].hex().upper()

    def refresh(self) -> None:
        """Read the registers again. Raises ModuleError."""
        self._registers = self._call(lambda: {name: found[:2] for name, found in self._read().items()})

    def add(self, register: KeyRegister, vending_key: bytes) -> KeyRegister:
        """
        Put a key in, never to come out; returned as the record for the audit chain.

        Raises:
            NotForModule: a DKGA02 key.
            KeyLength, ModuleError.
            ValueError: the register exists.
        """
        if register.dkga != "04":
            raise NotForModule(
                "A DKGA02 key cannot be kept secret by a security module of the general kind; keep it in the key file."
            )
        check_vending_key(vending_key, register.dkga)
        self._call(lambda: self._add(register, vending_key))
        self.refresh()
        return register

    def update(self, register: KeyRegister) -> KeyRegister:
        """Replace what is known of a register, never its key; returned for the audit chain. Raises as `check_value`."""

        def replace() -> None:
            found = self._read().get(register.register_id)
            if found is None:
                raise UnknownRegister(f"There is no key register {register.register_id} on the token.")
            self._write(register, found[1], found[2] + 1)

        self._call(replace)
        self.refresh()
        return register

    def close(self) -> None:
        """End the session; the next call opens one again."""
        with _LOCK:
            self._forget_session()

    def _found(self, register_id: str) -> tuple[KeyRegister, bytes]:
        found = self._registers.get(register_id)
        if found is None:
            raise UnknownRegister(f"There is no key register {register_id} on the token.")
        return found

    def _derived(self, register_id: str, configuration: KeyConfiguration, pan: str) -> DecoderKey:
        digest = self._hmac(self._found(register_id)[1], dkga04_message(configuration, pan))
        return DecoderKey(configuration.ea, digest[: DECODER_KEY_OCTETS[configuration.ea]])

    def _hmac(self, key_id: bytes, message: bytes) -> bytes:
        from pkcs11 import Mechanism

        def sign() -> bytes:
            digest: bytes = self._key(key_id).sign(message, mechanism=Mechanism.SHA256_HMAC)
            return digest

        return self._call(sign)

    def _key(self, key_id: bytes) -> Any:
        from pkcs11 import Attribute, ObjectClass

        if key_id not in self._keys:
            found = list(self._session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.ID: key_id}))
            if len(found) != 1:
                raise ModuleDamaged("A register's key is not on the token.")
            self._keys[key_id] = found[0]
        return self._keys[key_id]

    def _records(self) -> list[Any]:
        from pkcs11 import Attribute, ObjectClass

        return list(self._session.get_objects({Attribute.CLASS: ObjectClass.DATA, Attribute.APPLICATION: _APPLICATION}))

    def _read(self) -> dict[str, tuple[KeyRegister, bytes, int]]:
        from pkcs11 import Attribute

        found: dict[str, tuple[KeyRegister, bytes, int]] = {}
        for record in self._records():
            try:
                item = json.loads(record[Attribute.VALUE])
                register, key_id = KeyRegister.from_json(item["register"]), bytes.fromhex(item["key_id"])
                version = int(item["version"])
            except (ValueError, KeyError, TypeError, STSError):
                raise ModuleDamaged("What the token says of a register cannot be read.") from None
            if register.register_id not in found or found[register.register_id][2] < version:
                found[register.register_id] = (register, key_id, version)
        return found

    def _add(self, register: KeyRegister, vending_key: bytes) -> None:
        from pkcs11 import Attribute, KeyType, ObjectClass

        present = self._read()
        if register.register_id in present:
            raise ValueError(f"The register {register.register_id} exists already.")
        self._destroy_orphans(register.register_id, {key_id for _, key_id, _ in present.values()})
        key_id = os.urandom(16)
        refused = ("ENCRYPT", "DECRYPT", "VERIFY", "WRAP", "UNWRAP", "DERIVE", "EXTRACTABLE", "MODIFIABLE", "COPYABLE")
        self._session.create_object(
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
                Attribute.VALUE: vending_key.ljust(_HMAC_KEY_OCTETS, b"\0"),
                Attribute.LABEL: _label(register.register_id),
                Attribute.ID: key_id,
                **{Attribute[name]: True for name in ("TOKEN", "PRIVATE", "SENSITIVE", "SIGN")},
                **{Attribute[name]: False for name in refused},
            }
        )
        # Killed here, the key is an orphan: nobody can name it, and the next try removes it.
        self._write(register, key_id, 1)

    def _destroy_orphans(self, register_id: str, in_use: set[bytes]) -> None:
        from pkcs11 import Attribute, ObjectClass

        wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: _label(register_id)}
        for key in list(self._session.get_objects(wanted)):
            if key[Attribute.ID] not in in_use:
                key.destroy()

    def _write(self, register: KeyRegister, key_id: bytes, version: int) -> None:
        from pkcs11 import Attribute, ObjectClass

        label = _label(register.register_id)
        older = [record for record in self._records() if record[Attribute.LABEL] == label]
        item = {"register": register.as_json(), "key_id": key_id.hex(), "version": version}
        self._session.create_object(
            {
                Attribute.CLASS: ObjectClass.DATA,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: True,
                Attribute.APPLICATION: _APPLICATION,
                Attribute.LABEL: label,
                Attribute.VALUE: json.dumps(item).encode(),
            }
        )
        for record in older:
            record.destroy()

    def _call(self, deed: Callable[[], T]) -> T:
        """Do it in an open session; when the session turns out to be lost, once more in a new one."""
        pkcs11 = _library()
        with _LOCK:
            for last in (False, True):
                try:
                    self._ensure_session()
                    return deed()
                except pkcs11.PKCS11Error as error:
                    lost = type(error).__name__ in _LOST
                    self._forget_session()
                    if last or not lost:
                        raise ModuleUnavailable(
                            f"The security module does not answer as it should ({type(error).__name__})."
                        ) from error
                    _reinitialize(self._module)
        raise AssertionError

    def _ensure_session(self) -> None:
        if self._session is not None and self._pid == os.getpid():
            return
        if self._pin_refused:
            raise WrongPIN("The token refused the PIN; it is not tried again before a restart.")
        if self._pid not in (0, os.getpid()):
            # A child inherits handles that seem to work and find nothing.
            _reinitialize(self._module)
        self._keys = {}
        self._session = self._opened()
        self._pid = os.getpid()

    def _opened(self) -> Any:
        pkcs11 = _library()
        try:
            token = _loaded(self._module).get_token(token_label=self._token)
        except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned) as error:
            raise ModuleUnavailable(f"The security module has no token {self._token!r}, or several.") from error
        try:
            return token.open(rw=True, user_pin=self._pin)
        except pkcs11.UserAlreadyLoggedIn:
            # Another store of this process did: PKCS#11 logs in a process, not a session.
            return token.open(rw=True)
        except (
            pkcs11.PinIncorrect,
            pkcs11.PinInvalid,
            pkcs11.PinLenRange,
            pkcs11.PinLocked,
            pkcs11.PinExpired,
            pkcs11.UserPinNotInitialized,
        ) as error:
            self._pin_refused = True
            raise WrongPIN(f"The token {self._token!r} refuses the PIN ({type(error).__name__}).") from None

    def _forget_session(self) -> None:
        session, self._session = self._session, None
        self._keys = {}
        if session is not None and self._pid == os.getpid():
            try:
                session.close()
            except _library().PKCS11Error:
                return


def _label(register_id: str) -> str:
    return f"{_APPLICATION}:{register_id}"


def _library() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise ModuleUnavailable(
            "python-pkcs11 is not installed: run ./duaarah with DUAARAH_PKCS11_MODULE set, it installs"
            " requirements-hsm.lock."
        ) from error
    return pkcs11


def _loaded(module: str) -> Any:
    pkcs11 = _library()
    try:
        return pkcs11.lib(module)
    except (pkcs11.PKCS11Error, OSError) as error:
        raise ModuleUnavailable(f"The security module's library {module} cannot be loaded.") from error


def _reinitialize(module: str) -> None:
    _loaded(module).reinitialize()
