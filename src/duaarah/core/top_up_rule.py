# SPDX-License-Identifier: Apache-2.0
"""
Automatic top-up as a rule: from what is known of a meter and its purse to one verdict, and the reason in one word.

The same function decides for a living meter and, day by day over the past, what it would have done. It buys just in
time: when the credit passes the threshold, or would pass it while nothing may be bought (quiet hours, the banks'
cut-off). Amounts are whole rupiah, energy is Wh; days left are floats: they only say when.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from duaarah.core.forecast import HISTORY_DAYS, WEEK, DaysLeft, days_left

WIB = ZoneInfo("Asia/Jakarta")
# Between the banks' days nothing is sold (P2APST: 23:30 to 00:30 WIB); minutes of the day.
CUT_OFF = (23 * 60 + 30, 30)
# A meter may load 720 hours of its contracted power in a month.
CAP_HOURS = 720
DAY_MIN = 24 * 60
LOOK_AHEAD = dt.timedelta(hours=1)
# A whole top-up takes so many SMS of the package; without them it waits until it is this late.
TOP_UP_SMS = 5
URGENT_DAYS = 1.0
REPLAY_READ_HOUR = 2


def cap_wh(contracted_va: int) -> int:
    """What a meter may load in a month."""
    return CAP_HOURS * contracted_va


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleTerms:
    """
    What a customer wants: `nominal_idr` whenever the credit is below `threshold_wh`, or may end within `threshold_days`
    (one of the two), for `budget_idr` a WIB month at most. `quiet` are minutes of the meter's local day: from, until.
    """

    nominal_idr: int
    budget_idr: int
    threshold_wh: int | None = None
    threshold_days: int | None = None
    quiet: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """
    What is known at `now`. `credit_wh` is the credit expected now; `sms_left` None: no package, no limit.

    `spent_idr` of the budget and `bought_wh` of the cap are this WIB month's, what is under way included; `energy_wh` and
    `cost_idr` are what the nominal buys and takes from the wallet.
    """

    now: dt.datetime
    zone: str
    credit_wh: int | None
    left: DaysLeft
    in_flight: bool
    energy_wh: int
    cost_idr: int
    spent_idr: int
    bought_wh: int
    contracted_va: int
    wallet_idr: int
    sms_left: int | None = None


# -- when nothing is bought ---------------------------------------------------------------------------------------------


def closed_until(terms: RuleTerms, at: dt.datetime, zone: str) -> tuple[str, dt.datetime] | None:
    """`cut_off` or `quiet`, and its end, when nothing may be bought at `at`."""
    for word, window, where in (("cut_off", CUT_OFF, WIB), ("quiet", terms.quiet, ZoneInfo(zone))):
        if window is None:
            continue
        local = at.astimezone(where)
        minute = local.hour * 60 + local.minute
        begin, end = window
        if (begin <= minute < end) if begin <= end else (minute >= begin or minute < end):
            rest = dt.timedelta(
                minutes=(end - minute) % DAY_MIN, seconds=-local.second, microseconds=-local.microsecond
            )
            return word, at + rest
    return None


def next_open_at(terms: RuleTerms, at: dt.datetime, zone: str) -> dt.datetime:
    """The first moment from `at` on at which something may be bought; a day later when the windows leave none."""
    limit_at = at + dt.timedelta(days=1)
    moment_at = at
    while (closed := closed_until(terms, moment_at, zone)) is not None and moment_at < limit_at:
        moment_at = closed[1]
    return moment_at


# -- the verdict ----------------------------------------------------------------------------------------------------------


def verdict(terms: RuleTerms, situation: Situation) -> str:
    """
    `buy`, or why not: `unknown` (nothing is known of the credit), `enough`, `in_flight`, `cap`, `budget`, `sms`, `cut_off`,
    `quiet`, `wallet`.
    """
    now = situation.now
    wanted = wants(terms, situation)
    closed = closed_until(terms, now, situation.zone)
    if wanted is False and closed is None:
        # Who would pass the threshold while nothing may be bought is filled before.
        soon_at = next_open_at(terms, now + LOOK_AHEAD, situation.zone)
        if soon_at > now + LOOK_AHEAD:
            wanted = wants(terms, later(situation, soon_at))
    if wanted is None:
        return "unknown"
    if not wanted:
        return "enough"
    return _hindered(terms, situation) or (closed[0] if closed else None) or _purse(situation) or "buy"


def wants(terms: RuleTerms, situation: Situation) -> bool | None:
    """Whether the threshold is passed; None when nobody can say."""
    if terms.threshold_days is not None:
        return None if situation.left.low is None else situation.left.low <= terms.threshold_days
    if situation.credit_wh is None or terms.threshold_wh is None:
        return None
    return situation.credit_wh < terms.threshold_wh


def _hindered(terms: RuleTerms, situation: Situation) -> str | None:
    if situation.in_flight:
        return "in_flight"
    if situation.bought_wh + situation.energy_wh > cap_wh(situation.contracted_va):
        return "cap"
    if situation.spent_idr + situation.cost_idr > terms.budget_idr:
        return "budget"
    urgent = situation.left.low is None or situation.left.low < URGENT_DAYS
    if situation.sms_left is not None and situation.sms_left < TOP_UP_SMS and not urgent:
        return "sms"
    return None


def _purse(situation: Situation) -> str | None:
    return "wallet" if situation.wallet_idr < situation.cost_idr else None


def later(situation: Situation, at: dt.datetime) -> Situation:
    """The same meter at a later moment, if its pace goes on and nothing is loaded."""
    gone = (at - situation.now).total_seconds() / 86_400
    left = situation.left
    if left.days_left is None or left.low is None or left.high is None:
        return replace(situation, now=at)
    share = 1 - min(gone / left.days_left, 1.0) if left.days_left > 0 else 0.0
    credit_wh = None if situation.credit_wh is None else round(situation.credit_wh * share)
    rest = DaysLeft(*(max(one - gone, 0.0) for one in (left.days_left, left.low, left.high)))
    return replace(situation, now=at, left=rest, credit_wh=credit_wh)


# -- what it would have done ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReplayedPurchase:
    """A purchase that the rule would have made, with what it knew then."""

    at: dt.datetime
    credit_wh: int
    left: DaysLeft


@dataclass(frozen=True, slots=True)
class Replay:
    """One meter's past under the rule. `refused` counts the hours in which it wanted to buy and might not, by reason."""

    purchases: list[ReplayedPurchase]
    spent_idr: int
    lowest_wh: int
    hours_empty: int
    refused: dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What is lived again of one meter: how it stood at the first local midnight, and its days, the lived ones last."""

    start: Situation
    daily_kwh: Sequence[float | None]
    weekday_of_first: int


def replay(terms: RuleTerms, pasts: Sequence[Past], *, days: int) -> list[Replay]:
    """
    Live the last `days` days of these meters again, hour by hour, under one rule with one budget and one wallet.

    A meter tells its credit once a day at two o'clock and when a token is loaded, an hour after it was bought; between, the
    rule knows what it expects. An excluded day is lived at the mean of the others. The budget holds for the whole time.
    """
    purse = _Purse(min((past.start.wallet_idr for past in pasts), default=0))
    lived = [_Lived(past, days, purse) for past in pasts]
    for hour in range(24 * days):
        for one in lived:
            one.hour(terms, *divmod(hour, 24))
    return [one.replay() for one in lived]


@dataclass
class _Purse:
    """What all meters of the rule spend from."""

    wallet_idr: int
    spent_idr: int = 0


class _Lived:
    """A meter while its past is lived again."""

    def __init__(self, past: Past, days: int, purse: _Purse) -> None:
        self._past, self._purse = past, purse
        known = [used for used in past.daily_kwh if used is not None]
        self._mean_kwh = sum(known) / len(known) if known else 0.0
        self._begin = len(past.daily_kwh) - days
        self._credit_wh = self._lowest_wh = float(past.start.credit_wh or 0)
        self._bought_wh, self._spent_idr, self._hours_empty, self._coming_wh = past.start.bought_wh, 0, 0, 0
        self._purchases: list[ReplayedPurchase] = []
        self._refused: dict[str, int] = {}
        self._told: Situation | None = None

    def replay(self) -> Replay:
        """What became of it."""
        return Replay(self._purchases, self._spent_idr, round(self._lowest_wh), self._hours_empty, dict(self._refused))

    def hour(self, terms: RuleTerms, day: int, hour: int) -> None:
        """The hour before this one passes, then the rule looks."""
        at = self._past.start.now + dt.timedelta(days=day, hours=hour)
        used = self._past.daily_kwh[self._begin + day]
        if self._coming_wh:
            self._credit_wh += self._coming_wh
        if self._credit_wh <= 0:
            self._hours_empty += 1
        self._credit_wh = max(self._credit_wh - (self._mean_kwh if used is None else used) * 1000 / 24, 0.0)
        self._lowest_wh = min(self._lowest_wh, self._credit_wh)
        if self._coming_wh or hour == REPLAY_READ_HOUR:
            self._coming_wh = 0
            self._tell(at, self._begin + day, hour / 24)
        if self._told is not None:
            self._decide(terms, later(self._told, at))

    def _tell(self, at: dt.datetime, number: int, gone: float) -> None:
        """The meter tells its credit; days left follow from the days before this one."""
        first = max(0, number - HISTORY_DAYS)
        found = days_left(
            daily_kwh=self._past.daily_kwh[first:number],
            weekday_of_first=(self._past.weekday_of_first + first) % WEEK,
            credit_kwh=self._credit_wh / 1000,
            day_gone=gone,
        )
        self._told = replace(self._past.start, now=at, credit_wh=round(self._credit_wh), left=found, sms_left=None)

    def _decide(self, terms: RuleTerms, known: Situation) -> None:
        purse, start = self._purse, self._past.start
        known = replace(
            known, spent_idr=purse.spent_idr, bought_wh=self._bought_wh, wallet_idr=purse.wallet_idr, in_flight=False
        )
        word = verdict(terms, known)
        if word == "buy":
            self._purchases.append(ReplayedPurchase(known.now, known.credit_wh or 0, known.left))
            self._coming_wh = start.energy_wh
            self._bought_wh += start.energy_wh
            self._spent_idr += start.cost_idr
            purse.spent_idr += start.cost_idr
            purse.wallet_idr -= start.cost_idr
        elif word not in ("enough", "unknown"):
            self._refused[word] = self._refused.get(word, 0) + 1
