# SPDX-License-Identifier: Apache-2.0
"""HDLC frames of type 3 (IEC 62056-46, 6.4): found in a string of octets, checked, put together, and written.

Flag, format (2: type 0xA, segmentation bit, length), destination, source (1, 2 or 4 octets each), control, HCS,
information, FCS, flag. Two frames may share a flag; octets between frames are skipped. The information of the first
segment begins with the LLC header E6 E6 00 or E6 E7 00; some meters leave it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from duaarah.wire.dlms.errors import BadChecksum, Incomplete, Malformed, Unencodable

FLAG = 0x7E
SEGMENTED = 0x0800
FORMAT_OCTETS, CHECK_OCTETS = 2, 2
LENGTH_MAX = 0x07FF
UNNUMBERED_INFORMATION = 0x13
_TYPE = 0xA
_ADDRESS_OCTETS = (1, 2, 4)
_LLC = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")
LLC_TO_CLIENT = _LLC[1]


def _table() -> tuple[int, ...]:
    table = []
    for register in range(256):
        for _ in range(8):
            register = (register >> 1) ^ 0x8408 if register & 1 else register >> 1
        table.append(register)
    return tuple(table)


_CRC = _table()


@dataclass(frozen=True, slots=True)
class HdlcFrame:
    """The addresses as sent (extension bits included), the control octet and the APDU without its LLC header."""

    destination: bytes
    source: bytes
    control: int
    apdu: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A frame in a string: its octets from flag to flag, whether its checks hold, and what it carries.

    `frame` is None where the header cannot be read; its `apdu` is the information field, LLC header included.
    """

    length: int
    crc_ok: bool
    segmented: bool = False
    frame: HdlcFrame | None = None


def check_sequence(octets: bytes) -> int:
    """CRC-16/X-25 as HDLC sends it, low octet first on the line (ISO/IEC 13239)."""
    register = 0xFFFF
    for octet in octets:
        register = (register >> 8) ^ _CRC[(register ^ octet) & 0xFF]
    return register ^ 0xFFFF


def _holds(octets: bytes, sequence: bytes) -> bool:
    return check_sequence(octets) == int.from_bytes(sequence, "little")


def _address(octets: bytes, start: int) -> bytes:
    for width in _ADDRESS_OCTETS:
        part = octets[start : start + width]
        if len(part) == width and part[-1] & 1:
            return part
    raise Malformed("An HDLC address has 1, 2 or 4 octets, the last one odd.")


def scan(octets: bytes) -> list[Found]:
    """All frames in these octets; Malformed when they do not begin like one, Incomplete when the last one is cut."""
    found: list[Found] = []
    start = octets.find(FLAG)
    while start >= 0:
        while octets[start + 1 : start + 2] == b"\x7e":  # a flag may be repeated
            start += 1
        if len(octets) == start + 1 and found:
            return found
        if len(octets) < start + 1 + FORMAT_OCTETS:
            raise Incomplete("An HDLC frame is longer than this.")
        if octets[start + 1] >> 4 != _TYPE:
            if not found:
                raise Malformed("This is not an HDLC frame of type 3.")
            start = octets.find(FLAG, start + 1)  # the flag closed a frame; noise, then the next one's flag
            continue
        frame = _one(octets, start)
        found.append(frame)
        start += frame.length - 1  # its closing flag may open the next frame
    if not found:
        raise Malformed("This is not an HDLC frame of type 3.")
    return found


