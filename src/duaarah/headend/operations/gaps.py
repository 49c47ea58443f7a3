# SPDX-License-Identifier: Apache-2.0
"""Which frames of a meter are missing, by its authenticated counter. All verbs here join."""

from __future__ import annotations

import datetime as dt

from django.db import connection

_NOTE = "INSERT INTO headend_countergap (meter_id, first, last, noted_at) VALUES (%s, %s, %s, %s)"

# The gap that the late frame lies in becomes what is left before it; what is left behind it is a gap of its own.
_FILL = """
WITH gap AS (
    SELECT id, first, last, noted_at FROM headend_countergap
    WHERE meter_id = %(meter)s AND closed_at IS NULL AND first <= %(counter)s AND last >= %(counter)s
    ORDER BY id LIMIT 1 FOR UPDATE),
behind AS (
    INSERT INTO headend_countergap (meter_id, first, last, noted_at)
    SELECT %(meter)s, %(counter)s + 1, last, noted_at FROM gap WHERE last > %(counter)s),
came AS (
    INSERT INTO headend_countergap (meter_id, first, last, noted_at, closed_at)
    SELECT %(meter)s, %(counter)s, %(counter)s, noted_at, %(now)s FROM gap WHERE first < %(counter)s)
UPDATE headend_countergap g SET
    last = CASE WHEN gap.first < %(counter)s THEN %(counter)s - 1 ELSE %(counter)s END,
    closed_at = CASE WHEN gap.first < %(counter)s THEN NULL ELSE %(now)s::timestamptz END
FROM gap WHERE g.id = gap.id
"""


def note_counter(*, meter_id: int, counter: int, highest: int, now: dt.datetime) -> None:
    """A frame under `counter` was taken where `highest` was the highest before (0 = the first of all)."""
    with connection.cursor() as cursor:
        if highest and counter > highest + 1:
            cursor.execute(_NOTE, [meter_id, highest + 1, counter - 1, now])
        elif counter < highest:
            cursor.execute(_FILL, {"meter": meter_id, "counter": counter, "now": now})
