# SPDX-License-Identifier: Apache-2.0
"""An SMSC for tests and demos, over real sockets; undelivered messages live in memory and die with it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from duaarah.net.jsonport import JSONPort
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.errors import SMPPError
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.session import Answered, Event, Request, Session, State, Unanswered

QUEUE_MAX = 100_000
TICK_S = 0.2
REDELIVER_MAX = 5


@dataclass(slots=True)
class _Message:
    """One short message on its way: a submit_sm's content, or a receipt (`receipt_of`)."""

    message_id: str
    source: str
    destination: str
    esm_class: int
    data_coding: int
    payload: bytes
    wants_receipt: bool
    origin: _Link | None = None
    receipt_state: int | None = None
    tries: int = 0


class _Link:
    """One connected session of an account."""

    def __init__(self, smsc: SMSC, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._smsc = smsc
        self._reader, self.writer = reader, writer
        self.session = Session(window=50, response_timeout_s=5, enquire_link_s=60)
        self.account = ""
        self.range: re.Pattern[str] | None = None
        self.queue: deque[_Message] = deque()

    async def serve(self) -> None:
        try:
            while self.session.state is not State.CLOSED:
                with contextlib.suppress(TimeoutError):
                    data = await asyncio.wait_for(self._reader.read(65_536), TICK_S)
                    if not data:
                        break
                    events, replies = self.session.receive(data, time.monotonic())
                    self.writer.write(replies)
                    self._take(events)
                events, request = self.session.tick(time.monotonic())
                self.writer.write(request)
                self._take(events)
                self.pump()
        except (OSError, SMPPError):
            pass
        finally:
            self._smsc.forget(self, [e.token for e in self.session.lost() if isinstance(e, Unanswered)])
            self.writer.close()

    def _take(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Request(pdu=pdu) if pdu.command in p.BINDS:
                    self._bind(pdu)
                case Request(pdu=pdu) if pdu.command == p.SUBMIT_SM:
                    self._smsc.submit(self, pdu)
                case Answered(pdu=pdu, token=_Message() as message):
                    self._smsc.delivered(message, pdu.status)
                case Unanswered(token=_Message() as message):
                    self._smsc.undelivered(message)
        self.pump()

    def _bind(self, pdu: PDU) -> None:
        name = pdu.text.get("system_id", "")
        if self._smsc.accounts.get(name) != pdu.text.get("password"):
            self.writer.write(self.session.respond(pdu, p.ESME_RINVPASWD))
            return
        self.account = name
        with contextlib.suppress(re.error):
            self.range = re.compile(pdu.text.get("address_range", "") or "(?!)")
        self.writer.write(self.session.respond(pdu, system_id="dua-arah-sim"))
        self._smsc.bound(self)

    def pump(self) -> None:
        """Deliver what is queued, as far as the window goes."""
        octets = bytearray()
        while self.queue and self.session.free:
            message = self.queue.popleft()
            tlvs: tuple[tuple[int, bytes], ...] = ()
            if message.receipt_state is not None:
                tlvs = (
                    (p.TLV_RECEIPTED_MESSAGE_ID, message.message_id.encode() + b"\0"),
                    (p.TLV_MESSAGE_STATE, bytes([message.receipt_state])),
                )
            octets += self.session.send_message(
                p.DELIVER_SM,
                message,
                time.monotonic(),
                text={"source_addr": message.source, "destination_addr": message.destination},
                number={"esm_class": message.esm_class, "data_coding": message.data_coding},
                short_message=message.payload,
                tlvs=tlvs,
            )
        if octets:
            self.writer.write(bytes(octets))


class SMSC:
    """Accounts by name and password; faults are set over the control port (`throttle`, `noresp`, `drop`, `lose`)."""

    def __init__(self, accounts: dict[str, str]) -> None:
        self.accounts = accounts
        self._links: list[_Link] = []
        self._stored: deque[_Message] = deque()
        self._next_id = 0
        self.counts: Counter[str] = Counter()
        self._throttle = self._noresp = 0
        self._lose: list[tuple[re.Pattern[str], int]] = []
        self._server: asyncio.Server | None = None
        self.control = JSONPort(
            {
                "stats": self._op_stats,
                "throttle": self._op_throttle,
                "noresp": self._op_noresp,
                "drop": self._op_drop,
                "lose": self._op_lose,
            }
        )

    async def start(self, port: int = 0, control_port: int = 0) -> tuple[int, int]:
        """Bind both ports; returns them."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        number: int = self._server.sockets[0].getsockname()[1]
        return number, await self.control.start(port=control_port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Link(self, reader, writer).serve()

    def bound(self, link: _Link) -> None:
        self._links.append(link)
        waiting, self._stored = self._stored, deque()
        for message in waiting:
            self._route(message)

    def forget(self, link: _Link, undelivered: list[object]) -> None:
        if link in self._links:
            self._links.remove(link)
        for message in [*(m for m in undelivered if isinstance(m, _Message)), *link.queue]:
            self._route(message)

    def submit(self, link: _Link, pdu: PDU) -> None:
        """Take one segment, count it, answer, send it on."""
        if self._throttle:
            self._throttle -= 1
            link.writer.write(link.session.respond(pdu, p.ESME_RTHROTTLED))
            return
        if len(self._stored) >= QUEUE_MAX:
            link.writer.write(link.session.respond(pdu, p.ESME_RMSGQFUL))
            return
        self._next_id += 1
        self.counts[link.account] += 1
        message = _Message(
            f"{self._next_id:010d}",
            pdu.text["source_addr"],
            pdu.text["destination_addr"],
            pdu.number["esm_class"] & 0xC0,
            pdu.number["data_coding"],
            pdu.payload,
            bool(pdu.number["registered_delivery"] & 1),
            origin=link,
        )
        if self._noresp:
            self._noresp -= 1
        else:
            link.writer.write(link.session.respond(pdu, message_id=message.message_id))
        if not self._lost(message):
            self._route(message)

    def _lost(self, message: _Message) -> bool:
        for index, (pattern, left) in enumerate(self._lose):
            if left and pattern.search(message.destination):
                self._lose[index] = (pattern, left - 1)
                self.counts["lost"] += 1
                return True
        return False

    def _route(self, message: _Message) -> None:
        if message.receipt_state is not None:
            # A receipt goes back to the account that asked, on whatever bind it has now.
            account = message.origin.account if message.origin else ""
            target = next((link for link in self._links if link.account == account), None)
        else:
            target = next(
                (
                    link
                    for link in self._links
                    if link is not message.origin and link.range and link.range.search(message.destination)
                ),
                None,
            )
        if target is None:
            self._stored.append(message)
            return
        target.queue.append(message)
        target.pump()

    def delivered(self, message: _Message, status: int) -> None:
        if status in (p.ESME_RTHROTTLED, p.ESME_RMSGQFUL, p.ESME_RSYSERR):
            self.undelivered(message)
        elif message.receipt_state is None and message.wants_receipt and message.origin is not None:
            self._route(self._receipt(message, 2 if status == p.ESME_ROK else 5))

    def undelivered(self, message: _Message) -> None:
        """Not acknowledged in time: deliver again, under a new sequence number."""
        message.tries += 1
        if message.tries <= REDELIVER_MAX:
            self._route(message)

    def _receipt(self, message: _Message, state: int) -> _Message:
        return _Message(
            message.message_id,
            message.destination,
            message.source,
            0x04,
            0,
            receipt.text_of(message.message_id, state == 2),
            False,
            origin=message.origin,
            receipt_state=state,
        )

    @property
    def pending(self) -> int:
        """Messages on their way, receipts among them."""
        return len(self._stored) + sum(len(link.queue) + link.session.outstanding for link in self._links)

    async def _op_stats(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "segments": {name: self.counts[name] for name in self.accounts},
            "lost": self.counts["lost"],
            "pending": self.pending,
            "bound": [link.account for link in self._links],
        }

    async def _op_throttle(self, request: dict[str, Any]) -> dict[str, Any]:
        self._throttle = int(request["n"])
        return {"ok": True}

    async def _op_noresp(self, request: dict[str, Any]) -> dict[str, Any]:
        self._noresp = int(request["n"])
        return {"ok": True}

    async def _op_drop(self, _: dict[str, Any]) -> dict[str, Any]:
        for link in list(self._links):
            link.writer.transport.abort()
        return {"ok": True}

    async def _op_lose(self, request: dict[str, Any]) -> dict[str, Any]:
        self._lose.append((re.compile(request["destination"]), int(request["n"])))
        return {"ok": True}


async def serve(accounts: dict[str, str], port: int, control_port: int) -> None:
    """Run until cancelled; prints its ports as one JSON line."""
    smsc = SMSC(accounts)
    smpp_port, control = await smsc.start(port, control_port)
    print(f'{{"smpp_port": {smpp_port}, "control_port": {control}}}', flush=True)
    await asyncio.Event().wait()
