# SPDX-License-Identifier: Apache-2.0
"""What an association agrees on (IEC 62056-5-3, 9.5): InitiateRequest, InitiateResponse, ConfirmedServiceError in A-XDR."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from duaarah.wire.dlms.axdr import Reader, encode_length
from duaarah.wire.dlms.errors import Malformed, Unencodable, UnknownApdu

INITIATE_REQUEST, INITIATE_RESPONSE, CONFIRMED_SERVICE_ERROR = 0x01, 0x08, 0x0E
DLMS_VERSION = 6
VAA_NAME_LN = 0x0007
_CONFORMANCE = bytes.fromhex("5f1f0400")  # [APPLICATION 31], 4 octets, no unused bits


class Conformance(IntFlag):
    """The 24 services of a conformance block; bit 0 of the standard is the highest."""

    NONE = 0
    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    DELTA_VALUE_ENCODING = 1 << 17
    ATTRIBUTE_0_SET = 1 << 15
    PRIORITY = 1 << 14
    ATTRIBUTE_0_GET = 1 << 13
    BLOCK_GET = 1 << 12
    BLOCK_SET = 1 << 11
    BLOCK_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERIZED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0


# ServiceError: which list the value belongs to; 6 is the one that answers an InitiateRequest.
SERVICE_ERRORS = {
    0: "application-reference",
    1: "hardware-resource",
    2: "vde-state-error",
    3: "service",
    4: "definition",
    5: "access",
    6: "initiate",
    7: "load-data-set",
    9: "task",
}
INITIATE_ERRORS = {
    0: "other",
    1: "dlms-version-too-low",
    2: "incompatible-conformance",
    3: "pdu-size-too-short",
    4: "refused-by-the-VDE-handler",
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InitiateRequest:
    """What the client proposes; `dedicated_key` lives as long as the association. Never printed: it may hold a key."""

    conformance: Conformance
    pdu_max: int
    dedicated_key: bytes | None = None
    response_allowed: bool = True
    quality_of_service: int | None = None
    version: int = DLMS_VERSION

    def __repr__(self) -> str:
        return "InitiateRequest(hidden)"


@dataclass(frozen=True, slots=True, kw_only=True)
class InitiateResponse:
    """What the server grants; `pdu_max` is the longest APDU it receives (0: no limit)."""

    conformance: Conformance
    pdu_max: int
    quality_of_service: int | None = None
    version: int = DLMS_VERSION
    vaa_name: int = VAA_NAME_LN


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """A service failed before it was understood: service (1 = initiate), list and value of the error."""

    service: int
    kind: int
    value: int

    @property
    def text(self) -> str:
        """The standard's names."""
        name = INITIATE_ERRORS.get(self.value, str(self.value)) if self.kind == 6 else str(self.value)
        return f"{SERVICE_ERRORS.get(self.kind, self.kind)}: {name}"


Initiate = InitiateRequest | InitiateResponse | ConfirmedServiceError


def _octet(value: int) -> bytes:
    if not 0 <= value <= 0xFF:
        raise Unencodable("A number of an association has one octet.")
    return bytes((value,))


def _sized(octets: bytes) -> bytes:
    return encode_length(len(octets)) + octets


def encode(apdu: Initiate) -> bytes:
    """The octets of an InitiateRequest, an InitiateResponse or a ConfirmedServiceError."""
    if isinstance(apdu, ConfirmedServiceError):
        return bytes((CONFIRMED_SERVICE_ERROR,)) + _octet(apdu.service) + _octet(apdu.kind) + _octet(apdu.value)
    if not 0 <= apdu.pdu_max <= 0xFFFF:
        raise Unencodable("The longest APDU has 16 bits.")
    services = _CONFORMANCE + int(apdu.conformance).to_bytes(3, "big") + apdu.pdu_max.to_bytes(2, "big")
    quality = b"\x00" if apdu.quality_of_service is None else b"\x01" + _octet(apdu.quality_of_service)
    if isinstance(apdu, InitiateResponse):
        head = bytes((INITIATE_RESPONSE,)) + quality + _octet(apdu.version)
        return head + services + apdu.vaa_name.to_bytes(2, "big")
    key = b"\x00" if apdu.dedicated_key is None else b"\x01" + _sized(apdu.dedicated_key)
    allowed = b"\x00" if apdu.response_allowed else b"\x01\x00"
    return bytes((INITIATE_REQUEST,)) + key + allowed + quality + _octet(apdu.version) + services


def decode(octets: bytes) -> Initiate:
    """An InitiateRequest, an InitiateResponse or a ConfirmedServiceError, plain."""
    reader = Reader(octets)
    tag = reader.octet()
    if tag == CONFIRMED_SERVICE_ERROR:
        error = ConfirmedServiceError(reader.octet(), reader.octet(), reader.octet())
        reader.end()
        return error
    if tag not in (INITIATE_REQUEST, INITIATE_RESPONSE):
        raise UnknownApdu(f"The tag 0x{tag:02X} opens no association.")
    request = tag == INITIATE_REQUEST
    key = reader.take(reader.length()) if request and reader.octet() else None
    allowed = not (request and reader.octet()) or reader.octet() != 0
    quality = reader.octet() if reader.octet() else None
    version = reader.octet()
    if reader.take(2) != _CONFORMANCE[:2]:
        raise Malformed("The conformance block has the tag 5F 1F.")
    width = reader.octet()
    bits = reader.take(width)
    if width not in (3, 4) or (width == 4 and bits[0] != 0):
        raise Malformed("A conformance block has 24 bits.")
    # Three octets without the count of unused bits: some makers write the block so.
    conformance, pdu_max = Conformance(int.from_bytes(bits[-3:], "big")), int.from_bytes(reader.take(2), "big")
    vaa_name = VAA_NAME_LN if request else int.from_bytes(reader.take(2), "big")
    reader.end()
    if request:
        return InitiateRequest(
            conformance=conformance,
            pdu_max=pdu_max,
            dedicated_key=key,
            response_allowed=allowed,
            quality_of_service=quality,
            version=version,
        )
    return InitiateResponse(
        conformance=conformance, pdu_max=pdu_max, quality_of_service=quality, version=version, vaa_name=vaa_name
    )
