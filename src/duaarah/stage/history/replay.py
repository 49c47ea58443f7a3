# SPDX-License-Identifier: Apache-2.0
"""
A past lived through by simulated meters: the same drivers and the same meters as on the air, only without a network.

What comes out is what crossed between head end and meters (`Heard`, `Sent`), what was bought (`Bought`), what was asked
(`Asked`), in order of time, and every meter as it stands on its first day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from duaarah.core.intent import LoadCredit, Report, TokenResult
from duaarah.core.sts import issue_electricity_credit, tid_at
from duaarah.headend.ports import MeterKeys
from duaarah.sim.meter import SimMeter
from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.packages import data_minute
from duaarah.sim.town.past import Drawn, MeterHistory, Past, PastPurchase
from duaarah.sim.town.planned import Planned
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.world import TownMeter, World
from duaarah.wiring.drivers import DriverDirectory

SECOND_US = 1_000_000
_MINUTE_US = 60 * SECOND_US
FRAME_AFTER_S, ANSWER_AFTER_S, AGAIN_AFTER_S = 2, 6, 240
_MWH_PER_WH = 1000
_WIB = ZoneInfo("Asia/Jakarta")


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that happened to a meter. `purchase` numbers its purchases from 0; None: no purchase's."""

    at_us: int
    meter: TownMeter
    purchase: int | None

    @property
    def at(self) -> datetime:
        """The business instant."""
        return instant_of(self.at_us)


@dataclass(frozen=True, slots=True)
class Asked(Deed):
    """The customer asked for the balance by SMS."""


@dataclass(frozen=True, slots=True)
class Bought(Deed):
    """A purchase: what was bought and where, and its token."""

    what: PastPurchase
    tid: int
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent(Deed):
    """A frame left for the meter under its own invocation counter."""

    payload: bytes
    counter: int


@dataclass(frozen=True, slots=True)
class Heard(Deed):
    """A frame came from the meter; `report` is what the driver reads in it, `again` answers a repeated frame."""

    payload: bytes
    counter: int
    report: Report
    again: bool = False


@dataclass(frozen=True)
class Replayed:
    """All deeds in order of time, and every meter's memory on its first day (SimMeter.state), by DRN."""

    deeds: list[Deed]
    memories: dict[str, dict[str, Any]]

    @property
    def accepted_wh(self) -> int:
        """What the meters say that they loaded."""
        return sum(m["token_energy_wh"] for m in self.memories.values())

    @property
    def double_credits(self) -> int:
        """How often a meter took one token twice."""
        return sum(m["tokens_accepted"] - len(m["distinct"]) for m in self.memories.values())


class MeterAstray(Exception):
    """A meter did not come out of its past as the world has it: past and meter disagree."""


def replay(world: World, past: Past) -> Replayed:
    """Live the past. Raises MeterAstray when a meter's credit on its first day is not the world's."""
    deeds: list[Deed] = []
    memories, planned = {}, Planned(world)
    for meter_past in past.meters:
        one = _Life(world, meter_past, past.begin_us, planned)
        deeds += one.live()
        memories[meter_past.meter.drn] = one.sim.state()
    deeds.sort(key=lambda deed: deed.at_us)
    return Replayed(deeds, memories)


