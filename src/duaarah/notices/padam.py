# SPDX-License-Identifier: Apache-2.0
"""
People are told: one SMS when their supply is off, one when it is back; nothing of it when the credit ran out.

Three steps, each an entry that may die and be run again: notices are written down (who, of what), sent when their turn
comes, and those of a dark that is over get their second one. The rows' constraints keep each from coming twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from django.db import connection, transaction
from django.db.models import Max

from duaarah.messaging.addressing import language_of, meter_name
from duaarah.messaging.operations import queue_message
from duaarah.messaging.texts import kwh, local_time, render
from duaarah.notices.padam_models import OutageNotice
from duaarah.outages.models import Interruption, Outage
from duaarah.registry.models import Pairing
from duaarah.sms.models import MessageClass, Priority

Kind, State = OutageNotice.Kind, OutageNotice.State
BATCH_MAX = 500
# Of what is older nobody is told any more: it would be news of yesterday.
FRESH = dt.timedelta(hours=6)
# So many notices a second and mobile operator, once more than BURST of them wait: tokens need the links too.
PACE_PER_S, BURST = 10, 100

# Meters that are off by a declared outage and of which somebody was not told. Whose credit is gone was told of that: he has
# no supply to lose. No row where the same dark was told already (an outage that became its transformer's).
_UNTOLD = """
SELECT i.id FROM outages_interruption i JOIN outages_outage o ON o.id = i.outage_id
WHERE i.superseded_at IS NULL AND i.ended_at IS NULL AND o.state = 'DECLARED' AND i.began_at > %(fresh)s
    AND NOT EXISTS (SELECT 1 FROM notices_outagenotice n
        WHERE n.meter_id = i.meter_id AND n.kind = 'PADAM' AND (n.over_at IS NULL OR n.outage_id = i.outage_id))
    AND coalesce((SELECT w.kind FROM outages_meterword w
        WHERE w.meter_id = i.meter_id AND w.kind IN ('CREDIT_OPEN', 'CREDIT_CLOSED', 'BALANCE_EMPTY')
        ORDER BY w.meter_at DESC, w.id DESC LIMIT 1), 'CREDIT_CLOSED') <> 'CREDIT_OPEN'
ORDER BY i.id LIMIT %(limit)s
"""
# The paired phone and the delegates of its holder, each phone once a meter.
_PHONES = """
SELECT p.meter_id, p.phone, s.operator_id FROM registry_pairing p JOIN registry_sim s ON s.id = p.sim_id
WHERE p.meter_id = ANY(%(meters)s) AND p.valid @> %(now)s
UNION
SELECT d.meter_id, d.phone, s.operator_id FROM registry_delegation d
JOIN registry_meter m ON m.id = d.meter_id JOIN people_customer c ON c.id = m.customer_id AND c.holder_id = d.holder_id
JOIN registry_pairing p ON p.meter_id = d.meter_id AND p.valid @> %(now)s JOIN registry_sim s ON s.id = p.sim_id
WHERE d.meter_id = ANY(%(meters)s) AND d.valid @> %(now)s AND d.phone <> p.phone
ORDER BY 1, 2
"""
# Notices of a dark that is over: the meter has no open interruption any more.
_OVER = """
SELECT n.id FROM notices_outagenotice n WHERE n.kind = 'PADAM' AND n.over_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM outages_interruption i
        WHERE i.meter_id = n.meter_id AND i.superseded_at IS NULL AND i.ended_at IS NULL)
ORDER BY n.id LIMIT %s FOR UPDATE SKIP LOCKED
"""


def told_padam(*, meter_id: int, now: dt.datetime) -> bool:
    """Whether somebody was told that this meter's present dark is an outage of the grid."""
    return OutageNotice.objects.filter(
        meter_id=meter_id, kind=Kind.PADAM, state=State.SENT, over_at=None, created_at__gt=now - FRESH
    ).exists()


