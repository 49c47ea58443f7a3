# SPDX-License-Identifier: Apache-2.0
"""The loop that the synchronous workers share: work while there is some, then sleep on NOTIFY; drain on SIGTERM."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Sequence

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from psycopg.conninfo import make_conninfo

LOG = logging.getLogger(__name__)
CHANNEL = "duaarah"
RECONNECT_S = 0.5
Step = Callable[[], int]


class Loop:
    """
    Runs `steps` (each returns how much it did) again and again.

    `wakers` are the queue names whose NOTIFY ends the sleep; `idle_s` bounds the sleep, so that what is due by time is
    found as well. `pace_s` is a breath after each round that did something: what comes meanwhile shares the next round's
    transactions. A lost database is waited for: leases and transactions have kept everything.
    """

    def __init__(self, steps: Sequence[Step], *, wakers: frozenset[str], idle_s: float, pace_s: float = 0.0) -> None:
        self._steps = steps
        self._wakers = wakers
        self._idle_s = idle_s
        self._pace_s = pace_s
        self._stopping = False
        self._listener: psycopg.Connection | None = None

    def run(self) -> int:
        """Until SIGTERM or SIGINT; 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self._stopping:
            try:
                done = sum(step() for step in self._steps)
                if done:
                    time.sleep(self._pace_s)
                elif not self._stopping:
                    self._sleep()
            except (OperationalError, InterfaceError, psycopg.OperationalError) as error:
                LOG.warning("The database does not answer (%s); trying again.", type(error).__name__)
                self._forget_connections()
                time.sleep(RECONNECT_S)
            except DatabaseError:
                LOG.exception("A step failed; its rows stay claimed until their leases end.")
                time.sleep(RECONNECT_S)
        return 0

    def _stop(self, *_: object) -> None:
        self._stopping = True
        # A sleeping listener wakes at its next short wait.

    def _sleep(self) -> None:
        listener = self._listening()
        deadline_s = time.monotonic() + self._idle_s
        while not self._stopping and (left_s := deadline_s - time.monotonic()) > 0:
            for notice in listener.notifies(timeout=min(left_s, 0.2), stop_after=1):
                if notice.payload in self._wakers:
                    return

    def _listening(self) -> psycopg.Connection:
        if self._listener is None or self._listener.closed:
            parameters = connection.get_connection_params()
            conninfo = make_conninfo(
                **{
                    key: value
                    for key, value in parameters.items()
                    if key in ("dbname", "user", "password", "host", "port") and value
                }
            )
            self._listener = psycopg.connect(conninfo, autocommit=True)
            self._listener.execute(f"LISTEN {CHANNEL}")
            # Whatever came before LISTEN is found by one more round of the steps.
            self._listener.execute(f"NOTIFY {CHANNEL}, '{next(iter(self._wakers))}'")
        return self._listener

    def _forget_connections(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


def each(rows: Sequence[int], act: Callable[[int], str], what: str) -> int:
    """
    Call `act` for each claimed row and log its outcome; returns how many rows there were.

    A row that nobody foresaw must not stop the others, nor the worker: it stays claimed until its lease ends and is
    tried a bounded number of times. A database that fails is the loop's business.
    """
    for row in rows:
        try:
            LOG.info("%s %d: %s", what, row, act(row))
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            LOG.exception("%s %d failed; it is tried again when its lease ends", what, row)
    return len(rows)


def inbound_lease_s() -> int:
    """Seconds after which an SMS that a dead worker had taken is read again."""
    lease_s: int = settings.INBOUND_LEASE_S
    return lease_s


def command_lease_s() -> int:
    """Seconds a command waits for its meter's answer before it is sent again."""
    lease_s: int = settings.COMMAND_LEASE_S
    return lease_s
