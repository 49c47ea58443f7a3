"""What a customer buys becomes true when the meter has answered; past the budget the policy acts, in meter and books."""

from __future__ import annotations

import datetime as dt

import pytest

from duaarah.audit.models import AuditRecord
from duaarah.core.smsplan import Bucket, Overflow, ReportingPlan, daily_plan
from duaarah.headend.models import Command, MeterEvent
from duaarah.headend.operations import end_leases
from duaarah.messaging.models import Message
from duaarah.notices.plans import PlanRefused, order_plan, order_sold_plans
from duaarah.notices.settings import order_threshold
from duaarah.people.models import Organisation
from duaarah.registry.models import Meter, Pairing
from duaarah.sms.models import OutboundSegment, PackageEntry, PackagePlan, Subscription
from duaarah.sms.package.operations import Share, Terms, end_subscription, set_terms, subscribe
from duaarah.sms.package.plans import NOTHING_SOLD, sold_plans
from duaarah.sms.package.queries import meter_month
from duaarah.sms.package.statement import invoice
from duaarah.vending.models import Vend
from tests.flows.house import WIB, House, Town

pytestmark = pytest.mark.slow
MARCH, APRIL = dt.date(2026, 3, 1), dt.date(2026, 4, 1)
KINDS = ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")
DAILY = Terms(
    token_sms=0,
    fault_sms=0,
    meter_fault_sms=0,
    data_sms=31,
    block_days=(),
    daily_summary=True,
    package_price_idr=11_000,
)


def offer(town: Town, code: str, slot: str, terms: Terms) -> PackagePlan:
    data, _ = Organisation.objects.get_or_create(code="DOP", defaults={"name": "Data", "kind": "DATA_OPERATOR"})
    plan = PackagePlan.objects.create(code=code, name=code, slot=slot, operator=town.operator, data_operator=data)
    shares = [Share(of=of, party=town.operator, parts=10_000) for of in ("SMS", "MARGIN", "EXTRA", "INQUIRY")]
    set_terms(plan=plan, valid_from_date=MARCH, terms=terms, shares=shares, actor="test", now=town.now)
    return plan


def sell(town: Town, house: House, *plans: PackagePlan) -> None:
    for plan in plans:
        subscribe(meter=house.meter, plan=plan, from_month_date=MARCH, actor="test", now=town.now)


def held(house: House) -> object:
    return Meter.objects.get(pk=house.meter.pk).reporting_plan


def test_bought_ordered_answered_and_then_told_every_day(town: Town) -> None:
    town.now = dt.datetime(2026, 3, 11, 9, 0, tzinfo=WIB)
    base, daily = offer(town, "P28", "BASE", Terms()), offer(town, "DAILY", "DATA", DAILY)
    houses = [town.house(profile=kind) for kind in KINDS]
    for house in houses:
        sell(town, house, base, daily)
    without = town.house()
    assert sold_plans(MARCH) == {house.meter.pk: daily_plan(4) for house in houses}
    assert order_sold_plans(now=town.now) == 3 and held(houses[0]) is None and houses[0].sim.plan is None
    # It is on its way: not ordered twice.
    assert order_sold_plans(now=town.now) == 0
    town.run()
    for house in houses:
        assert house.sim.plan == daily_plan(4) and held(house) == daily_plan(4).values()
    assert held(without) is None and order_sold_plans(now=town.now) == 0
    assert set(Command.objects.values_list("kind", "state", "result")) == {("SET_PLAN", "ACKED", "success")}
    midnight = town.now.replace(hour=0)
    for house in houses:
        house.sim.close_day(midnight)
        house.sim.sample(700, 226_100)
        town.use(house, 1_000)
        house.sim.close_day(midnight + dt.timedelta(days=1))
        town.push(house, house.sim.report(midnight + dt.timedelta(days=1, hours=1)))
    town.run()
    told = MeterEvent.objects.filter(kind="DAILY_SUMMARY").order_by("id")
    assert [event.data["day_date"] for event in told] == ["2026-03-11"] * 3
    assert {(e.data["energy_wh"], e.data["voltage_max_mv"], e.data["demand_w"]) for e in told} == {
        (1_000, 226_100, 700)
    }
    # The block of the 11th and the summary, each one SMS of the data bucket.
    for house in houses:
        month = meter_month(house.meter.pk, MARCH)
        assert month is not None and month.spent[Bucket.DATA].used == 2 and month.budget.counts[Bucket.DATA] == 34


