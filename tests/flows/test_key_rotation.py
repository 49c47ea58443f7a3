"""A meter gets new DLMS keys over the air; whatever is lost on the way, both ends find each other again."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid

import pytest
from django.db import connection, transaction

from duaarah.audit.models import AuditRecord
from duaarah.core.order import Order, OrderKind
from duaarah.headend.models import Attempt, Command, InvocationCounter, KeyRotation, MeterEvent
from duaarah.headend.operations import (
    end_leases,
    forget_old_keys,
    judge_silent_rotations,
    order_key_rotation,
    place_order,
    request_key_rotation,
    rotate_keys,
    rotate_near_end,
    withdraw_rotation,
)
from duaarah.headend.operations.key_rotation import MeterMute, NotWithdrawable, RotationImpossible, RotationUnderWay
from duaarah.headend.operations.sealing import other_keys, seal_terms
from duaarah.headend.ports import MeterKeys
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Meter, Pairing
from duaarah.sms.models import InboundSms, OutboundSegment
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wiring.keystores import wrap_meter_keys
from tests.flows.house import House, Town

pytestmark = pytest.mark.slow


def person(name: str) -> Login:
    return Login.objects.filter(username=name).first() or Login.objects.create_user(name)


def asked(town: Town, house: House) -> Approval:
    return request_key_rotation(
        meter=house.meter,
        reason="the yearly roll",
        driver=town.driver,
        keys=town.keys,
        requested_by=person("one"),
        now=town.now,
    )


def rotated(town: Town, house: House) -> KeyRotation:
    approval = asked(town, house)
    decide_approval(approval_id=approval.pk, approve=True, decided_by=person("two"), now=town.now)
    return rotate_keys(approval_id=approval.pk, driver=town.driver, keys=town.keys, actor="login:2", now=town.now)


def in_force(town: Town, house: House) -> Keys:
    """What the platform holds for the meter's keys."""
    meter = Meter.objects.get(pk=house.meter.pk)
    keys = town.keys.meter_keys(drn=meter.drn, wrapped=bytes(meter.dlms_keys_wrapped))
    assert keys.master == house.sim.config.master_key
    return Keys(keys.encryption, keys.authentication)


def factory(house: House) -> Keys:
    return house.sim.config.keys


def state_of(rotation: KeyRotation) -> tuple[str, str]:
    rotation.refresh_from_db()
    return rotation.state, rotation.result


def silence(town: Town) -> None:
    """The lease ends without an answer, and the backoff passes."""
    town.end_leases_now()
    end_leases(now=town.now, backoff_s=0)


def talks(town: Town, house: House) -> None:
    """An order goes there, its answer comes back."""
    order = Order(kind=OrderKind.CLEAR_TAMPER)
    command_id = place_order(
        meter=house.meter, order=order, reason="", driver=town.driver, actor="login:1", now=town.now
    )
    town.run()
    assert Command.objects.get(pk=command_id).state == "ACKED"


@pytest.mark.parametrize("profile", ["single-phase-modem", "three-phase-modem", "three-phase-retrofit"])
def test_new_keys_are_in_force_when_the_meter_has_used_them(town: Town, profile: str) -> None:
    house = town.house(profile=profile)
    talks(town, house)
    rotation = rotated(town, house)
    assert state_of(rotation) == ("ORDERED", "") and in_force(town, house) == factory(house)
    assert Approval.objects.get().state == "USED" and bytes(rotation.keys_wrapped)
    town.run()
    assert state_of(rotation) == ("PROVEN", "success")
    assert in_force(town, house) == house.sim.link.keys != factory(house)
    assert bytes(rotation.keys_wrapped) == b"" and bytes(rotation.old_keys_wrapped)
    rows = Attempt.objects.order_by("pk").values_list("command__kind", "key_number", "counter")
    assert list(rows) == [("CLEAR_TAMPER", 0, 1), ("ROTATE_KEYS", 0, 2), ("PROVE_KEYS", 1, 1)]
    assert set(Command.objects.values_list("state", flat=True)) == {"ACKED"}
    counters = InvocationCounter.objects.get()
    # Both directions count anew: the answer to the question, and the register block.
    assert (counters.key_number, counters.to_meter_latest, counters.from_meter_highest) == (1, 1, 2)
    verbs = AuditRecord.objects.filter(correlation=rotation.correlation).order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["headend.rotate_keys", "headend.record_key_transfer", "headend.prove_keys"]
    talks(town, house)
    again = rotated(town, house)
    town.run()
    assert state_of(again) == ("PROVEN", "success") and again.number == 2
    assert in_force(town, house) == house.sim.link.keys and not house.sim.dropped


