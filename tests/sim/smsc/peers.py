"""The built-in SMSC in a thread of its own, and a client that is nothing but a socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from duaarah.net.jsonport import call
from duaarah.sim.smsc.server import SMSC
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.pdu import PDU

ACCOUNTS = {"platform": "a", "town": "b"}
METER = "628110000001"


class Raw:
    """SMPP by hand: octets out, whole PDUs in; `reads` are the pieces as the network brought them."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""
        self.reads: list[bytes] = []
        self.sequence = 0

    def send(self, command: int, **content: Any) -> int:
        self.sequence += 1
        self.socket.sendall(p.encode(PDU(command, self.sequence, **content)))
        return self.sequence

    def octets(self, n: int) -> bytes:
        """Raises EOFError when the peer closes before."""
        while len(self.buffer) < n:
            piece = self.socket.recv(65_536)
            if not piece:
                raise EOFError
            self.reads.append(piece)
            self.buffer += piece
        found, self.buffer = self.buffer[:n], self.buffer[n:]
        return found

    def next(self) -> PDU:
        head = self.octets(16)
        return p.decode(head + self.octets(int.from_bytes(head[:4], "big") - 16))

    def nothing(self, within_s: float = 0.3) -> bool:
        """Whether no octet comes."""
        self.socket.settimeout(within_s)
        try:
            return not self.buffer and self.socket.recv(1) == b"\0impossible"
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5)

    def bind(self, name: str = "platform", *, address_range: str = "", command: int = p.BIND_TRANSCEIVER) -> PDU:
        text = {"system_id": name, "password": ACCOUNTS[name], "address_range": address_range}
        self.send(command, text=text)
        return self.next()

    def submit(self, payload: bytes = b"x", *, to: str = METER, receipt: bool = False, validity: str = "") -> int:
        text = {"source_addr": "3123", "destination_addr": to, "validity_period": validity}
        number = {"data_coding": 4, "registered_delivery": int(receipt)}
        return self.send(p.SUBMIT_SM, text=text, number=number, short_message=payload)

    def ack(self, pdu: PDU, status: int = 0) -> None:
        self.socket.sendall(p.encode(PDU(pdu.command | p.RESPONSE, pdu.sequence, status)))

    def deliver(self) -> PDU:
        """The next deliver_sm, acknowledged."""
        pdu = self.next()
        assert pdu.command == p.DELIVER_SM
        self.ack(pdu)
        return pdu

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Running:
    """One SMSC; `client` connects, `ask` is its JSON port."""

    def __init__(self, *, tls: tuple[Path, Path] | None = None, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.smsc = SMSC(ACCOUNTS, **options)
        self.port, self.control = asyncio.run_coroutine_threadsafe(self.smsc.start(tls=tls), self._loop).result(5)
        self._clients: list[Raw] = []

    def client(self, tls: ssl.SSLContext | None = None) -> Raw:
        self._clients.append(Raw(self.port, tls=tls))
        return self._clients[-1]

    def pair(self) -> tuple[Raw, Raw]:
        """The platform, and a town that answers for every number but short codes."""
        platform, town = self.client(), self.client()
        assert platform.bind(address_range="^3123$").status == 0
        assert town.bind("town", address_range="^62").status == 0
        return platform, town

    def ask(self, op: str, **content: Any) -> dict[str, Any]:
        return call(self.control, {"op": op, **content})

    def close(self) -> None:
        for client in self._clients:
            client.socket.close()
        asyncio.run_coroutine_threadsafe(self.smsc.stop(), self._loop).result(5)
        asyncio.run_coroutine_threadsafe(_end_all(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


async def _end_all() -> None:
    """An answer that was to be lost still sleeps."""
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def running(**options: Any) -> Iterator[Running]:
    started = Running(**options)
    try:
        yield started
    finally:
        started.close()


def until(fulfilled: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + 10
    while not fulfilled():
        if time.monotonic() > deadline_s:
            pytest.fail(f"never: {what}")
        time.sleep(0.01)
