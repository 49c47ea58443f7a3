# SPDX-License-Identifier: Apache-2.0
"""The town's one hidden thief: who, since when, how much. The platform is never told; it has its meters only."""

from __future__ import annotations

import random

from duaarah.sim.town.grid import Theft
from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.network import weak_end_of
from duaarah.sim.town.world import SINGLE_PHASE, World

# Long enough ago to be found, and after a clean month to compare with.
SINCE_DAYS = (32, 42)
SHARE_PERCENT = (62, 68)


def hidden_theft(world: World) -> Theft | None:
    """A house on no weak line whose owner lets a part of his load go beside the meter; None in a town without such a house."""
    dice = random.Random(f"duaarah thief {world.seed}")
    weak, _, _ = weak_end_of(world)
    homes = [
        meter
        for meter in world.meters
        if meter.site is None and meter.profile == SINGLE_PHASE and meter.place.transformer != weak
    ]
    if not homes:
        return None
    # Who uses much has most to gain.
    homes.sort(key=lambda meter: (-sum(meter.load_w), meter.drn))
    thief = homes[dice.randrange(max(len(homes) // 8, 1))]
    from_us = -dice.randint(*SINCE_DAYS) * DAY_US + dice.randrange(8, 20) * HOUR_US
    return Theft(thief.drn, from_us, share=dice.randint(*SHARE_PERCENT) / 100)
