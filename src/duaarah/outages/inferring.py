# SPDX-License-Identifier: Apache-2.0
"""
Running the inference over what is new: the trees that new words touch, from a little before them on.

One runner at a time (an advisory lock). Everything that a run concludes commits with the words marked as seen: a run that
dies has changed nothing, and the next one finds the same words.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Min, Q

from duaarah.core.outage import Evidence, Kind, Network, Parameters, Picture, infer
from duaarah.core.outage.evidence import PROOFS
from duaarah.outages.ledger import write_picture
from duaarah.outages.models import Interruption, MeterWord, Watch
from duaarah.outages.pings import unaskable, want_pings
from duaarah.registry.models import NodeMeter

LOG = logging.getLogger(__name__)
LOCK = 7_031_008
WORDS_MAX = 5_000
# Before the first new word: what may belong to the same event; and before that, what is only read as its past.
BACK, PAST = dt.timedelta(minutes=40), dt.timedelta(hours=3)
# For so long words are gathered before an event is told of: what looks like one meter may be its transformer.
GATHER = Parameters().gather
LOOK_AGAIN = dt.timedelta(seconds=60)
# A tree in which nobody is overdue: who begins to speak often is known to by then.
LOOK_ANYWAY = dt.timedelta(minutes=15)
# Of a meter that says nothing now: its latest words, however old, from which one sees since when and how often it spoke.
HEARD, HEARD_KEPT = sorted(PROOFS), 8
CREDIT = ["CREDIT_OPEN", "CREDIT_CLOSED", "BALANCE_EMPTY"]
ASKED_BACK = Parameters().ask_again + dt.timedelta(hours=1)
# A word of ALIVE counts for the usual pause of a meter when there are at least so many.
PAUSES_MIN, PAUSE_S_MAX = 5, 2 * 3600

_NEW = """
SELECT id, meter_id, meter_at, kind FROM outages_meterword WHERE NOT seen ORDER BY id LIMIT %s
"""
# A meter that speaks as it always does says nothing new, unless it was held for off or silent, or its tree has an outage
# declared, or had one at the time of which it speaks.
_CALM = ("ALIVE", "INTERVAL", "MODEM")
_CALM_FOR = dt.timedelta(days=2)
_HELD = "SELECT meter_id FROM outages_metersupply WHERE meter_id = ANY(%s) AND state IN ('PADAM', 'MODEM_DIAM')"
_STIRRED = """
WITH RECURSIVE down AS (
    SELECT id, id AS root_id FROM registry_networknode WHERE id = ANY(%(roots)s)
    UNION ALL
    SELECT n.id, down.root_id FROM registry_networknode n JOIN down ON n.parent_id = down.id)
SELECT DISTINCT root_id FROM down WHERE EXISTS (
        SELECT 1 FROM outages_outage o WHERE o.node_id = down.id
            AND (o.state = 'DECLARED' OR o.state = 'CLOSED' AND o.ended_at >= %(since)s))
    OR EXISTS (
        SELECT 1 FROM registry_meter m JOIN outages_outage o ON o.meter_id = m.id WHERE m.transformer_id = down.id
            AND o.state IN ('DECLARED', 'CLOSED') AND coalesce(o.ended_at, o.began_at) >= %(since)s)
"""
_ROOTS = """
WITH RECURSIVE up AS (
    SELECT m.id AS meter_id, n.id, n.parent_id FROM registry_meter m JOIN registry_networknode n ON n.id = m.transformer_id
    WHERE m.id = ANY(%s)
    UNION ALL
    SELECT up.meter_id, n.id, n.parent_id FROM up JOIN registry_networknode n ON n.id = up.parent_id)
SELECT meter_id, id FROM up WHERE parent_id IS NULL
"""
_TREE = """
WITH RECURSIVE down AS (
    SELECT id, parent_id, kind FROM registry_networknode WHERE id = %s
    UNION ALL
    SELECT n.id, n.parent_id, n.kind FROM registry_networknode n JOIN down ON n.parent_id = down.id)
SELECT id, parent_id, kind FROM down
"""
# The latest word of each meter's credit, however old: it says what a meter goes back to.
_CREDIT = """
SELECT DISTINCT ON (meter_id) id, meter_id, kind, meter_at, end_at, arrived_at FROM outages_meterword
WHERE meter_id = ANY(%s) AND kind IN ('CREDIT_OPEN', 'CREDIT_CLOSED', 'BALANCE_EMPTY') AND meter_at < %s
ORDER BY meter_id, meter_at DESC
"""
_HEARD = """
SELECT w.* FROM unnest(%s::bigint[]) AS m (id) CROSS JOIN LATERAL (
    SELECT id, meter_id, kind, meter_at, end_at, arrived_at FROM outages_meterword
    WHERE meter_id = m.id AND meter_at < %s AND kind = ANY(%s) ORDER BY meter_at DESC LIMIT %s) w
