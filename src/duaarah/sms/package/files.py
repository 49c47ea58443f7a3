# SPDX-License-Identifier: Apache-2.0
"""An operator's file that was brought to a page: kept as a row, compared by a chore, done in the comparison's transaction."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction
from procrastinate.contrib.django import app

from duaarah.audit import operations as audit
from duaarah.people.models import Organisation
from duaarah.sms.models import RecordFile
from duaarah.sms.package.reconcile import reconcile
from duaarah.sms.package.records import BadFile

OCTETS_MAX = 64 * 1024 * 1024
LEASE_S = 600
ATTEMPTS_MAX = 3
CHORE = "chores.records"

# One file at a time and worker; a worker that died lets it go when its lease ends.
_CLAIM = """
UPDATE sms_recordfile SET state = 'RUNNING', attempts = attempts + 1,
    lease_until_at = clock_timestamp() + %(lease)s * interval '1 second'
WHERE id IN (SELECT id FROM sms_recordfile
             WHERE state = 'WAITING' OR (state = 'RUNNING' AND lease_until_at < clock_timestamp())
             ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, attempts
"""


def bring_records(
    *, operator: Organisation, month_date: dt.date, name: str, content: bytes, actor: str, now: dt.datetime
) -> RecordFile:
    """
    Entry: keep a file and wake the chore that compares it; the row is the queue.

    Raises:
        BadFile: empty, too_large, not_a_month. One audit line, nothing is kept.
    """
    subject, verb = f"operator:{operator.code}", "sms.bring_records"
    problem = None
    if month_date.day != 1 or operator.kind != Organisation.Kind.MOBILE_OPERATOR:
        problem = BadFile("not_a_month", "A file is of one month of a mobile operator.")
    elif not content.strip():
        problem = BadFile("empty", "The file is empty.")
    elif len(content) > OCTETS_MAX:
        problem = BadFile("too_large", "A file has at most 64 MB.")
    with transaction.atomic(durable=True):
        if problem is None:
            row = RecordFile.objects.create(
                operator=operator,
                month_date=month_date,
                name=name[:120],
                content=content,
                octets=len(content),
                rows=content.count(b"\n") + (not content.endswith(b"\n")),
                actor=actor,
                at=now,
            )
            detail = {"file": row.pk, "month": f"{month_date:%Y-%m}", "octets": row.octets}
            audit.record(at=now, actor=actor, verb=verb, subject=subject, detail=detail)
            app.configure_task(CHORE, queue="chores", queueing_lock=None).defer(timestamp=0)
            return row
        audit.record_refusal(at=now, actor=actor, verb=verb, subject=subject, code=problem.code, reason=str(problem))
    raise problem


def compare_waiting(*, now: dt.datetime) -> int:
    """
    Entry in steps: claim one waiting file, compare it, say how it ended; returns how many (0 or 1).

    A refused file is FAILED with its code. A worker that dies leaves the lease; the third attempt is the last.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease": LEASE_S})
        claimed = cursor.fetchone()
    if claimed is None:
        return 0
    file = RecordFile.objects.select_related("operator").get(pk=claimed[0])
    code, why = "gave_up", "It was tried three times and did not end."
    if claimed[1] <= ATTEMPTS_MAX:
        try:
            reconcile(
                operator=file.operator,
                month_date=file.month_date,
                content=bytes(file.content),
                actor=file.actor,
                now=now,
                file_id=file.pk,
            )
            return 1
        except BadFile as bad:
            code, why = bad.code, str(bad)
    with transaction.atomic(durable=True):
        RecordFile.objects.filter(pk=file.pk, state=RecordFile.State.RUNNING).update(
            state=RecordFile.State.FAILED, code=code, why=why[:200], content=b"", lease_until_at=None
        )
    return 1
