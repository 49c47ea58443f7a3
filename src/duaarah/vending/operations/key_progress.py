# SPDX-License-Identifier: Apache-2.0
"""
How a key change goes on, by what the meter has said: parts, last part, proof (ADR 7).

LOADING: every part but the last may be in the meter, so it surely has its old key; tokens are made with that and go first.
CLOSING: begins, under the meter's TID row, when no token of the old key is out; the last part is sent. From here nobody
can say which key the meter has (an answer may be lost, parts lapse after three hours), so no token is made: what is paid
waits. A token without energy, made with the new key, asks the meter: that it can be read proves the change.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from duaarah.audit import operations as audit
from duaarah.core.intent import TokenResult
from duaarah.core.sts import ken_allows
from duaarah.core.sts.meter import KEY_CHANGE_TIMEOUT_S
from duaarah.headend.models import Command
from duaarah.headend.operations import close_command, queue_command, supersede
from duaarah.registry.models import Meter
from duaarah.sms.models import Priority
from duaarah.vending.models import KeyChange, KeyChangePart, Vend
from duaarah.vending.operations.issue import refund_paid
from duaarah.vending.operations.tids import lock_tids, next_tid
from duaarah.vending.ports import Refused

LOG = logging.getLogger(__name__)
ROUNDS_MAX = 3
# Parts older than this are sent again before the last one: the meter forgets them at three hours.
PART_LIFE = dt.timedelta(seconds=KEY_CHANGE_TIMEOUT_S - 1800)
# Any other word of a meter means that the token's check sum fitted: it was read with the key that it was made with.
_NOT_READ = frozenset({"crc", "lockout"})
_UNANSWERED = frozenset({Command.State.EXPIRED, Command.State.CANCELLED})
_UNDER_WAY = frozenset({Command.State.QUEUED, Command.State.SENT})
_TERMS = ("dkga", "ea", "sgc", "ti", "krn", "kt", "ken", "base_date")


def record_key_part(*, command_id: int, report: TokenResult, now: dt.datetime) -> bool:
    """Joining (T4): the meter's word on a token of a key change, and what follows; False when it is none."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A key change goes on in the transaction that read the answer.")
    command = Command.objects.filter(pk=command_id, kind=Command.Kind.LOAD_KEY).first()
    if command is None:
        return False
    part = KeyChangePart.objects.filter(command_id=command_id).first()
    proof = part is not None and part.step == KeyChangePart.PROOF
    fine = report.result not in _NOT_READ if proof else report.result == "accept"
    state = Command.State.ACKED if fine else Command.State.REJECTED
    if close_command(command_id=command_id, state=state, result=report.result, now=now) and part is not None:
        what: dict[str, Any] = {
            "at": now,
            "actor": f"meter:{command.meter_id}",
            "verb": "vending.record_key_part",
            "subject": f"meter:{command.meter_id}",
            "correlation": command.correlation,
            "detail": {"change": part.change_id, "part": part.step, "result": report.result},
        }
        if fine:
            audit.record(**what)
        else:
            audit.record_refusal(code=report.result, **what)
        advance(change_id=part.change_id, now=now)
    return True


def advance(*, change_id: int, now: dt.datetime) -> bool:
    """Joining: take a change as far as the meter's answers carry it; False when there is something to wait for."""
    # Not the whole row: a purchase that waits for this change holds the TIDs and refers to it.
    change = KeyChange.objects.select_for_update(no_key=True).get(pk=change_id)
    parts = {part.step: part for part in change.parts.select_related("command").order_by("pk")}
    if change.state == KeyChange.State.LOADING:
        return _loading(change, parts, now)
    return change.state == KeyChange.State.CLOSING and _closing(change, parts, now)


