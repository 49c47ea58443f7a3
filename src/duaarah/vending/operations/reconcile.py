# SPDX-License-Identifier: Apache-2.0
"""
A channel's file of one settlement day against the books: ours only, theirs only, different. What agrees is counted.

The day runs from cut-off to cut-off. A reference of the file that we booked on another day is different by its date,
not theirs only. Comparing changes nothing of the books; each line is resolved by a deed of its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.vending.channel_file import BadFile, RowError, Sold, read_file
from duaarah.vending.ledger_models import ChannelFileFormat, ChannelReconciliation, ChannelReconciliationLine
from duaarah.vending.models import Channel
from duaarah.vending.operations.policy import cutoff_at

CHUNK = 5_000
List = ChannelReconciliationLine.List


@dataclass(frozen=True, slots=True)
class Ours:
    """One payment as the books have it. `amount_idr` is 0 where the money went back."""

    payment_id: int
    reference: str
    drn: str
    idpel: str
    amount_idr: int
    at: dt.datetime
    refunded: bool


_OURS = """
SELECT p.id, p.reference, m.drn, coalesce(c.idpel, ''),
    CASE WHEN v.state = 'REFUNDED' THEN 0 ELSE p.amount_idr END, p.taken_at, v.state = 'REFUNDED'
FROM vending_payment p JOIN vending_vend v ON v.payment_id = p.id JOIN registry_meter m ON m.id = p.meter_id
LEFT JOIN people_customer c ON c.id = m.customer_id
WHERE p.channel_id = %s
"""
_OF_DAY = " AND p.taken_at >= %s AND p.taken_at < %s ORDER BY p.id"
_NAMED = " AND p.reference = ANY(%s)"


def reconcile(
    *, channel: Channel, day_date: dt.date, content: bytes, file_name: str = "", actor: str, now: dt.datetime
) -> ChannelReconciliation:
    """
    Entry: compare and keep what does not agree, with the sums of each list.

    Raises:
        BadFile: not a file of this channel's format; one audit line, nothing kept.
    """
    subject, verb = f"channel:{channel.code}", "vending.reconcile"
    form = ChannelFileFormat.objects.filter(channel=channel).first() or ChannelFileFormat(channel=channel)
    try:
        sold, errors = read_file(content, form)
    except BadFile as bad:
        with transaction.atomic(durable=True):
            audit.record_refusal(at=now, actor=actor, verb=verb, subject=subject, code=bad.code, reason=str(bad))
        raise
    with transaction.atomic(durable=True):
        matched, matched_idr, lines = _compared(channel, day_date, sold, errors)
        row = _keep(channel, day_date, content, file_name, matched, matched_idr, lines, actor, now)
        detail = {
            "reconciliation": row.pk,
            "day": day_date.isoformat(),
            "sha256": row.digest,
            "matched": row.matched,
            "ours_only": row.ours_only,
            "theirs_only": row.theirs_only,
            "different": row.different,
            "errors": row.errors,
        }
        audit.record(at=now, actor=actor, verb=verb, subject=subject, detail=detail)
    return row


def _compared(
    channel: Channel, day_date: dt.date, sold: list[Sold], errors: list[RowError]
) -> tuple[int, int, list[ChannelReconciliationLine]]:
    first, last = cutoff_at(day_date - dt.timedelta(days=1)), cutoff_at(day_date)
    of_day = {one.reference: one for one in _ours(_OURS + _OF_DAY, [channel.pk, first, last])}
    missing = [one.reference for one in sold if one.reference not in of_day]
    elsewhere = {one.reference: one for one in _named(channel, missing)}
    # A sale whose line cannot be read is not ours only: the file names it.
    unreadable = {error.reference for error in errors}
    matched, matched_idr, lines = 0, 0, []
    for theirs in sold:
        ours = of_day.pop(theirs.reference, None) or elsewhere.get(theirs.reference)
        if ours is None:
            lines.append(_line(List.THEIRS_ONLY, None, theirs))
        elif codes := _differences(ours, theirs, first, last):
            lines.append(_line(List.DIFFERENT, ours, theirs, codes))
        else:
            matched, matched_idr = matched + 1, matched_idr + ours.amount_idr
    # Returned by us and never told by them: both say that nothing was sold.
    left = (one for one in of_day.values() if not one.refunded and one.reference not in unreadable)
    lines += [_line(List.OURS_ONLY, one, None) for one in left]
    lines += [
        ChannelReconciliationLine(list=List.ERROR, row=error.row, reference=error.reference, codes=error.code)
        for error in errors
    ]
    return matched, matched_idr, lines


def _ours(statement: str, values: list[Any]) -> Iterator[Ours]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        for row in cursor.fetchall():
            yield Ours(*row)


def _named(channel: Channel, references: Iterable[str]) -> Iterator[Ours]:
    rest = iter(references)
    while chunk := list(islice(rest, CHUNK)):
        yield from _ours(_OURS + _NAMED, [channel.pk, chunk])


def _differences(ours: Ours, theirs: Sold, from_at: dt.datetime, until_at: dt.datetime) -> str:
    """What is not the same: refunded, amount, meter, date; empty when both agree."""
    found = []
    if ours.refunded:
        found.append("refunded")
    elif ours.amount_idr != theirs.amount_idr:
        found.append("amount")
    if theirs.meter not in (ours.drn, ours.idpel):
        found.append("meter")
    if not (from_at <= ours.at < until_at and from_at <= theirs.at < until_at):
        found.append("date")
    return ",".join(found)


def _line(
    which: ChannelReconciliationLine.List, ours: Ours | None, theirs: Sold | None, codes: str = ""
) -> ChannelReconciliationLine:
    row = ChannelReconciliationLine(list=which, codes=codes)
    if ours is not None:
        row.reference, row.payment_id = ours.reference, ours.payment_id
        row.ours_idr, row.ours_meter, row.ours_at = ours.amount_idr, ours.drn, ours.at
    if theirs is not None:
        row.reference, row.row = theirs.reference, theirs.row
        row.theirs_idr, row.theirs_meter, row.theirs_at = theirs.amount_idr, theirs.meter, theirs.at
    return row


def _keep(
    channel: Channel,
    day_date: dt.date,
    content: bytes,
    file_name: str,
    matched: int,
    matched_idr: int,
    lines: list[ChannelReconciliationLine],
    actor: str,
    now: dt.datetime,
) -> ChannelReconciliation:
    of = {which: [line for line in lines if line.list == which] for which in List}
    row = ChannelReconciliation.objects.create(
        channel=channel,
        day_date=day_date,
        file_name=file_name[-80:],
        digest=hashlib.sha256(content).hexdigest(),
        matched=matched,
        matched_idr=matched_idr,
        ours_only=len(of[List.OURS_ONLY]),
        ours_only_idr=sum(line.ours_idr or 0 for line in of[List.OURS_ONLY]),
        theirs_only=len(of[List.THEIRS_ONLY]),
        theirs_only_idr=sum(line.theirs_idr or 0 for line in of[List.THEIRS_ONLY]),
        different=len(of[List.DIFFERENT]),
        different_idr=sum((line.theirs_idr or 0) - (line.ours_idr or 0) for line in of[List.DIFFERENT]),
        errors=len(of[List.ERROR]),
        made_by=actor,
        made_at=now,
    )
    for line in lines:
        line.reconciliation = row
    ChannelReconciliationLine.objects.bulk_create(lines, batch_size=CHUNK)
    return row
