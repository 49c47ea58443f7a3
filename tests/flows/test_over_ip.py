"""The other bearer: what SMS does not get done goes over TCP, where the meter answers at once and is read."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from duaarah.core.order import Order, OrderKind
from duaarah.core.replay import ReplayWindow
from duaarah.headend.models import Attempt, Command, InvocationCounter, MeterLine, MeterReach, MeterRead, MeterState
from duaarah.headend.operations import end_leases, place_order, set_line
from duaarah.headend.operations.orders import NoConnection
from duaarah.headend.operations.sessions import claim_sessions, merge, set_reach
from duaarah.headend.queries import order_steps
from duaarah.sim.meter.device import Device
from duaarah.sim.meter.server import MeterServer
from duaarah.sms.models import OutboundSegment
from duaarah.vending.models import Vend
from duaarah.wiring import transport
from duaarah.wiring.transport import SessionTransport
from duaarah.workers import sessions
from tests.flows.house import START, House, Town

KINDS = ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")


def test_two_windows_take_what_either_took() -> None:
    one = ReplayWindow()
    for counter in (5, 7, 8):
        one, _ = one.take(counter)
    other = ReplayWindow()
    for counter in (5, 6, 70):
        other, _ = other.take(counter)
    merged = merge(one, other)
    assert merged == merge(other, one) and merged.highest == 70
    taken = {70 - 1 - bit for bit in range(64) if merged.bitmap >> bit & 1}
    assert taken == {6, 7, 8}  # 5 and what is below lie under the window
    assert merge(ReplayWindow(), one) == one == merge(one, one)


@contextmanager
def listening(town: Town, house: House) -> Iterator[int]:
    """The house's meter on a port of the loopback."""
    device = Device(house.sim, lambda: town.now, challenge=lambda: bytes(range(16)))
    device.fill(96)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = MeterServer(house.sim, device)
    asyncio.run_coroutine_threadsafe(server.open(), loop).result(5)
    try:
        yield server.port
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def reach(house: House, port: int, *, wakes: bool = False, sms_tries: int = 1) -> None:
    set_reach(
        meter=house.meter,
        host="127.0.0.1",
        port=port,
        wakes=wakes,
        sms_tries=sms_tries,
        actor="test",
        now=START,
    )


def place(town: Town, house: House, kind: OrderKind, **fields: object) -> Command:
    order = Order(kind=kind, **fields)  # type: ignore[arg-type]
    command_id = place_order(
        meter=house.meter, order=order, reason="", driver=town.driver, actor="login:1", now=town.now
    )
    return Command.objects.get(pk=command_id)


def hold(town: Town, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(sessions, "now", lambda: town.now)
    claimed = claim_sessions(driver=town.driver, keys=town.keys, now=town.now, lease_s=60, limit=16)
    return [sessions.hold(each, SessionTransport()) for each in claimed]


def later(town: Town) -> None:
    """The lease of a lost frame ends, without a backoff."""
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=0)


def steps(command: Command) -> list[str]:
    command.refresh_from_db()
    return [step.name for step in order_steps(command)]


