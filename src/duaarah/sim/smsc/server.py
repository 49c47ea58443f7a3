# SPDX-License-Identifier: Apache-2.0
"""An SMSC for tests and demos, over real sockets: takes, routes, keeps, delivers again, gives receipts, expires."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ssl
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duaarah.net.jsonport import JSONPort
from duaarah.sim.smsc import control, desk, receipts
from duaarah.sim.smsc.faults import Faults
from duaarah.sim.smsc.link import Link
from duaarah.sim.smsc.message import Message, taken
from duaarah.sim.smsc.operator import Operator
from duaarah.sim.smsc.store import Store
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.pdu import PDU

ESME_RSUBMITFAIL = 0x45
QUEUE_MAX = 100_000
REDELIVER_MAX = 5
SWEEP_S = 0.1
# An early receipt holds the response back; one that does not come (a dead meter) lets it go after this.
EARLY_HOLD_S = 2.0
SHUFFLE_HOLD_S = 1.0


@dataclass(slots=True)
class _Held:
    """A response that waits: for its delay, or for its receipt to go first."""

    link: Link
    pdu: PDU
    until_s: float


class SMSC:
    """Accounts by name and password; faults are set over the control port or with `faults.set`."""

    def __init__(
        self, accounts: dict[str, str], *, seed: int = 1, first_number: int = 1, state: Path | None = None
    ) -> None:
        """`state`: a file in which messages, counts and the operator outlive the process. Raises StateRefused."""
        self.accounts = accounts
        self.faults = Faults(seed)
        self.links: list[Link] = []
        self.counts: Counter[str] = Counter()
        # (message id, Unix ms) of what arrives, while somebody wants it noted.
        self.arrivals: list[tuple[str, int]] | None = None
        self._stored: deque[Message] = deque()
        self._held: dict[int, _Held] = {}
        self._delayed: list[tuple[float, Message]] = []
        self._shuffled: list[Message] = []
        self._shuffle_until_s = 0.0
        self._number = first_number - 1
        self.expired = 0
        self._blocked = False
        self._expired_to_s = 0
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.operator = Operator()
        self._store = Store(state) if state is not None else None
        if self._store is not None:
            number, waiting = self._store.restore(self.operator, self.counts)
            self._number = max(self._number, number)
            self._stored.extend(waiting)
        self.control = JSONPort({**control.handlers(self), **desk.handlers(self)})

    async def start(
        self, port: int = 0, control_port: int = 0, *, tls: tuple[Path, Path] | None = None
    ) -> tuple[int, int]:
        """Bind both ports; returns them. `tls`: certificate chain and key, both PEM; the SMPP port then speaks TLS alone."""
        context = None
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, ssl=context)
        self._sweeper = asyncio.create_task(self._sweep())
        number: int = self._server.sockets[0].getsockname()[1]
        return number, await self.control.start(port=control_port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await Link(self, reader, writer).serve()
        finally:
            self._serving.discard(task)

    def bound(self, link: Link) -> None:
        self.links.append(link)
        waiting, self._stored = self._stored, deque()
        for message in waiting:
            self._route(message)

    def forget(self, link: Link, undelivered: list[object]) -> None:
        """Its bind is gone: what it had not acknowledged goes elsewhere, or waits."""
        if link in self.links:
            self.links.remove(link)
        for message in [*(m for m in undelivered if isinstance(m, Message)), *link.queue]:
            self._route(message)
        link.queue.clear()

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def submit(self, link: Link, pdu: PDU) -> None:
        """Take one segment, count it, answer, send it on."""
        if status := self.faults.submit_status():
            link.answer(pdu, status)
            return
        if len(self._stored) >= QUEUE_MAX:
            link.answer(pdu, p.ESME_RMSGQFUL)
            return
        if self.operator.barred(pdu.text["source_addr"]):
            link.answer(pdu, ESME_RSUBMITFAIL)
            return
        self.counts[link.account] += 1
        message = taken(pdu, number=self.next_number(), account=link.account, link=link, now=time.time())
        if self.arrivals is not None:
            message_id = receipts.response_id(message.number, self.faults.word("ids"))
            self.arrivals.append((message_id, int(message.submitted_at * 1000)))
        kind = self._take_up(message)
        link.counters.classes[kind] += 1
        silent = self.faults.falls("noresp")
        delay_s = self.faults.number("response_delay_s")
        early = self.faults.word("receipts") == "early" and message.wants_receipt
        if silent:
            # When the client gives up waiting is not seen here: it is left out, and `unanswered_max` is a floor.
            link.counters.answered(refused=False)
        else:
            self._held[message.number] = _Held(link, pdu, time.monotonic() + (EARLY_HOLD_S if early else delay_s))
            if not early and not delay_s:
                self.release(message.number)
        self.accept(message)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Store | None]:
        """One transaction of the state file, if there is one."""
        if self._store is not None:
            self._store.begin()
        try:
            yield self._store
        except BaseException:
            if self._store is not None:
                self._store.rollback()
            raise
        if self._store is not None:
            self._store.commit()

    def order(self, request: dict[str, Any]) -> dict[str, Any]:
        """An order to the operator's desk; it is in the file before anybody hears of it. Raises OperatorRefused."""
        known = str(request.get("request_id")) in self.operator.answers
        answer = self.operator.do(request, now=time.time())
        if not known:
            names = [request["sim"]] if "sim" in request else [iccid for iccid, _ in request["sims"]]
            with self._writing() as store:
                if store is not None:
                    store.sims(self.operator.touched(*names))
                    store.answered(request, answer)
        return answer

    def _take_up(self, message: Message) -> str:
        """
        Its charging record, under the id that the client is told, and its row, before any answer; returns the class.
        """
        message_id = receipts.response_id(message.number, self.faults.word("ids"))
        lost = self.faults.falls("cdr_lose")
        now = message.submitted_at
        record = self.operator.charge(message_id, message.source, message.destination, now=now, lost=lost)
        with self._writing() as store:
            if store is not None:
                store.keep(message)
                store.submitted(message.account, message.number)
                store.charged(record, self.operator.touched(message.source, message.destination), lost=lost)
        return record.kind

    def originate(self, message: Message) -> bool:
        """A phone's own SMS, without an ESME; False when its SIM is barred."""
        if self.operator.barred(message.source):
            return False
        message.submitted_at = time.time()
        self._take_up(message)
        self.accept(message)
        return True

    def accept(self, message: Message) -> None:
        """A message is here, and goes on: once, twice or never."""
        if self.operator.barred(message.destination):
            self._ended(message, receipts.UNDELIVERABLE)
            return
        if self.faults.loses(message.destination):
            with self._writing() as store:
                if store is not None:
                    store.drop(message)
            return
        self._route(message)
        if self.faults.falls("double"):
            self._route(dataclasses.replace(message, wants_receipt=False, row=0))

    def release(self, number: int) -> None:
        """The response to this message leaves now, if it was held."""
        held = self._held.pop(number, None)
        if held is not None:
            message_id = receipts.response_id(number, self.faults.word("ids"))
            held.link.answer(held.pdu, message_id=message_id)

    def _route(self, message: Message) -> None:
        if message.receipt_state is not None:
            # A receipt goes back to the account that asked, on whatever bind it has now.
            targets = (link for link in self.links if link.account == message.account and link.receives)
        else:
            targets = (
                link
                for link in self.links
                if link is not message.link and link.receives and link.range and link.range.search(message.destination)
            )
        target = next(targets, None)
        away = not self.faults.reachable(message.destination)
        self._blocked = self._blocked or away
        if target is None or away:
            self._stored.append(message)
            return
        target.queue.append(message)
        target.pump()

    def delivered(self, message: Message, status: int) -> None:
        """A deliver_sm was answered."""
        if status in (p.ESME_RTHROTTLED, p.ESME_RMSGQFUL, p.ESME_RSYSERR):
            self.undelivered(message)
        else:
            self._ended(message, receipts.DELIVERED if status == p.ESME_ROK else receipts.UNDELIVERABLE)

    def undelivered(self, message: Message) -> None:
        """Not acknowledged in time: deliver again, under a new sequence number."""
        message.tries += 1
        if message.tries <= REDELIVER_MAX:
            self._route(message)
        else:
            self._ended(message, receipts.UNDELIVERABLE)

    def _ended(self, message: Message, state: int) -> None:
        """No more to do with it, but to tell who asked."""
        told = []
        if message.receipt_state is None and message.wants_receipt and not self.faults.falls("receipt_lose"):
            told = [receipts.receipt_of(message, state) for _ in range(1 + self.faults.falls("receipt_double"))]
        with self._writing() as store:
            if store is not None:
                store.drop(message)
                for receipt in told:
                    store.keep(receipt)
        for receipt in told:
            self._send_receipt(receipt)

    def _send_receipt(self, receipt: Message) -> None:
        if delay_s := self.faults.number("receipt_delay_s"):
            self._delayed.append((time.monotonic() + delay_s, receipt))
        elif n := int(self.faults.number("receipt_shuffle")):
            if not self._shuffled:
                self._shuffle_until_s = time.monotonic() + SHUFFLE_HOLD_S
            self._shuffled.append(receipt)
            if len(self._shuffled) >= n:
                self._deal()
        else:
            self._route(receipt)

    def _deal(self) -> None:
        """The receipts that were collected, in any order but theirs."""
        collected, self._shuffled = self._shuffled, []
        self.faults.dice.shuffle(collected)
        for receipt in collected:
            self._route(receipt)

    async def _sweep(self) -> None:
        """What the clock brings: responses and receipts that were held back, messages that expire."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = time.monotonic()
            for number in [number for number, held in self._held.items() if held.until_s <= now_s]:
                self.release(number)
            due = [receipt for until_s, receipt in self._delayed if until_s <= now_s]
            self._delayed = [(until_s, receipt) for until_s, receipt in self._delayed if until_s > now_s]
            for receipt in due:
                self._route(receipt)
            if self._shuffled and self._shuffle_until_s <= now_s:
                self._deal()
            if int(now_s) != self._expired_to_s:
                self._expired_to_s = int(now_s)
                self._expire(time.time())
            if self._blocked:
                self._blocked = False
                waiting, self._stored = self._stored, deque()
                for message in waiting:
                    self._route(message)

    def _expire(self, now: float) -> None:
        """What is past its validity and has not gone out yet."""
        for queue in [self._stored, *(link.queue for link in self.links)]:
            for message in [m for m in queue if m.expires_at is not None and m.expires_at <= now]:
                queue.remove(message)
                self.expired += 1
                self._ended(message, receipts.EXPIRED)

    @property
    def pending(self) -> int:
        """Messages on their way, receipts among them."""
        held = len(self._stored) + len(self._delayed) + len(self._shuffled)
        return held + sum(len(link.queue) + link.session.outstanding for link in self.links)

    async def stop(self) -> None:
        """Both ports close; binds end without a word."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._server is not None:
            self._server.close()
        for link in list(self.links):
            with contextlib.suppress(OSError):
                link.out.abort()
        await self.control.stop()
        if self._serving:
            await asyncio.wait(self._serving, timeout=2)
        if self._store is not None:
            self._store.close()


async def serve(
    accounts: dict[str, str],
    port: int,
    control_port: int,
    *,
    faults: dict[str, str] | None = None,
    seed: int = 1,
    tls: tuple[Path, Path] | None = None,
    state: Path | None = None,
) -> None:
    """Run until cancelled; prints its ports as one JSON line. Raises FaultRefused, StateRefused."""
    smsc = SMSC(accounts, seed=seed, state=state)
    smsc.faults.set(faults or {})
    smpp_port, control = await smsc.start(port, control_port, tls=tls)
    print(f'{{"smpp_port": {smpp_port}, "control_port": {control}}}', flush=True)
    await asyncio.Event().wait()
