# SPDX-License-Identifier: Apache-2.0
"""Days that pass for a household on the daily plan: used, summed up at midnight, told at two o'clock."""

from __future__ import annotations

import datetime as dt

from duaarah.core.smsplan import daily_plan
from duaarah.notices.day_warnings import compute_due
from duaarah.registry.models import Meter
from tests.flows.house import WIB, House, Town

FIRST = dt.datetime(2026, 2, 17, 0, 0, tzinfo=WIB)  # a Tuesday


def daily_house(town: Town, **more: object) -> House:
    """A house on the daily plan whose first day begins now."""
    town.now = FIRST
    house = town.house(reporting=daily_plan(4), **{"credit_wh": 100_000, **more})
    Meter.objects.filter(pk=house.meter.pk).update(reporting_plan=daily_plan(4).values())
    house.sim.close_day(FIRST)
    return house


def live(town: Town, house: House, days: int, used_wh: int) -> None:
    """So many days: even use over the day, the summary two hours after midnight, the forecast computed."""
    for _ in range(days):
        midnight = town.now.replace(hour=0) + dt.timedelta(days=1)
        house.sim.sample(700, 226_100)
        for part in range(4):
            town.now = midnight - dt.timedelta(hours=23 - 6 * part)
            town.push(house, house.sim.consume(used_wh * 250, town.now))
            town.run()
        house.sim.close_day(midnight)
        town.now = midnight + dt.timedelta(hours=2)
        town.push(house, house.sim.report(town.now))
        town.run()
        while compute_due(now=town.now):
            town.run()
