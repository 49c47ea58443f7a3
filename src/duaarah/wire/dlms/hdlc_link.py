# SPDX-License-Identifier: Apache-2.0
"""The HDLC data link as a connection (IEC 62056-46, 6.4 and 6.5): SNRM/UA/DISC/DM, I and RR frames, segmentation.

`HdlcLink` is a station without a line: octets in, events and octets out. Both roles share it; the window is 1, the
poll bit goes with every frame. A frame with a wrong check sequence is counted and passed over, as the line does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from duaarah.wire.dlms.errors import Malformed, OutOfOrder, TooLong, Unencodable
from duaarah.wire.dlms.hdlc import FLAG, check_sequence

SNRM, DISC, UA, DM, FRMR, UI = 0x83, 0x43, 0x63, 0x0F, 0x87, 0x03  # without the poll bit
RR, RNR = 0x01, 0x05
POLL = 0x10
INFORMATION_MAX = 128  # the standard's default until UA says otherwise
FRAME_MAX = 0x7FF
APDU_MAX = 1 << 16
LLC_COMMAND, LLC_RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
_SEGMENTED = 0x0800


def client_address(sap: int) -> bytes:
    """A client's address, one octet."""
    if not 0 <= sap <= 0x7F:
        raise Unencodable("A client's HDLC address has 7 bits.")
    return bytes((sap << 1 | 1,))


def server_address(logical: int, physical: int | None = None) -> bytes:
    """A server's address: 1 octet without a physical device, else 2, or 4 when a part exceeds 7 bits."""
    parts = (logical,) if physical is None else (logical, physical)
    if not all(0 <= part <= 0x3FFF for part in parts):
        raise Unencodable("A part of a server's HDLC address has 14 bits.")
    if physical is None and logical > 0x7F:
        parts = (logical, 0)
    if all(part <= 0x7F for part in parts):
        octets = bytes(part << 1 for part in parts)
    else:
        octets = b"".join(bytes((part >> 7 << 1, (part & 0x7F) << 1)) for part in parts)
    return octets[:-1] + bytes((octets[-1] | 1,))


def logical_of(address: bytes) -> int:
    """The logical device (upper address) of a server's address, or a client's SAP."""
    return address[0] >> 1 if len(address) < 4 else (address[0] >> 1) << 7 | address[1] >> 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, its information octets as they are (the LLC header included). `control` without the poll bit."""

    destination: bytes
    source: bytes
    control: int
    information: bytes = b""
    segmented: bool = False
    poll: bool = True


def encode(frame: Frame) -> bytes:
    """From flag to flag."""
    header = frame.destination + frame.source + bytes((frame.control | POLL * frame.poll,))
    length = 2 + len(header) + 2 + (len(frame.information) + 2 if frame.information else 0)
    if length > FRAME_MAX:
        raise TooLong(f"An HDLC frame has at most {FRAME_MAX} octets.")
    inner = (0xA000 | _SEGMENTED * frame.segmented | length).to_bytes(2, "big") + header
    inner += check_sequence(inner).to_bytes(2, "little")
    if frame.information:
        inner += frame.information
        inner += check_sequence(inner).to_bytes(2, "little")
    return bytes((FLAG,)) + inner + bytes((FLAG,))


class FrameReader:
    """Frames out of a stream; `bad` counts what was passed over."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.bad = 0

    def feed(self, octets: bytes) -> list[Frame]:
        """The frames that are complete now."""
        self._buffer += octets
        frames: list[Frame] = []
        while True:
            start = self._buffer.find(FLAG)
            if start < 0:
                self._buffer.clear()
                return frames
            del self._buffer[:start]
            while len(self._buffer) > 1 and self._buffer[1] == FLAG:
                del self._buffer[0]
            if len(self._buffer) < 3:
                return frames
            form = int.from_bytes(self._buffer[1:3], "big")
            length = form & FRAME_MAX
            if form >> 12 != 0xA or length < 7:
                self.bad += 1
                del self._buffer[0]
                continue
            if len(self._buffer) < length + 2:
                return frames
            frame = _parse(bytes(self._buffer[1 : length + 1])) if self._buffer[length + 1] == FLAG else None
            if frame is None:
                self.bad += 1
                del self._buffer[0]
                continue
            del self._buffer[: length + 1]  # the closing flag may open the next frame
            frames.append(frame)


