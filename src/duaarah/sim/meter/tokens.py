# SPDX-License-Identifier: Apache-2.0
"""How a simulated meter judges a token: the port, so that a meter can be given any decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TokenOutcome:
    """A result of IEC 62055-41 by name, the TID if the token decoded that far, the energy it adds (0 if refused)."""

    result: str
    tid: int | None
    energy_wh: int


class TokenDecoder(Protocol):
    """Decoder key and TID store of one meter."""

    def enter(self, token: str, *, room_wh: int) -> TokenOutcome:
        """Judge 20 digits; on accept the TID is stored before this returns. `room_wh`: more than this overflows."""
        ...

    def forget_tids(self) -> None:
        """A broken meter: the TID store is empty, every token is new again."""
        ...

    def state(self) -> dict[str, Any]:
        """What the decoder keeps, as JSON values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former `state()`."""
        ...
