# SPDX-License-Identifier: Apache-2.0
"""What the head end needs to take pushes over IP; `wiring.pushes` brings the implementation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from duaarah.headend.ports import MeterKeys, OpenedFrame


@dataclass(frozen=True)
class ProvenPush:
    """A push whose tag is right: its counter, and the Long-Invoke-Id of a sender who waits to hear that it is kept."""

    counter: int
    confirm: int | None


class PushReader(Protocol):
    """Opens the ciphered APDU of a push, whatever carried it."""

    def title(self, apdu: bytes) -> bytes:
        """The system title that it names, unproven: good for finding keys. Raises FrameRefused."""
        ...

    def prove(self, *, apdu: bytes, keys: MeterKeys) -> ProvenPush:
        """Whether it is the meter's own. Raises FrameRefused (auth_failed, malformed, unprotected ...)."""
        ...

    def open(self, *, profile: str, apdu: bytes, keys: MeterKeys) -> OpenedFrame:
        """What it says. Raises FrameRefused."""
        ...

    def confirmation(self, *, long_invoke: int, keys: MeterKeys, counter: int) -> bytes:
        """The ciphered APDU that says: kept. The counter is persisted before."""
        ...
