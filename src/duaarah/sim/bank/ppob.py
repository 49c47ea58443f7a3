# SPDX-License-Identifier: Apache-2.0
"""
The PPOB double: a bank or loket that buys tokens and pays bills over ISO 8583, and behaves as badly as it is told to.

One connection; answers are matched by MTI and trace number, so that late and repeated ones are seen for what they are.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from duaarah.sim.bank import ppob_messages as says
from duaarah.sim.bank.host import answer_mti
from duaarah.sim.bank.ppob_messages import Customer, StepRefused, Terms, Told
from duaarah.wire.iso8583 import Deframer, FrameError, Framing, ISOError, Message, decode, encode, frame

WIB = timezone(timedelta(hours=7))
READ_OCTETS = 65536
STRAYS_MAX = 1000
FAULTS = {
    "lose": "the answer is not waited for; it becomes a stray",
    "garbage": "bytes that are no message go out first",
    "split": "the message goes out byte by byte",
    "join": "an echo goes out in the same piece before it",
    "wrong_width": "field 48 is one character too short",
    "bitmap_lie": "the bitmap names a field that is not there",
    "twins": "a second connection with the same id sends the same message at the same time",
    "hang_up": "the connection ends as soon as the message is sent",
}


class NotConnected(Exception):
    """The other side cannot be reached, or is gone."""

    code = "not_connected"
    retryable = True


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a step is taken: `delay_s` before it, `repeat` times the same message, and any of FAULTS."""

    delay_s: float = 0.0
    repeat: int = 1
    faults: frozenset[str] = frozenset()


@dataclass
class Done:
    """A step that was taken: the message as sent, and the answers in their order; none after a time-out."""

    sent: Message
    answers: list[Message] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def answer(self) -> Message | None:
        return self.answers[0] if self.answers else None


