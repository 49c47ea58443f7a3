# SPDX-License-Identifier: Apache-2.0
"""What a simulated meter keeps of its network, its case and its load, and tells on its own or when a test makes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from duaarah.core.reports import (
    LoadProfile,
    LoggedOutage,
    ModemStatus,
    Overload,
    PowerFailureLog,
    RelayState,
    Tamper,
    VoltageEvent,
)
from duaarah.sim.meter.bodies import Push
from duaarah.sim.meter.config import Modem
from duaarah.sim.meter.models import MeterModel
from duaarah.sim.meter.orders import Ordered

_WIB = timezone(timedelta(hours=7))
OUTAGES_KEPT = 20
DAYS_KEPT = 3
_DAY_S = 86_400
_MWH_PER_WH = 1000
CHANNELS = ("energy_wh", "voltage_l1_mv")


@dataclass(slots=True)
class Slot:
    """One interval under way: what flowed since its begin, and the voltages seen in it."""

    start_s: int
    used_mwh: int = 0
    voltage_sum_mv: int = 0
    samples: int = 0


@dataclass(slots=True)
class Log:
    """
    Non-volatile. `outages` are (begin in s since 1970, length in s); `slots` the intervals of the load profile, oldest
    first, the last one still under way; `carry_mwh` what an interval did not show for want of a whole step.
    """

    outages: list[tuple[int, int]] = field(default_factory=list)
    cut_s: int | None = None
    resets: int = 0
    overloaded: bool = False
    drawn_s: int | None = None
    carry_mwh: int = 0
    slots: list[Slot] = field(default_factory=list)

    def cut(self, now: datetime) -> None:
        """The supply fails."""
        self.cut_s = int(now.timestamp())

    def restored(self, now: datetime) -> None:
        """The supply is back: an outage more, and the processor began anew."""
        if self.cut_s is not None:
            self.outages = [*self.outages, (self.cut_s, max(int(now.timestamp()) - self.cut_s, 0))][-OUTAGES_KEPT:]
        self.cut_s, self.resets = None, self.resets + 1

    def draw(self, used_mwh: int, now: datetime, period_s: int) -> None:
        """Spread what was used since the last look evenly over the intervals in between."""
        now_s = int(now.timestamp())
        from_s = now_s if self.drawn_s is None else min(self.drawn_s, now_s)
        self.drawn_s, left_mwh, at_s = now_s, used_mwh, from_s
        while True:
            slot = self._slot(at_s, period_s)
            end_s = min(slot.start_s + period_s, now_s)
            here_mwh = left_mwh if end_s >= now_s else used_mwh * (end_s - at_s) // (now_s - from_s)
            slot.used_mwh += here_mwh
            left_mwh -= here_mwh
            if end_s >= now_s:
                break
            at_s = end_s
        self._slot(now_s, period_s)  # what is seen from now on belongs to it
        self.slots = self.slots[-(DAYS_KEPT * _DAY_S // period_s + 1) :]

    def _slot(self, at_s: int, period_s: int) -> Slot:
        start_s = at_s - at_s % period_s
        if not self.slots or self.slots[-1].start_s < start_s:
            self.slots.append(Slot(start_s))
        return self.slots[-1]

    def see(self, voltage_mv: int) -> None:
        """A look at the voltage, for the interval under way."""
        if self.slots:
            self.slots[-1].voltage_sum_mv += voltage_mv
            self.slots[-1].samples += 1

    def take(self, until_s: int, period_s: int) -> list[Slot]:
        """The intervals that are over by then; they are gone from the log."""
        over = [slot for slot in self.slots if slot.start_s + period_s <= until_s]
        self.slots = self.slots[len(over) :]
        return over

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def restored_from(cls, state: dict[str, Any]) -> Log:
        """From a former `state()`."""
        slots = [Slot(**slot) for slot in state.get("slots", ())]
        outages = [(begin_s, out_s) for begin_s, out_s in state.get("outages", ())]
        return cls(**{**state, "slots": slots, "outages": outages})


class Teller(ABC):
    """The part of a meter that speaks of what happens to it. `_push` gives the SMS of one report."""

    model: MeterModel
    log: Log
    modem: Modem
    ordered: Ordered

    @abstractmethod
    def _push(self, push: Push, now: datetime) -> list[bytes]: ...

    def tamper(self, kind: str, now: datetime, *, begins: bool = True) -> list[bytes]:
        """Somebody opens the cover, holds a magnet to it, exchanges the lines, or stops doing so."""
        self.ordered.tampered = self.ordered.tampered or begins
        return self._push(Tamper(kind, begins), now)

    def load(self, load_w: int, now: datetime) -> list[bytes]:
        """The load of this moment: passing the limit in force, and coming back under it, is told once each."""
        limit_w = self.ordered.limit_in_force_w
        over = limit_w is not None and load_w > limit_w
        if over == self.log.overloaded:
            return []
        self.log.overloaded = over
        return self._push(Overload(over, load_w, limit_w), now)

    def voltage(self, kind: str, phase: int, extreme_mv: int, lasted_s: int, now: datetime) -> list[bytes]:
        """A sag or a swell is over."""
        return self._push(VoltageEvent(kind, phase, extreme_mv, lasted_s), now)

    def relay_moved(self, closed: bool, why: str, now: datetime) -> list[bytes]:
        """The relay moved by itself, or somebody asks for it."""
        return self._push(RelayState(closed, why), now)

    def tell_outages(self, now: datetime) -> list[bytes]:
        """The power-failure log, which stays as it is."""
        kept = (LoggedOutage(datetime.fromtimestamp(begin_s, _WIB), out_s) for begin_s, out_s in self.log.outages)
        return self._push(PowerFailureLog(tuple(kept)), now)

    def tell_modem(self, now: datetime) -> list[bytes]:
        """How the modem is."""
        modem = self.modem
        status = ModemStatus(modem.signal_dbm, modem.cell, modem.network, modem.firmware, self.log.resets)
        return self._push(status, now)

    def tell_load(self, until_at: datetime, now: datetime, period_s: int) -> list[bytes]:
        """The load profile up to then: one message a local day, its intervals without a gap."""
        pushes: list[bytes] = []
        days: dict[int, list[Slot]] = {}
        for slot in self.log.take(int(until_at.timestamp()), period_s):
            days.setdefault((slot.start_s + 7 * 3600) // _DAY_S, []).append(slot)
        for slots in days.values():
            pushes += self._push(self._profile(slots, period_s), now)
        return pushes

    def _profile(self, slots: list[Slot], period_s: int) -> LoadProfile:
        found, step_wh = {slot.start_s: slot for slot in slots}, self.model.energy_step_wh
        first_s, last_s = slots[0].start_s, slots[-1].start_s
        rows: list[tuple[int | None, ...]] = []
        for start_s in range(first_s, last_s + 1, period_s):
            slot = found.get(start_s, Slot(start_s))
            steps, self.log.carry_mwh = divmod(slot.used_mwh + self.log.carry_mwh, step_wh * _MWH_PER_WH)
            rows.append((steps * step_wh, slot.voltage_sum_mv // slot.samples if slot.samples else None))
        return LoadProfile.from_start(datetime.fromtimestamp(first_s, _WIB), period_s, CHANNELS, tuple(rows))
