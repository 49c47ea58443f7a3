# SPDX-License-Identifier: Apache-2.0
"""One connected session of an account, with the faults of the wire itself."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import deque
from typing import TYPE_CHECKING

from duaarah.sim.smsc import receipts
from duaarah.sim.smsc.counters import BindCounters
from duaarah.sim.smsc.message import Message
from duaarah.sim.smsc.outbox import Outbox
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.errors import SMPPError
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.session import Answered, Event, LinkDead, Request, Session, State, Unanswered

if TYPE_CHECKING:
    from duaarah.sim.smsc.server import SMSC

TICK_S = 0.2
UNKNOWN_COMMAND, UNKNOWN_TLV = 0x00010200, 0x1400
OVERSIZE_OCTETS = 70_000
_ENQUIRE_LINK_RESP = p.ENQUIRE_LINK | p.RESPONSE
_KINDS = {p.BIND_RECEIVER: "receiver", p.BIND_TRANSMITTER: "transmitter", p.BIND_TRANSCEIVER: "transceiver"}


class Link:
    """`serve` runs until the connection ends; `queue` holds what this bind is to be given."""

    def __init__(self, smsc: SMSC, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._smsc, self._faults, self._reader = smsc, smsc.faults, reader
        self.out = Outbox(writer)
        self.session = Session(window=50, response_timeout_s=smsc.faults.number("redeliver_s"), enquire_link_s=60)
        self.account = self.kind = ""
        self.range: re.Pattern[str] | None = None
        self.queue: deque[Message] = deque()
        self.counters = BindCounters()

    @property
    def receives(self) -> bool:
        return self.kind in ("receiver", "transceiver")

    async def serve(self) -> None:
        try:
            while self.session.state is not State.CLOSED and not self.out.closing:
                with contextlib.suppress(TimeoutError):
                    data = await asyncio.wait_for(self._reader.read(65_536), TICK_S)
                    if not data:
                        break
                    events, replies = self.session.receive(data, time.monotonic())
                    self.put(self._without_enquiries(replies))
                    self._take(events)
                events, request = self.session.tick(time.monotonic())
                self.put(request)
                self._take(events)
        except (OSError, SMPPError):
            pass
        finally:
            self._smsc.forget(self, [e.token for e in self.session.lost() if isinstance(e, Unanswered)])
            self.out.end()

    def put(self, octets: bytes) -> None:
        """Whole PDUs, in whatever pieces the switch says."""
        self.out.put(octets, self._faults.word("chunks"))

    def _without_enquiries(self, replies: bytes) -> bytes:
        """What the session answers by itself, without the enquire_link_resp that is to stay out."""
        kept, start = bytearray(), 0
        while start < len(replies):
            length = int.from_bytes(replies[start : start + 4], "big")
            command = int.from_bytes(replies[start + 4 : start + 8], "big")
            if command != _ENQUIRE_LINK_RESP or not self._faults.falls("enquire_silent"):
                kept += replies[start : start + length]
            start += length
        return bytes(kept)

    def _take(self, events: list[Event]) -> None:
        now_s = time.monotonic()
        # All that one read brought stood unanswered at once: count it before the first answer.
        for event in events:
            if isinstance(event, Request) and event.pdu.command == p.SUBMIT_SM:
                self.counters.arrived(now_s)
        for event in events:
            match event:
                case Request(pdu=pdu) if pdu.command in p.BINDS:
                    self._bind(pdu)
                case Request(pdu=pdu) if pdu.command == p.SUBMIT_SM and self._takes:
                    self._smsc.submit(self, pdu)
                case Request(pdu=pdu) if pdu.command in (p.SUBMIT_SM, p.DELIVER_SM):
                    self.answer(pdu, p.ESME_RINVBNDSTS)
                case Answered(pdu=pdu, token=Message() as message):
                    self._smsc.delivered(message, pdu.status)
                case Unanswered(token=Message() as message):
                    self._smsc.undelivered(message)
                case LinkDead():
                    raise SMPPError("The ESME does not answer.")
        self.pump()

    @property
    def _takes(self) -> bool:
        # Whoever was asked to go may still have its answers; a new message is for the next bind.
        return self.kind != "receiver" and self.session.state is State.BOUND

    def _bind(self, pdu: PDU) -> None:
        if self.session.state is not State.OPEN:
            self.put(p.encode(PDU(pdu.command | p.RESPONSE, pdu.sequence, 0x05)))  # ESME_RALYBND
            return
        name = pdu.text.get("system_id", "")
        if self._faults.falls("bind_refuse"):
            self.put(self.session.respond(pdu, int(self._faults.number("bind_status"))))
            return
        if self._smsc.accounts.get(name) != pdu.text.get("password"):
            self.put(self.session.respond(pdu, p.ESME_RINVPASWD))
            return
        self.account, self.kind = name, _KINDS[pdu.command]
        with contextlib.suppress(re.error):
            self.range = re.compile(pdu.text.get("address_range", "") or "(?!)")
        self.put(self.session.respond(pdu, system_id="dua-arah-sim"))
        self._smsc.bound(self)

    def answer(self, pdu: PDU, status: int = p.ESME_ROK, message_id: str = "") -> None:
        """submit_sm_resp, or what a fault makes of it."""
        if self.session.state is State.CLOSED or self.out.closing:
            return
        if pdu.command == p.SUBMIT_SM:
            self.counters.answered(refused=status != p.ESME_ROK)
        if self._faults.falls("oversize"):
            head = p.HEADER.pack(OVERSIZE_OCTETS, pdu.command | p.RESPONSE, status, pdu.sequence)
            self.put(head.ljust(OVERSIZE_OCTETS, b"\0"))
            return
        self._put_or_cut(self.session.respond(pdu, status, message_id=message_id))

    def _put_or_cut(self, octets: bytes) -> None:
        if self._faults.falls("cut"):
            self.out.end(octets[: len(octets) // 2])
        else:
            self.put(octets)

    def unbind(self) -> None:
        """The server asks to end the session."""
        if self.session.state is State.BOUND:
            self.put(self.session.unbind(time.monotonic()))

    def pump(self) -> None:
        """Deliver what is queued, as far as the window goes."""
        while self.queue and self.session.free and not self.out.closing:
            message = self.queue.popleft()
            payload, tlvs = message.payload, message.tlvs
            if message.receipt_state is not None:
                form, ids = self._faults.word("receipt_form"), self._faults.word("ids")
                payload, tlvs = receipts.content(message, form=form, ids=ids, now=time.time())
            if self._faults.falls("unknown_command"):
                self.put(p.HEADER.pack(p.HEADER.size, UNKNOWN_COMMAND, 0, 0x7F000000 + message.number % 0xFFFFFF))
            if self._faults.falls("unknown_tlv"):
                tlvs = ((UNKNOWN_TLV, b"nobody knows"), *tlvs)
            if len(payload) > 254:
                payload, tlvs = b"", (*tlvs, (p.TLV_MESSAGE_PAYLOAD, payload))
            self.counters.delivers += 1
            octets = self.session.send_message(
                p.DELIVER_SM,
                message,
                time.monotonic(),
                text={"source_addr": message.source, "destination_addr": message.destination},
                number={"esm_class": message.esm_class, "data_coding": message.data_coding},
                short_message=payload,
                tlvs=tlvs,
            )
            self._put_or_cut(octets)
            if message.receipt_state is not None:
                self._smsc.release(message.number)
