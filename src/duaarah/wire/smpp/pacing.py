# SPDX-License-Identifier: Apache-2.0
"""How many messages may leave now: a bucket that holds 4 % of a second, slower after the SMSC throttled us."""

from __future__ import annotations

BURST_SHARE = 0.04
SLOWEST = 0.1
RECOVERY_PER_S = 0.1
PAUSE_S = 1.0


class Pace:
    """At most `per_s` messages in any second (plus 4 %); times are monotonic seconds, passed in."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._depth = max(1.0, per_s * BURST_SHARE)
        self._tokens = 1.0
        self._share = 1.0
        self._at_s: float | None = None
        self._paused_until_s = 0.0

    def allowed(self, now_s: float) -> int:
        """How many may leave at `now_s`."""
        elapsed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._tokens = min(self._depth, self._tokens + elapsed_s * self._per_s * self._share)
        self._share = min(1.0, self._share + elapsed_s * RECOVERY_PER_S)
        return int(self._tokens) if now_s >= self._paused_until_s else 0

    def took(self, count: int) -> None:
        """So many left."""
        self._tokens -= count

    def throttled(self, now_s: float) -> None:
        """The SMSC said 0x58 or 0x14: a pause, then half the speed, which comes back by a tenth a second."""
        if now_s < self._paused_until_s:
            return
        self._share = max(SLOWEST, self._share / 2)
        self._paused_until_s = now_s + PAUSE_S
