# SPDX-License-Identifier: Apache-2.0
"""Opening and closing an association (IEC 62056-5-3, 9.3 and 9.4): AARQ, AARE, RLRQ, RLRE in BER, and what they carry.

Inside the user-information stands an xDLMS InitiateRequest or InitiateResponse (`initiate`), plain or ciphered; this
page does not cipher. Everything is written in the shortest definite form; unknown optional BER fields are skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from duaarah.wire.dlms.axdr import Reader, encode_length
from duaarah.wire.dlms.errors import Malformed, Unencodable, UnknownApdu

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
_OBJECT_IDENTIFIER = bytes.fromhex("6085740508")  # joint-iso-ccitt country 756 16 8 (DLMS UA)
_REQUIREMENTS = b"\x07\x80"  # the functional unit "authentication", 7 unused bits


class Context(IntEnum):
    """Application contexts: how objects are named, and whether APDUs may be ciphered."""

    LN, SN, LN_CIPHERED, SN_CIPHERED = 1, 2, 3, 4


class Mechanism(IntEnum):
    """Authentication mechanisms: none, low level (a password), high level (four passes) by kind."""

    NONE, LLS, HLS, HLS_MD5, HLS_SHA1, HLS_GMAC, HLS_SHA256, HLS_ECDSA = 0, 1, 2, 3, 4, 5, 6, 7


class Result(IntEnum):
    """The result of an association."""

    ACCEPTED, REJECTED_PERMANENT, REJECTED_TRANSIENT = 0, 1, 2


class Diagnostic(IntEnum):
    """Why the service user accepted or refused (IEC 62056-5-3, table of result-source-diagnostic)."""

    NULL = 0
    NO_REASON_GIVEN = 1
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = 2
    CALLING_AP_TITLE_NOT_RECOGNIZED = 3
    CALLING_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 4
    CALLING_AE_QUALIFIER_NOT_RECOGNIZED = 5
    CALLING_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 6
    CALLED_AP_TITLE_NOT_RECOGNIZED = 7
    CALLED_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 8
    CALLED_AE_QUALIFIER_NOT_RECOGNIZED = 9
    CALLED_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 10
    AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED = 11
    AUTHENTICATION_MECHANISM_NAME_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Aarq:
    """A client asks for an association. `authentication` is a password or the client's challenge."""

    context: Context
    calling_title: bytes | None = None
    mechanism: Mechanism = Mechanism.NONE
    authentication: bytes | None = None
    user_id: int | None = None
    user_information: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aare:
    """The answer. `by_provider` tells whose table the diagnostic belongs to; `authentication` is the server's challenge."""

    context: Context
    result: Result
    diagnostic: int = 0
    by_provider: bool = False
    responding_title: bytes | None = None
    mechanism: Mechanism = Mechanism.NONE
    authentication: bytes | None = None
    user_information: bytes = b""


@dataclass(frozen=True, slots=True)
class Rlrq:
    """The client ends the association; a ciphered association repeats its InitiateRequest."""

    reason: int | None = 0
    user_information: bytes = b""


@dataclass(frozen=True, slots=True)
class Rlre:
    """The server has ended it."""

    reason: int | None = 0
    user_information: bytes = b""


Acse = Aarq | Aare | Rlrq | Rlre


def diagnostic_text(aare: Aare) -> str:
    """The diagnostic's name."""
    if aare.by_provider:
        return {1: "no reason given", 2: "no common ACSE version"}.get(aare.diagnostic, f"provider {aare.diagnostic}")
    try:
        return Diagnostic(aare.diagnostic).name.lower().replace("_", " ")
    except ValueError:
        return f"diagnostic {aare.diagnostic}"


# -- writing -----------------------------------------------------------------------------------------------------------


def _sized(octets: bytes) -> bytes:
    return encode_length(len(octets)) + octets


def _field(tag: int, octets: bytes) -> bytes:
    return bytes((tag,)) + _sized(octets)


def _integer(tag: int, value: int) -> bytes:
    return _field(tag, _field(0x02, _octet(value)))


def _octet(value: int) -> bytes:
    if not 0 <= value <= 0xFF:
        raise Unencodable("A number of an association has one octet.")
    return bytes((value,))


def _name(tag: int, branch: int, number: int) -> bytes:
    """The object identifier 2.16.756.5.8.branch.number, wrapped for a context, bare for a mechanism."""
    identifier = _OBJECT_IDENTIFIER + bytes((branch, number))
    return _field(tag, _field(0x06, identifier) if branch == 1 else identifier)


