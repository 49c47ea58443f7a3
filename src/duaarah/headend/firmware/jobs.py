# SPDX-License-Identifier: Apache-2.0
"""
One meter's firmware, one session after another: begin, blocks, verification, activation, the version read back.

A session is bounded (BLOCKS_A_SESSION); between two of them nothing is held but what the meter itself has. Whatever dies
in a session, the next one asks the meter for its bitmap and sends what is missing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.headend.firmware_models import Firmware, FirmwareJob
from duaarah.headend.operations.lines import LineRefused, hold_line, leave_line
from duaarah.headend.ports import ImageAnswer, Lines, LineTerms

BLOCKS_A_SESSION = 250
TOGETHER_MAX = 24
OTHER_COUNTERS = 64
LEASE_S = 600
TRIES_MAX = 8
RETRY_S, RETRY_S_MAX = 30, 3600
State = FirmwareJob.State

# VERIFIED waits for its time; a stopped roll-out is still asked what its activated meters run.
_CLAIM = """
UPDATE headend_firmwarejob SET lease_until_at = clock_timestamp() + %(lease)s * interval '1 second'
WHERE id IN (
    SELECT j.id FROM headend_firmwarejob j JOIN headend_firmwarerollout r ON r.id = j.rollout_id
    WHERE j.not_before_at <= clock_timestamp() AND (j.lease_until_at IS NULL OR j.lease_until_at < clock_timestamp())
        AND ((j.state IN ('WAITING', 'SENDING') AND r.state = 'RUNNING' AND j.stage <= r.stage)
            OR (j.state = 'VERIFIED' AND r.state = 'RUNNING' AND (r.activate_at IS NULL OR r.activate_at <= %(now)s))
            OR j.state = 'ACTIVATED')
    ORDER BY j.not_before_at, j.id LIMIT %(limit)s FOR UPDATE OF j SKIP LOCKED)
RETURNING id
"""

_LATER = """
UPDATE headend_firmwarejob SET lease_until_at = NULL,
    not_before_at = clock_timestamp() + %s * interval '1 second'
WHERE id = %s
"""


def run_due_jobs(*, lines: Lines, now: dt.datetime, limit: int = TOGETHER_MAX) -> int:
    """
    One session each of up to `limit` jobs that are due, all at once; returns how many. Threads of their own talk to the
    meters and touch no database.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease": LEASE_S, "now": now, "limit": limit})
        claimed = [row[0] for row in cursor.fetchall()]
    held: list[tuple[FirmwareJob, LineTerms]] = []
    jobs = FirmwareJob.objects.select_related("rollout__firmware").defer("rollout__firmware__content")
    for job in jobs.filter(pk__in=claimed):
        try:
            with transaction.atomic(durable=True):
                terms = hold_line(meter_id=job.meter_id, counters=BLOCKS_A_SESSION + OTHER_COUNTERS)
            held.append((job, terms))
        except LineRefused as error:
            _keep(job.pk, None, None, error.code, now)
    if held:
        # An image is in memory once, however many meters get it.
        sent = {job.rollout.firmware_id for job, _ in held if job.state == State.SENDING}
        found = Firmware.objects.filter(pk__in=sent).values_list("pk", "content")
        contents = {firmware_id: bytes(content) for firmware_id, content in found}
        with ThreadPoolExecutor(max_workers=len(held)) as threads:
            answers = threads.map(lambda one: _session(one[0], one[1], lines, contents), held)
            for (job, terms), answer in zip(held, answers, strict=True):
                _keep(job.pk, answer, terms, "", now)
    return len(claimed)


def _session(job: FirmwareJob, terms: LineTerms, lines: Lines, contents: Mapping[int, bytes]) -> ImageAnswer:
    """In a thread of its own: everything that it reads is loaded."""
    firmware = job.rollout.firmware
    match job.state:
        case State.WAITING:
            name = f"{firmware.version}-{bytes(firmware.digest).hex()[:8]}".encode("ascii", "replace")
            return lines.begin_image(terms=terms, identification=name[:48], octets=firmware.octets)
        case State.SENDING:
            return lines.send_image(terms=terms, content=contents[firmware.pk], blocks_max=BLOCKS_A_SESSION)
        case State.VERIFIED:
            return lines.activate_image(terms=terms)
    return lines.read_version(terms=terms)


