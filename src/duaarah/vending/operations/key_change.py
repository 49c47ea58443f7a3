# SPDX-License-Identifier: Apache-2.0
"""
A key change for one meter, by two people: asked for, approved, its tokens made, then `key_progress` loads and proves it.

T1 fixes all that decides the tokens and spends the approval; the tokens are made outside any transaction; T2 keeps them
and queues the first. A death in between is mended by `resume_key_changes`, which repeats with what T1 stored.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
import uuid
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

from duaarah.audit import operations as audit
from duaarah.core.sts import KeyConfiguration, NewKENExpired, STSError, ken_allows, tid_at
from duaarah.core.sts.meter import KEY_CHANGE_TIMEOUT_S
from duaarah.headend.models import Command
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.vending.models import KeyChange, KeyChangePart, Vend
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.issue import OBTAIN_RETRY_S, OBTAIN_RETRY_S_MAX
from duaarah.vending.operations.key_progress import advance, fail, queue_part, withdraw
from duaarah.vending.operations.same_key import revived
from duaarah.vending.operations.tids import lock_tids, next_tid
from duaarah.vending.ports import KeyChangeRequest, KeyChangeSource, KeyChangeTokens, KeyTerms, Refused, Unknown

LOG = logging.getLogger(__name__)
VERB = "vending.order_key_change"
OPEN = (KeyChange.State.ORDERED, KeyChange.State.LOADING, KeyChange.State.CLOSING)
BATCH_MAX = 50
_WIB = ZoneInfo("Asia/Jakarta")
_REMEMBERED = dt.timedelta(seconds=KEY_CHANGE_TIMEOUT_S)


class KeyChangeRefused(Exception):
    """The key change was not taken; `code` says why. Nothing was changed."""

    code = "key_change_refused"


class KeyChangeUnderWay(KeyChangeRefused):
    """Another change of this meter's key is not finished."""

    code = "key_change_under_way"


class TokensPending(KeyChangeRefused):
    """Tokens of the old key are out that nobody is loading now: they would be lost with it."""

    code = "tokens_pending"


class PartsRemembered(KeyChangeRefused):
    """The meter may still remember the last part of a set that failed, and would mix it with a new one."""

    code = "parts_remembered"


class MeterUnreachable(KeyChangeRefused):
    """The meter has no modem now: nobody can tell it."""

    code = "meter_does_not_talk"


class SameKey(KeyChangeRefused):
    """The meter has this configuration already."""

    code = "same_key"


class TokensReplaced(KeyChangeRefused):
    """With this key the meter would take a token that another one was made in the place of."""

    code = "tokens_replaced"


class ConfigurationChanged(KeyChangeRefused):
    """The meter's key configuration is not the one that was approved to be left."""

    code = "configuration_changed"


class NotWithdrawable(KeyChangeRefused):
    """Closed, or its last part is out: only the meter can say now which key it has."""

    code = "not_withdrawable"


