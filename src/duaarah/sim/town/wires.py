# SPDX-License-Identifier: Apache-2.0
"""
What happens to the town's network: supply that goes from a feeder down to one house, concentrators that fall silent, and
energy that goes beside a meter.

A house has supply when nothing above it is cut, each of which is cut and mended by itself. Of the messages that a cut calls
forth the radio loses some, doubles some and brings some late: how many is the seed's, and each one's fate is the same in
every run.
"""

from __future__ import annotations

import dataclasses
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from duaarah.sim.town.clock import MINUTE_US, Event, instant_of
from duaarah.sim.town.grid.theft import Theft
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.packages import data_minute
from duaarah.sim.town.plans import Bring, Deed
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.totals import TotalSupply
from duaarah.sim.town.truth import Truth
from duaarah.sim.town.world import Place, TownMeter, World

# Permille of the messages of a cut, lowest and highest of all seeds.
_LOST, _DOUBLED, _LATE = (250, 450), (30, 70), (80, 120)
LATE_MINUTES_MAX = 30


class UnknownInTown(Exception):
    """There is no such meter, node or phone in the town."""

    code = "unknown_in_town"


@dataclass(frozen=True, slots=True)
class Radio:
    """How the seed's radio treats the messages of a cut, in permille: gasps that are lost, and any that are doubled or late."""

    lost: int
    doubled: int
    late: int

    @classmethod
    def of(cls, seed: int) -> Radio:
        """The radio of this seed."""
        dice = random.Random(f"duaarah radio {seed}")
        return cls(*(dice.randint(*span) for span in (_LOST, _DOUBLED, _LATE)))


@dataclass(frozen=True, slots=True)
class Span:
    """A node, or a house by its DRN, was cut from one town instant to another (None: still)."""

    code: str
    from_us: int
    to_us: int | None = None


@dataclass(slots=True)
class Wires:
    """
    What is cut (codes of nodes and DRNs), which concentrators are silent, which modems are dead by themselves, thefts; `spans`:
    what was cut since the day that is counted began.
    """

    dark: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    thefts: list[Theft] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    cuts: int = 0

    def lit(self, meter: TownMeter) -> bool:
        """Whether this meter has supply."""
        return self.dark.isdisjoint((*above(meter.place), meter.drn))

    def cut(self, code: str, at_us: int, *, on: bool) -> bool:
        """Cut here, or mend; whether that changed anything here."""
        if (code in self.dark) != on:
            return False
        (self.dark.discard if on else self.dark.add)(code)
        if on:
            last = max((n for n, s in enumerate(self.spans) if s.code == code and s.to_us is None), default=None)
            if last is not None:
                self.spans[last] = dataclasses.replace(self.spans[last], to_us=at_us)
        else:
            self.spans.append(Span(code, at_us))
        return True

    def forget(self, before_us: int) -> None:
        """What had ended by then is not asked for again."""
        self.spans = [span for span in self.spans if span.to_us is None or span.to_us > before_us]

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "dark": sorted(self.dark),
            "silent": sorted(self.silent),
            "dead": sorted(self.dead),
            "thefts": [dataclasses.asdict(theft) for theft in self.thefts],
            "spans": [dataclasses.astuple(span) for span in self.spans],
            "cuts": self.cuts,
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Wires:
        """What `state()` wrote."""
        thefts = [Theft(**theft) for theft in state["thefts"]]
        spans = [Span(*span) for span in state["spans"]]
        return cls(set(state["dark"]), set(state["silent"]), set(state["dead"]), thefts, spans, state["cuts"])


def above(place: Place) -> tuple[str, str, str]:
    """The nodes that supply a meter here."""
    return place.substation, place.feeder, place.transformer


