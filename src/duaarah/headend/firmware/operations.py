# SPDX-License-Identifier: Apache-2.0
"""Verbs of firmware: take a signed file, ask for a roll-out, begin it, pause, go on, stop. `jobs` does the work."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.headend.firmware_models import Firmware, FirmwareJob, FirmwareRollout
from duaarah.headend.shipment_models import Maker
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval

VERB = "headend.roll_out_firmware"
KEY_OCTETS, SIGNATURE_OCTETS = 32, 64
IMAGE_OCTETS_MAX = 8 * 1024 * 1024
FAILURES_PERCENT = 5
UNDER_WAY = (
    FirmwareJob.State.WAITING,
    FirmwareJob.State.SENDING,
    FirmwareJob.State.VERIFIED,
    FirmwareJob.State.ACTIVATED,
)
OPEN = (FirmwareRollout.State.RUNNING, FirmwareRollout.State.PAUSED)


class FirmwareRefused(Exception):
    """The firmware was not taken or not rolled out; `code` says why. Nothing was changed."""

    code = "firmware_refused"
    retryable = False


class NotSigned(FirmwareRefused):
    """The signature is not this maker's over this file, or nobody has entered the maker's key."""

    code = "not_signed"


class BadImage(FirmwareRefused):
    """This cannot be an image: empty, too large, or without a version."""

    code = "bad_image"


class BadPlan(FirmwareRefused):
    """A roll-out begins with at least one meter, then 1 to 100 percent; what is activated later lies ahead."""

    code = "bad_plan"


class RolloutUnderWay(FirmwareRefused):
    """This firmware is being rolled out already."""

    code = "rollout_under_way"


class NobodyThere(FirmwareRefused):
    """No meter of this kind answers over IP without another firmware under way."""

    code = "no_meters"


class WrongMoment(FirmwareRefused):
    """The roll-out is not in the state for this."""

    code = "wrong_moment"


def set_firmware_key(*, maker: Maker, key: bytes, actor: str, now: dt.datetime) -> None:
    """Entry: the public key (Ed25519, 32 octets) that a maker signs firmware with. Raises FirmwareRefused."""
    if len(key) != KEY_OCTETS:
        raise NotSigned("A public key of Ed25519 has 32 octets (64 hex digits).")
    with transaction.atomic(durable=True):
        Maker.objects.filter(pk=maker.pk).update(firmware_key=key)
        audit.record(
            at=now,
            actor=actor,
            verb="headend.set_firmware_key",
            subject=f"maker:{maker.code}",
            detail={"sha256": hashlib.sha256(key).hexdigest()},
        )


def take_firmware(
    *,
    maker: Maker,
    profile: str,
    version: str,
    file_name: str,
    content: bytes,
    signature: bytes,
    actor: str,
    now: dt.datetime,
) -> Firmware:
    """
    Entry: keep an image that its maker has signed; the same again is the same row.

    Raises:
        FirmwareRefused: NotSigned, BadImage; an audit line says so.
    """
    digest = hashlib.sha256(content).digest()
    maker.refresh_from_db(fields=["firmware_key"])
    try:
        if not 0 < len(content) <= IMAGE_OCTETS_MAX or not 0 < len(version.strip()) <= 40:
            raise BadImage("An image has 1 octet to 8 MiB, and a version of at most 40 characters.")
        _check_signature(bytes(maker.firmware_key), content, signature)
    except FirmwareRefused as error:
        _refused(error, "headend.take_firmware", f"maker:{maker.code}", actor, now, sha256=digest.hex())
        raise
    with transaction.atomic(durable=True):
        firmware, new = Firmware.objects.get_or_create(
            profile=profile,
            digest=digest,
            defaults={
                **{"maker": maker, "version": version.strip(), "file_name": file_name[:200], "content": content},
                **{"signature": signature, "octets": len(content), "taken_at": now, "taken_by": actor},
            },
        )
        if new:
            audit.record(
                at=now,
                actor=actor,
                verb="headend.take_firmware",
                subject=f"firmware:{firmware.pk}",
                detail={"maker": maker.code, "profile": profile, "version": version, "sha256": digest.hex()},
            )
    return firmware


def _check_signature(key: bytes, content: bytes, signature: bytes) -> None:
    if len(key) != KEY_OCTETS:
        raise NotSigned("Nobody has entered this maker's firmware key.")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
    except (InvalidSignature, ValueError):
        raise NotSigned("The signature is not this maker's over this file.") from None


def count_meters(firmware: Firmware) -> int:
    """How many meters a roll-out that begins now would have."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({_MEETS}) AS m", {"profile": firmware.profile, "salt": ""})
        found: int = cursor.fetchone()[0]
    return found


