# SPDX-License-Identifier: Apache-2.0
"""What a simulated meter holds, and what may be seen of it from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from duaarah.core.smsplan import ReportingPlan
from duaarah.core.sts import DecoderKey, MeterDecoder
from duaarah.sim.meter.config import Faults
from duaarah.sim.meter.orders import Ordered
from duaarah.sim.meter.reporting import Reporting

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


class MeterView:
    """The figures of a meter; nothing here changes any."""

    faults: Faults
    ordered: Ordered
    _register: Register
    _decoder: MeterDecoder
    _reporting: Reporting | None

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
        """Whether the customer has supply, as far as the meter decides it: by the credit, and as ordered from afar."""
        return self._register.relay_closed and not self.ordered.held_open

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
    def plan(self) -> ReportingPlan | None:
        """What the meter sends on its own; None: no plan, it tells of every outage and sends no data."""
        return self._reporting.plan if self._reporting else None

    @property
    def keeps_days(self) -> bool:
        """Whether it gathers a day's figures and wants samples."""
        return self._reporting is not None and self._reporting.day is not None

    def has_data(self, now: datetime) -> bool:
        """Whether a block or summaries will be due then."""
        reporting = self._reporting
        return reporting is not None and bool(reporting.over or reporting.block_day(now))

    @property
    def decoder_key(self) -> DecoderKey:
        """The key that the meter has now."""
        return self._decoder.key

    @property
    def ken(self) -> int:
        """The expiry number of that key."""
        return self._decoder.ken

    @property
    def reachable(self) -> bool:
        """Whether the modem answers."""
        return self.powered and not self.faults.modem_dead

    @property
    def used_mwh(self) -> int:
        """All energy ever taken by the load."""
        return self._register.used_mwh

    @property
    def held_open(self) -> bool:
        """Whether the utility has disconnected the customer."""
        return self.ordered.held_open
