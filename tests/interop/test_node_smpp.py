"""Our SMPP client against node-smpp's server, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.interop.conftest import HERE, PASSWORD, USER, NodeSMSC

from duaarah.core import gsm7
from duaarah.net.esme import ESME, ESMEConfig
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.pdu import PDU

pytestmark = pytest.mark.slow
Start = Callable[..., NodeSMSC]
ALL_OCTETS = bytes(range(128)), bytes(range(128, 256))


@dataclass
class Told:
    """What an ESME told its handler, in order; `ack` says whether deliveries are acknowledged."""

    ack: bool = True

    def __post_init__(self) -> None:
        self.responses: list[tuple[Any, int, str]] = []
        self.ambiguous: list[Any] = []
        self.delivered: list[PDU] = []
        self.downs: list[str] = []
        self.bounds = 0
        self.esme: ESME

    def on_bound(self) -> None:
        self.bounds += 1

    def on_response(self, token: object, status: int, message_id: str) -> None:
        self.responses.append((token, status, message_id))

    def on_ambiguous(self, token: object) -> None:
        self.ambiguous.append(token)

    def on_deliver(self, pdu: PDU) -> None:
        self.delivered.append(pdu)
        if self.ack:
            self.esme.ack(pdu)

    def on_down(self, reason: str) -> None:
        self.downs.append(reason)


async def until(holds: Callable[[], bool], seconds: float = 8) -> None:
    for _ in range(int(seconds * 100)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def play(
    smsc: NodeSMSC, story: Callable[..., Awaitable[None]], *, ranges: tuple[str, ...] = ("^3123$",), **config: Any
) -> list[Told]:
    """Bind one ESME for each address range, run the story with them, unbind."""

    async def run() -> list[Told]:
        told = [Told() for _ in ranges]
        tasks = []
        for item, address_range in zip(told, ranges, strict=True):
            settings = {"password": PASSWORD, "window": 10, **config}
            item.esme = ESME(
                ESMEConfig(host="127.0.0.1", port=smsc.port, system_id=USER, address_range=address_range, **settings),
                item,
            )
            tasks.append(asyncio.create_task(item.esme.run()))
        try:
            await story(*told)
        finally:
            for item in told:
                await item.esme.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return told

    return asyncio.run(run())


def submit(told: Told, token: object, payload: bytes, coding: int, *, registered: bool = False) -> None:
    told.esme.submit(
        token,
        source="3123",
        destination="628110000001",
        short_message=payload,
        data_coding=coding,
        validity_s=600,
        registered=registered,
    )


PAIR = ("^3123$", "^62")


async def both_bound(*told: Told) -> None:
    await until(lambda: all(item.esme.bound for item in told))


@pytest.mark.parametrize("flags", [(), ("--late-response",)], ids=["response-first", "receipt-first"])
def test_frames_and_texts_arrive_octet_for_octet_and_receipts_are_read(start_smsc: Start, flags: tuple) -> None:
    smsc = start_smsc(*flags)
    text = gsm7.encode("Terisi 33,6 kWh (Rp50.000) @ {€}")

    async def story(platform: Told, town: Told) -> None:
        await both_bound(platform, town)
        for number, octets in enumerate(ALL_OCTETS):
            submit(platform, number, octets, 4, registered=True)
        submit(platform, 2, text, 0)
        await until(lambda: len(town.delivered) == 3 and len(platform.responses) == 3 and len(platform.delivered) == 2)

    platform, town = play(smsc, story, ranges=PAIR)
    assert [d.payload for d in town.delivered] == [*ALL_OCTETS, text]
    assert [d.number["data_coding"] for d in town.delivered] == [4, 4, 0]
    assert town.delivered[0].text["source_addr"] == "3123"
    ids = {token: message_id for token, status, message_id in platform.responses if status == p.ESME_ROK}
    assert sorted(ids) == [0, 1, 2] and len(set(ids.values())) == 3
    receipts = [receipt.parse(d) for d in platform.delivered if receipt.is_receipt(d)]
    assert [r.state for r in receipts if r] == [2, 2]
    assert [ids[n] in r.message_ids for n, r in enumerate(receipts) if r] == [True, True]


def test_a_wrong_password_is_said_and_tried_again_with_backoff(start_smsc: Start) -> None:
    async def story(told: Told) -> None:
        await until(lambda: len(told.downs) >= 3)
        assert told.bounds == 0 and not told.esme.bound and told.esme.free == 0

    (told,) = play(start_smsc(), story, password="wrong")
    assert all("refuses the bind" in reason and "0xe" in reason for reason in told.downs[:3])


def test_two_hundred_in_a_window_of_ten_each_answered_once(start_smsc: Start) -> None:
    smsc = start_smsc("--late-response")

    async def story(told: Told) -> None:
        await both_bound(told)
        sent = 0
        while sent < 200:
            if told.esme.free:
                submit(told, sent, b"x", 4)
                sent += 1
            else:
                await asyncio.sleep(0.002)
        await until(lambda: len(told.responses) == 200)

    (told,) = play(smsc, story)
    assert sorted(token for token, _, _ in told.responses) == list(range(200))
    stats = smsc.ask("stats")
    assert stats["submitted"] == 200 and 2 <= stats["most_in_flight"] <= 10


def test_throttled_is_a_status_and_no_response_is_ambiguous(start_smsc: Start) -> None:
    smsc = start_smsc()

    async def story(told: Told) -> None:
        await both_bound(told)
        smsc.ask("throttle", n=1)
        submit(told, "slow", b"x", 4)
        await until(lambda: len(told.responses) == 1)
        smsc.ask("noresp", n=1)
        submit(told, "silent", b"x", 4)
        await until(lambda: told.ambiguous == ["silent"])

    (told,) = play(smsc, story, response_timeout_s=0.5)
    assert told.responses == [("slow", p.ESME_RTHROTTLED, "")]


@pytest.mark.parametrize("how", ["drop", "unbind"])
def test_a_link_that_the_smsc_ends_comes_back(start_smsc: Start, how: str) -> None:
    smsc = start_smsc()

    async def story(told: Told) -> None:
        await both_bound(told)
        smsc.ask(how)
        await until(lambda: told.bounds == 2 and told.esme.bound)
        submit(told, 1, b"x", 4)
        await until(lambda: len(told.responses) == 1)

    (told,) = play(smsc, story)
    assert len(told.downs) >= 1 and smsc.ask("stats")["binds"] == 2


def test_a_delivery_that_nobody_acknowledged_comes_again(start_smsc: Start) -> None:
    smsc = start_smsc()

    async def story(told: Told) -> None:
        told.ack = False
        await both_bound(told)
        smsc.ask("deliver", source="628120000001", destination="3123", data_coding=4, hex="00ff10")
        await until(lambda: len(told.delivered) == 1)
        told.ack = True
        smsc.ask("drop")
        await until(lambda: len(told.delivered) == 2)
        await until(lambda: smsc.ask("stats")["delivered"] == 1)

    (told,) = play(smsc, story)
    assert {d.payload for d in told.delivered} == {b"\x00\xff\x10"}


def test_enquire_link_both_ways_and_a_dead_peer_is_noticed(start_smsc: Start) -> None:
    smsc = start_smsc()

    async def story(told: Told) -> None:
        await both_bound(told)
        loop = asyncio.get_running_loop()
        assert (await loop.run_in_executor(None, lambda: smsc.ask("enquire")))["status"] == 0
        await until(lambda: smsc.ask("stats")["enquired"] >= 1)
        assert told.bounds == 1
        smsc.ask("silent", n=99)
        await until(lambda: len(told.downs) >= 1)

    (told,) = play(smsc, story, enquire_link_s=0.3, response_timeout_s=0.5)
    assert told.downs[0] == "The SMSC does not answer."


def test_pdus_in_pieces_of_seven_octets(start_smsc: Start) -> None:
    smsc = start_smsc()

    async def story(told: Told) -> None:
        await both_bound(told)
        smsc.ask("split")
        for number in range(5):
            smsc.ask("deliver", source="628120000001", destination="3123", data_coding=4, hex=f"{number:02x}" * 100)
            submit(told, number, b"x", 4)
        await until(lambda: len(told.delivered) == 5 and len(told.responses) == 5)

    (told,) = play(smsc, story)
    assert [d.payload for d in told.delivered] == [bytes([n]) * 100 for n in range(5)]


def test_the_lock_file_names_no_address() -> None:
    for path in Path(HERE).parents[1].glob("**/package-lock.json"):
        if "node_modules" in path.parts or ".cache" in path.parts:
            continue
        assert "://" not in path.read_text(), path
        assert "integrity" in json.dumps(json.loads(path.read_text()))
