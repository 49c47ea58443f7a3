"""Tokens without money, by two people; and tokens in the place of others, where the old one is provably dead."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from tests.flows.house import START, House, Town
from tests.web.test_vending_interface import caller as caller
from tests.web.test_vending_interface import order, says
from tests.web.test_vending_interface import town as town
from tests.web.vendors import Caller, balances, money_agrees, nothing_said, one_way, refusals, state_of_things, vendor

from duaarah.audit.models import AuditRecord
from duaarah.clock import operations as clock_operations
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Meter
from duaarah.vending.models import KeyChange, LedgerEntry, Payment, Token, Vend
from duaarah.vending.operations import open_arrears, plan_key_change
from duaarah.vending.operations.arrears import Terms
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.key_change import TokensReplaced
from duaarah.vending.operations.vendors import begin_free_issue, free_issue, resume_free_issues
from duaarah.vending.ports import Refused, Unknown
from duaarah.vending.vendor_models import FreeIssue, Replacement

pytestmark = pytest.mark.slow


def asked(house: House, message_id: str = "f-1", energy_wh: int = 10_000) -> dict[str, Any]:
    return {"message_id": message_id, "drn": house.meter.drn, "energy_wh": energy_wh, "reason": "meter was off"}


def agree(town: Town, *, begin: bool = True, now: dt.datetime | None = None) -> Approval:
    second = Login.objects.get_or_create(username="second")[0]
    approval = Approval.objects.get(state="REQUESTED")
    decide_approval(approval_id=approval.pk, approve=True, decided_by=second, now=now or town.now)
    if begin:
        begin_free_issue(approval_id=approval.pk, token_source=town.source, actor="login:2", now=now or town.now)
    return approval


# -- tokens without money -------------------------------------------------------------------------------------------------


def test_energy_is_given_when_a_second_person_agrees(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    before = balances()
    for status in (202, 202):
        found, said = caller.call("free-issue", asked(house))
        assert (found, said["kind"], said["status"], said["token"]) == (status, "free_issue", "waiting", None)
    assert (Approval.objects.count(), Vend.objects.count(), balances()) == (1, 0, before)
    approval = Approval.objects.get()
    assert (approval.requested_by, approval.reason) == (caller.key.login, "meter was off")
    with pytest.raises(ApprovalRefused):
        decide_approval(approval_id=approval.pk, approve=True, decided_by=caller.key.login, now=town.now)
    agree(town)
    said = caller.call("advice/f-1")[1]
    assert (said["status"], said["energy_wh"], said["loads_itself"]) == ("sold", 10_000, True)
    assert said == caller.call("advice/f-1", {})[1] == caller.call("reprint?message_id=f-1")[1][0]
    assert caller.call("free-issue", asked(house)) == (200, said)
    town.run()
    assert house.sim.credit_wh == 16_000
    # PLN's expense at the tariff of the day, no tax; the deposit is as it was.
    worth = {code: amount for code, amount in balances().items() if code.startswith("pln:")}
    assert worth == {"pln:compensation": 1_444_700, "pln:stroom": -1_444_700}
    assert said["deposit_sen"] == 100_000_000
    with pytest.raises(ApprovalRefused):
        begin_free_issue(approval_id=approval.pk, token_source=town.source, actor="login:2", now=town.now)
    assert Token.objects.count() == 1
    nothing_said(said["token"])
    money_agrees()


@pytest.mark.parametrize("energy_wh", [100, 300, 12_300, 99_900, 936_000])
def test_the_price_of_given_energy_is_that_energy(town: Town, caller: Caller, energy_wh: int) -> None:
    house = one_way(town)
    assert caller.call("free-issue", asked(house, energy_wh=energy_wh))[0] == 202
    agree(town)
    assert Vend.objects.get().encoded_wh >= energy_wh
    assert Vend.objects.get().requested_wh == energy_wh
    money_agrees()


def test_what_was_given_does_not_count_in_the_months_limit(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    caller.call("free-issue", asked(house))
    agree(town)
    assert caller.call("confirm", {"drn": house.meter.drn})[1]["month_left_wh"] == 936_000


def test_a_free_issue_is_refused_or_forgotten(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    caller.call("free-issue", asked(house))
    second = Login.objects.create_user("second")
    decide_approval(approval_id=Approval.objects.get().pk, approve=False, decided_by=second, now=town.now)
    assert caller.call("advice/f-1")[1]["code"] == "approval_refused"
    caller.call("free-issue", asked(house, "f-2"))
    clock_operations.move(at=START + dt.timedelta(hours=25), rate=0)
    assert caller.call("advice/f-2")[1]["code"] == "approval_expired"
    assert (Vend.objects.count(), Approval.objects.count()) == (0, 2)


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"energy_wh": 150}, 422, "amount_range"),
        ({"energy_wh": 936_100}, 422, "amount_range"),
        ({"energy_wh": 0}, 400, "bad_request"),
        ({"reason": "  x  "}, 202, ""),
        ({"reason": "   "}, 422, "amount_range"),
        ({"reason": ""}, 400, "bad_request"),
    ],
)
def test_what_may_not_be_asked_for(town: Town, caller: Caller, changed: dict[str, Any], status: int, code: str) -> None:
    house = town.house(wallet_idr=0)
    before = state_of_things()
    found, said = caller.call("free-issue", {**asked(house), **changed})
    assert found == status
    if code:
        assert said["title"] == code and state_of_things() == before and len(refusals()) == 1
        assert Approval.objects.count() == 0


def test_a_death_after_the_yes_is_mended_by_the_sweeper(
    town: Town, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    house = town.house(wallet_idr=0)
    caller.call("free-issue", asked(house))
    approval = agree(town, begin=False)
    for name in ("take_payment", "obtain_token"):
        real = getattr(free_issue, name)

        def dies(*args: Any, **kwargs: Any) -> Any:
            raise Died

        monkeypatch.setattr(free_issue, name, dies)
        with pytest.raises(Died):
            if name == "take_payment":
                begin_free_issue(approval_id=approval.pk, token_source=town.source, actor="login:2", now=town.now)
            else:
                resume_free_issues(token_source=town.source, now=town.now)
        assert Token.objects.count() == 0
        assert caller.call("advice/f-1")[1]["status"] == "pending"
        monkeypatch.setattr(free_issue, name, real)
    # T1 stands by now: an advice finishes it, once.
    assert resume_free_issues(token_source=town.source, now=town.now) == 0
    assert caller.call("advice/f-1", {})[1]["status"] == "sold"
    assert (Payment.objects.count(), Token.objects.count()) == (1, 1)
    money_agrees()


@pytest.mark.parametrize("noted", [False, True])
def test_a_death_before_the_request_is_mended_by_the_sweeper(
    town: Town, caller: Caller, monkeypatch: pytest.MonkeyPatch, noted: bool
) -> None:
    class Died(BaseException):
        pass

    real = free_issue.request_approval

    def dies(**asked: Any) -> Any:
        if noted:
            real(**asked)
        raise Died

    house = town.house(wallet_idr=0)
    monkeypatch.setattr(free_issue, "request_approval", dies)
    with pytest.raises(Died):
        free_issue.request_free_issue(
            key=caller.key, message_id="f-1", meter=house.meter, energy_wh=10_000, reason="meter was off", now=town.now
        )
    assert (FreeIssue.objects.get().approval, Approval.objects.count()) == (None, int(noted))
    monkeypatch.setattr(free_issue, "request_approval", real)
    if noted:
        # Nor is it asked for again when it was refused in between.
        second = Login.objects.create_user("second")
        decide_approval(approval_id=Approval.objects.get().pk, approve=False, decided_by=second, now=town.now)
    assert resume_free_issues(token_source=town.source, now=town.now) == 1
    assert resume_free_issues(token_source=town.source, now=town.now) == 0
    assert FreeIssue.objects.get().approval == Approval.objects.get()
    assert caller.call("free-issue", asked(house))[1]["status"] == ("failed" if noted else "waiting")
    assert Approval.objects.count() == 1


def test_agreed_and_no_price_any_more(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    caller.call("free-issue", asked(house))
    Meter.objects.update(contracted_va=1)
    agree(town)
    said = caller.call("advice/f-1")[1]
    assert (said["status"], said["code"], said["token"]) == ("failed", "no_price", None)
    assert Payment.objects.count() == 0 and refusals()[-1][0] == free_issue.VERB
    assert resume_free_issues(token_source=town.source, now=town.now) == 0


# -- tokens in the place of others ----------------------------------------------------------------------------------------


def wrongly_registered(town: Town, caller: Caller) -> House:
    """A house whose meter has refused the token of m-1: the registry had another tariff index than the meter."""
    house = town.house(wallet_idr=0)
    Meter.objects.filter(pk=house.meter.pk).update(ti="02")
    assert caller.call("vend", order(house))[0] == 201
    town.run()
    vend = Vend.objects.get()
    assert (vend.state, vend.result) == ("REJECTED", "crc")
    return house


def again(message_id: str = "r-1", **changed: Any) -> dict[str, Any]:
    return {"message_id": message_id, "replaces": "m-1", "reason": "refused by its meter", **changed}


def test_a_token_that_its_meter_cannot_read_is_replaced(town: Town, caller: Caller) -> None:
    house = wrongly_registered(town, caller)
    before = balances()
    assert caller.call("replacement", again())[1]["title"] == "same_key"
    Meter.objects.filter(pk=house.meter.pk).update(ti="01")
    status, made = caller.call("replacement", again())
    assert (status, made["kind"], made["status"], made["replaces"]) == (201, "replacement", "sold", "m-1")
    old = caller.call("advice/m-1")[1]
    assert (old["meter_says"], old["replaced_by"], old["token"] != made["token"]) == ("refused", "r-1", True)
    assert made["lines"] == old["lines"] and made["energy_wh"] == old["energy_wh"]
    assert balances() == before and made["deposit_sen"] == old["deposit_sen"]
    town.run()
    assert house.sim.credit_wh == 6_000 + 67_200
    assert caller.call("replacement", again()) == (200, {**made, "repeated": True, "meter_says": "loaded"})
    # Once, whatever the message id; and neither can the new one be replaced: it is loaded.
    assert caller.call("replacement", again("r-2"))[1]["title"] == "already_replaced"
    assert caller.call("replacement", again("r-3", replaces="r-1"))[1]["title"] == "already_loaded"
    assert (Replacement.objects.count(), Token.objects.count()) == (1, 2)
    assert LedgerEntry.objects.filter(kind="REVERSAL").count() == 1
    # No key change brings the old one back to life.
    meter = Meter.objects.get(pk=house.meter.pk)
    for target in (replace(key_terms(meter), ti="02"), replace(key_terms(meter), ti="02", ken=200)):
        with pytest.raises(TokensReplaced):
            plan_key_change(meter=meter, target=target, now=town.now)
    plan_key_change(meter=meter, target=replace(key_terms(meter), ti="03"), now=town.now)
    nothing_said(made["token"], old["token"])
    money_agrees()


def test_it_may_go_to_another_meter_of_the_same_customer_only(town: Town, caller: Caller) -> None:
    house, other = wrongly_registered(town, caller), town.house(wallet_idr=0)
    status, said = caller.call("replacement", again(drn=other.meter.drn))
    assert (status, said["title"]) == (409, "not_same_customer")
    Meter.objects.filter(pk=other.meter.pk).update(customer=house.meter.customer)
    made = caller.call("replacement", again(drn=other.meter.drn))[1]
    town.run()
    assert (made["drn"], other.sim.credit_wh) == (other.meter.drn, 6_000 + 67_200)
    # The month's limit: the dead one counts no more at the old meter, the new one at the new.
    left = [caller.call("confirm", {"drn": one.meter.drn})[1]["month_left_wh"] for one in (house, other)]
    assert left == [936_000, 936_000 - 67_200]
    money_agrees()


def test_no_new_token_can_be_made_and_the_money_goes_back(
    town: Town, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = wrongly_registered(town, caller)
    Meter.objects.filter(pk=house.meter.pk).update(ti="01")
    says(monkeypatch, town, Unknown("away"), Refused("no_key", "There is none."))
    status, made = caller.call("replacement", again())
    assert (status, made["status"]) == (202, "pending")
    assert caller.call("advice/r-1", {})[1]["status"] == "failed"
    assert caller.call("replacement", again())[1]["title"] == "no_token"
    assert caller.call("advice/r-1")[1]["deposit_sen"] == 100_000_000
    money_agrees()


def test_what_is_not_dead_is_not_replaced(town: Town, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    house, mute = town.house(wallet_idr=0), one_way(town)
    caller.call("vend", order(house))
    caller.call("vend", order(mute, "m-2", 20_000))
    says(monkeypatch, town, Unknown("away"))
    caller.call("vend", order(house, "m-3", 20_000))
    says(monkeypatch, town, Refused("no_key", "There is none."))
    caller.call("vend", order(house, "m-4", 20_000))
    caller.call("advice/m-5", {})
    before = state_of_things()
    expected = {
        "m-1": "token_still_valid",
        "m-2": "token_still_valid",
        "m-3": "pending",
        "m-4": "already_refunded",
        "m-5": "message_unknown",
        "m-6": "message_unknown",
    }
    for replaces, code in expected.items():
        assert caller.call("replacement", again(replaces=replaces))[1]["title"] == code
    assert vendor("LAIN").call("replacement", again())[1]["title"] == "message_unknown"
    for result in ("old", "overflow", "range", "unsupported", "ddtk", "lockout"):
        Vend.objects.filter(pk=before["vends"][0][0]).update(state="REJECTED", result=result, closed_at=town.now)
        assert caller.call("replacement", again())[1]["title"] == "not_provable"
    assert (Replacement.objects.count(), LedgerEntry.objects.filter(kind="REVERSAL").count()) == (0, 0)
    assert AuditRecord.objects.filter(refused=True, verb="vending.replace_token").count() == 13


def test_a_key_change_while_the_token_was_under_way_proves_nothing(town: Town, caller: Caller) -> None:
    house = wrongly_registered(town, caller)
    Meter.objects.filter(pk=house.meter.pk).update(ti="01")
    one, two = Login.objects.create_user("one"), Login.objects.create_user("two")
    approval = Approval.objects.create(
        verb="x",
        subject="x",
        detail={},
        reason="x",
        state="USED",
        requested_by=one,
        decided_by=two,
        requested_at=town.now,
        expires_at=town.now,
    )
    change = KeyChange.objects.create(
        request_id="00000000-0000-0000-0000-000000000001",
        meter=house.meter,
        approval=approval,
        state="CHANGED",
        correlation="00000000-0000-0000-0000-000000000001",
        old={},
        new={},
        rollover=False,
        proof_tid=1,
        proof_rnd=1,
        ordered_at=town.now,
        closed_at=town.now,
        obtain_not_before_at=town.now,
    )
    assert caller.call("replacement", again())[1]["title"] == "not_provable"
    later = town.now + dt.timedelta(minutes=1)
    KeyChange.objects.filter(pk=change.pk).update(ordered_at=later, closed_at=None, state="LOADING")
    assert caller.call("replacement", again())[1]["title"] == "not_provable"
    KeyChange.objects.filter(pk=change.pk).update(closed_at=later, state="CHANGED")
    assert caller.call("replacement", again())[0] == 201


def test_with_an_instalment_in_it_people_decide(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    terms, day = Terms(total_idr=100_000, amount_idr=10_000), dt.date(2026, 1, 1)
    open_arrears(owner=house.meter, reference="a", title="P2TL", terms=terms, from_date=day, actor="t", now=town.now)
    Meter.objects.filter(pk=house.meter.pk).update(ti="02")
    caller.call("vend", order(house))
    town.run()
    Meter.objects.filter(pk=house.meter.pk).update(ti="01")
    assert caller.call("replacement", again())[1]["title"] == "instalment_taken"
    assert FreeIssue.objects.count() == Replacement.objects.count() == 0
