# SPDX-License-Identifier: Apache-2.0
""" "What would it have done?": the last thirty days of some meters, lived again under a rule that is not on yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db.models import Sum

from duaarah.core.forecast import HISTORY_DAYS, DaysLeft
from duaarah.core.top_up_rule import Past, Replay, RuleTerms, Situation, replay
from duaarah.notices.auto.rules import Wish
from duaarah.notices.use import Told, local_date, told_by
from duaarah.people.models import AccountHolder
from duaarah.registry.models import Meter
from duaarah.vending.models import Vend
from duaarah.vending.operations.top_up import TopUpRefused, price
from duaarah.vending.queries import wallet_balance_idr

DAYS = 30
KNOWN_MIN = 10
METERS_MAX = 20


@dataclass(frozen=True, kw_only=True)
class ReplayedMeter:
    """A meter with what the rule would have done, and what was bought in truth in the same days."""

    meter: Meter
    replay: Replay
    bought: int
    bought_idr: int


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """All meters that could be lived again; `unknown` tell too little, `beyond` were too many to look at here."""

    meters: list[ReplayedMeter]
    unknown: list[Meter]
    beyond: int
    spent_idr: int
    purchases: int
    hours_empty: int


def replay_wish(*, holder: AccountHolder, wish: Wish, meters: Sequence[Meter], now: dt.datetime) -> Replayed:
    """
    Live the last thirty days again under `wish`, with today's prices and what is in the wallet now plus what was bought.

    Nothing is written. A meter counts that told at least ten of the days, and its credit at their beginning.
    """
    looked = list(meters)[:METERS_MAX]
    told = told_by([meter.pk for meter in looked], until_at=now, days=HISTORY_DAYS + DAYS)
    bought = {meter.pk: _bought(meter, now) for meter in looked}
    # What was bought by hand would have been there for the rule.
    wallet_idr = wallet_balance_idr(holder_id=holder.pk) + sum(idr for _, idr in bought.values())
    pasts = {meter.pk: _past(meter, told[meter.pk], wish, wallet_idr, now) for meter in looked}
    known = [meter for meter in looked if pasts[meter.pk] is not None]
    quiet = None
    if wish.quiet_from_min is not None and wish.quiet_until_min is not None:
        quiet = (wish.quiet_from_min, wish.quiet_until_min)
    terms = RuleTerms(
        nominal_idr=wish.nominal_idr,
        budget_idr=wish.budget_idr,
        threshold_wh=wish.threshold_wh,
        threshold_days=wish.threshold_days,
        quiet=quiet,
    )
    lived = replay(terms, [past for meter in known if (past := pasts[meter.pk]) is not None], days=DAYS)
    rows = [
        ReplayedMeter(meter=meter, replay=one, bought=bought[meter.pk][0], bought_idr=bought[meter.pk][1])
        for meter, one in zip(known, lived, strict=True)
    ]
    return Replayed(
        meters=rows,
        unknown=[meter for meter in looked if pasts[meter.pk] is None],
        beyond=len(meters) - len(looked),
        spent_idr=sum(row.replay.spent_idr for row in rows),
        purchases=sum(len(row.replay.purchases) for row in rows),
        hours_empty=sum(row.replay.hours_empty for row in rows),
    )


def _bought(meter: Meter, now: dt.datetime) -> tuple[int, int]:
    """How many tokens of ours, and for how much, in the last thirty days."""
    vends = Vend.objects.filter(meter=meter, paid_at__gt=now - dt.timedelta(days=DAYS), payment__isnull=False)
    vends = vends.exclude(state=Vend.State.REFUNDED)
    return vends.count(), vends.aggregate(sum=Sum("payment__amount_idr"))["sum"] or 0


def _past(meter: Meter, told: Told, wish: Wish, wallet_idr: int, now: dt.datetime) -> Past | None:
    """How the meter stood thirty days ago, and its days; None when too little of it was told."""
    today = local_date(now, meter.zone)
    use = told.use(zone=meter.zone, before_date=today, days=HISTORY_DAYS + DAYS)
    lived = use.daily_kwh[-DAYS:]
    if len(lived) < DAYS or sum(used is not None for used in lived) < KNOWN_MIN:
        return None
    begin_at = dt.datetime.combine(today - dt.timedelta(days=DAYS), dt.time(), ZoneInfo(meter.zone))
    credit_wh = _credit_at(told, begin_at)
    try:
        lines = price(meter, wish.nominal_idr, now)
    except TopUpRefused:
        return None
    if credit_wh is None:
        return None
    start = Situation(
        now=begin_at,
        zone=meter.zone,
        credit_wh=credit_wh,
        left=DaysLeft(None, None, None),
        in_flight=False,
        energy_wh=lines.energy_wh,
        cost_idr=lines.total_paid_idr,
        spent_idr=0,
        bought_wh=0,
        contracted_va=meter.contracted_va,
        wallet_idr=wallet_idr,
    )
    return Past(start=start, daily_kwh=use.daily_kwh, weekday_of_first=use.weekday_of_first)


def _credit_at(told: Told, at: dt.datetime) -> int | None:
    """The credit at a moment, between the reports before and after it; None when one is missing."""
    before = next((report for report in reversed(told.reports) if report.at <= at), None)
    after = next((report for report in told.reports if report.at > at), None)
    if before is None or after is None:
        # Only one side: its own word, which is a day old at most or it is not known.
        near = before or after
        return near.balance_wh if near is not None and abs(near.at - at) <= dt.timedelta(days=1) else None
    share = (at - before.at) / (after.at - before.at)
    return round(before.balance_wh + share * (after.balance_wh - after.loaded_wh - before.balance_wh))
