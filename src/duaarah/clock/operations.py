# SPDX-License-Identifier: Apache-2.0
"""Moving the business clock: demo and storm only. It never goes backwards."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction


class ClockBackwards(Exception):
    """The business clock may be moved forward only."""

    code = "clock_backwards"


_MOVE = """
UPDATE clock_businessclock
SET anchor_at = %(at)s, machine_anchor_at = clock_timestamp(), rate = %(rate)s
WHERE id = 1 AND (%(at)s >= anchor_at + (clock_timestamp() - machine_anchor_at) * rate OR %(founding)s)
"""


def move(*, at: dt.datetime, rate: int, founding: bool = False) -> None:
    """
    Set business time to `at`, running `rate` times as fast as machine time.

    `founding` places the clock of an empty world, the one time when it may go anywhere.

    Raises:
        ClockBackwards: `at` lies before the present business time.
    """
    if at.tzinfo is None:
        raise ValueError("A business instant carries its zone.")
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_MOVE, {"at": at, "rate": rate, "founding": founding})
        if cursor.rowcount != 1:
            raise ClockBackwards("The business clock cannot go back.")
