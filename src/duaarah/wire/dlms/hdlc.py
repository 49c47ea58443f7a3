# SPDX-License-Identifier: Apache-2.0
"""One HDLC frame of type 3 (IEC 62056-46, 6.4): read and check, not written. Segmented frames are refused.

Flag, format (2), destination, source, control, HCS, information (LLC E6 E6/E7 00 and the APDU), FCS, flag.
"""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.wire.dlms.errors import BadChecksum, Incomplete, Malformed

FLAG = 0x7E
_ADDRESS_OCTETS = (1, 2, 4)
_LLC = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")


@dataclass(frozen=True, slots=True)
class HdlcFrame:
    """The addresses as sent (extension bits included), the control octet and the APDU without its LLC header."""

    destination: bytes
    source: bytes
    control: int
    apdu: bytes


def check_sequence(octets: bytes) -> int:
    """CRC-16/X-25 as HDLC sends it, low octet first on the line (ISO/IEC 13239)."""
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = (register >> 1) ^ 0x8408 if register & 1 else register >> 1
    return register ^ 0xFFFF


def _check(octets: bytes, sequence: bytes, name: str) -> None:
    if check_sequence(octets) != int.from_bytes(sequence, "little"):
        raise BadChecksum(f"The {name} check sequence does not match.")


def _address(octets: bytes, start: int) -> bytes:
    for width in _ADDRESS_OCTETS:
        part = octets[start : start + width]
        if len(part) == width and part[-1] & 1:
            return part
    raise Malformed("An HDLC address has 1, 2 or 4 octets, the last one odd.")


def decode(octets: bytes) -> HdlcFrame:
    """Exactly one frame, from flag to flag."""
    if len(octets) < 3:
        raise Incomplete("An HDLC frame is longer than this.")
    form = int.from_bytes(octets[1:3], "big")
    if octets[0] != FLAG or form >> 12 != 0xA:
        raise Malformed("This is not an HDLC frame of type 3.")
    if form & 0x0800:
        raise Malformed("A segmented HDLC frame is not supported.")
    length = form & 0x07FF
    if len(octets) < length + 2:
        raise Incomplete(f"The frame announces {length} octets, {max(len(octets) - 2, 0)} are here.")
    if len(octets) > length + 2 or octets[-1] != FLAG:
        raise Malformed("The frame does not end with its flag.")
    inner = octets[1:-1]
    destination = _address(inner, 2)
    source = _address(inner, 2 + len(destination))
    control_at = 2 + len(destination) + len(source)
    if len(inner) < control_at + 3:
        raise Incomplete("The frame ends in its header.")
    _check(inner[: control_at + 1], inner[control_at + 1 : control_at + 3], "header")
    information = inner[control_at + 3 : -2]
    if information:
        _check(inner[:-2], inner[-2:], "frame")
        if information[:3] not in _LLC:
            raise Malformed("The information field does not begin with an LLC header.")
    return HdlcFrame(destination, source, inner[control_at], information[3:])
