# SPDX-License-Identifier: Apache-2.0
"""What is inferred: the state of each meter, events on the tree, interruptions; and the numbers that steer it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """The supply of a meter, as `outages.MeterSupply` keeps it."""

    NYALA = "NYALA"
    PADAM = "PADAM"
    HABIS = "STROOM_HABIS"
    MODEM = "MODEM_DIAM"


@dataclass(frozen=True, slots=True)
class Parameters:
    """
    `gasp_delivery`: the share of last gasps that arrive. `spurious`: the chance of one meter's gasp by itself in a
    window. `window`: words of one event lie within it by the meters' clocks. `alive_wrong`: the chance that a meter in a
    dead node seems alive. `odds_log`: how much more likely (natural logarithm) "out" has to be. `silent_factor`: after how
    many usual pauses a meter is silent.
    """

    gasp_delivery: float = 0.6
    spurious: float = 0.01
    alive_wrong: float = 0.02
    odds_log: float = 3.0
    window: timedelta = timedelta(minutes=2)
    tolerance: timedelta = timedelta(minutes=1)
    silent_factor: float = 2.5


@dataclass(frozen=True, slots=True)
class Span:
    """One interruption of one meter; `source` LOG, MESSAGE or INFERRED; `end` None: still off."""

    meter: int
    begin_at: datetime
    end_at: datetime | None
    source: str
    known_at: datetime
    event: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """
    One outage on a node (or, at level METER, a meter). `state` is SUSPECTED (silence alone), DECLARED or CLOSED.
    `counts`: gasps, restores, logs, silent, alive (contradicting). `nested`: it stayed off when its parent was back.
    """

    level: str
    subject: int
    begin_at: datetime
    end_at: datetime | None
    state: str
    known_at: datetime
    affected: frozenset[int]
    counts: tuple[tuple[str, int], ...]
    nested: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """All that follows from a set of words at an instant. `reasons` are codes, each with a sentence of its own."""

    states: dict[int, State]
    reasons: dict[int, str]
    events: tuple[Event, ...]
    spans: tuple[Span, ...]
    ask: tuple[int, ...] = field(default=())
