"""When a link is come back to, and what a connection's end is taken for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from duaarah.net import esme as module
from duaarah.net.esme import ESME, Ended, ESMEConfig, pause_s
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.pdu import PDU


def pauses(*ends: Ended) -> list[float]:
    found, before_s = [], 0.0
    for ended in ends:
        before_s = pause_s(before_s, ended)
        found.append(before_s)
    return found


def test_the_pause_doubles_up_to_half_a_minute_and_begins_anew_after_a_bind_that_lasted() -> None:
    away, flap, lasted = Ended("x"), Ended("x", 0.5), Ended("x", 10.0)
    assert pauses(*[away] * 10) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]
    # Who takes the bind and drops it at once is not hammered.
    assert pauses(*[flap] * 4) == [0.1, 0.2, 0.4, 0.8]
    assert pauses(away, away, lasted, away) == [0.1, 0.2, 0.1, 0.2]


def test_who_refuses_is_asked_slower_and_who_swallows_messages_is_no_link_that_lasted() -> None:
    assert pauses(*[Ended("x", refused=True)] * 8) == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pauses(*[Ended("x", 12.0, dead=True)] * 3) == [0.1, 0.2, 0.4]
    assert pauses(Ended("x"), Ended("x"), Ended("x", 61.0, dead=True)) == [0.1, 0.2, 0.1]


class Told:
    """What an ESME told its handler, in order."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def on_bound(self) -> None:
        self.said.append("bound")

    def on_response(self, token: object, status: int, message_id: str) -> None:
        self.said.append((token, status))

    def on_ambiguous(self, token: object) -> None:
        self.said.append(("ambiguous", token))

    def on_deliver(self, pdu: PDU) -> None:
        self.said.append(pdu.short_message)

    def on_down(self, reason: str) -> None:
        self.said.append(reason)


class Writer:
    """Keeps what is written; a bind is answered into the reader at once."""

    def __init__(self, reader: asyncio.StreamReader, answers: bytes) -> None:
        self._reader, self._answers = reader, answers

    def write(self, octets: bytes) -> None:
        if octets and p.decode(octets).command in p.BINDS:
            self._reader.feed_data(self._answers)

    def close(self) -> None: ...


def meet(monkeypatch: pytest.MonkeyPatch, answers: bytes, error: Exception | None = None, **config: Any) -> list[Any]:
    """What is told until the first connection ends."""

    async def run() -> list[Any]:
        reader, told = asyncio.StreamReader(), Told()

        async def opened(config: ESMEConfig) -> tuple[asyncio.StreamReader, Writer]:
            return reader, Writer(reader, answers)

        monkeypatch.setattr(module, "open_link", opened)
        esme = ESME(ESMEConfig(host="h", port=1, system_id="s", password="p", **config), told)
        task = asyncio.create_task(esme._connection())
        await asyncio.sleep(0.05)
        if error is not None:
            reader.set_exception(error)
        ended = await asyncio.wait_for(task, 2)
        return [*told.said, ended.reason, ended.refused]

    return asyncio.run(run())


GRANTED = p.encode(PDU(p.BIND_TRANSCEIVER | p.RESPONSE, 1, text={"system_id": "mc"}))


def test_a_connection_that_times_out_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """ETIMEDOUT is a TimeoutError: it once passed for a tick without data, over and over."""
    said = meet(monkeypatch, GRANTED, TimeoutError(110, "Connection timed out"))
    assert said == ["bound", "[Errno 110] Connection timed out", False]


def test_a_nacked_bind_is_a_refusal_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = meet(monkeypatch, p.encode(PDU(p.GENERIC_NACK, 1, 0)))
    assert said == ["The SMSC refuses the bind with status 0xff.", True]


def test_what_came_with_the_end_of_a_link_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = p.encode(PDU(p.DELIVER_SM, 9, short_message=b"SALDO"))
    said = meet(monkeypatch, GRANTED + delivery + bytes(16))
    assert said == ["bound", b"SALDO", "A PDU of 0 octets is not taken.", False]


