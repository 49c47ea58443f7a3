# SPDX-License-Identifier: Apache-2.0
"""The small vocabulary between the head end and the drivers: what we ask of a meter, what a meter tells us.

Every amount is an integer in the unit that ends its name. `at` is the meter's own clock: an aware instant, or None
when the meter sent none (or one that is not set). Nothing here knows how any maker writes it down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from duaarah.core.order import Order
from duaarah.core.reports import Happening
from duaarah.core.smsplan import ReportingPlan

# The results of IEC 62055-41, clause 9 (token acceptance), by their stable names.
TOKEN_RESULTS = (
    "accept",
    "crc",
    "used",
    "old",
    "key_expired",
    "ddtk",
    "overflow",
    "range",
    "unsupported",
    "lockout",
)


class IntentError(ValueError):
    """A command or report that cannot exist."""

    code = "bad_intent"
    retryable = False


class MeterRegister(StrEnum):
    """What can be read from every kind of meter, whatever its address there."""

    CREDIT_LEFT_WH = "credit_left_wh"
    TOKEN_ENERGY_WH = "token_energy_wh"
    TOKENS_ACCEPTED = "tokens_accepted"
    TOKENS_DISTINCT = "tokens_distinct"


@dataclass(frozen=True, slots=True)
class LoadCredit:
    """Enter one STS token of any class, 20 decimal digits, which stay out of the repr, hence out of logs."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.token) != 20 or not (self.token.isascii() and self.token.isdigit()):
            raise IntentError("A token has exactly 20 decimal digits.")


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """Read registers, over a connection; SMS carries no GET."""

    registers: tuple[MeterRegister, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.registers) <= len(MeterRegister) or len(set(self.registers)) != len(self.registers):
            raise IntentError("A read names one or more registers, each once.")


@dataclass(frozen=True, slots=True)
class SetLowCreditThreshold:
    """Warn from now on when the credit goes under so many Wh. The same order twice is the same order."""

    threshold_wh: int

    def __post_init__(self) -> None:
        if self.threshold_wh <= 0:
            raise IntentError("A threshold lies above zero.")


@dataclass(frozen=True, slots=True)
class SetReportingPlan:
    """Send from now on what this plan says. The same order twice is the same order."""

    plan: ReportingPlan


@dataclass(frozen=True, slots=True)
class TransferKeys:
    """New global keys, each wrapped under the meter's master key (RFC 3394, 24 octets). The same twice is the same."""

    encryption_wrapped: bytes = field(repr=False)
    authentication_wrapped: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if (len(self.encryption_wrapped), len(self.authentication_wrapped)) != (24, 24):
            raise IntentError("A wrapped key of 16 octets has 24.")


Command = LoadCredit | ReadRegisters | SetLowCreditThreshold | SetReportingPlan | TransferKeys | Order


@dataclass(frozen=True, slots=True)
class LowCredit:
    """The credit went under the customer's threshold; sent once per crossing."""

    remaining_wh: int
    relay_closed: bool
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CreditExhausted:
    """The credit is gone and the meter opened its relay (`relay_closed` says whether it really did)."""

    relay_closed: bool
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LastGasp:
    """The supply failed; the meter's last words before its reserve is empty."""

    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PowerRestored:
    """The supply is back."""

    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DataBlock:
    """
    A meter's registers on a day of its reporting plan: energy used ever, credit left, and what its log kept since the
    last block for want of an SMS: events, outages among them, and for how long the supply was away in those.
    """

    used_wh: int
    balance_wh: int
    events_kept: int
    outages_kept: int
    out_kept_s: int
    at: datetime | None = None

    def __post_init__(self) -> None:
        if min(self.used_wh, self.balance_wh, self.events_kept, self.outages_kept, self.out_kept_s) < 0:
            raise IntentError("A register block holds no negative number.")


@dataclass(frozen=True, slots=True)
class DailySummary:
    """
    One day of a meter with the daily-data package. `day_date` is the meter's local day; the credit is that of the
    sending; the voltages are None when it
    measured none (a day without supply); `demand_w` is the highest mean load of an hour.
    """

    day_date: date
    energy_wh: int
    balance_wh: int
    voltage_min_mv: int | None
    voltage_avg_mv: int | None
    voltage_max_mv: int | None
    outages: int
    out_s: int
    demand_w: int
    at: datetime | None = None

    def __post_init__(self) -> None:
        voltages = (self.voltage_min_mv, self.voltage_avg_mv, self.voltage_max_mv)
        known = [voltage for voltage in voltages if voltage is not None]
        if len(known) not in (0, 3) or known != sorted(known):
            raise IntentError("A day has its three voltages in order, or none.")
        if min(self.energy_wh, self.balance_wh, self.outages, self.out_s, self.demand_w, *known) < 0:
            raise IntentError("A day's summary holds no negative number.")


@dataclass(frozen=True, slots=True)
class TokenResult:
    """The meter's own answer to a token: the only proof that credit arrived.

    `command_counter` is the invocation counter of the frame that carried the token, 0 for the keypad. `tid` is None
    when the token could not be decoded far enough to have one. `energy_wh` is what this token added, 0 if refused.
    """

    command_counter: int
    result: str
    tid: int | None
    energy_wh: int
    balance_wh: int
    at: datetime | None = None

    def __post_init__(self) -> None:
        if self.result not in TOKEN_RESULTS:
            raise IntentError(f"{self.result!r} is not a result of a token entry.")


@dataclass(frozen=True, slots=True)
class SettingResult:
    """
    The meter's own answer to a setting or a method. `invoke_id` (0-15) is that of the request; `result` is `success`, or
    why it was refused, by the standard's name of the Data-Access-Result or Action-Result.
    """

    invoke_id: int
    result: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SettingResults:
    """The answer to several settings in one message, in their order; each result as in SettingResult."""

    invoke_id: int
    results: tuple[str, ...]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UnknownReport:
    """An authenticated message nobody here can read: kept raw, never an error."""

    raw: bytes
    at: datetime | None = None


Report = (
    LowCredit
    | CreditExhausted
    | LastGasp
    | PowerRestored
    | DataBlock
    | DailySummary
    | TokenResult
    | SettingResult
    | Happening
    | SettingResults
    | UnknownReport
)
