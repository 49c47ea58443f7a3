# SPDX-License-Identifier: Apache-2.0
"""Keeping the supply state of a meter (joining)."""

from __future__ import annotations

import datetime as dt

from django.db import connection

_SUPPLY = """
INSERT INTO outages_metersupply AS s (meter_id, state, since_at) VALUES (%s, %s, %s)
ON CONFLICT (meter_id) DO UPDATE SET state = excluded.state, since_at = excluded.since_at
    WHERE s.state <> excluded.state
RETURNING meter_id
"""


def record_supply(*, meter_id: int, state: str, now: dt.datetime) -> bool:
    """Note a meter's supply state; False when it was in this state already (its start is kept then)."""
    with connection.cursor() as cursor:
        cursor.execute(_SUPPLY, [meter_id, state, now])
        return cursor.fetchone() is not None
