# SPDX-License-Identifier: Apache-2.0
"""
Asking meters when words leave a node's state open: a row, then a command of the head end, then its outcome as a word.

Each step is a transaction of its own that changes nothing when it comes again; whoever dies between two leaves a row that
the next one finds.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections import Counter
from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models import Q

from duaarah.core.outage import Ask, Kind, Parameters
from duaarah.headend.models import Attempt, Command
from duaarah.headend.operations.asks import ask_meter
from duaarah.headend.ports import Driver
from duaarah.outages.evidence import Word, keep_words
from duaarah.outages.models import Ping

LOG = logging.getLogger(__name__)
# Of all trees together: a storm asks no more at once.
OPEN_MAX, BATCH_MAX = 200, 50
# Longer than the lease of one frame; a question that was not sent in this time is asked no more.
LIFE_S = 600
STALE = dt.timedelta(minutes=5)
PER_NODE, PER_NODE_IN = Parameters().asks_per_node, Parameters().asks_within
# What can not be asked today is tried again with the next shift; a frame that found no room on the radio, soon.
NO_WAY_AGAIN, NOT_OUT_AGAIN = Parameters().ask_again, Parameters().asks_within
OPEN = (Ping.State.WANTED, Ping.State.ASKED)
_NAMESPACE = uuid.UUID("5a8d2f10-2c5e-4a43-8f6d-7f1b9a3c6e24")

_WANT = """
INSERT INTO outages_ping (meter_id, node_id, why, about_at, wanted_at, state)
VALUES (%s, %s, %s, %s, %s, 'WANTED') ON CONFLICT DO NOTHING
"""
# Whoever else decides a row at this instant decides it alone.
_CLOSE = """
UPDATE outages_ping SET state = 'UNASKED', closed_at = %(now)s WHERE id IN (
    SELECT p.id FROM outages_ping p LEFT JOIN outages_metersupply s ON s.meter_id = p.meter_id
    WHERE p.state = 'WANTED' AND (p.wanted_at <= %(stale)s OR s.state = 'PADAM')
    FOR UPDATE OF p SKIP LOCKED)
"""


def unaskable(*, meters: Iterable[int], now: dt.datetime) -> set[int]:
    """
    Which of these meters are not worth a question now: there was no way to ask them within NO_WAY_AGAIN, or a frame to them
    did not go out within NOT_OUT_AGAIN. Neither leaves a word, so the inference would want them at every look.
    """
    lately = Q(state=Ping.State.NO_WAY, closed_at__gt=now - NO_WAY_AGAIN) | Q(
        state=Ping.State.UNASKED, command__isnull=False, closed_at__gt=now - NOT_OUT_AGAIN
    )
    return set(Ping.objects.filter(lately, meter_id__in=list(meters)).values_list("meter_id", flat=True))


def want_pings(*, asks: Iterable[Ask], now: dt.datetime) -> int:
    """Joining: note whom to ask, as far as the node's budget reaches; a meter has one open question. Returns how many."""
    wanted = list(asks)
    if not wanted:
        return 0
    # Also those that never went out: a radio without room is not asked the more for it.
    counted = Q(state__in=OPEN) | Q(asked_at__gt=now - PER_NODE_IN)
    open_of = Counter(
        Ping.objects.filter(counted, node_id__in={ask.node for ask in wanted}).values_list("node_id", flat=True)
    )
    noted = 0
    with connection.cursor() as cursor:
        for ask in wanted:
            if open_of[ask.node] >= PER_NODE:
                continue
            cursor.execute(_WANT, [ask.meter, ask.node, ask.why, ask.about_at, now])
            open_of[ask.node] += cursor.rowcount
            noted += cursor.rowcount
    return noted


def send_pings(*, driver: Driver, now: dt.datetime) -> int:
    """
    Entry: the oldest questions become commands, so many that OPEN_MAX are open; returns how many were decided.

    What waited too long, and whoever went off meanwhile, is closed first: it takes no room from what can still be asked.
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(_CLOSE, {"now": now, "stale": now - STALE})
            closed: int = cursor.rowcount
        room = min(BATCH_MAX, OPEN_MAX - Ping.objects.filter(state=Ping.State.ASKED).count())
        if room <= 0:
            return closed
        rows = Ping.objects.select_for_update(skip_locked=True, of=("self",)).filter(state=Ping.State.WANTED)
        found = list(rows.select_related("meter").order_by("pk")[:room])
        # Each locks its meter: in the order of meters, like everybody who locks several.
        for row in sorted(found, key=lambda row: row.meter_id):
            _send(row, driver, now)
    return closed + len(found)


def _send(row: Ping, driver: Driver, now: dt.datetime) -> None:
    command_id = ask_meter(
        meter=row.meter,
        request_id=uuid.uuid5(_NAMESPACE, f"ping:{row.pk}"),
        driver=driver,
        actor="outages",
        reason=row.why,
        life_s=LIFE_S,
        now=now,
    )
    if command_id is None:
        row.state, row.closed_at = Ping.State.NO_WAY, now
    else:
        row.state, row.command_id, row.asked_at = Ping.State.ASKED, command_id, now
    row.save()


def settle_pings(*, now: dt.datetime, limit: int = BATCH_MAX * 4) -> int:
    """
    Entry: what became of the questions, each a word of its meter in the same transaction; returns how many.

    The meter's own answer, whatever it says: it has supply. No answer to a frame that went out: it counts against it. A
    frame that never went out says nothing.
    """
    with transaction.atomic(durable=True):
        rows = Ping.objects.select_for_update(skip_locked=True, of=("self",)).filter(state=Ping.State.ASKED)
        closed = rows.exclude(command__state__in=[Command.State.QUEUED, Command.State.SENT])
        found = list(closed.select_related("command").order_by("pk")[:limit])
        for row in sorted(found, key=lambda row: row.meter_id):
            row.state, row.closed_at = _outcome(row), now
            row.save()
            keep_words(meter_id=row.meter_id, words=_words(row, now), now=now)
    return len(found)


def _outcome(row: Ping) -> Ping.State:
    command = row.command
    assert command is not None
    if command.state in (Command.State.ACKED, Command.State.REJECTED):
        return Ping.State.ANSWERED
    went_out = command.state == Command.State.EXPIRED and Attempt.objects.filter(command=command).exists()
    return Ping.State.LOST if went_out else Ping.State.UNASKED


def _words(row: Ping, now: dt.datetime) -> list[Word]:
    assert row.asked_at is not None and row.command is not None
    if row.state == Ping.State.UNASKED:
        return []
    sent: Word = (Kind.PING_SENT, row.asked_at, None)
    if row.state == Ping.State.LOST:
        return [sent, (Kind.PING_LOST, row.asked_at, None)]
    return [sent, (Kind.PING_ANSWERED, row.command.closed_at or now, None)]
