# SPDX-License-Identifier: Apache-2.0
"""Pushes out of a stream or a datagram: octets in, whole APDUs out, wrapper (IEC 62056-4-7) or HDLC as the first octet says.

Several APDUs may follow each other; HDLC segments and general blocks are put together; octets between HDLC frames are
skipped. Nothing is kept beyond `octets_max`: what announces more is refused when its header is read.
"""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.wire.dlms import gbt, hdlc
from duaarah.wire.dlms.errors import BadChecksum, DlmsError, Malformed, TooLong, UnknownFraming
from duaarah.wire.dlms.hdlc import FLAG, LENGTH_MAX
from duaarah.wire.dlms.link import Framing
from duaarah.wire.dlms.wrapper import VERSION, WRAPPER_OCTETS

OCTETS_MAX = 16_384
# Damaged frames one behind the other: a line so bad, or a peer that is none.
DAMAGED_MAX = 32
INFORMATION_MAX = 128  # octets in a frame to a meter whose limit is not known (IEC 62056-46, 6.4.4.4.3.2)
_LLC = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")
_TYPE = 0xA


@dataclass(frozen=True, slots=True)
class Pushed:
    """One APDU and the octets that carried it; `source` and `destination` as that framing writes addresses."""

    framing: Framing
    source: bytes
    destination: bytes
    raw: bytes
    apdu: bytes

    def answer(self, apdu: bytes) -> bytes:
        """An APDU back to the sender, in the framing it uses."""
        if self.framing is Framing.HDLC:
            return hdlc.encode_message(apdu, destination=self.source, source=self.destination, size=INFORMATION_MAX)
        head = VERSION.to_bytes(2, "big") + self.destination + self.source
        return head + len(apdu).to_bytes(2, "big") + apdu


class PushReader:
    """One connection's octets. `damaged` counts HDLC frames whose check sequence is wrong: they are passed over."""

    def __init__(self, octets_max: int = OCTETS_MAX) -> None:
        self._octets_max = octets_max
        self._buffer = bytearray()
        self._framing: Framing | None = None
        self._segments: list[bytes] = []
        self._blocks: list[bytes] = []
        self._raw: list[bytes] = []
        self._kept = 0
        self._broken = False  # a segment is lost: what follows it up to the last one is no message
        self._damaged_row = 0
        self.damaged = 0

    @property
    def waiting(self) -> bool:
        """Whether a message has begun that is not whole."""
        return self._kept > 0 or len(self._buffer) > 1 or self._buffer[:1] not in (b"", b"\x7e")

    def receive(self, octets: bytes) -> list[Pushed]:
        """
        The messages that these octets end.

        Raises:
            UnknownFraming, Malformed, TooLong, BadChecksum: nothing that comes later on this connection can be understood.
        """
        self._buffer += octets
        if self._framing is None and self._buffer:
            self._framing = _framing(self._buffer[0])
        found: list[Pushed] = []
        if self._framing is Framing.HDLC:
            while self._hdlc(found):
                pass
        elif self._framing is not None:
            while self._wrapped(found):
                pass
        return found

    def _wrapped(self, found: list[Pushed]) -> bool:
        """Take one wrapped APDU; False when it is not whole."""
        buffer = self._buffer
        if len(buffer) < WRAPPER_OCTETS:
            if len(buffer) > 1 and int.from_bytes(buffer[:2], "big") != VERSION:
                raise Malformed("The wrapper's version is not 1.")
            return False
        if int.from_bytes(buffer[:2], "big") != VERSION:
            raise Malformed("The wrapper's version is not 1.")
        length = int.from_bytes(buffer[6:8], "big")
        if not length:
            raise Malformed("The wrapper announces no APDU.")
        end = WRAPPER_OCTETS + length
        if self._kept + end > self._octets_max:
            raise TooLong(f"A push has at most {self._octets_max} octets here.")
        if len(buffer) < end:
            return False
        raw = bytes(buffer[:end])
        del buffer[:end]
        self._whole(found, raw[2:4], raw[4:6], raw, raw[WRAPPER_OCTETS:])
        return True

    def _hdlc(self, found: list[Pushed]) -> bool:
        """Take one HDLC frame, or noise; False when more octets are needed."""
        buffer = self._buffer
        start = buffer.find(FLAG)
        if start < 0:
            buffer.clear()
            return False
        while buffer[start + 1 : start + 2] == b"\x7e":
            start += 1
        del buffer[:start]
        if len(buffer) < 3:
            return False
        if buffer[1] >> 4 != _TYPE:
            del buffer[:1]  # a closing flag, then noise
            return True
        end = 1 + (int.from_bytes(buffer[1:3], "big") & LENGTH_MAX)
        if len(buffer) <= end:
            return False
        octets = bytes(buffer[: end + 1])
        frame = _sound(octets)
        if frame is None:
            self.damaged += 1
            self._damaged_row += 1
            if self._damaged_row > DAMAGED_MAX:
                raise BadChecksum(f"More than {DAMAGED_MAX} frames in a row are damaged.")
            self._broken = True
            self._forget()
            del buffer[:1]
            return True
        self._damaged_row = 0
        del buffer[:end]  # its closing flag may open the next one
        if not frame.information:
            return True
        if self._kept + len(octets) > self._octets_max:
            raise TooLong(f"A push has at most {self._octets_max} octets here.")
        information = frame.information
        if self._broken and information[:3] not in _LLC:
            self._broken = frame.segmented
            return True
        self._broken = False
        if not self._segments and information[:3] in _LLC:
            information = information[3:]
        self._segments.append(information)
        if frame.segmented:
            self._keep(octets)
            return True
        apdu = b"".join(self._segments)
        self._segments.clear()
        if apdu:
            self._whole(found, frame.source, frame.destination, octets, apdu)
        return True

    def _keep(self, raw: bytes) -> None:
        self._raw.append(raw)
        self._kept += len(raw)

    def _forget(self) -> None:
        self._segments.clear()
        self._blocks.clear()
        self._raw.clear()
        self._kept = 0

    def _whole(self, found: list[Pushed], source: bytes, destination: bytes, raw: bytes, apdu: bytes) -> None:
        """An APDU, or one more block of it."""
        self._keep(raw)
        if apdu[0] == gbt.TAG:
            self._blocks.append(apdu)
            if len(apdu) < 2 or not apdu[1] & gbt.LAST:
                return
            apdu = gbt.join(self._blocks)
            if not apdu:
                raise Malformed("The blocks hold no APDU.")
        assert self._framing is not None
        found.append(Pushed(self._framing, source, destination, b"".join(self._raw), apdu))
        self._forget()


@dataclass(frozen=True, slots=True)
class _Frame:
    destination: bytes
    source: bytes
    segmented: bool
    information: bytes


def _sound(octets: bytes) -> _Frame | None:
    """The one frame from flag to flag; None when a check sequence does not hold."""
    try:
        found = hdlc.scan(octets)
    except DlmsError:
        return None
    frame = found[0].frame
    if not found[0].crc_ok or frame is None or found[0].length != len(octets):
        return None
    return _Frame(frame.destination, frame.source, found[0].segmented, frame.apdu)


def _framing(first: int) -> Framing:
    if first == FLAG:
        return Framing.HDLC
    if first == 0:
        return Framing.WRAPPER
    raise UnknownFraming("A push begins like a wrapper or an HDLC frame.")
