# SPDX-License-Identifier: Apache-2.0
"""
The PPOB host's sockets: whole messages out of a stream, each to a thread with a database connection, answers back.

What keeps order: messages of one PLN reference or number follow each other; a network message waits for those before it,
and those after it wait for it. Whatever takes longer than a channel waits is answered 0068, and its outcome is left to the
advice. No answer leaves before the journal has it. Of two connections that sign on with one id the newer stays: after a
broken line a bank comes back long before we know that its old connection is dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.db import OperationalError, connection

from duaarah.vending.operations.ppob import Line
from duaarah.wire.iso8583 import Deframer, FrameError, FrameUnfit, Framing, ISOError, Message, decode, frame
from duaarah.wiring.ppob_desk import Answer, Desk, Session, line_unread, phase_of, reference_of
from duaarah.workers.bank_journal import Journal

LOG = logging.getLogger(__name__)
DRAIN_S = 8.0
ATTEMPTS_MAX = 3
AGAIN = ("40001", "40P01")  # serialization failure, deadlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Whatever a peer may take of us. `threads` and one more for the journal are database connections."""

    octets_max: int = 2_048
    connections_max: int = 200
    first_s: float = 30.0  # until somebody has signed on
    whole_s: float = 30.0  # from a message's first octet to its last
    idle_s: float = 900.0  # between two messages
    strikes_max: int = 20  # unreadable messages of a connection in a row
    pending_max: int = 64  # messages of a connection that are not answered; then it is not read
    queue_max: int = 1_000  # of all connections
    answer_s: float = 5.0
    threads: int = 2


@dataclass(slots=True, eq=False)
class _Job:
    """One message on its way. `answered`: something was said to it."""

    line: _Connection
    message: Message
    text: str = field(repr=False)
    key: str = ""
    refusal: str = ""
    network: bool = False
    answered: bool = False
    timer: asyncio.TimerHandle | None = None


class BankServer:
    """Owns sockets, order and threads. `clock` is asked where no database can be."""

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        *,
        framing: Framing,
        clock: Callable[[], dt.datetime],
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.framing = framing
        self.counts: Counter[str] = Counter()
        self._desk, self._journal, self._clock = desk, journal, clock
        self._threads = ThreadPoolExecutor(self.limits.threads, "bank")
        self._lines: set[_Connection] = set()
        self._partners: dict[str, _Connection] = {}
        self._turns: dict[str, deque[_Job]] = {}
        self._pending = 0
        self._closing = False
        self._server: asyncio.Server | None = None
        self._watch_task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that was bound."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self, host: str, port: int) -> None:
        """Bind and listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._journal.open(loop)
        self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=128)
        self._watch_task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Read no more, answer what is here, close; within ten seconds."""
        self._closing = True
        assert self._server is not None and self._watch_task is not None
        self._server.close()
        for line in self._lines:
            line.pause()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self._pending:
                    await asyncio.sleep(0.01)
        self._watch_task.cancel()
        for line in list(self._lines):
            line.hang_up("")
        await asyncio.get_running_loop().run_in_executor(None, self._journal.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- what connections say ------------------------------------------------------------------------------------------

    def admits(self, line: _Connection) -> bool:
        """Whether a new connection may stay."""
        if self._closing or len(self._lines) >= self.limits.connections_max:
            LOG.warning("%s is turned away: too many connections.", line.session.peer)
            return False
        self._lines.add(line)
        return True

    def left(self, line: _Connection) -> None:
        self._lines.discard(line)
        if self._partners.get(line.session.partner or "") is line:
            del self._partners[line.session.partner or ""]

    @property
    def full(self) -> bool:
        return self._pending >= self.limits.queue_max

    def came(self, line: _Connection, text: str) -> bool:
        """Begin with one message; False when the connection cannot be kept."""
        try:
            message, refusal = decode(text), ""
        except ISOError as error:
            if error.partial is None:
                self._note(line_unread(text, line.session, error.code, self._clock()))
                line.hang_up(f"{error.code}: {error}")
                return False
            message, refusal = error.partial, str(error)
        network = not refusal and phase_of(message) == "network"
        job = _Job(line, message, text, self._key(message), refusal, network)
        job.timer = asyncio.get_running_loop().call_later(self.limits.answer_s, self._late, job)
        self._pending += 1
        line.queue.append(job)
        self.advance(line)
        return True

    def _key(self, message: Message) -> str:
        private = message.fields.get("48", {})
        number = private.get("meter_no", "").strip("0") or private.get("registration_no") or private.get("idpel", "")
        return reference_of(message) or str(number)

    def _note(self, line: Line) -> None:
        self._journal.put((line,), lambda: None)

    # -- order ---------------------------------------------------------------------------------------------------------

    def advance(self, line: _Connection) -> None:
        """Start what may start: a network message alone, everything else beside others."""
        while line.queue and not line.alone:
            if line.queue[0].network and line.running:
                return
            job = line.queue.popleft()
            line.running += 1
            line.alone = job.network
            if not job.key:
                self._start(job)
                continue
            turn = self._turns.setdefault(job.key, deque())
            turn.append(job)
            if len(turn) == 1:
                self._start(job)

    def _start(self, job: _Job) -> None:
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._take, job)
        future.add_done_callback(lambda done: self._done(job, done))

    def _take(self, job: _Job) -> Answer:
        session = job.line.session
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                if job.refusal:
                    return self._desk.bad(job.message, job.text, session, job.refusal)
                return self._desk.take(job.message, job.text, session)
            except OperationalError as error:
                # Rolled back in favour of another transaction: whatever a message asks for is asked for once, however often.
                if attempt == ATTEMPTS_MAX or getattr(error.__cause__, "sqlstate", None) not in AGAIN:
                    connection.close()
                    raise
                LOG.warning("%s %s goes again: %s", session.peer, job.message.kind, type(error.__cause__).__name__)
            except Exception:
                # Money may have moved: only an advice can tell.
                connection.close()
                raise
        raise AssertionError("unreachable")

    def _done(self, job: _Job, done: asyncio.Future[Answer]) -> None:
        self._next(job)
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            LOG.error("%s %s failed", job.line.session.peer, job.message.kind, exc_info=error)
            self._late(job)
            return
        answer = done.result()
        self.counts[answer.code] += 1
        if answer.signed_on:
            self._signed_on(job.line)
        job.line.strikes = job.line.strikes + 1 if job.refusal else 0
        if job.answered:
            # 0068 went out; what came of it is in the journal, and the advice will be told.
            self._journal.put(answer.lines[1:], lambda: None)
            return
        self._answer(job, answer)

    def _next(self, job: _Job) -> None:
        job.line.running -= 1
        if job.network:
            job.line.alone = False
        turn = self._turns.get(job.key) if job.key else None
        if turn is not None:
            turn.popleft()
            if turn:
                self._start(turn[0])
            else:
                del self._turns[job.key]
        self.advance(job.line)

    def _late(self, job: _Job) -> None:
        if not job.answered:
            LOG.warning("%s %s takes too long: 0068", job.line.session.peer, job.message.kind)
            self._answer(job, self._desk.later(job.message, job.text, job.line.session, self._clock()))

    def _answer(self, job: _Job, answer: Answer) -> None:
        job.answered = True
        if job.timer is not None:
            job.timer.cancel()
        self._journal.put(answer.lines, lambda: self._send(job, answer))

    def _send(self, job: _Job, answer: Answer) -> None:
        self._pending -= 1
        job.line.say(answer.text)
        if job.line.strikes >= self.limits.strikes_max:
            job.line.hang_up("too many unreadable messages in a row")
        if not self.full and not self._closing:
            job.line.resume()

    def _signed_on(self, line: _Connection) -> None:
        partner = line.session.partner
        if partner is None:
            return
        older = self._partners.get(partner)
        self._partners[partner] = line
        if older is not None and older is not line:
            older.session.partner = None
            older.hang_up(f"{partner} has signed on over a newer connection")

    async def _watch(self) -> None:
        """Who is too slow or silent is hung up on; who was not read while all was full is read again."""
        while True:
            await asyncio.sleep(min(1.0, self.limits.first_s, self.limits.whole_s))
            now_s = asyncio.get_running_loop().time()
            for line in list(self._lines):
                if reason := line.late(now_s):
                    line.hang_up(reason)
                elif not self.full:
                    line.resume()


