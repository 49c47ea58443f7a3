# SPDX-License-Identifier: Apache-2.0
"""
Replay window over invocation counters (IEC 62056-5-3, 9.2.3.3; the sliding window of RFC 6479 in small).

SMS reorders: a counter up to 64 below the highest is taken once, an older or a repeated one never.
"""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 64
_MASK = (1 << WIDTH) - 1
COUNTER_MAX = (1 << 32) - 1


class Replayed(Exception):
    """The counter was seen before, or lies below the window. The frame must be dropped."""

    code = "replayed"


@dataclass(frozen=True)
class ReplayWindow:
    """`highest` counter taken so far (0 = none), and a bitmap of the 64 counters below it (bit 0 = highest - 1)."""

    highest: int = 0
    bitmap: int = 0

    def take(self, counter: int) -> tuple[ReplayWindow, int]:
        """
        The window after `counter`, and how many counters were skipped by it (0 when it came late).

        Raises:
            Replayed: seen before, or too old to tell.
            ValueError: not a 32-bit counter above zero.
        """
        if not 0 < counter <= COUNTER_MAX:
            raise ValueError(f"An invocation counter is 1 to {COUNTER_MAX}, not {counter}.")
        if counter > self.highest:
            ahead = counter - self.highest
            bitmap = (self.bitmap << ahead | 1 << (ahead - 1)) & _MASK if self.highest and ahead <= WIDTH else 0
            return ReplayWindow(counter, bitmap), ahead - 1 if self.highest else 0
        bit = 1 << (self.highest - counter - 1) if counter < self.highest else 0
        if bit == 0 or self.highest - counter > WIDTH or self.bitmap & bit:
            raise Replayed(f"Counter {counter} was used before.")
        return ReplayWindow(self.highest, self.bitmap | bit), 0

    def joined(self, other: ReplayWindow) -> ReplayWindow:
        """What was taken here or there: for two that began alike and went on apart."""
        high, low = (self, other) if self.highest >= other.highest else (other, self)
        behind = high.highest - low.highest
        if not behind or not low.highest:
            return ReplayWindow(high.highest, high.bitmap | (low.bitmap if not behind else 0))
        taken = (low.bitmap << behind | 1 << (behind - 1)) if behind <= WIDTH else 0
        return ReplayWindow(high.highest, (high.bitmap | taken) & _MASK)
