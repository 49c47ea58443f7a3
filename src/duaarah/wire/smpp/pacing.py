# SPDX-License-Identifier: Apache-2.0
"""How many messages may leave now: a bucket that evens them out, a count of the last second, slower after a throttling."""

from __future__ import annotations

from collections import deque

# The bucket holds 200 ms: a process that was away for so long loses nothing of its rate.
BURST_SHARE = 0.2
SLOWEST = 0.1
RECOVERY_PER_S = 0.1
PAUSE_S = 1.0


class Pace:
    """At most `per_s` messages in any second, however it is laid; times are monotonic seconds, passed in."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._depth = 1 + per_s * BURST_SHARE
        self._tokens = 1.0
        self._share = 1.0
        self._at_s: float | None = None
        self._paused_until_s = 0.0
        self._left: deque[tuple[float, int]] = deque()
        self._in_second = 0

    def allowed(self, now_s: float) -> int:
        """How many may leave at `now_s`."""
        elapsed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._tokens = min(self._depth, self._tokens + elapsed_s * self._per_s * self._share)
        self._share = min(1.0, self._share + elapsed_s * RECOVERY_PER_S)
        if now_s < self._paused_until_s:
            # Who asked for less is not met by a burst afterwards.
            self._tokens = 0.0
            return 0
        while self._left and self._left[0][0] <= now_s - 1:
            self._in_second -= self._left.popleft()[1]
        room = max(1, int(self._per_s)) - self._in_second
        return max(0, min(int(self._tokens), room))

    def took(self, count: int, now_s: float) -> None:
        """So many left, the last of them at `now_s`."""
        self._tokens -= count
        self._in_second += count
        self._left.append((now_s, count))

    def throttled(self, now_s: float) -> None:
        """The SMSC said 0x58 or 0x14: a pause, then half the speed, which comes back by a tenth a second."""
        if now_s < self._paused_until_s:
            return
        self._share = max(SLOWEST, self._share / 2)
        self._paused_until_s = now_s + PAUSE_S
