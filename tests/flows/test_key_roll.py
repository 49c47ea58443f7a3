"""Two people agree once that a register is left behind: each meter gets its new key with its next purchase, before the credit."""

from __future__ import annotations

import datetime as dt
import importlib
from typing import Any

import pytest
from django.db import connection

from duaarah.audit.models import AuditRecord
from duaarah.headend.models import Attempt, Command
from duaarah.people.models import Approval
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Meter, Pairing
from duaarah.vending.batch_models import KeyRoll
from duaarah.vending.models import KeyChange, LedgerLine, Vend, Wallet
from duaarah.vending.operations import resume_key_changes, resume_paid, send_digits_instead, withdraw_key_change
from duaarah.vending.operations.key_change import KeyChangeRefused
from duaarah.vending.operations.key_roll import (
    WAIT_S,
    begin_key_roll,
    end_key_roll,
    give_up_slow_rolls,
    request_key_roll,
)
from duaarah.vending.operations.top_up import KeyExpired
from tests.flows.house import House, Town
from tests.flows.test_key_change import buy, has_key, has_old_key, keys_of, person, silence_ends, target
from tests.flows.test_key_change import second_register as second_register

pytestmark = pytest.mark.slow


def rolled(town: Town, **more: Any) -> KeyRoll:
    said = {"register": "test", "target": target(**more), "reason": "KRN 2", "now": town.now}
    asked = request_key_roll(requested_by=person("one"), **said)
    decide_approval(approval_id=asked.pk, approve=True, decided_by=person("two"), now=town.now)
    return begin_key_roll(approval_id=asked.pk, actor="login:2", now=town.now)


def go_on(town: Town, times: int = 3) -> None:
    """The sweeper and the radio, until nothing moves."""
    for _ in range(times):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE vending_vend SET obtain_not_before_at = clock_timestamp() WHERE state = 'PAID'")
        give_up_slow_rolls(now=town.now)
        resume_key_changes(source=town.source, now=town.now)
        resume_paid(token_source=town.source, now=town.now)
        town.run()


def kinds_sent() -> list[str]:
    sent = Attempt.objects.order_by("id").values_list("command__kind", flat=True)
    return list(sent)


def money(house: House) -> int:
    return Wallet.objects.get(holder=house.holder).balance_sen // 100


@pytest.mark.parametrize("profile", ["single-phase-modem", "three-phase-modem", "three-phase-retrofit"])
def test_the_purchase_puts_the_key_before_the_credit(town: Town, profile: str) -> None:
    house = town.house(profile=profile)
    roll = rolled(town)
    vend = buy(town, house, "r1")
    change = KeyChange.objects.get()
    assert (vend.state, vend.waits_for_id, change.roll_id, change.approval_id) == ("PAID", change.pk, roll.pk, None)
    go_on(town)
    vend.refresh_from_db()
    assert (vend.state, vend.krn, vend.sts_register) == ("LOADED", 2, "next")
    assert kinds_sent() == ["LOAD_KEY", "LOAD_KEY", "LOAD_KEY", "LOAD_CREDIT"]
    assert keys_of(house) == target() and has_key(house, target()) and house.sim.tokens_accepted == 1
    # The next purchase finds nothing to do.
    assert buy(town, house, "r2").waits_for_id is None and KeyChange.objects.count() == 1
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0
    line = AuditRecord.objects.get(verb="vending.roll_if_behind")
    assert (line.detail["roll"], line.refused) == (roll.pk, False)


def test_tokens_of_the_old_key_are_loaded_first_and_all_that_wait_get_the_new_one(town: Town) -> None:
    house = town.house()
    before = buy(town, house, "before")
    rolled(town)
    first, second = buy(town, house, "r1"), buy(town, house, "r2")
    assert first.waits_for_id == second.waits_for_id is not None
    go_on(town)
    rows = list(Vend.objects.order_by("pk").values_list("pk", "state", "krn"))
    assert rows == [(before.pk, "LOADED", 1), (first.pk, "LOADED", 2), (second.pk, "LOADED", 2)]
    assert kinds_sent()[0] == "LOAD_CREDIT" and house.sim.tokens_accepted == 3


