# SPDX-License-Identifier: Apache-2.0
"""Every protection that DLMS knows, for reading what foreign meters send (IEC 62056-5-3, 9.2.7 and 9.5).

general-glo and general-ded (DB, DC), service-specific global and dedicated (21-2D, C8-D7), general-ciphering (DD).
Security control: suite in bits 0-3, 0x10 authenticated, 0x20 encrypted, 0x40 broadcast key, 0x80 compressed. The key's
length says AES-128 or AES-256. Whoever acts on a message uses `ciphering`, which takes authenticated encryption only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from duaarah.wire.dlms.ciphering import AUTHENTICATED, COMPRESSED, COUNTER_OCTETS, ENCRYPTED, TAG_OCTETS, TITLE_OCTETS
from duaarah.wire.dlms.data import Reader
from duaarah.wire.dlms.errors import AuthFailed, Incomplete, KeyMissing, Malformed, UnknownApdu

GENERAL_GLO, GENERAL_DED, GENERAL_CIPHERING = 0xDB, 0xDC, 0xDD
# glo-initiate, -read, -write ..., then glo- and ded- of get, set, event, action and their responses.
SPECIFIC = frozenset({0x21, 0x25, 0x26, 0x28, 0x2C, 0x2D}) | frozenset(range(0xC8, 0xD8))
TAGS = SPECIFIC | {GENERAL_GLO, GENERAL_DED, GENERAL_CIPHERING}
SUITE_MASK, SUITE_MAX = 0x0F, 2
_IDENTIFIED, _WRAPPED, _AGREED = 0, 1, 2


@dataclass(frozen=True, slots=True, repr=False)
class ReadKeys:
    """What the reader has: encryption and authentication key (16 or 32 octets), the sender's title. Never printed."""

    encryption_key: bytes | None = None
    authentication_key: bytes | None = None
    system_title: bytes | None = None

    def __post_init__(self) -> None:
        for key in (self.encryption_key, self.authentication_key):
            if key is not None and len(key) not in (16, 32):
                raise Malformed("A key has 16 octets, or 32 for suite 2.")
        if self.system_title is not None and len(self.system_title) != TITLE_OCTETS:
            raise Malformed("A system title has 8 octets.")

    def __repr__(self) -> str:
        return "ReadKeys(hidden)"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A protected APDU taken apart, unproven. `bound` = what general-ciphering authenticates besides, two ways to."""

    system_title: bytes | None
    security_control: int
    counter: int
    protected: bytes = field(repr=False)
    bound: tuple[bytes, ...] = (b"",)


def parse(octets: bytes, *, tail_ok: bool = False) -> Envelope:
    """Take any protected APDU apart; `tail_ok` passes over octets behind it, which link frames of some meters have."""
    reader = Reader(octets)
    tag = reader.octet()
    title: bytes | None = None
    bound: tuple[bytes, ...] = (b"",)
    key_missing = ""
    if tag in (GENERAL_GLO, GENERAL_DED):
        title = _title(reader.take(reader.length()))
    elif tag == GENERAL_CIPHERING:
        title, bound, key_missing = _general(reader)
    elif tag not in SPECIFIC:
        raise UnknownApdu(f"The APDU tag 0x{tag:02X} is no protected APDU.")
    body = Reader(reader.take(reader.length()))
    if not tail_ok:
        reader.end()
    if key_missing:
        raise KeyMissing(key_missing)
    security_control = body.octet()
    if security_control & (AUTHENTICATED | ENCRYPTED):
        counter = int.from_bytes(body.take(COUNTER_OCTETS), "big")
    else:
        counter = int.from_bytes(body.take(min(COUNTER_OCTETS, body.remaining())), "big")
    return Envelope(title, security_control, counter, body.take(body.remaining()), bound)


def _title(octets: bytes) -> bytes | None:
    """A meter may leave its title out when the association has it."""
    if len(octets) not in (0, TITLE_OCTETS):
        raise Malformed("A system title has 8 octets.")
    return octets or None


def _general(reader: Reader) -> tuple[bytes | None, tuple[bytes, ...], str]:
    """Title, additional data with and without the lengths (implementations differ), and why no key will fit."""
    fields, with_lengths = [], b""
    for _ in range(5):  # transaction-id, originator, recipient, date-time, other information
        start = reader.position
        fields.append(reader.take(reader.length()))
        with_lengths += reader.octets[start : reader.position]
    why = ""
    if reader.octet():
        choice = reader.octet()
        if choice == _IDENTIFIED:
            reader.octet()
        elif choice == _WRAPPED:
            reader.octet()
            reader.take(reader.length())
            why = "The frame's key is wrapped by a master key, which is not among the given keys."
        elif choice == _AGREED:
            reader.take(reader.length())
            reader.take(reader.length())
            why = "The frame's key comes from a key agreement (elliptic curves), which is not supported."
        else:
            raise Malformed(f"{choice} is no kind of key information.")
    return _title(fields[1]), (with_lengths, b"".join(fields)), why


def unprotect(envelope: Envelope, keys: ReadKeys) -> bytes:
    """The plain APDU. KeyMissing when a key or the title is not there, AuthFailed when the tag does not match."""
    control, protected = envelope.security_control, envelope.protected
    if control & SUITE_MASK > SUITE_MAX:
        raise Malformed(f"There is no security suite {control & SUITE_MASK}.")
    if control & COMPRESSED:
        raise Malformed("The APDU is compressed (V.44), which is not supported.")
    if not control & (AUTHENTICATED | ENCRYPTED):
        return protected
    title = envelope.system_title or keys.system_title
    if title is None:
        raise KeyMissing("This form does not name its sender: system_title is needed.")
    if keys.encryption_key is None:
        raise KeyMissing("The frame is protected: ek is needed.")
    key, nonce = algorithms.AES(keys.encryption_key), title + envelope.counter.to_bytes(COUNTER_OCTETS, "big")
    if not control & AUTHENTICATED:
        # Encryption alone is the counter mode of GCM; nothing proves what comes out.
        stream = Cipher(key, modes.CTR(nonce + b"\x00\x00\x00\x02")).decryptor()
        return stream.update(protected) + stream.finalize()
    if keys.authentication_key is None:
        raise KeyMissing("The frame is authenticated: ak is needed.")
    if len(protected) < TAG_OCTETS:
        raise Incomplete("The protected part is shorter than its tag.")
    text, tag = protected[:-TAG_OCTETS], protected[-TAG_OCTETS:]
    for bound in dict.fromkeys(envelope.bound):
        cipher = Cipher(key, modes.GCM(nonce, tag, min_tag_length=TAG_OCTETS)).decryptor()
        cipher.authenticate_additional_data(bytes((control,)) + keys.authentication_key + bound)
        if not control & ENCRYPTED:
            cipher.authenticate_additional_data(text)
        plain = cipher.update(text) if control & ENCRYPTED else text
        try:
            cipher.finalize()
        except InvalidTag:
            continue
        return plain
    raise AuthFailed("The authentication tag does not match: a wrong key, or altered on the way.")
