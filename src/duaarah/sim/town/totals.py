# SPDX-License-Identifier: Apache-2.0
"""The meters at the heads of transformers and feeders: DLMS meters with packets that count what flows in, and sell nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from duaarah.core.sts import DecoderKey, MeterDecoder, derive
from duaarah.sim.meter import MeterConfig, SimMeter
from duaarah.sim.meter.ip import ProfileSender
from duaarah.sim.town.network import TotalMeter, total_meters_of
from duaarah.sim.town.world import HEAD_END_TITLE, READER_TITLE, THREE_PHASE, World
from duaarah.wire.dlms.ciphering import Keys

# A class 0.5S meter's error (standard deviation), and what its register shows when a town has no past.
TOTAL_ERROR, _REGISTER_WH = 0.0012, (2_000_000, 90_000_000)
_ENDLESS_WH = 10**12  # nobody pays for what it counts
_MWH_PER_WH = 1000


def total_errors(world: World) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """(total meters,): the gain of each, and the register (Wh) where its count of this town begins."""
    totals = len(total_meters_of(world))
    dice = np.random.default_rng([world.seed, 1])
    gain = 1 + dice.normal(0, TOTAL_ERROR, totals)
    return gain, dice.integers(*_REGISTER_WH, totals)


class TotalSupply:
    """`known` is what is fixed of it, `sim` the meter, `ip` its profile; its modem has a line of its own and is never dead."""

    modem_dead = False

    def __init__(self, world: World, known: TotalMeter, gain: float, register_wh: int) -> None:
        self.known = known
        sts = world.meters[0].sts
        self.sim = SimMeter(
            MeterConfig(
                kind=THREE_PHASE,
                drn=known.drn,
                system_title=known.system_title,
                keys=Keys(known.ek, known.ak),
                client_titles=(HEAD_END_TITLE, READER_TITLE),
                decoder=MeterDecoder(
                    DecoderKey(sts.ea, derive(world.vending_key, sts, known.pan)), kt=sts.kt, ken=sts.ken
                ),
                credit_wh=_ENDLESS_WH,
                low_credit_threshold_wh=0,
                master_key=known.mk,
            )
        )
        self.sim.restore({**self.sim.state(), "used_mwh": register_wh * _MWH_PER_WH})
        self.ip = ProfileSender(self.sim)
        self._gain = gain
        self._rest_mwh = 0.0

    def begin(self, at: datetime) -> None:
        """Its profile begins."""
        self.ip.begin(at)

    def count(self, energy_wh: float, end_at: datetime, voltage_v: float, *, supplied: bool) -> None:
        """A quarter-hour in which so much flowed in; the voltage is NaN where none is measured."""
        whole_mwh, self._rest_mwh = divmod(energy_wh * self._gain * _MWH_PER_WH + self._rest_mwh, 1.0)
        self.sim.consume(round(whole_mwh), end_at)
        self.ip.interval(end_at, None if np.isnan(voltage_v) else round(voltage_v * 1000), supplied=supplied)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"sim": self.sim.state(), "ip": self.ip.state(), "rest_mwh": self._rest_mwh}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former `state()`."""
        self.sim.restore(state["sim"])
        self.ip.restore(state["ip"])
        self._rest_mwh = state["rest_mwh"]
