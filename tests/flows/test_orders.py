"""An operator orders, a second person agrees, the radio carries it, and only the meter's own word makes it so."""

from __future__ import annotations

import datetime as dt

import pytest

from duaarah.audit.models import AuditRecord
from duaarah.core.order import Order, OrderKind
from duaarah.headend.models import Attempt, Command, MeterState
from duaarah.headend.operations import carry_out, end_leases, place_order, request_order, withdraw_order
from duaarah.headend.operations.orders import MeterMute, NeedsSecondPerson, OrderEnds, OrderUnsupported
from duaarah.headend.queries import order_steps
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Pairing
from duaarah.sms.models import OutboundSegment
from tests.flows.house import House, Town

pytestmark = pytest.mark.slow


@pytest.fixture
def two(town: Town) -> tuple[Login, Login]:
    return Login.objects.create_user("asks"), Login.objects.create_user("agrees")


def approved(town: Town, house: House, order: Order, two: tuple[Login, Login]) -> int:
    approval = request_order(
        meter=house.meter, order=order, reason="test", driver=town.driver, requested_by=two[0], now=town.now
    )
    decide_approval(approval_id=approval.pk, approve=True, decided_by=two[1], now=town.now)
    return approval.pk


def carried(town: Town, house: House, order: Order, two: tuple[Login, Login]) -> Command:
    approval_id = approved(town, house, order, two)
    command_id = carry_out(approval_id=approval_id, driver=town.driver, actor="login:2", now=town.now)
    return Command.objects.get(pk=command_id)


def place(town: Town, house: House, kind: OrderKind, **fields: int) -> int:
    order = Order(kind=kind, **fields)
    return place_order(meter=house.meter, order=order, reason="", driver=town.driver, actor="login:1", now=town.now)


def names(command: Command) -> list[tuple[str, str]]:
    command.refresh_from_db()
    return [(step.name, step.state) for step in order_steps(command)]


@pytest.mark.parametrize("profile", ["single-phase-modem", "three-phase-modem", "three-phase-retrofit"])
def test_off_and_on_by_two_people(town: Town, two: tuple[Login, Login], profile: str) -> None:
    house = town.house(profile=profile)
    command = carried(town, house, Order(kind=OrderKind.RELAY_OPEN), two)
    assert names(command) == [("queued", "done"), ("sent", "wait"), ("delivered", "wait"), ("executed", "wait")]
    town.run(to_meters=False)
    assert house.sim.relay_closed and not MeterState.objects.exists()
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=0)
    town.run()
    assert not house.sim.relay_closed
    assert names(command)[-1] == ("executed", "done") and command.attempts == 2
    assert MeterState.objects.get(pk=house.meter.pk).held_open
    used = house.sim.credit_mwh
    town.use(house, 1_000)
    assert house.sim.credit_mwh == used
    carried(town, house, Order(kind=OrderKind.RELAY_CLOSE), two)
    town.run()
    assert house.sim.relay_closed and not MeterState.objects.get(pk=house.meter.pk).held_open
    segments = OutboundSegment.objects.filter(message_class="METER_FRAME")
    assert {segment.priority for segment in segments} == {0}


def test_nobody_switches_alone(town: Town, two: tuple[Login, Login]) -> None:
    house = town.house()
    with pytest.raises(NeedsSecondPerson):
        place(town, house, OrderKind.RELAY_OPEN)
    order = Order(kind=OrderKind.CLEAR_CREDIT)
    approval = request_order(
        meter=house.meter, order=order, reason="test", driver=town.driver, requested_by=two[0], now=town.now
    )
    with pytest.raises(ApprovalRefused):
        carry_out(approval_id=approval.pk, driver=town.driver, actor="login:1", now=town.now)
    with pytest.raises(ApprovalRefused):
        decide_approval(approval_id=approval.pk, approve=True, decided_by=two[0], now=town.now)
    assert Command.objects.count() == 0
    refused = AuditRecord.objects.filter(refused=True).values_list("code", flat=True)
    assert sorted(refused) == ["approval_refused", "approval_refused", "needs_second_person"]


def test_an_approval_is_carried_out_once(town: Town, two: tuple[Login, Login]) -> None:
    house = town.house()
    approval_id = approved(town, house, Order(kind=OrderKind.POWER_LIMIT, limit_w=2200), two)
    first, second = (
        carry_out(approval_id=approval_id, driver=town.driver, actor="login:2", now=town.now) for _ in range(2)
    )
    assert first == second and Command.objects.count() == 1
    assert Approval.objects.get(pk=approval_id).state == "USED"
    town.run()
    assert (house.sim.ordered.limit_w, MeterState.objects.get().limit_w) == (2200, 2200)


def test_a_temporary_supply_ends_by_the_meter_s_own_clock(town: Town, two: tuple[Login, Login]) -> None:
    house, until = town.house(), town.now + dt.timedelta(hours=8)
    carried(town, house, Order(kind=OrderKind.TEMPORARY_SUPPLY, limit_w=6600, until_at=until), two)
    town.run()
    state = MeterState.objects.get()
    assert (state.temporary_limit_w, state.temporary_until_at) == (6600, until)
    assert house.sim.ordered.limit_in_force_w == 6600
    house.sim.restore(house.sim.state())
    house.sim.consume(0, until)
    assert house.sim.ordered.limit_in_force_w is None


