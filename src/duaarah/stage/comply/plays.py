# SPDX-License-Identifier: Apache-2.0
"""The plays by the id of their case, and what all of them use."""

from __future__ import annotations

from collections.abc import Callable

from duaarah.core.obis import Obis
from duaarah.stage.comply.bench import Bench, Play
from duaarah.stage.comply.probe import Probe
from duaarah.stage.comply.target import Failed

PLAYS: dict[str, Play] = {}
CLOCK, LOAD_PROFILE, ENERGY = Obis(0, 0, 1, 0, 0), Obis(1, 0, 99, 1, 0), Obis(1, 0, 1, 8, 0)


def play(case_id: str) -> Callable[[Play], Play]:
    """Marks the play of a case."""

    def keep(function: Play) -> Play:
        PLAYS[case_id] = function
        return function

    return keep


async def associated(probe: Probe, *, pdu_max: int = 1024) -> Probe:
    """The probe, when it may use services."""
    refusal = await probe.associate(pdu_max=pdu_max)
    if refusal is not None:
        raise Failed(f"The meter does not associate: {refusal}.")
    return probe


async def manage(bench: Bench, *, pdu_max: int = 1024) -> Probe:
    """An associated managing client on a connection of its own; the caller closes it."""
    probe = bench.manager()
    await probe.__aenter__()
    try:
        return await associated(probe, pdu_max=pdu_max)
    except BaseException:
        probe.close()
        raise