def test_one_frame_carries_both_keys_and_none_of_them_in_clear(town: Town) -> None:
    house = town.house()
    rotation = rotated(town, house)
    keys = town.keys.meter_keys(drn=house.meter.drn, wrapped=bytes(rotation.keys_wrapped))
    assert keys.encryption.hex() not in repr(keys) and repr(keys) == "MeterKeys()"
    town.run(to_meters=False)
    [segment] = OutboundSegment.objects.filter(message_class="METER_FRAME")
    assert len(bytes(segment.payload)) <= 140
    assert keys.encryption not in bytes(segment.payload)
    assert state_of(rotation) == ("SENDING", "")


def test_a_lost_answer_is_found_out_under_the_new_keys(town: Town) -> None:
    house = town.house()
    rotation = rotated(town, house)
    house.sim.faults.lose_next_answer = 1
    town.run()
    # The meter has them, nobody knows it.
    assert state_of(rotation) == ("SENDING", "") and house.sim.link.keys != factory(house) == in_force(town, house)
    silence(town)
    town.run()
    assert state_of(rotation) == ("PROVEN", "success") and in_force(town, house) == house.sim.link.keys
    assert list(Attempt.objects.order_by("pk").values_list("key_number", flat=True)) == [0, 1]
    assert dict(house.sim.dropped) == {}


def test_a_lost_transfer_goes_again_under_the_old_keys(town: Town) -> None:
    house = town.house()
    rotation = rotated(town, house)
    town.run(to_meters=False)
    for _ in range(2):
        silence(town)
        town.run()
    # The question under the new keys was not understood, the transfer that went again was.
    assert dict(house.sim.dropped) == {"auth_failed": 1}
    assert state_of(rotation) == ("PROVEN", "success") and in_force(town, house) == house.sim.link.keys
    assert list(Attempt.objects.order_by("pk").values_list("key_number", "counter")) == [(0, 1), (1, 1), (0, 2), (1, 2)]


def test_a_session_takes_its_counters_at_once_and_under_the_keys_of_its_turn(town: Town) -> None:
    house = town.house()
    meter_id = house.meter.pk
    rotation = rotated(town, house)
    town.run(to_meters=False)
    with transaction.atomic():
        even = seal_terms([(meter_id, "PUSH_NOW", 0)], counters_each=256)[meter_id]
        odd = seal_terms([(meter_id, "PUSH_NOW", 1)], counters_each=256)[meter_id]
        after = seal_terms([(meter_id, "PUSH_NOW", 2)])[meter_id]
    assert (even.key_number, even.counter, odd.key_number, odd.counter) == (0, 2, 1, 1)
    assert (after.key_number, after.counter, after.carries_keys) == (0, 258, False)
    rotation.refresh_from_db()
    assert (
        other_keys(meter_ids=[meter_id]) == {meter_id: [bytes(rotation.keys_wrapped)]}
        and rotation.to_meter_latest == 256
    )


def test_any_push_under_the_new_keys_proves_them(town: Town) -> None:
    house = town.house()
    rotation = rotated(town, house)
    house.sim.faults.lose_next_answer = 1
    town.run()
    town.use(house, 2_000)
    town.run(to_meters=False)
    assert state_of(rotation) == ("PROVEN", "success")
    assert MeterEvent.objects.filter(kind="LOW_CREDIT").count() == 1
    assert Command.objects.get().state == "ACKED" and not any("keys" in word for word in town.words_to(house))


def test_what_was_sealed_before_the_change_is_still_read_once(town: Town) -> None:
    house = town.house()
    late = house.sim.consume(2_000_000, town.now)
    rotation = rotated(town, house)
    town.run()
    assert state_of(rotation)[0] == "PROVEN"
    before = InvocationCounter.objects.get()
    town.push(house, late)
    town.push(house, late)
    town.run()
    assert MeterEvent.objects.filter(kind="LOW_CREDIT").count() == 1
    assert list(InboundSms.objects.filter(state="REFUSED").values_list("outcome", flat=True)) == ["replayed"]
    after = InvocationCounter.objects.get()
    assert (after.from_meter_highest, after.balance_wh) == (before.from_meter_highest, before.balance_wh)
    town.now += dt.timedelta(days=8)
    assert forget_old_keys(now=town.now) == 1 and forget_old_keys(now=town.now) == 0
    assert bytes(KeyRotation.objects.get().old_keys_wrapped) == b""
    town.push(house, late)
    town.run()
    assert InboundSms.objects.order_by("-pk").values_list("outcome", flat=True)[0] == "auth_failed"


