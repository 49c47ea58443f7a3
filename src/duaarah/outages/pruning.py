# SPDX-License-Identifier: Apache-2.0
"""
Old words go: what they said is in the facts. Of each meter stays what an inference of today reads however old it is.

Nothing older than `horizon` is inferred anew, so a fact whose words are gone is never judged without them.
"""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from duaarah.outages.inferring import BACK, CREDIT, HEARD, HEARD_KEPT, PAST, horizon
from duaarah.outages.models import Ping

BATCH_MAX = 5_000
METERS_MAX = 500

# The meters in turn, so that a batch reads the words of few; of each its old words but the newest heard and the newest of
# its credit, and none since its open interruption began.
_METERS = "SELECT id FROM registry_meter WHERE id > %s ORDER BY id LIMIT %s"
_PRUNE = """
DELETE FROM outages_meterword w USING (
    SELECT v.id FROM unnest(%(meters)s::bigint[]) AS m (id)
    CROSS JOIN LATERAL (
        SELECT coalesce(least(%(before)s::timestamptz, min(i.began_at) - %(past_s)s * interval '1 second'), %(before)s) AS before
        FROM outages_interruption i WHERE i.meter_id = m.id AND i.superseded_at IS NULL AND i.ended_at IS NULL) h
    CROSS JOIN LATERAL (
        SELECT id FROM outages_meterword WHERE meter_id = m.id AND meter_at < h.before
            AND coalesce(end_at, meter_at) < h.before AND seen
        EXCEPT ALL
        (SELECT id FROM outages_meterword WHERE meter_id = m.id AND kind = ANY(%(heard)s)
            ORDER BY meter_at DESC LIMIT %(kept)s)
        EXCEPT ALL
        (SELECT id FROM outages_meterword WHERE meter_id = m.id AND kind = ANY(%(credit)s)
            ORDER BY meter_at DESC LIMIT 1)) v
    LIMIT %(limit)s) old
WHERE w.id = old.id
"""


def prune_words(*, now: dt.datetime) -> int:
    """
    Entry, in transactions of at most BATCH_MAX rows: words from before the horizon go, and questions that were closed
    before it; returns how many rows.
    """
    before_at = horizon(now) - BACK - PAST
    gone, last = 0, 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_METERS, [last, METERS_MAX])
            meters = [row[0] for row in cursor.fetchall()]
        if not meters:
            break
        while (batch := _batch(meters, before_at)) > 0:
            gone += batch
            if batch < BATCH_MAX:
                break
        last = meters[-1]
    with transaction.atomic(durable=True):
        gone += Ping.objects.filter(closed_at__lt=before_at).delete()[0]
    return gone


def _batch(meters: list[int], before_at: dt.datetime) -> int:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            _PRUNE,
            {
                "meters": meters,
                "before": before_at,
                "past_s": (PAST + BACK).total_seconds(),
                "heard": HEARD,
                "kept": HEARD_KEPT,
                "credit": CREDIT,
                "limit": BATCH_MAX,
            },
        )
        return cursor.rowcount
