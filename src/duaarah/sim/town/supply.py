# SPDX-License-Identifier: Apache-2.0
"""One simulated meter with its customer's load and its modem: credit is drawn lazily, crossings are computed.

Between two events nothing ticks: `advance` draws exactly what the curve says was used since the last time, and
`next_crossing_us` says when the threshold or zero will be reached.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from typing import Any

from duaarah.core.sts import MeterDecoder
from duaarah.sim.meter import Faults, MeterConfig, MeterPast, SimMeter
from duaarah.sim.meter.ip import PERIOD_S, ProfileSender
from duaarah.sim.town.clock import Event, instant_of
from duaarah.sim.town.packages import reporting_of
from duaarah.sim.town.planned import Planned
from duaarah.sim.town.world import HEAD_END_TITLE, READER_TITLE, TownMeter, World
from duaarah.wire.dlms.ciphering import Keys

HELD_MAX = 100
LOST_ONE_IN = 30
_SECOND_US = 1_000_000
_QUARTER_US = PERIOD_S * _SECOND_US
_MWH_PER_WH = 1000
EDGES_A_DAY = 97


class Quarters:
    """Energy ever drawn (mWh) at the edges of the quarter-hours since the last day that was closed."""

    def __init__(self) -> None:
        self.end_us: int | None = None
        self.edges_mwh: list[int] = []

    def edge(self, at_us: int, used_mwh: int) -> None:
        """A quarter-hour ends here; the next edge follows a quarter later."""
        if self.end_us is not None and at_us != self.end_us + _QUARTER_US:
            self.edges_mwh.clear()
        self.end_us = at_us
        self.edges_mwh.append(used_mwh)

    def closed(self, midnight_us: int) -> list[int]:
        """The edges of the day that ends here, its begin among them as far as it was seen; only its end is kept."""
        if self.end_us is None or self.end_us < midnight_us:
            return []
        later = (self.end_us - midnight_us) // _QUARTER_US
        found = self.edges_mwh[: len(self.edges_mwh) - later][-EDGES_A_DAY:]
        self.edges_mwh = self.edges_mwh[len(self.edges_mwh) - later - 1 :]
        return found


class Supply:
    """`known` is the meter's row of the world, `sim` the meter itself, `held` what its dead modem has not sent yet."""

    def __init__(
        self,
        world: World,
        known: TownMeter,
        past: MeterPast | None = None,
        *,
        packets: bool = False,
        planned: Planned | None = None,
        counted: bool = False,
    ) -> None:
        """
        `counted`: its quarter-hours are kept for the town's physics. `packets`: its modem has IP too, so it keeps them to tell
        them. `planned`: what is measured each hour, shared by the supplies of a town.
        """
        self.known = known
        self.sim = SimMeter(
            MeterConfig(
                kind=known.profile,
                drn=known.drn,
                system_title=known.system_title,
                keys=Keys(known.ek, known.ak),
                client_titles=(HEAD_END_TITLE, READER_TITLE),
                decoder=MeterDecoder(world.decoder_key(known), kt=known.sts.kt, ken=known.sts.ken),
                credit_wh=known.credit_wh,
                low_credit_threshold_wh=known.threshold_wh,
                reporting=reporting_of(world.seed, known),
                master_key=known.mk,
            ),
            past,
        )
        self.ip = ProfileSender(self.sim) if packets else None
        self.quarters = Quarters() if counted else None
        self.held: deque[bytes] = deque(maxlen=HELD_MAX)
        self.modem_dead = False
        self.frames = 0
        self.lost_frames = 0
        self.crossing: Event | None = None
        self.closed_told = self.sim.relay_closed  # for the truth: what was last written of its relay
        self._curve = known.curve
        self._at_us: int | None = None
        self._planned = planned or Planned(world)

    def advance(self, at_us: int) -> list[bytes]:
        """Draw what was used until now; returns what the meter pushed. The first call only sets the time."""
        if self._at_us is None:
            self._at_us = at_us
            if self.ip is not None:
                self.ip.begin(instant_of(at_us))
            # As profiles have it: a town that begins within the first second begins with the quarter.
            second_us = at_us // _SECOND_US * _SECOND_US
            if self.quarters is not None and second_us % _QUARTER_US == 0:
                self.quarters.edge(second_us, self.sim.used_mwh)
        if at_us <= self._at_us:
            return []
        if self.sim.keeps_days:
            for load_w, voltage_mv in self._planned.samples(self.known, self._at_us, at_us):
                self.sim.sample(load_w, voltage_mv)
        if self.ip is None and self.quarters is None:
            return self._draw(at_us)
        pushes = []
        for end_us in range((self._at_us // _QUARTER_US + 1) * _QUARTER_US, at_us + 1, _QUARTER_US):
            pushes += self._draw(end_us)
            if self.ip is not None:
                self.ip.interval(instant_of(end_us))
            if self.quarters is not None:
                self.quarters.edge(end_us, self.sim.used_mwh)
        return pushes + self._draw(at_us)

    def _draw(self, at_us: int) -> list[bytes]:
        drawn_mwh = self._curve.used_mwh(at_us) - self._curve.used_mwh(self._at_us or 0)
        self._at_us = at_us
        return self.sim.consume(drawn_mwh, instant_of(at_us))

    def lost(self, world: World) -> bool:
        """
        Whether the radio loses the frame that comes now. The same frame of the same meter is lost in every run of a seed,
        in whatever order meters are served.
        """
        if self.known.drn == world.lossy_drn and self.frames == 1:
            return True
        name = f"{world.seed} {self.known.drn} {self.frames}".encode("ascii")
        return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") % LOST_ONE_IN == 0

    def next_crossing_us(self) -> int | None:
        """When the meter will next have something to say about its credit; None while it supplies nothing."""
        if self._at_us is None or not (self.sim.relay_closed and self.sim.powered):
            return None
        needed_mwh = self.sim.credit_mwh
        if self.sim.armed:
            needed_mwh -= self.sim.threshold_wh * _MWH_PER_WH - 1
        return self._curve.instant_of_mwh(self._curve.used_mwh(self._at_us) + max(needed_mwh, 1))

    def status(self) -> dict[str, object]:
        """The meter for people and tests, as JSON values."""
        sim = self.sim
        return {
            "drn": self.known.drn,
            "profile": self.known.profile,
            "sim": self.known.msisdn,
            "phone": self.known.holder.phone,
            "alias": self.known.site.alias if self.known.site else None,
            "credit_wh": sim.credit_wh,
            "threshold_wh": self.sim.threshold_wh,
            "relay_closed": sim.relay_closed,
            "powered": sim.powered,
            "token_energy_wh": sim.token_energy_wh,
            "tokens_accepted": sim.tokens_accepted,
            "tokens_distinct": sim.tokens_distinct,
            "frames": self.frames,
            "lost_frames": self.lost_frames,
            "modem_dead": self.modem_dead,
            "held": len(self.held),
            "dropped": dict(sim.dropped),
        }

    def state(self) -> dict[str, Any]:
        """Everything that a restart must not take away, as JSON values; what is due is computed from it."""
        return {
            "at_us": self._at_us,
            "frames": self.frames,
            "lost_frames": self.lost_frames,
            "modem_dead": self.modem_dead,
            "held": [payload.hex() for payload in self.held],
            "faults": dataclasses.asdict(self.sim.faults),
            "dropped": dict(self.sim.dropped),
            "sim": self.sim.state(),
            "ip": self.ip.state() if self.ip is not None else None,
            "quarters": None if self.quarters is None else [self.quarters.end_us, self.quarters.edges_mwh],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former `state()` on a new supply."""
        self._at_us = state["at_us"]
        self.frames, self.lost_frames = state["frames"], state["lost_frames"]
        self.modem_dead = state["modem_dead"]
        self.held.extend(bytes.fromhex(payload) for payload in state["held"])
        self.sim.faults = Faults(**state["faults"])
        self.sim.dropped.update(state["dropped"])
        self.sim.restore(state["sim"])
        self.closed_told = self.sim.relay_closed
        if self.ip is not None and state.get("ip"):
            self.ip.restore(state["ip"])
        if self.quarters is not None and state["quarters"]:
            self.quarters.end_us, self.quarters.edges_mwh = state["quarters"][0], list(state["quarters"][1])
