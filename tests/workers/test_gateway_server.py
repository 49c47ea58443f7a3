# SPDX-License-Identifier: Apache-2.0
"""The gateway's sockets on the loopback, without a database: what reaches the store, what comes back, who is cut off."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from django.db import IntegrityError, OperationalError

from duaarah.headend.operations.gateway import Refused
from duaarah.wire.dlms import hdlc
from duaarah.wiring.gateway import Came, Verdict
from duaarah.workers.gateway import address
from duaarah.workers.gateway_server import Gateway, Limits

QUICK = Limits(first_s=0.2, whole_s=0.2, idle_s=5.0)


def wrapped(apdu: bytes) -> bytes:
    return bytes.fromhex("000100010010") + len(apdu).to_bytes(2, "big") + apdu


class Shelf:
    """A store in memory: APDUs that begin with C are confirmed, with X refused."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []
        self.refused: Counter[Refused] = Counter()
        self.failures = 0
        self.batches: list[int] = []
        self.open = threading.Event()
        self.open.set()

    def take(self, batch: Sequence[Came], refused: Counter[Refused]) -> list[Verdict]:
        self.open.wait(5)
        if self.failures:
            self.failures -= 1
            raise OperationalError("away")
        self.batches.append(len(batch))
        self.refused.update(refused)
        return [self._one(came) for came in batch]

    def _one(self, came: Came) -> Verdict:
        apdu = came.pushed.apdu
        if apdu[:1] == b"!":
            raise IntegrityError("this one")
        if apdu[:1] == b"X":
            return Verdict("auth_failed")
        self.kept.append((came.bearer, apdu))
        return Verdict(answer=came.pushed.answer(b"K" + apdu[1:]) if apdu[:1] == b"C" else b"")


def run(act: Callable[[Gateway, Shelf], Awaitable[None]], limits: Limits = QUICK) -> Shelf:
    shelf = Shelf()

    async def whole() -> None:
        gateway = Gateway(shelf.take, limits)
        await gateway.open("127.0.0.1", 0)
        try:
            await act(gateway, shelf)
        finally:
            await gateway.close()

    asyncio.run(asyncio.wait_for(whole(), 20))
    return shelf


async def until(done: Callable[[], bool]) -> None:
    while not done():
        await asyncio.sleep(0.005)


