# SPDX-License-Identifier: Apache-2.0
"""
Tokens sold elsewhere, told in a file: kept whole first, then taken row by row as if each had come as a notification.

The rows are the queue. A row's outcome commits with the vend that it brought, so a process that dies between two rows, or
between vend and row, leaves nothing to be loaded twice: the next run goes on with what is WAITING.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Count

from duaarah.audit import operations as audit
from duaarah.core.tokenbatch import BadBatch, Batch, SoldToken, read_batch
from duaarah.vending.batch_models import TokenBatch, TokenBatchRow
from duaarah.vending.models import Channel, Vend
from duaarah.vending.operations.notification import (
    NotificationRefused,
    Sale,
    judge_notification,
    take_notification,
)
from duaarah.vending.ports import TokenReader

LOG = logging.getLogger(__name__)
VERB = "vending.take_batch"
ROWS_EACH = 500


def receive_batch(
    *, channel: Channel, file_name: str, content: bytes, secret: bytes | None, actor: str, now: dt.datetime
) -> tuple[TokenBatch, bool]:
    """
    Entry: keep a file and its rows; nothing is loaded yet. Returns the batch, and whether this file was here before.

    A file that is refused whole is a batch too (state REFUSED, `code`, `reason`), with one audit line: the codes of
    `core.tokenbatch.read_batch`, `batch_conflict` (its id with other contents) and `channel_refused`.
    """
    digest = hashlib.sha256(content).digest()
    earlier = TokenBatch.objects.filter(channel=channel, digest=digest)
    known = earlier.exclude(state=TokenBatch.State.REFUSED).first()
    # A refused file that is still where it came from was refused by somebody who died before he put it away.
    known = known or earlier.filter(filed=False, file_name=file_name[:120]).first()
    if known is not None:
        return known, True
    try:
        if not channel.active or channel.kind != Channel.Kind.ELSEWHERE or secret is None:
            raise BadBatch("channel_refused", "This channel does not tell of tokens sold elsewhere.")
        batch = read_batch(content, secret=secret, channel=channel.code)
        return _keep(channel, file_name, digest, batch, actor, now), False
    except BadBatch as error:
        return _refuse(channel, file_name, digest, error, actor, now), False
    except IntegrityError as error:
        if "vending_batch_once" not in str(error):
            raise
        same = earlier.exclude(state=TokenBatch.State.REFUSED).first()
        if same is not None:
            return same, True
        conflict = BadBatch("batch_conflict", "A file with this batch id and other contents was here before.")
        return _refuse(channel, file_name, digest, conflict, actor, now), False


def _keep(channel: Channel, file_name: str, digest: bytes, batch: Batch, actor: str, now: dt.datetime) -> TokenBatch:
    with transaction.atomic(durable=True):
        made = TokenBatch.objects.create(
            channel=channel,
            batch_id=batch.batch_id,
            of_date=batch.of_date,
            file_name=file_name[:120],
            digest=digest,
            count=len(batch.rows),
            sum_idr=batch.sum_idr,
            state=TokenBatch.State.WAITING,
            brought_by=actor[:60],
            received_at=now,
        )
        TokenBatchRow.objects.bulk_create([_row(made, row) for row in batch.rows], batch_size=2_000)
        for row in batch.rows:
            if row.fault:
                _audit_row(channel, made, row, now)
        audit.record(
            at=now,
            actor=actor,
            verb="vending.receive_batch",
            subject=f"batch:{made.pk}",
            detail={"channel": channel.code, "batch_id": batch.batch_id, "count": made.count, "sum_idr": made.sum_idr},
        )
    return made


def _row(made: TokenBatch, row: SoldToken) -> TokenBatchRow:
    return TokenBatchRow(
        batch=made,
        line=row.line,
        notification_id=row.notification_id,
        drn=row.drn,
        idpel=row.idpel,
        digits=row.digits,
        amount_idr=row.amount_idr,
        sold_at=row.sold_at,
        state=TokenBatchRow.State.REFUSED if row.fault else TokenBatchRow.State.WAITING,
        code=f"bad_{row.fault}" if row.fault else "",
    )


def _audit_row(channel: Channel, made: TokenBatch, row: SoldToken, now: dt.datetime) -> None:
    audit.record_refusal(
        at=now,
        actor=f"channel:{channel.code}",
        verb=VERB,
        subject=f"batch:{made.pk}",
        code=f"bad_{row.fault}",
        detail={"line": row.line},
    )


def _refuse(
    channel: Channel, file_name: str, digest: bytes, error: BadBatch, actor: str, now: dt.datetime
) -> TokenBatch:
    with transaction.atomic(durable=True):
        made = TokenBatch.objects.create(
            channel=channel,
            batch_id=error.batch_id,
            file_name=file_name[:120],
            digest=digest,
            state=TokenBatch.State.REFUSED,
            code=error.code,
            reason=str(error)[:200],
            brought_by=actor[:60],
            received_at=now,
            closed_at=now,
        )
        audit.record_refusal(
            at=now,
            actor=actor,
            verb="vending.receive_batch",
            subject=f"batch:{made.pk}",
            code=error.code,
            reason=str(error),
            detail={"channel": channel.code, "file": file_name[:120]},
        )
    LOG.warning("a file of %s is refused: %s", channel.code, error.code)
    return made


def load_batch(*, batch_id: int, reader: TokenReader, now: dt.datetime) -> int:
    """
    Take what waits of a batch, row by row, each in a transaction of its own; returns how many rows were taken up.

    Two who load the same batch do not disturb each other: a row's outcome is written once.
    """
    batch = TokenBatch.objects.select_related("channel").get(pk=batch_id)
    moved = 0
    while batch.state == TokenBatch.State.WAITING:
        waiting = batch.rows.filter(state=TokenBatchRow.State.WAITING).order_by("line")
        rows = list(waiting[:ROWS_EACH])
        for row in rows:
            _load(batch.channel, row, reader, now)
        moved += len(rows)
        if not rows:
            _close(batch.pk, now)
            break
    return moved


def _load(channel: Channel, row: TokenBatchRow, reader: TokenReader, now: dt.datetime) -> None:
    try:
        take_notification(channel=channel, sale=_sale(row), reader=reader, now=now, note=partial(_note, row.pk))
    except NotificationRefused as error:
        LOG.info("row %d of batch %d is refused: %s", row.line, row.batch_id, error.code)


def _sale(row: TokenBatchRow | SoldToken) -> Sale:
    said = "\n".join((row.notification_id, row.drn, row.idpel, row.digits, str(row.amount_idr), row.sold_at))
    return Sale(
        notification_id=row.notification_id,
        digest=hashlib.sha256(b"file\n" + said.encode()).digest(),
        drn=row.drn,
        idpel=row.idpel or None,
        digits=row.digits,
        amount_idr=row.amount_idr,
        in_file=True,
    )


def _note(row_id: int, vend: Vend | None, word: str) -> None:
    states = {"taken": TokenBatchRow.State.TAKEN, "repeated": TokenBatchRow.State.REPEATED}
    code = "" if vend is not None else word[:30]
    state = states[word] if vend is not None else TokenBatchRow.State.REFUSED
    # A row whose outcome another run has written keeps that: its own "repeated" would be our own first taking.
    waiting = TokenBatchRow.objects.filter(pk=row_id, state=TokenBatchRow.State.WAITING)
    waiting.update(state=state, code=code, vend=vend)


def _close(batch_id: int, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        batch = TokenBatch.objects.select_for_update().get(pk=batch_id)
        if batch.state != TokenBatch.State.WAITING:
            return
        batch.state, batch.closed_at = TokenBatch.State.DONE, now
        batch.save(update_fields=["state", "closed_at"])
        audit.record(
            at=now, actor="vending", verb=VERB, subject=f"batch:{batch_id}", detail=dict(outcome_counts(batch_id))
        )


def outcome_counts(batch_id: int) -> dict[str, int]:
    """Rows of a batch by their state."""
    rows = TokenBatchRow.objects.filter(batch_id=batch_id).order_by()
    return dict(rows.values_list("state").annotate(n=Count("pk")))


def resume_batches(*, reader: TokenReader, now: dt.datetime) -> int:
    """What a crash left waiting, oldest file first; returns how many rows were taken up."""
    ids = TokenBatch.objects.filter(state=TokenBatch.State.WAITING).order_by("pk").values_list("pk", flat=True)
    return sum(load_batch(batch_id=pk, reader=reader, now=now) for pk in list(ids))


def file_away(*, batch_id: int) -> None:
    """Entry: the file and its result are where they stay."""
    with transaction.atomic(durable=True):
        TokenBatch.objects.filter(pk=batch_id).update(filed=True)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What would become of one row: TAKEN, REPEATED or REFUSED, and why."""

    line: int
    notification_id: str
    state: str
    code: str = ""