def test_a_refusal_leaves_the_old_keys(town: Town) -> None:
    house = town.house()
    house.sim.config = dataclasses.replace(house.sim.config, master_key=bytes(16))
    rotation = rotated(town, house)
    town.run()
    assert state_of(rotation) == ("REFUSED", "other_reason")
    house.sim.config = dataclasses.replace(house.sim.config, master_key=bytes([51]) * 16)
    assert in_force(town, house) == factory(house) == house.sim.link.keys
    assert Command.objects.get().state == "REJECTED" and Attempt.objects.count() == 1
    assert (
        AuditRecord.objects.filter(verb="headend.record_key_transfer", code="other_reason", refused=True).count() == 1
    )
    talks(town, house)
    later = rotated(town, house)
    town.run()
    assert state_of(later)[0] == "PROVEN" and later.number == 2


def test_the_meter_s_own_word_overrules_a_refusal(town: Town) -> None:
    house = town.house()
    rotation = rotated(town, house)
    town.run(to_meters=False)
    [segment] = OutboundSegment.objects.filter(message_class="METER_FRAME")
    house.sim.receive_sms(bytes(segment.payload), town.now)
    KeyRotation.objects.update(state="REFUSED", result="temporary_failure", closed_at=town.now)
    town.use(house, 2_000)
    town.run(to_meters=False)
    assert state_of(rotation) == ("PROVEN", "success") and in_force(town, house) == house.sim.link.keys


def test_a_meter_that_goes_on_under_its_old_keys_keeps_talking(town: Town) -> None:
    house = town.house()
    rotation = rotated(town, house)
    house.sim.link.change_keys = lambda _keys: None  # type: ignore[method-assign]
    town.run()
    silence(town)
    town.run()
    assert state_of(rotation) == ("SILENT", "old_keys_used") and in_force(town, house) == factory(house)
    talks(town, house)
    with pytest.raises(NotWithdrawable):
        withdraw_rotation(rotation_id=rotation.pk, actor="login:1", now=town.now)


def test_a_silent_meter_is_given_up_and_may_be_asked_again_with_the_same_keys(town: Town) -> None:
    house = town.house()
    rotation = rotated(town, house)
    town.run(to_meters=False)
    with pytest.raises(RotationUnderWay):
        asked(town, house)
    town.now += dt.timedelta(days=8)
    silence(town)
    assert judge_silent_rotations(now=town.now) == 1 and judge_silent_rotations(now=town.now) == 0
    assert state_of(rotation) == ("SILENT", "no_answer") and in_force(town, house) == factory(house)
    kept = bytes(rotation.keys_wrapped)
    assert rotated(town, house).pk == rotation.pk and bytes(KeyRotation.objects.get().keys_wrapped) == kept
    town.run()
    assert state_of(rotation) == ("PROVEN", "success") and in_force(town, house) == house.sim.link.keys


