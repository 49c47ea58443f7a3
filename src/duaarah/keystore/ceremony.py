# SPDX-License-Identifier: Apache-2.0
"""
The key ceremony: custodians give components, their XOR is the vending key, two operators agree before it makes tokens.

Its state lies in the key file, so every step is one write of that file, old or new. Where the key goes into a security
module, the module is written first and the file after it; a step that was killed between is finished by repeating it.

A component is sealed under its custodian's own passphrase: whoever knows the file's passphrase alone cannot combine.
Dual control of the finished key is the program's rule, not mathematics: it holds against a mistake and against one
operator at this command line, not against somebody who runs a program of his own on a file that he can open.
"""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from duaarah.core.sts import KeyRegister, UnknownRegister, check_value, check_vending_key, find_register
from duaarah.keystore.file import FileKeyStore, put_register, update_register
from duaarah.keystore.pkcs11 import NotForModule, PKCS11KeyStore
from duaarah.keystore.sealed import check_passphrase, stretch
from duaarah.keystore.wrapping import Unwrapped, WrappingKey

COMPONENTS_MIN, COMPONENTS_MAX = 2, 9
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


class CeremonyError(Exception):
    """A step that the ceremony does not allow; nothing was changed."""

    code = "ceremony"
    retryable = False


class NotAnOperator(CeremonyError):
    """No such operator, or not his passphrase: the two look alike from outside."""

    code = "not_an_operator"


class SamePerson(CeremonyError):
    """One person where two are wanted."""

    code = "same_person"


class NotComplete(CeremonyError):
    """Components are missing."""

    code = "components_missing"


class NotAgreed(CeremonyError):
    """What this operator agrees to is not what the other one agreed to."""

    code = "not_agreed"


class DualControl(CeremonyError):
    """This key file has operators: what one person might do alone elsewhere wants them here."""

    code = "dual_control"


@dataclass(frozen=True)
class Operator:
    """A name and the passphrase that proves it."""

    name: str
    passphrase: str

    def __repr__(self) -> str:
        return f"Operator({self.name!r})"