def test_a_silent_meter_gets_its_credit_under_the_old_key_in_five_minutes(town: Town) -> None:
    house = town.house()
    rolled(town)
    vend = buy(town, house, "r1")
    resume_key_changes(source=town.source, now=town.now)
    town.run(to_meters=False)
    town.now += dt.timedelta(seconds=WAIT_S - 1)
    assert give_up_slow_rolls(now=town.now) == 0
    town.now += dt.timedelta(seconds=1)
    assert give_up_slow_rolls(now=town.now) == 1
    assert KeyChange.objects.get().state == "WITHDRAWN"
    go_on(town, 1)
    vend.refresh_from_db()
    assert (vend.state, vend.krn, vend.waits_for_id) == ("ISSUED", 1, None)
    # No second try the same day; the digits are good for the key that the meter has.
    assert buy(town, house, "r2").waits_for_id is None and KeyChange.objects.count() == 1
    town.now += dt.timedelta(minutes=16)
    assert send_digits_instead(now=town.now) >= 1
    house.sim.keypad(vend.token.digits, town.now)
    assert house.sim.tokens_accepted == 1 and has_old_key(house)
    for _ in range(4):
        silence_ends(town)
        town.run()
    assert set(Vend.objects.values_list("state", flat=True)) == {"LOADED"}
    town.now += dt.timedelta(days=1)
    buy(town, house, "r3")
    go_on(town)
    assert keys_of(house) == target() and house.sim.tokens_accepted == 3


def test_once_the_last_part_is_out_nobody_guesses(town: Town) -> None:
    from tests.flows.test_key_change import until_closing

    house = town.house()
    rolled(town)
    vend = buy(town, house, "r1")
    resume_key_changes(source=town.source, now=town.now)
    until_closing(town, KeyChange.objects.get())
    town.now += dt.timedelta(hours=1)
    assert give_up_slow_rolls(now=town.now) == 0
    vend.refresh_from_db()
    assert (vend.state, KeyChange.objects.get().state) == ("PAID", "CLOSING")
    go_on(town)
    vend.refresh_from_db()
    assert (vend.state, vend.krn) == ("LOADED", 2)


def expired(house: House) -> None:
    """The meter's old key ended some weeks before the town's day."""
    Meter.objects.filter(pk=house.meter.pk).update(ken=90)
    house.meter.refresh_from_db()
    house.pairing.refresh_from_db()


def test_a_key_that_has_expired_is_replaced_by_the_purchase_that_needs_it(town: Town) -> None:
    house = town.house()
    expired(house)
    before = money(house)
    with pytest.raises(KeyExpired):
        buy(town, house, "r0")
    assert money(house) == before and AuditRecord.objects.filter(refused=True, code="key_expired").count() == 1
    rolled(town)
    vend = buy(town, house, "r1")
    assert vend.waits_for_id is not None
    town.now += dt.timedelta(hours=1)
    # The old key makes no token: to give up would only send the money back.
    assert give_up_slow_rolls(now=town.now) == 0
    go_on(town)
    vend.refresh_from_db()
    assert (vend.state, vend.ken, house.sim.tokens_accepted) == ("LOADED", 255, 1)


@pytest.mark.parametrize("how", ["withdrawn", "failed"])
def test_without_a_new_key_what_the_old_one_cannot_make_is_paid_back(town: Town, how: str) -> None:
    house = town.house()
    expired(house)
    rolled(town)
    before = money(house)
    vend = buy(town, house, "r1")
    assert money(house) == before - 20_000
    if how == "withdrawn":
        withdraw_key_change(change_id=KeyChange.objects.get().pk, actor="login:1", now=town.now)
    else:
        house.sim._decoder.key = type(house.sim._decoder.key)("07", bytes(range(8)))
    go_on(town)
    vend.refresh_from_db()
    assert (vend.state, vend.result, money(house)) == ("REFUNDED", "ken_expired", before)
    assert Command.objects.filter(kind="LOAD_CREDIT").count() == 0
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0


def test_another_base_date_gives_the_purchase_a_tid_of_that(town: Town) -> None:
    from duaarah.core.sts import KeyRegister

    house = town.house()
    town.store.add(
        KeyRegister(register_id="last", dkga="04", sgc="999901", krn=3, kt=2, ken=255, base_date=1993), bytes(range(20))
    )
    # 1993's TIDs ended in 2024: a meter that was left there can be sold nothing but by its new key.
    Meter.objects.filter(pk=house.meter.pk).update(base_date=1993)
    house.meter.refresh_from_db()
    house.pairing.refresh_from_db()
    rolled(town)
    vend = buy(town, house, "r1")
    assert (vend.base_date, vend.state) == (2014, "PAID") and vend.waits_for_id is not None
    change = KeyChange.objects.get()
    assert (change.rollover, change.old["base_date"], change.new["base_date"]) == (True, 1993, 2014)