def note_outages(*, now: dt.datetime, limit: int = BATCH_MAX) -> int:
    """Entry: write down who is to be told that his supply is off, and whose is back; returns how many notices."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(_UNTOLD, {"fresh": now - FRESH, "limit": limit})
            ids = [row[0] for row in cursor.fetchall()]
        outage_of = dict(Interruption.objects.filter(pk__in=ids).values_list("meter_id", "outage_id"))
        made = write_notices(kind=Kind.PADAM, outage_of=outage_of, planned_id=None, now=now)
        return made + _note_restored(now, limit)


def _note_restored(now: dt.datetime, limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_OVER, [limit])
        ids = [row[0] for row in cursor.fetchall()]
    rows = list(OutageNotice.objects.filter(pk__in=ids).order_by("pk"))
    told = [row for row in rows if row.state == State.SENT and _was_padam(row)]
    OutageNotice.objects.filter(pk__in=ids).update(over_at=now)
    # Whoever was not told yet hears nothing: it is over.
    OutageNotice.objects.filter(pk__in=ids, state=State.WAITING).update(state=State.DROPPED)
    made = write_rows(Kind.NYALA, [(r.meter_id, r.phone, r.operator_id, r.outage_id, r.planned_id) for r in told], now)
    return len(rows) + made


def _was_padam(notice: OutageNotice) -> bool:
    """Whether there was an interruption at all: one that turned out to be credit is not restored by anybody."""
    return Interruption.objects.filter(
        meter_id=notice.meter_id, superseded_at=None, began_at__gt=notice.created_at - FRESH
    ).exists()


def write_notices(*, kind: str, outage_of: Mapping[int, int | None], planned_id: int | None, now: dt.datetime) -> int:
    """Joining: one notice for each phone of these meters, paced; those that are written already stay. How many are new."""
    if not outage_of:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_PHONES, {"meters": sorted(outage_of), "now": now})
        found = [(meter, phone, operator, outage_of[meter], planned_id) for meter, phone, operator in cursor.fetchall()]
    return write_rows(kind, found, now)


Row = tuple[int, str, int, int | None, int | None]


def write_rows(kind: str, found: Sequence[Row], now: dt.datetime) -> int:
    """Joining: notices of (meter, phone, operator, outage, planned), each behind those that wait; how many are new."""
    wide = set(
        Outage.objects.filter(pk__in={row[3] for row in found if row[3]}, wide=True).values_list("pk", flat=True)
    )
    turns = _Turns(now)
    notices = [
        OutageNotice(
            kind=kind,
            meter_id=meter,
            phone=phone,
            operator_id=operator,
            outage_id=outage,
            planned_id=planned,
            created_at=now,
            due_at=turns.next_of(operator, burst=0 if outage in wide else BURST),
        )
        for meter, phone, operator, outage, planned in found
    ]
    before = OutageNotice.objects.count() if notices else 0
    OutageNotice.objects.bulk_create(notices, ignore_conflicts=True)
    return OutageNotice.objects.count() - before if notices else 0


class _Turns:
    """When the next notice of a mobile operator may go: at once, or behind those that wait."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._taken: dict[int, int] = {}
        waiting = OutageNotice.objects.filter(state=State.WAITING).values("operator").annotate(last=Max("due_at"))
        self._last = {row["operator"]: row["last"] for row in waiting}

    def next_of(self, operator: int, *, burst: int) -> dt.datetime:
        taken = self._taken[operator] = self._taken.get(operator, 0) + 1
        begin_at = max(self._now, self._last.get(operator, self._now))
        return begin_at + dt.timedelta(seconds=max(taken - burst, 0) / PACE_PER_S)


def tell_outages(*, now: dt.datetime, limit: int = BATCH_MAX) -> int:
    """Entry: notices whose turn has come become messages, or are dropped where they are not true any more; how many."""
    with transaction.atomic(durable=True):
        due = list(
            OutageNotice.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=State.WAITING, due_at__lte=now)
            .select_related("outage", "planned__node")
            .order_by("due_at", "id")[:limit]
        )
        pairings = _pairings({row.meter_id for row in due}, now)
        for row in due:
            text = _text(row, pairings.get(row.meter_id), now)
            if text is not None:
                _queue(row, pairings[row.meter_id], *text, now)
            row.state, row.sent_at = (State.DROPPED, None) if text is None else (State.SENT, now)
        OutageNotice.objects.bulk_update(due, ["state", "sent_at"])
    return len(due)


def _pairings(meters: Iterable[int], now: dt.datetime) -> dict[int, Pairing]:
    rows = Pairing.objects.filter(meter_id__in=list(meters), valid__contains=now).select_related(
        *("meter__customer__holder", "meter__site", "meter__invocation_counter")
    )
    return {row.meter_id: row for row in rows}


def _queue(row: OutageNotice, pairing: Pairing, template: str, text: str, now: dt.datetime) -> None:
    queue_message(
        dedupe=f"outage_notice:{row.pk}",
        phone=row.phone,
        template=template,
        language=language_of(pairing),
        text=text,
        message_class=MessageClass.NOTICE,
        priority=Priority.FAULT,
        meter_id=row.meter_id,
        correlation=None,
        now=now,
    )


def _text(row: OutageNotice, pairing: Pairing | None, now: dt.datetime) -> tuple[str, str] | None:
    """The template and its text; None where there is nothing true to say."""
    if pairing is None:
        return None
    language, zone = language_of(pairing), pairing.meter.zone
    values = {"meter": meter_name(pairing)}
    if row.planned is not None:
        plan = row.planned
        if row.kind == Kind.PLANNED and (plan.state != plan.State.ANNOUNCED or plan.end_at <= now):
            return None
        name = "outage_planned" if row.kind == Kind.PLANNED else "outage_called_off"
        values |= {"begin": local_time(plan.begin_at, zone, language), "end": local_time(plan.end_at, zone, language)}
        return name, render(name, language, **values)
    if row.kind == Kind.NYALA:
        return "outage_over", render("outage_over", language, **values)
    off = Interruption.objects.filter(meter_id=row.meter_id, superseded_at=None, ended_at=None).order_by("pk").first()
    if (
        off is None
        or row.outage is None
        or (row.outage.state == Outage.State.WITHDRAWN and off.outage_id == row.outage_id)
    ):
        return None
    outage = off.outage or row.outage
    values["since"] = local_time(off.began_at, zone, language)
    counter = getattr(pairing.meter, "invocation_counter", None)
    name = "outage"
    if outage.estimated_end_at is not None and outage.estimated_end_at > now:
        name += "_until"
        values["until"] = local_time(outage.estimated_end_at, zone, language)
    if counter is not None and counter.balance_wh:
        name += "_credit"
        values["kwh"] = kwh(counter.balance_wh, language)
    return name, render(name, language, **values)
