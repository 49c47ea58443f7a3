# SPDX-License-Identifier: Apache-2.0
"""A rule buys for its customer: just in time, within its budget, once whatever dies, and it says why, or why not."""

from __future__ import annotations

import datetime as dt
import importlib
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from duaarah.audit.models import AuditRecord
from duaarah.messaging.models import Message
from duaarah.notices.auto import buy as buying
from duaarah.notices.auto.buy import buy_due, claim_one
from duaarah.notices.auto.queries import rule_now, rule_of_meter
from duaarah.notices.auto.rules import (
    ApprovalNeedsTwo,
    MetersRefused,
    NoRule,
    RuleRefused,
    Wish,
    set_rule,
    stop_rule,
)
from duaarah.notices.auto.second_person import ask_second_persons, follow_second_persons
from duaarah.notices.auto.watch import free_idr, watch_rules
from duaarah.notices.day_warnings import compute_due
from duaarah.notices.models import AutoRule, AutoRuleMeter, AutoRuleVersion, Forecast, TopUpRequest
from duaarah.people.models import Approval, Login
from duaarah.people.operations import decide_approval
from duaarah.registry.models import Meter
from duaarah.vending.models import LedgerLine, Payment, Token, Vend, Wallet
from duaarah.vending.operations import fill_wallet, top_up
from duaarah.vending.ports import Refused
from tests.flows.days import daily_house, live
from tests.flows.house import House, Town

pytestmark = pytest.mark.slow
money: Any = importlib.import_module("duaarah.vending.operations.top_up")  # the package names its verb alike
WISH = Wish(name="Rumah", nominal_idr=50_000, budget_idr=150_000, threshold_wh=8_000)


def rule_for(town: Town, house: House, **terms: Any) -> AutoRule:
    wish = Wish(**{**vars(WISH), **terms})
    return set_rule(holder=house.holder, wish=wish, meters=[house.meter], actor="test", now=town.now)


def turn(town: Town) -> None:
    """The sweeper's part, and everything that follows from it."""
    for _ in range(8):
        moved = compute_due(now=town.now)
        moved += watch_rules(now=town.now) + ask_second_persons(now=town.now) + follow_second_persons(now=town.now)
        moved += buy_due(token_source=town.source, now=town.now)
        town.run()
        if not moved:
            return


def low_house(town: Town, **more: Any) -> House:
    """A house whose meter has told ten days of 5 kWh and 7 kWh of credit, at two in the morning."""
    house = daily_house(town, **{"credit_wh": 57_000, "low_credit_threshold_wh": 500, **more})
    live(town, house, 10, 5_000)
    assert house.sim.credit_wh == 7_000
    return house


def check_books(town: Town, house: House, bought: int) -> None:
    """Money, tokens and requests agree, and nothing was bought twice."""
    assert Payment.objects.count() == Token.objects.count() == bought
    assert Wallet.objects.get(holder=house.holder).balance_sen == (200_000 - 50_000 * bought) * 100
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0
    assert TopUpRequest.objects.filter(state="BOUGHT").count() == bought
    assert not TopUpRequest.objects.filter(state__in=TopUpRequest.OPEN).exists()


def test_it_buys_below_the_threshold_and_the_meter_loads_it(town: Town) -> None:
    house = low_house(town)
    rule = rule_for(town, house)
    turn(town)
    check_books(town, house, 1)
    request, vend = TopUpRequest.objects.get(), Vend.objects.get()
    assert (vend.state, request.vend_id, vend.payment.reference) == ("LOADED", vend.pk, f"auto:{request.pk}")
    assert vend.payment.channel.code == "AUTO"
    assert house.sim.credit_wh == 7_000 + vend.encoded_wh
    assert request.why["credit_wh"] == 7_000 and request.why["left_idr"] == 100_000
    assert request.why["days_left"] == pytest.approx(1.4, abs=0.05) and request.why["told_at"] is not None
    assert rule_now(rule, town.now).left_idr == 100_000
    assert AuditRecord.objects.filter(verb="notices.request_top_up", refused=False).count() == 1
    # It was bought in silence: the receipt is all that the customer hears.
    assert [m.template for m in Message.objects.filter(meter=house.meter)] == ["low_credit", "receipt"]


