"""A customer says below which credit he wants to be warned: ordered, told by radio, true when the meter has answered."""

from __future__ import annotations

import pytest

from duaarah.audit.models import AuditRecord
from duaarah.headend.models import Attempt, Command
from duaarah.headend.operations import end_leases
from duaarah.notices.settings import (
    MeterDoesNotTalk,
    ThresholdRange,
    latest_order,
    order_threshold,
)
from duaarah.registry.models import Meter, Pairing
from duaarah.sms.models import OutboundSegment, PackageEntry
from tests.flows.house import House, Town

pytestmark = pytest.mark.slow


def order(town: Town, house: House, threshold_wh: int) -> int:
    return order_threshold(meter=house.meter, threshold_wh=threshold_wh, actor="holder:1", now=town.now)


def held_wh(house: House) -> int:
    return Meter.objects.get(pk=house.meter.pk).low_credit_threshold_wh


@pytest.mark.parametrize("profile", ["single-phase-modem", "three-phase-modem", "three-phase-retrofit"])
def test_the_meter_is_told_answers_and_warns_by_the_new_limit(town: Town, profile: str) -> None:
    house = town.house(profile=profile, credit_wh=20_000)
    command_id = order(town, house, 8_000)
    assert held_wh(house) == 5_000
    town.run()
    command = Command.objects.get(pk=command_id)
    assert (command.state, command.result, command.attempts) == ("ACKED", "success", 1)
    assert held_wh(house) == house.sim.threshold_wh == 8_000
    town.use(house, 12_500)
    town.run()
    assert "7,5 kWh" in town.words_to(house)[-1]
    classes = PackageEntry.objects.filter(kind="SETTLE", meter=house.meter).values_list("message_class", flat=True)
    assert "METER_ANSWER" in classes
    assert OutboundSegment.objects.get(message_class="METER_FRAME").priority == 4


def test_a_lost_answer_is_asked_for_again_under_a_new_counter(town: Town) -> None:
    house = town.house()
    house.sim.faults.lose_next_answer = 1
    command_id = order(town, house, 6_500)
    town.run()
    assert held_wh(house) == 5_000 and house.sim.threshold_wh == 6_500
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=0)
    town.run()
    assert Command.objects.get(pk=command_id).state == "ACKED" and held_wh(house) == 6_500
    counters = list(Attempt.objects.filter(command_id=command_id).values_list("counter", flat=True))
    assert len(set(counters)) == 2


def test_the_latest_order_counts_whatever_the_radio_does(town: Town) -> None:
    house = town.house()
    first = order(town, house, 6_000)
    town.run(to_meters=False)
    second, third = order(town, house, 7_000), order(town, house, 9_000)
    states = dict(Command.objects.values_list("pk", "state"))
    assert (states[first], states[second], states[third]) == ("SENT", "CANCELLED", "QUEUED")
    for _ in range(3):
        town.end_leases_now()
        end_leases(now=town.now, backoff_s=0)
        town.run()
    assert Command.objects.get(pk=first).state == "EXPIRED"
    assert held_wh(house) == house.sim.threshold_wh == 9_000
    latest = latest_order(meter_id=house.meter.pk)
    assert latest is not None and latest.pk == third


def test_what_the_meter_refuses_is_shown_and_changes_nothing(town: Town) -> None:
    house = town.house()
    house.sim.model = type(house.sim.model)(**{
        name: getattr(house.sim.model, name) for name in house.sim.model.__slots__ if name != "threshold"
    }, threshold=(1, house.sim.model.credit_obis, 1))  # fmt: skip
    command_id = order(town, house, 6_000)
    town.run()
    command = Command.objects.get(pk=command_id)
    assert (command.state, command.result) == ("REJECTED", "object_undefined")
    assert held_wh(house) == 5_000
    assert AuditRecord.objects.filter(refused=True, verb="notices.record_setting", code="object_undefined").count() == 1


@pytest.mark.parametrize("threshold_wh", [0, -500, 400, 750, 100_500])
def test_a_limit_that_means_nothing_is_refused(town: Town, threshold_wh: int) -> None:
    house = town.house()
    with pytest.raises(ThresholdRange):
        order(town, house, threshold_wh)
    assert not Command.objects.exists()
    assert AuditRecord.objects.filter(refused=True, code="threshold_range").count() == 1


def test_a_meter_without_a_modem_cannot_be_told(town: Town) -> None:
    house = town.house()
    Pairing.objects.all().delete()
    with pytest.raises(MeterDoesNotTalk):
        order(town, house, 6_000)
    assert not Command.objects.exists()


def test_a_token_goes_before_a_setting(town: Town) -> None:
    house = town.house(credit_wh=5_200)
    town.use(house, 400)
    town.run()
    order(town, house, 6_000)
    answer = next(word for word in town.words_to(house) if "ISI 50000" in word)
    town.text(house, answer[answer.index("ISI 50000") :][:13])
    town.run()
    kinds = list(Attempt.objects.order_by("counter").values_list("command__kind", flat=True).filter(meter=house.meter))
    assert sorted(kinds) == ["LOAD_CREDIT", "SET_THRESHOLD"]
    assert held_wh(house) == 6_000 and house.sim.tokens_accepted == 1