class Network(ABC):
    """Part of the Town, which brings the meters, the plans and the way out."""

    world: World
    supplies: dict[str, Supply]
    seen: Counter[str]
    now_us: int
    radio_faults: bool
    wires: Wires
    truth: Truth

    @abstractmethod
    def once_kept(self, action: Callable[[], None]) -> None:
        """Do this when what happened until now stands in the town's file."""

    @abstractmethod
    def supply(self, drn: str) -> Supply:
        """A meter, drawn up to now."""

    @abstractmethod
    def note(self, supply: Supply | TotalSupply) -> None:
        """Something in this meter changes."""

    @abstractmethod
    def plan(self, at_us: int, deed: Deed) -> Event:
        """Have a deed done."""

    @abstractmethod
    def _emit(self, supply: Supply, pushes: Iterable[bytes]) -> None: ...

    @abstractmethod
    def _plan_crossing(self, supply: Supply) -> None: ...

    @abstractmethod
    def _send_data(self, supply: Supply, at_us: int) -> None: ...

    # -- supply ----------------------------------------------------------------------------------------------------

    def set_power(self, drn: str, on: bool) -> None:
        """The network takes one meter's supply away, or mends it; its messages all arrive. Raises UnknownInTown."""
        supply = self.supply(drn)
        self._cut(drn, on)
        self._supplied(supply)

    def set_node_power(self, code: str, on: bool) -> list[str]:
        """
        Cut all that a substation, feeder or transformer supplies, or mend the node; the DRNs whose supply changed. What is cut
        further down stays so. Raises UnknownInTown.
        """
        below = self.below(code)
        if not self._cut(code, on):
            return []
        self.wires.cuts += 1
        radio = Radio.of(self.world.seed) if self.radio_faults else None
        return [meter.drn for meter in below if self._supplied(self.supply(meter.drn), radio)]

    def below(self, code: str) -> list[TownMeter]:
        """The meters that a node supplies. Raises UnknownInTown."""
        found = [meter for meter in self.world.meters if code in above(meter.place)]
        if not found:
            raise UnknownInTown("There is no node of this code in the town.")
        return found

    def _cut(self, code: str, on: bool) -> bool:
        changed = self.wires.cut(code, self.now_us, on=on)
        if changed:
            self._true("mended" if on else "cut", node=code)
        return changed

    def _true(self, kind: str, **facts: Any) -> None:
        """A fact for the truth's file, once the town has kept what it belongs to."""
        if self.truth:
            at_us = self.now_us
            self.once_kept(lambda: self.truth.write(kind, at_us, **facts))

    def _supplied(self, supply: Supply, radio: Radio | None = None) -> bool:
        """Bring a meter's supply to what the network gives it; whether that changed anything."""
        on = self.wires.lit(supply.known)
        if on == supply.sim.powered:
            return False
        now = instant_of(self.now_us)
        self.note(supply)
        pushes = supply.sim.power_restored(now) if on else supply.sim.power_cut(now)
        if radio is None:
            self._emit(supply, pushes)
        else:
            self._by_radio(supply, pushes, radio, gasp=not on)
        if on and self.now_us % DAY_US >= data_minute(self.world.seed, supply.known) * MINUTE_US:
            self._send_data(supply, self.now_us)  # what fell due meanwhile
        self._plan_crossing(supply)
        return True

    def _by_radio(self, supply: Supply, pushes: Iterable[bytes], radio: Radio, *, gasp: bool) -> None:
        dice = random.Random(f"duaarah message {self.world.seed} {supply.known.drn} {self.wires.cuts} {gasp}")
        for payload in pushes:
            lost, doubled, late = (dice.randrange(1000) for _ in range(3))
            late_us = dice.randint(1, LATE_MINUTES_MAX) * MINUTE_US
            if gasp and lost < radio.lost:
                self.seen["gasp_lost"] += 1
                self._true("gasp_lost", drn=supply.known.drn)
                continue
            if late < radio.late and not supply.modem_dead:
                self.seen["late"] += 1
                self._true("late", drn=supply.known.drn, late_us=late_us)
                self.plan(self.now_us + late_us, Bring(supply.known.drn, payload.hex()))
            else:
                self._emit(supply, [payload])
            if doubled < radio.doubled:
                self.seen["doubled"] += 1
                self._true("doubled", drn=supply.known.drn)
                self._emit(supply, [payload])

    # -- modems ----------------------------------------------------------------------------------------------------

    def set_modem_dead(self, supply: Supply, dead: bool) -> None:
        """A modem without network drops what comes and holds what its meter says, until it is back."""
        (self.wires.dead.add if dead else self.wires.dead.discard)(supply.known.drn)
        self._reached(supply)

    def set_silence(self, code: str, silent: bool) -> list[str]:
        """
        The concentrator of a node falls silent, or speaks again: no modem below has network while supply is as it was. Returns
        the DRNs below. Raises UnknownInTown.
        """
        below = self.below(code)
        (self.wires.silent.add if silent else self.wires.silent.discard)(code)
        self._true("silent" if silent else "speaks", node=code)
        for meter in below:
            self._reached(self.supply(meter.drn))
        return [meter.drn for meter in below]

    def _reached(self, supply: Supply) -> None:
        known = supply.known
        dead = known.drn in self.wires.dead or not self.wires.silent.isdisjoint(above(known.place))
        if dead == supply.modem_dead:
            return
        self.note(supply)
        supply.modem_dead = dead
        if not dead:
            self._emit(supply, [supply.held.popleft() for _ in range(len(supply.held))])

    # -- theft -----------------------------------------------------------------------------------------------------

    def start_theft(self, drn: str, *, watts: float = 0.0, share: float = 0.0) -> Theft:
        """Energy goes beside this meter from now on, besides what did before. Raises UnknownInTown, ValueError."""
        self.supply(drn)
        theft = Theft(drn, self.now_us, watts=watts, share=share)
        self.wires.thefts.append(theft)
        self._true("theft", drn=drn, watts=watts, share=share)
        return theft

    def stop_theft(self, drn: str) -> int:
        """It is found: every theft at this meter ends now; how many did. Raises UnknownInTown."""
        self.supply(drn)
        thefts = self.wires.thefts
        going = [n for n, theft in enumerate(thefts) if theft.drn == drn and theft.to_us is None]
        for number in going:
            thefts[number] = dataclasses.replace(thefts[number], to_us=max(self.now_us, thefts[number].from_us))
        if going:
            self._true("theft_ended", drn=drn)
        return len(going)