def test_a_rule_makes_the_warning_needless(town: Town) -> None:
    house = daily_house(town, credit_wh=57_000, low_credit_threshold_wh=9_000)
    live(town, house, 3, 5_000)
    rule_for(town, house)
    turn(town)
    live(town, house, 7, 5_000)
    turn(town)
    assert [m.template for m in Message.objects.filter(meter=house.meter)] == ["receipt"]


def test_enough_is_not_bought_and_says_so(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house, threshold_wh=6_500)
    turn(town)
    assert not TopUpRequest.objects.exists() and AutoRuleMeter.objects.get().word == "enough"
    # Half a day on, the meter has said nothing new: the rule expects what its pace takes.
    town.now += dt.timedelta(hours=12)
    turn(town)
    check_books(town, house, 1)
    assert TopUpRequest.objects.get().why["told_wh"] == 7_000 > TopUpRequest.objects.get().why["credit_wh"]


def test_by_days_left(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house, threshold_wh=None, threshold_days=2)
    turn(town)
    check_books(town, house, 1)


def test_what_the_meter_has_told_and_nobody_has_read_is_waited_for(town: Town) -> None:
    """The token is loaded and its vend closed, the forecast not yet computed: the old credit buys nothing."""
    house = low_house(town)
    rule_for(town, house)
    watch_rules(now=town.now)
    buy_due(token_source=town.source, now=town.now)
    town.run()
    assert Vend.objects.get().state == "LOADED" and Forecast.objects.get(pk=house.meter.pk).due
    town.now += dt.timedelta(minutes=6)
    assert watch_rules(now=town.now) == 1 and AutoRuleMeter.objects.get().word == "reading"
    turn(town)
    check_books(town, house, 1)


def test_a_meter_that_refuses_its_token_is_not_sold_another(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house)
    turn(town)
    with transaction.atomic():
        Vend.objects.update(state="REJECTED")
    live(town, house, 7, 5_000)
    turn(town)
    assert AutoRuleMeter.objects.get().word == "rejected" and Payment.objects.count() == 1


def test_a_purchase_that_gave_no_token_is_not_repeated_the_same_day(town: Town) -> None:
    class Refuses:
        def obtain(self, request: Any) -> Refused:
            return Refused("test", "no token today")

    house = low_house(town)
    rule = rule_for(town, house)
    watch_rules(now=town.now)
    buy_due(token_source=Refuses(), now=town.now)
    assert Vend.objects.get().state == "REFUNDED" and rule_now(rule, town.now).left_idr == 150_000
    for _ in range(3):
        town.now += dt.timedelta(minutes=6)
        turn(town)
    assert AutoRuleMeter.objects.get().word == "asked" and Payment.objects.count() == 1
    assert Wallet.objects.get(holder=house.holder).balance_sen == 20_000_000


def test_one_purchase_in_flight_a_meter(town: Town) -> None:
    """The radio is dead: the first token waits, and no second one is bought however low the credit is."""
    house = low_house(town)
    rule_for(town, house)
    watch_rules(now=town.now)
    assert buy_due(token_source=town.source, now=town.now) == 1
    for _ in range(3):
        town.now += dt.timedelta(minutes=6)
        watch_rules(now=town.now)
        buy_due(token_source=town.source, now=town.now)
    assert Vend.objects.get().state == "ISSUED" and AutoRuleMeter.objects.get().word == "in_flight"
    check_books(town, house, 1)


def test_a_purchase_by_hand_meanwhile_is_enough(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house)
    watch_rules(now=town.now)
    pay = {"amount_idr": 20_000, "channel": town.channel, "reference": "hand", "token_source": town.source}
    top_up(pairing=house.pairing, now=town.now, **pay)
    buy_due(token_source=town.source, now=town.now)
    request = TopUpRequest.objects.get()
    assert (request.state, request.result) == ("FAILED", "bought_otherwise")
    assert Payment.objects.get().reference == "hand"


def test_nothing_is_bought_in_quiet_hours_and_in_the_cut_off(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house, quiet_from_min=60, quiet_until_min=300)
    turn(town)
    assert AutoRuleMeter.objects.get().word == "quiet" and not TopUpRequest.objects.exists()
    town.now = town.now.replace(hour=23, minute=40)
    turn(town)
    assert AutoRuleMeter.objects.get().word == "cut_off" and not Payment.objects.exists()
    town.now = town.now.replace(hour=0, minute=31) + dt.timedelta(days=1)
    turn(town)
    check_books(town, house, 1)


