"""By which bind and from which number: frames by their SIM's operator, and a number without a bind holds up nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flows.house import Town

from duaarah.headend.models import Command
from duaarah.messaging.models import Message
from duaarah.messaging.operations import hand_over
from duaarah.people.models import Organisation
from duaarah.registry.models import Sim
from duaarah.sms.models import Bind, InboundSms, OutboundSegment
from duaarah.sms.queries import NoRoute, frame_route, sendable_codes

pytestmark = pytest.mark.slow


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def bind(name: str, operator: Organisation, codes: list[str], **fields: object) -> Bind:
    return Bind.objects.create(
        name=name, operator=operator, host="h", port=1, system_id="x", password_wrapped=b"", short_codes=codes, **fields
    )


def test_a_frame_goes_by_its_sims_operator_from_that_operators_first_number(town: Town) -> None:
    ours, theirs = town.house(), town.house()
    other = Organisation.objects.create(code="LAIN", name="Lain", kind="MOBILE_OPERATOR")
    bind("lain-rx", other, ["777"], kind="RX")
    bind("lain-off", other, ["888"], active=False)
    bind("lain-1", other, ["99123", "99124"])
    Sim.objects.filter(pk=theirs.pairing.sim_id).update(operator=other)
    for house in (ours, theirs):
        town.text(house, "BATAS 8")
    town.run()
    frames = OutboundSegment.objects.filter(message_class="METER_FRAME").values_list("meter", "bind__name", "source")
    assert set(frames) == {(ours.meter.pk, "test", "3123"), (theirs.meter.pk, "lain-1", "99123")}
    assert set(Command.objects.values_list("state", flat=True)) == {"ACKED"}


def test_without_a_bind_of_its_own_an_operators_sim_is_reached_by_another_and_never_by_none(town: Town) -> None:
    nobody = Organisation.objects.create(code="LAIN", name="Lain", kind="MOBILE_OPERATOR")
    assert frame_route(operator_id=nobody.pk) == (town.bind, "3123")
    Bind.objects.update(active=False)
    with pytest.raises(NoRoute):
        frame_route(operator_id=nobody.pk)
    assert sendable_codes() == set()


def test_a_message_from_a_number_without_a_bind_waits_and_holds_up_no_other(town: Town) -> None:
    Bind.objects.update(short_codes=["3123"])
    house = town.house()
    for words, to in (("saldo", "8123"), ("bantuan", "3123")):
        row = town.arrive(source=house.pairing.phone, payload=words.encode(), kind="TEXT", data_coding=0)
        InboundSms.objects.filter(pk=row).update(destination=to)
    town.run()
    assert [(m.source, m.state) for m in Message.objects.order_by("source")] == [("3123", "HANDED"), ("8123", "QUEUED")]

    town.bind.short_codes = ["3123", "8123"]
    town.bind.save()
    assert hand_over(now=town.now) == 1
    assert OutboundSegment.objects.get(source="8123").destination == house.pairing.phone