def request_rollout(
    *,
    firmware: Firmware,
    first: int,
    percent: int,
    activate_at: dt.datetime | None,
    reason: str,
    requested_by: Login,
    now: dt.datetime,
    failures_percent: int = FAILURES_PERCENT,
) -> Approval:
    """
    Ask a second person for a roll-out; what he approves is written down to the last field.

    Raises:
        FirmwareRefused: BadPlan, RolloutUnderWay, NobodyThere; an audit line says so.
        ValueError: no reason.
    """
    subject = f"firmware:{firmware.pk}"
    try:
        _check_plan(firmware, first, percent, failures_percent, activate_at, now)
    except FirmwareRefused as error:
        _refused(error, "headend.request_rollout", subject, f"login:{requested_by.pk}", now)
        raise
    detail = {
        "firmware": firmware.pk,
        "version": firmware.version,
        "profile": firmware.profile,
        "sha256": bytes(firmware.digest).hex(),
        "meters": count_meters(firmware),
        "first": first,
        "percent": percent,
        "failures_percent": failures_percent,
        "activate_at": activate_at.isoformat() if activate_at else None,
    }
    return request_approval(
        verb=VERB, subject=subject, detail=detail, reason=reason, requested_by=requested_by, now=now
    )


def _check_plan(
    firmware: Firmware,
    first: int,
    percent: int,
    failures_percent: int,
    activate_at: dt.datetime | None,
    now: dt.datetime,
) -> None:
    if first < 1 or not 1 <= percent <= 100 or not 0 <= failures_percent <= 100:
        raise BadPlan("A roll-out begins with at least one meter, then goes to 1 to 100 percent.")
    if activate_at is not None and activate_at <= now:
        raise BadPlan("What is activated later lies ahead.")
    if FirmwareRollout.objects.filter(firmware=firmware, state__in=OPEN).exists():
        raise RolloutUnderWay("This firmware is being rolled out.")
    if not count_meters(firmware):
        raise NobodyThere("No meter of this kind answers over IP and is free.")


# Which meters come first is drawn by the roll-out's own salt: neither the oldest nor one street.
_MEETS = """
SELECT m.id, row_number() OVER (ORDER BY md5(%(salt)s || m.id::text)) AS place, count(*) OVER () AS meters
FROM registry_meter m JOIN headend_meterline l ON l.meter_id = m.id
WHERE m.profile = %(profile)s AND NOT EXISTS (SELECT 1 FROM headend_firmwarejob j WHERE j.meter_id = m.id
    AND j.state IN ('WAITING', 'SENDING', 'VERIFIED', 'ACTIVATED'))
"""

_JOBS = f"""
INSERT INTO headend_firmwarejob (rollout_id, meter_id, stage, state, blocks, blocks_there, blocks_sent, tries,
    not_before_at, version_before, version_after, result)
SELECT %(rollout)s, id,
    CASE WHEN place <= %(first)s THEN 1 WHEN place <= greatest(%(first)s, meters * %(percent)s / 100) THEN 2 ELSE 3 END,
    'WAITING', 0, 0, 0, 0, clock_timestamp(), '', '', ''
FROM ({_MEETS}) AS meets
"""


def begin_rollout(*, approval_id: int, actor: str, now: dt.datetime) -> FirmwareRollout:
    """
    Entry: begin what was approved, once: its jobs exist from here on, stage 1 runs.

    Raises:
        ApprovalRefused, FirmwareRefused: an audit line says so, the approval stays unspent.
    """
    approval = Approval.objects.get(pk=approval_id, verb=VERB)
    if (begun := FirmwareRollout.objects.filter(approval=approval).first()) is not None:
        return begun
    detail = approval.detail
    activate_at = dt.datetime.fromisoformat(detail["activate_at"]) if detail["activate_at"] else None
    try:
        with transaction.atomic(durable=True):
            firmware = Firmware.objects.defer("content").get(pk=detail["firmware"])
            # All images of this kind of meter: two that begin at once would reach for the same meters.
            list(Firmware.objects.select_for_update().filter(profile=firmware.profile).order_by("pk").values_list("pk"))
            use_approval(approval_id=approval_id, verb=VERB, subject=f"firmware:{firmware.pk}", now=now)
            plan = (detail["first"], detail["percent"], detail["failures_percent"])
            _check_plan(firmware, *plan, activate_at, now)
            rollout = FirmwareRollout.objects.create(
                firmware=firmware,
                approval=approval,
                state=FirmwareRollout.State.RUNNING,
                first=plan[0],
                percent=plan[1],
                failures_percent=plan[2],
                activate_at=activate_at,
                reason=approval.reason,
                ordered_by=actor,
                ordered_at=now,
                correlation=uuid.uuid4(),
            )
            with connection.cursor() as cursor:
                known: dict[str, Any] = {
                    "profile": firmware.profile,
                    "salt": str(rollout.correlation),
                    "rollout": rollout.pk,
                }
                cursor.execute(_JOBS, {**known, "first": plan[0], "percent": plan[1]})
                _audit(rollout, VERB, actor, now, meters=cursor.rowcount, version=firmware.version)
    except (ApprovalRefused, FirmwareRefused) as error:
        _refused(error, VERB, approval.subject, actor, now)
        raise
    return rollout


