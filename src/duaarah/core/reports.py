# SPDX-License-Identifier: Apache-2.0
"""What a meter tells of its network, its case, its relay, its modem and its load. Part of the vocabulary of `intent`.

Every number is an integer in the unit that ends its name, `at` the meter's own clock. `core.intent.Report` holds them all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

# Where a meter was laid hands on: its cover, its terminal cover, a magnet held to it, its lines exchanged.
TAMPERS = ("cover", "terminal", "magnet", "reversed")
# Why a relay moved.
RELAY_REASONS = ("credit", "order", "overload", "temporary_end", "local", "tamper", "other")
VOLTAGE_KINDS = ("sag", "swell")

PERIOD_S_MIN, PERIOD_S_MAX = 60, 86_400
INTERVALS_MAX = 1_500  # a month of half-hours
CHANNELS_MAX = 16
LOGGED_MAX = 500
# The units that may end a channel's name, as people write them. Thousandths keep every value whole.
CHANNEL_UNITS = {
    "wh": "Wh",
    "varh": "varh",
    "vah": "VAh",
    "w": "W",
    "var": "var",
    "va": "VA",
    "mv": "mV",
    "ma": "mA",
    "mhz": "mHz",
    "permille": "‰",
    "s": "s",
    "count": "",
}
_CHANNEL = re.compile(rf"[a-z][a-z0-9_]{{0,20}}_({'|'.join(CHANNEL_UNITS)})")


class ReportError(ValueError):
    """A report that cannot exist."""

    code = "bad_report"
    retryable = False


def check_channel(name: str) -> str:
    """The name of a channel, such as `energy_wh` or `voltage_l1_mv`; ReportError when it does not end in a known unit."""
    if not _CHANNEL.fullmatch(name):
        raise ReportError(
            f"{name!r} names no channel: small letters, and one of {', '.join(CHANNEL_UNITS)} at the end."
        )
    return name


def channel_unit(name: str) -> str:
    """The unit that ends a channel's name, as people write it."""
    return CHANNEL_UNITS[name.rsplit("_", 1)[-1]]


def _one_of(word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise ReportError(f"{word!r} is none of {', '.join(words)}.")


def _not_negative(*numbers: int | None) -> None:
    if any(number is not None and number < 0 for number in numbers):
        raise ReportError("A report holds no negative number here.")


@dataclass(frozen=True, slots=True)
class RelayState:
    """The relay moved, or was asked for: whether the customer has supply now, and why."""

    relay_closed: bool
    relay_reason: str
    at: datetime | None = None

    def __post_init__(self) -> None:
        _one_of(self.relay_reason, RELAY_REASONS)


@dataclass(frozen=True, slots=True)
class Tamper:
    """Somebody laid hands on the meter (`begins`), or what was done is undone."""

    tamper: str
    begins: bool
    at: datetime | None = None

    def __post_init__(self) -> None:
        _one_of(self.tamper, TAMPERS)


@dataclass(frozen=True, slots=True)
class Overload:
    """The load passed the limit (`begins`) or is below it again. `limit_w` None: the meter does not say."""

    begins: bool
    load_w: int
    limit_w: int | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        _not_negative(self.load_w, self.limit_w)


@dataclass(frozen=True, slots=True)
class VoltageEvent:
    """A sag or a swell that is over: its phase (1 to 3), the lowest or highest voltage of it, and how long it lasted."""

    voltage_kind: str
    phase: int
    extreme_mv: int
    lasted_s: int
    at: datetime | None = None

    def __post_init__(self) -> None:
        _one_of(self.voltage_kind, VOLTAGE_KINDS)
        _not_negative(self.extreme_mv, self.lasted_s)
        if not 1 <= self.phase <= 3:
            raise ReportError(f"A phase is 1 to 3, not {self.phase}.")


@dataclass(frozen=True, slots=True)
class LoggedOutage:
    """One entry of a power-failure log. `begin_at` None: the clock was not set."""

    begin_at: datetime | None
    out_s: int

    def __post_init__(self) -> None:
        _not_negative(self.out_s)


@dataclass(frozen=True, slots=True)
class PowerFailureLog:
    """The outages that a meter kept, as it gives them; none is a word too."""

    outages: tuple[LoggedOutage, ...]
    at: datetime | None = None

    def __post_init__(self) -> None:
        if len(self.outages) > LOGGED_MAX:
            raise ReportError(f"A log is read up to {LOGGED_MAX} entries at once.")


@dataclass(frozen=True, slots=True)
class ModemStatus:
    """How the modem is: what it does not say is None. `signal_dbm` is negative, `resets` counts since the factory."""

    signal_dbm: int | None = None
    cell: str | None = None
    network: str | None = None
    firmware: str | None = None
    resets: int | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        if self.signal_dbm is not None and not -150 <= self.signal_dbm <= 0:
            raise ReportError(f"A signal is -150 to 0 dBm, not {self.signal_dbm}.")
        _not_negative(self.resets)
        if any(text is not None and len(text) > 40 for text in (self.cell, self.network, self.firmware)):
            raise ReportError("A modem's words have 40 characters at most.")


@dataclass(frozen=True, slots=True)
class Interval:
    """One row of a load profile: its begin, the meter's own status of it (0 = good), one value a channel."""

    start_at: datetime
    status: int
    values: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """
    Intervals of `period_s` seconds each. `channels` are names such as `energy_wh`; an interval has one value for each, in
    the unit that ends the name, None where the meter has none.
    """

    period_s: int
    channels: tuple[str, ...]
    intervals: tuple[Interval, ...]
    at: datetime | None = None

    def __post_init__(self) -> None:
        if not PERIOD_S_MIN <= self.period_s <= PERIOD_S_MAX:
            raise ReportError(f"A capture period is {PERIOD_S_MIN} to {PERIOD_S_MAX} s, not {self.period_s}.")
        if not 1 <= len(self.channels) <= CHANNELS_MAX or len(set(self.channels)) != len(self.channels):
            raise ReportError(f"A load profile has 1 to {CHANNELS_MAX} channels, each once.")
        if len(self.intervals) > INTERVALS_MAX:
            raise ReportError(f"A load profile has {INTERVALS_MAX} intervals at most.")
        if any(len(interval.values) != len(self.channels) for interval in self.intervals):
            raise ReportError("An interval has one value for each channel.")

    @classmethod
    def from_start(
        cls,
        start_at: datetime,
        period_s: int,
        channels: tuple[str, ...],
        rows: tuple[tuple[int | None, ...], ...],
        at: datetime | None = None,
    ) -> LoadProfile:
        """Rows that follow each other without a gap from `start_at` on, all good."""
        step = timedelta(seconds=period_s)
        made = tuple(Interval(start_at + step * number, 0, row) for number, row in enumerate(rows))
        return cls(period_s, channels, made, at)


Happening = RelayState | Tamper | Overload | VoltageEvent | PowerFailureLog | ModemStatus | LoadProfile
