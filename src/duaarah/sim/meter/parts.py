# SPDX-License-Identifier: Apache-2.0
"""What a simulated meter is made of: its configuration, its fault switches, its credit register."""

from __future__ import annotations

from dataclasses import dataclass, field

from duaarah.core.smsplan import ReportingPlan
from duaarah.core.sts import MeterDecoder
from duaarah.wire.dlms.ciphering import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConfig:
    """
    What a meter leaves the factory with. `client_titles`: the head end first, then other readers. Without a reporting
    plan it tells of every outage and sends no blocks.
    """

    kind: str
    drn: str
    system_title: bytes
    keys: Keys
    client_titles: tuple[bytes, ...]
    decoder: MeterDecoder
    credit_wh: int
    low_credit_threshold_wh: int
    reporting: ReportingPlan | None = None


@dataclass(slots=True)
class Faults:
    """What a test may break. `lose_next_answer` counts token answers that never reach the network."""

    tid_store_off: bool = False
    modem_dead: bool = False
    lose_next_answer: int = 0


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
