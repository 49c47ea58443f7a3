# SPDX-License-Identifier: Apache-2.0
"""What carries an APDU: the wrapper of TCP and UDP (IEC 62056-4-7, 8 octets) and the SMS short wrapper (2 octets).

The order of the two service access points in the short wrapper differs between implementations, so it is a setting
of the meter's profile. One SMS carries 140 octets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from duaarah.wire.dlms.errors import Incomplete, Malformed, TooLong, Unencodable

SMS_OCTETS = 140
WRAPPER_OCTETS = 8
SHORT_OCTETS = 2
VERSION = 1
APDU_MAX = 2048


class ShortOrder(StrEnum):
    """Whose SAP the sender of a short-wrapped APDU writes first."""

    OWN_FIRST = "own_first"
    PEER_FIRST = "peer_first"


@dataclass(frozen=True, slots=True)
class Wrapped:
    """An APDU with the service access points of its sender and of its receiver."""

    source: int
    destination: int
    apdu: bytes


def wrap(frame: Wrapped) -> bytes:
    """The 8-octet wrapper: version, source, destination, length."""
    if len(frame.apdu) > APDU_MAX:
        raise TooLong(f"An APDU has at most {APDU_MAX} octets here, not {len(frame.apdu)}.")
    if not (0 <= frame.source <= 0xFFFF and 0 <= frame.destination <= 0xFFFF):
        raise Unencodable("A service access point has 16 bits in the wrapper.")
    numbers = (VERSION, frame.source, frame.destination, len(frame.apdu))
    return b"".join(number.to_bytes(2, "big") for number in numbers) + frame.apdu


def apdu_length(header: bytes) -> int:
    """How many octets follow this 8-octet header; for a reader of a stream."""
    if len(header) < WRAPPER_OCTETS:
        raise Incomplete("A wrapper header has 8 octets.")
    if int.from_bytes(header[0:2], "big") != VERSION:
        raise Malformed("The wrapper's version is not 1.")
    length = int.from_bytes(header[6:8], "big")
    if not 0 < length <= APDU_MAX:
        raise Malformed(f"An APDU of {length} octets is outside 1 to {APDU_MAX}.")
    return length


def unwrap(octets: bytes) -> Wrapped:
    """Exactly one wrapped APDU."""
    length = apdu_length(octets[:WRAPPER_OCTETS])
    apdu = octets[WRAPPER_OCTETS:]
    if len(apdu) < length:
        raise Incomplete(f"The wrapper announces {length} octets, {len(apdu)} are here.")
    if len(apdu) > length:
        raise Malformed(f"{len(apdu) - length} octets are left over after the wrapped APDU.")
    return Wrapped(int.from_bytes(octets[2:4], "big"), int.from_bytes(octets[4:6], "big"), apdu)


def scan(octets: bytes) -> list[Wrapped]:
    """All wrapped APDUs of a string, one behind the other, of any length that the header can say."""
    found: list[Wrapped] = []
    while octets or not found:
        if len(octets) < WRAPPER_OCTETS:
            raise Incomplete("A wrapper header has 8 octets.")
        version, source, destination, length = (int.from_bytes(octets[at : at + 2], "big") for at in (0, 2, 4, 6))
        if version != VERSION:
            raise Malformed("The wrapper's version is not 1.")
        end = WRAPPER_OCTETS + length
        if len(octets) < end:
            raise Incomplete(f"The wrapper announces {length} octets, {len(octets) - WRAPPER_OCTETS} are here.")
        found.append(Wrapped(source, destination, octets[WRAPPER_OCTETS:end]))
        octets = octets[end:]
    return found


def wrap_short(frame: Wrapped, order: ShortOrder) -> bytes:
    """The 2-octet SMS wrapper in the given order."""
    if not (0 <= frame.source <= 0xFF and 0 <= frame.destination <= 0xFF):
        raise Unencodable("A service access point has 8 bits in the short wrapper.")
    saps = (frame.source, frame.destination)
    return bytes(saps if order is ShortOrder.OWN_FIRST else saps[::-1]) + frame.apdu


def unwrap_short(octets: bytes, order: ShortOrder) -> Wrapped:
    """The APDU of a short-wrapped SMS."""
    if len(octets) < 3:
        raise Incomplete("A short wrapper has 2 octets and an APDU behind them.")
    first, second = octets[0], octets[1]
    source, destination = (first, second) if order is ShortOrder.OWN_FIRST else (second, first)
    return Wrapped(source, destination, octets[2:])