def test_the_latest_order_of_a_slot_counts(town: Town, two: tuple[Login, Login]) -> None:
    house = town.house()
    first = carried(town, house, Order(kind=OrderKind.RELAY_OPEN), two)
    second = carried(town, house, Order(kind=OrderKind.RELAY_CLOSE), two)
    place(town, house, OrderKind.TARIFF, tariff=4)
    first.refresh_from_db()
    assert (first.state, second.state) == ("CANCELLED", "QUEUED")
    town.run()
    assert house.sim.relay_closed and house.sim.ordered.tariff == 4
    assert sorted(Command.objects.values_list("state", flat=True)) == ["ACKED", "ACKED", "CANCELLED"]


def test_what_the_meter_refuses_is_said_with_its_reason(town: Town, two: tuple[Login, Login]) -> None:
    house = town.house()
    command = carried(town, house, Order(kind=OrderKind.POWER_LIMIT, limit_w=500_000), two)
    town.run()
    assert names(command)[-1] == ("refused", "wrong") and command.result == "other_reason"
    assert not MeterState.objects.exists() and house.sim.ordered.limit_w is None


def test_a_late_answer_is_still_the_meter_s_word(town: Town, two: tuple[Login, Login]) -> None:
    house = town.house()
    command = carried(town, house, Order(kind=OrderKind.RELAY_OPEN), two)
    town.run(to_meters=False)
    [segment] = OutboundSegment.objects.filter(message_class="METER_FRAME")
    answer = house.sim.receive_sms(bytes(segment.payload), town.now)
    town.now += dt.timedelta(days=1)
    end_leases(now=town.now, backoff_s=0)
    command.refresh_from_db()
    assert command.state == "EXPIRED" and not house.sim.relay_closed
    town.push(house, answer)
    town.run()
    command.refresh_from_db()
    assert command.state == "ACKED" and MeterState.objects.get().held_open
    before = AuditRecord.objects.count()
    town.push(house, answer)
    town.run()
    assert AuditRecord.objects.filter(verb="headend.record_order").count() == 1
    assert AuditRecord.objects.count() == before + 1  # the replayed frame's refusal


def test_read_now_over_sms_makes_the_meter_push_its_registers(town: Town) -> None:
    house = town.house(credit_wh=9_000)
    place(town, house, OrderKind.PUSH_NOW)
    town.run()
    counters = house.meter.invocation_counter
    counters.refresh_from_db()
    assert counters.balance_wh == 9_000
    kinds = list(house.meter.meterevent_set.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["SETTING_RESULT", "DATA_BLOCK"]


def test_the_clock_gets_the_time_of_the_sending(town: Town) -> None:
    house = town.house()
    house.sim.ordered.clock_offset_s = -300
    order = Order(kind=OrderKind.CLOCK, clock_at=town.now)
    place_order(meter=house.meter, order=order, reason="", driver=town.driver, actor="login:1", now=town.now)
    town.now += dt.timedelta(minutes=40)
    town.run()
    assert house.sim.ordered.clock_offset_s == 0


def test_what_cannot_be_told_is_refused_before_anybody_is_asked(town: Town, two: tuple[Login, Login]) -> None:
    house, coarse = town.house(), town.house(profile="three-phase-modem")
    with pytest.raises(OrderUnsupported):
        approved(town, coarse, Order(kind=OrderKind.POWER_LIMIT, limit_w=1305), two)
    for until in (town.now, town.now + dt.timedelta(days=91)):
        with pytest.raises(OrderEnds):
            approved(town, house, Order(kind=OrderKind.TEMPORARY_DISCONNECT, until_at=until), two)
    Pairing.objects.all().delete()
    with pytest.raises(MeterMute):
        place(town, house, OrderKind.PUSH_NOW)
    assert Command.objects.count() == Approval.objects.count() == 0
    assert AuditRecord.objects.filter(refused=True).count() == 4


def test_an_order_is_withdrawn_while_no_frame_was_sent(town: Town) -> None:
    house = town.house()
    command_id = place(town, house, OrderKind.CLEAR_TAMPER)
    assert withdraw_order(command_id=command_id, actor="login:1", now=town.now)
    town.run()
    assert Attempt.objects.count() == 0 and Command.objects.get().state == "CANCELLED"
    sent = place(town, house, OrderKind.CLEAR_TAMPER)
    town.run(to_meters=False)
    assert not withdraw_order(command_id=sent, actor="login:1", now=town.now)
    assert AuditRecord.objects.filter(code="too_late").count() == 1


def test_a_form_sent_twice_is_one_order_and_one_request(town: Town, two: tuple[Login, Login]) -> None:
    house = town.house()
    first = place(town, house, OrderKind.PUSH_NOW)
    assert place(town, house, OrderKind.PUSH_NOW) == first
    town.run(to_meters=False)
    assert place(town, house, OrderKind.PUSH_NOW) == first and Command.objects.count() == 1
    other = place(town, house, OrderKind.TARIFF, tariff=2)
    assert place(town, house, OrderKind.TARIFF, tariff=3) != other
    asked = [
        request_order(
            meter=house.meter,
            order=Order(kind=kind),
            reason="test",
            driver=town.driver,
            requested_by=who,
            now=town.now,
        ).pk
        for kind, who in (
            (OrderKind.RELAY_OPEN, two[0]),
            (OrderKind.RELAY_OPEN, two[0]),
            (OrderKind.RELAY_CLOSE, two[0]),
            (OrderKind.RELAY_OPEN, two[1]),
        )
    ]
    assert asked[0] == asked[1] and len(set(asked)) == 3 == Approval.objects.count()
    decide_approval(approval_id=asked[0], approve=False, decided_by=two[1], now=town.now)
    again = request_order(
        meter=house.meter,
        order=Order(kind=OrderKind.RELAY_OPEN),
        reason="test",
        driver=town.driver,
        requested_by=two[0],
        now=town.now,
    )
    assert again.pk not in asked
