# SPDX-License-Identifier: Apache-2.0
"""What the P2APST client needs to be kept for it: one row a request, written before a purchase leaves."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class PurchaseTask:
    """
    A task as it stands. `number` is the trace number, `local_time` field 12 (YYYYMMDDhhmmss in WIB); `purchase` is the
    2200 that may have left, empty while none has. `refused` is the code of its end, None without one.
    """

    number: int
    nominal_idr: int
    drn: str
    local_time: str
    purchase: str
    advices: int
    refused: str | None


class PurchaseTasks(Protocol):
    """Every verb commits before it returns."""

    def claim(self, request_id: uuid.UUID, *, busy_s: int, now: dt.datetime) -> PurchaseTask | None:
        """The request's task, made at the first time, for this caller alone until released or `busy_s` are over."""
        ...

    def sending(self, number: int, *, purchase: str, now: dt.datetime) -> None:
        """The 2200 that leaves next. Raises TaskMoved when one was written before."""
        ...

    def unanswered(self, number: int, *, code: str, advices: int) -> None:
        """Nothing is known yet: `code` is the last word, `advices` more were asked in vain. Releases the claim."""
        ...

    def ended(self, number: int, *, refused: str | None, now: dt.datetime) -> None:
        """P2APST has said what became of it. Releases the claim."""
        ...


class TaskMoved(Exception):
    """The task is not where the caller thinks it is: somebody else has gone on with it."""

    code = "p2apst_task_moved"
