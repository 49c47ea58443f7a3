# SPDX-License-Identifier: Apache-2.0
"""Ciphering inside an association, suite 0 (IEC 62056-5-3, 9.2.7): service-specific tags and the general ones, by data.

glo-* and ded-*: tag, length, security control, invocation counter (4), ciphertext, tag (12); the originator's system
title was told at association. general-glo and general-ded name it in each APDU. Only authenticated encryption.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from duaarah.wire.dlms import ciphering
from duaarah.wire.dlms.axdr import Reader, encode_length
from duaarah.wire.dlms.ciphering import AUTHENTICATED_ENCRYPTION, COUNTER_OCTETS, TAG_OCTETS, TITLE_OCTETS, Keys
from duaarah.wire.dlms.errors import Malformed, Stale, Unencodable, UnknownApdu, Unprotected

GENERAL_GLO, GENERAL_DED = ciphering.GENERAL_GLO_CIPHERING, 0xDC

# Plain tag -> the tag of its ciphered form.
_SERVICES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7)
GLO = {0x01: 0x21, 0x08: 0x28, 0x0E: 0x2E} | {service: service + 0x08 for service in _SERVICES}
DED = {service: service + 0x10 for service in _SERVICES}
_PLAIN_OF = {ciphered: plain for table in (GLO, DED) for plain, ciphered in table.items()}


class Style(Enum):
    """How an association ciphers its APDUs; each end writes one style and reads all that its keys allow."""

    PLAIN = "plain"
    SERVICE_GLO = "glo"
    SERVICE_DED = "ded"
    GENERAL_GLO = "general-glo"
    GENERAL_DED = "general-ded"

    @property
    def dedicated(self) -> bool:
        """Whether the key of the association is used, not the meter's global one."""
        return self in (Style.SERVICE_DED, Style.GENERAL_DED)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ciphered APDU taken apart. `plain_tag` is the tag that must appear inside (None: any), `title` None if not told."""

    dedicated: bool
    plain_tag: int | None
    title: bytes | None
    security_control: int
    counter: int
    protected: bytes
    style: Style


def is_sealed(apdu: bytes) -> bool:
    """Whether this APDU is one of the ciphered forms."""
    return bool(apdu) and (apdu[0] in _PLAIN_OF or apdu[0] in (GENERAL_GLO, GENERAL_DED))


def seal(plain: bytes, *, style: Style, keys: Keys, title: bytes, counter: int) -> bytes:
    """`plain` as this style writes it; Unencodable for a service that has no ciphered form of its own."""
    if style is Style.PLAIN or not plain:
        raise Unencodable("Nothing is ciphered in a plain association.")
    if style in (Style.GENERAL_GLO, Style.GENERAL_DED):
        tag = GENERAL_DED if style.dedicated else GENERAL_GLO
        head = bytes((tag, TITLE_OCTETS)) + title
    else:
        found = (DED if style.dedicated else GLO).get(plain[0])
        if found is None:
            raise Unencodable(f"The APDU 0x{plain[0]:02X} has no service-specific ciphered form.")
        head = bytes((found,))
    control = bytes((AUTHENTICATED_ENCRYPTION,))
    nonce = ciphering._nonce(title, counter)
    sealed = AESGCM(keys.encryption_key).encrypt(nonce, plain, control + keys.authentication_key)
    # AESGCM gives a tag of 16 octets; suite 0 keeps 12 of them.
    body = control + nonce[TITLE_OCTETS:] + sealed[: TAG_OCTETS - 16]
    return head + encode_length(len(body)) + body


def parse(octets: bytes) -> Sealed:
    """Take any ciphered APDU apart without judging it."""
    reader = Reader(octets)
    tag = reader.octet()
    title: bytes | None = None
    if tag in (GENERAL_GLO, GENERAL_DED):
        title = reader.take(reader.length()) or None
        style = Style.GENERAL_DED if tag == GENERAL_DED else Style.GENERAL_GLO
        plain_tag = None
        if title is not None and len(title) != TITLE_OCTETS:
            raise Malformed("A system title has 8 octets.")
    elif tag in _PLAIN_OF:
        plain_tag = _PLAIN_OF[tag]
        style = Style.SERVICE_DED if DED.get(plain_tag) == tag else Style.SERVICE_GLO
    else:
        raise UnknownApdu(f"The APDU tag 0x{tag:02X} is none of the ciphered ones.")
    body = Reader(reader.take(reader.length()))
    reader.end()
    control = body.octet()
    counter = int.from_bytes(body.take(COUNTER_OCTETS), "big")
    return Sealed(style.dedicated, plain_tag, title, control, counter, body.take(body.remaining()), style)


def unseal(sealed: Sealed, *, keys: Keys, title: bytes) -> bytes:
    """The plain APDU, proven by its tag; AuthFailed, Unprotected, or Malformed when another service was inside."""
    if sealed.title is not None and sealed.title != title:
        raise Malformed("The APDU names another originator than the association.")
    plain = ciphering.unprotect(
        ciphering.Ciphered(title, sealed.security_control, sealed.counter, sealed.protected), keys
    )
    if not plain or (sealed.plain_tag is not None and plain[0] != sealed.plain_tag):
        raise Malformed("Another service is inside than the ciphered tag says.")
    return plain


class Cipher:
    """One end's ciphering: its title and keys, its source of counters, and what it takes from the peer.

    `next_counter` gives a counter that is already kept as used; `take_counter` raises Stale on one seen before.
    """

    def __init__(
        self,
        *,
        keys: Keys,
        title: bytes,
        next_counter: Callable[[], int],
        take_counter: Callable[[bytes, int], None],
    ) -> None:
        self.keys = keys
        self.title = title
        self.peer_title: bytes | None = None
        self.next_counter = next_counter
        self._take_counter = take_counter
        self._dedicated: Keys | None = None
        self._dedicated_sent = self._dedicated_taken = 0

    def dedicate(self, key: bytes | None) -> None:
        """The dedicated key of this association; its counters begin anew."""
        self._dedicated = Keys(key, self.keys.authentication_key) if key is not None else None
        self._dedicated_sent = self._dedicated_taken = 0

    def seal(self, plain: bytes, style: Style) -> bytes:
        """Cipher an APDU of our own."""
        if not style.dedicated:
            return seal(plain, style=style, keys=self.keys, title=self.title, counter=self.next_counter())
        if self._dedicated is None:
            raise Unencodable("This association has no dedicated key.")
        self._dedicated_sent += 1
        return seal(plain, style=style, keys=self._dedicated, title=self.title, counter=self._dedicated_sent)

    def open(self, octets: bytes) -> tuple[bytes, Style]:
        """A ciphered APDU of the peer: proven first, then its counter is taken."""
        sealed = parse(octets)
        title = self.peer_title if self.peer_title is not None else sealed.title
        if title is None or title == self.title:
            raise Malformed("Nobody has said whose APDU this is.")
        keys = self._dedicated if sealed.dedicated else self.keys
        if keys is None:
            raise Unprotected("This association has no dedicated key.")
        plain = unseal(sealed, keys=keys, title=title)
        if not sealed.dedicated:
            self._take_counter(title, sealed.counter)
        elif sealed.counter <= self._dedicated_taken:
            raise stale(sealed.counter)
        else:
            self._dedicated_taken = sealed.counter
        return plain, sealed.style


def stale(counter: int) -> Stale:
    """The error for a counter that was used before."""
    return Stale(f"The invocation counter {counter} was used before.")