def test_a_package_that_ends_leaves_credit_and_answers_only(town: Town) -> None:
    house = town.house()
    sell(town, house, offer(town, "P28", "BASE", Terms()))
    town.now = dt.datetime(2026, 3, 2, 9, 0, tzinfo=WIB)
    order_sold_plans(now=town.now)
    town.run()
    assert house.sim.plan == ReportingPlan()
    row = Subscription.objects.get()
    end_subscription(subscription_id=row.pk, end_month_date=APRIL, actor="test", now=town.now)
    assert order_sold_plans(now=town.now) == 0
    town.now = dt.datetime(2026, 4, 1, 9, 0, tzinfo=WIB)
    assert order_sold_plans(now=town.now) == 1
    town.run()
    assert house.sim.plan == NOTHING_SOLD
    assert house.sim.power_cut(town.now) + house.sim.power_restored(town.now) + house.sim.report(town.now) == []
    town.use(house, 2_000)
    town.run()
    assert "ISI 50000" in town.words_to(house)[-1]


def test_a_meter_that_does_not_answer_is_asked_again_after_a_week(town: Town) -> None:
    house = town.house()
    sell(town, house, offer(town, "P28", "BASE", Terms()))
    town.now = dt.datetime(2026, 3, 2, 9, 0, tzinfo=WIB)
    order_sold_plans(now=town.now)
    Command.objects.update(state="EXPIRED", closed_at=town.now)
    assert order_sold_plans(now=town.now + dt.timedelta(days=6)) == 0 and held(house) is None
    assert order_sold_plans(now=town.now + dt.timedelta(days=8)) == 1


def test_a_meter_without_a_modem_cannot_be_told(town: Town) -> None:
    house = town.house()
    Pairing.objects.all().delete()
    with pytest.raises(PlanRefused):
        order_plan(meter=house.meter, plan=ReportingPlan(), actor="test", now=town.now)
    assert not Command.objects.exists()
    assert AuditRecord.objects.filter(refused=True, verb="notices.order_plan", code="meter_does_not_talk").count() == 1


