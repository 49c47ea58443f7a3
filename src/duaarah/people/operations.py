# SPDX-License-Identifier: Apache-2.0
"""Verbs of people: PINs with lock-out, and the second person of a dangerous deed."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.people.hashers import PINHasher
from duaarah.people.models import AccountHolder, Approval, Language, Login

PIN_FAILURES_MAX = 3
PIN_LOCK_S = 3600
APPROVAL_LIFE_S = 24 * 3600


class PINRefused(Exception):
    """The PIN is wrong, missing or locked. Nothing was done."""

    code = "pin_refused"


class PINLocked(PINRefused):
    """Too many wrong PINs; the PIN is locked for an hour."""

    code = "pin_locked"


class ApprovalRefused(Exception):
    """This approval cannot be decided or used that way."""

    code = "approval_refused"


def set_pin(*, holder: AccountHolder, pin: str) -> None:
    """Store the PIN's salted hash. Raises ValueError unless it is six digits."""
    if len(pin) != 6 or not (pin.isascii() and pin.isdigit()):
        raise ValueError("A PIN is six digits.")
    holder.pin_hash = make_password(pin, hasher=PINHasher.algorithm)
    holder.pin_failures = 0
    holder.pin_locked_until_at = None
    holder.save(update_fields=["pin_hash", "pin_failures", "pin_locked_until_at"])


def check_pin(*, holder: AccountHolder, pin: str, now: dt.datetime) -> None:
    """
    Entry: pass only with the right PIN; a wrong one is counted, whatever the caller does next.

    Raises:
        PINLocked: three wrong PINs within the lock.
        PINRefused: wrong PIN, or none was ever set.
    """
    with transaction.atomic(durable=True):
        row = AccountHolder.objects.select_for_update().get(pk=holder.pk)
        locked = row.pin_locked_until_at is not None and row.pin_locked_until_at > now
        right = not locked and bool(row.pin_hash) and check_password(pin, row.pin_hash)
        if right:
            if row.pin_failures:
                row.pin_failures = 0
                row.save(update_fields=["pin_failures"])
            return
        if not locked:
            row.pin_failures += 1
            if row.pin_failures >= PIN_FAILURES_MAX:
                row.pin_failures, locked = 0, True
                row.pin_locked_until_at = now + dt.timedelta(seconds=PIN_LOCK_S)
            row.save(update_fields=["pin_failures", "pin_locked_until_at"])
        error = PINLocked("The PIN is locked for an hour.") if locked else PINRefused("The PIN is wrong.")
        audit.record_refusal(
            at=now, actor=f"holder:{row.pk}", verb="people.check_pin", subject=f"holder:{row.pk}", code=error.code
        )
    raise error


def request_approval(
    *, verb: str, subject: str, detail: dict[str, Any], reason: str, requested_by: Login, now: dt.datetime
) -> Approval:
    """
    Entry: ask for a second person; the same asked again by the same person, while it waits, is that request.

    Two equal requests would be two deeds: the forgotten one could be approved hours later, when it is no longer true.
    Raises ValueError without a reason.
    """
    if not reason.strip():
        raise ValueError("A reason is mandatory.")
    with transaction.atomic(durable=True):
        Login.objects.select_for_update(no_key=True).get(pk=requested_by.pk)  # a form sent twice at once meets here
        same = Approval.objects.filter(verb=verb, subject=subject, detail=detail, requested_by=requested_by)
        waits = same.filter(state=Approval.State.REQUESTED, expires_at__gt=now).first()
        if waits is not None:
            return waits
        approval = Approval.objects.create(
            verb=verb,
            subject=subject,
            detail=detail,
            reason=reason.strip(),
            state=Approval.State.REQUESTED,
            requested_by=requested_by,
            requested_at=now,
            expires_at=now + dt.timedelta(seconds=APPROVAL_LIFE_S),
        )
        _audit(approval, "people.request_approval", requested_by, now)
    return approval


def decide_approval(*, approval_id: int, approve: bool, decided_by: Login, now: dt.datetime) -> Approval:
    """
    Entry: the second person says yes or no, once.

    Raises:
        ApprovalRefused: the same person, an expired or an already decided request.
    """
    with transaction.atomic(durable=True):
        approval = Approval.objects.select_for_update().get(pk=approval_id)
        problem = _problem(approval, Approval.State.REQUESTED, now)
        if approval.requested_by_id == decided_by.pk:
            problem = "The one who asks cannot be the one who approves."
        if problem is None:
            approval.state = Approval.State.APPROVED if approve else Approval.State.REFUSED
            approval.decided_by, approval.decided_at = decided_by, now
            approval.save(update_fields=["state", "decided_by", "decided_at"])
            _audit(approval, "people.decide_approval", decided_by, now)
        else:
            audit.record_refusal(
                at=now,
                actor=f"login:{decided_by.pk}",
                verb="people.decide_approval",
                subject=f"approval:{approval.pk}",
                code=ApprovalRefused.code,
                reason=problem,
            )
    if problem is not None:
        raise ApprovalRefused(problem)
    return approval


def use_approval(*, approval_id: int, verb: str, subject: str, now: dt.datetime) -> Approval:
    """
    Joining: spend an approval in the transaction of the deed it allows, once.

    Raises:
        ApprovalRefused: not approved, expired, already used, or for another deed.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("An approval is used in the transaction of the deed.")
    approval = Approval.objects.select_for_update().get(pk=approval_id)
    problem = _problem(approval, Approval.State.APPROVED, now)
    if (approval.verb, approval.subject) != (verb, subject):
        problem = "The approval is for another deed."
    if problem is not None:
        raise ApprovalRefused(problem)
    approval.state = Approval.State.USED
    approval.save(update_fields=["state"])
    return approval


def _problem(approval: Approval, expected: Approval.State, now: dt.datetime) -> str | None:
    if approval.expires_at <= now:
        return "The approval has expired."
    if approval.state != expected:
        return "The approval is not in the state for this."
    return None


def _audit(approval: Approval, verb: str, who: Login, now: dt.datetime) -> None:
    audit.record(
        at=now,
        actor=f"login:{who.pk}",
        verb=verb,
        subject=f"approval:{approval.pk}",
        reason=approval.reason,
        detail={"verb": approval.verb, "subject": approval.subject, "state": approval.state},
    )


def choose_language(*, holder: AccountHolder, language: str, now: dt.datetime) -> None:
    """Entry: the language of a holder's SMS and pages. Raises ValueError for another than id and en."""
    if language not in Language.values:
        raise ValueError("The language is id or en.")
    with transaction.atomic(durable=True):
        AccountHolder.objects.filter(pk=holder.pk).update(language=language)
        audit.record(
            at=now,
            actor=f"holder:{holder.pk}",
            verb="people.choose_language",
            subject=f"holder:{holder.pk}",
            detail={"language": language},
        )
