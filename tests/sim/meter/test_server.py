"""A simulated meter behind its TCP port, read by the blocking client over a real loopback socket."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from tests.sim.meter.meters import KEYS, KINDS, METER_TITLE, NOW, READER_TITLE, TID, build, command, token

from duaarah.core.intent import MeterRegister
from duaarah.drivers import Keys, encode_read, profile, register_value
from duaarah.net.dlms_client import ReadFailed, ReadLink, ReadRefused, read_registers
from duaarah.sim.meter import SimMeter
from duaarah.sim.meter.server import MeterServer


def _link(kind: str, port: int) -> ReadLink:
    known = profile(kind).link
    return ReadLink(
        host="127.0.0.1",
        port=port,
        client_sap=known.client_sap,
        server_sap=known.server_sap,
        keys=KEYS,
        system_title=READER_TITLE,
        meter_title=METER_TITLE,
        timeout_s=5.0,
    )


def _read(meter: SimMeter, link_of: ReadLink, requests: list[bytes], counter: int = 1) -> list[int]:
    async def session() -> list[int]:
        async with MeterServer(meter) as server:
            link = dataclasses.replace(link_of, port=server.port)
            return await asyncio.to_thread(read_registers, link, requests, counter=counter)

    return asyncio.run(session())


@pytest.mark.parametrize("kind", KINDS)
def test_the_audit_registers_are_read_over_the_wire(kind: str) -> None:
    meter = build(kind)
    meter.faults.tid_store_off = True
    for counter, tid in ((1, TID), (2, TID), (3, TID + 1)):
        meter.receive_sms(command(kind, token(tid=tid), counter), NOW)
    requests = [encode_read(profile(kind), register, number) for number, register in enumerate(MeterRegister)]
    raw = _read(meter, _link(kind, 0), requests)
    values = {
        register: register_value(profile(kind), register, value)
        for register, value in zip(MeterRegister, raw, strict=True)
    }
    assert values == {
        MeterRegister.CREDIT_LEFT_WH: 50_000,
        MeterRegister.TOKEN_ENERGY_WH: 30_000,
        MeterRegister.TOKENS_ACCEPTED: 3,
        MeterRegister.TOKENS_DISTINCT: 2,
    }
    assert not meter.dropped


def test_a_reader_has_its_own_counters_beside_the_head_ends() -> None:
    kind = KINDS[0]
    meter = build(kind)
    request = [encode_read(profile(kind), MeterRegister.CREDIT_LEFT_WH, 1)]
    assert _read(meter, _link(kind, 0), request, counter=500) == [20_000]
    assert len(meter.receive_sms(command(kind, token(), 1), NOW)) == 1
    with pytest.raises(ReadFailed):
        _read(meter, _link(kind, 0), request, counter=500)
    assert dict(meter.dropped) == {"replayed": 1}


def test_wrong_keys_are_not_answered_and_a_foreign_object_is_refused() -> None:
    kind = KINDS[0]
    meter = build(kind)
    request = [encode_read(profile(kind), MeterRegister.CREDIT_LEFT_WH, 1)]
    with pytest.raises(ReadFailed):
        _read(meter, dataclasses.replace(_link(kind, 0), keys=Keys(bytes(16), bytes(16))), request)
    assert dict(meter.dropped) == {"auth_failed": 1}
    with pytest.raises(ReadRefused):
        _read(meter, _link(kind, 0), [bytes.fromhex("c001c100030100010800ff0200")])


def test_an_answer_of_another_meter_is_not_believed() -> None:
    kind = KINDS[0]
    request = [encode_read(profile(kind), MeterRegister.CREDIT_LEFT_WH, 1)]
    link = dataclasses.replace(_link(kind, 0), meter_title=b"DUA\x01\x00\x00\x00\x08")
    with pytest.raises(ReadFailed):
        _read(build(kind), link, request)


def test_a_peer_that_does_not_speak_the_wrapper_is_hung_up_on() -> None:
    async def session() -> bytes:
        async with MeterServer(build(KINDS[0])) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            got = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return got

    assert asyncio.run(session()) == b""


def test_no_meter_at_the_port() -> None:
    with pytest.raises(ReadFailed):
        read_registers(_link(KINDS[0], 1), [b""], counter=1)