def _keep(job_id: int, answer: ImageAnswer | None, terms: LineTerms | None, code: str, now: dt.datetime) -> None:
    """Entry: what the session has brought. A stop that came meanwhile stands."""
    with transaction.atomic(durable=True):
        rows = FirmwareJob.objects.select_related("rollout__firmware").defer("rollout__firmware__content")
        job = rows.select_for_update(of=("self",)).get(pk=job_id)
        if answer is not None and terms is not None:
            leave_line(meter_id=job.meter_id, terms=terms, window=answer.window, now=now)
            job.blocks, job.blocks_there = answer.blocks or job.blocks, answer.there or job.blocks_there
            job.blocks_sent += answer.sent
        before = job.state
        if answer is None or answer.outcome == "failed":
            _try_later(job, answer, code or (answer.code if answer else ""))
        elif answer.outcome == "refused":
            _refuse(job, answer.code)
        else:
            _go_on(job, answer)
        wait_s = 0 if not job.tries else min(RETRY_S * 2 ** (job.tries - 1), RETRY_S_MAX)
        if job.state in (State.DONE, State.FAILED):
            job.closed_at = now
        job.save()
        with connection.cursor() as cursor:
            cursor.execute(_LATER, [wait_s, job.pk])
        if job.state != before:
            _record(job, now)


def _go_on(job: FirmwareJob, answer: ImageAnswer) -> None:
    wanted = job.rollout.firmware.version
    job.tries, job.result = 0, ""
    match job.state:
        case State.WAITING:
            job.version_before = answer.version[:40]
            # Whoever runs it already is done, and nothing is sent.
            job.state = State.DONE if answer.version == wanted else State.SENDING
            job.version_after = answer.version[:40] if job.state == State.DONE else ""
        case State.SENDING if answer.state == "verified":
            job.state = State.VERIFIED
        case State.VERIFIED:
            job.state = State.ACTIVATED
        case State.STOPPED if answer.state == "activated":
            # The stop came while it was told to activate: what it runs now is asked all the same.
            job.state, job.closed_at = State.ACTIVATED, None
        case State.ACTIVATED:
            job.version_after = answer.version[:40]
            if answer.version == wanted:
                job.state = State.DONE
            else:
                # It may still be starting with the new one.
                _count(job, "other_version")


def _try_later(job: FirmwareJob, answer: ImageAnswer | None, code: str) -> None:
    """A session that got blocks across was no failure: meters in bad reception get there by many of them."""
    if answer is not None and answer.sent:
        job.tries = 0
    _count(job, code)


def _count(job: FirmwareJob, code: str) -> None:
    job.tries, job.result = job.tries + 1, code[:40]
    if job.tries >= TRIES_MAX and job.state != State.STOPPED:
        job.state = State.FAILED


def _refuse(job: FirmwareJob, code: str) -> None:
    """The meter's own word. One that has no image of ours any more is sent it from the beginning."""
    if job.state == State.SENDING and code == "temporary_failure":
        job.state, job.blocks_there = State.WAITING, 0
        _count(job, code)
        return
    job.result = code[:40]
    if job.state != State.STOPPED:
        job.state = State.FAILED


def _record(job: FirmwareJob, now: dt.datetime) -> None:
    what: dict[str, Any] = {
        "at": now,
        "actor": f"meter:{job.meter_id}",
        "verb": "headend.firmware_job",
        "subject": f"meter:{job.meter_id}",
        "correlation": job.rollout.correlation,
        "detail": {"job": job.pk, "state": job.state, "version": job.version_after or job.rollout.firmware.version},
    }
    if job.state == State.FAILED:
        audit.record_refusal(code=job.result, **what)
    else:
        audit.record(**what)