def check_batch(
    *, channel: Channel, content: bytes, secret: bytes, reader: TokenReader, now: dt.datetime
) -> Iterator[Verdict]:
    """
    Judge a file without loading anything or writing a line.

    Raises:
        BadBatch: the file would be refused whole; also batch_conflict.
    """
    batch = read_batch(content, secret=secret, channel=channel.code)
    digest = hashlib.sha256(content).digest()
    earlier = TokenBatch.objects.filter(channel=channel, batch_id=batch.batch_id)
    earlier = earlier.exclude(state=TokenBatch.State.REFUSED)
    if earlier.exclude(digest=digest).exists():
        raise BadBatch("batch_conflict", "A file with this batch id and other contents was here before.")
    return (_verdict(channel, row, reader, now) for row in batch.rows)


def _verdict(channel: Channel, row: SoldToken, reader: TokenReader, now: dt.datetime) -> Verdict:
    if row.fault:
        state, code = TokenBatchRow.State.REFUSED, f"bad_{row.fault}"
    else:
        try:
            found = judge_notification(channel=channel, sale=_sale(row), reader=reader, now=now)
            known = isinstance(found, Vend)
            state, code = TokenBatchRow.State.REPEATED if known else TokenBatchRow.State.TAKEN, ""
        except NotificationRefused as error:
            state, code = TokenBatchRow.State.REFUSED, error.code
    return Verdict(line=row.line, notification_id=row.notification_id, state=state, code=code)
