# SPDX-License-Identifier: Apache-2.0
"""general-glo-ciphering with security suite 0: AES-128-GCM, tag of 12 octets (IEC 62056-5-3, 9.2.7).

Frame: 0xDB, length 8, system title, length, security control, invocation counter (4), ciphertext, tag (12).
Nonce = originator's system title and invocation counter; additional data = security control and authentication key.
The caller persists a counter *before* it is used here: GCM under a repeated nonce gives the key stream away.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from duaarah.core.replay import COUNTER_MAX
from duaarah.wire.dlms.axdr import Reader, encode_length
from duaarah.wire.dlms.errors import AuthFailed, Malformed, Unencodable, UnknownApdu, Unprotected

GENERAL_GLO_CIPHERING = 0xDB
TITLE_OCTETS, KEY_OCTETS, COUNTER_OCTETS, TAG_OCTETS = 8, 16, 4, 12

# Security control octet: suite in bits 0-3, then authenticated, encrypted, key set (broadcast), compressed.
AUTHENTICATED, ENCRYPTED, BROADCAST, COMPRESSED = 0x10, 0x20, 0x40, 0x80
AUTHENTICATED_ENCRYPTION = AUTHENTICATED | ENCRYPTED


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The global unicast encryption key and the authentication key of one meter, 16 octets each. Never printed."""

    encryption_key: bytes
    authentication_key: bytes

    def __post_init__(self) -> None:
        if len(self.encryption_key) != KEY_OCTETS or len(self.authentication_key) != KEY_OCTETS:
            raise Unencodable("Suite 0 takes keys of 16 octets.")

    def __repr__(self) -> str:
        return "Keys(hidden)"


@dataclass(frozen=True, slots=True)
class Ciphered:
    """A protected APDU as it arrived: who claims to have sent it and under which counter, nothing of it proven yet."""

    system_title: bytes
    security_control: int
    counter: int
    protected: bytes


def _nonce(system_title: bytes, counter: int) -> bytes:
    if len(system_title) != TITLE_OCTETS:
        raise Unencodable("A system title has 8 octets.")
    if not 0 <= counter <= COUNTER_MAX:
        raise Unencodable("An invocation counter has 32 bits; its last value is used up.")
    return system_title + counter.to_bytes(COUNTER_OCTETS, "big")


def protect(plain: bytes, *, keys: Keys, system_title: bytes, counter: int) -> bytes:
    """Encrypt and authenticate `plain` and put it into general-glo-ciphering under the originator's system title."""
    cipher = Cipher(algorithms.AES(keys.encryption_key), modes.GCM(_nonce(system_title, counter))).encryptor()
    cipher.authenticate_additional_data(bytes((AUTHENTICATED_ENCRYPTION,)) + keys.authentication_key)
    ciphertext = cipher.update(plain) + cipher.finalize()
    body = bytes((AUTHENTICATED_ENCRYPTION,)) + counter.to_bytes(COUNTER_OCTETS, "big")
    body += ciphertext + cipher.tag[:TAG_OCTETS]
    title = bytes((TITLE_OCTETS,)) + system_title
    return bytes((GENERAL_GLO_CIPHERING,)) + title + encode_length(len(body)) + body


def parse(octets: bytes) -> Ciphered:
    """Take a general-glo-ciphering APDU apart without judging it."""
    reader = Reader(octets)
    tag = reader.octet()
    if tag != GENERAL_GLO_CIPHERING:
        raise UnknownApdu(f"The APDU tag 0x{tag:02X} is not general-glo-ciphering.")
    if reader.length() != TITLE_OCTETS:
        raise Malformed("A system title has 8 octets.")
    system_title = reader.take(TITLE_OCTETS)
    body = Reader(reader.take(reader.length()))
    reader.end()
    security_control = body.octet()
    counter = int.from_bytes(body.take(COUNTER_OCTETS), "big")
    return Ciphered(system_title, security_control, counter, body.take(body.remaining()))


def unprotect(ciphered: Ciphered, keys: Keys) -> bytes:
    """The plain APDU, proven by its tag; AuthFailed, or Unprotected below authenticated encryption."""
    if ciphered.security_control != AUTHENTICATED_ENCRYPTION:
        raise Unprotected("Only suite 0 with encryption and authentication, unicast key, is accepted.")
    if len(ciphered.protected) < TAG_OCTETS:
        raise Malformed("The protected part is shorter than its tag.")
    tag = ciphered.protected[-TAG_OCTETS:]
    nonce = _nonce(ciphered.system_title, ciphered.counter)
    mode = modes.GCM(nonce, tag, min_tag_length=TAG_OCTETS)
    cipher = Cipher(algorithms.AES(keys.encryption_key), mode).decryptor()
    cipher.authenticate_additional_data(bytes((ciphered.security_control,)) + keys.authentication_key)
    plain = cipher.update(ciphered.protected[:-TAG_OCTETS])
    try:
        return plain + cipher.finalize()
    except InvalidTag:
        raise AuthFailed("The authentication tag does not match.") from None


def gmac(challenge: bytes, *, keys: Keys, system_title: bytes, counter: int) -> bytes:
    """The GMAC tag over a challenge, as HLS mechanism 5 uses it (IEC 62056-5-3, 9.2.7.2.4)."""
    cipher = Cipher(algorithms.AES(keys.encryption_key), modes.GCM(_nonce(system_title, counter))).encryptor()
    cipher.authenticate_additional_data(bytes((AUTHENTICATED,)) + keys.authentication_key + challenge)
    cipher.finalize()
    return cipher.tag[:TAG_OCTETS]
