# SPDX-License-Identifier: Apache-2.0
"""What a simulated meter is made of, and what a test may break."""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.core.smsplan import ReportingPlan
from duaarah.core.sts import MeterDecoder
from duaarah.wire.dlms.ciphering import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Modem:
    """What the modem says of itself. `cell` is MCC-MNC-LAC-CI."""

    signal_dbm: int | None = -79
    cell: str | None = "510-10-0C21-4F10"
    network: str | None = "OPSEL"
    firmware: str = "1.4.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConfig:
    """
    What a meter leaves the factory with. `client_titles`: the head end first, then other readers. Without a reporting
    plan it tells of every outage and sends no blocks. With a `load_period_s` it keeps a load profile and sends it, and how
    its modem is, when a day is over.
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
    master_key: bytes | None = None  # wraps new keys (RFC 3394)
    load_period_s: int | None = None
    modem: Modem = Modem()


@dataclass(slots=True)
class Faults:
    """What a test may break. `lose_next_answer` counts token answers that never reach the network."""

    tid_store_off: bool = False
    modem_dead: bool = False
    lose_next_answer: int = 0
