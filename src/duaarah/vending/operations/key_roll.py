# SPDX-License-Identifier: Apache-2.0
"""
A standing approval of key changes, by two people, once for a register: its meters get the new key with their next purchase.

The purchase finds its meter behind, orders the change (its T1), and then waits for it; the change goes as any other (ADR 7),
and the meter's proof gives the purchase the new key. Where the meter is silent, the change is given up while the meter surely
has its old key, and the purchase goes on with that, if that key may still make tokens (ADR 9).
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import asdict
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.sts import STSError, ken_allows, tid_at
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.vending.batch_models import KeyRoll
from duaarah.vending.models import KeyChange, Vend
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.key_change import (
    ConfigurationChanged,
    KeyChangeRefused,
    SameKey,
    TokensReplaced,
    begin_change,
    check_target,
)
from duaarah.vending.operations.key_progress import withdraw
from duaarah.vending.operations.same_key import revived
from duaarah.vending.operations.tids import next_tid
from duaarah.vending.ports import KeyTerms

LOG = logging.getLogger(__name__)
VERB = "vending.begin_key_roll"
TERMS = ("register", "dkga", "ea", "sgc", "krn", "kt", "ken", "base_date")
# How long a purchase waits for a meter that has not taken the parts yet, business time.
WAIT_S = 300
# After a change that came to nothing, the next purchases go with the old key for so long.
PAUSE = dt.timedelta(days=1)
_WIB = ZoneInfo("Asia/Jakarta")
_Error = TypeVar("_Error", bound=Exception)
_BEFORE_LAST = (KeyChange.State.ORDERED, KeyChange.State.LOADING)


class RollRefused(KeyChangeRefused):
    """No such standing approval can be; `code`: roll_exists, roll_ended, no_meters."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def target_of(roll: KeyRoll, meter: Meter) -> KeyTerms:
    """The new key's configuration for one meter: its tariff index stays, and EA11 does not go back to EA07."""
    terms = dict(roll.target)
    return KeyTerms(**{**terms, "ea": "11" if meter.ea == "11" else terms["ea"]}, ti=meter.ti)


def request_key_roll(
    *, register: str, target: KeyTerms, reason: str, requested_by: Login, now: dt.datetime
) -> Approval:
    """
    Ask a second person: every meter of `register` gets `target` (its `ti` is not used) with its next purchase.

    Raises:
        KeyChangeRefused: TargetRefused, SameKey; RollRefused roll_exists, no_meters. An audit line says so.
        ValueError: no reason.
    """
    try:
        meters = _judge(register, target, now)
    except KeyChangeRefused as error:
        _refused(error, register, f"login:{requested_by.pk}", now)
        raise
    detail = {
        "register": register,
        "target": {name: value for name, value in asdict(target).items() if name in TERMS},
        "meters": meters,
    }
    return request_approval(
        verb=VERB, subject=f"register:{register}", detail=detail, reason=reason, requested_by=requested_by, now=now
    )


def _judge(register: str, target: KeyTerms, now: dt.datetime) -> int:
    if register == target.register:
        raise SameKey("The register leads to itself.")
    if KeyRoll.objects.filter(register=register, ended_at=None).exists():
        raise RollRefused("roll_exists", "There is a standing approval for this register already.")
    meters = Meter.objects.filter(sts_register=register)
    first = meters.first()
    if first is None:
        raise RollRefused("no_meters", "No meter uses this register.")
    check_target(key_terms(first), target, now)
    return meters.count()


def begin_key_roll(*, approval_id: int, actor: str, now: dt.datetime) -> KeyRoll:
    """
    Entry: spend the approval; from now on purchases of this register's meters bring the new key first.

    Raises:
        ApprovalRefused: not approved, expired, used.
        KeyChangeRefused: see `request_key_roll`. An audit line says so; the approval stays unspent.
    """
    detail = Approval.objects.get(pk=approval_id, verb=VERB).detail
    register = detail["register"]
    try:
        with transaction.atomic(durable=True):
            use_approval(approval_id=approval_id, verb=VERB, subject=f"register:{register}", now=now)
            _judge(register, KeyTerms(**detail["target"], ti="01"), now)
            roll = KeyRoll.objects.create(
                approval_id=approval_id, register=register, target=detail["target"], begun_at=now
            )
            audit.record(
                at=now,
                actor=actor,
                verb=VERB,
                subject=f"register:{register}",
                detail={"roll": roll.pk, "approval": approval_id, "target": roll.target},
            )
        return roll
    except IntegrityError as error:
        if "vending_one_roll" not in str(error):
            raise
        raise _refused(RollRefused("roll_exists", "There is one already."), register, actor, now) from error
    except (ApprovalRefused, KeyChangeRefused) as error:
        raise _refused(error, register, actor, now) from None