def test_who_cannot_be_told_keeps_his_key_for_this_purchase(town: Town) -> None:
    house, other = town.house(), town.house()
    rolled(town)
    Pairing.objects.filter(meter=other.meter).delete()
    from duaarah.vending.operations import top_up
    from duaarah.vending.operations.top_up import OneWay

    said = {"amount_idr": 20_000, "channel": town.channel, "token_source": town.source, "now": town.now}
    one_way = top_up(pairing=OneWay(meter=other.meter), reference="one-way", **said).vend
    assert (one_way.state, one_way.krn, KeyChange.objects.count()) == ("ISSUED", 1, 0)
    # A token of the old key that nobody is loading now would be lost with it.
    vend = buy(town, house, "r0")
    withdraw_key_change(change_id=KeyChange.objects.get().pk, actor="login:1", now=town.now)
    go_on(town, 1)
    KeyChange.objects.update(closed_at=town.now - dt.timedelta(days=2))
    Vend.objects.filter(pk=vend.pk).update(state="ISSUED")
    Command.objects.filter(kind="LOAD_CREDIT").update(state="EXPIRED", closed_at=town.now)
    assert buy(town, house, "r1").waits_for_id is None and KeyChange.objects.count() == 1
    assert AuditRecord.objects.filter(refused=True, code="tokens_pending").count() == 1


def test_the_standing_approval_needs_two_and_ends(town: Town) -> None:
    house = town.house()
    said = {"target": target(), "reason": "r", "requested_by": person("one"), "now": town.now}
    asked = request_key_roll(register="test", **said)
    assert asked.detail["meters"] == 1
    with pytest.raises(ApprovalRefused):
        begin_key_roll(approval_id=asked.pk, actor="login:1", now=town.now)
    with pytest.raises(ApprovalRefused):
        decide_approval(approval_id=asked.pk, approve=True, decided_by=person("one"), now=town.now)
    assert buy(town, house, "r0").waits_for_id is None and not KeyRoll.objects.exists()
    town.run()
    decide_approval(approval_id=asked.pk, approve=True, decided_by=person("two"), now=town.now)
    roll = begin_key_roll(approval_id=asked.pk, actor="login:2", now=town.now)
    for register, code in (("test", "roll_exists"), ("next", "same_key"), ("none", "no_meters")):
        with pytest.raises(KeyChangeRefused) as refused:
            request_key_roll(register=register, **said)
        assert refused.value.code == code
    end_key_roll(roll_id=roll.pk, actor="login:1", now=town.now)
    with pytest.raises(KeyChangeRefused):
        end_key_roll(roll_id=roll.pk, actor="login:1", now=town.now)
    assert buy(town, house, "r1").waits_for_id is None and KeyChange.objects.count() == 0
    assert Approval.objects.get(pk=asked.pk).state == "USED"
    rolled(town)
    assert KeyRoll.objects.count() == 2


@pytest.mark.parametrize("step", ["roll_if_behind", "take_payment", "change_key", "obtain"])
def test_a_death_after_any_step_is_mended(town: Town, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    verbs = importlib.import_module("duaarah.vending.operations.top_up")

    class Died(BaseException):
        pass

    house = town.house(wallet_idr=100_000)
    rolled(town)
    owner: Any = town.source if step in ("change_key", "obtain") else verbs
    call = getattr(owner, step)

    def deadly(*args: Any, **said: Any) -> None:
        call(*args, **said)
        raise Died

    monkeypatch.setattr(owner, step, deadly)
    died = False
    for _ in range(2):
        try:
            buy(town, house, "r1")
            go_on(town)
        except Died:
            died = True
    assert died
    monkeypatch.setattr(owner, step, call)
    buy(town, house, "r1")
    go_on(town)
    vend = Vend.objects.get()
    assert (vend.state, vend.krn, KeyChange.objects.count()) == ("LOADED", 2, 1)
    assert (money(house), house.sim.tokens_accepted) == (80_000, 1)
