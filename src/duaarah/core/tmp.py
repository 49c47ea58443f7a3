# SPDX-License-Identifier: Apache-2.0
"""
TMP (tingkat mutu pelayanan): what PLN owes a customer for a month that was worse than what his unit had declared.

Bands and rules are dated rows; a month is judged by the rules in force on its first day. Sources: Permen ESDM 27/2017
(35 % and 20 % of the base when an indicator is more than 10 % above the declared value), 18/2019 (lama gangguan by hours
above it), 2/2025 (lama gangguan runs from when the utility knew of it). Of several indicators only the largest counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

FLAT_ADJUSTED_PERCENT = 35
FLAT_SUBSIDISED_PERCENT = 20
_TOLERANCE = Decimal("1.1")
# Groups without tariff adjustment, up to this contracted power (VA): all but the thirteen of Permen ESDM 28/2016 as amended
# (R-1 of 900 VA without subsidy and from 1,300 VA, R-2, R-3, B-2, B-3, I-3, I-4, P-1 from 6,600 VA, P-2, P-3, L).
SUBSIDISED_UP_TO_VA: Mapping[str, int] = {
    "S-1": 10**9,
    "S-2": 10**9,
    "S-3": 10**9,
    "R-1": 900,
    "B-1": 5_500,
    "I-1": 14_000,
    "I-2": 200_000,
    "P-1": 5_500,
}


class Counts(StrEnum):
    """Which begin of an interruption lama gangguan runs from."""

    PHYSICAL = "physical"
    KNOWN = "known"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of months from a day on. `bands`: (hours above the declared value up to which, percent); None: no end."""

    valid_from_date: dt.date
    counts: Counts
    bands: Sequence[tuple[int | None, int]]
    basis: str


_BANDS_2019 = ((2, 50), (4, 75), (8, 100), (16, 200), (40, 300), (None, 500))
RULES = (
    Rules(valid_from_date=dt.date(2017, 5, 1), counts=Counts.PHYSICAL, bands=(), basis="Permen ESDM 27/2017"),
    Rules(valid_from_date=dt.date(2020, 1, 1), counts=Counts.PHYSICAL, bands=_BANDS_2019, basis="Permen ESDM 18/2019"),
    Rules(valid_from_date=dt.date(2025, 3, 1), counts=Counts.KNOWN, bands=_BANDS_2019, basis="Permen ESDM 2/2025"),
)


class NoRules(ValueError):
    """No rule is loaded for this month."""

    code = "no_tmp_rules"
    retryable = False


def rules_of(month_date: dt.date) -> Rules:
    """The rules in force on a month's first day. Raises NoRules."""
    held = [rules for rules in RULES if rules.valid_from_date <= month_date]
    if not held:
        raise NoRules(f"No TMP rules are loaded for {month_date.isoformat()}.")
    return held[-1]


@dataclass(frozen=True, kw_only=True)
class Own:
    """One of a customer's interruptions that is not exempt: begin, the moment it was known, end; aware."""

    began_at: dt.datetime
    known_at: dt.datetime
    ended_at: dt.datetime


def lasted_s(own: Own, counts: Counts) -> int:
    """Whole seconds that count; never negative: what was known only after supply was back lasted nothing."""
    begin_at = max(own.began_at, own.known_at) if counts == Counts.KNOWN else own.began_at
    return max(int((own.ended_at - begin_at).total_seconds()), 0)


def month_of(ledger: Iterable[Own], counts: Counts) -> tuple[int, int]:
    """(seconds, times) of a customer's month."""
    lengths = [lasted_s(own, counts) for own in ledger]
    return sum(lengths), len(lengths)


def is_subsidised(group: str, va: int) -> bool:
    """Whether a group's tariff is not adjusted; `group` as the tables name it (`R-1`)."""
    return va <= SUBSIDISED_UP_TO_VA.get(group, 0)


def percent_hours(rules: Rules, *, interrupted_s: int, declared_h: Decimal, subsidised: bool) -> int:
    """Percent of the base for lama gangguan; 0: nothing is owed."""
    if not rules.bands:
        return _flat(Decimal(interrupted_s) / 3600, declared_h, subsidised)
    above_h = Decimal(interrupted_s) / 3600 - declared_h
    if above_h <= 0:
        return 0
    return next(percent for end_h, percent in rules.bands if end_h is None or above_h <= end_h)


def percent_times(*, times: int, declared: Decimal, subsidised: bool) -> int:
    """Percent of the base for jumlah gangguan."""
    return _flat(Decimal(times), declared, subsidised)


def _flat(measured: Decimal, declared: Decimal, subsidised: bool) -> int:
    if measured <= declared * _TOLERANCE:
        return 0
    return FLAT_SUBSIDISED_PERCENT if subsidised else FLAT_ADJUSTED_PERCENT


@dataclass(frozen=True, kw_only=True)
class Owed:
    """What a customer gets: the indicator that gave most (`HOURS` or `COUNT`; a tie: HOURS) and its percent."""

    indicator: str
    percent: int


def owed(
    rules: Rules,
    *,
    interrupted_s: int,
    times: int,
    declared_h: Decimal | None,
    declared_times: Decimal | None,
    subsidised: bool,
) -> Owed | None:
    """Only the largest indicator of a month; None: nothing. An indicator without a declared value owes nothing."""
    hours = times_percent = 0
    if declared_h is not None:
        hours = percent_hours(rules, interrupted_s=interrupted_s, declared_h=declared_h, subsidised=subsidised)
    if declared_times is not None:
        times_percent = percent_times(times=times, declared=declared_times, subsidised=subsidised)
    if not hours and not times_percent:
        return None
    if hours >= times_percent:
        return Owed(indicator="HOURS", percent=hours)
    return Owed(indicator="COUNT", percent=times_percent)


def minimum_bill_idr(*, minimum_wh: int, rate_idr_per_kwh: Decimal) -> int:
    """Rekening minimum in whole rupiah: 40 hours of the contracted power at the group's rate."""
    return int((Decimal(minimum_wh) / 1000 * rate_idr_per_kwh).quantize(Decimal(1), ROUND_HALF_UP))


def amount_idr(base_idr: int, percent: int) -> int:
    """Whole rupiah, half up."""
    return int((Decimal(base_idr) * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))
