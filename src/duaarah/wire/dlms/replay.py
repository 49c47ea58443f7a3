# SPDX-License-Identifier: Apache-2.0
"""The replay window over a peer's invocation counters (IEC 62056-5-3, 9.2.3.3): SMS may arrive late and out of order.

The state is two plain integers so that any store can keep it. `highest` is the highest counter accepted, 0 before
the first (counters start at 1). Bit i of `bitmap` says that counter `highest - 1 - i` was accepted too.
"""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.wire.dlms.errors import Malformed, Replayed, Unencodable

WINDOW = 64
COUNTER_MAX = 0xFFFFFFFF
_MASK = (1 << WINDOW) - 1


@dataclass(frozen=True, slots=True)
class Admission:
    """A counter that was accepted: the window to persist next, and how many counters were skipped to reach it."""

    window: ReplayWindow
    gap: int
    late: bool


@dataclass(frozen=True, slots=True)
class ReplayWindow:
    """Immutable; `admit` gives the next one."""

    highest: int = 0
    bitmap: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.highest <= COUNTER_MAX and 0 <= self.bitmap <= _MASK):
            raise Unencodable("A replay window holds a 32-bit counter and a 64-bit map.")

    def admit(self, counter: int) -> Admission:
        """Accept an *authenticated* counter or raise Replayed.

        `gap` counts the counters between the former highest and this one: messages that are lost, or still on
        their way. It is 0 at the first contact, when nothing was expected, and for a late arrival.
        """
        if not 0 <= counter <= COUNTER_MAX:
            raise Malformed("An invocation counter has 32 bits.")
        if counter > self.highest:
            ahead = counter - self.highest
            # A jump past the whole window forgets every bit; testing first keeps the shift small.
            bitmap = 0 if ahead > WINDOW else (((self.bitmap << 1) | 1) << (ahead - 1)) & _MASK
            return Admission(ReplayWindow(counter, bitmap), ahead - 1 if self.highest else 0, late=False)
        behind = self.highest - counter
        if counter == 0 or behind == 0 or behind > WINDOW:
            raise Replayed("This invocation counter was used before or lies below the window.")
        bit = 1 << (behind - 1)
        if self.bitmap & bit:
            raise Replayed("This invocation counter was used before.")
        return Admission(ReplayWindow(self.highest, self.bitmap | bit), 0, late=True)
