# SPDX-License-Identifier: Apache-2.0
"""
TCP and UDP on one port: whole messages out of what comes, kept by batches, confirmed after their commit.

While one batch is committed the next one gathers, so a batch is as large as the load. What limits a peer: octets of a message,
time for a first and for a whole message, silence, connections an address, and refusals a minute, after which its address is not
listened to for a while. When the database is away nothing is read and nothing confirmed until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from duaarah.headend.operations.gateway import Refused
from duaarah.wire.dlms.errors import DlmsError, Incomplete
from duaarah.wire.dlms.push_stream import OCTETS_MAX, PushReader
from duaarah.wiring.gateway import Came, Verdict

LOG = logging.getLogger(__name__)
Store = Callable[[Sequence[Came], Counter[Refused]], list[Verdict]]
RETRY_S = 0.5
DRAIN_S = 5.0
# Beyond it refusals of further addresses are counted under one name until the next flush.
REFUSALS_MAX = 1_000
FLUSH_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Whatever a peer may take of us."""

    octets_max: int = OCTETS_MAX
    connections_max: int = 5_000
    per_address_max: int = 64
    first_s: float = 20.0  # for the first octet of a connection
    whole_s: float = 30.0  # from a message's first octet to its last; meters pause for seconds between two HDLC frames
    idle_s: float = 180.0  # between two messages
    strikes_max: int = 3  # refused messages of a connection
    refusals_max: int = 20  # of an address in refusals_s, then it is not listened to for as long
    refusals_s: float = 60.0
    batch_max: int = 400
    queue_max: int = 4_000


class Gateway:
    """Owns the sockets and the queue. `store` is called in a thread, one batch at a time; see wiring.gateway.Intake.take."""

    def __init__(self, store: Store, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.counts: Counter[str] = Counter()
        self._store = store
        self._thread = ThreadPoolExecutor(1, "gateway-store")
        self._queue: deque[tuple[Came, _Line]] = deque()
        self._refused: Counter[Refused] = Counter()
        self._work = asyncio.Event()
        self._closing = False
        self._lines: set[_Connection] = set()
        self._by_address: Counter[str] = Counter()
        self._marks: dict[tuple[str, str], list[float]] = {}
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The port that was bound, TCP and UDP."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self, host: str, port: int) -> None:
        """Bind and listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=512)
        self._datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(host, self.port))
        self._tasks = [asyncio.create_task(self._pump()), asyncio.create_task(self._watch())]

    async def close(self) -> None:
        """Read no more, keep and confirm what is here, close."""
        self._closing = True
        assert self._server is not None and self._datagrams is not None
        self._server.close()
        for line in self._lines:
            line.pause()
        self._work.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._tasks[0]), DRAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in list(self._lines):
            line.hang_up()
        self._datagrams.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- what lines say ----------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        return len(self._queue) >= self.limits.queue_max

    def came(self, came: Came, line: _Line) -> None:
        self._queue.append((came, line))
        self._work.set()

    def refuse(self, bearer: str, address: str, code: str) -> None:
        """Count a refusal of our own; the database gets it with the next batch, or within FLUSH_S."""
        self.counts[code] += 1
        what = Refused(bearer, address, code)
        if what not in self._refused and len(self._refused) >= REFUSALS_MAX:
            what = Refused(bearer, "*", code)
        self._refused[what] += 1

    def mark(self, bearer: str, address: str) -> None:
        """A message from there was worth nothing."""
        key = (bearer, address)
        if key not in self._marks and len(self._marks) >= REFUSALS_MAX:
            self._marks.clear()
        self._marks.setdefault(key, []).append(asyncio.get_running_loop().time())
        del self._marks[key][: -self.limits.refusals_max]

    def barred(self, bearer: str, address: str) -> bool:
        """Whether this address has used up its refusals. Of UDP only UDP: a sender's address there is a claim."""
        marks = self._marks.get((bearer, address), [])
        begin_s = asyncio.get_running_loop().time() - self.limits.refusals_s
        return len(marks) >= self.limits.refusals_max and marks[0] > begin_s

    def admits(self, line: _Connection) -> bool:
        """Whether a new connection may stay."""
        here = self._by_address[line.address]
        full = len(self._lines) >= self.limits.connections_max or here >= self.limits.per_address_max
        if self._closing or full:
            self.refuse("TCP", line.address, "too_many_connections")
        elif self.barred("TCP", line.address):
            self.refuse("TCP", line.address, "barred")
        else:
            self._lines.add(line)
            self._by_address[line.address] += 1
            return True
        return False

    def left(self, line: _Connection) -> None:
        if line in self._lines:
            self._lines.remove(line)
            self._by_address[line.address] -= 1
            if not self._by_address[line.address]:
                del self._by_address[line.address]

    # -- the loops ---------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        while self._queue or not self._closing:
            if not self._queue:
                self._work.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), FLUSH_S)
                if not self._queue and not self._refused:
                    continue
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self.limits.batch_max))]
            await self._keep(batch)
            if not self.full and not self._closing:
                for line in self._lines:
                    line.resume()

    async def _keep(self, batch: list[tuple[Came, _Line]]) -> None:
        """Until it is kept; a message that nobody foresaw is tried alone and then left out."""
        refused, self._refused = self._refused, Counter()
        while True:
            try:
                verdicts = await self._call([came for came, _ in batch], refused)
                break
            except (OperationalError, InterfaceError, OSError) as error:
                LOG.warning("Pushes cannot be kept (%s); trying again.", type(error).__name__)
                await asyncio.sleep(RETRY_S)
            except Exception:
                if len(batch) == 1:
                    LOG.exception("A push cannot be kept and is left out.")
                    verdicts = [Verdict("not_kept")]
                    break
                LOG.exception("A batch of pushes cannot be kept; each is tried alone.")
                for one in batch:
                    await self._keep([one])
                return
        for (came, line), verdict in zip(batch, verdicts, strict=True):
            if verdict.code:
                self.counts[verdict.code] += 1
                self.mark(came.bearer, came.address)
            else:
                self.counts["kept"] += 1
            line.judged(came, verdict)

    async def _call(self, batch: list[Came], refused: Counter[Refused]) -> list[Verdict]:
        def act() -> list[Verdict]:
            try:
                return self._store(batch, refused)
            except (DatabaseError, InterfaceError):
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, act)

    async def _watch(self) -> None:
        """Who is too slow or silent is hung up on."""
        while True:
            await asyncio.sleep(min(1.0, self.limits.first_s, self.limits.whole_s))
            now_s = asyncio.get_running_loop().time()
            for line in list(self._lines):
                if code := line.late(now_s):
                    self.refuse("TCP", line.address, code)
                    line.hang_up()