"""
_ASKED = """
SELECT id, meter_id, kind, meter_at, end_at, arrived_at FROM outages_meterword
WHERE meter_id = ANY(%s) AND meter_at >= %s AND meter_at < %s AND kind IN ('PING_SENT', 'PING_LOST')
"""


# A new word: its row, meter, meter's time, kind.
New = tuple[int, int, dt.datetime, str]


@dataclass(frozen=True)
class Scope:
    """What one run looks at: a tree (or meters of none), and from when on its rows are rewritten."""

    root_id: int | None
    meters: list[int]
    since_at: dt.datetime


def run_outages(*, now: dt.datetime, limit: int = WORDS_MAX) -> int:
    """Entry: infer what follows from new words and from time; returns how many words and trees were looked at."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if not cursor.fetchone()[0]:
                return 0
            cursor.execute(_NEW, [limit])
            new = cursor.fetchall()
        due = list(Watch.objects.filter(due_at__lte=now).values_list("root_id", flat=True))
        if not new and not due:
            return 0
        for scope in _scopes(new, due, now):
            _run(scope, now)
        MeterWord.objects.filter(pk__in=[row[0] for row in new]).update(seen=True)
    return len(new) + len(due)


def _scopes(new: list[New], due: list[int], now: dt.datetime) -> list[Scope]:
    with connection.cursor() as cursor:
        cursor.execute(_ROOTS, [sorted({row[1] for row in new})])
        root_of = dict(cursor.fetchall())
    first: dict[int | None, dt.datetime] = dict.fromkeys(due, now)
    loose = set()
    for _, meter_id, meter_at, _ in _telling(new, root_of, now):
        root = root_of.get(meter_id)
        first[root] = min(first.get(root, now), meter_at)
        if root is None:
            loose.add(meter_id)
    found = []
    for root, at in sorted(first.items(), key=lambda item: item[0] or 0):
        meters = sorted(loose) if root is None else sorted(network_of(root).transformer_of)
        found.append(Scope(root, meters, _since(root, meters, at, now) - BACK))
    return found


def _telling(new: list[New], root_of: dict[int, int], now: dt.datetime) -> list[New]:
    """
    The new words for which a tree is inferred at once. Of the others only their silence would say something, and their trees
    are watched for it: who comes after them is looked at when it is due.
    """
    calm = [row for row in new if row[3] in _CALM and row[2] > now - _CALM_FOR and row[1] in root_of]
    if not calm:
        return new
    roots = sorted({root_of[row[1]] for row in calm})
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [sorted({row[1] for row in calm})])
        held = {row[0] for row in cursor.fetchall()}
        cursor.execute(_STIRRED, {"roots": roots, "since": min(row[2] for row in calm) - BACK})
        stirred = {row[0] for row in cursor.fetchall()}
    watched = set(Watch.objects.filter(root_id__in=roots).values_list("root_id", flat=True)) - stirred
    left_out = {row[0] for row in calm if row[1] not in held and root_of[row[1]] in watched}
    return [row for row in new if row[0] not in left_out]


def horizon(now: dt.datetime) -> dt.datetime:
    """What ended before this is final: its words may be gone (`pruning`)."""
    return now - dt.timedelta(days=settings.OUTAGE_WORDS_KEEP_DAYS)


def _since(root: int | None, meters: list[int], at: dt.datetime, now: dt.datetime) -> dt.datetime:
    """Back to whatever is still open; else not behind the horizon, however old a log's entry is."""
    at = max(at, horizon(now))
    open_at = Interruption.objects.filter(
        meter_id__in=meters, superseded_at=None, ended_at=None, began_at__lt=at
    ).aggregate(first=Min("began_at"))["first"]
    return min(at, open_at) if open_at else at


def network_of(root_id: int) -> Network:
    """The tree below a root, without total meters: they are nobody's supply."""
    with connection.cursor() as cursor:
        cursor.execute(_TREE, [root_id])
        nodes = cursor.fetchall()
        cursor.execute(
            "SELECT id, transformer_id FROM registry_meter WHERE transformer_id = ANY(%s)", [[row[0] for row in nodes]]
        )
        meters = dict(cursor.fetchall())
    total = NodeMeter.objects.filter(meter_id__in=list(meters), valid__endswith=None).values_list("meter_id", flat=True)
    for meter_id in total:
        del meters[meter_id]
    return Network(
        transformer_of=meters,
        parent_of={row[0]: row[1] for row in nodes},
        level_of={row[0]: row[2] for row in nodes},
    )


