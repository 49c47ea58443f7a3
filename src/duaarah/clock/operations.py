# SPDX-License-Identifier: Apache-2.0
"""Moving the business clock: demo and storm only. It never goes backwards."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction


class ClockBackwards(Exception):
    """The business clock may be moved forward only."""

    code = "clock_backwards"


# Whoever asks waits until the move is committed: the old rate, which may be the faster one, must not run on meanwhile.
_LOCK = "LOCK TABLE clock_businessclock IN ACCESS EXCLUSIVE MODE"
_MOVE = """
UPDATE clock_businessclock
SET anchor_at = %(at)s, machine_anchor_at = machine.t, rate = %(rate)s
FROM (SELECT clock_timestamp() AS t) AS machine
WHERE id = 1 AND (%(at)s >= anchor_at + (machine.t - machine_anchor_at) * clock_businessclock.rate OR %(founding)s)
"""


_CHANGE_RATE = """
UPDATE clock_businessclock
SET anchor_at = anchor_at + (machine.t - machine_anchor_at) * clock_businessclock.rate,
    machine_anchor_at = machine.t, rate = %s
FROM (SELECT clock_timestamp() AS t) AS machine WHERE id = 1 RETURNING anchor_at
"""


def change_rate(rate: int) -> dt.datetime:
    """Let business time run `rate` times as fast from now on; returns the instant at which that began."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_LOCK)
        cursor.execute(_CHANGE_RATE, [rate])
        at: dt.datetime = cursor.fetchone()[0]
    return at


_RESUME = """
UPDATE clock_businessclock SET anchor_at = %(at)s, machine_anchor_at = clock_timestamp(), rate = %(rate)s
WHERE id = 1 AND %(at)s >= anchor_at
"""


def resume(*, at: dt.datetime, rate: int) -> None:
    """
    Go on at `at`, the latest instant that a world lived through before everything of it stopped (demo only).

    The machine's time since then is left out, so the row's own reckoning may lie ahead of `at`: only somebody who knows
    that no process lived through that time may call this.

    Raises:
        ClockBackwards: `at` lies before the last instant that the clock was set to.
    """
    if at.tzinfo is None:
        raise ValueError("A business instant carries its zone.")
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_LOCK)
        cursor.execute(_RESUME, {"at": at, "rate": rate})
        if cursor.rowcount != 1:
            raise ClockBackwards("The business clock cannot go back.")


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
        cursor.execute(_LOCK)
        cursor.execute(_MOVE, {"at": at, "rate": rate, "founding": founding})
        if cursor.rowcount != 1:
            raise ClockBackwards("The business clock cannot go back.")
