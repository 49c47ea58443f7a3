# SPDX-License-Identifier: Apache-2.0
"""
What a report says is made by the pages, which lie above: they give their maker here when the application starts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from duaarah.reports.models import Subscription


@dataclass(frozen=True, kw_only=True)
class Attachment:
    name: str
    content: bytes
    kind: str


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A report as it goes out; `headers` beside those of every message."""

    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


Maker = Callable[[Subscription, dt.datetime, dt.datetime], Letter]
_makers: list[Maker] = []


def use_maker(maker: Maker) -> None:
    """The maker of letters from now on: (subscription, due_at, now) -> Letter."""
    _makers[:] = [maker]


def letter_of(subscription: Subscription, due_at: dt.datetime, now: dt.datetime) -> Letter:
    """Raises RuntimeError when no maker was given."""
    if not _makers:
        raise RuntimeError("No maker of reports was given to reports.composing.")
    return _makers[0](subscription, due_at, now)
