# SPDX-License-Identifier: Apache-2.0
"""The journal's own thread: while one group of lines is committed the next one gathers; what waits for a line goes after."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from django.db import DatabaseError, InterfaceError, connection

from duaarah.vending.operations.ppob import Line, keep_lines

LOG = logging.getLogger(__name__)
GROUP_MAX = 400
RETRY_S = 0.5
Entry = tuple[Sequence[Line], Callable[[], None]]


class Journal:
    """`put` is called in the event loop, and what it was given there when the lines are committed."""

    def __init__(self) -> None:
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="bank-journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; once."""
        self._loop = loop
        self._thread.start()

    def put(self, lines: Sequence[Line], then: Callable[[], None]) -> None:
        """Keep these lines, then call `then`."""
        self._entries.put((lines, then))

    def close(self) -> None:
        """Write what is here; waits two seconds at most for a database that is away."""
        self._closing = True
        self._entries.put(None)
        self._thread.join(2.0)

    def _run(self) -> None:
        ended = False
        while not ended:
            entry = self._entries.get()
            group: list[Entry] = []
            while True:
                if entry is None:
                    ended = True
                else:
                    group.append(entry)
                if ended or len(group) >= GROUP_MAX or self._entries.empty():
                    break
                entry = self._entries.get()
            self._keep([line for lines, _ in group for line in lines])
            assert self._loop is not None
            if group and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_call, [then for _, then in group])
        connection.close()

    def _keep(self, lines: list[Line]) -> None:
        while True:
            try:
                keep_lines(lines)
                return
            except (DatabaseError, InterfaceError) as error:
                connection.close()
                if self._closing:
                    LOG.error("%d lines of the journal are lost: %s", len(lines), type(error).__name__)
                    return
                LOG.warning("The journal cannot be written (%s); trying again.", type(error).__name__)
                time.sleep(RETRY_S)


def _call(thens: list[Callable[[], None]]) -> None:
    for then in thens:
        then()
