"""A token that its meter never answered goes to it again, oldest first, and is loaded once, whoever keys it in meanwhile."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.conftest import fresh_database
from tests.flows.house import House, Town
from tests.vending.batchbank import ENERGY_WH, FileBank

from duaarah.audit.models import AuditRecord
from duaarah.headend.models import Attempt, Command
from duaarah.headend.operations import claim_and_send, end_leases
from duaarah.notices.operations import take_frame
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Pairing
from duaarah.sms.models import OutboundSegment
from duaarah.sms.operations import claim_inbound
from duaarah.vending.batch_models import TokenOffer, TokenPhone
from duaarah.vending.models import Vend
from duaarah.vending.operations import Sale, send_digits_instead, take_notification, top_up
from duaarah.vending.operations.offers import NEWER_MAX, SCHEDULED_MAX, Why, offer_again, offer_unloaded
from duaarah.vending.operations.phones import phone_of_meter, set_token_phone, untold_vends

pytestmark = pytest.mark.slow
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def buy(town: Town, house: House, reference: str) -> Vend:
    pairing = pairing_of_meter(meter_id=house.meter.pk, at=town.now)
    assert pairing is not None
    said = {"pairing": pairing, "amount_idr": 20_000, "channel": town.channel, "token_source": town.source}
    return top_up(**said, reference=reference, now=town.now).vend


def give_up(town: Town, rounds: int = 12) -> None:
    """The radio is dead until every command is given up."""
    for _ in range(rounds):
        town.run(to_meters=False)
        town.end_leases_now()
        end_leases(now=town.now, backoff_s=0)


def state(vend: Vend) -> tuple[str, str]:
    vend.refresh_from_db()
    assert vend.command is not None
    return vend.state, vend.command.state


def offers(vend: Vend) -> list[tuple[int, str]]:
    return list(TokenOffer.objects.filter(vend=vend).order_by("round").values_list("round", "why"))


def heard(town: Town, house: House) -> None:
    """The meter says something of its own accord, and nothing else moves."""
    town.push(house, house.sim.push_now(town.now))
    for inbound_id in claim_inbound(kind="BINARY", limit=20, lease_s=30):
        take_frame(inbound_id=inbound_id, driver=town.driver, keys=town.keys, now=town.now)


def test_a_meter_that_is_heard_again_gets_what_it_never_answered(town: Town) -> None:
    house = town.house()
    vend = buy(town, house, "r1")
    give_up(town)
    assert state(vend) == ("ISSUED", "EXPIRED") and house.sim.tokens_accepted == 0
    frames = Attempt.objects.filter(command=vend.command).count()
    heard(town, house)
    assert state(vend) == ("ISSUED", "QUEUED") and offers(vend) == [(1, "HEARD")]
    town.run()
    assert state(vend) == ("LOADED", "ACKED") and house.sim.tokens_accepted == 1
    assert Attempt.objects.filter(command=vend.command).count() == frames + 1
    assert AuditRecord.objects.filter(verb="vending.offer_again", correlation=vend.correlation).count() == 1


def test_what_waits_for_its_next_try_goes_at_once_when_the_meter_is_heard(town: Town) -> None:
    house = town.house()
    vend = buy(town, house, "r1")
    town.run(to_meters=False)
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=3600)
    assert claim_and_send(driver=town.driver, keys=town.keys, now=town.now, lease_s=60) == 0
    heard(town, house)
    assert offers(vend) == []
    town.run()
    assert state(vend) == ("LOADED", "ACKED")


def test_a_newer_token_does_not_pass_an_older_one_that_backs_off(town: Town) -> None:
    house = town.house()
    first = buy(town, house, "r1")
    town.run(to_meters=False)
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=3600)
    town.now += dt.timedelta(minutes=2)
    second = buy(town, house, "r2")
    assert claim_and_send(driver=town.driver, keys=town.keys, now=town.now, lease_s=60) == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE headend_command SET not_before_at = clock_timestamp()")
    town.run()
    assert (state(first), state(second)) == (("LOADED", "ACKED"),) * 2
    sent = Attempt.objects.order_by("id").values_list("command_id", flat=True)
    assert list(sent) == [first.command_id, first.command_id, second.command_id]


def test_with_a_new_purchase_the_older_token_goes_first(town: Town) -> None:
    house = town.house()
    first = buy(town, house, "r1")
    give_up(town)
    town.now += HOUR
    second = buy(town, house, "r2")
    assert offers(first) == [(1, "BOUGHT")] and state(first) == ("ISSUED", "QUEUED")
    town.run()
    assert (state(first), state(second)) == (("LOADED", "ACKED"),) * 2
    assert list(Attempt.objects.order_by("-id").values_list("command_id", flat=True)[:2]) == [
        second.command_id,
        first.command_id,
    ]


def test_the_customer_keyed_it_in_and_the_meter_says_used(town: Town) -> None:
    house = town.house()
    vend = buy(town, house, "r1")
    give_up(town)
    town.now += dt.timedelta(minutes=16)
    assert send_digits_instead(now=town.now) == 1
    keyed(town, house, vend)
    heard(town, house)
    town.run()
    assert state(vend) == ("LOADED", "ACKED") and vend.result == "used"
    assert house.sim.tokens_accepted == 1


def keyed(town: Town, house: House, vend: Vend) -> None:
    """The customer keys the digits in at a meter whose answer nobody hears."""
    assert house.sim.keypad(vend.token.digits, town.now)[1]  # what it says is lost


def test_a_late_answer_to_any_frame_of_before_closes_it(town: Town) -> None:
    house = town.house()
    vend = buy(town, house, "r1")
    # The meter gets the first frame and answers; the answer is on its way for a day.
    claim_and_send(driver=town.driver, keys=town.keys, now=town.now, lease_s=60)
    segment = OutboundSegment.objects.get(state="QUEUED")
    answers = house.sim.receive_sms(bytes(segment.payload), town.now)
    OutboundSegment.objects.filter(pk=segment.pk).update(state="ACCEPTED")
    town.smsc.charge(str(segment.pk), segment.source, segment.destination, now=town.now.timestamp())
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=0)
    give_up(town)
    assert state(vend) == ("ISSUED", "EXPIRED")
    heard(town, house)
    assert state(vend) == ("ISSUED", "QUEUED")
    town.push(house, answers)
    town.run()
    assert state(vend) == ("LOADED", "ACKED") and vend.result == "accept" and house.sim.tokens_accepted == 1
    assert Attempt.objects.filter(command=vend.command).count() <= 9


def test_by_itself_it_goes_more_and_more_slowly_and_not_for_ever(town: Town) -> None:
    house = town.house()
    vend = buy(town, house, "r1")
    give_up(town)
    assert offer_unloaded(now=town.now + HOUR / 2) == 0
    made = []
    for hour in range(1, 24 * 60):
        town.now += HOUR
        if offer_unloaded(now=town.now):
            made.append(hour)
            give_up(town, 4)
            assert state(vend) == ("ISSUED", "EXPIRED")
    assert made[:4] == [1, 7, 31, 103] and len(made) == SCHEDULED_MAX
    assert [why for _, why in offers(vend)] == ["SCHEDULED"] * SCHEDULED_MAX


def test_a_meter_that_speaks_often_and_never_answers_costs_little(town: Town) -> None:
    house = town.house()
    vend = buy(town, house, "r1")
    give_up(town)
    for minute in range(180):
        town.now += dt.timedelta(minutes=1)
        if minute % 3 == 0:
            with transaction.atomic():
                offer_again(meter_id=house.meter.pk, why=Why.HEARD, now=town.now)
            give_up(town, 1)
    give_up(town)
    # At once, after a quarter of an hour, after an hour: three offers of three frames in three hours.
    assert len(offers(vend)) == 3 and Attempt.objects.filter(command=vend.command).count() == 8 + 9


def test_a_token_that_the_meter_may_have_forgotten_is_not_offered(town: Town) -> None:
    house = town.house(wallet_idr=0)
    bank = FileBank(town)
    for number in range(NEWER_MAX + 1):
        sale = Sale(
            notification_id=f"s{number}", digest=bytes(32), drn=house.meter.drn, idpel=None,
            digits=bank.token(house, number), amount_idr=50_000,
        )  # fmt: skip
        take_notification(channel=bank.channel, sale=sale, reader=town.source, now=town.now)
    Command.objects.all().update(state="EXPIRED", closed_at=town.now)
    oldest, second = Vend.objects.order_by("tid")[:2]
    heard(town, house)
    assert offers(oldest) == [] and offers(second) == [(1, "HEARD")]


# -- meters that do not talk -------------------------------------------------------------------------------------------


def sold(town: Town, house: House, number: int) -> Vend:
    bank = FileBank(town, f"ATM{number}")
    sale = Sale(
        notification_id=f"s{number}", digest=bytes(32), drn=house.meter.drn, idpel=None,
        digits=bank.token(house, number), amount_idr=50_000,
    )  # fmt: skip
    return take_notification(channel=bank.channel, sale=sale, reader=town.source, now=town.now)[0]


def test_digits_go_to_the_written_phone_and_those_of_before_too(town: Town) -> None:
    house = town.house()
    Pairing.objects.all().delete()
    first, second = sold(town, house, 1), sold(town, house, 2)
    assert {v.pk for v in untold_vends()} == {first.pk, second.pk}
    town.now += HOUR
    assert send_digits_instead(now=town.now) == 0
    assert set_token_phone(meter=house.meter, phone="0812-9999-0001", actor="login:1", now=town.now) == 2
    third = sold(town, house, 3)
    assert third.phone == "6281299990001" and third.digits_sent_at == town.now and not untold_vends().exists()
    town.run()
    told = town.inbox["6281299990001"]
    groups = [" ".join(v.token.digits[i : i + 4] for i in range(0, 20, 4)) for v in (first, second, third)]
    assert len(told) == 3 and all(group in text for group, text in zip(groups, told, strict=True))
    line = AuditRecord.objects.get(verb="vending.set_token_phone")
    assert line.detail == {"phone": "...001", "told": 2}
    assert set_token_phone(meter=house.meter, phone="081299990002", actor="login:1", now=town.now) == 0


def test_the_holders_one_number_is_known_and_several_are_not(town: Town) -> None:
    silent, other, third = town.house(), town.house(), town.house()
    Pairing.objects.filter(meter=silent.meter).delete()
    assert phone_of_meter(meter_id=silent.meter.pk, now=town.now) == ""
    assert other.meter.customer is not None and third.meter.customer is not None
    type(other.meter.customer).objects.filter(pk=other.meter.customer_id).update(holder=silent.holder)
    assert phone_of_meter(meter_id=silent.meter.pk, now=town.now) == other.pairing.phone
    assert sold(town, silent, 1).phone == other.pairing.phone
    type(third.meter.customer).objects.filter(pk=third.meter.customer_id).update(holder=silent.holder)
    assert phone_of_meter(meter_id=silent.meter.pk, now=town.now) == ""
    TokenPhone.objects.create(meter=silent.meter, phone="6281299990001", set_at=town.now, set_by="t")
    assert phone_of_meter(meter_id=silent.meter.pk, now=town.now) == "6281299990001"


def test_a_meter_that_got_a_modem_loads_what_was_sold_before(town: Town) -> None:
    house = town.house(credit_wh=0)
    pairing = house.pairing
    Pairing.objects.all().delete()
    vend = sold(town, house, 1)
    pairing.pk = None
    pairing._state.adding = True
    pairing.save()
    heard(town, house)
    assert state(vend) == ("ISSUED", "QUEUED")
    town.run()
    assert state(vend) == ("LOADED", "ACKED") and house.sim.credit_wh == ENERGY_WH


# -- any order of events -------------------------------------------------------------------------------------------------


class Offers(RuleBasedStateMachine):
    """Purchases, silence, a meter that speaks, digits keyed in, time: at every offer no older token could have gone."""

    conninfo: str
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.context = fresh_database(self.conninfo)
        self.context.__enter__()
        self.town = Town(Path(tempfile.mkdtemp(dir=self.folder)))
        self.vends: list[Vend] = []
        self.seen = 0

    def teardown(self) -> None:
        """Whatever came before: once the meter answers and time passes, everything is loaded, once."""
        for _ in range(len(self.vends) + 3):
            self.town.now += dt.timedelta(days=2)
            heard(self.town, self.house)
            self.town.run()
            self.town.end_leases_now()
            end_leases(now=self.town.now, backoff_s=0)
            self.town.run()
        for vend in self.vends:
            assert state(vend) == ("LOADED", "ACKED"), vend.tid
        assert self.house.sim.tokens_accepted == len(self.vends)
        self.context.__exit__(None, None, None)

    @initialize(silent=st.integers(0, 3))
    def found(self, silent: int) -> None:
        """A household, some of whose tokens its meter never answered."""
        self.house = self.town.house(wallet_idr=10_000_000)
        for _ in range(silent):
            self.buys()
        if silent:
            give_up(self.town, 10)

    @precondition(lambda self: len(self.vends) < 6)
    @rule()
    def buys(self) -> None:
        self.town.now += dt.timedelta(minutes=3)
        self.vends.append(buy(self.town, self.house, f"r{len(self.vends)}"))

    @rule(lost=st.booleans())
    def radio(self, lost: bool) -> None:
        """One frame goes out, and its answer comes back or does not."""
        claim_and_send(driver=self.town.driver, keys=self.town.keys, now=self.town.now, lease_s=60)
        assert Command.objects.filter(state="SENT").count() <= 1
        self.town._carry(not lost)
        self.read()

    def read(self) -> None:
        for inbound_id in claim_inbound(kind="BINARY", limit=20, lease_s=30):
            take_frame(inbound_id=inbound_id, driver=self.town.driver, keys=self.town.keys, now=self.town.now)

    @rule()
    def leases_end(self) -> None:
        self.town.end_leases_now()
        end_leases(now=self.town.now, backoff_s=3600)

    @rule()
    def all_is_given_up(self) -> None:
        give_up(self.town, 10)

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.town.now += hours * HOUR
        offer_unloaded(now=self.town.now)

    @rule()
    def speaks(self) -> None:
        heard(self.town, self.house)

    @precondition(lambda self: self.vends)
    @rule(data=st.data())
    def keyed_in(self, data: st.DataObject) -> None:
        vend = data.draw(st.sampled_from(self.vends))
        told = self.house.sim.keypad(vend.token.digits, self.town.now)[1]
        if data.draw(st.booleans()):
            self.town.push(self.house, told)
            self.read()

    @invariant()
    def the_oldest_that_could_go_went(self) -> None:
        rows = list(TokenOffer.objects.select_related("vend__command").order_by("id"))
        for offer in rows[self.seen :]:
            longest = dt.timedelta(days=7 if offer.why == Why.SCHEDULED else 1)
            older = Vend.objects.filter(state="ISSUED", tid__lt=offer.vend.tid).select_related("command")
            for vend in older:
                assert vend.command is not None
                latest = vend.offers.order_by("-round").first()
                waits = latest is not None and offer.at - latest.at < longest
                assert vend.command.state != "EXPIRED" or waits, (vend.tid, offer.vend.tid)
        self.seen = len(rows)

    @invariant()
    def nothing_is_loaded_twice(self) -> None:
        if hasattr(self, "house"):
            assert self.house.sim.tokens_accepted <= len(self.vends)
            loaded = Vend.objects.filter(state="LOADED").count()
            assert loaded <= self.house.sim.tokens_accepted


def test_offers_in_any_order_of_events(cluster_conninfo: str, tmp_path: Path) -> None:
    Offers.conninfo, Offers.folder = cluster_conninfo, tmp_path
    run_state_machine_as_test(
        Offers,
        settings=settings(
            max_examples=12,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            # A database for each example: to make a failing one shorter would take minutes.
            phases=(Phase.generate,),
        ),
    )
