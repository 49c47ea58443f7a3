# SPDX-License-Identifier: Apache-2.0
"""Which package each meter of the town was bought, hence what it sends on its own.

Drawn from the seed apart from everything else: the world of a seed stays as it is.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from duaarah.core.smsplan import ReportingPlan, daily_plan
from duaarah.sim.town.world import TownMeter

# Blocks and summaries leave in the small hours, a quarter of the town at a time.
DATA_MINUTES = (60, 70, 80, 90)
FAULT_SMS = 4


class Bought(StrEnum):
    """What a meter's customer has."""

    NOTHING = "NOTHING"
    BASE = "BASE"
    DAILY = "DAILY"


_TEN = (Bought.NOTHING, *(Bought.BASE,) * 7, *(Bought.DAILY,) * 2)


def _drawn(seed: int, meter: TownMeter, what: str) -> int:
    name = f"duaarah {what} {seed} {meter.drn}".encode("ascii")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")


def package_of(seed: int, meter: TownMeter) -> Bought:
    """One in ten has no package, two in ten (of a company every other one) have the daily-data package on top."""
    drawn = _drawn(seed, meter, "package")
    if meter.holder.company:
        return Bought.DAILY if drawn % 2 else Bought.BASE
    return _TEN[drawn % len(_TEN)]


def reporting_of(seed: int, meter: TownMeter) -> ReportingPlan | None:
    """The plan that was written into the meter when its package was sold; None without one."""
    match package_of(seed, meter):
        case Bought.BASE:
            return ReportingPlan(fault_sms=FAULT_SMS)
        case Bought.DAILY:
            return daily_plan(FAULT_SMS)
    return None


def data_minute(seed: int, meter: TownMeter) -> int:
    """The minute of the day at which this meter sends its data."""
    return DATA_MINUTES[_drawn(seed, meter, "data minute") % len(DATA_MINUTES)]