class Link:
    """One connection. `strays`: answers that nobody waited for."""

    def __init__(self, host: str, port: int, framing: Framing) -> None:
        self.host, self.port, self.framing = host, port, framing
        self.strays: list[Message] = []
        self.ended: str | None = None
        self._waiting: dict[tuple[str, str], asyncio.Queue[Message | None]] = {}
        self._reader_task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Raises NotConnected."""
        try:
            reader, self._writer = await asyncio.open_connection(self.host, self.port)
        except OSError as error:
            raise NotConnected(f"{self.host}:{self.port} cannot be reached: {error}.") from None
        self._reader_task = asyncio.create_task(self._read(reader))

    async def close(self) -> None:
        if self._reader_task is not None:
            self._reader_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader_task
        self._end("this side closed it")

    def write(self, octets: bytes) -> None:
        """Raises NotConnected."""
        if self._writer is None or self._writer.is_closing() or self.ended is not None:
            raise NotConnected(f"The connection is gone: {self.ended or 'it was closed'}.")
        self._writer.write(octets)

    async def drain(self) -> None:
        assert self._writer is not None
        with suppress(OSError):
            await self._writer.drain()

    def wait_for(self, message: Message) -> asyncio.Queue[Message | None]:
        """Answers to this message come here until `forget`; None when the connection ends."""
        return self._waiting.setdefault(_answer_key(message), asyncio.Queue())

    def forget(self, message: Message) -> None:
        """What comes from now on, and what came beyond what was waited for, is a stray."""
        queue = self._waiting.pop(_answer_key(message), None)
        while queue is not None and not queue.empty():
            self._stray(queue.get_nowait())

    def _stray(self, message: Message | None) -> None:
        if message is not None and len(self.strays) < STRAYS_MAX:
            self.strays.append(message)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        deframer = Deframer(self.framing)
        reason = "the other side closed it"
        try:
            while octets := await reader.read(READ_OCTETS):
                try:
                    messages, broken = deframer.feed(octets), None
                except FrameError as error:
                    messages, broken = error.messages, error
                for text in messages:
                    self._got(text)
                if broken is not None:
                    raise broken
        except (OSError, FrameError, ISOError) as error:
            reason = str(error)
        self._end(reason)

    def _end(self, reason: str) -> None:
        self.ended = self.ended or reason
        if self._writer is not None:
            self._writer.close()
        for queue in self._waiting.values():
            queue.put_nowait(None)

    def _got(self, text: str) -> None:
        message = decode(text)
        queue = self._waiting.get((message.mti, _reference(message)))
        if queue is not None:
            queue.put_nowait(message)
        else:
            self._stray(message)


class PPOB:
    """
    A conversation: sign_on, inquiry, purchase or pay, advice, advice_repeat, reversal, reversal_repeat, echo, sign_off.

    `clock` gives the local time of field 12. Each verb raises NotConnected, StepRefused.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        framing: Framing = Framing.LENGTH2,
        terms: Terms | None = None,
        timeout_s: float = 5.0,
        seed: int = 1,
        first_trace: int = 1,
        clock: Callable[[], datetime] = lambda: datetime.now(WIB),
    ) -> None:
        self.terms = terms or Terms()
        self.link = Link(host, port, framing)
        self.told = Told()
        self._timeout_s = timeout_s
        self._dice = random.Random(f"duaarah ppob {seed}")
        self._clock = clock
        self._trace = first_trace - 1

    async def open(self) -> None:
        await self.link.open()

    async def reconnect(self) -> None:
        """A new connection in place of this one; what was told is kept, strays are not. Raises NotConnected."""
        await self.link.close()
        self.link = Link(self.link.host, self.link.port, self.link.framing)
        await self.link.open()

    async def close(self) -> None:
        await self.link.close()

    async def network(self, code: str, conduct: Conduct | None = None) -> Done:
        """2800 with any code, such as 001 sign-on."""
        return await self._exchange("2800", says.network(self.terms, code, self._now()), conduct or Conduct())

    async def inquiry(self, customer: Customer, conduct: Conduct | None = None) -> Done:
        """2100; what it answers is what a purchase or payment goes by."""
        fields = says.inquiry(self.terms, customer, self._next_trace(), self._now())
        done = await self._exchange("2100", fields, conduct or Conduct())
        self.told = replace(self.told, inquiry=done.answer)
        return done

    async def pay(self, amount_idr: int | None = None, conduct: Conduct | None = None, *, option: str = "0") -> Done:
        """2200: a purchase (the nominal is needed) or a payment of what the inquiry said."""
        fields = says.payment(self.terms, self.told, amount_idr, self._next_trace(), self._now(), option=option)
        self.told = replace(self.told, sent=fields)
        return await self._exchange("2200", fields, conduct or Conduct())

    async def again(self, conduct: Conduct | None = None) -> Done:
        """The last 2200 once more, word for word."""
        if self.told.sent is None:
            raise StepRefused("Nothing was bought or paid yet.")
        return await self._exchange("2200", self.told.sent, conduct or Conduct())

    async def advice(self, conduct: Conduct | None = None, *, repeated: bool = False) -> Done:
        """2220 or 2221 about the last purchase."""
        return await self._exchange("2221" if repeated else "2220", says.advice(self.told), conduct or Conduct())

    async def reversal(self, conduct: Conduct | None = None, *, repeated: bool = False) -> Done:
        """2400 or 2401 of the last payment."""
        return await self._exchange("2401" if repeated else "2400", says.reversal(self.told), conduct or Conduct())

    # -- one exchange --------------------------------------------------------------------------------------------------

    def _now(self) -> str:
        return self._clock().astimezone(WIB).strftime("%Y%m%d%H%M%S")

    def _next_trace(self) -> str:
        self._trace += 1
        return f"{self._trace:012d}"

    async def _exchange(self, mti: str, fields: dict[str, Any], conduct: Conduct) -> Done:
        if conduct.delay_s:
            await asyncio.sleep(conduct.delay_s)
        sent = Message(mti, decode(encode(mti, fields)).kind, dict(fields))
        octets = frame(self._spoilt(encode(mti, fields), fields, conduct), self.link.framing)
        queue = self.link.wait_for(sent) if "lose" not in conduct.faults else None
        started_s = asyncio.get_running_loop().time()
        done = Done(sent)
        twin = Link(self.link.host, self.link.port, self.link.framing) if "twins" in conduct.faults else None
        try:
            if twin is not None:
                await self._sign_on_twin(twin)
            twin_queue = twin.wait_for(sent) if twin is not None else None
            if twin is not None:
                twin.write(octets)
            await self._put(octets * conduct.repeat, conduct)
            if queue is not None:
                done.answers += await self._collect(queue, conduct.repeat)
            if twin_queue is not None:
                done.answers += await self._collect(twin_queue, 1)
        finally:
            done.elapsed_s = asyncio.get_running_loop().time() - started_s
            self.link.forget(sent)
            if twin is not None:
                await twin.close()
        return done

    async def _sign_on_twin(self, twin: Link) -> None:
        await twin.open()
        fields = says.network(self.terms, "001", self._now())
        hello = Message("2800", "network_sign_on_request", fields)
        queue = twin.wait_for(hello)
        twin.write(frame(encode("2800", fields), twin.framing))
        await self._collect(queue, 1)
        twin.forget(hello)

    async def _put(self, octets: bytes, conduct: Conduct) -> None:
        if "garbage" in conduct.faults:
            # Without 0xFF, so that both framings take it for one message.
            noise = "".join(chr(self._dice.randrange(1, 255)) for _ in range(40))
            octets = frame(noise, self.link.framing) + octets
        if "join" in conduct.faults:
            echo = says.network(self.terms, says.NETWORK_CODES["echo"], self._now())
            octets = frame(encode("2800", echo), self.link.framing) + octets
        for piece in [octets[at : at + 1] for at in range(len(octets))] if "split" in conduct.faults else [octets]:
            self.link.write(piece)
            await self.link.drain()
            if "split" in conduct.faults:
                await asyncio.sleep(0)
        if "hang_up" in conduct.faults:
            await self.link.close()

    async def _collect(self, queue: asyncio.Queue[Message | None], count: int) -> list[Message]:
        """So many answers, or those that came in time."""
        got: list[Message] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                while len(got) < count and (message := await queue.get()) is not None:
                    got.append(message)
        return got

    def _spoilt(self, text: str, fields: dict[str, Any], conduct: Conduct) -> str:
        """The message as the faults have it."""
        if "wrong_width" in conduct.faults:
            text = encode(text[:4], {**fields, "48": {"raw": _private_text(text[:4], fields)[:-1]}})
        if "bitmap_lie" in conduct.faults:
            text = text[:4] + f"{int(text[4:20], 16) | 1 << 49:016X}" + text[20:]
        return text


def _private_text(mti: str, fields: dict[str, Any]) -> str:
    """Field 48 as it stands in the message."""
    bare = {name: value for name, value in fields.items() if name in ("2", "40", "48")}
    without = {name: value for name, value in bare.items() if name != "48"}
    return encode(mti, bare)[len(encode(mti, without)) + 3 :]


def _reference(message: Message) -> str:
    return str(message.fields.get("11") or message.fields.get("40", ""))


def _answer_key(message: Message) -> tuple[str, str]:
    return answer_mti(message.mti), _reference(message)
