# SPDX-License-Identifier: Apache-2.0
"""What a meter alone says on its own, on its way: over TCP, UDP or SMS, with the faults of a bad line.

The meter seals its pushes as SMS payloads; over IP the same protected APDU travels under the 8-octet wrapper.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from duaarah.net.esme import ESME, ESMEConfig
from duaarah.sim.meter.models import MeterModel
from duaarah.wire.dlms import wrapper
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.pdu import PDU

CONNECT_S = 5.0
WAITING_MAX = 1000
DATA_CODING_BINARY = 4
Carry = Callable[[bytes], None]


@dataclass(slots=True)
class LineFaults:
    """How many of the next pushes are lost, doubled, swapped with the one behind, or `late_s` late."""

    lose: int = 0
    double: int = 0
    reorder: int = 0
    late: int = 0
    late_s: float = 0.0


class Outbound:
    """`send` hands payloads to `carry`, faults included. `every_late_s` delays all of them."""

    def __init__(self, carry: Carry | None) -> None:
        self._carry = carry
        self.faults = LineFaults()
        self.every_late_s = 0.0
        self.counts: Counter[str] = Counter()
        self._held: bytes | None = None

    def send(self, payloads: Iterable[bytes]) -> None:
        """Each payload, in order, as far as the faults let it."""
        for payload in payloads:
            self._one(payload)

    def _one(self, payload: bytes) -> None:
        faults = self.faults
        if self._carry is None:
            self.counts["nowhere"] += 1
        elif faults.lose > 0:
            faults.lose -= 1
            self.counts["lost"] += 1
        elif faults.reorder > 0 and self._held is None:
            faults.reorder -= 1
            self._held = payload
        else:
            copies = 2 if faults.double > 0 else 1
            faults.double -= copies - 1
            late_s = self.every_late_s
            if faults.late > 0:
                faults.late, late_s = faults.late - 1, faults.late_s
            for _ in range(copies):
                self._go(payload, late_s)
            held, self._held = self._held, None
            if held is not None:
                self._go(held, late_s)

    def _go(self, payload: bytes, late_s: float) -> None:
        assert self._carry is not None
        self.counts["sent"] += 1
        if late_s > 0:
            asyncio.get_running_loop().call_later(late_s, self._carry, payload)
        else:
            self._carry(payload)


def to_ip(model: MeterModel, payload: bytes) -> bytes:
    """An SMS payload of this model under the wrapper of IP."""
    if model.short_order is None:
        return payload
    return wrapper.wrap(wrapper.unwrap_short(payload, model.short_order))


class IpCarrier:
    """Pushes to HOST:PORT: a datagram each, or one TCP connection after the other. What cannot go is lost and counted."""

    def __init__(self, model: MeterModel, host: str, port: int, *, udp: bool) -> None:
        self._model, self._host, self._port, self._udp = model, host, port, udp
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(WAITING_MAX)
        self._task: asyncio.Task[None] | None = None
        self.lost = 0

    def carry(self, payload: bytes) -> None:
        """Have it sent."""
        try:
            self._queue.put_nowait(to_ip(self._model, payload))
        except asyncio.QueueFull:
            self.lost += 1

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what still waits is lost."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            payload = await self._queue.get()
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._send(payload)
            except (OSError, TimeoutError):
                self.lost += 1

    async def _send(self, payload: bytes) -> None:
        if self._udp:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(self._host, self._port)
            )
            transport.sendto(payload)
            transport.close()
            return
        _, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(payload)
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SmsPlace:
    """The SMSC, the account there, the SIM's number, and the short code of the head end."""

    host: str
    port: int
    system_id: str
    password: str
    msisdn: str
    short_code: str


class SmsCarrier:
    """The modem: an ESME under the SIM's number (an ESMEHandler). `receive(payload)` is called for each SMS that comes."""

    def __init__(self, place: SmsPlace, receive: Callable[[bytes], None]) -> None:
        self._place, self._receive = place, receive
        config = ESMEConfig(
            host=place.host,
            port=place.port,
            system_id=place.system_id,
            password=place.password,
            address_range=f"^{place.msisdn}$",
        )
        self.esme = ESME(config, self)
        self.bound = asyncio.Event()
        self._waiting: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self.lost = 0

    def carry(self, payload: bytes) -> None:
        """Have it sent as soon as the link takes it."""
        if len(self._waiting) >= WAITING_MAX:
            self.lost += 1
            return
        self._waiting.append(payload)
        self._pump()

    def _pump(self) -> None:
        while self._waiting and self.esme.free:
            payload = self._waiting.pop(0)
            self.esme.submit(
                payload,
                source=self._place.msisdn,
                destination=self._place.short_code,
                short_message=payload,
                data_coding=DATA_CODING_BINARY,
                validity_s=24 * 3600,
                registered=False,
            )

    async def start(self) -> None:
        """Bind, and stay bound."""
        self._task = asyncio.create_task(self.esme.run())

    async def stop(self) -> None:
        """Unbind."""
        await self.esme.stop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._task

    # -- ESMEHandler -----------------------------------------------------------------------------------------------

    def on_bound(self) -> None:
        self.bound.set()
        self._pump()

    def on_response(self, token: object, status: int, message_id: str) -> None:
        if status != p.ESME_ROK:
            self.lost += 1
        self._pump()

    def on_ambiguous(self, token: object) -> None:
        if isinstance(token, bytes):
            self._waiting.insert(0, token)

    def on_deliver(self, pdu: PDU) -> None:
        self._receive(bytes(pdu.payload))
        self.esme.ack(pdu)

    def on_down(self, reason: str) -> None:
        self.bound.clear()