def end_key_roll(*, roll_id: int, actor: str, now: dt.datetime) -> None:
    """Entry: no further purchase brings a new key; changes under way go on. Raises RollRefused (roll_ended)."""
    with transaction.atomic(durable=True):
        roll = KeyRoll.objects.select_for_update().get(pk=roll_id)
        open_ = roll.ended_at is None
        if open_:
            roll.ended_at, roll.ended_by = now, actor[:60]
            roll.save(update_fields=["ended_at", "ended_by"])
            subject, detail = f"register:{roll.register}", {"roll": roll.pk}
            audit.record(at=now, actor=actor, verb="vending.end_key_roll", subject=subject, detail=detail)
    if not open_:
        raise _refused(RollRefused("roll_ended", "It has ended already."), roll.register, actor, now)


def roll_if_behind(*, meter: Meter, now: dt.datetime) -> KeyChange | None:
    """
    Entry: order the key change of a meter whose register is left behind, before its purchase is taken; None: nothing to do.

    A meter that cannot be told now, or whose tokens of the old key are out, keeps its old key for this purchase; an audit
    line says why.
    """
    roll = KeyRoll.objects.filter(register=meter.sts_register, ended_at=None).first()
    if roll is None:
        return None
    mine = KeyChange.objects.filter(meter_id=meter.pk)
    if mine.filter(closed_at=None).exists() or pairing_of_meter(meter_id=meter.pk, at=now) is None:
        return None
    recent = mine.filter(state__in=(KeyChange.State.FAILED, KeyChange.State.WITHDRAWN), closed_at__gt=now - PAUSE)
    if recent.exists() and old_key_may_issue(meter.base_date, meter.ken, now):
        return None
    target = target_of(roll, meter)
    try:
        if revived(meter=meter, target=target):
            raise TokensReplaced("With this key the meter would take a token that another stands in the place of.")
        with transaction.atomic(durable=True):
            change = begin_change(
                meter_id=meter.pk, old=key_terms(meter), new=target, rollover=False, roll_id=roll.pk, now=now
            )
            audit.record(
                at=now,
                actor="vending",
                verb="vending.roll_if_behind",
                subject=f"meter:{meter.pk}",
                correlation=change.correlation,
                detail={"change": change.pk, "roll": roll.pk, "new": change.new},
            )
        return change
    except IntegrityError as error:
        # Two purchases at once: the other one has ordered it.
        if "vending_one_key_change" not in str(error):
            raise
        return None
    except ConfigurationChanged:
        # It was changed after the caller read it; the purchase reads it again.
        return None
    except KeyChangeRefused as error:
        _refused(error, meter.sts_register, "vending", now, meter_id=meter.pk)
        return None


def old_key_may_issue(base_date: int, ken: int, now: dt.datetime) -> bool:
    """Whether a token of this moment can still be made with a key of this base date and expiry number."""
    try:
        return ken_allows(tid_at(now.astimezone(_WIB).replace(tzinfo=None), base_date), ken)
    except STSError:
        return False


def tid_for(*, meter: Meter, now: dt.datetime) -> tuple[int, int]:
    """
    Joining: base date and TID of a purchase. Where the old key makes no token any more, those of the key that it waits for.

    Raises:
        STSError: neither key can make a token now.
    """
    try:
        return meter.base_date, next_tid(meter_id=meter.pk, base_date=meter.base_date, ken=meter.ken, now=now)
    except STSError:
        change = KeyChange.objects.filter(meter_id=meter.pk, roll__isnull=False, closed_at=None).first()
        if change is None:
            raise
        base_date, ken = change.new["base_date"], change.new["ken"]
        return base_date, next_tid(meter_id=meter.pk, base_date=base_date, ken=ken, now=now)


# Changes that purchases have waited for too long, and whose last part has not left: the meter surely has its old key.
_SLOW = """
SELECT DISTINCT k.id FROM vending_vend v JOIN vending_keychange k ON k.id = v.waits_for_id
WHERE k.roll_id IS NOT NULL AND k.state IN ('ORDERED', 'LOADING') AND v.paid_at <= %s ORDER BY k.id LIMIT 50
"""


def give_up_slow_rolls(*, now: dt.datetime) -> int:
    """
    Entry, one transaction a change: let the purchases go on with the old key; returns how many changes were given up.

    Not where the old key makes no token any more: then there is nothing but to wait, and an operator sees it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SLOW, [now - dt.timedelta(seconds=WAIT_S)])
        ids = [row[0] for row in cursor.fetchall()]
    given_up = 0
    for change_id in ids:
        with transaction.atomic(durable=True):
            change = KeyChange.objects.select_for_update(no_key=True).get(pk=change_id)
            waiting = Vend.objects.filter(waits_for=change, paid_at__lte=now - dt.timedelta(seconds=WAIT_S))
            may = old_key_may_issue(change.old["base_date"], change.old["ken"], now)
            if change.state in _BEFORE_LAST and may and waiting.exists():
                withdraw(change, actor="vending", code="meter_silent", now=now)
                given_up += 1
    return given_up


def _refused(error: _Error, register: str, actor: str, now: dt.datetime, *, meter_id: int | None = None) -> _Error:
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now,
            actor=actor,
            verb=VERB if meter_id is None else "vending.roll_if_behind",
            subject=f"register:{register}" if meter_id is None else f"meter:{meter_id}",
            code=getattr(error, "code", "refused"),
            reason=str(error),
        )
    return error
