# SPDX-License-Identifier: Apache-2.0
"""
The physics of the town: low-voltage lines, transformers and feeders with their true voltages and losses.

Pure: a world gives a network (`Grid.of`), meters' loads give what flows (`Grid.solve`). What comes out is the truth that the
platform has to find from its meters alone; nothing of it is ever given to the platform but what a meter shows.

    grid = Grid.of(world)
    loads_w = grid.loads_w(first_day=-90, days=90)                 # (meters, steps), what the meters count
    extra_w = grid.unmetered_w(loads_w, [Theft(drn, from_us=0, watts=800)], first_day=-90)
    solved = grid.solve(loads_w, unmetered_w=extra_w)              # voltages, losses, totals
"""

from duaarah.sim.town.grid.grid import STEP_S, Grid, Solved
from duaarah.sim.town.grid.layout import Feeder, Transformer
from duaarah.sim.town.grid.plant import Cable, Plate
from duaarah.sim.town.grid.sweep import Collapse
from duaarah.sim.town.grid.theft import Theft

__all__ = ["STEP_S", "Cable", "Collapse", "Feeder", "Grid", "Plate", "Solved", "Theft", "Transformer"]
