"""Several settings in one message: one SMS there, one back, an outcome for each."""

from __future__ import annotations

import pytest

from duaarah.core.order import Order, OrderKind
from duaarah.headend.models import Attempt, Command
from duaarah.headend.operations import end_leases, place_order, withdraw_order
from duaarah.headend.queries import order_steps
from duaarah.sms.models import InboundSms, OutboundSegment
from tests.flows.house import House, Town

pytestmark = pytest.mark.slow


def place(town: Town, house: House, kind: OrderKind, **fields: object) -> Command:
    order = Order(kind=kind, **fields)  # type: ignore[arg-type]
    command_id = place_order(
        meter=house.meter, order=order, reason="", driver=town.driver, actor="login:1", now=town.now
    )
    return Command.objects.get(pk=command_id)


@pytest.fixture(autouse=True)
def one_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit by one person: it is the order with a number that the meter may refuse."""
    monkeypatch.setattr("duaarah.headend.operations.orders.DANGEROUS", frozenset())


def several(town: Town, house: House, limit_w: int = 2200) -> list[Command]:
    return [
        place(town, house, OrderKind.POWER_LIMIT, limit_w=limit_w),
        place(town, house, OrderKind.TARIFF, tariff=4),
        place(town, house, OrderKind.CLEAR_TAMPER),
    ]


def frames() -> tuple[int, int]:
    return OutboundSegment.objects.count(), InboundSms.objects.count()


def states(commands: list[Command]) -> list[tuple[str, str]]:
    for command in commands:
        command.refresh_from_db()
    return [(command.state, command.result) for command in commands]


@pytest.mark.parametrize(
    ("kind", "sms"), [("single-phase-modem", 1), ("three-phase-modem", 1), ("three-phase-retrofit", 3)]
)
def test_one_message_and_an_outcome_for_each(town: Town, kind: str, sms: int) -> None:
    house = town.house(profile=kind, wallet_idr=0)
    commands = several(town, house)
    town.run()
    assert states(commands) == [("ACKED", "success")] * 3
    assert (house.sim.ordered.limit_w, house.sim.ordered.tariff) == (2200, 4)
    assert frames() == (sms, sms)
    assert all(len(segment.payload) <= 140 for segment in OutboundSegment.objects.all())
    assert [step.name for step in order_steps(commands[2])] == ["queued", "sent", "delivered", "executed"]


def test_one_refused_leaves_the_others_done(town: Town) -> None:
    house = town.house(wallet_idr=0)
    commands = several(town, house, limit_w=500_000)
    town.run()
    assert states(commands) == [("REJECTED", "other_reason"), ("ACKED", "success"), ("ACKED", "success")]
    assert house.sim.ordered.limit_w is None and house.sim.ordered.tariff == 4


def test_a_call_between_keeps_the_order_of_things(town: Town) -> None:
    house = town.house(wallet_idr=0)
    commands = [
        place(town, house, OrderKind.TARIFF, tariff=4),
        place(town, house, OrderKind.PUSH_NOW),
        place(town, house, OrderKind.CLEAR_TAMPER),
    ]
    town.run()
    assert states(commands) == [("ACKED", "success")] * 3
    assert frames()[0] == 3


def test_a_lost_message_releases_its_members_and_the_newer_will_counts(town: Town) -> None:
    house = town.house(wallet_idr=0)
    commands = several(town, house)
    town.run(to_meters=False)
    assert states(commands) == [("SENT", ""), ("QUEUED", ""), ("QUEUED", "")]
    assert not withdraw_order(command_id=commands[1].pk, actor="login:1", now=town.now)
    newer = place(town, house, OrderKind.TARIFF, tariff=7)
    town.run(to_meters=False)
    assert OutboundSegment.objects.count() == 1
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=0)
    town.run()
    # The overtaken one was under way: it is given up, not withdrawn, and not sent again.
    assert states([*commands, newer]) == [
        ("ACKED", "success"),
        ("EXPIRED", ""),
        ("ACKED", "success"),
        ("ACKED", "success"),
    ]
    assert house.sim.ordered.tariff == 7 and frames()[0] == 2
    counters = Attempt.objects.order_by("pk").values_list("counter", flat=True)
    assert list(counters) == [1, 1, 1, 2, 2, 2]


def test_a_late_answer_to_a_bundle_closes_all_of_it(town: Town) -> None:
    house = town.house(wallet_idr=0)
    commands = several(town, house)
    town.run(to_meters=False)
    [segment] = OutboundSegment.objects.all()
    answer = house.sim.receive_sms(bytes(segment.payload), town.now)
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=3600)
    town.push(house, answer)
    town.run()
    assert states(commands) == [("ACKED", "success")] * 3 and OutboundSegment.objects.count() == 1
