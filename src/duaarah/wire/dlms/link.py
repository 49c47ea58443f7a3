# SPDX-License-Identifier: Apache-2.0
"""From the octets of a line, a datagram or an SMS to the APDUs in them: which framing it is, and what its frames carry.

HDLC, M-Bus and the wrapper may hold several frames; raw and short are one. A frame whose check fails is listed, and
nothing of the string is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from duaarah.wire.dlms import gbt, hdlc, mbus, protection, wrapper
from duaarah.wire.dlms.errors import BadChecksum, Incomplete


class Framing(StrEnum):
    """In the order in which `auto` tries them."""

    HDLC = "hdlc"
    MBUS = "mbus"
    WRAPPER = "wrapper"
    RAW = "raw"
    SHORT = "short"


# Data-Notification, get/set/event/action and responses, exception; then what only shows that it is an APDU at all:
# initiate, read, write, their responses, information report, association, access, signing.
_SERVICES = frozenset({0x0F, *range(0xC0, 0xC8), 0xD8, gbt.TAG}) | protection.TAGS
_APDU_TAGS = _SERVICES | {0x05, 0x06, 0x08, 0x0C, 0x0D, 0x0E, 0x16, 0x18, *range(0x60, 0x66), 0xD9, 0xDA, 0xDF}


@dataclass(frozen=True, slots=True)
class Frame:
    """One link frame: its octets in all, and what its check says (None = a framing without one)."""

    framing: Framing
    length: int
    crc_ok: bool | None


@dataclass(frozen=True, slots=True)
class Carried:
    """The frames of a string, and the APDUs (or blocks of one) that they carry."""

    framing: Framing
    frames: tuple[Frame, ...]
    payloads: tuple[bytes, ...]


class DamagedFrames(BadChecksum):
    """At least one frame fails its check; `frames` says which."""

    def __init__(self, framing: Framing, frames: Sequence[Frame]) -> None:
        wrong = [number for number, frame in enumerate(frames, 1) if not frame.crc_ok]
        super().__init__(f"The check of frame {wrong[0]} of {len(frames)} does not match.")
        self.framing = framing
        self.frames = tuple(frames)


def candidates(octets: bytes) -> list[Framing]:
    """The framings that these octets may be by their first ones, in the order of trial; empty for none."""
    signs = {
        Framing.HDLC: octets[:1] == b"\x7e" and (len(octets) < 2 or octets[1] == 0x7E or octets[1] >> 4 == 0xA),
        Framing.MBUS: (octets[:1] == b"\x68" and octets[3:4] in (b"", b"\x68")) or _short_then_long(octets),
        Framing.WRAPPER: octets[:2] in (b"\x00", b"\x00\x01"),
        Framing.RAW: octets[:1] != b"" and octets[0] in _APDU_TAGS,
        Framing.SHORT: len(octets) > 2 and octets[2] in _SERVICES,
    }
    return [framing for framing in Framing if signs[framing]]


def _short_then_long(octets: bytes) -> bool:
    return octets[:1] == b"\x10" and octets[4:6] == b"\x16\x68"


def carried(octets: bytes, framing: Framing) -> Carried:
    """What the frames carry; DamagedFrames, Incomplete or Malformed when they cannot be trusted."""
    match framing:
        case Framing.HDLC:
            found = hdlc.scan(octets)
            frames = [Frame(framing, one.length, one.crc_ok) for one in found]
            _refuse_damaged(framing, frames)
            payloads = hdlc.messages(found)
        case Framing.MBUS:
            long_frames = mbus.scan(octets)
            frames = [Frame(framing, one.length, one.crc_ok) for one in long_frames]
            _refuse_damaged(framing, frames)
            payloads = mbus.messages(long_frames)
        case Framing.WRAPPER:
            wrapped = wrapper.scan(octets)
            frames = [Frame(framing, wrapper.WRAPPER_OCTETS + len(one.apdu), None) for one in wrapped]
            payloads = [one.apdu for one in wrapped]
        case _:
            head = wrapper.SHORT_OCTETS if framing is Framing.SHORT else 0
            frames, payloads = [Frame(framing, len(octets), None)], [octets[head:]]
    if not any(payloads):
        raise Incomplete("No frame carries an APDU.")
    return Carried(framing, tuple(frames), tuple(filter(None, payloads)))


def _refuse_damaged(framing: Framing, frames: Sequence[Frame]) -> None:
    if not all(frame.crc_ok for frame in frames):
        raise DamagedFrames(framing, frames)
