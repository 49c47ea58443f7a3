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
    """A past time under the rule. `refused` counts the hours in which it wanted to buy and might not, by reason."""

    purchases: list[ReplayedPurchase]
    spent_idr: int
    lowest_wh: int
    hours_empty: int
    refused: dict[str, int]


def replay(
    terms: RuleTerms,
    start: Situation,
    *,
    daily_kwh: Sequence[float | None],
    weekday_of_first: int,
    days: int,
) -> Replay:
    """
    Live the last `days` of a series again, hour by hour, from `start` (its first local midnight) under the rule.

    The meter tells its credit once a day at two o'clock; between, the rule knows what it expects. An excluded day is lived at
    the mean of the others. One budget holds for the whole time. A token is in the meter an hour after it was bought.
    """
    known = [used for used in daily_kwh if used is not None]
    mean_kwh = sum(known) / len(known) if known else 0.0
    begin = len(daily_kwh) - days
    state = _Lived(float(start.credit_wh or 0), start.wallet_idr, start.bought_wh)
    for day in range(days):
        number = begin + day
        used = daily_kwh[number]
        for hour in range(24):
            at = start.now + dt.timedelta(days=day, hours=hour)
            first = max(0, number - HISTORY_DAYS)
            state.history = (daily_kwh[first:number], (weekday_of_first + first) % WEEK, hour / 24)
            state.use(at, (mean_kwh if used is None else used) * 1000 / 24)
            if hour == REPLAY_READ_HOUR:
                state.tell(at)
            state.decide(terms, start, at)
    return Replay(state.purchases, state.spent_idr, round(state.lowest_wh), state.hours_empty, state.refused)


class _Lived:
    """The meter and its purse while a past time is lived again."""

    def __init__(self, credit_wh: float, wallet_idr: int, bought_wh: int) -> None:
        self.credit_wh, self.wallet_idr, self.bought_wh = credit_wh, wallet_idr, bought_wh
        self.lowest_wh, self.hours_empty, self.spent_idr = credit_wh, 0, 0
        self.purchases: list[ReplayedPurchase] = []
        self.refused: dict[str, int] = {}
        self._told: tuple[dt.datetime, int, DaysLeft] | None = None
        self._coming_wh = 0
        # The days before, the first one's weekday, how much of this day has gone.
        self.history: tuple[Sequence[float | None], int, float] = ((), 0, 0.0)

    def use(self, at: dt.datetime, energy_wh: float) -> None:
        """The hour before `at` passes."""
        if self._coming_wh:
            self.credit_wh += self._coming_wh
            self._coming_wh = 0
            # The meter's answer to the token tells its credit.
            self.tell(at)
        if self.credit_wh <= 0:
            self.hours_empty += 1
        self.credit_wh = max(self.credit_wh - energy_wh, 0.0)
        self.lowest_wh = min(self.lowest_wh, self.credit_wh)

    def tell(self, at: dt.datetime) -> None:
        """The meter tells its credit."""
        daily_kwh, weekday, gone = self.history
        found = days_left(
            daily_kwh=daily_kwh,
            weekday_of_first=weekday,
            credit_kwh=self.credit_wh / 1000,
            day_gone=gone,
        )
        self._told = (at, round(self.credit_wh), found)

    def decide(self, terms: RuleTerms, start: Situation, at: dt.datetime) -> None:
        """What the rule says in this hour."""
        if self._told is None or self._coming_wh:
            return
        told_at, credit_wh, left = self._told
        known = replace(
            start,
            now=told_at,
            credit_wh=credit_wh,
            left=left,
            in_flight=False,
            spent_idr=self.spent_idr,
            bought_wh=self.bought_wh,
            wallet_idr=self.wallet_idr,
            sms_left=None,
        )
        known = later(known, at)
        word = verdict(terms, known)
        if word == "buy":
            self.purchases.append(ReplayedPurchase(at, known.credit_wh or 0, known.left))
            self._coming_wh = start.energy_wh
            self.bought_wh += start.energy_wh
            self.spent_idr += start.cost_idr
            self.wallet_idr -= start.cost_idr
        elif word not in ("enough", "unknown"):
            self.refused[word] = self.refused.get(word, 0) + 1