class _Life:
    """One meter between the beginning and START."""

    def __init__(self, world: World, past: MeterHistory, begin_us: int, planned: Planned) -> None:
        self._planned = planned
        self._known, self._past, self._seed = past.meter, past, world.seed
        self.sim: SimMeter = Supply(world, past.meter).sim
        memory = self.sim.state()
        armed = past.credit_mwh >= past.meter.threshold_wh * _MWH_PER_WH
        self.sim.restore({**memory, "credit_mwh": past.credit_mwh, "armed": armed, "relay_closed": True})
        self._drawn = Drawn(past.meter.curve, begin_us, past.outages)
        self._driver = DriverDirectory()
        self._keys = MeterKeys(past.meter.ek, past.meter.ak)
        self._decoder_key = world.decoder_key(past.meter)
        self._at_us = begin_us
        self._counter = 0

    def live(self) -> Iterator[Deed]:
        """Every deed of this meter."""
        stops: list[tuple[int, str, Any]] = [(o.from_us, "cut", None) for o in self._past.outages]
        stops += [(o.to_us, "restored", None) for o in self._past.outages]
        stops += [(p.at_us, "bought", (n, p)) for n, p in enumerate(self._past.purchases)]
        stops += [(at_us, "asked", None) for at_us in self._past.asked_us]
        stops += self._data_stops()
        for planned_us, kind, what in sorted(stops, key=lambda stop: stop[0]):
            # A frame under way (and its repeat) takes minutes: what fell into them comes right after its answer.
            at_us = max(planned_us, self._at_us)
            yield from self._draw(at_us)
            if kind == "cut":
                yield from self._heard(self.sim.power_cut(instant_of(at_us)), at_us)
            elif kind == "restored":
                yield from self._heard(self.sim.power_restored(instant_of(at_us)), at_us)
                if at_us % DAY_US >= data_minute(self._seed, self._known) * _MINUTE_US:
                    yield from self._heard(self.sim.report(instant_of(at_us)), at_us)
            elif kind == "midnight":
                self.sim.close_day(instant_of(at_us))
            elif kind == "data":
                yield from self._heard(self.sim.report(instant_of(at_us)), at_us)
            elif kind == "asked":
                yield Asked(at_us, self._known, None)
            else:
                yield from self._purchase(*what)
        yield from self._draw(0)
        if self.sim.credit_mwh != self._known.credit_wh * _MWH_PER_WH:
            raise MeterAstray(f"The meter {self._known.drn} does not come to its first day's credit.")

    def _data_stops(self) -> Iterator[tuple[int, str, Any]]:
        """The meter's midnights with a daily plan, and the minute of its data on each day that has any."""
        plan = self.sim.plan
        if plan is None:
            return
        minute_us = data_minute(self._seed, self._known) * _MINUTE_US
        for midnight_us in range(self._at_us, 0, DAY_US):
            if plan.daily:
                yield midnight_us, "midnight", None
            begins = midnight_us == self._at_us
            if plan.daily or begins or instant_of(midnight_us).astimezone(_WIB).day in plan.block_days:
                yield midnight_us + minute_us, "data", None

    def _draw(self, to_us: int) -> Iterator[Deed]:
        """Use energy until then, stopping where the threshold is crossed, as the town does."""
        if self.sim.armed and self.sim.powered:
            needed_mwh = self.sim.credit_mwh - self._known.threshold_wh * _MWH_PER_WH + 1
            low_mwh = self._drawn.until_mwh(self._at_us) + needed_mwh
            # The search is dear, and most stops do not come to it.
            if self._drawn.until_mwh(to_us) >= low_mwh:
                low_us = self._drawn.instant_us(low_mwh, self._at_us, to_us)
                if low_us < to_us:
                    yield from self._use(low_us)
        yield from self._use(to_us)

    def _use(self, to_us: int) -> Iterator[Deed]:
        energy_mwh = self._drawn.until_mwh(to_us) - self._drawn.until_mwh(self._at_us)
        if self.sim.keeps_days:
            for load_w, voltage_mv in self._planned.samples(self._known, self._at_us, to_us):
                self.sim.sample(load_w, voltage_mv)
        self._at_us = to_us
        yield from self._heard(self.sim.consume(energy_mwh, instant_of(to_us)), to_us)

    def _purchase(self, number: int, what: PastPurchase) -> Iterator[Deed]:
        at_us, sts = what.at_us, self._known.sts
        tid = tid_at(instant_of(at_us).astimezone(_WIB).replace(tzinfo=None), sts.base_date)
        token = issue_electricity_credit(
            self._decoder_key, energy_wh=what.energy_wh, tid=tid, rnd=what.rnd, ken=sts.ken
        )
        yield Bought(at_us, self._known, number, what, tid, token.digits)
        sent_us = at_us + FRAME_AFTER_S * SECOND_US
        if what.frame_lost:
            yield self._frame(sent_us, number, token.digits)
            sent_us += AGAIN_AFTER_S * SECOND_US
        sent = self._frame(sent_us, number, token.digits)
        yield sent
        came_us = sent_us + ANSWER_AFTER_S * SECOND_US
        # The load goes on while the frame is under way.
        yield from self._draw(came_us)
        for deed in self._heard(self.sim.receive_sms(sent.payload, instant_of(came_us)), came_us, number):
            assert isinstance(deed.report, TokenResult) and deed.report.result == "accept"
            yield replace(deed, again=what.frame_lost)

    def _frame(self, at_us: int, number: int, digits: str) -> Sent:
        self._counter += 1
        payload = self._driver.build(
            profile=self._known.profile, intent=LoadCredit(digits), keys=self._keys, counter=self._counter
        )
        return Sent(at_us, self._known, number, payload, self._counter)

    def _heard(self, payloads: list[bytes], at_us: int, number: int | None = None) -> Iterator[Heard]:
        for payload in payloads:
            opened = self._driver.open(
                profile=self._known.profile,
                payload=payload,
                keys=self._keys,
                system_title=self._known.system_title,
            )
            yield Heard(at_us, self._known, number, payload, opened.counter, opened.report)