class Ceremony:
    """The steps, over an opened key file and, where there is one, a security module."""

    def __init__(self, file: FileKeyStore, module: PKCS11KeyStore | None = None) -> None:
        self._file, self._module = file, module

    @contextmanager
    def _step(self) -> Iterator[dict[str, Any]]:
        """The file's content and the module's registers as they are now, alone until the file is written."""
        with self._file.changing() as content:
            if self._module is not None:
                self._module.refresh()
            yield content

    def operators(self) -> tuple[str, ...]:
        return tuple(sorted(self._file.content().get("operators", {})))

    def enrol(self, newcomer: Operator, witness: Operator | None) -> None:
        """
        A new operator. The first two enrol themselves; from the third on, one who is enrolled vouches.

        Raises:
            ValueError: a name or passphrase that cannot be.
            SamePerson: another operator has this passphrase.
            CeremonyError: enrolled already. NotAnOperator, DualControl: without a witness.
        """
        if not _NAME.fullmatch(newcomer.name):
            raise ValueError("An operator's name is up to 40 small letters, digits, dots and hyphens.")
        check_passphrase(newcomer.passphrase)
        with self._step() as content:
            operators = content.setdefault("operators", {})
            if newcomer.name in operators:
                raise CeremonyError(f"{newcomer.name} is enrolled already.")
            if len(operators) >= 2:
                if witness is None:
                    raise DualControl("An enrolled operator vouches for a third one: give --operator.")
                _prove(content, witness)
            if any(_proves(found, newcomer.passphrase) for found in operators.values()):
                raise SamePerson("Another operator has this passphrase.")
            salt = os.urandom(16)
            verifier = _verifier(stretch(newcomer.passphrase, salt))
            operators[newcomer.name] = {"salt": _text(salt), "verifier": _text(verifier)}

    def component(self, terms: KeyRegister, of: int, custodian: Operator, component: bytes) -> tuple[str, int]:
        """
        One custodian's part of a key to be; its check value, and how many components are still missing.

        Raises:
            KeyLength, NotAnOperator.
            SamePerson: this custodian gave one already.
            CeremonyError: the register exists, or other terms than the first custodian's; ValueError: a number `of`.
        """
        check_vending_key(component, terms.dkga)
        if not COMPONENTS_MIN <= of <= COMPONENTS_MAX:
            raise ValueError(f"A key is made of {COMPONENTS_MIN} to {COMPONENTS_MAX} components.")
        if not any(component):
            raise CeremonyError("A component of zeros alone adds nothing.")
        name = terms.register_id
        with self._step() as content:
            key = _prove(content, custodian)
            self._refuse_present(name)
            wanted = {"terms": terms.as_json(), "of": of, "components": {}}
            begun = content.setdefault("ceremonies", {}).setdefault(name, wanted)
            if (begun["terms"], begun["of"]) != (wanted["terms"], of):
                raise CeremonyError(
                    f"The first custodian gave other terms for {name}; ./duaarah sts key list shows them."
                )
            given = begun["components"]
            if custodian.name in given:
                raise SamePerson(f"{custodian.name} gave a component of {name} already.")
            if len(given) == of:
                raise CeremonyError(f"All {of} components of {name} are here.")
            sealed = WrappingKey(key).wrap(component, _context(name, custodian.name))
            given[custodian.name] = {"sealed": _text(sealed), "check_value": check_value(component)}
            return check_value(component), of - len(given)

    def discard(self, register_id: str, operator: Operator) -> None:
        """Forget the components of a key to be. Raises NotAnOperator, UnknownRegister."""
        with self._step() as content:
            _prove(content, operator)
            if content.get("ceremonies", {}).pop(register_id, None) is None:
                raise UnknownRegister(f"No components of {register_id} are here.")

    def combine(self, register_id: str, custodians: list[Operator], *, into_module: bool) -> tuple[KeyRegister, str]:
        """
        The components become a register that waits for its activation; the register and its check value.

        Raises:
            NotComplete, NotAnOperator, UnknownRegister, NotForModule, ModuleError.
            CeremonyError: two components are equal, or the register exists with another key.
        """
        with self._step() as content:
            begun = content.get("ceremonies", {}).get(register_id)
            if begun is None:
                raise UnknownRegister(f"No components of {register_id} are here.")
            given = begun["components"]
            if len(given) < begun["of"]:
                raise NotComplete(
                    f"{begun['of'] - len(given)} of {begun['of']} components of {register_id} are missing."
                )
            if sorted(each.name for each in custodians) != sorted(given):
                raise NotComplete(f"Every custodian opens his own component: {', '.join(sorted(given))}.")
            parts = [_opened(content, register_id, each) for each in custodians]
            if len(set(parts)) < len(parts):
                raise CeremonyError("Two components are equal and cancel each other; discard them and begin again.")
            key = reduce(lambda left, right: bytes(a ^ b for a, b in zip(left, right, strict=True)), parts)
            register = replace(KeyRegister.from_json(begun["terms"]), approved=False)
            self._put(content, register, key, into_module=into_module, repeated=True)
            del content["ceremonies"][register_id]
        return register, check_value(key)

    def put(self, register: KeyRegister, vending_key: bytes, *, into_module: bool) -> KeyRegister:
        """
        A whole key, as a load file or a test bench gives it; usable at once only in a key file without operators.

        Raises:
            ValueError: the register exists; KeyLength, NotForModule, ModuleError.
        """
        with self._step() as content:
            register = replace(register, approved=not content.get("operators"))
            if register.register_id in content.get("ceremonies", {}):
                raise CeremonyError(f"Components of {register.register_id} are here; combine or discard them.")
            self._put(content, register, vending_key, into_module=into_module, repeated=False)
        return register

    def activate(
        self,
        register_id: str,
        operator: Operator,
        *,
        active_from: dt.datetime | None,
        issued_until: dt.datetime | None,
    ) -> KeyRegister:
        """
        One operator's agreement to a register and its times; the second, different one makes it so.

        Returns the register: unchanged after the first agreement. His own agreement to other times a person may change.

        Raises:
            NotAnOperator, UnknownRegister, ModuleError.
            SamePerson: the one who agreed already. NotAgreed: other times than the first one's.
        """
        with self._step() as content:
            _prove(content, operator)
            register = self._register(register_id)
            wanted = replace(register, approved=True, active_from=active_from, issued_until=issued_until)
            times = {name: wanted.as_json()[name] for name in ("active_from", "issued_until")}
            agreements = content.setdefault("agreements", {})
            first = agreements.get(register_id)
            if first is None or (first["by"] == operator.name and first["times"] != times):
                agreements[register_id] = {"by": operator.name, "times": times}
                return register
            if first["by"] == operator.name:
                raise SamePerson(f"{operator.name} agreed already; a second operator must.")
            if first["times"] != times:
                raise NotAgreed(f"{first['by']} agreed to other times for {register_id}.")
            self._update(content, wanted)
            del agreements[register_id]
        return wanted

    def expire(self, register_id: str, operator: Operator | None, *, at: dt.datetime) -> KeyRegister:
        """
        No more tokens from `at` on (naive utility-local). One operator may stop a key; only two may lengthen its life.

        Raises:
            DualControl: no operator where there are some, or a later end than the present one.
            NotAnOperator, UnknownRegister, ModuleError.
        """
        with self._step() as content:
            if operator is not None:
                _prove(content, operator)
            elif content.get("operators"):
                raise DualControl("Say who expires it: give --operator.")
            register = self._register(register_id)
            if register.issued_until is not None and at > register.issued_until:
                raise DualControl("A later end wants two operators: use activate.")
            begins = register.active_from if register.active_from and register.active_from < at else None
            wanted = replace(register, active_from=begins, issued_until=at)
            self._update(content, wanted)
            content.get("agreements", {}).pop(register_id, None)
        return wanted

    def overview(self) -> list[dict[str, Any]]:
        """Registers with place and check value, then keys to be with their custodians; no secret."""
        content, found = self._file.content(), []
        agreements = content.get("agreements", {})
        places: tuple[tuple[str, FileKeyStore | PKCS11KeyStore | None], ...] = (
            ("file", self._file),
            ("module", self._module),
        )
        for place, store in places:
            for register in store.registers() if store else ():
                name = register.register_id
                item = {**register.as_json(), "place": place, "check_value": store.check_value(name) if store else ""}
                found.append({**item, "agreed_by": agreements[name]["by"] if name in agreements else None})
        for name, begun in sorted(content.get("ceremonies", {}).items()):
            values = {custodian: part["check_value"] for custodian, part in sorted(begun["components"].items())}
            if not any(item["register_id"] == name for item in found):
                found.append({**begun["terms"], "place": "components", "of": begun["of"], "components": values})
        return found

    def waits(self, register_id: str) -> str | None:
        """Who agreed alone so far to a register's activation; None when nobody did or both have."""
        found = self._file.content().get("agreements", {}).get(register_id)
        return found and str(found["by"])

    def begun(self, register_id: str) -> tuple[KeyRegister, int, tuple[str, ...]] | None:
        """Of a key to be: its terms, of how many components, and who gave one; None when nobody did."""
        found = self._file.content().get("ceremonies", {}).get(register_id)
        return found and (KeyRegister.from_json(found["terms"]), found["of"], tuple(sorted(found["components"])))

    def _put(
        self, content: dict[str, Any], register: KeyRegister, key: bytes, *, into_module: bool, repeated: bool
    ) -> None:
        name = register.register_id
        if into_module and self._module is None:
            raise NotForModule("No security module is configured: set DUAARAH_PKCS11_MODULE, _TOKEN and _PIN.")
        if into_module and self._module is not None:
            there = {each.register_id: each for each in self._module.registers()}
            if repeated and there.get(name) == register and self._module.check_value(name) == check_value(key):
                return
            self._refuse_present(name)
            self._module.add(register, key)
            return
        self._refuse_present(name)
        put_register(content, register, key)

    def _refuse_present(self, register_id: str) -> None:
        present = (*self._file.registers(), *(self._module.registers() if self._module else ()))
        if any(register.register_id == register_id for register in present):
            raise ValueError(f"The register {register_id} exists already.")

    def _register(self, register_id: str) -> KeyRegister:
        if self._module and any(each.register_id == register_id for each in self._module.registers()):
            return find_register(self._module, register_id)
        return find_register(self._file, register_id)

    def _update(self, content: dict[str, Any], register: KeyRegister) -> None:
        if self._module and any(each.register_id == register.register_id for each in self._module.registers()):
            self._module.update(register)
            return
        update_register(content, register)