def _run(scope: Scope, now: dt.datetime) -> None:
    words = list(_evidence(scope, now))
    if scope.root_id is None:
        network = Network(transformer_of={}, parent_of={}, level_of={})
    else:
        network = network_of(scope.root_id)
    network.speaks_every_s.update(usual_pauses(words))
    network.unaskable.update(unaskable(meters=scope.meters, now=now))
    picture = infer(network, words, now)
    # An event that is only seconds old waits for more words; then it is told as what it is.
    young = [event.known_at for event in picture.events if now - event.known_at < GATHER and event.state != "SUSPECTED"]
    # A meter without a tree has nobody to wait for.
    told = _of_age(picture, now) if scope.root_id is not None else picture
    write_picture(picture=told, meters=scope.meters, since_at=scope.since_at, final_at=horizon(now), now=now)
    want_pings(asks=picture.ask, now=now)
    _watch(scope.root_id, told, young, picture.look_at, now)


def _of_age(picture: Picture, now: dt.datetime) -> Picture:
    too_young = {
        (event.level, event.subject, event.begin_at)
        for event in picture.events
        if event.state != "SUSPECTED" and now - event.known_at < GATHER
    }
    names = {(level, subject) for level, subject, _ in too_young}
    return Picture(
        picture.states,
        picture.reasons,
        tuple(e for e in picture.events if (e.level, e.subject, e.begin_at) not in too_young),
        tuple(s for s in picture.spans if s.event not in names or now - s.known_at >= GATHER),
    )


def _watch(
    root_id: int | None, picture: Picture, young: list[dt.datetime], look_at: dt.datetime | None, now: dt.datetime
) -> None:
    """When the tree is looked at without a new word: an event comes of age, one is open, or somebody is overdue."""
    if root_id is None:
        return
    due = [min(young) + GATHER] if young else []
    if young or any(event.end_at is None for event in picture.events):
        due.append(now + LOOK_AGAIN)
    if look_at is not None:
        # Not for each of a thousand meters by itself.
        due.append(max(look_at, now + LOOK_AGAIN))
    Watch.objects.update_or_create(root_id=root_id, defaults={"due_at": min(due, default=now + LOOK_ANYWAY)})


def _evidence(scope: Scope, now: dt.datetime) -> Iterable[Evidence]:
    from_at = scope.since_at - PAST
    rows = list(
        MeterWord.objects.filter(meter_id__in=scope.meters)
        .filter(Q(meter_at__gte=from_at) | Q(end_at__gte=from_at))
        .values_list("id", "meter_id", "kind", "meter_at", "end_at", "arrived_at")
    )
    heard: dict[int, int] = {}
    for row in rows:
        heard[row[1]] = heard.get(row[1], 0) + (row[2] in HEARD)
    quiet = [meter for meter in scope.meters if heard.get(meter, 0) <= PAUSES_MIN]
    with connection.cursor() as cursor:
        queries: list[tuple[str, list[Any]]] = [
            (_CREDIT, [scope.meters, from_at]),
            (_HEARD, [quiet, from_at, HEARD, HEARD_KEPT]),
            (_ASKED, [scope.meters, min(now - ASKED_BACK, from_at), from_at]),
        ]
        for query, values in queries:
            cursor.execute(query, values)
            rows += cursor.fetchall()
    for pk, meter, kind, meter_at, end_at, arrived_at in rows:
        yield Evidence(meter_at, meter, Kind(kind), str(pk), arrived_at, end_at)


def usual_pauses(words: Iterable[Evidence]) -> dict[int, float]:
    """Of meters that speak often, how long they usually pause, in seconds; of the others silence says nothing."""
    heard: dict[int, set[dt.datetime]] = {}
    for word in words:
        if word.kind in (Kind.ALIVE, Kind.INTERVAL):
            heard.setdefault(word.meter, set()).add(word.arrived_at)
    found = {}
    for meter, instants in heard.items():
        ordered = sorted(instants)
        if len(ordered) < PAUSES_MIN:
            continue
        gaps = sorted((after - before).total_seconds() for before, after in itertools.pairwise(ordered))
        usual_s = gaps[len(gaps) // 2]
        if 30 <= usual_s <= PAUSE_S_MAX:
            found[meter] = usual_s
    return found
