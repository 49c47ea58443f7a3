"""A meter gets a new key over the air: two people, tokens of the old key first, then parts, then the meter's own proof."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import asdict, replace
from typing import Any

import pytest
from django.db import connection, transaction

from duaarah.audit.models import AuditRecord
from duaarah.core.sts import DecoderKey, KeyConfiguration, KeyRegister, MeterDecoder, derive
from duaarah.headend.models import Command
from duaarah.headend.operations import end_leases
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter, Pairing
from duaarah.vending.models import KeyChange, LedgerLine, Token, Vend
from duaarah.vending.operations import (
    order_key_change,
    request_key_change,
    resume_key_changes,
    take_payment,
    top_up,
    withdraw_key_change,
)
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.key_change import (
    ConfigurationChanged,
    KeyChangeRefused,
    KeyChangeUnderWay,
    MeterUnreachable,
    NotWithdrawable,
    PartsRemembered,
    SameKey,
    TargetRefused,
    TokensPending,
)
from duaarah.vending.operations.tids import lock_tids
from duaarah.vending.ports import KeyChangeRequest, KeyTerms, Unknown
from tests.flows.house import CONFIGURATION, House, Town

pytestmark = pytest.mark.slow
NEW_VENDING_KEY = bytes(range(101, 121))


@pytest.fixture(autouse=True)
def second_register(town: Town) -> None:
    town.store.add(
        KeyRegister(register_id="next", dkga="04", sgc="999901", krn=2, kt=2, ken=255, base_date=2014), NEW_VENDING_KEY
    )


def target(**other: Any) -> KeyTerms:
    fields = {"ea": "07", "krn": 2, **other}
    return KeyTerms(register="next", dkga="04", sgc="999901", ti="01", kt=2, ken=255, base_date=2014, **fields)


def person(name: str) -> Login:
    return Login.objects.filter(username=name).first() or Login.objects.create_user(name)


def approved(town: Town, house: House, to: KeyTerms, **more: Any) -> Approval:
    request = request_key_change(
        meter=house.meter, target=to, reason="roll", requested_by=person("one"), now=town.now, **more
    )
    return decide_approval(approval_id=request.pk, approve=True, decided_by=person("two"), now=town.now)


def order(town: Town, house: House, to: KeyTerms | None = None, **more: Any) -> KeyChange:
    approval = approved(town, house, to or target(), **more)
    return order_key_change(approval_id=approval.pk, source=town.source, actor="login:2", now=town.now)


def keys_of(house: House) -> KeyTerms:
    return key_terms(Meter.objects.get(pk=house.meter.pk))


def has_key(house: House, to: KeyTerms, vending_key: bytes = NEW_VENDING_KEY) -> bool:
    fields = {name: value for name, value in asdict(to).items() if name != "register"}
    return house.sim._decoder.key.octets == derive(vending_key, KeyConfiguration(**fields), house.meter.pan)


def has_old_key(house: House) -> bool:
    return house.sim._decoder.key.octets == derive(
        bytes(range(1, 21)), replace(CONFIGURATION, ea=house.meter.ea), house.meter.pan
    )


def buy(town: Town, house: House, reference: str) -> Vend:
    pairing = pairing_of_meter(meter_id=house.meter.pk, at=town.now)
    assert pairing is not None
    outcome = top_up(
        pairing=pairing,
        amount_idr=20_000,
        channel=town.channel,
        reference=reference,
        token_source=town.source,
        now=town.now,
    )
    return outcome.vend


def state_of(change: KeyChange) -> tuple[str, str, int]:
    change.refresh_from_db()
    return change.state, change.result, change.round


def results(change: KeyChange) -> dict[str, str]:
    return {part.step: part.command.result for part in change.parts.select_related("command") if part.command}


def silence_ends(town: Town) -> None:
    """Machine time passes: what was not answered goes again."""
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=0)


def until_closing(town: Town, change: KeyChange) -> None:
    """Up to the order of the last part, which has not left yet: the parts before are carried and answered one by one."""
    from duaarah.headend.operations import claim_and_send
    from duaarah.notices.operations import take_frame
    from duaarah.sms.operations import claim_inbound

    for _ in range(10):
        if state_of(change)[0] == "CLOSING":
            return
        claim_and_send(driver=town.driver, keys=town.keys, now=town.now, lease_s=60)
        town._carry(True)
        for inbound_id in claim_inbound(kind="BINARY", limit=20, lease_s=30):
            take_frame(inbound_id=inbound_id, driver=town.driver, keys=town.keys, now=town.now)
    raise AssertionError("the change does not come to its last part")


@pytest.mark.parametrize("profile", ["single-phase-modem", "three-phase-modem", "three-phase-retrofit"])
def test_two_parts_and_the_proof_change_meter_and_registry(town: Town, profile: str) -> None:
    house = town.house(profile=profile)
    change = order(town, house)
    assert keys_of(house).register == "test" and state_of(change) == ("LOADING", "", 1)
    town.run()
    assert state_of(change) == ("CHANGED", "", 1)
    assert results(change) == {"2.3": "accept", "2.4": "accept", "proof": "accept"}
    assert keys_of(house) == target() and has_key(house, target())
    assert Approval.objects.get().state == "USED"
    assert house.sim.tokens_accepted == 0 and house.sim.credit_wh == 6_000
    verbs = AuditRecord.objects.filter(correlation=change.correlation).order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["vending.order_key_change", *["vending.record_key_part"] * 3, "vending.close_key_change"]
    digits = list(change.parts.values_list("digits", flat=True))
    details = str(list(AuditRecord.objects.values_list("detail", "reason")))
    assert not [d for d in digits if d in details]
    assert buy(town, house, "after").krn == 2
    town.run()
    assert house.sim.tokens_accepted == 1


def test_ea11_takes_four_parts_and_ea07_may_become_ea11(town: Town) -> None:
    house = town.house()
    house.sim._decoder.new_key_ea = "11"  # type: ignore[attr-defined,unused-ignore]
    change = order(town, house, target(ea="11"))
    town.run()
    assert state_of(change)[0] == "CHANGED" and has_key(house, target(ea="11"))
    assert sorted(results(change)) == ["2.3", "2.4", "2.8", "2.9", "proof"]
    assert [c.key_part.step for c in Command.objects.order_by("pk")] == ["2.8", "2.9", "2.3", "2.4", "proof"]
    with pytest.raises(KeyChangeRefused, match="not back"):
        order(town, house)


def test_credit_of_the_old_key_is_loaded_first(town: Town) -> None:
    house = town.house()
    before = buy(town, house, "before")
    change = order(town, house)
    town.run(to_meters=False)
    during = buy(town, house, "during")
    assert (before.krn, during.krn, during.waits_for_id) == (1, 1, None)
    assert state_of(change)[0] == "LOADING"
    for _ in range(6):
        silence_ends(town)
        town.run()
    assert state_of(change)[0] == "CHANGED" and house.sim.tokens_accepted == 2
    assert set(Vend.objects.values_list("state", flat=True)) == {"LOADED"}


def test_while_nobody_knows_the_key_a_purchase_waits_and_gets_the_proven_one(town: Town) -> None:
    house = town.house()
    change = order(town, house)
    until_closing(town, change)
    held = buy(town, house, "held")
    assert (held.state, held.waits_for_id, held.krn) == ("PAID", change.pk, 1)
    from duaarah.vending.operations import resume_paid

    with connection.cursor() as cursor:
        cursor.execute("UPDATE vending_vend SET obtain_not_before_at = clock_timestamp()")
    assert resume_paid(token_source=town.source, now=town.now) == 0 and Token.objects.count() == 0
    town.run()
    held.refresh_from_db()
    assert state_of(change)[0] == "CHANGED" and (held.krn, held.waits_for_id, held.sts_register) == (2, None, "next")
    assert resume_paid(token_source=town.source, now=town.now) == 1
    town.run()
    held.refresh_from_db()
    assert (held.state, house.sim.tokens_accepted) == ("LOADED", 1)
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0


def test_a_purchase_that_read_the_meter_before_the_change_uses_the_present_key(town: Town) -> None:
    house = town.house()
    stale = pairing_of_meter(meter_id=house.meter.pk, at=town.now)
    assert stale is not None and stale.meter.krn == 1
    order(town, house)
    town.run()
    vend, _ = take_payment(pairing=stale, amount_idr=20_000, channel=town.channel, reference="stale", now=town.now)
    vend.refresh_from_db()
    assert (vend.krn, vend.sts_register) == (2, "next") and Vend.objects.count() == 1


def test_a_purchase_that_is_being_made_holds_the_last_part_back(town: Town) -> None:
    """Real transactions: T1 has its TID and has not committed when the change would send its last part."""
    house = town.house()
    change = order(town, house)
    begun, end = threading.Event(), threading.Event()

    def purchase() -> None:
        with transaction.atomic():
            lock_tids(meter_id=house.meter.pk, base_dates={2014})
            begun.set()
            end.wait(10)
        connection.close()

    thread = threading.Thread(target=purchase)
    thread.start()
    begun.wait(10)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '300ms'")
    try:
        with pytest.raises(Exception, match="lock timeout"):
            until_closing(town, change)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")
        end.set()
        thread.join()
    assert state_of(change)[0] == "LOADING"


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_is_asked_again_and_the_proof_decides(town: Town, lost: int) -> None:
    """The answer to the first part, to the last one (its second copy is then read with the new key: crc), to the proof."""
    house = town.house()
    change = order(town, house)
    if lost == 1:
        house.sim.faults.lose_next_answer = 1
    else:
        until_closing(town, change)
        original, count = house.sim.receive_sms, iter(range(2, 9))

        def receive(payload: bytes, now: dt.datetime) -> list[bytes]:
            answer = original(payload, now)
            return [] if next(count) == lost else answer

        house.sim.receive_sms = receive  # type: ignore[method-assign]
    town.run()
    assert state_of(change)[0] in ("LOADING", "CLOSING") and keys_of(house).register == "test"
    silence_ends(town)
    town.run()
    assert state_of(change)[0] == "CHANGED" and has_key(house, target()) and keys_of(house) == target()
    expected = {1: ("accept", "accept", "accept"), 2: ("accept", "crc", "accept"), 3: ("accept", "accept", "used")}
    assert tuple(results(change)[step] for step in ("2.3", "2.4", "proof")) == expected[lost]


def test_parts_that_lapsed_in_the_meter_are_sent_anew_after_the_proof_failed(town: Town) -> None:
    house = town.house()
    change = order(town, house)
    until_closing(town, change)
    town.run(to_meters=False)
    town.now += dt.timedelta(hours=4)
    silence_ends(town)
    town.run()
    assert state_of(change) == ("CHANGED", "", 2) and has_key(house, target())
    assert keys_of(house) == target()
    said = list(Command.objects.filter(kind="LOAD_KEY").order_by("pk").values_list("result", flat=True))
    # The last part was still remembered: the first one alone completed the set, and the last is no longer readable.
    assert said == ["accept", "accept", "crc", "accept", "crc", "accept"]


def test_a_meter_that_never_puts_the_parts_together_keeps_its_key(town: Town) -> None:
    house = town.house()
    house.sim._decoder._take_section = lambda fields, now_s: taken(fields)  # type: ignore[method-assign]
    change = order(town, house)
    town.run()
    assert state_of(change) == ("FAILED", "not_taken", 3) and has_old_key(house) and keys_of(house).register == "test"
    after = buy(town, house, "after")
    town.run()
    after.refresh_from_db()
    assert (after.state, after.krn) == ("LOADED", 1)
    with pytest.raises(PartsRemembered):
        order(town, house)
    town.now += dt.timedelta(hours=3, minutes=1)
    assert order(town, house).state == "LOADING"


def taken(fields: Any) -> Any:
    """What `_take_section` gives for a part that completes nothing, in either version of the meter."""
    from duaarah.core.sts import Entry, Result

    return Entry(Result.ACCEPT, fields) if hasattr(MeterDecoder, "_change_key") else False


def test_a_meter_of_another_key_keeps_it_and_what_waited_goes_on(town: Town) -> None:
    house = town.house()
    stranger = DecoderKey("07", bytes(range(8)))
    house.sim._decoder = MeterDecoder(stranger)
    change = order(town, house)
    town.run(to_meters=False)
    silence_ends(town)
    town.run()
    assert state_of(change) == ("FAILED", "wrong_key", 1)
    assert keys_of(house).register == "test" and house.sim._decoder.key is stranger
    assert results(change) == {"2.3": "crc", "proof": "crc"}
    assert AuditRecord.objects.filter(refused=True, verb="vending.close_key_change", code="wrong_key").count() == 1
    assert not Command.objects.filter(state__in=["QUEUED", "SENT"]).exists()


def test_a_meter_that_has_the_new_key_already_says_so(town: Town) -> None:
    """Our record says the old key, the meter took a former set: by keypad, or before a restore of the database."""
    house = town.house()
    house.sim._decoder.key = DecoderKey(
        "07",
        derive(
            NEW_VENDING_KEY,
            KeyConfiguration(**{k: v for k, v in asdict(target()).items() if k != "register"}),
            house.meter.pan,
        ),
    )
    change = order(town, house)
    town.run()
    assert state_of(change) == ("CHANGED", "", 1) and results(change) == {"2.3": "crc", "proof": "accept"}
    assert keys_of(house) == target()


def test_a_process_that_died_after_t1_makes_the_same_tokens_later(town: Town) -> None:
    house = town.house()
    approval = approved(town, house, target())

    class Dies:
        asked: KeyChangeRequest

        def change_key(self, request: KeyChangeRequest) -> Any:
            self.asked = request
            raise SystemExit

    dies = Dies()
    with pytest.raises(SystemExit):
        order_key_change(approval_id=approval.pk, source=dies, actor="login:2", now=town.now)
    change = KeyChange.objects.get()
    assert change.state == "ORDERED" and Command.objects.count() == 0 and change.parts.count() == 0
    made = town.source.change_key(dies.asked)
    assert resume_key_changes(source=town.source, now=town.now) == 0
    let_ask_again()
    assert resume_key_changes(source=town.source, now=town.now) == 1
    digits = dict(change.parts.values_list("step", "digits"))
    assert digits == {**made.sections, "proof": made.proof}  # type: ignore[union-attr]
    town.run()
    assert state_of(change)[0] == "CHANGED"


def let_ask_again() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE vending_keychange SET obtain_not_before_at = clock_timestamp()")


def test_a_key_store_that_is_away_is_asked_ever_more_slowly(town: Town) -> None:
    house = town.house()

    class Away:
        asked = 0

        def change_key(self, request: KeyChangeRequest) -> Unknown:
            self.asked += 1
            return Unknown("the module is away")

    away = Away()
    change = order_key_change(
        approval_id=approved(town, house, target()).pk, source=away, actor="login:2", now=town.now
    )
    for turn in range(2, 5):
        assert resume_key_changes(source=away, now=town.now) == 0 and away.asked == turn - 1
        let_ask_again()
        assert resume_key_changes(source=away, now=town.now) == 0 and away.asked == turn
    assert (state_of(change)[0], change.obtain_attempts, Command.objects.count()) == ("ORDERED", 4, 0)
    let_ask_again()
    town.run()
    assert state_of(change)[0] == "CHANGED"


def test_a_key_of_another_base_date_clears_the_tid_store(town: Town) -> None:
    house = town.house()
    older = replace(target(krn=1), register="old", base_date=1993)
    register = KeyRegister(register_id="old", dkga="04", sgc="999901", krn=1, kt=2, ken=255, base_date=1993)
    town.store.add(register, bytes(range(1, 21)))
    fields = {name: value for name, value in asdict(older).items() if name != "register"}
    house.sim._decoder.key = DecoderKey("07", derive(bytes(range(1, 21)), KeyConfiguration(**fields), house.meter.pan))
    house.sim._decoder._tids = [16_000_000, 16_000_001]
    Meter.objects.filter(pk=house.meter.pk).update(sts_register="old", base_date=1993)
    change = order(town, house)
    assert change.rollover
    town.run()
    assert state_of(change)[0] == "CHANGED" and keys_of(house) == target()
    assert house.sim._decoder.tids == (change.proof_tid,)


def test_away_from_an_expired_key_yes_to_one_no(town: Town) -> None:
    house = town.house()
    Meter.objects.filter(pk=house.meter.pk).update(ken=1)
    change = order(town, house)
    town.run()
    assert state_of(change)[0] == "CHANGED" and keys_of(house).ken == 255
    with pytest.raises(TargetRefused) as refused:
        order(town, house, replace(target(), ken=1))
    assert refused.value.code == "new_ken_expired"


def test_what_is_refused_moves_nothing_and_leaves_a_line(town: Town) -> None:
    house = town.house()
    pending = buy(town, house, "by hand")
    Command.objects.filter(pk=pending.command_id).update(state="EXPIRED")
    approvals = Approval.objects.count()
    cases: list[tuple[type[KeyChangeRefused], KeyTerms, str]] = [
        (TokensPending, target(), "tokens_pending"),
        (SameKey, keys_of(house), "same_key"),
        (TargetRefused, replace(target(), sgc="1"), "bad_request"),
    ]
    for error, to, code in cases:
        with pytest.raises(error):
            order(town, house, to)
        line = AuditRecord.objects.get(refused=True, code=code)
        assert (line.verb, line.actor) == ("vending.request_key_change", f"login:{person('one').pk}")
    Vend.objects.update(state="LOADED")
    Pairing.objects.all().delete()
    with pytest.raises(MeterUnreachable):
        order(town, house)
    assert Approval.objects.count() == approvals == 0 and KeyChange.objects.count() == 0


def test_nobody_approves_his_own_and_an_approval_is_spent_once(town: Town) -> None:
    house = town.house()
    request = request_key_change(
        meter=house.meter, target=target(), reason="roll", requested_by=person("one"), now=town.now
    )
    with pytest.raises(ApprovalRefused):
        decide_approval(approval_id=request.pk, approve=True, decided_by=person("one"), now=town.now)
    with pytest.raises(ApprovalRefused):
        order_key_change(approval_id=request.pk, source=town.source, actor="login:1", now=town.now)
    assert KeyChange.objects.count() == 0
    assert AuditRecord.objects.filter(refused=True, verb="vending.order_key_change", code="approval_refused").exists()
    second = approved(town, house, target())
    order(town, house)
    with pytest.raises(KeyChangeUnderWay):
        order_key_change(approval_id=second.pk, source=town.source, actor="login:2", now=town.now)
    town.run()
    second.refresh_from_db()
    assert second.state == "APPROVED"
    with pytest.raises(ConfigurationChanged):
        order_key_change(approval_id=second.pk, source=town.source, actor="login:2", now=town.now)
    assert KeyChange.objects.count() == 1


def test_an_unknown_register_fails_the_change_by_name(town: Town) -> None:
    house = town.house()
    change = order(town, house, replace(target(), register="none"))
    assert state_of(change) == ("FAILED", "unknown_register", 1) and Command.objects.count() == 0
    assert buy(town, house, "after").waits_for_id is None


def test_a_change_is_withdrawn_only_before_its_last_part(town: Town) -> None:
    house = town.house()
    change = order(town, house)
    withdraw_key_change(change_id=change.pk, actor="login:1", now=town.now)
    town.run()
    assert state_of(change)[0] == "WITHDRAWN" and has_old_key(house)
    second = order(town, house)
    until_closing(town, second)
    with pytest.raises(NotWithdrawable):
        withdraw_key_change(change_id=second.pk, actor="login:1", now=town.now)
    assert AuditRecord.objects.filter(refused=True, code="not_withdrawable").count() == 1
    town.run()
    assert state_of(second)[0] == "CHANGED"


def test_a_silent_meter_is_asked_as_long_as_it_takes(town: Town) -> None:
    house = town.house()
    change = order(town, house)
    until_closing(town, change)
    town.run(to_meters=False)
    for _ in range(3):
        town.now += dt.timedelta(days=8)
        end_leases(now=town.now, backoff_s=0)
        town.run(to_meters=False)
    assert state_of(change)[0] == "CLOSING" and keys_of(house).register == "test"
    silence_ends(town)
    town.run()
    # The last part was lost and the first lapsed: proven to have the old key, hence begun anew.
    assert state_of(change) == ("CHANGED", "", 2) and has_key(house, target())


def test_purchases_that_race_a_key_change_all_arrive(town: Town) -> None:
    """Real transactions: one thread buys all the while, the other turns the cranks; no token meets the wrong key."""
    from duaarah.vending.operations import resume_paid

    house = town.house(wallet_idr=1_000_000)
    count, broken = 24, []

    def purchases() -> None:
        try:
            pairing = pairing_of_meter(meter_id=house.meter.pk, at=town.now)
            assert pairing is not None
            for number in range(count):
                # The same object all the while: what it read before the change is stale after it.
                top_up(
                    pairing=pairing,
                    amount_idr=20_000,
                    channel=town.channel,
                    reference=f"race {number}",
                    token_source=town.source,
                    now=town.now,
                )
        except BaseException as error:
            broken.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=purchases)
    change = order(town, house)
    thread.start()
    while thread.is_alive() or state_of(change)[0] != "CHANGED":
        town.run()
    thread.join()
    while Vend.objects.exclude(state="LOADED").exists():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE vending_vend SET obtain_not_before_at = clock_timestamp()")
        resume_paid(token_source=town.source, now=town.now)
        town.run()
    assert broken == [] and not AuditRecord.objects.filter(refused=True).exists()
    assert set(Vend.objects.values_list("krn", flat=True)) <= {1, 2}
    assert house.sim.tokens_accepted == house.sim.tokens_distinct == count
    assert house.sim.token_energy_wh == sum(Vend.objects.values_list("encoded_wh", flat=True))
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0


def test_a_silent_meter_does_not_stand_in_front_of_others(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from duaarah.vending.operations import key_change

    monkeypatch.setattr(key_change, "BATCH_MAX", 1)
    silent, talks = town.house(), town.house()
    first = order(town, silent)
    town.run(to_meters=False)
    second = order(town, talks)
    credit = buy(town, talks, "first of all")
    town.run()
    credit.refresh_from_db()
    assert (state_of(first)[0], state_of(second)[0], credit.krn, credit.state) == ("LOADING", "CHANGED", 1, "LOADED")