def _loading(change: KeyChange, parts: dict[str, KeyChangePart], now: dt.datetime) -> bool:
    first = [part for step, part in parts.items() if step not in (KeyChangePart.COMPLETING, KeyChangePart.PROOF)]
    commands = [part.command for part in first if part.command is not None]
    refused = next((c for c in commands if c.state == Command.State.REJECTED), None)
    if refused is not None and refused.result != "crc":
        fail(change, refused.result, now)
        return True
    if refused is not None:
        # Not the old key: perhaps the new one, from a former set that somebody keyed in. The proof tells.
        return _close_in(change, parts[KeyChangePart.PROOF], now)
    silent = [part for part in first if part.command is not None and part.command.state in _UNANSWERED]
    for part in silent:
        queue_part(change, part, now)
    if silent:
        return True
    if any(c.state != Command.State.ACKED for c in commands) or _tokens_out(change):
        return False
    lapsed = [c for c in commands if c.closed_at is not None and now - c.closed_at > PART_LIFE]
    if lapsed:
        for part in first:
            queue_part(change, part, now)
        return True
    return _close_in(change, parts[KeyChangePart.COMPLETING], now)


def _tokens_out(change: KeyChange) -> bool:
    """Tokens of the old key, or to be; what waits for this change gets its key from it."""
    out = Vend.objects.filter(meter_id=change.meter_id, state__in=(Vend.State.PAID, Vend.State.ISSUED))
    return out.filter(Q(waits_for=None) | ~Q(waits_for=change)).exists()


def _close_in(change: KeyChange, part: KeyChangePart, now: dt.datetime) -> bool:
    """From here on no token is made until the meter has shown its key. A token that was begun meanwhile goes first."""
    lock_tids(meter_id=change.meter_id, base_dates={change.old["base_date"], change.new["base_date"]})
    if part.step == KeyChangePart.COMPLETING and _tokens_out(change):
        return False
    change.state = KeyChange.State.CLOSING
    change.save(update_fields=["state"])
    queue_part(change, part, now)
    return True


def _closing(change: KeyChange, parts: dict[str, KeyChangePart], now: dt.datetime) -> bool:
    proof = parts[KeyChangePart.PROOF]
    if proof.command is None:
        commands = [part.command for part in parts.values() if part.command is not None]
        if any(command.state in _UNDER_WAY for command in commands):
            return False
        refused = [c.result for c in commands if c.state == Command.State.REJECTED and c.result != "crc"]
        if refused:
            fail(change, refused[0], now)
        else:
            # Accepted, or refused because an earlier copy was, or never answered: all the same, the meter is asked.
            queue_part(change, proof, now)
        return True
    if proof.command.state in _UNDER_WAY:
        return False
    if proof.command.state in _UNANSWERED:
        # Nobody but the meter can say it, so it is asked for ever; what is paid meanwhile is on the list of late things.
        queue_part(change, proof, now)
    elif proof.command.state == Command.State.ACKED:
        _changed(change, now)
    elif any(p.command is not None and p.command.result == "crc" for p in parts.values() if p is not proof):
        fail(change, "wrong_key", now)
    elif change.round < ROUNDS_MAX:
        _again(change, parts, now)
    else:
        fail(change, "not_taken", now)
    return True


def _again(change: KeyChange, parts: dict[str, KeyChangePart], now: dt.datetime) -> None:
    """
    The meter took the parts, but not as one set: they lapsed on the way. It gets all of them anew, in CLOSING: as long as it
    may remember the last part, any other one completes the set.
    """
    change.round += 1
    change.save(update_fields=["round"])
    for part in parts.values():
        if part.step == KeyChangePart.PROOF:
            part.command = None
            part.save(update_fields=["command"])
        else:
            queue_part(change, part, now)


def queue_part(change: KeyChange, part: KeyChangePart, now: dt.datetime) -> None:
    """Joining: one part on its way under a command of its own; while nobody knows the meter's key, before all else."""
    part.tries += 1
    part.command_id = queue_command(
        request_id=uuid.uuid5(change.request_id, f"{part.step}:{part.tries}"),
        meter_id=change.meter_id,
        kind=Command.Kind.LOAD_KEY,
        payload={"token": part.digits},
        priority=Priority.TOKEN if change.state == KeyChange.State.CLOSING else Priority.DATA,
        correlation=change.correlation,
        now=now,
    )
    part.save(update_fields=["tries", "command"])