class TargetRefused(KeyChangeRefused):
    """The new configuration cannot be; `code` is the engine's (bad_request, new_ken_expired, date_range)."""

    def __init__(self, error: STSError) -> None:
        super().__init__(str(error))
        self.code = error.code


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a key change will do: its tokens over the air (with the proof), SMS both ways, RO, tokens to be loaded first."""

    sections: int
    sms: int
    rollover: bool
    loaded_first: int


def plan_key_change(*, meter: Meter, target: KeyTerms, now: dt.datetime, rollover: bool = False) -> Plan:
    """
    What would happen; nothing is written. RO is set in any case when the base date changes.

    Raises:
        KeyChangeRefused: TargetRefused, SameKey, TokensReplaced, MeterUnreachable, KeyChangeUnderWay, PartsRemembered,
            TokensPending.
    """
    old = key_terms(meter)
    check_target(old, target, now)
    if revived(meter=meter, target=target):
        raise TokensReplaced("With this key the meter would take a token that another stands in the place of.")
    if pairing_of_meter(meter_id=meter.pk, at=now) is None:
        raise MeterUnreachable("The meter has no modem.")
    if KeyChange.objects.filter(meter=meter, state__in=OPEN).exists():
        raise KeyChangeUnderWay("A change of this meter's key is under way.")
    failed = KeyChange.objects.filter(meter=meter, state=KeyChange.State.FAILED, closed_at__gt=now - _REMEMBERED)
    if failed.filter(parts__step=KeyChangePart.COMPLETING, parts__tries__gt=0).exists():
        raise PartsRemembered("The meter forgets the parts of the set that failed three hours after it.")
    out = Vend.objects.filter(meter=meter, state=Vend.State.ISSUED)
    under_way = out.filter(command__state__in=(Command.State.QUEUED, Command.State.SENT)).count()
    if left := out.count() - under_way:
        raise TokensPending(f"{left} tokens of the old key wait to be keyed in by hand; they would be lost.")
    paid = Vend.objects.filter(meter=meter, state=Vend.State.PAID).count()
    sections = 4 if target.ea == "11" else 2
    return Plan(
        sections=sections,
        sms=2 * (sections + 1),
        rollover=rollover or target.base_date != old.base_date,
        loaded_first=under_way + paid,
    )


def check_target(old: KeyTerms, new: KeyTerms, now: dt.datetime) -> None:
    """Whether a configuration can follow another one. Raises KeyChangeRefused: TargetRefused, SameKey."""
    try:
        KeyConfiguration(**{name: value for name, value in asdict(new).items() if name != "register"})
        # The old key may be expired: that is one reason to leave it. The new one may not.
        tid = tid_at(now.astimezone(_WIB).replace(tzinfo=None), new.base_date)
        if not ken_allows(tid, new.ken):
            raise NewKENExpired(f"The new key is expired: its KEN is {new.ken}, today needs {tid >> 16}.")
    except STSError as error:
        raise TargetRefused(error) from error
    if (old.ea, new.ea) == ("11", "07"):
        raise KeyChangeRefused("A key change leads from EA07 to EA11, not back.")
    if old == new:
        raise SameKey("The meter has this key already.")


def request_key_change(
    *, meter: Meter, target: KeyTerms, reason: str, requested_by: Login, now: dt.datetime, rollover: bool = False
) -> Approval:
    """
    Ask a second person for a key change; what he approves is written down to the last field.

    Raises:
        KeyChangeRefused: see plan_key_change; an audit line says so.
        ValueError: no reason.
    """
    meter.refresh_from_db()
    try:
        plan = plan_key_change(meter=meter, target=target, now=now, rollover=rollover)
    except KeyChangeRefused as error:
        _refused(error.code, str(error), "vending.request_key_change", meter.pk, f"login:{requested_by.pk}", now)
        raise
    detail = {
        "meter": meter.pk,
        "drn": meter.drn,
        "old": asdict(key_terms(meter)),
        "new": asdict(target),
        "rollover": plan.rollover,
    }
    return request_approval(
        verb=VERB, subject=f"meter:{meter.pk}", detail=detail, reason=reason, requested_by=requested_by, now=now
    )


def order_key_change(*, approval_id: int, source: KeyChangeSource, actor: str, now: dt.datetime) -> KeyChange:
    """
    Do what was approved: T1, the tokens, T2. Loading and proof follow by the meter's own answers.

    Raises:
        ApprovalRefused: not approved, expired, used.
        KeyChangeRefused: see plan_key_change, and ConfigurationChanged. An audit line says so; the approval stays unspent.
    """
    meter_id = Approval.objects.get(pk=approval_id, verb=VERB).detail["meter"]
    try:
        change = _fix(approval_id, meter_id, actor, now)
    except (ApprovalRefused, KeyChangeRefused) as error:
        _refused(error.code, str(error), VERB, meter_id, actor, now)
        raise
    return _obtain(change, source, now)


def _fix(approval_id: int, meter_id: int, actor: str, now: dt.datetime) -> KeyChange:
    """Entry (T1)."""
    with transaction.atomic(durable=True):
        approval = use_approval(approval_id=approval_id, verb=VERB, subject=f"meter:{meter_id}", now=now)
        change = begin_change(
            meter_id=meter_id,
            old=KeyTerms(**approval.detail["old"]),
            new=KeyTerms(**approval.detail["new"]),
            rollover=approval.detail["rollover"],
            approval_id=approval.pk,
            now=now,
        )
        audit.record(
            at=now,
            actor=actor,
            verb=VERB,
            subject=f"meter:{meter_id}",
            reason=approval.reason,
            correlation=change.correlation,
            detail={"change": change.pk, "approval": approval.pk, **_both(change)},
        )
    LOG.info("key change %d ordered", change.pk, extra={"correlation": change.correlation})
    return change


def begin_change(
    *,
    meter_id: int,
    old: KeyTerms,
    new: KeyTerms,
    rollover: bool,
    now: dt.datetime,
    approval_id: int | None = None,
    roll_id: int | None = None,
) -> KeyChange:
    """
    Joining: the row that fixes all that decides a change's tokens, under an approval of its own or a standing one.

    Raises:
        KeyChangeRefused: see plan_key_change, and ConfigurationChanged.
    """
    # Two who approve at once meet here. Not the whole row: a purchase holds its TIDs and then refers to the meter.
    meter = Meter.objects.select_for_update(no_key=True).get(pk=meter_id)
    lock_tids(meter_id=meter_id, base_dates={old.base_date, new.base_date})
    if key_terms(meter) != old:
        raise ConfigurationChanged("The meter's key is not the one that was to be left.")
    plan = plan_key_change(meter=meter, target=new, now=now, rollover=rollover)
    return KeyChange.objects.create(
        request_id=uuid.uuid4(),
        meter=meter,
        approval_id=approval_id,
        roll_id=roll_id,
        state=KeyChange.State.ORDERED,
        correlation=uuid.uuid4(),
        old=asdict(old),
        new=asdict(new),
        rollover=plan.rollover,
        proof_tid=next_tid(meter_id=meter_id, base_date=new.base_date, ken=new.ken, now=now),
        proof_rnd=secrets.randbelow(16),
        ordered_at=now,
        # The sweeper keeps away as long as whoever orders is likely to be at it; a purchase leaves the tokens to it.
        obtain_not_before_at=_in(0 if roll_id is not None else OBTAIN_RETRY_S),
    )


def _both(change: KeyChange) -> dict[str, Any]:
    return {"old": change.old, "new": change.new, "rollover": change.rollover}


def _obtain(change: KeyChange, source: KeyChangeSource, now: dt.datetime) -> KeyChange:
    """The tokens (no transaction is open here), and T2 with what came of it."""
    answer = source.change_key(
        KeyChangeRequest(
            request_id=change.request_id,
            pan=change.meter.pan,
            old=KeyTerms(**change.old),
            new=KeyTerms(**change.new),
            rollover=change.rollover,
            proof_tid=change.proof_tid,
            proof_rnd=change.proof_rnd,
        )
    )
    with transaction.atomic(durable=True):
        row = KeyChange.objects.select_for_update(no_key=True).get(pk=change.pk)
        if row.state == KeyChange.State.ORDERED:
            match answer:
                case KeyChangeTokens():
                    _begin(row, answer, now)
                case Refused():
                    fail(row, answer.code, now)
                case Unknown():
                    wait_s = min(OBTAIN_RETRY_S * 2 ** min(row.obtain_attempts, 10), OBTAIN_RETRY_S_MAX)
                    row.obtain_attempts, row.obtain_not_before_at = row.obtain_attempts + 1, _in(wait_s)
                    row.save(update_fields=["obtain_attempts", "obtain_not_before_at"])
    return row


def _in(seconds: int) -> dt.datetime:
    """Machine time, so many seconds from now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() + %s * interval '1 second'", [seconds])
        at: dt.datetime = cursor.fetchone()[0]
    return at


