# SPDX-License-Identifier: Apache-2.0
"""Asking the business clock. Only edges (workers, web, stage, commands) call this; the rest receives `now`."""

from __future__ import annotations

import datetime as dt

from django.db import connection

_NOW = "SELECT anchor_at + (clock_timestamp() - machine_anchor_at) * rate FROM clock_businessclock WHERE id = 1"


def now() -> dt.datetime:
    """The business instant, aware, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute(_NOW)
        row = cursor.fetchone()
    instant: dt.datetime = row[0]
    return instant
