"""The town as a process, over the built-in SMSC and its control port, with the platform's side played by a plain ESME."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.sim.town.test_town import _frame, _report, _token

from duaarah.core.intent import DataBlock, LowCredit, MeterRegister, TokenResult
from duaarah.core.obis import Obis
from duaarah.drivers import Keys, encode_read, profile, register_value
from duaarah.net.dlms import Endpoint, session
from duaarah.net.dlms_client import ReadLink, read_registers
from duaarah.net.esme import ESME, ESMEConfig
from duaarah.net.jsonport import ControlFailed, call
from duaarah.sim.meter.device import LOAD_PROFILE, MANAGER_SAP
from duaarah.sim.meter.objects.control import RELAY
from duaarah.sim.smsc.server import SMSC
from duaarah.sim.town import server
from duaarah.sim.town.sms import BINARY, Outgoing
from duaarah.sim.town.world import READER_TITLE, START, TownMeter, make_world
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.smpp.pdu import PDU

WORLD = make_world(7, 50)
METER = WORLD.meters[0]
BY_NUMBER = {meter.msisdn: meter for meter in WORLD.meters}
ACCOUNTS = {"duaarah": "a", "town": "b"}


class Platform:
    """The other side of the SMSC: keeps what the town sends, and sends frames."""

    def __init__(self, port: int) -> None:
        config = ESMEConfig(
            host="127.0.0.1", port=port, system_id="duaarah", password="a", address_range="^3123$", window=100
        )
        self.esme = ESME(config, self)
        self.got: list[PDU] = []

    def on_bound(self) -> None: ...
    def on_response(self, token: object, status: int, message_id: str) -> None: ...
    def on_ambiguous(self, token: object) -> None: ...
    def on_down(self, reason: str) -> None: ...

    def on_deliver(self, pdu: PDU) -> None:
        self.esme.ack(pdu)
        self.got.append(pdu)

    def send(self, meter: TownMeter, frame: bytes) -> None:
        self.esme.submit(
            "frame",
            source="3123",
            destination=meter.msisdn,
            short_message=frame,
            data_coding=BINARY,
            validity_s=60,
            registered=False,
        )


class Stage:
    """What a test has in hand."""

    def __init__(self, town: server.TownProcess, platform: Platform, port: int, smsc_port: int) -> None:
        self.town, self.platform, self.port, self.smsc_port = town, platform, port, smsc_port

    async def ask(self, op: str, **content: Any) -> dict[str, Any]:
        return await asyncio.to_thread(call, self.port, {"op": op, **content})

    async def until(self, fulfilled: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not fulfilled():
                await asyncio.sleep(0.005)


def _on_stage(play: Callable[[Stage], Awaitable[None]], *, radio_faults: bool = False) -> None:
    async def run() -> None:
        smsc = SMSC(ACCOUNTS)
        smpp_port, smsc_port = await smsc.start()
        platform = Platform(smpp_port)
        town = server.TownProcess(
            WORLD, smsc=("127.0.0.1", smpp_port), system_id="town", password="b", radio_faults=radio_faults
        )
        port = await town.start()
        running = asyncio.create_task(platform.esme.run())
        stage = Stage(town, platform, port, smsc_port)
        try:
            await stage.until(lambda: town.link.esme.bound and platform.esme.bound)
            await play(stage)
        finally:
            await platform.esme.stop()
            await town.stop()
            running.cancel()
            await smsc.control.stop()

    asyncio.run(run())


def _clock(hours: int, rate: int = 1) -> dict[str, Any]:
    return {"anchor": (START + timedelta(hours=hours)).isoformat(), "rate": rate}


def test_a_frame_goes_through_the_smsc_to_the_meter_and_its_answer_back() -> None:
    async def play(stage: Stage) -> None:
        await stage.ask("clock", **_clock(0))
        stage.platform.send(METER, _frame(METER, _token(METER), 1))
        await stage.until(lambda: len(stage.platform.got) == 1)
        pdu = stage.platform.got[0]
        assert (pdu.text["source_addr"], pdu.text["destination_addr"]) == (METER.msisdn, "3123")
        assert (pdu.number["data_coding"], pdu.number["registered_delivery"]) == (BINARY, 0)
        report = _report(METER, Outgoing(METER.msisdn, pdu.payload, BINARY))
        assert isinstance(report, TokenResult) and report.result == "accept"
        status = await stage.ask("status")
        assert (status["busy"], status["bound"]) == (0, True)
        assert (await stage.ask("meter", drn=METER.drn))["token_energy_wh"] == 30_000

    _on_stage(play)


def test_the_clock_carried_forward_makes_meters_warn_and_customers_answer() -> None:
    async def play(stage: Stage) -> None:
        status = await stage.ask("clock", **_clock(0))
        assert status["now"].startswith("2026-02-16T00:00:0")
        due = status["next_due_at"]
        assert due is not None and due > status["now"]
        await stage.ask("clock", anchor=(START + timedelta(hours=23)).isoformat(), rate=1)
        await stage.until(lambda: stage.town.link.busy == 0 and len(stage.platform.got) >= 25 + len(WORLD.questions))
        binary = [pdu for pdu in stage.platform.got if pdu.number["data_coding"] == BINARY]
        low = set()
        for pdu in binary:
            sms = Outgoing(pdu.text["source_addr"], pdu.payload, BINARY)
            if isinstance(_report(BY_NUMBER[sms.source], sms), LowCredit):
                low.add(sms.source)
        assert len(low) in (25, 26)
        # An earlier anchor does not turn time back.
        assert (await stage.ask("clock", **_clock(1)))["now"] >= (START + timedelta(hours=23)).isoformat()

    _on_stage(play)


def test_a_fast_clock_does_what_is_due_by_itself() -> None:
    async def play(stage: Stage) -> None:
        await stage.ask("clock", **_clock(0, rate=100_000))  # a day in 0.9 s
        await stage.until(lambda: stage.town.town.now_us > 20 * 3600 * 10**6)
        await stage.until(lambda: len(stage.platform.got) >= 20)
        assert stage.town.town.now_us > 20 * 3600 * 10**6 and len(stage.platform.got) >= 20

    _on_stage(play)


def test_throttling_and_a_dropped_link_lose_no_message() -> None:
    async def play(stage: Stage) -> None:
        await asyncio.to_thread(call, stage.smsc_port, {"op": "throttle", "n": 2})
        await stage.ask("send", **{"from": "628120", "text": "SALDO"})
        await stage.until(lambda: len(stage.platform.got) == 1)
        await asyncio.to_thread(call, stage.smsc_port, {"op": "drop"})
        await stage.ask("send", **{"from": "628120", "text": "BANTUAN"})
        await stage.until(lambda: len(stage.platform.got) == 2)
        assert [pdu.payload for pdu in stage.platform.got] == [b"SALDO", b"BANTUAN"]
        assert (await stage.ask("status"))["busy"] == 0

    _on_stage(play)


def test_faults_power_and_phones_over_the_control_port() -> None:
    async def play(stage: Stage) -> None:
        await stage.ask("clock", **_clock(0))
        faults = await stage.ask("fault", drn=METER.drn, modem_dead=True, tid_store_off=True, lose_next_answer=2)
        assert faults["modem_dead"]
        assert stage.town.town.supplies[METER.drn].sim.faults.lose_next_answer == 2
        assert (await stage.ask("power", drn=METER.drn, on=False))["held"] == 1
        assert stage.platform.got == []
        await stage.ask("fault", drn=METER.drn, modem_dead=False)
        await stage.until(lambda: len(stage.platform.got) == 1)
        await stage.ask("send", **{"from": METER.holder.phone, "text": "SALDO"})
        phone = await stage.ask("phone", msisdn=METER.holder.phone)
        assert [sms["text"] for sms in phone["outbox"]] == ["SALDO"]
        page = await stage.ask("meters", offset=48)
        assert (page["count"], len(page["meters"])) == (50, 2)

    _on_stage(play)


def test_a_meter_is_read_through_the_port_that_the_town_opens() -> None:
    async def play(stage: Stage) -> None:
        stage.platform.send(METER, _frame(METER, _token(METER), 1))
        await stage.until(lambda: len(stage.platform.got) == 1)
        port = (await stage.ask("read_port", drn=METER.drn))["port"]
        assert (await stage.ask("read_port", drn=METER.drn))["port"] == port
        known = profile(METER.profile)
        link = ReadLink(
            host="127.0.0.1",
            port=port,
            client_sap=known.link.client_sap,
            server_sap=known.link.server_sap,
            keys=Keys(METER.ek, METER.ak),
            system_title=READER_TITLE,
            meter_title=METER.system_title,
        )
        request = [encode_read(known, MeterRegister.TOKEN_ENERGY_WH, 1)]
        raw = await asyncio.to_thread(read_registers, link, request, counter=1)
        assert register_value(known, MeterRegister.TOKEN_ENERGY_WH, raw[0]) == 30_000
        await _associate(stage, port)

    _on_stage(play)


async def _associate(stage: Stage, port: int) -> None:
    """A session on the same port: a day of rows, a disconnection, and a push that goes out by SMS."""
    endpoint = Endpoint(
        host="127.0.0.1",
        port=port,
        client_sap=MANAGER_SAP,
        keys=Keys(METER.ek, METER.ak),
        system_title=READER_TITLE,
        meter_title=METER.system_title,
    )
    counters = itertools.count(100)
    async with session(endpoint, next_counter=lambda: next(counters)) as opened:
        assert len((await opened.get(7, LOAD_PROFILE, 2)).value) == 96
        await opened.act(70, RELAY, 1, Data(Tag.INTEGER, 0))
        await opened.act(40, Obis(0, 6, 25, 9, 0), 1, Data(Tag.INTEGER, 0))
    assert (await stage.ask("meter", drn=METER.drn))["relay_closed"] is False
    await stage.until(lambda: len(stage.platform.got) == 2)
    assert isinstance(_report(METER, Outgoing(METER.msisdn, stage.platform.got[1].payload, BINARY)), DataBlock)


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "meter", "drn": "99000000000"},
        {"op": "meter"},
        {"op": "clock", "anchor": "2026-02-16T00:00:00", "rate": 1},
        {"op": "clock", "anchor": "yesterday", "rate": 1},
        {"op": "clock", "anchor": "2026-02-16T00:00:00+07:00", "rate": "fast"},
        {"op": "phone", "msisdn": "628"},
        {"op": "send", "from": "628120", "text": "x" * 161},
        {"op": "buy_at_atm", "drn": METER.drn, "nominal_idr": 50_000},
        {"op": "nothing"},
    ],
)
def test_what_the_control_port_does_not_understand_is_refused(request_: dict[str, Any]) -> None:
    async def play(stage: Stage) -> None:
        with pytest.raises(ControlFailed):
            await asyncio.to_thread(call, stage.port, request_)
        assert (stage.town.link.busy, stage.town.town.started) == (0, False)

    _on_stage(play)


@pytest.mark.parametrize("smsc", ["nowhere", "127.0.0.1:x"])
def test_a_wrong_smsc_address_is_wrong_usage(smsc: str, capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    server.add_arguments(parser)
    assert server.run(parser.parse_args(["--smsc", smsc])) == 2
    assert "HOST:PORT" in capsys.readouterr().err
