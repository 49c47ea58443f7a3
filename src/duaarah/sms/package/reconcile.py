# SPDX-License-Identifier: Apache-2.0
"""A month of ours against an operator's records: three lists, line by line, and the ambiguous ones decided from them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.people.models import Organisation
from duaarah.sms.operations.decide import NotAmbiguous, RecordTaken, decide_segment
from duaarah.sms.package.records import BadFile, Record, RowError, key_of, read_records
from duaarah.sms.reconciliation_models import Reconciliation, ReconciliationLine, RecordFile, RecordFormat

# His clock and ours: an ambiguous SMS and a record of the same destination this near are the same one.
NEAR = dt.timedelta(minutes=10)
# How many records a person chooses from for one ambiguous segment.
CANDIDATES_MAX = 8
_RECONCILE_LOCK = 0x44554103

# What we say was submitted; the months beside are looked up too, since his month goes by another instant than ours.
_OURS = """
SELECT s.id, s.smsc_message_id, s.destination, s.message_class, s.submitted_at, s.state, r.month_date,
    (SELECT t.sms_price_idr FROM sms_subscription u JOIN sms_packageplan p ON p.id = u.plan_id
        JOIN sms_packageterms t ON t.plan_id = p.id AND t.valid_from_date <= r.month_date
     WHERE u.meter_id = s.meter_id AND u.valid @> r.month_date AND p.operator_id = b.operator_id
     ORDER BY p.slot, t.valid_from_date DESC LIMIT 1) AS price_idr
FROM sms_outboundsegment s JOIN sms_bind b ON b.id = s.bind_id
JOIN sms_packageentry r ON r.segment_id = s.id AND r.kind = 'RESERVE'
WHERE b.operator_id = %(operator)s AND s.submitted_at IS NOT NULL
    AND r.month_date BETWEEN %(month)s::date - interval '1 month' AND %(month)s::date + interval '1 month'
    AND (s.smsc_message_id <> '' OR s.state = 'AMBIGUOUS')