# policy of faults -> SMS on supply that go of six outages, where they are booked, what the customer reads
POLICIES = {
    Overflow.BLOCK: (4, 0, 0, "mulai 01/04"),
    Overflow.BORROW: (6, 1, 0, "memakai kuota data"),
    Overflow.BILL: (12, 0, 7, "Rp350 per SMS sampai 01/04"),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_past_the_fault_sms_the_policy_acts_and_a_token_still_loads(town: Town, policy: Overflow) -> None:
    told, borrowed, billed, words = POLICIES[policy]
    house = town.house(credit_wh=5_200)
    sell(town, house, offer(town, "P28", "BASE", Terms(fault_overflow=policy)))
    town.now = dt.datetime(2026, 3, 2, 9, 0, tzinfo=WIB)
    order_sold_plans(now=town.now)
    town.run()
    for _ in range(6):
        town.now += dt.timedelta(days=1)
        town.push(house, house.sim.power_cut(town.now))
        town.now += dt.timedelta(minutes=30)
        town.push(house, house.sim.power_restored(town.now))
        town.run()
    assert MeterEvent.objects.filter(kind__in=["LAST_GASP", "POWER_RESTORED"]).count() == told
    month = meter_month(house.meter.pk, MARCH)
    assert month is not None
    assert (month.settlement[Bucket.FAULT].borrowed, month.settlement[Bucket.FAULT].billed) == (borrowed, billed)
    # Said once, from the social number, and not out of the package.
    notices = list(OutboundSegment.objects.filter(message_class="NOTICE"))
    assert [n.source for n in notices] == ["8123"] and words in town.words_to(house)[0]
    assert PackageEntry.objects.filter(message_class="NOTICE", counts=True).count() == 0
    lines = {
        line.of: (line.count, line.amount_idr) for line in invoice(operator_id=town.operator.pk, month_date=MARCH).lines
    }
    assert lines.get("EXTRA") == ((billed, billed * 350) if billed else None)
    # A block that was lent waits; a token never does.
    blocks = house.sim.report(town.now)
    assert len(blocks) == (1 if policy is not Overflow.BORROW or borrowed < 3 else 0)
    town.use(house, 400)
    town.run()
    answer = next(word for word in town.words_to(house) if "ISI 50000" in word)
    town.text(house, answer[answer.index("ISI 50000") :][:13])
    town.run()
    assert Vend.objects.get().state == "LOADED"


def test_used_up_tokens_are_billed_and_said_once(town: Town) -> None:
    house = town.house(credit_wh=5_200)
    terms = Terms(token_sms=3, token_overflow=Overflow.BILL)
    sell(town, house, offer(town, "P28", "BASE", terms))
    town.now = dt.datetime(2026, 3, 2, 9, 0, tzinfo=WIB)
    for _ in range(2):
        town.use(house, max(house.sim.credit_wh - 4_900, 1))
        town.run()
        answer = [word for word in town.words_to(house) if "ISI 50000" in word][-1]
        town.text(house, answer[answer.index("ISI 50000") :][:13])
        town.run()
    assert list(Vend.objects.values_list("state", flat=True)) == ["LOADED", "LOADED"]
    said = [word for word in town.words_to(house) if "Kuota SMS token" in word]
    assert len(said) == 1 and "Rp350 per SMS sampai 01/04" in said[0]
    month = meter_month(house.meter.pk, MARCH)
    assert month is not None and month.settlement[Bucket.TOKEN].billed == 10 - 3


def late_answer(town: Town, house: House) -> list[bytes]:
    """The frame reaches the meter, its answer stays in the air until the order was given up."""
    frame = OutboundSegment.objects.filter(message_class="METER_FRAME").order_by("-pk")[0]
    answer = house.sim.receive_sms(bytes(frame.payload), town.now)
    town.now += dt.timedelta(days=8)
    end_leases(now=town.now, backoff_s=0)
    return answer


def test_an_answer_after_its_order_expired_makes_the_registry_true(town: Town) -> None:
    house = town.house()
    command_id = order_threshold(meter=house.meter, threshold_wh=6_500, actor="holder:1", now=town.now)
    town.run(to_meters=False)
    answer = late_answer(town, house)
    assert Command.objects.get(pk=command_id).state == "EXPIRED"
    town.push(house, answer)
    town.run()
    command = Command.objects.get(pk=command_id)
    assert (command.state, command.result) == ("ACKED", "success")
    assert Meter.objects.get(pk=house.meter.pk).low_credit_threshold_wh == house.sim.threshold_wh == 6_500


def test_a_late_answer_does_not_undo_a_newer_order(town: Town) -> None:
    house = town.house()
    first = order_threshold(meter=house.meter, threshold_wh=6_500, actor="holder:1", now=town.now)
    town.run(to_meters=False)
    answer = late_answer(town, house)
    order_threshold(meter=house.meter, threshold_wh=8_000, actor="holder:1", now=town.now)
    town.run()
    assert Meter.objects.get(pk=house.meter.pk).low_credit_threshold_wh == 8_000
    town.push(house, answer)
    town.run()
    assert Command.objects.get(pk=first).state == "ACKED"
    assert Meter.objects.get(pk=house.meter.pk).low_credit_threshold_wh == house.sim.threshold_wh == 8_000


def test_a_notice_that_no_link_carries_waits_and_nothing_behind_it(town: Town) -> None:
    town.bind.short_codes = ["3123"]
    town.bind.save()
    house = town.house(credit_wh=5_200)
    sell(town, house, offer(town, "P28", "BASE", Terms(token_sms=0, token_overflow=Overflow.BILL)))
    town.now = dt.datetime(2026, 3, 2, 9, 0, tzinfo=WIB)
    town.use(house, 400)
    town.run()
    answer = town.words_to(house)[-1]
    town.text(house, answer[answer.index("ISI 50000") :][:13])
    town.run()
    assert Vend.objects.get().state == "LOADED" and town.words_to(house)[-1].startswith("Terisi")
    assert list(Message.objects.filter(state="QUEUED").values_list("template", flat=True)) == ["tokens_used_up_bill"]
    town.bind.short_codes = ["3123", "8123"]
    town.bind.save()
    town.run()
    assert "Kuota SMS token" in town.words_to(house)[-1]