def _begin(change: KeyChange, tokens: KeyChangeTokens, now: dt.datetime) -> None:
    parts = {**tokens.sections, KeyChangePart.PROOF: tokens.proof}
    for step in sorted(parts, key=_turn):
        part = KeyChangePart.objects.create(change=change, step=step, digits=parts[step])
        if step not in (KeyChangePart.COMPLETING, KeyChangePart.PROOF):
            queue_part(change, part, now)
    change.state = KeyChange.State.LOADING
    change.save(update_fields=["state"])


def _turn(step: str) -> tuple[bool, bool, bool, str]:
    """2.8 and 2.9 before 2.3: a meter of EA07 that sees them first knows that its new key has four parts."""
    return step == KeyChangePart.PROOF, step == KeyChangePart.COMPLETING, step == "2.3", step


def resume_key_changes(*, source: KeyChangeSource, now: dt.datetime) -> int:
    """What a crash, a silent meter or a token still to be loaded left waiting; returns how many changes moved."""
    moved, under_way = 0, (Command.State.QUEUED, Command.State.SENT)
    out = Vend.objects.filter(meter_id=OuterRef("meter_id"), state__in=(Vend.State.PAID, Vend.State.ISSUED))
    # What waits for the change itself does not hold it back.
    out = out.filter(Q(waits_for=None) | ~Q(waits_for=OuterRef("pk")))
    asked = KeyChangePart.objects.filter(change=OuterRef("pk"), command__state__in=under_way)
    # Only those that can move: silent meters and tokens on their way must not stand in front of the others.
    due = (
        Q(state=KeyChange.State.ORDERED, obtain_not_before_at__lte=_in(0))
        | Q(~Exists(out), ~Exists(asked), state=KeyChange.State.LOADING)
        | Q(~Exists(asked), state=KeyChange.State.CLOSING)
    )
    for change in KeyChange.objects.filter(due).select_related("meter").order_by("pk")[:BATCH_MAX]:
        if change.state == KeyChange.State.ORDERED:
            moved += _obtain(change, source, now).state != KeyChange.State.ORDERED
        else:
            with transaction.atomic(durable=True):
                moved += advance(change_id=change.pk, now=now)
    return moved


def withdraw_key_change(*, change_id: int, actor: str, now: dt.datetime) -> None:
    """
    Entry: give up a change whose last part was never sent, so that the meter surely has its old key.

    Raises:
        NotWithdrawable: an audit line says so.
    """
    with transaction.atomic(durable=True):
        change = KeyChange.objects.select_for_update(no_key=True).get(pk=change_id)
        fine = change.state in (KeyChange.State.ORDERED, KeyChange.State.LOADING)
        if fine:
            withdraw(change, actor=actor, code="", now=now)
    if not fine:
        error = NotWithdrawable("Only the meter can say now which key it has.")
        _refused(error.code, str(error), "vending.withdraw_key_change", change.meter_id, actor, now)
        raise error


def _refused(code: str, reason: str, verb: str, meter_id: int, actor: str, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        audit.record_refusal(at=now, actor=actor, verb=verb, subject=f"meter:{meter_id}", code=code, reason=reason)
