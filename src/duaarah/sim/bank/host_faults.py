# SPDX-License-Identifier: Apache-2.0
"""What the P2APST double does wrong on purpose: rules by meter and phase, used up one message at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PHASES = ("inquiry", "payment", "advice", "advice_repeat", "reversal", "reversal_repeat", "network")
ANY = "*"
DELAY_S_MAX = 3600
REPEAT_MAX = 10


class FaultRefused(ValueError):
    """A rule that means nothing, in a sentence."""

    code = "fault_refused"


@dataclass(slots=True)
class Fault:
    """
    For messages about `target` (a meter, IDPEL or registration number, or *) in `phase` (or *), `times` of them.

    `code`: answered instead of what is true. `sell`: a purchase with a forced code is nevertheless made, and an advice
    finds it. `delay_s`: the answer waits. `lose`: everything is done, the answer never comes. `repeat`: how often the
    answer goes out. `garbage`: bytes that are no message go out before it. `close`: the connection ends in its place.
    """

    target: str = ANY
    phase: str = ANY
    code: str | None = None
    sell: bool = False
    delay_s: float = 0.0
    lose: bool = False
    repeat: int = 1
    garbage: bool = False
    close: bool = False
    times: float = 1

    def matches(self, target: str, phase: str) -> bool:
        return self.times > 0 and self.target in (ANY, target) and self.phase in (ANY, phase)


NONE = Fault(times=math.inf)


def from_request(request: Mapping[str, Any]) -> Fault:
    """A rule from a control request; `times` is a whole number or "always". Raises FaultRefused."""
    known = {name for name in Fault.__slots__ if name != "times"}
    values = {name: value for name, value in request.items() if name not in ("op", "times")}
    if unknown := sorted(set(values) - known):
        raise FaultRefused(f"A fault has no {unknown[0]}; it has {', '.join(sorted(known | {'times'}))}.")
    if values.get("phase") == "purchase":
        values["phase"] = "payment"
    times = request.get("times", 1)
    made = Fault(**values, times=math.inf if times == "always" else times)
    good = (
        isinstance(made.target, str)
        and made.phase in (*PHASES, ANY)
        and (made.code is None or (isinstance(made.code, str) and len(made.code) == 4 and made.code.isdecimal()))
        and all(isinstance(value, bool) for value in (made.sell, made.lose, made.garbage, made.close))
        and _number(made.delay_s, 0, DELAY_S_MAX)
        and isinstance(made.repeat, int)
        and _number(made.repeat, 1, REPEAT_MAX)
        and _number(made.times, 1, math.inf)
    )
    if not good:
        phases = ", ".join((*PHASES, ANY))
        raise FaultRefused(f"A fault's phase is one of {phases}; code four digits; times a number or always.")
    return made


def _number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


class Faults:
    """The rules as they stand; the first that matches is the one that counts."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self.done = 0

    def add(self, fault: Fault) -> None:
        self.rules.append(fault)

    def clear(self) -> None:
        self.rules.clear()

    def take(self, target: str, phase: str) -> Fault:
        """The rule for this message, one use of it spent."""
        for rule in self.rules:
            if rule.matches(target, phase):
                rule.times -= 1
                self.done += 1
                self.rules = [one for one in self.rules if one.times > 0]
                return rule
        return NONE
