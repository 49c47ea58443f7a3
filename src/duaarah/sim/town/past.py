# SPDX-License-Identifier: Apache-2.0
"""
What the town did before its first day: who ran low when and bought where, and when it was without supply.

Pure and seeded. Planned from START backwards, so that every meter comes to its first day with exactly the credit that
the world gives it; `Drawn` then says, in whole mWh, what was used between any two instants.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, timedelta

from duaarah.core.sts.amounts import decode_steps, encode_steps
from duaarah.core.tariff import NOMINALS_IDR, quote, terms
from duaarah.sim.bank.atm import energy_for
from duaarah.sim.town.load import DAY_US, HOUR_US, Curve
from duaarah.sim.town.past_outages import NodeOutage as NodeOutage
from duaarah.sim.town.past_outages import Outage as Outage
from duaarah.sim.town.past_outages import outages_of
from duaarah.sim.town.world import START, TownMeter, World

DAYS = 90
SMS, WEB, ATM = "SMS", "WEB", "ATM"
LOST_ONE_IN = 30
QUESTION_EVERY_DAYS = 15
MINUTE_US = HOUR_US // 60
# Nobody buys in the dead of night: a warning that comes then is answered in the morning.
WAKES_HOUR, SLEEPS_HOUR, MORNING_MINUTES = 6, 22, 6 * 60 + 20
_ATTEMPTS = 40
_WH_PER_STEP = 100
_MWH_PER_WH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPurchase:
    """One token of the past. `energy_wh` is what its field says; `frame_lost`: its first frame never reached the modem."""

    at_us: int
    via: str
    nominal_idr: int
    energy_wh: int
    rnd: int
    frame_lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterHistory:
    """A meter's past: the credit it began with, what it loaded, in order, and what its customer asked (SALDO)."""

    meter: TownMeter
    credit_mwh: int
    purchases: tuple[PastPurchase, ...]
    outages: tuple[Outage, ...]
    asked_us: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """The whole town's, from `begin_us` to START (0); `outages` in the order of their begin."""

    begin_us: int
    meters: tuple[MeterHistory, ...]
    outages: tuple[NodeOutage, ...] = ()


class Drawn:
    """What a meter used until an instant, counted from the beginning; nothing while it was without supply."""

    def __init__(self, curve: Curve, begin_us: int, outages: tuple[Outage, ...]) -> None:
        self._curve = curve
        self._begin_mwh = curve.used_mwh(begin_us)
        self.outages = outages
        self._gone_mwh = [curve.used_mwh(outage.to_us) - curve.used_mwh(outage.from_us) for outage in outages]

    def until_mwh(self, at_us: int) -> int:
        """Whole mWh used from the beginning to `at_us`."""
        used_mwh = self._curve.used_mwh(at_us) - self._begin_mwh
        for outage, gone_mwh in zip(self.outages, self._gone_mwh, strict=True):
            if outage.to_us <= at_us:
                used_mwh -= gone_mwh
            elif outage.from_us < at_us:
                used_mwh -= self._curve.used_mwh(at_us) - self._curve.used_mwh(outage.from_us)
        return used_mwh

    def instant_us(self, used_mwh: int, low_us: int, high_us: int) -> int:
        """The first instant in [low_us, high_us] at which so much was used; `high_us` when it was less."""
        return low_us + bisect_left(range(high_us - low_us), used_mwh, key=lambda us: self.until_mwh(low_us + us))


def make_past(world: World, days: int = DAYS) -> Past:
    """The past of a world; the same seed, number of meters and days give the same past."""
    begin_us = -days * DAY_US
    outages = outages_of(world, days)
    spans: dict[str, list[Outage]] = {}
    for one in outages:
        spans.setdefault(one.code, []).append(one.span)
    meters = []
    for meter in world.meters:
        dice = random.Random(f"duaarah past {world.seed} {days} {meter.drn}")
        mine = [
            span for code in (meter.place.feeder, meter.place.transformer, meter.drn) for span in spans.get(code, ())
        ]
        off = tuple(sorted(mine, key=lambda span: span.from_us))
        meters.append(_meter_past(dice, meter, begin_us, off))
    return Past(begin_us, tuple(meters), outages)


