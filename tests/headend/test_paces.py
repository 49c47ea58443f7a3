"""The throttle of networks and cells: nobody waits for another network, and tokens do not wait behind data."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from tests.flows.house import Town

from duaarah.core.order import Order, OrderKind
from duaarah.headend.models import Command, MeterReach, NetworkPace
from duaarah.headend.operations import claim_and_send, place_order
from duaarah.headend.operations.paces import Bucket, PaceRefused, note_cell, set_network_pace
from duaarah.people.models import Organisation
from duaarah.registry.models import Sim
from duaarah.sms.models import OutboundSegment

AT = dt.datetime(2026, 2, 16, tzinfo=dt.UTC)


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def bucket(frames_per_minute: int, waited_s: float | None) -> Bucket:
    next_at = None if waited_s is None else AT - dt.timedelta(seconds=waited_s)
    return Bucket(NetworkPace(frames_per_minute=frames_per_minute, next_at=next_at), AT)


@pytest.mark.parametrize(
    ("frames_per_minute", "waited_s", "urgent", "data"),
    [
        *((60, None, 11, 9), (60, 100, 11, 9), (60, 0, 1, 0), (60, 2, 3, 1), (60, -1, 0, 0)),
        # A network so slow that its bucket holds one frame: then data has no less than tokens have.
        *((2, None, 1, 1), (2, 0, 1, 1), (2, -1, 0, 0)),
        *((6, 10, 2, 1), (6, 0, 1, 0)),
    ],
)
def test_data_leaves_a_part_of_the_bucket(
    frames_per_minute: int, waited_s: float | None, urgent: int, data: int
) -> None:
    made = bucket(frames_per_minute, waited_s)
    assert (made.left(urgent=True), made.left(urgent=False)) == (urgent, data)


def order(town: Town, number: int, kind: OrderKind = OrderKind.CLEAR_TAMPER) -> int:
    meter = town.houses[number].meter
    return place_order(
        meter=meter, order=Order(kind=kind), reason="", driver=town.driver, actor="login:1", now=town.now
    )


def send(town: Town) -> list[int]:
    """The meters that a frame left for, as numbers of their houses."""
    before = set(OutboundSegment.objects.values_list("pk", flat=True))
    claim_and_send(driver=town.driver, keys=town.keys, now=town.now, lease_s=60)
    sent = OutboundSegment.objects.exclude(pk__in=before).order_by("pk").values_list("meter_id", flat=True)
    numbers = {house.meter.pk: number for number, house in enumerate(town.houses)}
    return sorted(numbers[meter] for meter in sent if meter is not None)


def pace(town: Town, frames_per_minute: int | None, cell: str = "") -> None:
    set_network_pace(
        operator=town.operator, cell=cell, frames_per_minute=frames_per_minute, actor="login:1", now=town.now
    )


@pytest.mark.slow
def test_a_full_network_keeps_no_other_waiting_and_tokens_go_first(town: Town) -> None:
    other = Organisation.objects.create(code="OTHER", name="Other", kind="MOBILE_OPERATOR")
    for _ in range(5):
        town.house(wallet_idr=0)
    Sim.objects.filter(pk=town.houses[4].pairing.sim_id).update(operator=other)
    pace(town, 6)
    for number in range(5):
        order(town, number)
    # Two frames of the paced network's bucket: one is kept for what is urgent.
    assert send(town) == [0, 4]
    assert send(town) == []
    Command.objects.filter(meter=town.houses[3].meter).update(priority=0)
    assert send(town) == [3]
    assert send(town) == []
    NetworkPace.objects.update(next_at=AT)
    assert send(town) == [1]
    pace(town, None)
    assert send(town) == [2]


@pytest.mark.slow
def test_a_full_cell_keeps_no_other_cell_waiting(town: Town) -> None:
    for _ in range(4):
        town.house(wallet_idr=0)
    for house in town.houses[:3]:
        note_cell(meter_id=house.meter.pk, cell="A7")
    note_cell(meter_id=town.houses[0].meter.pk, cell="")
    assert MeterReach.objects.filter(cell="A7").count() == 3
    pace(town, 6, cell="A7")
    for number in range(4):
        order(town, number)
    assert send(town) == [0, 3]
    assert send(town) == []
    NetworkPace.objects.update(next_at=AT)
    assert send(town) == [1]


@pytest.mark.slow
def test_a_pace_that_cannot_be_changes_nothing(town: Town) -> None:
    for wrong in (0, 100_001):
        with pytest.raises(PaceRefused):
            pace(town, wrong)
    with pytest.raises(PaceRefused):
        pace(town, 5, cell="x" * 41)
    assert NetworkPace.objects.count() == 0