class _Line:
    """Where an answer goes."""

    def judged(self, came: Came, verdict: Verdict) -> None:
        """A message of this line is kept, or refused."""


class _Connection(asyncio.Protocol, _Line):
    """One TCP peer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._reader = PushReader(gateway.limits.octets_max)
        self._transport: asyncio.Transport | None = None
        self.address, self._port = "", 0
        self._since_s = 0.0
        self._begun = False  # a message has begun and is not whole
        self._any = False
        self._pending = 0
        self._strikes = 0
        self._ended = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername") or ("?", 0)
        self.address, self._port = str(peer[0]), int(peer[1])
        self._since_s = asyncio.get_running_loop().time()
        if not self._gateway.admits(self):
            transport.abort()
            self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._ended:
            return
        try:
            found = self._reader.receive(data)
        except DlmsError as error:
            self._gateway.refuse("TCP", self.address, error.code)
            self._gateway.mark("TCP", self.address)
            self._ended = True
            self._leave()
            return
        for pushed in found:
            self._pending += 1
            self._gateway.came(Came("TCP", self.address, self._port, pushed), self)
        self._any = True
        begun = self._reader.waiting
        if found or begun != self._begun:
            self._since_s = asyncio.get_running_loop().time()
        self._begun = begun
        if self._gateway.full:
            self.pause()

    def eof_received(self) -> bool:
        """The peer has said all; what it said is kept and confirmed first."""
        if self._reader.waiting:
            self._gateway.refuse("TCP", self.address, Incomplete.code)
        self._ended = True
        self._leave()
        return True

    def judged(self, came: Came, verdict: Verdict) -> None:
        self._pending -= 1
        if verdict.code:
            self._strikes += 1
            if self._strikes >= self._gateway.limits.strikes_max:
                self._ended = True
        elif verdict.answer and self._transport is not None and not self._transport.is_closing():
            self._transport.write(verdict.answer)
        self._leave()

    def _leave(self) -> None:
        if self._ended and not self._pending:
            self.hang_up()

    def late(self, now_s: float) -> str:
        """Why this peer is too slow; "" when it is not, or when it waits for us."""
        limits, waited_s = self._gateway.limits, now_s - self._since_s
        if self._pending or self._paused:
            return ""
        if not self._any:
            return "silent" if waited_s > limits.first_s else ""
        if self._begun:
            return "too_slow" if waited_s > limits.whole_s else ""
        if waited_s > limits.idle_s:
            self.hang_up()  # in order: it has nothing more to say
        return ""

    def pause(self) -> None:
        if self._transport is not None and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._since_s = asyncio.get_running_loop().time()
            self._transport.resume_reading()

    def hang_up(self) -> None:
        """Close; what was written goes out first."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._gateway.left(self)


class _Datagrams(asyncio.DatagramProtocol, _Line):
    """All UDP peers; a datagram holds whole messages."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # the selector's is one by its methods only

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        address, gateway = str(peer[0]), self._gateway
        if gateway.barred("UDP", address):
            gateway.refuse("UDP", address, "barred")
            return
        if gateway.full:
            # The sender is not confirmed and sends again.
            gateway.refuse("UDP", address, "busy")
            return
        reader = PushReader(gateway.limits.octets_max)
        try:
            found = reader.receive(data)
            if reader.waiting or not found:
                raise Incomplete("A datagram holds whole messages.")
        except DlmsError as error:
            gateway.refuse("UDP", address, error.code)
            gateway.mark("UDP", address)
            return
        for pushed in found:
            gateway.came(Came("UDP", address, int(peer[1]), pushed), self)

    def judged(self, came: Came, verdict: Verdict) -> None:
        if verdict.answer and self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(verdict.answer, (came.address, came.port))