def test_a_token_gets_through_while_nobody_knows_the_keys(town: Town) -> None:
    house = town.house()
    rotated(town, house)
    house.sim.faults.lose_next_answer = 1
    town.run()
    Command.objects.update(not_before_at=town.now + dt.timedelta(days=999))
    silence(town)
    Command.objects.filter(kind="ROTATE_KEYS").update(not_before_at=dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
    town.text(house, "ISI 20000 123456")
    town.run()
    assert house.sim.tokens_accepted == 0 and dict(house.sim.dropped) == {"auth_failed": 1}
    silence(town)
    Command.objects.filter(kind="ROTATE_KEYS").update(not_before_at=dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
    town.run()
    assert house.sim.tokens_accepted == 1 and KeyRotation.objects.get().state == "PROVEN"
    assert Command.objects.get(kind="LOAD_CREDIT").state == "ACKED"


def test_nobody_does_it_alone_and_nothing_is_drawn_for_a_refusal(town: Town) -> None:
    house, mute = town.house(), town.house()
    approval = asked(town, house)
    with pytest.raises(ApprovalRefused):
        rotate_keys(approval_id=approval.pk, driver=town.driver, keys=town.keys, actor="login:1", now=town.now)
    with pytest.raises(ApprovalRefused):
        decide_approval(approval_id=approval.pk, approve=True, decided_by=person("one"), now=town.now)
    Pairing.objects.filter(meter=mute.meter).delete()
    with pytest.raises(MeterMute):
        asked(town, mute)
    old = MeterKeys(bytes([1]) * 16, bytes([101]) * 16)
    Meter.objects.filter(pk=house.meter.pk).update(dlms_keys_wrapped=wrap_meter_keys(town.store, house.meter.drn, old))
    house.meter.refresh_from_db()
    with pytest.raises(RotationImpossible):
        asked(town, house)
    assert KeyRotation.objects.count() == Command.objects.count() == 0 and Approval.objects.count() == 1
    codes = AuditRecord.objects.filter(refused=True).values_list("code", flat=True)
    assert sorted(codes) == ["approval_refused", "approval_refused", "meter_does_not_talk", "no_master_key"]


def test_withdrawn_before_it_left_its_keys_are_forgotten(town: Town) -> None:
    house = town.house()
    rotation = rotated(town, house)
    withdraw_rotation(rotation_id=rotation.pk, actor="login:1", now=town.now)
    town.run()
    assert state_of(rotation) == ("WITHDRAWN", "") and bytes(rotation.keys_wrapped) == b""
    assert Attempt.objects.count() == 0 and Command.objects.get().state == "CANCELLED"


@pytest.mark.parametrize("field", ["to_meter_latest", "from_meter_highest"])
def test_a_counter_near_its_end_orders_new_keys_by_itself(town: Town, field: str) -> None:
    house, other = town.house(), town.house()
    InvocationCounter.objects.filter(pk=house.meter.pk).update(**{field: 2_000_000_000})
    if field == "from_meter_highest":
        house.sim.link.present.sent_counter = 2_000_000_000
    for expected in (1, 0):
        assert rotate_near_end(driver=town.driver, keys=town.keys, mark=2_000_000_000, now=town.now) == expected
    assert KeyRotation.objects.get().meter_id == house.meter.pk != other.meter.pk
    town.run()
    counters = InvocationCounter.objects.get(pk=house.meter.pk)
    assert (counters.to_meter_latest, counters.from_meter_highest) == (1, 2)
    assert in_force(town, house) == house.sim.link.keys


def test_a_counter_at_its_very_end_stops_only_its_own_meter(town: Town) -> None:
    house, other = town.house(), town.house()
    InvocationCounter.objects.filter(pk=house.meter.pk).update(to_meter_latest=(1 << 32) - 1)
    talks(town, other)
    order = Order(kind=OrderKind.CLEAR_TAMPER)
    place_order(meter=house.meter, order=order, reason="", driver=town.driver, actor="login:1", now=town.now)
    town.run()
    assert Attempt.objects.filter(meter=house.meter).count() == 0


def test_the_joining_verb_is_idempotent_and_joins_only(town: Town) -> None:
    house, request_id = town.house(), uuid.uuid4()

    def once() -> KeyRotation:
        return order_key_rotation(
            meter_id=house.meter.pk,
            request_id=request_id,
            reason="fleet",
            driver=town.driver,
            keys=town.keys,
            actor="campaign:1",
            now=town.now,
        )

    with pytest.raises(transaction.TransactionManagementError):
        once()
    with transaction.atomic():
        first = once()
    with transaction.atomic():
        assert once().pk == first.pk
    assert Command.objects.count() == 1


def test_a_death_while_sending_leaves_a_counter_unused_and_the_keys_waiting(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house()
    rotation = rotated(town, house)

    def dies(**_: object) -> bytes:
        raise SystemExit

    with monkeypatch.context() as broken:
        broken.setattr(town.keys, "transfer", dies)
        with pytest.raises(SystemExit):
            town.run()
    assert state_of(rotation) == ("ORDERED", "") and OutboundSegment.objects.count() == 0
    town.run()
    assert state_of(rotation) == ("PROVEN", "success")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM headend_attempt WHERE counter = 0")
        assert cursor.fetchone()[0] == 0