class _Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, server: BankServer) -> None:
        self._server = server
        self._deframer = Deframer(server.framing, octets_max=server.limits.octets_max)
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._since_s = 0.0
        self._begun_s: float | None = None
        self._opened_s = 0.0
        self.session = Session("?", "?")
        self.queue: deque[_Job] = deque()
        self.running = 0
        self.alone = False
        self.strikes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername") or ("?", 0)
        self.session = Session(f"{peer[0]} {peer[1]}", str(peer[0]))
        self._opened_s = self._since_s = asyncio.get_running_loop().time()
        if self._server.admits(self):
            self._transport = transport
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        broken: FrameError | None = None
        try:
            messages = self._deframer.feed(data)
        except FrameError as error:
            messages, broken = error.messages, error
        now_s = asyncio.get_running_loop().time()
        if messages:
            self._since_s = now_s
        pending = self._deframer.pending if broken is None else 0
        self._begun_s = (self._begun_s if self._begun_s is not None and not messages else now_s) if pending else None
        for text in messages:
            if not self._server.came(self, text):
                return
        if broken is not None:
            self.hang_up(f"{broken.code}: {broken}")
        elif self._server.full or len(self.queue) + self.running >= self._server.limits.pending_max:
            self.pause()

    def say(self, text: str) -> None:
        """Write one message; a peer that does not read its answers is not read either."""
        if self._transport is None or self._transport.is_closing():
            return
        try:
            self._transport.write(frame(text, self._server.framing))
        except FrameUnfit as error:
            self.hang_up(f"{error.code}: {error}")

    def late(self, now_s: float) -> str:
        """Why this peer is too slow, or ""."""
        limits = self._server.limits
        if self._paused or self.queue or self.running:
            return ""
        if self.session.partner is None and now_s - self._opened_s > limits.first_s and self._since_s == self._opened_s:
            return "nothing was said"
        if self._begun_s is not None and now_s - self._begun_s > limits.whole_s:
            return "a message was begun and not ended"
        return "silence" if now_s - self._since_s > limits.idle_s else ""

    def pause(self) -> None:
        if self._transport is not None and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        room = len(self.queue) + self.running < self._server.limits.pending_max
        if self._paused and room and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self.pause()

    def resume_writing(self) -> None:
        self.resume()

    def hang_up(self, reason: str) -> None:
        """Close; what was written goes out first."""
        if self._transport is not None and not self._transport.is_closing():
            if reason:
                LOG.warning("%s is hung up on: %s", self.session.peer, reason)
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.left(self)
