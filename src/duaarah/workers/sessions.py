# SPDX-License-Identifier: Apache-2.0
"""Sessions with meters beside the head end's loop: each blocks a thread, none blocks the frames."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from django.db import close_old_connections, connection

from duaarah.clock.queries import now
from duaarah.headend.operations.sessions import ClaimedSession, claim_sessions, session_failed
from duaarah.headend.ports import Driver, KeyUnwrapper, NoSession, Transport
from duaarah.notices.answers import take_answer

LOG = logging.getLogger(__name__)
AT_ONCE = 16


def hold(claimed: ClaimedSession, transport: Transport) -> str:
    """One session from its beginning to its outcome; returns the outcome's code."""
    try:
        carried = transport.carry(claimed.call)
    except NoSession as error:
        session_failed(claimed=claimed, window=error.window, why=str(error), now=now())
        return error.code
    return take_answer(claimed=claimed, carried=carried, now=now())


class Sessions:
    """Claims what may begin and holds it in threads; `step` is a step of the loop."""

    def __init__(self, *, driver: Driver, keys: KeyUnwrapper, transport: Transport, lease_s: int) -> None:
        self._driver, self._keys, self._transport, self._lease_s = driver, keys, transport, lease_s
        self._free = BoundedSemaphore(AT_ONCE)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="session")

    def step(self) -> int:
        """As many as threads are free; returns how many began."""
        room = 0
        while room < AT_ONCE and self._free.acquire(blocking=False):
            room += 1
        claimed: list[ClaimedSession] = []
        try:
            claimed = claim_sessions(driver=self._driver, keys=self._keys, now=now(), lease_s=self._lease_s, limit=room)
        finally:
            for _ in range(room - len(claimed)):
                self._free.release()
        for each in claimed:
            self._pool.submit(self._guarded, each)
        return len(claimed)

    def _guarded(self, claimed: ClaimedSession) -> None:
        try:
            LOG.info("session of command %d: %s", claimed.command_id, hold(claimed, self._transport))
        except Exception:
            LOG.exception("session of command %d failed; it goes again when its lease ends", claimed.command_id)
        finally:
            self._free.release()
            _drop_connection()

    def close(self) -> None:
        """Wait for what is under way: each session has a time limit."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _drop_connection() -> None:
    close_old_connections()
    connection.close()