@pytest.mark.parametrize(("status", "ends"), [(p.ESME_RINVPASWD, True), (p.ESME_RINVSYSID, True), (0x0D, False)])
def test_only_a_wrong_name_or_password_ends_the_tries(monkeypatch: pytest.MonkeyPatch, status: int, ends: bool) -> None:
    """ESME_RBINDFAIL is also what an SMSC says that still holds the old session or restarts: it is tried on."""
    monkeypatch.setattr(module, "REFUSED_FIRST_S", 0.01)
    monkeypatch.setattr(module, "REFUSED_MAX_S", 0.02)
    refusal = p.encode(PDU(p.BIND_TRANSCEIVER | p.RESPONSE, 1, status))

    async def run() -> tuple[bool, int]:
        told = Told()

        async def opened(config: ESMEConfig) -> tuple[asyncio.StreamReader, Writer]:
            reader = asyncio.StreamReader()
            return reader, Writer(reader, refusal)

        monkeypatch.setattr(module, "open_link", opened)
        config = ESMEConfig(host="h", port=1, system_id="s", password="p", bind_refusals_max=3)
        task = asyncio.create_task(ESME(config, told).run())
        await asyncio.wait({task}, timeout=0.5)
        ended = task.done()
        task.cancel()
        return ended, len(told.said)

    ended, downs = asyncio.run(run())
    assert ended is ends and (downs == 3 if ends else downs > 3)


def test_an_answer_goes_to_the_connection_that_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next connection counts from 1 again: a late answer there would acknowledge what nobody has committed."""
    written: list[PDU] = []

    class Kept(Writer):
        def write(self, octets: bytes) -> None:
            super().write(octets)
            if octets:
                written.append(p.decode(octets))

    async def run() -> list[PDU]:
        readers, got = [], []

        async def opened(config: ESMEConfig) -> tuple[asyncio.StreamReader, Writer]:
            readers.append(asyncio.StreamReader())
            delivery = p.encode(PDU(p.DELIVER_SM, 1, short_message=f"SMS {len(readers)}".encode()))
            return readers[-1], Kept(readers[-1], GRANTED + delivery)

        class Slow(Told):
            def on_deliver(self, pdu: PDU) -> None:
                got.append(pdu)

        monkeypatch.setattr(module, "open_link", opened)
        esme = ESME(ESMEConfig(host="h", port=1, system_id="s", password="p"), Slow())
        task = asyncio.create_task(esme.run())
        await asyncio.sleep(0.05)
        readers[0].feed_eof()
        for _ in range(200):
            if len(got) == 2:
                break
            await asyncio.sleep(0.01)
        first, second = got
        assert first == PDU(p.DELIVER_SM, 1, 0, first.text, first.number, b"SMS 1")
        written.clear()
        esme.ack(first)
        assert written == []
        # In one write, though the last of them has nobody to go to.
        esme.ack(second, more=True)
        esme.ack(first, more=True)
        assert written == []
        esme.flush()
        esme.ack(second)
        task.cancel()
        return written

    assert [(pdu.command, pdu.sequence) for pdu in asyncio.run(run())] == [(p.DELIVER_SM | p.RESPONSE, 1)]


def test_what_lies_unread_while_we_read_nothing_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """An overload of deliveries holds the reading back; a response behind them came in time and must not end the link."""
    monkeypatch.setattr(module, "PAUSE_MAX_S", 0.05)
    monkeypatch.setattr(module, "READ_OCTETS", 64)
    submitted = p.encode(PDU(p.SUBMIT_SM | p.RESPONSE, 2, text={"message_id": "m1"}))
    deliveries = [p.encode(PDU(p.DELIVER_SM, n, short_message=b"%-40d" % n)) for n in range(1, 13)]

    async def run() -> list[Any]:
        reader, told = asyncio.StreamReader(), Told()

        async def opened(config: ESMEConfig) -> tuple[asyncio.StreamReader, Writer]:
            return reader, Writer(reader, GRANTED)

        monkeypatch.setattr(module, "open_link", opened)
        config = ESMEConfig(host="h", port=1, system_id="s", password="p", window=1, response_timeout_s=0.3)
        esme = ESME(config, told)
        task = asyncio.create_task(esme._connection())
        while not esme.free:
            await asyncio.sleep(0.01)
        esme.pause()
        esme.submit(
            "one", source="3123", destination="628", short_message=b"x", data_coding=0, validity_s=60, registered=False
        )
        reader.feed_data(b"".join(deliveries) + submitted)
        for _ in range(300):
            if len(told.said) == 14:
                break
            await asyncio.sleep(0.01)
        reader.feed_eof()
        await task
        return told.said

    said = asyncio.run(run())
    assert said[0] == "bound" and said[-1] == ("one", 0) and len(said) == 14