def _meter_past(dice: random.Random, meter: TownMeter, begin_us: int, outages: tuple[Outage, ...]) -> MeterHistory:
    drawn = Drawn(meter.curve, begin_us, outages)
    credit_mwh = meter.credit_wh * _MWH_PER_WH
    end_us, end_mwh = 0, drawn.until_mwh(0)
    purchases: list[PastPurchase] = []
    while (found := _purchase_before(dice, meter, drawn, credit_mwh, (begin_us, end_us))) is not None:
        bought, credit_mwh = found
        purchases.append(bought)
        end_us, end_mwh = bought.at_us, drawn.until_mwh(bought.at_us)
    asked = [
        -day * DAY_US + dice.randrange(7 * 60, 21 * 60) * MINUTE_US
        for day in range(-begin_us // DAY_US, 1, -1)
        if dice.randrange(QUESTION_EVERY_DAYS) == 0
    ]
    return MeterHistory(
        meter=meter,
        credit_mwh=credit_mwh + end_mwh,
        purchases=tuple(reversed(purchases)),
        outages=outages,
        asked_us=tuple(asked),
    )


def _purchase_before(
    dice: random.Random, meter: TownMeter, drawn: Drawn, credit_mwh: int, within: tuple[int, int]
) -> tuple[PastPurchase, int] | None:
    """
    The latest purchase that leads to this credit at the end of `within`, and the credit just before it; None when the
    credit was never bought within.
    """
    begin_us, end_us = within
    end_mwh = drawn.until_mwh(end_us)
    for attempt in range(_ATTEMPTS):
        nominal_idr, via = _habit(dice, meter, credit_mwh // _MWH_PER_WH)
        energy_wh = _energy_wh(meter, nominal_idr, via, START.date() + timedelta(microseconds=end_us))
        # He buys when a part of what lies under the threshold is gone already; the less, the harder it is to place.
        under_mwh = meter.threshold_wh * _MWH_PER_WH * dice.randrange(2, 35) // (100 + attempt * 20)
        used_mwh = credit_mwh + end_mwh - energy_wh * _MWH_PER_WH - (meter.threshold_wh * _MWH_PER_WH - under_mwh)
        if used_mwh <= 0:
            return None
        at_us = _awake(drawn.instant_us(used_mwh, begin_us, end_us), drawn.outages, asleep=not meter.holder.company)
        before_mwh = credit_mwh + end_mwh - drawn.until_mwh(at_us) - energy_wh * _MWH_PER_WH
        if at_us < end_us - HOUR_US and 0 < before_mwh < meter.threshold_wh * _MWH_PER_WH:
            lost = dice.randrange(LOST_ONE_IN) == 0
            bought = PastPurchase(
                at_us=at_us,
                via=via,
                nominal_idr=nominal_idr,
                energy_wh=energy_wh,
                rnd=dice.randrange(16),
                frame_lost=lost,
            )
            return bought, before_mwh
    return None


def _habit(dice: random.Random, meter: TownMeter, credit_wh: int) -> tuple[int, str]:
    """A nominal that lasts two and a half to seven days, and gave at least the credit; and where it is bought."""
    wanted_wh = max(sum(meter.load_w) * dice.randrange(25, 71) // 10, credit_wh + sum(meter.load_w) // 4)
    nominal_idr = next((n for n in NOMINALS_IDR if energy_for(n, meter) >= wanted_wh), NOMINALS_IDR[-1])
    # An empty wallet buys elsewhere; a company sits at a desk.
    if not meter.holder.wallet_idr:
        return nominal_idr, ATM
    return nominal_idr, dice.choices((SMS, WEB, ATM), weights=(0, 4, 1) if meter.holder.company else (4, 2, 3))[0]


def _energy_wh(meter: TownMeter, nominal_idr: int, via: str, day: date) -> int:
    """What the token's field says after rounding up (IEC 62055-41, 6.3.6)."""
    if via == ATM:
        energy_wh = energy_for(nominal_idr, meter)
    else:
        found = terms(
            group=meter.tariff_group,
            va=meter.contracted_va,
            region=meter.region,
            nominal_idr=nominal_idr,
            date=day,
            admin_idr=0,
        )
        energy_wh = quote(nominal_idr, found).energy_wh
    return decode_steps(encode_steps(energy_wh // _WH_PER_STEP)) * _WH_PER_STEP


def _awake(at_us: int, outages: tuple[Outage, ...], *, asleep: bool) -> int:
    """The next minute at which somebody buys: with supply, by day where people sleep (a company's desk never does)."""
    at_us = -(-at_us // MINUTE_US) * MINUTE_US
    hour = at_us % DAY_US // HOUR_US
    if asleep and (hour < WAKES_HOUR or hour >= SLEEPS_HOUR):
        at_us = (at_us // DAY_US + (hour >= SLEEPS_HOUR)) * DAY_US + MORNING_MINUTES * MINUTE_US
    for outage in outages:
        if outage.from_us - 10 * MINUTE_US <= at_us < outage.to_us + 10 * MINUTE_US:
            at_us = outage.to_us + 10 * MINUTE_US
    return at_us
