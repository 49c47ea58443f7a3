# SPDX-License-Identifier: Apache-2.0
"""
What is planned in the town, as data: a plan outlives the process that made it, a closure does not.

`to_words` and `from_words` carry a deed through a file.
"""

from __future__ import annotations

import dataclasses
import json
import random
from dataclasses import dataclass, field

from duaarah.sim.town.world import Question, World

SHIFT_MINUTES = 45


@dataclass(frozen=True, slots=True)
class AnswerWarning:
    """A customer answers a warning by SMS, or buys at the ATM instead."""

    phone: str
    drn: str
    reply: str
    nominal_idr: int


@dataclass(frozen=True, slots=True)
class WalkToATM:
    """A customer with an empty wallet goes to the ATM."""

    phone: str
    drn: str
    nominal_idr: int


@dataclass(frozen=True, slots=True)
class WalkToMeter:
    """A customer goes to his meter and types. The digits are worth money: they are not printed."""

    phone: str
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """A customer sends an SMS of his own accord."""

    phone: str
    text: str


@dataclass(frozen=True, slots=True)
class SetModem:
    """A modem loses the network or has it again."""

    drn: str
    dead: bool


@dataclass(frozen=True, slots=True)
class Bring:
    """A meter's message (hex) that the radio brings late."""

    drn: str
    payload: str


@dataclass(frozen=True, slots=True)
class BuyUnasked:
    """A purchase at the ATM that no warning led to."""

    drn: str
    nominal_idr: int


@dataclass(frozen=True, slots=True)
class SendData:
    """A meter's blocks and summaries that are due."""

    drn: str


@dataclass(frozen=True, slots=True)
class SendProfile:
    """The load profile of the days that are over, over TCP."""

    drn: str


@dataclass(frozen=True, slots=True)
class BeginDay:
    """Midnight: what this day has of its own is planned."""

    day: int


PhoneDeed = AnswerWarning | WalkToATM | WalkToMeter | Ask
Deed = PhoneDeed | SetModem | Bring | BuyUnasked | SendData | SendProfile | BeginDay
_KINDS = {
    kind.__name__: kind
    for kind in (
        AnswerWarning,
        WalkToATM,
        WalkToMeter,
        Ask,
        SetModem,
        Bring,
        BuyUnasked,
        SendData,
        SendProfile,
        BeginDay,
    )
}


def to_words(deed: Deed) -> str:
    """A deed as one line of JSON."""
    return json.dumps([type(deed).__name__, *dataclasses.astuple(deed)], separators=(",", ":"))


def from_words(words: str) -> Deed:
    """The deed that `to_words` wrote. Raises ValueError."""
    kind, *arguments = json.loads(words)
    if kind not in _KINDS:
        raise ValueError(f"There is no deed of the kind {kind!r}.")
    deed: Deed = _KINDS[kind](*arguments)
    return deed


def questions_of(world: World, day: int, *, first: bool) -> list[Question]:
    """
    What customers ask on a day. On the town's first day exactly the world's questions; on any later one each of them
    up to SHIFT_MINUTES earlier or later, the same in every run of a seed: no two days are alike.
    """
    if first:
        return list(world.questions)
    dice = random.Random(f"duaarah day {world.seed} {day}")
    shifted = [
        dataclasses.replace(question, minute=question.minute + dice.randint(-SHIFT_MINUTES, SHIFT_MINUTES))
        for question in world.questions
    ]
    return sorted(shifted, key=lambda question: question.minute)
