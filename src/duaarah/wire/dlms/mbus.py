# SPDX-License-Identifier: Apache-2.0
"""Wired M-Bus long frames that carry DLMS (EN 13757-2, 5.5; CI-field of EN 13757-3 for DLMS): read and written.

68 L L 68, control, address, CI, STSAP, DTSAP, a part of the APDU, checksum, 16. L counts control to the last octet
before the checksum, which is their sum. CI 00-1F: bits 0-3 number the segments, bit 4 marks the last one. Short
frames (10 C A sum 16) carry nothing and are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from duaarah.wire.dlms.errors import Incomplete, Malformed, Unencodable

START, SHORT_START, STOP = 0x68, 0x10, 0x16
FINAL, SEQUENCE_MASK, CI_MAX = 0x10, 0x0F, 0x1F
SEND_USER_DATA, BROADCAST = 0x53, 0xFF
_HEAD, _TAIL, _SHORT = 4, 2, 5
_FIELDS = 5  # control, address, CI, STSAP, DTSAP
PART_MAX = 0xFF - _FIELDS
SEGMENTS_MAX = 16


@dataclass(frozen=True, slots=True)
class MbusFrame:
    """`length` octets in all; `crc_ok` is the checksum's verdict; `part` of the APDU with its CI-field and SAPs."""

    length: int
    crc_ok: bool
    ci: int
    source: int
    destination: int
    part: bytes


def scan(octets: bytes) -> list[MbusFrame]:
    """All long frames in these octets; Malformed when they do not begin like one, Incomplete when the last is cut."""
    found: list[MbusFrame] = []
    position = 0
    while position < len(octets):
        if octets[position] == SHORT_START and octets[position + _SHORT - 1 : position + _SHORT] == bytes((STOP,)):
            position += _SHORT
        elif octets[position] == START:
            frame = _one(octets[position:])
            found.append(frame)
            position += frame.length
        elif found:
            position += 1  # a gap between frames
        else:
            raise Malformed("This is not an M-Bus long frame.")
    if not found:
        raise Incomplete("There is no M-Bus long frame here.")
    return found


def _one(octets: bytes) -> MbusFrame:
    if len(octets) < _HEAD:
        raise Incomplete("An M-Bus long frame is longer than this.")
    length = octets[1]
    if octets[2] != length or octets[3] != START:
        raise Malformed("An M-Bus long frame begins 68 L L 68.")
    if length < _FIELDS:
        raise Malformed("An M-Bus frame of DLMS has at least control, address, CI and two SAPs.")
    whole = _HEAD + length + _TAIL
    if len(octets) < whole:
        raise Incomplete(f"The M-Bus frame has {whole} octets, {len(octets)} are here.")
    body = octets[_HEAD : _HEAD + length]
    sound = sum(body) & 0xFF == octets[whole - 2] and octets[whole - 1] == STOP
    return MbusFrame(whole, sound, body[2], body[3], body[4], body[_FIELDS:])


def messages(frames: Iterable[MbusFrame]) -> list[bytes]:
    """The APDUs, segments put together in their order; Incomplete when one is missing, Malformed for a foreign CI."""
    whole: list[bytes] = []
    parts: list[bytes] = []
    for frame in frames:
        if frame.ci > CI_MAX:
            raise Malformed(f"The CI-field 0x{frame.ci:02X} does not announce DLMS.")
        if frame.ci & SEQUENCE_MASK != len(parts) & SEQUENCE_MASK:
            raise Incomplete(f"Segment {len(parts)} of the M-Bus frames is missing.")
        parts.append(frame.part)
        if frame.ci & FINAL:
            whole.append(b"".join(parts))
            parts.clear()
    if parts:
        raise Incomplete("The last segment of the M-Bus frames is missing.")
    return whole


def encode(apdu: bytes, *, source: int, destination: int, size: int = PART_MAX) -> bytes:
    """An APDU in as many long frames as it takes, `size` octets of it in each; Unencodable past 16 of them."""
    parts = [apdu[start : start + size] for start in range(0, len(apdu), size)]
    if not 0 < len(parts) <= SEGMENTS_MAX or size > PART_MAX:
        raise Unencodable(f"An APDU takes 1 to {SEGMENTS_MAX} M-Bus frames of {PART_MAX} octets at most.")
    line = bytearray()
    for number, part in enumerate(parts):
        ci = number | (FINAL if number + 1 == len(parts) else 0)
        body = bytes((SEND_USER_DATA, BROADCAST, ci, source, destination)) + part
        line += bytes((START, len(body), len(body), START)) + body + bytes((sum(body) & 0xFF, STOP))
    return bytes(line)
