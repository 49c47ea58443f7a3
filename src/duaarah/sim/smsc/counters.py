# SPDX-License-Identifier: Apache-2.0
"""What the SMSC measured at one socket: the peer's truth about a client's window and rate."""

from __future__ import annotations

from collections import Counter, deque

SECONDS_KEPT = 3600


class BindCounters:
    """Times are monotonic seconds. A submit arrives when it is read from the socket, before anything is answered."""

    def __init__(self) -> None:
        self.submits = self.refused = self.delivers = 0
        self.classes: Counter[str] = Counter()
        self.unanswered = self.unanswered_max = 0
        self._by_second: Counter[int] = Counter()
        self._latest: deque[float] = deque()
        self.any_second_max = 0

    def arrived(self, now_s: float) -> None:
        """A submit_sm was read."""
        self.submits += 1
        self.unanswered += 1
        self.unanswered_max = max(self.unanswered_max, self.unanswered)
        self._by_second[int(now_s)] += 1
        if len(self._by_second) > SECONDS_KEPT:
            del self._by_second[min(self._by_second)]
        self._latest.append(now_s)
        while self._latest[0] <= now_s - 1:
            self._latest.popleft()
        self.any_second_max = max(self.any_second_max, len(self._latest))

    def answered(self, *, refused: bool) -> None:
        """Its response was written."""
        self.unanswered -= 1
        self.refused += refused

    def shown(self) -> dict[str, object]:
        """`tps`: how many seconds had so many submits; `any_second_max`: the most within any 1 s, wherever it begins."""
        return {
            "submits": self.submits,
            "refused": self.refused,
            "delivers": self.delivers,
            "classes": dict(sorted(self.classes.items())),
            "unanswered": self.unanswered,
            "unanswered_max": self.unanswered_max,
            "tps": {str(n): k for n, k in sorted(Counter(self._by_second.values()).items())},
            "any_second_max": self.any_second_max,
        }