async def gone(reader: asyncio.StreamReader) -> bool:
    """Nothing more comes: closed in order, or reset because something was still on its way."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def connect(gateway: Gateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", gateway.port)


def test_several_a_connection_with_gaps_are_kept_and_confirmed_after_the_commit() -> None:
    async def act(gateway: Gateway, shelf: Shelf) -> None:
        reader, writer = await connect(gateway)
        line = wrapped(b"C1") + wrapped(b"quiet") + wrapped(b"C2")
        for start in range(0, len(line), 9):
            writer.write(line[start : start + 9])
            await asyncio.sleep(0.01)
        assert await reader.readexactly(20) == b"".join(
            bytes.fromhex("0001001000010002") + word for word in (b"K1", b"K2")
        )
        shelf.open.clear()
        writer.write(wrapped(b"C3"))
        try:
            await asyncio.wait_for(reader.readexactly(1), 0.15)
        except TimeoutError:
            pass
        else:
            raise AssertionError("confirmed before it was kept")
        shelf.open.set()
        assert (await reader.readexactly(10))[-2:] == b"K3"
        writer.close()

    assert [apdu for _, apdu in run(act).kept] == [b"C1", b"quiet", b"C2", b"C3"]


def test_hdlc_is_answered_in_hdlc_and_an_end_of_stream_waits_for_what_was_sent() -> None:
    async def act(gateway: Gateway, shelf: Shelf) -> None:
        reader, writer = await connect(gateway)
        shelf.failures = 1
        writer.write(hdlc.encode_message(b"C" + bytes(200), destination=b"\x21", source=b"\x03", size=128))
        writer.write_eof()
        answer = await reader.read()
        assert hdlc.messages(hdlc.scan(answer)) == [b"K" + bytes(200)]

    assert len(run(act).kept) == 1


def test_one_that_cannot_be_kept_stops_no_other() -> None:
    async def act(gateway: Gateway, _: Shelf) -> None:
        reader, writer = await connect(gateway)
        writer.write(wrapped(b"C1") + wrapped(b"!") + wrapped(b"C2"))
        assert (await reader.readexactly(20))[-2:] == b"K2"
        await until(lambda: gateway.counts["not_kept"] == 1)
        writer.close()

    # The batch was not kept whole, so it came again one by one; the rows of a real store are kept once.
    assert {apdu for _, apdu in run(act).kept} == {b"C1", b"C2"}


def test_udp_takes_whole_messages_and_answers_the_sender() -> None:
    async def act(gateway: Gateway, shelf: Shelf) -> None:
        got: asyncio.Queue[bytes] = asyncio.Queue()

        class Peer(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, peer: object) -> None:
                got.put_nowait(data)

        loop = asyncio.get_running_loop()
        sender, _ = await loop.create_datagram_endpoint(Peer, remote_addr=("127.0.0.1", gateway.port))
        sender.sendto(wrapped(b"half")[:-1])
        sender.sendto(wrapped(b"C1") + wrapped(b"two"))
        assert (await got.get())[-2:] == b"K1"
        await until(lambda: gateway.counts["kept"] == 2)
        sender.close()

    shelf = run(act)
    assert shelf.kept == [("UDP", b"C1"), ("UDP", b"two")]
    assert shelf.refused == {Refused("UDP", "127.0.0.1", "incomplete"): 1}


def test_slow_silent_and_too_large_are_hung_up_on() -> None:
    async def act(gateway: Gateway, _: Shelf) -> None:
        silent, _w1 = await connect(gateway)
        slow, writer = await connect(gateway)
        large, writer2 = await connect(gateway)
        other, writer3 = await connect(gateway)
        writer2.write(bytes.fromhex("000100010010ffff"))
        writer3.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await gone(large) and await gone(other)
        # An octet now and then is not progress.
        for octet in wrapped(b"slow"):
            writer.write(bytes([octet]))
            await asyncio.sleep(0.05)
        assert await gone(silent) and await gone(slow)
        await until(lambda: not gateway._refused)

    shelf = run(act)
    assert shelf.kept == []
    codes = ("silent", "too_slow", "too_long", "unknown_framing")
    assert shelf.refused == {Refused("TCP", "127.0.0.1", code): 1 for code in codes}


def test_a_peer_that_is_refused_again_and_again_is_not_listened_to() -> None:
    limits = replace(QUICK, strikes_max=3, refusals_max=4, refusals_s=60)

    async def act(gateway: Gateway, shelf: Shelf) -> None:
        reader, writer = await connect(gateway)
        for _ in range(3):
            writer.write(wrapped(b"Xbad"))
        assert await reader.read() == b""
        reader, writer = await connect(gateway)
        writer.write(wrapped(b"Xbad"))
        await until(lambda: gateway.counts["auth_failed"] == 4)
        writer.write(wrapped(b"C1"))  # whoever is in may still prove himself
        assert (await reader.readexactly(10))[-2:] == b"K1"
        barred, _w = await connect(gateway)
        assert await gone(barred)
        await until(lambda: not gateway._refused)

    shelf = run(act, limits)
    assert shelf.kept == [("TCP", b"C1")] and shelf.refused == {Refused("TCP", "127.0.0.1", "barred"): 1}


def test_an_address_has_so_many_connections() -> None:
    async def act(gateway: Gateway, _: Shelf) -> None:
        _first, _w = await connect(gateway)
        second, _w2 = await connect(gateway)
        assert await gone(second)
        await until(lambda: not gateway._refused)

    shelf = run(act, replace(QUICK, per_address_max=1, first_s=5.0))
    assert shelf.refused == {Refused("TCP", "127.0.0.1", "too_many_connections"): 1}


def test_a_full_queue_stops_reading_and_loses_nothing() -> None:
    async def act(gateway: Gateway, shelf: Shelf) -> None:
        shelf.open.clear()
        reader, writer = await connect(gateway)
        for number in range(3_000):
            writer.write(wrapped(b"C%04d" % number + bytes(300)))
        await until(lambda: gateway.full)
        await asyncio.sleep(0.1)
        held = len(gateway._queue)
        assert held < 1_500
        shelf.open.set()
        await reader.readexactly(3_000 * 313)
        writer.close()

    shelf = run(act, replace(QUICK, queue_max=100, batch_max=50, whole_s=5.0))
    assert [int(apdu[1:5]) for _, apdu in shelf.kept] == list(range(3_000))
    assert max(shelf.batches) == 50


def test_addresses() -> None:
    assert address("10.0.0.1") == ("10.0.0.1", 4059)
    assert address("10.0.0.1:5000") == ("10.0.0.1", 5000)
    assert address("[::]:5000") == ("::", 5000)
    assert address("[::1]") == ("::1", 4059)
