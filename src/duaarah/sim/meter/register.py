# SPDX-License-Identifier: Apache-2.0
"""What a meter counts, and how the outside reads it."""

from __future__ import annotations

from dataclasses import dataclass, field

MWH_PER_WH = 1000


@dataclass(slots=True)
class Register:
    """The credit register and the audit of tokens, kept over a power failure. Credit is in mWh: nothing is rounded."""

    credit_mwh: int
    armed: bool
    relay_closed: bool
    threshold_wh: int
    powered: bool = True
    token_energy_wh: int = 0
    tokens_accepted: int = 0
    distinct: set[int] = field(default_factory=set)
    used_mwh: int = 0
    held_open: bool = False  # by remote disconnection: a token does not close the relay


class Figures:
    """The figures of a meter, for reading; `_register` is the meter's own."""

    _register: Register

    @property
    def credit_mwh(self) -> int:
        """Credit left, exactly."""
        return self._register.credit_mwh

    @property
    def armed(self) -> bool:
        """Whether the meter will warn when its credit goes under the threshold."""
        return self._register.armed

    @property
    def threshold_wh(self) -> int:
        """Below which credit the meter warns."""
        return self._register.threshold_wh

    @property
    def credit_wh(self) -> int:
        """Credit left, a fraction of a Wh cut."""
        return self._register.credit_mwh // MWH_PER_WH

    @property
    def relay_closed(self) -> bool:
        """Whether the customer has supply, as far as the meter decides it."""
        return self._register.relay_closed

    @property
    def powered(self) -> bool:
        """Whether the network feeds the meter."""
        return self._register.powered

    @property
    def token_energy_wh(self) -> int:
        """All energy ever accepted from tokens."""
        return self._register.token_energy_wh

    @property
    def tokens_accepted(self) -> int:
        """How many tokens were accepted, a double acceptance counted twice."""
        return self._register.tokens_accepted

    @property
    def tokens_distinct(self) -> int:
        """How many different TIDs were accepted."""
        return len(self._register.distinct)

    @property
    def used_mwh(self) -> int:
        """All energy ever taken by the load."""
        return self._register.used_mwh

    @property
    def held_open(self) -> bool:
        """Whether the utility has disconnected the customer."""
        return self._register.held_open