@pytest.mark.slow
def test_both_verbs_keep_one_address(town: Town) -> None:
    meter, said = town.house(wallet_idr=0).meter, {"actor": "test", "now": town.now}
    set_line(meter=meter, host="10.0.0.1", port=4059, **said)
    assert not MeterReach.objects.exists(), "its orders stay with its SMS"
    set_reach(meter=meter, host="10.0.0.2", port=4060, wakes=True, sms_tries=1, **said)
    assert MeterLine.objects.values_list("host", "port").get() == ("10.0.0.2", 4060)
    set_line(meter=meter, host="10.0.0.3", port=4061, **said)
    assert MeterReach.objects.values_list("host", "port", "wakes").get() == ("10.0.0.3", 4061, True)
    set_reach(meter=meter, host="", port=4059, wakes=False, sms_tries=1, **said)
    set_line(meter=meter, host="10.0.0.4", port=4062, **said)
    assert MeterReach.objects.get().host == "", "no IP for orders stays no IP for orders"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_order_goes_over_ip_when_sms_is_silent_and_is_read_back(
    town: Town, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house(profile=kind, wallet_idr=0)
    monkeypatch.setattr("duaarah.headend.operations.orders.DANGEROUS", frozenset())
    with listening(town, house) as port:
        reach(house, port)
        command = place(town, house, OrderKind.POWER_LIMIT, limit_w=2200)
        assert hold(town, monkeypatch) == []
        town.run(to_meters=False)
        later(town)
        assert hold(town, monkeypatch) == ["setting_success"]
        assert house.sim.ordered.limit_w == 2200
        assert steps(command) == ["queued", "sent", "delivered", "over_ip", "executed"]
        state = MeterState.objects.get()
        assert (state.limit_w, state.read_back_limit_w, state.read_back_closed) == (2200, 2200, True)
        assert state.read_back_at == town.now
        assert list(Attempt.objects.order_by("pk").values_list("bearer", flat=True)) == ["SMS", "IP"]
        # The answer by SMS that comes after all is the same word once more, and the counters go on for both bearers.
        place(town, house, OrderKind.TARIFF, tariff=4)
        town.run()
        assert house.sim.ordered.tariff == 4
        refused = place(town, house, OrderKind.POWER_LIMIT, limit_w=500_000)
        town.run(to_meters=False)
        later(town)
        assert hold(town, monkeypatch) == ["setting_other_reason"]
        assert steps(refused)[-1] == "refused" and refused.result == "other_reason"
        assert MeterState.objects.get().limit_w == 2200


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_over_ip_is_loaded_once_with_its_energy(town: Town, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = town.house(profile=kind)
    with listening(town, house) as port:
        reach(house, port)
        town.text(house, "ISI 50000 123456")
        town.run(to_meters=False)
        later(town)
        before_wh = house.sim.credit_wh
        assert hold(town, monkeypatch) == ["token_accept"]
        vend = Vend.objects.get()
        assert vend.state == "LOADED" and house.sim.tokens_distinct == 1
        assert house.sim.credit_wh - before_wh == vend.encoded_wh
        town.run()
        assert any("Terisi" in text for text in town.words_to(house))
        counters = InvocationCounter.objects.get()
        assert counters.balance_wh == house.sim.credit_wh // 10 * 10 and counters.latest_contact_at == town.now
        assert house.sim.tokens_accepted == 1


@pytest.mark.slow
def test_a_sleeping_modem_is_woken_by_sms_first(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    house = town.house(wallet_idr=0)
    house.sim.asleep = True
    with listening(town, house) as port:
        reach(house, port, wakes=True, sms_tries=0)
        command = place(town, house, OrderKind.CLEAR_TAMPER)
        assert hold(town, monkeypatch) == []
        assert list(Attempt.objects.values_list("bearer", flat=True)) == ["WAKE"]
        assert hold(town, monkeypatch) == []  # it has ten seconds to connect
        with connection.cursor() as cursor:
            cursor.execute("UPDATE headend_command SET not_before_at = clock_timestamp()")
        # The wake-up was lost: the session fails, and nothing is known.
        assert hold(town, monkeypatch) == ["no_session"]
        command.refresh_from_db()
        assert (command.state, command.attempts) == ("SENT", 1)
        town.run()
        assert not house.sim.asleep and OutboundSegment.objects.count() == 1
        end_leases(now=town.now, backoff_s=0)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE headend_command SET attempts = 2, not_before_at = clock_timestamp()")
        assert hold(town, monkeypatch) == ["setting_success"]
        assert steps(command)[-1] == "executed"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_meter_is_read(town: Town, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = town.house(profile=kind, wallet_idr=0)
    with pytest.raises(NoConnection):
        place(town, house, OrderKind.READ_METER)
    with listening(town, house) as port:
        reach(house, port)
        place(town, house, OrderKind.READ_METER)
        town.run()
        assert OutboundSegment.objects.count() == 0
        assert hold(town, monkeypatch) == ["setting_success"]
        first = town.now - dt.timedelta(hours=2)
        place(town, house, OrderKind.READ_PROFILE, from_at=first, to_at=town.now)
        assert hold(town, monkeypatch) == ["setting_success"]
    meter, profile = MeterRead.objects.order_by("pk")
    values = meter.values
    assert (values["credit_left_wh"], values["voltage_l1_mv"], values["current_l1_ma"]) == (6000, 220_400, 1_590)
    assert (values["frequency_mhz"], values["power_factor_permille"], values["power_w"]) == (50_000, 980, 350)
    assert (values["relay_closed"], values["limit_w"]) == (1, 1300)
    assert ("voltage_l3_mv" in values) == kind.startswith("three")
    quarters = [first + dt.timedelta(minutes=15 * number) for number in range(9)]
    assert [dt.datetime.fromisoformat(at) for at, _ in profile.rows] == quarters
    assert all(set(row[1]) == {"energy_import_wh"} for row in profile.rows)
    assert list(Command.objects.values_list("state", flat=True)) == ["ACKED", "ACKED"]


@pytest.mark.slow
def test_a_session_that_dies_uses_its_counters_up_and_is_tried_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house(wallet_idr=0)
    with listening(town, house) as port:
        reach(house, port, sms_tries=0)
        command = place(town, house, OrderKind.CLEAR_TAMPER)
        with monkeypatch.context() as patch:
            patch.setattr(transport, "session", None)  # dies before anything is said
            with pytest.raises(TypeError):
                hold(town, patch)
        command.refresh_from_db()
        assert (command.state, InvocationCounter.objects.get().to_meter_latest) == ("SENT", 256)
        assert hold(town, monkeypatch) == []
        later(town)
        # Both bearers take turns: the next frame goes by SMS.
        assert hold(town, monkeypatch) == []
        town.run(to_meters=False)
        later(town)
        assert hold(town, monkeypatch) == ["setting_success"]
        assert InvocationCounter.objects.get().to_meter_latest == 513