def pause_rollout(*, rollout_id: int, actor: str, now: dt.datetime) -> None:
    """Entry: no further session begins until it goes on. Raises WrongMoment."""
    _turn(rollout_id, {"RUNNING"}, FirmwareRollout.State.PAUSED, "headend.pause_rollout", actor, now, why="person")


def resume_rollout(*, rollout_id: int, actor: str, now: dt.datetime) -> None:
    """Entry: go on, also past a stage that failed too often; what failed stays failed. Raises WrongMoment."""
    _turn(rollout_id, {"PAUSED"}, FirmwareRollout.State.RUNNING, "headend.resume_rollout", actor, now)


def stop_rollout(*, rollout_id: int, actor: str, now: dt.datetime) -> None:
    """Entry: for good; meters that were told to activate are still asked for their version. Raises WrongMoment."""
    _turn(rollout_id, {"RUNNING", "PAUSED"}, FirmwareRollout.State.STOPPED, "headend.stop_rollout", actor, now)


def _turn(
    rollout_id: int, allowed: set[str], state: str, verb: str, actor: str, now: dt.datetime, why: str = ""
) -> None:
    try:
        with transaction.atomic(durable=True):
            rollout = FirmwareRollout.objects.select_for_update().get(pk=rollout_id)
            if rollout.state not in allowed:
                raise WrongMoment("The roll-out is not in the state for this.")
            resumed = rollout.state == FirmwareRollout.State.PAUSED and rollout.paused_why == "failures"
            rollout.state, rollout.paused_why = state, why
            if state == FirmwareRollout.State.RUNNING and resumed:
                # Somebody has looked at the failures and takes them.
                rollout.stage = min(rollout.stage + 1, 3)
            if state == FirmwareRollout.State.STOPPED:
                rollout.closed_at = now
                rollout.jobs.filter(state__in=("WAITING", "SENDING", "VERIFIED")).update(
                    state=FirmwareJob.State.STOPPED, closed_at=now, lease_until_at=None
                )
            rollout.save(update_fields=["state", "paused_why", "stage", "closed_at"])
            _audit(rollout, verb, actor, now)
    except WrongMoment as error:
        _refused(error, verb, f"rollout:{rollout_id}", actor, now)
        raise


def advance_rollouts(*, now: dt.datetime) -> int:
    """Entries: the next stage where one is over, a pause where too many failed, the end; returns how many moved."""
    moved = 0
    for rollout_id in FirmwareRollout.objects.filter(state="RUNNING").values_list("pk", flat=True):
        with transaction.atomic(durable=True):
            rollout = FirmwareRollout.objects.select_for_update().get(pk=rollout_id)
            moved += rollout.state == FirmwareRollout.State.RUNNING and _advance(rollout, now)
    return moved


def _advance(rollout: FirmwareRollout, now: dt.datetime) -> bool:
    if rollout.jobs.filter(stage__lte=rollout.stage, state__in=UNDER_WAY).exists():
        return False
    stage = rollout.jobs.filter(stage=rollout.stage)
    failed, jobs = stage.filter(state=FirmwareJob.State.FAILED).count(), stage.count()
    if rollout.stage < 3 and failed * 100 > rollout.failures_percent * jobs:
        rollout.state, rollout.paused_why = FirmwareRollout.State.PAUSED, "failures"
    elif rollout.jobs.filter(stage__gt=rollout.stage).exists():
        rollout.stage += 1
    else:
        rollout.state, rollout.closed_at = FirmwareRollout.State.DONE, now
    rollout.save(update_fields=["state", "paused_why", "stage", "closed_at"])
    _audit(rollout, "headend.advance_rollout", "headend", now, stage=rollout.stage, failed=failed, of=jobs)
    return True


def _audit(rollout: FirmwareRollout, verb: str, actor: str, now: dt.datetime, **detail: Any) -> None:
    audit.record(
        at=now,
        actor=actor,
        verb=verb,
        subject=f"rollout:{rollout.pk}",
        reason=rollout.reason,
        correlation=rollout.correlation,
        detail={"state": rollout.state, **detail},
    )


def _refused(
    error: FirmwareRefused | ApprovalRefused, verb: str, subject: str, actor: str, now: dt.datetime, **detail: Any
) -> None:
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now, actor=actor, verb=verb, subject=subject, code=error.code, reason=str(error), detail=detail
        )
