# SPDX-License-Identifier: Apache-2.0
"""
The SMSC's fault switches: one table, set by the JSON port or by `--fault NAME=VALUE`, drawn from one seeded die.

A *chance* is a whole number (the next n), a share between 0 and 1, or "always".
"""

from __future__ import annotations

import math
import random
import re
from collections import deque
from collections.abc import Mapping

from duaarah.wire.smpp import pdu as p

CHANCES = {
    "throttle": "submit_sm is refused with throttle_status",
    "noresp": "submit_sm is taken, its response never comes",
    "cut": "half of a response or deliver_sm goes out, then the connection closes",
    "lose": "a message is taken and never delivered",
    "double": "a message is delivered twice",
    "receipt_lose": "a receipt never comes",
    "receipt_double": "a receipt comes twice",
    "bind_refuse": "a bind is refused with bind_status",
    "oversize": "a PDU above every limit comes instead of a response",
    "unknown_tlv": "a TLV that nobody knows stands in a deliver_sm",
    "unknown_command": "a command that nobody knows comes before a deliver_sm",
    "enquire_silent": "enquire_link stays without an answer",
    "maintenance": "the operator's desk refuses an order",
    "desk_lost": "the operator's desk does what was ordered, and its answer never comes",
    "cdr_lose": "a segment is missing from the charging records",
}
NUMBERS = {
    "throttle_status": float(p.ESME_RTHROTTLED),
    "bind_status": float(p.ESME_RBINDFAIL),
    "response_delay_s": 0.0,
    "receipt_delay_s": 0.0,
    "receipt_shuffle": 0.0,
    "redeliver_s": 5.0,
    "desk_delay_s": 0.0,
}
WORDS: dict[str, tuple[str, ...]] = {
    "receipts": ("after", "early"),
    "receipt_form": ("both", "tlv", "text", "tight", "short"),
    "ids": ("padded", "unpadded", "hex-decimal", "decimal-hex", "upper-lower"),
    "chunks": ("whole", "octets", "joined"),
}
# `statuses`: what the next submits are answered, in order ("0x45,0,0x08"); `unreachable`: numbers that never take one.
TEXTS = ("statuses", "unreachable")


class FaultRefused(ValueError):
    """No such switch, or no such position of it."""

    code = "fault_refused"


class Faults:
    """The switches as they stand. The same seed and the same traffic give the same faults."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.done: dict[str, int] = dict.fromkeys(CHANCES, 0)
        self._lose_to: list[tuple[re.Pattern[str], int]] = []
        self.reset()

    def reset(self) -> None:
        """Every switch off; the die and what was counted stay."""
        self._chances = dict.fromkeys(CHANCES, 0.0)
        self._numbers = dict(NUMBERS)
        self._words = {name: words[0] for name, words in WORDS.items()}
        self._statuses: deque[int] = deque()
        self._unreachable: re.Pattern[str] | None = None
        self._lose_to.clear()

    def set(self, values: Mapping[str, object]) -> None:
        """Turn switches; nothing turns if one is wrong. Raises FaultRefused."""
        for act in [self._checked(name, value) for name, value in values.items()]:
            match act:
                case (dict() as table, str(name), value):
                    table[name] = value
                case ("statuses", list() as statuses):
                    self._statuses = deque(statuses)
                case ("unreachable", pattern):
                    self._unreachable = pattern  # type: ignore[assignment]

    def _checked(self, name: str, value: object) -> tuple[object, ...]:
        try:
            if name in CHANCES:
                chance = math.inf if value == "always" else float(str(value))
                if not chance >= 0 or (chance > 1 and chance != math.inf and chance % 1):
                    raise ValueError
                return self._chances, name, chance
            if name in NUMBERS:
                number = float(int(value, 0)) if isinstance(value, str) and "x" in value else float(str(value))
                if not 0 <= number < 1e9:
                    raise ValueError
                return self._numbers, name, number
            if name in WORDS and value in WORDS[name]:
                return self._words, name, value
            if name == "statuses":
                return name, [int(word, 0) for word in str(value).split(",") if word]
            if name == "unreachable":
                return name, re.compile(str(value)) if value else None
        except (ValueError, re.error):
            pass
        known = ", ".join([*CHANCES, *NUMBERS, *TEXTS, *(f"{n} ({'|'.join(w)})" for n, w in WORDS.items())])
        raise FaultRefused(f"{name}={value} is no fault; the switches are {known}.")

    def shown(self) -> dict[str, object]:
        """The switches that are not at rest, and how often each chance fell."""
        standing: dict[str, object] = {
            n: "always" if v == math.inf else int(v) if v >= 1 else v for n, v in self._chances.items() if v
        }
        standing |= {n: v for n, v in self._numbers.items() if v != NUMBERS[n]}
        standing |= {n: v for n, v in self._words.items() if v != WORDS[n][0]}
        if self._statuses:
            standing["statuses"] = ",".join(f"{status:#x}" for status in self._statuses)
        if self._unreachable is not None:
            standing["unreachable"] = self._unreachable.pattern
        return {"seed": self.seed, "set": standing, "done": {n: k for n, k in self.done.items() if k}}

    def falls(self, name: str) -> bool:
        """Whether this fault happens now; one of the next n is used up."""
        chance = self._chances[name]
        if chance >= 1:
            self._chances[name] = chance - 1
        elif not chance or self.dice.random() >= chance:
            return False
        self.done[name] += 1
        return True

    def number(self, name: str) -> float:
        return self._numbers[name]

    def word(self, name: str) -> str:
        return self._words[name]

    def submit_status(self) -> int:
        """What a submit_sm is refused with; 0 when it is taken. The script goes before the throttle."""
        if self._statuses:
            return self._statuses.popleft()
        return int(self._numbers["throttle_status"]) if self.falls("throttle") else p.ESME_ROK

    def reachable(self, destination: str) -> bool:
        return self._unreachable is None or not self._unreachable.search(destination)

    def lose_to(self, pattern: str, n: int) -> None:
        """The next n messages to numbers that match are lost. Raises re.error."""
        self._lose_to.append((re.compile(pattern), n))

    def loses(self, destination: str) -> bool:
        for index, (pattern, left) in enumerate(self._lose_to):
            if left and pattern.search(destination):
                self._lose_to[index] = (pattern, left - 1)
                self.done["lose"] += 1
                return True
        return self.falls("lose")


def from_words(words: list[str]) -> dict[str, str]:
    """`["throttle=3", "ids=hex-decimal"]` as a table. Raises FaultRefused."""
    for word in words:
        if "=" not in word:
            raise FaultRefused(f"{word} is no NAME=VALUE.")
    return dict(word.split("=", 1) for word in words)
