"""A links worker on a test's database, and a scripted SMSC at the far end that counts on its own socket."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from duaarah.people.models import Organisation
from duaarah.sms.models import Bind, OutboundSegment
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.session import Answered, Request, Session
from duaarah.workers import links

# A planted bug is not waited for as long as a slow machine.
PATIENCE_S = 20


class ScriptedSMSC:
    """Answers submit_sm as `plan` says (status, or None for silence); what it saw stands in plain lists."""

    def __init__(self) -> None:
        self.plan: Callable[[int, PDU], int | None] = lambda number, pdu: 0
        self.message_id: Callable[[int], str] = lambda number: f"m{number}"
        self.bind_status: Callable[[int], int] = lambda number: 0
        self.hold = False
        self.held: list[tuple[asyncio.StreamWriter, bytes]] = []
        self.binds: list[PDU] = []
        self.submitted: list[tuple[float, PDU]] = []
        self.in_flight = self.in_flight_max = 0
        self.acknowledged: list[tuple[object, int]] = []
        self.unbinds = 0
        self.links: list[tuple[asyncio.StreamWriter, Session]] = []
        self.loop: asyncio.AbstractEventLoop
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(window=10_000, response_timeout_s=60, enquire_link_s=60)
        while data := await reader.read(65_536):
            events, replies = session.receive(data, time.monotonic())
            writer.write(replies)
            due = []
            for event in events:
                if isinstance(event, Answered):
                    self.acknowledged.append((event.token, event.pdu.status))
                elif isinstance(event, Request) and event.pdu.command in p.BINDS:
                    self.binds.append(event.pdu)
                    status = self.bind_status(len(self.binds))
                    writer.write(session.respond(event.pdu, status, system_id="mc"))
                    if not status:
                        self.links.append((writer, session))
                elif isinstance(event, Request) and event.pdu.command == p.UNBIND:
                    self.unbinds += 1
                elif isinstance(event, Request):
                    self.submitted.append((time.monotonic(), event.pdu))
                    self.in_flight += 1
                    self.in_flight_max = max(self.in_flight_max, self.in_flight)
                    due.append((len(self.submitted), event.pdu))
            # Answered after the whole burst was read, so that a window that is too wide shows.
            for number, pdu in due:
                self._answer(writer, session, number, pdu)
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, session: Session, number: int, pdu: PDU) -> None:
        status = self.plan(number, pdu)
        if status is None:
            return
        octets = session.respond(pdu, status, message_id=self.message_id(number) if not status else "")
        if self.hold:
            self.held.append((writer, octets))
        else:
            self._write(writer, octets)

    def _write(self, writer: asyncio.StreamWriter, octets: bytes) -> None:
        self.in_flight -= 1
        writer.write(octets)

    def release(self) -> None:
        """Answer everything that was held."""
        held, self.held, self.hold = self.held, [], False
        for writer, octets in held:
            self.loop.call_soon_threadsafe(self._write, writer, octets)

    def deliver(self, token: object, pdu: PDU, link: int = -1) -> None:
        """deliver_sm on one of the links."""
        writer, session = self.links[link]

        def act() -> None:
            writer.write(
                session.send_message(
                    p.DELIVER_SM,
                    token,
                    time.monotonic(),
                    text=pdu.text,
                    number=pdu.number,
                    short_message=pdu.short_message,
                    tlvs=pdu.tlvs,
                )
            )

        self.loop.call_soon_threadsafe(act)

    def unbind(self) -> None:
        """The SMSC asks the last link to go."""
        writer, session = self.links[-1]
        self.loop.call_soon_threadsafe(lambda: writer.write(session.unbind(time.monotonic())))


class Bench:
    """`with Bench(conninfo) as bench`: SMSC and links worker in a thread of their own."""

    def __init__(self, conninfo: str, binds_max: int = 8) -> None:
        self.conninfo = conninfo
        self.binds_max = binds_max
        self.smsc = ScriptedSMSC()
        self.operator = Organisation.objects.create(code="OPS", name="Opsel", kind="MOBILE_OPERATOR")
        self._ready = threading.Event()
        self._stopping: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        self.smsc.loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self.smsc.serve, "127.0.0.1", 0)
        self.smsc.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await links.serve(self.conninfo, self._stopping, self.binds_max)
        server.close()

    def __enter__(self) -> Bench:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.smsc.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20)

    def bind(self, name: str = "b1", **fields: Any) -> Bind:
        return Bind.objects.create(
            **{
                "name": name,
                "operator": self.operator,
                "host": "127.0.0.1",
                "port": self.smsc.port,
                "system_id": "x",
                "password_wrapped": b"",
                "short_codes": ["3123"],
                "tps_max": 10_000,
                **fields,
            },
        )

    def until(self, holds: Callable[[], bool], seconds: float = 20) -> None:
        deadline_s = time.monotonic() + min(seconds, PATIENCE_S)
        while time.monotonic() < deadline_s:
            if holds():
                return
            time.sleep(0.02)
        raise AssertionError("it did not happen")

    def up(self, bind: Bind) -> None:
        self.until(lambda: Bind.objects.get(pk=bind.pk).state == "UP")


def states() -> list[str]:
    """States of every segment, in order."""
    return list(OutboundSegment.objects.order_by("id").values_list("state", flat=True))
