# SPDX-License-Identifier: Apache-2.0
"""One connection to a meter: wrapper or HDLC as the first octet says, an association for each client that speaks.

A general-glo APDU from a client that has not associated belongs to the pre-established association and goes to the
meter's `answer_request` as before.
"""

from __future__ import annotations

from typing import Protocol

from duaarah.sim.meter.device import Device
from duaarah.sim.meter.link import Dropped
from duaarah.wire.dlms import wrapper
from duaarah.wire.dlms.errors import DlmsError
from duaarah.wire.dlms.hdlc import FLAG
from duaarah.wire.dlms.hdlc_link import HdlcLink, LinkApdu, LinkDown, LinkEvent, server_address
from duaarah.wire.dlms.links import Link, WrapperLink
from duaarah.wire.dlms.sealing import GENERAL_GLO
from duaarah.wire.dlms.serving import Serving
from duaarah.wire.dlms.wrapper import Wrapped

INFORMATION_MAX = 512
CLIENTS_MAX = 4


class HungUp(Exception):
    """The connection is of no use any more: what came is not understood, or may not be answered."""


class Answers(Protocol):
    """A meter as its server needs it; SimMeter is one."""

    def answer_request(self, payload: bytes) -> bytes | None:
        """The answer to one wrapped request of the pre-established association; None when it is dropped."""


class MeterSession:
    """Octets in, octets out; without a device there is the pre-established association only."""

    def __init__(self, meter: Answers, device: Device | None, *, server_sap: int = 1) -> None:
        self._meter, self._device, self._sap = meter, device, server_sap
        self._link: Link | None = None
        self._serving: dict[int, Serving] = {}

    def receive(self, octets: bytes) -> bytes:
        """What to send back; HungUp ends the connection, after what is in its argument was sent."""
        if self._link is None:
            hdlc = octets[:1] == bytes((FLAG,)) and self._device is not None
            address = server_address(self._sap)
            self._link = (
                HdlcLink(address, None, information_max=INFORMATION_MAX) if hdlc else WrapperLink(self._sap, None)
            )
        out = bytearray()
        try:
            for event in self._link.receive(octets):
                self._handle(event, out)
                out += self._link.take()
        except (DlmsError, Dropped, HungUp):
            raise HungUp(bytes(out)) from None
        return bytes(out + self._link.take())

    def _handle(self, event: LinkEvent, out: bytearray) -> None:
        if isinstance(event, LinkDown):
            self._serving.clear()
        if not isinstance(event, LinkApdu):
            return
        serving = self._serving.get(event.source)
        if serving is None or not serving.associated:
            early = event.apdu[0] == GENERAL_GLO and isinstance(self._link, WrapperLink)
            if self._device is None or (early and serving is None):
                out += self._pre_established(event)
                return
        if self._device is not None and (self._device.meter.asleep or not self._device.meter.reachable):
            raise HungUp
        if serving is None:
            serving = self._associate(event.source)
        assert self._link is not None
        for answer in serving.take(event.apdu):
            self._link.send(answer)

    def _pre_established(self, event: LinkApdu) -> bytes:
        answer = self._meter.answer_request(wrapper.wrap(Wrapped(event.source, self._sap, event.apdu)))
        if answer is None:
            raise HungUp
        return answer

    def _associate(self, source: int) -> Serving:
        if len(self._serving) >= CLIENTS_MAX:
            raise HungUp
        assert self._device is not None
        made = self._device.serving(self._device.terms, source, self._device, self._device.cipher())
        self._serving[source] = made
        return made
