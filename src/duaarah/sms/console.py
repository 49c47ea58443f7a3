# SPDX-License-Identifier: Apache-2.0
"""What a link console shows: each bind's window, rate, queues and codes, the rows a person must look at, a segment's life."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Min, QuerySet

from duaarah.sms.models import Bind, InboundSms, OutboundSegment, PackageEntry, Receipt

# Rates and codes are counted in the newest rows only: the cost stays the same however long the table grows.
NEWEST = 20_000
RATE_S = 60
SHOWN_MAX = 100
RELATED_MAX = 50


@dataclass(frozen=True, kw_only=True)
class QueueLine:
    """`waiting` segments of one class on one bind; the oldest has waited since `oldest_at` (business time)."""

    message_class: str
    waiting: int
    oldest_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class CodeLine:
    """So many of a bind's newest segments were answered with this SMPP command_status (never 0)."""

    status: int
    segments: int


@dataclass(frozen=True, kw_only=True)
class LinkLine:
    """One bind now: `in_window` submitted without a response, `answered` within the last RATE_S machine seconds."""

    bind: Bind
    in_window: int
    answered: int
    queue: tuple[QueueLine, ...]
    codes: tuple[CodeLine, ...]

    @property
    def tps_tenths(self) -> int:
        """Responses a second over the last minute, in tenths."""
        return self.answered * 10 // RATE_S


# A row whose two instants are one was never on a wire (an imported past): it is no rate.
_ANSWERED = """
SELECT bind_id, count(*) FROM (
    SELECT bind_id, submitted_at, answered_at FROM sms_outboundsegment ORDER BY id DESC LIMIT %s) newest
WHERE answered_at > clock_timestamp() - %s * interval '1 second' AND answered_at IS DISTINCT FROM submitted_at
GROUP BY bind_id
"""
_CODES = """
SELECT bind_id, smsc_status, count(*) FROM (
    SELECT bind_id, smsc_status FROM sms_outboundsegment ORDER BY id DESC LIMIT %s) newest
WHERE smsc_status > 0 GROUP BY bind_id, smsc_status ORDER BY count(*) DESC, smsc_status
"""


def _all(sql: str, values: Sequence[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def links(*, operator_ids: Sequence[int] | None = None) -> list[LinkLine]:
    """Every bind, or those of some mobile operators: active ones first, by name."""
    binds = Bind.objects.select_related("operator").order_by("-active", "name")
    if operator_ids is not None:
        binds = binds.filter(operator_id__in=operator_ids)
    states = OutboundSegment.State
    waiting = OutboundSegment.objects.filter(state=states.QUEUED).values_list("bind_id", "message_class")
    queue: dict[int, list[QueueLine]] = defaultdict(list)
    for bind_id, kind, count, oldest in waiting.annotate(n=Count("pk"), oldest=Min("created_at")).order_by("oldest"):
        queue[bind_id].append(QueueLine(message_class=kind, waiting=count, oldest_at=oldest))
    submitting = OutboundSegment.objects.filter(state=states.SUBMITTING).values_list("bind_id")
    in_window = dict(submitting.annotate(n=Count("pk")).order_by())
    answered = dict(_all(_ANSWERED, [NEWEST, RATE_S]))
    codes: dict[int, list[CodeLine]] = defaultdict(list)
    for bind_id, status, count in _all(_CODES, [NEWEST]):
        codes[bind_id].append(CodeLine(status=status, segments=count))
    return [
        LinkLine(
            bind=bind,
            in_window=in_window.get(bind.pk, 0),
            answered=answered.get(bind.pk, 0),
            queue=tuple(queue[bind.pk]),
            codes=tuple(codes[bind.pk]),
        )
        for bind in binds
    ]


def ambiguous() -> QuerySet[OutboundSegment]:
    """Segments whose response was lost: the SMSC may have them or not. Oldest first."""
    rows = OutboundSegment.objects.filter(state=OutboundSegment.State.AMBIGUOUS)
    return rows.select_related("bind", "meter").order_by("id")


def parked() -> QuerySet[Receipt]:
    """Delivery receipts whose message id no committed response has named yet. Oldest first."""
    return Receipt.objects.filter(segment=None).select_related("bind").order_by("id")


def given_up() -> QuerySet[InboundSms]:
    """SMS that were received, and could not be read at any attempt. Newest first."""
    return InboundSms.objects.filter(state=InboundSms.State.FAILED).select_related("bind").order_by("-id")


def related(segment: OutboundSegment) -> list[PackageEntry]:
    """
    Other SMS of the same journey, both ways, each by its first ledger line, oldest first.

    Only of a meter's: its ledger lines have an index, correlations alone have none.
    """
    if segment.correlation is None or segment.meter_id is None:
        return []
    entries = PackageEntry.objects.filter(meter_id=segment.meter_id, correlation=segment.correlation)
    first = entries.filter(kind__in=[PackageEntry.Kind.RESERVE, PackageEntry.Kind.SETTLE])
    seen: dict[tuple[int | None, int | None], PackageEntry] = {}
    for entry in first.exclude(segment=segment).select_related("segment", "inbound").order_by("at", "id"):
        seen.setdefault((entry.segment_id, entry.inbound_id), entry)
    return list(seen.values())[:RELATED_MAX]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a change of a bind meets: SMS without a response, SMS in its queue, short codes that no link sends from then."""

    in_flight: int
    waiting: int
    bare: tuple[str, ...]


def effect_of(bind: Bind, *, short_codes: Sequence[str], sends: bool) -> Effect:
    """What happens to a bind's SMS when it has these short codes from now on, and sends or does not (off, or a receiver)."""
    rows = OutboundSegment.objects.filter(bind=bind)
    others = Bind.objects.filter(active=True).exclude(pk=bind.pk).exclude(kind=Bind.Kind.RX)
    kept = set(short_codes) if sends else set()
    gone = [code for code in bind.short_codes if code not in kept] if bind.active and bind.kind != "RX" else []
    return Effect(
        in_flight=rows.filter(state=OutboundSegment.State.SUBMITTING).count(),
        waiting=rows.filter(state=OutboundSegment.State.QUEUED).count(),
        bare=tuple(code for code in gone if not others.filter(short_codes__contains=[code]).exists()),
    )
