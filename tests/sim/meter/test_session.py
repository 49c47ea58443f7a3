"""A simulated meter behind its TCP port, asked by the asyncio client: associations, profiles, tokens, settings, images."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from tests.sim.meter.meters import HEAD_END_TITLE, KEYS, KINDS, METER_TITLE, NOW, build, command, read, token

from duaarah.core.intent import DataBlock
from duaarah.core.obis import LOGICAL_DEVICE_NAME, TOKEN_CREDIT, TOKEN_GATEWAY, Obis
from duaarah.core.replay import COUNTER_MAX, ReplayWindow
from duaarah.net.dlms import Endpoint, ServiceRefused, Session, SessionFailed, SessionRefused, session
from duaarah.net.dlms import ask as blocking_ask
from duaarah.sim.meter import Device, SimMeter
from duaarah.sim.meter.device import DAILY_PROFILE, DEFAULT_PASSWORD, LOAD_PROFILE, RELAY_LOG
from duaarah.sim.meter.objects.control import RELAY
from duaarah.sim.meter.objects.image import BLOCK_OCTETS, IMAGE, image_of
from duaarah.sim.meter.objects.plain import CLOCK, ENERGY_IMPORT, INVOCATION_COUNTER
from duaarah.sim.meter.objects.profile import Column
from duaarah.sim.meter.objects.security import SECURITY
from duaarah.sim.meter.server import MeterServer
from duaarah.wire.dlms.acse import Mechanism
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.blocks import AttributeOf
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.initiate import Conformance
from duaarah.wire.dlms.sealing import Style
from duaarah.wire.dlms.terms import DEFAULT_CONFORMANCE

Result = TypeVar("Result")
KIND = KINDS[0]
MASTER = bytes(range(0x80, 0x90))
MANAGER = Endpoint(
    host="127.0.0.1",
    port=0,
    client_sap=1,
    keys=KEYS,
    system_title=HEAD_END_TITLE,
    meter_title=METER_TITLE,
    timeout_s=5.0,
)
PUBLIC = Endpoint(host="127.0.0.1", port=0, client_sap=16, mechanism=Mechanism.NONE, style=Style.PLAIN, timeout_s=5.0)
READER = dataclasses.replace(PUBLIC, client_sap=2, mechanism=Mechanism.LLS, password=DEFAULT_PASSWORD)


def device_of(meter: SimMeter, *, rows: int = 0, general: bool = False) -> Device:
    challenges = itertools.count()
    device = Device(
        meter,
        lambda: NOW,
        challenge=lambda: next(challenges).to_bytes(16, "big"),
        prefers_general_blocks=general,
    )
    device.fill(rows)
    return device


def ask(
    device: Device,
    work: Callable[[Session], Awaitable[Result]],
    endpoint: Endpoint = MANAGER,
    *,
    counter: int = 1,
) -> Result:
    async def whole() -> Result:
        async with MeterServer(device.meter, device) as server:
            numbers = itertools.count(counter)
            link = dataclasses.replace(endpoint, port=server.port)
            async with session(link, next_counter=lambda: next(numbers)) as opened:
                return await work(opened)

    return asyncio.run(whole())


def range_of(first: DateTime, last: DateTime, *columns: Column) -> Data:
    return structure(
        Column(8, CLOCK, 2).definition(),
        octets(first.to_octets()),
        octets(last.to_octets()),
        Data(Tag.ARRAY, tuple(column.definition() for column in columns)),
    )


def entries(first: int, last: int, first_column: int = 1, last_column: int = 0) -> Data:
    return structure(
        Data(Tag.DOUBLE_LONG_UNSIGNED, first),
        Data(Tag.DOUBLE_LONG_UNSIGNED, last),
        Data(Tag.LONG_UNSIGNED, first_column),
        Data(Tag.LONG_UNSIGNED, last_column),
    )


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "hdlc"])
@pytest.mark.parametrize("general", [False, True], ids=["blocks", "gbt"])
def test_a_session_reads_a_day_and_loads_a_token(hdlc: bool, general: bool) -> None:
    meter = build(KIND)
    meter.consume(9_600_000, NOW)
    device = device_of(meter, rows=96, general=general)
    conformance = DEFAULT_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER
    endpoint = dataclasses.replace(MANAGER, hdlc=hdlc, physical=17 if hdlc else None, conformance=conformance)

    async def work(opened: Session) -> Data:
        rows = await opened.get(7, LOAD_PROFILE, 2)
        await opened.act(115, TOKEN_GATEWAY, 1, octets(token().encode()))
        return rows

    rows = ask(device, work, endpoint)
    assert len(rows.value) == 96
    clock, status, energy = rows.value[-1].value
    assert DateTime.from_octets(clock.value).to_instant() == NOW.replace(minute=0, second=0)
    assert (status.value, energy.value, rows.value[0].value[2].value) == (0, 9_600, 100)
    assert (meter.credit_wh, meter.tokens_accepted) == (20_400, 1)
    assert not meter.dropped


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_token_says_why_and_moves_nothing(kind: str) -> None:
    meter = build(kind)

    async def work(opened: Session) -> Data:
        await opened.act(115, TOKEN_GATEWAY, 1, octets(token().encode()))
        for bad in (token().encode(), b"1" * 19):
            with pytest.raises(ServiceRefused):
                await opened.act(115, TOKEN_GATEWAY, 1, octets(bad))
        with pytest.raises(ServiceRefused):
            await opened.act(115, TOKEN_GATEWAY, 1, octets(token().encode()))
        return await opened.get(115, TOKEN_GATEWAY, 6)

    status = ask(device_of(meter), work)
    number = meter.model.result_number("used")
    assert status == structure(Data(Tag.ENUM, 6), Data(Tag.BIT_STRING, format(number, "08b")))
    assert (meter.credit_wh, meter.tokens_accepted) == (30_000, 1)


def test_the_public_client_sees_the_clock_the_name_and_the_counter_only() -> None:
    meter = build(KIND)
    meter.receive_sms(command(KIND, token(), 41), NOW)

    async def work(opened: Session) -> tuple[Data, Data, tuple[Data | int, ...], Data]:
        name = await opened.get(1, LOGICAL_DEVICE_NAME, 2)
        counter = await opened.get(1, INVOCATION_COUNTER, 2)
        items = (AttributeOf(8, CLOCK, 2), AttributeOf(3, ENERGY_IMPORT, 2), AttributeOf(7, LOAD_PROFILE, 2))
        listed = await opened.get_list(items)
        with pytest.raises(ServiceRefused):
            await opened.set(8, CLOCK, 2, octets(bytes(12)))
        return name, counter, listed, await opened.get(15, Obis(0, 0, 40, 0, 0), 2)

    name, counter, (clock, energy, profile), objects = ask(device_of(meter), work, PUBLIC)
    assert name.value == b"DUA0001234567890" and counter.value == 41
    assert isinstance(clock, Data) and DateTime.from_octets(clock.value).to_instant() == NOW
    assert (energy, profile) == (3, 3)
    assert {element.value[0].value for element in objects.value} == {1, 8, 15}


def test_a_reader_reads_and_changes_nothing() -> None:
    meter = build(KIND)

    async def work(opened: Session) -> Data:
        for refused in (
            opened.act(70, RELAY, 1, Data(Tag.INTEGER, 0)),
            opened.act(115, TOKEN_GATEWAY, 1, octets(token().encode())),
            opened.set(112, TOKEN_CREDIT, 5, Data(Tag.DOUBLE_LONG, 9)),
        ):
            with pytest.raises(ServiceRefused):
                await refused
        return await opened.get(112, TOKEN_CREDIT, 2)

    before = meter.state()
    assert ask(device_of(meter), work, READER).value == 20_000
    assert meter.state() == before


@pytest.mark.parametrize(
    ("endpoint", "diagnostic"),
    [
        (dataclasses.replace(READER, password=b"wrong"), 13),
        (dataclasses.replace(PUBLIC, client_sap=1), 2),
        (dataclasses.replace(PUBLIC, client_sap=9), 1),
        (dataclasses.replace(MANAGER, keys=Keys(bytes(16), bytes(16))), 13),
        (dataclasses.replace(MANAGER, system_title=METER_TITLE, meter_title=None), 3),
    ],
)
def test_strangers_do_not_associate(endpoint: Endpoint, diagnostic: int) -> None:
    meter = build(KIND)
    before = meter.state()

    async def nothing(_opened: Session) -> None:
        raise AssertionError("associated")

    with pytest.raises(SessionRefused) as refused:
        ask(device_of(meter), nothing, endpoint)
    assert refused.value.diagnostic == diagnostic
    after = meter.state()
    assert after["credit_mwh"] == before["credit_mwh"] and after["link"]["windows"] == before["link"]["windows"]


def test_a_counter_is_taken_once_over_sms_and_sessions() -> None:
    meter = build(KIND)

    async def nothing(_opened: Session) -> None:
        return None

    ask(device_of(meter), nothing, counter=50)
    assert meter.link.received_counter >= 50
    assert meter.receive_sms(command(KIND, token(), 50), NOW) == []
    with pytest.raises(SessionRefused):
        ask(device_of(meter), nothing, counter=50)


def test_selective_access_by_range_and_by_entry() -> None:
    meter = build(KIND)
    meter.consume(9_600_000, NOW)
    device = device_of(meter, rows=96)
    first = DateTime.from_instant(NOW.replace(hour=1, minute=0, second=0))
    last = DateTime.from_instant(NOW.replace(hour=2, minute=0, second=0))
    local = dataclasses.replace(first, deviation_min=-0x8000)
    ever = DateTime(0xFFFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, -0x8000, 0xFF)

    async def work(opened: Session) -> list[Data]:
        ask = [
            (1, range_of(first, last)),
            (1, range_of(local, dataclasses.replace(last, deviation_min=-0x8000))),
            (1, range_of(ever, ever)),
            (1, range_of(first, last, Column(3, ENERGY_IMPORT, 2))),
            (2, entries(1, 3)),
            (2, entries(95, 0)),
            (2, entries(1, 1, 2, 3)),
        ]
        return [await opened.get(7, LOAD_PROFILE, 2, selector, selection) for selector, selection in ask]

    ranged, unzoned, whole, column, head, tail, cut = ask(device, work)
    assert len(ranged.value) == 5 and ranged == unzoned
    assert len(whole.value) == 96
    assert [row.value[0].value for row in column.value] == [row.value[2].value for row in ranged.value]
    assert head.value == whole.value[:3] and tail.value == whole.value[94:]
    assert cut.value[0].value == whole.value[0].value[1:3]


def test_rows_are_captured_when_their_time_has_come() -> None:
    meter = build(KIND)
    now = [NOW]
    device = Device(meter, lambda: now[0], challenge=lambda: bytes(16))
    device.capture()
    meter.consume(400_000, NOW)
    now[0] = NOW + timedelta(hours=1)
    device.capture()
    rows = device.profiles[LOAD_PROFILE].rows
    assert [row.cells[2].value for row in rows] == [0, 100, 200, 300, 400]
    assert len(device.profiles[DAILY_PROFILE].rows) == 1


def test_the_utility_disconnects_and_a_token_does_not_reconnect() -> None:
    meter = build(KIND)
    device = device_of(meter)

    async def work(opened: Session) -> list[int]:
        states = []
        await opened.act(70, RELAY, 1, Data(Tag.INTEGER, 0))
        states.append((await opened.get(70, RELAY, 3)).value)
        await opened.act(115, TOKEN_GATEWAY, 1, octets(token().encode()))
        states.append((await opened.get(70, RELAY, 3)).value)
        await opened.act(70, RELAY, 2, Data(Tag.INTEGER, 0))
        states.append((await opened.get(70, RELAY, 3)).value)
        return states

    assert ask(device, work) == [0, 0, 1]
    assert meter.credit_wh == 30_000
    assert [row.cells[1].value for row in device.profiles[RELAY_LOG].rows] == [60, 61]
    again = build(KIND)
    meter.switch_relay(closed=False)
    again.restore(meter.state())
    assert again.held_open and not again.relay_closed


def test_threshold_and_clock_are_set() -> None:
    meter = build(KIND)
    device = device_of(meter)
    ahead = NOW + timedelta(seconds=90)

    async def work(opened: Session) -> None:
        await opened.set(112, TOKEN_CREDIT, 5, Data(Tag.DOUBLE_LONG, 7_000))
        with pytest.raises(ServiceRefused) as refused:
            await opened.set(112, TOKEN_CREDIT, 5, Data(Tag.LONG, 1))
        assert refused.value.result == 12
        await opened.set(8, CLOCK, 2, octets(DateTime.from_instant(ahead).to_octets()))

    ask(device, work)
    assert meter.threshold_wh == 7_000
    assert device.clock.now() == ahead


def test_an_image_is_sent_resumed_verified_and_activated() -> None:
    device = device_of(build(KIND))
    image = image_of(b"DUA-2.0", bytes(range(256)) * 2)
    blocks = [image[start : start + BLOCK_OCTETS] for start in range(0, len(image), BLOCK_OCTETS)]

    def block(number: int) -> Data:
        return structure(Data(Tag.DOUBLE_LONG_UNSIGNED, number), octets(blocks[number]))

    async def first(opened: Session) -> Data:
        await opened.act(18, IMAGE, 1, structure(octets(b"fw2"), Data(Tag.DOUBLE_LONG_UNSIGNED, len(image))))
        await opened.act(18, IMAGE, 2, block(1))
        with pytest.raises(ServiceRefused):
            await opened.act(18, IMAGE, 3, Data(Tag.INTEGER, 0))
        with pytest.raises(ServiceRefused):
            await opened.act(18, IMAGE, 4, Data(Tag.INTEGER, 0))
        return await opened.get(18, IMAGE, 3)

    async def second(opened: Session) -> Data:
        bitmap = (await opened.get(18, IMAGE, 3)).value
        for number, there in enumerate(bitmap):
            if there == "0":
                await opened.act(18, IMAGE, 2, block(number))
        await opened.act(18, IMAGE, 3, Data(Tag.INTEGER, 0))
        await opened.act(18, IMAGE, 4, Data(Tag.INTEGER, 0))
        return await opened.get(1, Obis(1, 0, 0, 2, 0), 2)

    assert ask(device, first).value == "010"
    assert device.images.version == b"DUA-1.0"
    assert ask(device, second, counter=100).value == b"DUA-2.0"


def test_a_spoilt_image_is_not_activated() -> None:
    device = device_of(build(KIND))
    image = image_of(b"DUA-2.0", b"body")[:-1] + b"\x00"

    async def work(opened: Session) -> int:
        await opened.act(18, IMAGE, 1, structure(octets(b"fw2"), Data(Tag.DOUBLE_LONG_UNSIGNED, len(image))))
        await opened.act(18, IMAGE, 2, structure(Data(Tag.DOUBLE_LONG_UNSIGNED, 0), octets(image)))
        for method in (3, 4):
            with pytest.raises(ServiceRefused):
                await opened.act(18, IMAGE, method, Data(Tag.INTEGER, 0))
        return int((await opened.get(18, IMAGE, 6)).value)

    assert ask(device, work) == 4
    assert device.images.version == b"DUA-1.0"


def test_new_keys_count_from_the_next_association() -> None:
    meter = build(KIND)
    meter.config = dataclasses.replace(meter.config, master_key=MASTER)
    device = device_of(meter)
    new = Keys(b"n" * 16, b"a" * 16)

    def item(key_id: int, key: bytes) -> Data:
        return structure(Data(Tag.ENUM, key_id), octets(aes_key_wrap(MASTER, key)))

    async def transfer(opened: Session) -> Data:
        bad = structure(Data(Tag.ENUM, 0), octets(bytes(24)))
        with pytest.raises(ServiceRefused):
            await opened.act(64, SECURITY, 2, Data(Tag.ARRAY, (item(0, b"x" * 16), bad)))
        assert meter.link.keys == KEYS
        both = Data(Tag.ARRAY, (item(0, new.encryption_key), item(2, new.authentication_key)))
        await opened.act(64, SECURITY, 2, both)
        return await opened.get(64, SECURITY, 5)

    assert ask(device, transfer).value == METER_TITLE

    async def nothing(_opened: Session) -> None:
        return None

    with pytest.raises(SessionRefused):
        ask(device, nothing, counter=100)
    ask(device, nothing, dataclasses.replace(MANAGER, keys=new))
    again = build(KIND)
    again.restore(meter.state())
    assert again.link.keys == new


def test_the_object_list_names_every_object_with_its_rights() -> None:
    device = device_of(build(KIND))

    async def work(opened: Session) -> Data:
        return await opened.get(15, Obis(0, 0, 40, 0, 0), 2)

    listed = ask(device, work).value
    assert len(listed) == len(device.objects)
    classes = {element.value[0].value for element in listed}
    assert classes == {1, 3, 4, 7, 8, 9, 15, 17, 18, 20, 22, 40, 41, 47, 64, 70, 71, 111, 112, 113, 115}
    rights = {element.value[2].value: element.value[3] for element in listed}
    gateway = rights[TOKEN_GATEWAY.to_octets()].value
    assert gateway[1].value == (structure(Data(Tag.INTEGER, 1), Data(Tag.ENUM, 1)),)


@pytest.mark.parametrize(("version", "last"), [(0, 8), (1, 9), (2, 11)])
def test_class_15_in_three_versions(version: int, last: int) -> None:
    device = Device(build(KIND), lambda: NOW, challenge=lambda: bytes(16), association_version=version)

    async def work(opened: Session) -> Data:
        return await opened.get(15, Obis(0, 0, 40, 0, 0), 2)

    (own,) = [
        element for element in ask(device, work).value if element.value[2].value == Obis(0, 0, 40, 0, 3).to_octets()
    ]
    attributes, methods = own.value[3].value
    assert own.value[1].value == version and attributes.value[-1].value[0].value == last
    assert methods.value[0].value[1].tag is (Tag.ENUM if version else Tag.BOOLEAN)
    with pytest.raises(ValueError, match="versions"):
        Device(build(KIND), lambda: NOW, challenge=lambda: bytes(16), association_version=3)


def test_scripts_and_pushes_run_when_they_are_called() -> None:
    meter = build(KIND)
    meter.consume(1_000_000, NOW)
    device = device_of(meter)

    def script(number: int) -> Data:
        return Data(Tag.LONG_UNSIGNED, number)

    async def work(opened: Session) -> None:
        await opened.act(9, Obis(0, 0, 10, 0, 106), 1, script(1))
        assert not meter.relay_closed
        await opened.act(9, Obis(0, 0, 10, 0, 106), 1, script(2))
        for bad in (script(3), script(0), Data(Tag.UNSIGNED, 1)):
            with pytest.raises(ServiceRefused):
                await opened.act(9, Obis(0, 0, 10, 0, 106), 1, bad)
        await opened.act(9, Obis(0, 0, 10, 0, 108), 1, script(1))
        await opened.act(40, Obis(0, 6, 25, 9, 0), 1, Data(Tag.INTEGER, 0))
        with pytest.raises(ServiceRefused):
            await opened.act(40, Obis(0, 1, 25, 9, 0), 1, Data(Tag.INTEGER, 0))

    ask(device, work)
    assert meter.relay_closed
    reports = [read(KIND, payload)[1] for payload in device.take_pushes()]
    assert reports == [DataBlock(1_000, 19_000, 0, 0, 0, NOW)] * 2 and device.take_pushes() == []


def test_every_attribute_of_every_object_can_be_read() -> None:
    device = device_of(build(KINDS[1]), rows=4)

    async def work(opened: Session) -> int:
        count = 0
        for (class_id, obis), made in device.objects.items():
            for number, attribute in made.attributes.items():
                if attribute.read is not None:
                    await opened.get(class_id, obis, number)
                    count += 1
        return count

    assert ask(device, work) > 200


def test_a_meter_without_supply_or_modem_hangs_up() -> None:
    meter = build(KIND)
    meter.faults.modem_dead = True

    async def nothing(_opened: Session) -> None:
        return None

    with pytest.raises(SessionFailed):
        ask(device_of(meter), nothing)
    assert meter.tokens_accepted == 0


def test_a_meter_whose_counter_is_used_up_says_nothing_more() -> None:
    meter = build(KIND)
    state = meter.state()
    meter.restore({**state, "link": {**state["link"], "sent_counter": COUNTER_MAX - 2}})

    async def work(opened: Session) -> None:
        await opened.get(1, LOGICAL_DEVICE_NAME, 2)

    with pytest.raises(SessionFailed):
        ask(device_of(meter), work)
    assert meter.link.sent_counter == COUNTER_MAX


def test_silence_ends_in_a_sentence() -> None:
    async def whole() -> None:
        server = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(3), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        numbers = itertools.count(1)
        async with session(dataclasses.replace(MANAGER, port=port, timeout_s=0.1), next_counter=lambda: next(numbers)):
            raise AssertionError("associated")

    with pytest.raises(SessionFailed):
        asyncio.run(whole())


def test_a_thread_without_a_loop_asks_and_keeps_the_meters_counters() -> None:
    device = device_of(build(KIND))
    numbers = itertools.count(1)
    windows: list[ReplayWindow] = []

    async def work(opened: Session) -> Data:
        value = await opened.get(1, LOGICAL_DEVICE_NAME, 2)
        windows.append(opened.window)
        return value

    async def whole() -> None:
        async with MeterServer(device.meter, device) as server:
            link = dataclasses.replace(MANAGER, port=server.port)

            def blocking(window: ReplayWindow | None = None) -> Data:
                return blocking_ask(link, work, next_counter=lambda: next(numbers), window=window)

            assert (await asyncio.to_thread(blocking)).value == b"DUA0001234567890"
            assert windows[0].highest == device.meter.link.sent_counter
            # Counters that the meter is yet to use: its answers are taken for replays, and nothing is believed.
            with pytest.raises(SessionFailed):
                await asyncio.to_thread(blocking, ReplayWindow(1_000, (1 << 64) - 1))

    asyncio.run(whole())


def test_two_sessions_with_one_meter_follow_each_other() -> None:
    device = device_of(build(KIND))
    order: list[str] = []

    async def whole() -> None:
        async with MeterServer(device.meter, device) as server:
            numbers = itertools.count(1)
            link = dataclasses.replace(MANAGER, port=server.port)

            async def one() -> None:
                async with session(link, next_counter=lambda: next(numbers)):
                    order.append("in")
                    await asyncio.sleep(0.01)
                    order.append("out")

            await asyncio.gather(one(), one())

    asyncio.run(whole())
    assert order == ["in", "out", "in", "out"]