def encode(apdu: Acse) -> bytes:
    """The octets of an ACSE APDU."""
    match apdu:
        case Aarq():
            body = _name(0xA1, 1, apdu.context)
            if apdu.calling_title is not None:
                body += _field(0xA6, _field(0x04, apdu.calling_title))
            if apdu.user_id is not None:
                body += _integer(0xA9, apdu.user_id)
            return _field(AARQ, body + _authentication(apdu, 0x8A, 0x8B, 0xAC) + _user_information(apdu))
        case Aare():
            body = _name(0xA1, 1, apdu.context) + _integer(0xA2, apdu.result)
            body += _field(0xA3, _integer(0xA2 if apdu.by_provider else 0xA1, apdu.diagnostic))
            if apdu.responding_title is not None:
                body += _field(0xA4, _field(0x04, apdu.responding_title))
            return _field(AARE, body + _authentication(apdu, 0x88, 0x89, 0xAA) + _user_information(apdu))
        case Rlrq() | Rlre():
            body = b"" if apdu.reason is None else _field(0x80, _octet(apdu.reason))
            return _field(RLRQ if isinstance(apdu, Rlrq) else RLRE, body + _user_information(apdu))


def _authentication(apdu: Aarq | Aare, requirements: int, mechanism: int, value: int) -> bytes:
    if apdu.mechanism is Mechanism.NONE:
        return b""
    octets = _field(requirements, _REQUIREMENTS) + _name(mechanism, 2, apdu.mechanism)
    if apdu.authentication is not None:
        octets += _field(value, _field(0x80, apdu.authentication))
    return octets


def _user_information(apdu: Acse) -> bytes:
    return _field(0xBE, _field(0x04, apdu.user_information)) if apdu.user_information else b""


# -- reading -----------------------------------------------------------------------------------------------------------


def decode(octets: bytes) -> Acse:
    """The ACSE APDU in these octets, all of them; UnknownApdu, Incomplete or Malformed otherwise."""
    reader = Reader(octets)
    tag = reader.octet()
    if tag not in (AARQ, AARE, RLRQ, RLRE):
        raise UnknownApdu(f"The tag 0x{tag:02X} is no ACSE APDU.")
    fields = _fields(Reader(reader.take(reader.length())))
    reader.end()
    if tag in (RLRQ, RLRE):
        reason = fields[0x80][-1] if fields.get(0x80) else None
        information = _inner(fields, 0xBE, 0x04) or b""
        return Rlrq(reason, information) if tag == RLRQ else Rlre(reason, information)
    if tag == AARQ:
        return Aarq(
            context=_context(fields),
            calling_title=_inner(fields, 0xA6, 0x04),
            mechanism=_mechanism(fields, 0x8B),
            authentication=_inner(fields, 0xAC, 0x80),
            user_id=_number(fields, 0xA9),
            user_information=_inner(fields, 0xBE, 0x04) or b"",
        )
    return _read_aare(fields)


def _read_aare(fields: dict[int, bytes]) -> Aare:
    number = _number(fields, 0xA2)
    diagnostic = Reader(fields.get(0xA3, b""))
    source = diagnostic.octet()
    if number not in (0, 1, 2) or source not in (0xA1, 0xA2):
        raise Malformed("The result of an association is 0, 1 or 2 with a diagnostic.")
    reason = _fields(Reader(diagnostic.take(diagnostic.length()))).get(0x02)
    diagnostic.end()
    if not reason or len(reason) > 2:
        raise Malformed("A diagnostic is a small number.")
    return Aare(
        context=_context(fields),
        result=Result(number),
        diagnostic=int.from_bytes(reason, "big"),
        by_provider=source == 0xA2,
        responding_title=_inner(fields, 0xA4, 0x04),
        mechanism=_mechanism(fields, 0x89),
        authentication=_inner(fields, 0xAA, 0x80),
        user_information=_inner(fields, 0xBE, 0x04) or b"",
    )


def _fields(reader: Reader) -> dict[int, bytes]:
    """Tag -> contents of each field; one field twice is Malformed."""
    fields: dict[int, bytes] = {}
    while reader.remaining():
        tag = reader.octet()
        if tag in fields:
            raise Malformed(f"The field 0x{tag:02X} stands twice in the APDU.")
        fields[tag] = reader.take(reader.length())
    return fields


def _inner(fields: dict[int, bytes], tag: int, inner: int) -> bytes | None:
    octets = fields.get(tag)
    if octets is None:
        return None
    reader = Reader(octets)
    if reader.octet() != inner:
        raise Malformed(f"The field 0x{tag:02X} does not hold what it should.")
    value = reader.take(reader.length())
    reader.end()
    return value


def _number(fields: dict[int, bytes], tag: int) -> int | None:
    octets = _inner(fields, tag, 0x02)
    if octets is not None and len(octets) != 1:
        raise Malformed("A number of an association has one octet.")
    return None if octets is None else octets[0]


def _context(fields: dict[int, bytes]) -> Context:
    identifier = _inner(fields, 0xA1, 0x06)
    prefix = _OBJECT_IDENTIFIER + b"\x01"
    if identifier is None or identifier[:-1] != prefix or not 1 <= identifier[-1] <= 4:
        raise Malformed("The application context is none of the standard's.")
    return Context(identifier[-1])


def _mechanism(fields: dict[int, bytes], tag: int) -> Mechanism:
    identifier = fields.get(tag)
    if identifier is None:
        return Mechanism.NONE
    if identifier[:-1] != _OBJECT_IDENTIFIER + b"\x02" or identifier[-1] > 7:
        raise Malformed("The authentication mechanism is none of the standard's.")
    return Mechanism(identifier[-1])
