"""A purchase for the wrong meter comes back, or goes to the right one, only where it is proven that it was not loaded."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from tests.flows.house import House, Town
from tests.vending.batchbank import FileBank
from tests.vending.test_offers import buy, give_up, heard, state

from duaarah.audit.models import AuditRecord
from duaarah.headend.models import Command
from duaarah.headend.operations import claim_and_send, end_leases
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Pairing
from duaarah.sms.models import OutboundSegment
from duaarah.stage.invariants import FromOutside, broken, figures
from duaarah.vending.batch_models import Correction
from duaarah.vending.models import LedgerEntry, LedgerLine, Vend, Wallet
from duaarah.vending.operations import Sale, fill_deposit, set_channel_terms, take_notification, top_up
from duaarah.vending.operations import wrong_meter as verbs
from duaarah.vending.operations.arrears import Terms, open_arrears
from duaarah.vending.operations.wrong_meter import TakeBackRefused, request_take_back, take_back
from duaarah.vending.ports import TokenRequest, Unknown

pytestmark = pytest.mark.slow


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def person(name: str) -> Login:
    return Login.objects.filter(username=name).first() or Login.objects.create_user(name)


def approved(town: Town, vend: Vend, to: House | None = None) -> Approval:
    to_meter = to.meter if to is not None else None
    said = {"to_meter": to_meter, "reason": "wrong number", "requested_by": person("one"), "now": town.now}
    asked = request_take_back(vend=Vend.objects.get(pk=vend.pk), **said)
    return decide_approval(approval_id=asked.pk, approve=True, decided_by=person("two"), now=town.now)


def back(town: Town, vend: Vend, to: House | None = None, source: Any = None) -> Correction:
    approval = approved(town, vend, to)
    return take_back(approval_id=approval.pk, token_source=source or town.source, actor="login:2", now=town.now)


def refused(town: Town, vend: Vend, to: House | None = None) -> str:
    before = (Correction.objects.count(), Vend.objects.get(pk=vend.pk).state, LedgerLine.objects.count())
    with pytest.raises(TakeBackRefused) as error:
        approved(town, vend, to)
    assert before == (Correction.objects.count(), Vend.objects.get(pk=vend.pk).state, LedgerLine.objects.count())
    assert AuditRecord.objects.filter(refused=True, verb="vending.take_back", code=error.value.code).exists()
    return error.value.code


def resume(town: Town) -> int:
    return verbs.resume_corrections(token_source=town.source, now=town.now)


def balance(house: House) -> int:
    return Wallet.objects.get(holder=house.holder).balance_sen // 100


def balances() -> dict[str, int]:
    found: dict[str, int] = {}
    for code, amount in LedgerLine.objects.values_list("account__code", "amount_sen"):
        found[code] = found.get(code, 0) + amount
    return {code: amount for code, amount in found.items() if amount}


def all_agrees(town: Town) -> dict[str, Any]:
    meters = [house.sim for house in town.houses]
    accepted = sum(sim._register.token_energy_wh for sim in meters)
    record = figures(FromOutside(accepted_wh=accepted, double_credits=0, segments=None))
    assert [name for name in broken(record, lease_outlived=False) if name != "segments_once"] == []
    return record


def outcome(made: Correction) -> tuple[str, str]:
    made.refresh_from_db()
    return made.state, made.code


def test_the_meter_gives_the_token_up_and_the_money_comes_back(town: Town) -> None:
    house = town.house(wallet_idr=100_000)
    before = balances()
    vend = buy(town, house, "r1")
    made = back(town, vend)
    assert outcome(made) == ("ASKING", "") and balance(house) == 80_000
    assert state(vend) == ("ISSUED", "EXPIRED")
    town.run()
    assert outcome(made) == ("DONE", "") and balance(house) == 100_000 and balances() == before
    vend.refresh_from_db()
    assert (vend.state, vend.result, house.sim.credit_wh) == ("REFUNDED", "wrong_meter", 6_000)
    kinds = LedgerEntry.objects.filter(vend=vend).order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["PAYMENT_TAKEN", "TOKEN_ISSUED", "REFUND"]
    # Whoever saw the digits keys them in: the meter says that they are used.
    town.push(house, house.sim.keypad(vend.token.digits, town.now)[1])
    town.run()
    vend.refresh_from_db()
    assert (vend.state, house.sim.credit_wh, house.sim.tokens_accepted) == ("REFUNDED", 6_000, 0)
    assert any("dibatalkan sebelum terisi" in text for text in town.words_to(house))
    record = all_agrees(town)
    assert (record["refunded_wh"], record["refunded"], record["issued"]) == (vend.encoded_wh, 0, 1)


def test_a_token_that_is_loaded_meanwhile_is_not_paid_back(town: Town) -> None:
    house = town.house(wallet_idr=100_000)
    vend = buy(town, house, "r1")
    give_up(town)
    made = back(town, vend)
    house.sim.keypad(vend.token.digits, town.now)
    town.run()
    assert outcome(made) == ("TOO_LATE", "loaded") and balance(house) == 80_000
    assert (state(vend), vend.result) == (("LOADED", "ACKED"), "used")
    assert refused(town, vend) == "loaded"
    all_agrees(town)


def test_a_frame_that_was_under_way_may_still_load_it(town: Town) -> None:
    house = town.house(wallet_idr=100_000)
    vend = buy(town, house, "r1")
    claim_and_send(driver=town.driver, keys=town.keys, now=town.now, lease_s=60)
    made = back(town, vend)
    town.run()
    town.run()
    assert state(vend) == ("LOADED", "ACKED") and outcome(made) == ("TOO_LATE", "loaded")
    assert balance(house) == 80_000 and house.sim.tokens_accepted == 1
    all_agrees(town)


def test_where_a_lost_answer_leaves_both_possible_nothing_is_paid_back_until_it_comes(town: Town) -> None:
    house = town.house(wallet_idr=100_000)
    vend = buy(town, house, "r1")
    made = back(town, vend)
    claim_and_send(driver=town.driver, keys=town.keys, now=town.now, lease_s=60)
    segment = OutboundSegment.objects.get(state="QUEUED")
    answers = house.sim.receive_sms(bytes(segment.payload), town.now)
    OutboundSegment.objects.filter(pk=segment.pk).update(state="ACCEPTED")
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=0)
    town.run()
    assert outcome(made) == ("UNSURE", "answer_lost") and balance(house) == 80_000
    heard(town, house)
    assert state(vend) == ("ISSUED", "EXPIRED") and refused(town, vend) == "under_way"
    town.push(house, answers)
    town.run()
    assert outcome(made) == ("DONE", "") and balance(house) == 100_000
    all_agrees(town)


def test_a_silent_meter_is_asked_again_and_an_unsent_blank_can_be_given_up(town: Town) -> None:
    house = town.house(wallet_idr=100_000)
    vend = buy(town, house, "r1")
    made = back(town, vend)
    give_up(town)
    assert outcome(made) == ("ASKING", "")
    town.now += dt.timedelta(hours=2)
    with pytest.raises(TakeBackRefused, match="given the token up"):
        verbs.give_up_correction(correction_id=made.pk, actor="login:1", now=town.now)
    heard(town, house)
    town.run()
    assert outcome(made) == ("DONE", "") and balance(house) == 100_000
    second = buy(town, house, "r2")
    again = back(town, second)
    verbs.give_up_correction(correction_id=again.pk, actor="login:1", now=town.now)
    assert outcome(again) == ("FAILED", "given_up")
    heard(town, house)
    town.run()
    assert state(second) == ("LOADED", "ACKED") and balance(house) == 80_000
    all_agrees(town)


def test_it_is_moved_to_the_right_meter_of_the_same_holder(town: Town) -> None:
    wrong, right = town.house(wallet_idr=100_000), town.house(wallet_idr=0)
    type(right.meter.customer).objects.filter(pk=right.meter.customer_id).update(holder=wrong.holder)  # type: ignore[union-attr]
    vend = buy(town, wrong, "r1")
    made = back(town, vend, right)
    town.run()
    assert outcome(made) == ("MOVING", "")
    assert resume(town) == 1
    town.run()
    assert outcome(made) == ("MOVED", "") and resume(town) == 0
    made.refresh_from_db()
    assert made.new_vend is not None and made.new_vend.meter_id == right.meter.pk
    assert (wrong.sim.tokens_accepted, right.sim.tokens_accepted, balance(wrong)) == (0, 1, 80_000)
    assert any("dipindah" in text for text in town.words_to(wrong))
    all_agrees(town)


def test_another_holders_wallet_is_not_spent(town: Town) -> None:
    wrong, right = town.house(wallet_idr=100_000), town.house(wallet_idr=100_000)
    vend = buy(town, wrong, "r1")
    made = back(town, vend, right)
    town.run()
    resume(town)
    town.run()
    assert outcome(made) == ("NOT_MOVED", "other_wallet")
    assert (balance(wrong), balance(right), Vend.objects.count()) == (100_000, 100_000, 1)
    assert any("belum bisa dipindah" in text for text in town.words_to(wrong))


def test_a_deposit_gets_nominal_and_fee_back_and_pays_for_the_right_meter(town: Town) -> None:
    from duaarah.vending.models import Channel, Deposit

    wrong, right = town.house(wallet_idr=0), town.house(wallet_idr=0)
    bank = Channel.objects.create(code="BANK", name="Bank", kind="DEPOSIT")
    day = dt.date(2026, 1, 1)
    set_channel_terms(channel=bank, from_date=day, admin_idr=2_500, commission_idr=1_000, actor="t", now=town.now)
    fill_deposit(channel=bank, amount_idr=500_000, reference="f", actor="t", now=town.now)
    said = {"pairing": wrong.pairing, "amount_idr": 100_000, "channel": bank, "token_source": town.source}
    vend = top_up(reference="r1", now=town.now, **said).vend
    made = back(town, vend, right)
    town.run()
    assert Deposit.objects.get().balance_sen == 50_000_000
    resume(town)
    town.run()
    assert outcome(made)[0] == "MOVED" and Deposit.objects.get().balance_sen == 39_750_000
    assert balances()[f"commission:{bank.pk}"] == -100_000 and right.sim.tokens_accepted == 1
    all_agrees(town)


def test_what_it_paid_off_of_arrears_is_owed_again(town: Town) -> None:
    house = town.house(wallet_idr=100_000)
    terms = Terms(total_idr=30_000, amount_idr=5_000)
    said = {"reference": "a", "title": "P2TL", "terms": terms, "from_date": dt.date(2026, 1, 1)}
    row = open_arrears(owner=house.meter, **said, actor="t", now=town.now)
    before = balances()
    vend = buy(town, house, "r1")
    row.refresh_from_db()
    assert (row.paid_idr, balances()["pln:instalment"]) == (5_000, -500_000)
    made = back(town, vend)
    town.run()
    row.refresh_from_db()
    assert outcome(made) == ("DONE", "") and (row.paid_idr, row.reserved_idr, row.open) == (0, 0, True)
    assert balances() == before and balance(house) == 100_000
    all_agrees(town)


def test_what_cannot_be_taken_back(town: Town) -> None:
    house, other = town.house(), town.house()
    loaded = buy(town, house, "r1")
    town.run()
    assert refused(town, loaded) == "loaded"
    vend = buy(town, house, "r2")
    assert refused(town, vend, house) == "same_meter"
    pairing = Pairing.objects.get(meter=house.meter)
    Pairing.objects.filter(pk=pairing.pk).delete()
    assert refused(town, vend) == "meter_does_not_talk"
    bank = FileBank(town)
    sale = Sale(
        notification_id="s", digest=bytes(32), drn=other.meter.drn, idpel=None, digits=bank.token(other, 1),
        amount_idr=50_000,
    )  # fmt: skip
    elsewhere, _ = take_notification(channel=bank.channel, sale=sale, reader=town.source, now=town.now)
    assert refused(town, elsewhere) == "sold_elsewhere"

    class Away:
        def obtain(self, request: TokenRequest) -> Unknown:
            return Unknown("away")

    said = {"pairing": other.pairing, "amount_idr": 20_000, "channel": town.channel, "token_source": Away()}
    paid = top_up(reference="r3", now=town.now, **said).vend
    assert paid.state == "PAID" and refused(town, paid) == "token_may_exist"


def test_one_person_is_not_enough_and_an_approval_is_spent_once(town: Town) -> None:
    house = town.house(wallet_idr=100_000)
    vend = buy(town, house, "r1")
    asked = request_take_back(vend=vend, to_meter=None, reason="x", requested_by=person("one"), now=town.now)
    said = {"token_source": town.source, "actor": "login:1", "now": town.now}
    with pytest.raises(ApprovalRefused):
        take_back(approval_id=asked.pk, **said)
    with pytest.raises(ApprovalRefused):
        decide_approval(approval_id=asked.pk, approve=True, decided_by=person("one"), now=town.now)
    assert Correction.objects.count() == 0 and state(vend) == ("ISSUED", "QUEUED")
    decide_approval(approval_id=asked.pk, approve=True, decided_by=person("two"), now=town.now)
    take_back(approval_id=asked.pk, **said)
    with pytest.raises(ApprovalRefused):
        take_back(approval_id=asked.pk, **said)
    town.run()
    assert (Correction.objects.count(), LedgerEntry.objects.filter(kind="REFUND").count()) == (1, 1)


@pytest.mark.parametrize("step", ["_begin", "_ask_meter", "_buy_anew", "top_up"])
def test_a_death_after_any_step_is_mended(town: Town, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    class Died(BaseException):
        pass

    wrong, right = town.house(wallet_idr=100_000), town.house(wallet_idr=0)
    type(right.meter.customer).objects.filter(pk=right.meter.customer_id).update(holder=wrong.holder)  # type: ignore[union-attr]
    vend = buy(town, wrong, "r1")
    approval = approved(town, vend, right)
    call = getattr(verbs, step)

    def deadly(*args: Any, **said: Any) -> None:
        call(*args, **said)
        raise Died

    monkeypatch.setattr(verbs, step, deadly)
    said = {"token_source": town.source, "actor": "login:2", "now": town.now}
    died = 0
    try:
        take_back(approval_id=approval.pk, **said)
    except Died:
        died += 1
    town.run()
    try:
        resume(town)
    except Died:
        died += 1
    assert died >= 1
    monkeypatch.setattr(verbs, step, call)
    for _ in range(3):
        resume(town)
        town.run()
    assert outcome(Correction.objects.get()) == ("MOVED", "")
    assert (Vend.objects.count(), balance(wrong), right.sim.tokens_accepted) == (2, 80_000, 1)
    assert Command.objects.filter(kind="LOAD_CREDIT").count() == 3
    all_agrees(town)


def test_a_refunded_token_that_was_loaded_all_the_same_is_seen(town: Town) -> None:
    """It cannot happen by these verbs: somebody wrote REFUNDED into the row."""
    house = town.house()
    vend = buy(town, house, "r1")
    Vend.objects.filter(pk=vend.pk).update(state="REFUNDED")
    town.run()
    vend.refresh_from_db()
    assert (vend.state, vend.result) == ("REFUNDED", "loaded_after_refund")
    assert AuditRecord.objects.filter(refused=True, code="loaded_after_refund").count() == 1