def _one(octets: bytes, start: int) -> Found:
    """The frame whose opening flag is at `start`. A frame with a damaged header ends at the next flag."""
    form = int.from_bytes(octets[start + 1 : start + 3], "big")
    end = start + 1 + (form & LENGTH_MAX)
    closed = octets[end : end + 1] == b"\x7e"
    inner = octets[start + 1 : end if closed else len(octets)]
    try:
        destination = _address(inner, FORMAT_OCTETS)
        source = _address(inner, FORMAT_OCTETS + len(destination))
    except Malformed:
        return _damaged(octets, start)
    at = FORMAT_OCTETS + len(destination) + len(source)
    if len(inner) < at + 1 + CHECK_OCTETS:
        return _damaged(octets, start)
    if not _holds(inner[: at + 1], inner[at + 1 : at + 1 + CHECK_OCTETS]):
        return _damaged(octets, start)
    if not closed:
        if end >= len(octets):
            raise Incomplete(f"The frame announces {form & LENGTH_MAX} octets and a flag, the octets end before.")
        return _damaged(octets, start)
    information = inner[at + 1 + CHECK_OCTETS : -CHECK_OCTETS]
    sound = not information or _holds(inner[:-CHECK_OCTETS], inner[-CHECK_OCTETS:])
    frame = HdlcFrame(destination, source, inner[at], information)
    return Found(end + 1 - start, sound, bool(form & SEGMENTED), frame)


def _damaged(octets: bytes, start: int) -> Found:
    end = octets.find(FLAG, start + 1)
    if end < 0:
        raise Incomplete("The HDLC frame has no end.")
    return Found(end + 1 - start, crc_ok=False)


def messages(found: Iterable[Found]) -> list[bytes]:
    """The APDUs that sound frames carry, segments put together, LLC headers taken off; Incomplete without the last."""
    whole: list[bytes] = []
    parts: list[bytes] = []
    for one in found:
        if one.frame is None or not one.frame.apdu:
            continue
        information = one.frame.apdu
        if not parts and information[:3] in _LLC:
            information = information[3:]
        parts.append(information)
        if not one.segmented:
            whole.append(b"".join(parts))
            parts.clear()
    if parts:
        raise Incomplete("The last segment of the HDLC frames is missing.")
    return whole


def decode(octets: bytes) -> HdlcFrame:
    """Exactly one unsegmented frame, from flag to flag, with an LLC header before its APDU."""
    if octets[:1] not in (b"", b"\x7e"):
        raise Malformed("This is not an HDLC frame of type 3.")
    found = scan(octets) if octets else []
    if not found:
        raise Incomplete("An HDLC frame is longer than this.")
    if not all(one.crc_ok for one in found):
        raise BadChecksum("A check sequence of the frame does not match.")
    frame = found[0].frame
    if len(found) > 1 or frame is None or found[0].length != len(octets):
        raise Malformed("The frame does not end with its flag.")
    if found[0].segmented:
        raise Malformed("A segmented HDLC frame is not a whole one.")
    if frame.apdu and frame.apdu[:3] not in _LLC:
        raise Malformed("The information field does not begin with an LLC header.")
    return HdlcFrame(frame.destination, frame.source, frame.control, frame.apdu[3:])


def encode(frame: HdlcFrame, *, segmented: bool = False, llc: bytes = LLC_TO_CLIENT) -> bytes:
    """One frame from flag to flag; Unencodable past 2,047 octets."""
    information = llc + frame.apdu if frame.apdu else b""
    header = frame.destination + frame.source + bytes((frame.control,))
    length = FORMAT_OCTETS + len(header) + CHECK_OCTETS + (len(information) + CHECK_OCTETS if information else 0)
    if length > LENGTH_MAX:
        raise Unencodable(f"An HDLC frame has at most {LENGTH_MAX} octets, not {length}.")
    inner = (_TYPE << 12 | (SEGMENTED if segmented else 0) | length).to_bytes(2, "big") + header
    inner += check_sequence(inner).to_bytes(2, "little")
    if information:
        inner += information
        inner += check_sequence(inner).to_bytes(2, "little")
    return bytes((FLAG,)) + inner + bytes((FLAG,))


def encode_message(apdu: bytes, *, destination: bytes, source: bytes, size: int) -> bytes:
    """An APDU in unnumbered information frames of at most `size` octets of information each; flags are shared."""
    information = LLC_TO_CLIENT + apdu
    parts = [information[start : start + size] for start in range(0, len(information), size)]
    line = bytearray()
    for number, part in enumerate(parts):
        frame = HdlcFrame(destination, source, UNNUMBERED_INFORMATION, part)
        octets = encode(frame, segmented=number + 1 < len(parts), llc=b"")
        line += octets[1:] if line else octets
    return bytes(line)