def _parse(inner: bytes) -> Frame | None:
    """A frame between its flags, None when a check sequence or an address is wrong."""
    at = 2
    addresses = []
    for _ in range(2):
        width = next((width for width in (1, 2, 4) if at + width <= len(inner) and inner[at + width - 1] & 1), 0)
        if not width:
            return None
        addresses.append(inner[at : at + width])
        at += width
    header = inner[: at + 1]
    if len(inner) < at + 3 or check_sequence(header) != int.from_bytes(inner[at + 1 : at + 3], "little"):
        return None
    information = inner[at + 3 : -2]
    if len(inner) > at + 3 and check_sequence(inner[:-2]) != int.from_bytes(inner[-2:], "little"):
        return None
    control = inner[at]
    segmented = bool(int.from_bytes(inner[:2], "big") & _SEGMENTED)
    return Frame(addresses[0], addresses[1], control & ~POLL, information, segmented, bool(control & POLL))


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The link is set up; the peer's address."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link is closed, by DISC, or by the other side's DM or FRMR."""


@dataclass(frozen=True, slots=True)
class LinkApdu:
    """An APDU that came whole, and the service access point of its sender."""

    apdu: bytes
    source: int


LinkEvent = LinkUp | LinkDown | LinkApdu


class HdlcLink:
    """One station. A client is given both addresses; a server (peer None) learns the client's from SNRM."""

    def __init__(self, own: bytes, peer: bytes | None, *, information_max: int = INFORMATION_MAX) -> None:
        if not 16 <= information_max <= FRAME_MAX - 20:
            raise Unencodable("An HDLC frame carries 16 to 2027 octets of information.")
        self.client = peer is not None
        self._own, self._peer = own, peer
        self._offered = information_max
        self.reader = FrameReader()
        self._out = bytearray()
        self._latest = b""
        self._reset()
        self.up = False

    def _reset(self) -> None:
        self._send_number = self._receive_number = 0
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._unacknowledged = False
        self._assembly = bytearray()
        self._segment = min(self._offered, INFORMATION_MAX)

    def take(self) -> bytes:
        """What is to be sent now."""
        octets = bytes(self._out)
        self._out.clear()
        return octets

    def connect(self) -> None:
        """SNRM with our limits."""
        if not self.client or self.up:
            raise OutOfOrder("Only a client whose link is down asks for one.")
        self._frame(SNRM, _parameters(self._offered))

    def disconnect(self) -> None:
        """DISC."""
        if not self.client:
            raise OutOfOrder("Only a client closes the link.")
        self._frame(DISC)

    def repeat(self) -> None:
        """Send the latest frame again: its answer did not come in time."""
        self._out += self._latest

    def send(self, apdu: bytes) -> None:
        """An APDU, in as many I frames as it takes."""
        if not self.up:
            raise OutOfOrder("The HDLC link is down.")
        if self._waiting or (self.client and self._unacknowledged):
            raise OutOfOrder("The APDU before is still on its way.")
        octets = (LLC_COMMAND if self.client else LLC_RESPONSE) + apdu
        pieces = [octets[start : start + self._segment] for start in range(0, len(octets), self._segment)]
        self._waiting.extend((piece, number + 1 < len(pieces)) for number, piece in enumerate(pieces))
        self._next_piece()

    def _next_piece(self) -> None:
        piece, more = self._waiting.popleft()
        self._frame(self._receive_number << 5 | self._send_number << 1, piece, segmented=more)
        self._send_number = (self._send_number + 1) % 8
        self._unacknowledged = True

    def _frame(self, control: int, information: bytes = b"", *, segmented: bool = False) -> None:
        assert self._peer is not None
        self._latest = encode(Frame(self._peer, self._own, control, information, segmented))
        self._out += self._latest

    def receive(self, octets: bytes) -> list[LinkEvent]:
        """Octets of the line; the events they make. Malformed when the peer breaks the protocol."""
        events: list[LinkEvent] = []
        for frame in self.reader.feed(octets):
            if logical_of(frame.destination) != logical_of(self._own):
                continue  # another station's on the same line
            if self._peer is not None and frame.source != self._peer and frame.control != SNRM:
                continue
            event = self._handle(frame)
            if event is not None:
                events.append(event)
        return events

    def _handle(self, frame: Frame) -> LinkEvent | None:
        if frame.control & 1 == 0:
            return self._information(frame)
        if frame.control & 0x0F in (RR, RNR):
            self._acknowledged(frame.control >> 5)
            if frame.control & 0x0F == RR and self._waiting and not self._unacknowledged:
                self._next_piece()
            return None
        if self.client:
            return self._unnumbered_to_client(frame)
        if frame.control == SNRM:
            self._peer, self._own = frame.source, frame.destination
            self._reset()
            self._segment = _segment(frame.information, self._offered)
            self.up = True
            self._frame(UA, _parameters(self._offered))
            return LinkUp(frame.source)
        if frame.control == DISC:
            self._peer = frame.source
            self._frame(UA if self.up else DM)
            self.up = False
            return LinkDown()
        return None

    def _unnumbered_to_client(self, frame: Frame) -> LinkEvent | None:
        if frame.control == UA and not self.up:
            self._reset()
            self._segment = _segment(frame.information, self._offered)
            self.up = True
            return LinkUp(frame.source)
        if frame.control in (UA, DM, FRMR):
            self.up = False
            return LinkDown()
        return None

    def _acknowledged(self, number: int) -> None:
        if number == self._send_number:
            self._unacknowledged = False

    def _information(self, frame: Frame) -> LinkEvent | None:
        if not self.up:
            self._peer = frame.source
            if not self.client:
                self._frame(DM)
            return None
        if frame.control >> 1 & 7 != self._receive_number:
            # A repeated frame: the answer before was lost.
            self.repeat()
            return None
        self._acknowledged(frame.control >> 5)
        self._receive_number = (self._receive_number + 1) % 8
        self._assembly += frame.information
        if len(self._assembly) > APDU_MAX:
            raise TooLong(f"An APDU has at most {APDU_MAX} octets here.")
        if frame.segmented:
            self._frame(self._receive_number << 5 | RR)
            return None
        whole, self._assembly = bytes(self._assembly), bytearray()
        if whole[:3] not in (LLC_COMMAND, LLC_RESPONSE) or len(whole) == 3:
            raise Malformed("The information field is not an LLC header and an APDU.")
        return LinkApdu(whole[3:], logical_of(frame.source))


def _parameters(information_max: int) -> bytes:
    """The negotiation of SNRM and UA: information field each way, window 1 each way."""
    size = information_max.to_bytes(2, "big")
    body = b"\x05\x02" + size + b"\x06\x02" + size + b"\x07\x04\x00\x00\x00\x01\x08\x04\x00\x00\x00\x01"
    return b"\x81\x80" + bytes((len(body),)) + body


def _segment(parameters: bytes, offered: int) -> int:
    """What the peer receives at most (parameter 6), at most what we offer; the default when it does not say."""
    if parameters[:2] != b"\x81\x80":
        return min(INFORMATION_MAX, offered)
    at, found = 3, INFORMATION_MAX
    while at + 2 <= len(parameters):
        width = parameters[at + 1]
        if parameters[at] == 6 and 1 <= width <= 2:
            found = int.from_bytes(parameters[at + 2 : at + 2 + width], "big") or INFORMATION_MAX
        at += 2 + width
    return max(min(found, offered), 1)
