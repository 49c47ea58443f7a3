# SPDX-License-Identifier: Apache-2.0
"""The TCP wrapper as a link of the same shape as HDLC's (IEC 62056-4-7): APDUs out of a stream, nothing to set up."""

from __future__ import annotations

from duaarah.wire.dlms import wrapper
from duaarah.wire.dlms.errors import OutOfOrder, WrongAddress
from duaarah.wire.dlms.hdlc_link import HdlcLink, LinkApdu, LinkEvent
from duaarah.wire.dlms.wrapper import WRAPPER_OCTETS, Wrapped


class WrapperLink:
    """One end. A client is given both SAPs; a server (peer None) answers whoever asked last."""

    def __init__(self, own: int, peer: int | None) -> None:
        self._own, self._peer = own, peer
        self._any_peer = peer is None
        self._buffer = bytearray()
        self._out = bytearray()
        self.up = True

    def connect(self) -> None:
        """Nothing: the TCP connection is the link."""

    def disconnect(self) -> None:
        """Nothing: closing the TCP connection closes the link."""
        self.up = False

    def take(self) -> bytes:
        """What is to be sent now."""
        octets = bytes(self._out)
        self._out.clear()
        return octets

    def send(self, apdu: bytes) -> None:
        """Wrap an APDU."""
        if self._peer is None:
            raise OutOfOrder("Nobody has asked yet.")
        self._out += wrapper.wrap(Wrapped(self._own, self._peer, apdu))

    def receive(self, octets: bytes) -> list[LinkEvent]:
        """The APDUs that are complete now; Malformed or WrongAddress ends the link."""
        self._buffer += octets
        events: list[LinkEvent] = []
        while len(self._buffer) >= WRAPPER_OCTETS:
            end = WRAPPER_OCTETS + wrapper.apdu_length(bytes(self._buffer[:WRAPPER_OCTETS]))
            if len(self._buffer) < end:
                break
            frame = wrapper.unwrap(bytes(self._buffer[:end]))
            del self._buffer[:end]
            if self._any_peer:
                self._peer = frame.source
            if (frame.source, frame.destination) != (self._peer, self._own):
                raise WrongAddress("The frame is not of this link's service access points.")
            events.append(LinkApdu(frame.apdu, frame.source))
        return events


Link = WrapperLink | HdlcLink