ORDER BY s.id
"""

List = ReconciliationLine.List


@dataclass(frozen=True, slots=True)
class _Ours:
    """A segment that went out, or may have. `price_idr` is None for a meter without a package."""

    id: int
    message_id: str
    destination: str
    message_class: str
    submitted_at: dt.datetime
    state: str
    month_date: dt.date
    price_idr: int | None


def reconcile(
    *,
    operator: Organisation,
    month_date: dt.date,
    content: bytes,
    actor: str,
    now: dt.datetime,
    file_id: int | None = None,
) -> Reconciliation:
    """
    Entry: compare a month (its first day, WIB) with an operator's file, keep the lines, decide ambiguous segments.

    An ambiguous segment is settled by its one record; it is released only when the month is over, the file has no bad
    row and no record could be it; otherwise it is listed for a person. Doing it again finds what is left. `file_id` is
    the RecordFile that this compares: it is done in the same transaction, so that nothing is compared twice for it.

    Raises:
        BadFile: no_format, not_a_month, or what read_records says. One audit line, nothing moved.
    """
    subject = f"operator:{operator.code}"
    try:
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_RECONCILE_LOCK, operator.pk])
            form = RecordFormat.objects.filter(operator=operator).first()
            if form is None:
                raise BadFile("no_format", "Nobody has said yet how this operator writes his records.")
            if month_date.day != 1:
                raise BadFile("not_a_month", "A month is named by its first day.")
            records, errors = read_records(content, form)
            made = _compare(operator, month_date, content, form, records, errors, actor, now)
            if file_id is not None:
                done = {"state": RecordFile.State.DONE, "content": b"", "reconciliation": made, "lease_until_at": None}
                RecordFile.objects.filter(pk=file_id).update(**done)
            return made
    except BadFile as bad:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now, actor=actor, verb="sms.reconcile", subject=subject, code=bad.code, reason=str(bad)
            )
        raise


def _compare(
    operator: Organisation,
    month_date: dt.date,
    content: bytes,
    form: RecordFormat,
    records: list[Record],
    errors: list[RowError],
    actor: str,
    now: dt.datetime,
) -> Reconciliation:
    with connection.cursor() as cursor:
        cursor.execute(_OURS, {"operator": operator.pk, "month": month_date})
        ours = [_Ours(*row) for row in cursor.fetchall()]
    known = {key_of(item.message_id): item for item in ours if item.message_id}
    lines: list[dict[str, Any]] = [{"list": List.ERROR, "row": e.row, "code": e.code} for e in errors]
    matched, found, strange = 0, set[str](), list[Record]()
    for record in records:
        item = known.get(key_of(record.message_id))
        if item is None:
            strange.append(record)
            continue
        found.add(key_of(record.message_id))
        differences = _differences(item, record, form)
        matched += not differences
        lines += [_line(List.DIFFERENT, item, record, *difference) for difference in differences]
    open_items = [item for item in ours if item.state == "AMBIGUOUS" and not item.message_id]
    over = now.astimezone(dt.timezone(dt.timedelta(hours=7))).date() >= _next_month(month_date)
    decided, strange = _decide(
        [item for item in open_items if item.month_date == month_date],
        strange,
        complete=over and not errors,
        actor=actor,
        now=now,
    )
    lines += decided
    lines += [_line(List.THEIRS_ONLY, None, record, theirs=_theirs_words(record)) for record in strange]
    lines += [
        _line(List.OURS_ONLY, item, None, ours=_ours_words(item))
        for key, item in known.items()
        if item.month_date == month_date and key not in found
    ]
    made = Reconciliation.objects.create(
        operator=operator,
        month_date=month_date,
        digest=hashlib.sha256(content).hexdigest(),
        actor=actor,
        at=now,
        matched=matched,
    )
    ReconciliationLine.objects.bulk_create(
        (ReconciliationLine(reconciliation=made, **line) for line in lines), batch_size=1_000
    )
    audit.record(
        at=now,
        actor=actor,
        verb="sms.reconcile",
        subject=f"operator:{operator.code}",
        detail={"month": f"{month_date:%Y-%m}", "reconciliation": made.pk, "matched": matched, "lines": len(lines)},
    )
    return made


def _next_month(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=31)).replace(day=1)


def _differences(item: _Ours, record: Record, form: RecordFormat) -> list[tuple[str, str, str]]:
    """(code, ours, theirs) of each field that is not the same; a phone number is shown by its last three digits."""
    different: list[tuple[str, str, str]] = []
    if item.destination != record.destination:
        different.append(("destination", _masked(item.destination), _masked(record.destination)))
    if item.price_idr is not None and item.price_idr != record.price_idr:
        different.append(("price", str(item.price_idr), str(record.price_idr)))
    named = form.classes.get(record.message_class)
    if named is not None and item.message_class not in ([named] if isinstance(named, str) else named):
        different.append(("class", item.message_class, record.message_class))
    if abs(item.submitted_at - record.at) > NEAR:
        different.append(("time", f"{item.submitted_at:%Y-%m-%dT%H:%M:%S%z}", f"{record.at:%Y-%m-%dT%H:%M:%S%z}"))
    return different


def _ours_words(item: _Ours) -> str:
    return f"{_masked(item.destination)} {item.submitted_at:%Y-%m-%dT%H:%M:%S%z} {item.message_class}"


def _theirs_words(record: Record) -> str:
    return f"{_masked(record.destination)} {record.at:%Y-%m-%dT%H:%M:%S%z} {record.message_class}"


def _masked(number: str) -> str:
    return f"...{number[-3:]}"


def _line(
    which: str, item: _Ours | None, record: Record | None, code: str = "", ours: str = "", theirs: str = ""
) -> dict[str, Any]:
    return {
        "list": which,
        "row": record.row if record else None,
        "segment_id": item.id if item else None,
        "message_id": record.message_id if record else item.message_id if item else "",
        "code": code,
        "ours": ours[:80],
        "theirs": theirs[:80],
    }


def _decide(
    items: list[_Ours], strange: list[Record], *, complete: bool, actor: str, now: dt.datetime
) -> tuple[list[dict[str, Any]], list[Record]]:
    """Settle, release or list each ambiguous segment; gives back the lines and the records that are nobody's."""
    by_destination: dict[str, list[Record]] = defaultdict(list)
    for record in strange:
        by_destination[record.destination].append(record)
    near = {i.id: [r for r in by_destination[i.destination] if abs(i.submitted_at - r.at) <= NEAR] for i in items}
    claims: dict[int, int] = defaultdict(int)
    for candidates in near.values():
        for record in candidates:
            claims[record.row] += 1
    lines: list[dict[str, Any]] = []
    taken: set[int] = set()
    for item in items:
        candidates = near[item.id]
        try:
            if len(candidates) == 1 and claims[candidates[0].row] == 1:
                (record,) = candidates
                decide_segment(
                    segment_id=item.id,
                    sent=True,
                    smsc_message_id=record.message_id,
                    reason=f"The operator's record, line {record.row}",
                    actor=actor,
                    now=now,
                )
                taken.add(record.row)
                lines.append(_line(List.SETTLED, item, record))
            elif not candidates and complete:
                reason = "Not in the operator's records of the month"
                decide_segment(segment_id=item.id, sent=False, reason=reason, actor=actor, now=now)
                lines.append(_line(List.RELEASED, item, None))
            else:
                code = "several" if candidates else "incomplete"
                rows = ",".join(str(record.row) for record in candidates[:CANDIDATES_MAX])
                lines.append(_line(List.UNDECIDED, item, None, code, _ours_words(item), rows))
        except (NotAmbiguous, RecordTaken):
            # A late answer, or a person, was faster than this comparison; the next one sees it as decided.
            lines.append(_line(List.UNDECIDED, item, None, "decided_meanwhile", _ours_words(item)))
    return lines, [record for record in strange if record.row not in taken]
