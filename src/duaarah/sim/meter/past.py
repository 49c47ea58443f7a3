# SPDX-License-Identifier: Apache-2.0
"""What a meter brings along from before the first day: its audit of tokens and its counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from duaarah.core.replay import COUNTER_MAX, WIDTH
from duaarah.core.sts.meter import TID_STORE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPast:
    """
    Pure data; the credit is not part of it. `stored_tids`: the latest ones, against which tokens are judged (none given:
    of the distinct ones); `received_counter`: the highest from the head end; `sent_counter`: the meter's own latest;
    `used_mwh`: energy ever drawn; `reporting`: where its reporting plan stands (`SimMeter.state`).
    """

    token_energy_wh: int = 0
    tokens_accepted: int = 0
    distinct_tids: tuple[int, ...] = ()
    stored_tids: tuple[int, ...] | None = None
    received_counter: int = 0
    sent_counter: int = 0
    used_mwh: int = 0
    reporting: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if min(self.token_energy_wh, self.tokens_accepted, self.received_counter, self.sent_counter, self.used_mwh) < 0:
            raise ValueError("Nothing in a meter's past is negative.")
        if max(self.received_counter, self.sent_counter) > COUNTER_MAX:
            raise ValueError(f"An invocation counter is at most {COUNTER_MAX}.")
        if self.tokens_accepted < len(set(self.distinct_tids)):
            raise ValueError("A meter accepted at least as many tokens as different ones.")

    @classmethod
    def of_state(cls, state: dict[str, Any], head_end: bytes) -> MeterPast:
        """The past of a meter in this state (`SimMeter.state`)."""
        return cls(
            token_energy_wh=state["token_energy_wh"],
            tokens_accepted=state["tokens_accepted"],
            distinct_tids=tuple(state["distinct"]),
            stored_tids=tuple(state["decoder"]["tids"]),
            received_counter=state["link"]["windows"][head_end.hex()][0],
            sent_counter=state["link"]["sent_counter"],
            used_mwh=state.get("used_mwh", 0),
            reporting=state.get("reporting"),
        )

    def over(self, state: dict[str, Any], head_end: bytes) -> dict[str, Any]:
        """A new meter's state (`SimMeter.state`) with this past."""
        distinct = sorted(set(self.distinct_tids))
        stored = distinct if self.stored_tids is None else sorted(set(self.stored_tids))
        # Nothing of the past is still under way: no counter up to the highest is ever taken.
        window = [self.received_counter, (1 << WIDTH) - 1 if self.received_counter else 0]
        link = {
            "sent_counter": self.sent_counter,
            "windows": {**state["link"]["windows"], head_end.hex(): window},
        }
        decoder = {**state["decoder"], "tids": stored[-TID_STORE_SIZE:], "accepted_count": self.tokens_accepted}
        return {
            **state,
            "token_energy_wh": self.token_energy_wh,
            "tokens_accepted": self.tokens_accepted,
            "distinct": distinct,
            "used_mwh": self.used_mwh,
            "reporting": self.reporting or state["reporting"],
            "link": link,
            "decoder": decoder,
        }