def _prove(content: dict[str, Any], operator: Operator) -> bytes:
    """The key that his passphrase makes."""
    found = content.get("operators", {}).get(operator.name)
    if found is None or not _proves(found, operator.passphrase):
        raise NotAnOperator(f"{operator.name} is no operator of this key file, or this is not his passphrase.")
    return stretch(operator.passphrase, base64.b64decode(found["salt"]))


def _proves(found: dict[str, str], passphrase: str) -> bool:
    key = stretch(passphrase, base64.b64decode(found["salt"]))
    return hmac.compare_digest(_verifier(key), base64.b64decode(found["verifier"]))


def _verifier(key: bytes) -> bytes:
    # Not the key itself: that opens the components.
    return hmac.digest(key, b"duaarah operator", "sha256")


def _opened(content: dict[str, Any], register_id: str, custodian: Operator) -> bytes:
    sealed = content["ceremonies"][register_id]["components"][custodian.name]["sealed"]
    key = WrappingKey(_prove(content, custodian))
    try:
        return key.unwrap(base64.b64decode(sealed), _context(register_id, custodian.name))
    except Unwrapped as error:
        raise CeremonyError(f"The component of {custodian.name} does not open.") from error


def _context(register_id: str, custodian: str) -> str:
    return f"component:{register_id}:{custodian}"


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