def _changed(change: KeyChange, now: dt.datetime) -> None:
    """The registry follows the meter, in the transaction that read its proof."""
    lock_tids(meter_id=change.meter_id, base_dates={change.old["base_date"], change.new["base_date"]})
    columns = {name: change.new[name] for name in _TERMS}
    Meter.objects.filter(pk=change.meter_id).update(sts_register=change.new["register"], **columns)
    for vend in Vend.objects.select_for_update().filter(waits_for=change, state=Vend.State.PAID).order_by("pk"):
        if change.new["base_date"] != vend.base_date:
            vend.tid = next_tid(
                meter_id=change.meter_id, base_date=change.new["base_date"], ken=change.new["ken"], now=now
            )
        for name in _TERMS:
            setattr(vend, name, change.new[name])
        vend.sts_register = change.new["register"]
        vend.save(update_fields=[*_TERMS, "sts_register", "tid"])
    _release(change)
    _close(change, KeyChange.State.CHANGED, "", now)


def fail(change: KeyChange, result: str, now: dt.datetime) -> None:
    """Joining: the meter keeps its old key; what waited goes on with that."""
    supersede(meter_id=change.meter_id, kind=Command.Kind.LOAD_KEY, now=now)
    _pay_back_expired(change, now)
    _release(change)
    _close(change, KeyChange.State.FAILED, result[:30], now)


def withdraw(change: KeyChange, *, actor: str, code: str, now: dt.datetime) -> None:
    """Joining: give up a locked change whose last part never left; what waits goes on with the old key."""
    supersede(meter_id=change.meter_id, kind=Command.Kind.LOAD_KEY, now=now)
    _pay_back_expired(change, now)
    _release(change)
    change.state, change.result, change.closed_at = KeyChange.State.WITHDRAWN, code, now
    change.save(update_fields=["state", "result", "closed_at"])
    audit.record(
        at=now,
        actor=actor,
        verb="vending.withdraw_key_change",
        subject=f"meter:{change.meter_id}",
        correlation=change.correlation,
        detail={"change": change.pk, "code": code},
    )


def _pay_back_expired(change: KeyChange, now: dt.datetime) -> None:
    """
    Purchases that the old key cannot make a token for: with no new key there is none.

    Under the meter's TID row: a purchase that is being taken is seen here, or sees that the change is over.
    """
    lock_tids(meter_id=change.meter_id, base_dates={change.old["base_date"], change.new["base_date"]})
    waiting = Vend.objects.select_for_update(of=("self",)).select_related("payment").filter(waits_for=change)
    for vend in waiting.filter(state=Vend.State.PAID).order_by("pk"):
        if vend.base_date != change.old["base_date"] or not ken_allows(vend.tid, change.old["ken"]):
            refund_paid(
                vend, Refused("ken_expired", "The meter's old key has expired and it did not take a new one."), now
            )


def _release(change: KeyChange) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE vending_vend SET waits_for_id = NULL, obtain_not_before_at = clock_timestamp()"
            " WHERE waits_for_id = %s",
            [change.pk],
        )


def _close(change: KeyChange, state: KeyChange.State, result: str, now: dt.datetime) -> None:
    change.state, change.result, change.closed_at = state, result, now
    change.save(update_fields=["state", "result", "closed_at"])
    what: dict[str, Any] = {
        "at": now,
        "actor": f"meter:{change.meter_id}",
        "verb": "vending.close_key_change",
        "subject": f"meter:{change.meter_id}",
        "correlation": change.correlation,
        "detail": {"change": change.pk, "state": state.value, "round": change.round, "new": change.new},
    }
    if state == KeyChange.State.CHANGED:
        audit.record(**what)
    else:
        audit.record_refusal(code=result, **what)
    LOG.info("key change %d is %s", change.pk, state.value, extra={"correlation": change.correlation})
