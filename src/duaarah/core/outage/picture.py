# SPDX-License-Identifier: Apache-2.0
"""What is inferred: the state of each meter, events on the tree, interruptions; and the numbers that steer it."""

from __future__ import annotations

from dataclasses import dataclass
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
    many usual pauses a meter is silent; `ask_factor`: after how many it is worth a question.

    Of questions: `answers` is the share that a meter with supply answers, `gasp_delivery_low` how few gasps may arrive
    when the questions already say that the node is off; `lost_enough` of them without an answer say so of a meter, or a
    node. A node gets at most `asks_per_node` in `asks_within`, a meter that stays silent one in `ask_again`; a lone gasp is
    asked about when other gasps had `gather` to arrive, and while it is `gasp_fresh`.
    """

    gasp_delivery: float = 0.6
    spurious: float = 0.01
    alive_wrong: float = 0.02
    odds_log: float = 3.0
    window: timedelta = timedelta(minutes=2)
    tolerance: timedelta = timedelta(minutes=1)
    silent_factor: float = 2.5
    ask_factor: float = 1.1
    answers: float = 0.95
    gasp_delivery_low: float = 0.2
    lost_enough: int = 2
    asks_per_node: int = 4
    asks_within: timedelta = timedelta(minutes=30)
    ask_again: timedelta = timedelta(hours=6)
    gather: timedelta = timedelta(seconds=25)
    gasp_fresh: timedelta = timedelta(hours=1)


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


@dataclass(frozen=True, slots=True, order=True)
class Ask:
    """
    A question to a meter, `why`: "lone_gasp" (one neighbour said that it failed, at `about_at`) or "silent" (it should have
    spoken, quiet since `about_at`). `node` is its transformer.
    """

    meter: int
    node: int
    why: str
    about_at: datetime


@dataclass(frozen=True, slots=True)
class Picture:
    """
    All that follows from a set of words at an instant. `reasons` are codes, each with a sentence of its own. `ask`: whom to
    ask now; `look_at`: when silence alone will say something new (None: never).
    """

    states: dict[int, State]
    reasons: dict[int, str]
    events: tuple[Event, ...]
    spans: tuple[Span, ...]
    ask: tuple[Ask, ...] = ()
    look_at: datetime | None = None