def test_what_was_decided_before_the_cut_off_waits_for_its_end(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house)
    watch_rules(now=town.now)
    town.now = town.now.replace(hour=23, minute=31)
    assert buy_due(token_source=town.source, now=town.now) == 0 and TopUpRequest.objects.get().state == "DUE"
    town.now += dt.timedelta(hours=1)
    turn(town)
    check_books(town, house, 1)


def test_the_budget_ends_the_month_and_the_customer_is_told_once(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house, budget_idr=50_000, threshold_wh=60_000)
    turn(town)
    for _ in range(3):
        town.now += dt.timedelta(minutes=6)
        turn(town)
    check_books(town, house, 1)
    assert AutoRuleMeter.objects.get().word == "budget"
    assert Message.objects.filter(template="auto_budget").count() == 1
    assert AuditRecord.objects.filter(code="auto_budget").count() == 1
    # A new month by the utility's calendar, a new budget.
    town.now = dt.datetime(2026, 3, 1, 1, 0, tzinfo=town.now.tzinfo)
    turn(town)
    assert TopUpRequest.objects.filter(state="BOUGHT").count() == 2


def test_the_720_hour_cap(town: Town) -> None:
    """1,300 VA may load 936 kWh a month: twenty are left of it, the nominal buys more."""
    house = low_house(town)
    rule_for(town, house, threshold_wh=60_000)
    watch_rules(now=town.now)
    buy_due(token_source=town.source, now=town.now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE vending_vend SET requested_wh = 936000 - 20000")
    town.run()
    town.now += dt.timedelta(minutes=6)
    turn(town)
    assert AutoRuleMeter.objects.get().word == "cap" and Message.objects.filter(template="auto_cap").count() == 1
    assert TopUpRequest.objects.count() == 1


def test_an_empty_wallet_pauses_once_told_and_goes_on_when_filled(town: Town) -> None:
    house = low_house(town, wallet_idr=0)
    rule_for(town, house)
    for _ in range(3):
        turn(town)
        town.now += dt.timedelta(minutes=6)
    rule = AutoRule.objects.get()
    assert (rule.state, rule.pause_code, rule.pauses) == ("PAUSED", "wallet", 1)
    [text] = [m.text for m in Message.objects.filter(template="auto_wallet")]
    assert "dompet Rp0, kurang utk Rp50.000" in text and text in town.words_to(house)
    assert not Payment.objects.exists() and AuditRecord.objects.filter(code="auto_wallet").count() == 1
    fill_wallet(holder=house.holder, amount_idr=200_000, reference="fill", now=town.now)
    town.now += dt.timedelta(minutes=6)
    turn(town)
    assert AutoRule.objects.get().state == "ACTIVE"
    check_books(town, house, 1)
    states = list(AutoRuleVersion.objects.order_by("version").values_list("terms__state", flat=True))
    assert states == ["ACTIVE", "PAUSED", "ACTIVE"]


def test_a_wallet_that_was_emptied_in_between_pauses_and_moves_nothing(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house)
    watch_rules(now=town.now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE vending_wallet SET balance_sen = 0")
    buy_due(token_source=town.source, now=town.now)
    request = TopUpRequest.objects.get()
    assert (request.state, request.result) == ("FAILED", "wallet_too_low")
    assert AutoRule.objects.get().pause_code == "wallet" and not Vend.objects.exists()
    assert Message.objects.filter(template="auto_wallet").count() == 1


# -- killed between each two steps ------------------------------------------------------------------------------------


class Dies(BaseException):
    """The process is gone: nothing behind this line is executed."""


def lease_over() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notices_topuprequest SET lease_until_at = clock_timestamp() - interval '1 second'")


DEATHS = ("before the claim", "after the claim", "after T1", "after the token", "after T2", "before it is closed")


@pytest.mark.parametrize("death", DEATHS)
def test_killed_between_each_two_steps_it_buys_once(town: Town, death: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = low_house(town)
    rule_for(town, house)
    watch_rules(now=town.now)

    def dies(*_: object, **__: object) -> None:
        raise Dies

    class Source:
        def obtain(self, request: Any) -> Any:
            town.source.obtain(request)
            raise Dies

    source: Any = town.source
    with monkeypatch.context() as patch:
        if death == "before the claim":
            patch.setattr(buying, "claim_one", dies)
        elif death == "after the claim":
            patch.setattr(buying, "top_up", dies)
        elif death == "after T1":
            patch.setattr(money, "obtain_token", dies)
        elif death == "after the token":
            source = Source()
        elif death == "after T2":
            real = money.top_up

            def bought_then_dies(**given: Any) -> None:
                real(**given)
                raise Dies

            patch.setattr(buying, "top_up", bought_then_dies)
        else:
            patch.setattr(buying, "record_bought", dies)
        with pytest.raises(Dies):
            buy_due(token_source=source, now=town.now)
    # Its lease is open: nobody else buys beside it.
    if death != "before the claim":
        assert claim_one(now=town.now) is None
    lease_over()
    turn(town)
    town.now += dt.timedelta(minutes=6)
    turn(town)
    check_books(town, house, 1)
    assert Vend.objects.get().state == "LOADED" and house.sim.credit_wh == 7_000 + Vend.objects.get().encoded_wh


def test_killed_in_the_look_decides_nothing_or_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from duaarah.notices.auto import watch

    house = low_house(town)
    rule_for(town, house)

    def dies(*_: object, **__: object) -> None:
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(watch, "_note", dies)
        with pytest.raises(Dies):
            watch_rules(now=town.now)
    assert not TopUpRequest.objects.exists()
    turn(town)
    check_books(town, house, 1)


def test_paid_and_then_switched_off_comes_to_its_end(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker died after T1, the customer stops the rule: the money has its token all the same."""
    house = low_house(town)
    rule = rule_for(town, house)
    watch_rules(now=town.now)

    def dies(*_: object, **__: object) -> None:
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(money, "obtain_token", dies)
        with pytest.raises(Dies):
            buy_due(token_source=town.source, now=town.now)
    lease_over()
    stop_rule(holder=house.holder, rule_id=rule.pk, actor="test", now=town.now)
    turn(town)
    check_books(town, house, 1)


def test_what_is_paid_and_not_yet_closed_is_not_taken_from_the_wallet_twice(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = low_house(town)
    rule_for(town, house)
    watch_rules(now=town.now)
    assert free_idr(house.holder.pk) == 150_000

    def dies(*_: object, **__: object) -> None:
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(buying, "record_bought", dies)
        with pytest.raises(Dies):
            buy_due(token_source=town.source, now=town.now)
    assert free_idr(house.holder.pk) == 150_000


def test_from_a_few_days_nothing_is_foreseen_that_costs_money(town: Town) -> None:
    house = daily_house(town, credit_wh=17_000, low_credit_threshold_wh=500)
    live(town, house, 2, 5_000)
    rule = rule_for(town, house, threshold_wh=None, threshold_days=14)
    turn(town)
    assert AutoRuleMeter.objects.get().word == "unknown" and not TopUpRequest.objects.exists()
    again = {"holder": house.holder, "meters": [house.meter], "actor": "test", "rule_id": rule.pk, "now": town.now}
    set_rule(wish=WISH, **again)
    turn(town)
    check_books(town, house, 1)


def test_stopped_before_it_was_claimed_buys_nothing(town: Town) -> None:
    house = low_house(town)
    rule = rule_for(town, house)
    watch_rules(now=town.now)
    stop_rule(holder=house.holder, rule_id=rule.pk, actor="test", now=town.now)
    turn(town)
    assert TopUpRequest.objects.get().result == "rule_changed" and not Payment.objects.exists()
    assert rule_of_meter(meter_id=house.meter.pk, holder_id=house.holder.pk) is None
    with pytest.raises(NoRule):
        stop_rule(holder=house.holder, rule_id=rule.pk, actor="test", now=town.now)
    assert AuditRecord.objects.filter(verb="notices.stop_rule", code="auto_none", refused=True).count() == 1


# -- a second person --------------------------------------------------------------------------------------------------


def with_limit(town: Town, house: House, above_idr: int = 40_000) -> tuple[Login, Login]:
    asking, second = (Login.objects.create_user(name, holder=house.holder) for name in ("first", "second"))
    set_rule(
        holder=house.holder,
        wish=Wish(**{**vars(WISH), "approval_above_idr": above_idr}),
        meters=[house.meter],
        actor="test",
        now=town.now,
        login=asking,
    )
    return asking, second


def test_above_the_limit_a_second_person_agrees_first(town: Town) -> None:
    house = low_house(town)
    _, second = with_limit(town, house)
    turn(town)
    approval = Approval.objects.get()
    assert TopUpRequest.objects.get().state == "WAITING" and not Payment.objects.exists()
    decide_approval(approval_id=approval.pk, approve=True, decided_by=second, now=town.now)
    turn(town)
    check_books(town, house, 1)
    assert Approval.objects.get().state == "USED"


def test_refused_or_unanswered_it_buys_nothing_and_asks_again_a_day_later(town: Town) -> None:
    house = low_house(town)
    _, second = with_limit(town, house)
    turn(town)
    decide_approval(approval_id=Approval.objects.get().pk, approve=False, decided_by=second, now=town.now)
    turn(town)
    assert TopUpRequest.objects.get().result == "approval_refused"
    town.now += dt.timedelta(hours=23)
    turn(town)
    assert TopUpRequest.objects.count() == 1
    town.now += dt.timedelta(hours=2)
    turn(town)
    assert TopUpRequest.objects.count() == 2
    town.now += dt.timedelta(hours=25)
    turn(town)
    assert TopUpRequest.objects.order_by("pk").last().result == "approval_expired" and not Payment.objects.exists()


def test_killed_between_the_question_and_its_note_it_is_asked_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from duaarah.notices.auto import second_person

    house = low_house(town)
    with_limit(town, house)
    watch_rules(now=town.now)
    real = second_person.request_approval

    def asks_then_dies(**given: Any) -> None:
        real(**given)
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(second_person, "request_approval", asks_then_dies)
        with pytest.raises(Dies):
            ask_second_persons(now=town.now)
    ask_second_persons(now=town.now)
    assert Approval.objects.count() == 1 and TopUpRequest.objects.get().approval_id == Approval.objects.get().pk


def test_a_limit_without_a_second_person_is_refused(town: Town) -> None:
    house = low_house(town)
    with pytest.raises(ApprovalNeedsTwo):
        rule_for(town, house, approval_above_idr=10_000)
    assert not AutoRule.objects.exists()


# -- rules ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"nominal_idr": 30_000}, "auto_nominal"),
        ({"budget_idr": 49_999}, "auto_budget"),
        ({"threshold_wh": 400}, "auto_threshold"),
        ({"threshold_days": 3}, "auto_threshold"),
        ({"threshold_wh": None, "threshold_days": 15}, "auto_threshold"),
        ({"quiet_from_min": 5}, "auto_quiet"),
        ({"quiet_from_min": 5, "quiet_until_min": 1440}, "auto_quiet"),
    ],
)
def test_what_is_no_rule_is_refused_with_a_line(town: Town, terms: dict, code: str) -> None:
    house = town.house()
    with pytest.raises(RuleRefused) as refused:
        rule_for(town, house, **terms)
    assert refused.value.code == code and not AutoRule.objects.exists()
    assert AuditRecord.objects.get(verb="notices.set_rule").code == code


def test_a_meter_has_one_rule_and_only_its_holders(town: Town) -> None:
    first, second = town.house(), town.house()
    rule_for(town, first)
    with pytest.raises(MetersRefused):
        rule_for(town, first, nominal_idr=20_000)
    with pytest.raises(MetersRefused):
        set_rule(holder=first.holder, wish=WISH, meters=[second.meter], actor="test", now=town.now)
    assert AutoRule.objects.count() == AutoRuleMeter.objects.count() == 1


def test_the_same_rule_again_is_no_new_version_and_versions_stay(town: Town) -> None:
    house = town.house()
    rule = rule_for(town, house)
    again = {"holder": house.holder, "meters": [house.meter], "actor": "test", "rule_id": rule.pk}
    set_rule(wish=WISH, now=town.now, **again)
    assert AutoRuleVersion.objects.count() == 1
    set_rule(wish=Wish(**{**vars(WISH), "budget_idr": 300_000}), now=town.now, **again)
    assert [v.terms["budget_idr"] for v in AutoRuleVersion.objects.order_by("version")] == [150_000, 300_000]
    with pytest.raises(Exception, match="append-only"), transaction.atomic():
        AutoRuleVersion.objects.update(actor="x")


def test_the_database_itself_holds_one_open_request_a_meter(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house)
    watch_rules(now=town.now)
    row = TopUpRequest.objects.get()
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save(force_insert=True)


def test_a_meter_that_changed_hands_is_not_bought_for(town: Town) -> None:
    house = low_house(town)
    rule_for(town, house)
    watch_rules(now=town.now)
    other = town.house()
    Meter.objects.filter(pk=house.meter.pk).update(customer=other.meter.customer)
    turn(town)
    town.now += dt.timedelta(minutes=6)
    turn(town)
    assert TopUpRequest.objects.get().result == "not_his" and not Payment.objects.exists()
    assert AutoRuleMeter.objects.get().word == "not_his"


def test_one_budget_over_many_sites_goes_to_whose_credit_ends_first(town: Town) -> None:
    first = low_house(town)
    second = town.house(credit_wh=60_000)
    Meter.objects.filter(pk=second.meter.pk).update(customer=first.meter.customer)
    live(town, second, 1, 5_000)
    wish = Wish(name="Armada", nominal_idr=50_000, budget_idr=50_000, threshold_wh=90_000)
    meters = list(Meter.objects.filter(customer__holder=first.holder))
    set_rule(holder=first.holder, wish=wish, meters=meters, actor="test", now=town.now)
    turn(town)
    assert TopUpRequest.objects.get().meter_id == first.meter.pk
    words = dict(AutoRuleMeter.objects.values_list("meter_id", "word"))
    assert words[second.meter.pk] in ("budget", "unknown")


# -- by SMS -----------------------------------------------------------------------------------------------------------


def ask(town: Town, house: House, words: str) -> str:
    before = len(town.words_to(house))
    town.text(house, words)
    town.run()
    [reply] = town.words_to(house)[before:]
    return reply


def test_auto_by_sms_sets_tells_and_stops_a_real_rule(town: Town) -> None:
    house = low_house(town)
    assert ask(town, house, "AUTO").startswith("Isi otomatis belum aktif")
    said = ask(town, house, "AUTO 50000 8 150rb 123456")
    assert said.startswith("Isi otomatis aktif di meter") and "plafon Rp150.000 sebulan" in said
    rule = AutoRule.objects.get()
    assert (rule.nominal_idr, rule.threshold_wh, rule.budget_idr, rule.state) == (50_000, 8_000, 150_000, "ACTIVE")
    turn(town)
    check_books(town, house, 1)
    assert "sisa bulan ini Rp100.000" in ask(town, house, "AUTO")
    assert ask(town, house, "AUTO OFF").startswith("Isi otomatis berhenti di meter")
    assert AutoRule.objects.get().state == "OFF"
    assert ask(town, house, "AUTO OFF").startswith("Isi otomatis berhenti di meter")
    assert not [text for text in Message.objects.values_list("text", flat=True) if "123456" in text]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("AUTO 50000 8 150000", "Tulis lengkap: AUTO"),
        ("AUTO 50000 8 123456", "Tulis lengkap: AUTO"),
        ("AUTO 50000 8 150000 654321", "PIN salah, isi otomatis tidak diatur."),
        ("AUTO 30000 8 150000 123456", "Isi otomatis tidak diatur: nominal"),
        ("AUTO 50000 8 20000 123456", "Isi otomatis tidak diatur: nominal"),
        ("AUTO 50000 8 150000 K7P", "Tulis lengkap: AUTO"),
    ],
)
def test_what_sets_no_rule_by_sms(town: Town, words: str, said: str) -> None:
    house = town.house()
    assert ask(town, house, words).startswith(said)
    assert not AutoRule.objects.exists()


def test_another_phone_sets_no_rule(town: Town) -> None:
    from duaarah.registry.delegations import delegate

    house, other = town.house(), town.house()
    delegate(
        meter=house.meter,
        phone=other.pairing.phone,
        right="BUY",
        days=30,
        own_phone=house.pairing.phone,
        actor="test",
        now=town.now,
    )
    reply = ask(town, other, f"AUTO {house.meter.drn} 50000 8 150000 123456")
    assert reply.startswith("Nomor ini tidak punya izin AUTO") and not AutoRule.objects.exists()
