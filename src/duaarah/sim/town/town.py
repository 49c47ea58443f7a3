# SPDX-License-Identifier: Apache-2.0
"""
The town as an object: SMS in, SMS out, events by business time; no socket and no clock of its own.

Every instant enters as town microseconds. What is wrong in a normal day happens here: a frame in thirty (and the
first one of a certain meter) is lost on the radio before it reaches its modem, and one modem is without network for two
hours and keeps its pushes until then, while its customer buys at the ATM and in the end keys the digits in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from duaarah.sim.bank.atm import ATM
from duaarah.sim.meter import MeterPast
from duaarah.sim.town.clock import MINUTE_US, Action, Event, EventQueue, instant_of
from duaarah.sim.town.customers import ATM_ONE_IN, Customers
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.memory import Memory, Remembered
from duaarah.sim.town.packages import data_minute
from duaarah.sim.town.packets import profile_minute
from duaarah.sim.town.phones import INBOX, OUTBOX, Phone, meters_by_phone
from duaarah.sim.town.physics import Physics
from duaarah.sim.town.planned import Planned
from duaarah.sim.town.plans import (
    Ask,
    BeginDay,
    Bring,
    BuyUnasked,
    Deed,
    PhoneDeed,
    SendData,
    SendProfile,
    SetModem,
    questions_of,
)
from duaarah.sim.town.profiles import Packets
from duaarah.sim.town.sms import BINARY, Outgoing, text_of
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.totals import TotalSupply
from duaarah.sim.town.truth import Truth
from duaarah.sim.town.wires import Network, UnknownInTown, Wires
from duaarah.sim.town.world import World

WITHOUT_NETWORK_BUYS_IDR = 50_000
WITHOUT_NETWORK_BUYS_AFTER_MINUTES = 10


class Town(Network, Customers):
    """
    `send` takes what modems and phones send; `planned` is told when something was put into the queue. With a `memory`
    whoever does something to the town calls `keep` afterwards: until then nothing leaves it.
    """

    def __init__(
        self,
        world: World,
        *,
        send: Callable[[Outgoing], None],
        planned: Callable[[], None] = lambda: None,
        atm: ATM | None = None,
        radio_faults: bool = True,
        pasts: Mapping[str, MeterPast] | None = None,
        memory: Memory | None = None,
        packets: Packets | None = None,
        truth: Truth | None = None,
        total_registers_wh: Mapping[str, int] | None = None,
    ) -> None:
        pasts = pasts or {}
        self.world = world
        self.queue = EventQueue()
        self.atm = atm
        self.wires = Wires()
        self.now_us = 0
        self.started = False
        self.radio_faults = radio_faults
        self.seen: Counter[str] = Counter()
        self.packets = packets or Packets()
        self.truth = truth or Truth()
        # Whoever has no way for profiles needs no flows: they cost a solution of the network a day.
        self.physics = Physics(world, self.truth, total_registers_wh or {}) if self.packets.any else None
        hours = Planned(world)
        self.supplies = {
            meter.drn: Supply(
                world,
                meter,
                pasts.get(meter.drn),
                packets=self.packets.has(world, meter),
                planned=hours,
                counted=self.physics is not None,
            )
            for meter in world.meters
        }
        if atm is not None:
            atm.key_of = self.key_of
        self.phones: dict[str, Phone] = {}
        self._send = send
        self._planned = planned
        self._memory = memory
        self._began_us = 0
        self._closed_atm: dict[str, Any] | None = None  # a town can be taken up without its ATM, and later with it
        self._by_sim = {supply.known.msisdn: supply for supply in self.supplies.values()}
        # Where in the first three the ATM's turn falls is the seed's.
        self._purchases, self._at_atm = world.seed % ATM_ONE_IN, 0
        for holder, meters in meters_by_phone(world).items():
            self.phones[holder] = Phone(holder, meters, world.seed, self)
        if memory is not None and memory.restored:
            self._restore(memory.load())
        elif memory is not None:
            memory.touch()
            for drn in pasts:  # a past is given once: from here on it stands in the file
                self.note(self.supplies[drn])
        self.keep()

    # -- the day ---------------------------------------------------------------------------------------------------

    def start(self, at_us: int) -> None:
        """Business time begins: loads draw from here on, and the day's own events are planned."""
        if self.started:
            return
        self.started = True
        self.now_us = self._began_us = at_us
        for supply in self.supplies.values():
            supply.advance(at_us)
            self._plan_crossing(supply)
        for total in self.totals.values():
            total.begin(instant_of(at_us))
            self.note(total)
        midnight_us = at_us // DAY_US * DAY_US
        self._begin_day(at_us // DAY_US, at_us)
        dead = self.world.dead_modem
        if dead is not None and self.radio_faults and midnight_us + dead.from_minute * MINUTE_US >= at_us:
            self.plan(midnight_us + dead.from_minute * MINUTE_US, SetModem(dead.drn, True))
            self.plan(midnight_us + dead.to_minute * MINUTE_US, SetModem(dead.drn, False))
            if self.atm is not None:
                buys_us = midnight_us + (dead.from_minute + WITHOUT_NETWORK_BUYS_AFTER_MINUTES) * MINUTE_US
                self.plan(buys_us, BuyUnasked(dead.drn, WITHOUT_NETWORK_BUYS_IDR))

    def tell_time(self, now_us: int) -> None:
        """Business time is here, and will not go back behind it in any later life of this town."""
        self.now_us = max(self.now_us, now_us)
        if self._memory is not None:
            self._memory.touch()

    def run(self, now_us: int, limit: int) -> int:
        """Do up to `limit` events that are due; returns how many were done."""
        self.now_us = max(self.now_us, now_us)
        return self.queue.run(now_us, limit)

    def _begin_day(self, day: int, at_us: int) -> None:
        """Close the day before in the meters; plan what customers ask and meters send from now on, and the next midnight."""
        if self.physics is not None:
            self._count_day(self.physics, at_us)
        for question in questions_of(self.world, day, first=day == self._began_us // DAY_US):
            due_us = day * DAY_US + question.minute * MINUTE_US
            if due_us >= at_us:
                self.plan(due_us, Ask(question.phone, question.text))
        for supply in self.supplies.values():
            self._begin_data(supply, day * DAY_US, at_us)
            if supply.ip is not None:
                due_us = day * DAY_US + profile_minute(self.world.seed, supply.known) * MINUTE_US
                self.plan(max(due_us, at_us + MINUTE_US), SendProfile(supply.known.drn))
        for total in self.totals.values():
            due_us = day * DAY_US + profile_minute(self.world.seed, total.known) * MINUTE_US
            self.plan(max(due_us, at_us + MINUTE_US), SendProfile(total.known.drn))
        self.plan((day + 1) * DAY_US, BeginDay(day + 1))

    def _count_day(self, physics: Physics, at_us: int) -> None:
        """What flowed until now: voltages for the profiles, the total meters' registers, the truth."""
        for supply in self.supplies.values():
            self.advance(supply, at_us)
            self.note(supply)
        physics.close_day(self.supplies, self.wires, at_us)
        for total in self.totals.values():
            self.note(total)

    @property
    def totals(self) -> Mapping[str, TotalSupply]:
        """The total meters by DRN; none without packets."""
        return {} if self.physics is None else self.physics.totals

    def teller(self, drn: str) -> Supply | TotalSupply:
        """Who sends profiles under this DRN: a customer's meter or a total meter."""
        return self.totals.get(drn) or self.supplies[drn]

    def _begin_data(self, supply: Supply, midnight_us: int, at_us: int) -> None:
        plan = supply.sim.plan
        if plan is None:
            return
        if plan.daily or supply.sim.keeps_days:
            if pushes := supply.advance(at_us):
                self._emit(supply, pushes)
                self._plan_crossing(supply)
            self.note(supply)
            supply.sim.close_day(instant_of(midnight_us))
        # Who begins later in the day catches up at once.
        due_us = max(midnight_us + data_minute(self.world.seed, supply.known) * MINUTE_US, at_us + MINUTE_US)
        if supply.sim.has_data(instant_of(due_us)):
            self.plan(due_us, SendData(supply.known.drn))

    def advance(self, supply: Supply, at_us: int) -> None:
        """Draw what was used until then; what the meter says of it leaves."""
        self._emit(supply, supply.advance(at_us))
        self._plan_crossing(supply)

    def once_kept(self, action: Callable[[], None]) -> None:
        """Do this when what happened until now stands in the file; at once where there is none."""
        if self._memory is None:
            action()
        else:
            self._memory.after(action)

    def _send_data(self, supply: Supply, at_us: int) -> None:
        self.note(supply)
        self._emit(supply, supply.advance(at_us))
        self._emit(supply, supply.sim.report(instant_of(at_us)))
        self._plan_crossing(supply)

    # -- SMS -------------------------------------------------------------------------------------------------------

    def receive(self, destination: str, payload: bytes, data_coding: int, now_us: int) -> str:
        """One SMS from the network: `frame`, `lost`, `text` or `unknown`, for the counters."""
        self.now_us = max(self.now_us, now_us)
        kind = "unknown"
        if (supply := self._by_sim.get(destination)) is not None:
            kind = self._receive_frame(supply, payload)
        elif (phone := self.phones.get(destination)) is not None:
            kind = "text"
            phone.receive(text_of(payload, data_coding), self.now_us)
        self.seen[kind] += 1
        return kind

    def _receive_frame(self, supply: Supply, payload: bytes) -> str:
        self.note(supply)
        supply.frames += 1
        if supply.modem_dead or (self.radio_faults and supply.lost(self.world)):
            supply.lost_frames += 1
            return "lost"
        self._emit(supply, supply.advance(self.now_us))
        self._emit(supply, supply.sim.receive_sms(payload, instant_of(self.now_us)))
        self._plan_crossing(supply)
        return "frame"

    def _emit(self, supply: Supply, pushes: Iterable[bytes]) -> None:
        for payload in pushes:
            self.note(supply)
            if supply.modem_dead:
                supply.held.append(payload)
            else:
                self._leave(Outgoing(supply.known.msisdn, payload, BINARY))

    def _leave(self, sms: Outgoing) -> None:
        if self._memory is None:
            self._send(sms)
        else:
            self._memory.outgoing(sms, self._send)

    # -- meters ----------------------------------------------------------------------------------------------------

    def supply(self, drn: str) -> Supply:
        """A meter, drawn up to now. Raises UnknownInTown."""
        try:
            supply = self.supplies[drn]
        except KeyError:
            raise UnknownInTown("There is no meter of this number in the town.") from None
        if self.started:
            self._emit(supply, supply.advance(self.now_us))
            self._plan_crossing(supply)
        return supply

    def answered(self, supply: Supply, pushes: Iterable[bytes]) -> None:
        """A meter has answered over IP, and perhaps pushed: whatever changed is noted, what follows is planned anew."""
        self.note(supply)
        self._emit(supply, pushes)
        self._plan_crossing(supply)

    def _plan_crossing(self, supply: Supply) -> None:
        if supply.sim.relay_closed != supply.closed_told:
            supply.closed_told = supply.sim.relay_closed
            kind = (
                "relay_closed" if supply.closed_told else "credit_cut" if not supply.sim.credit_mwh else "relay_opened"
            )
            self._true(kind, drn=supply.known.drn)
        if supply.crossing is not None:
            supply.crossing.cancel()
            supply.crossing = None
        due_us = supply.next_crossing_us()
        if due_us is not None:
            supply.crossing = self._later(due_us, lambda at_us: self._cross(supply, at_us))

    def _cross(self, supply: Supply, at_us: int) -> None:
        supply.crossing = None
        self._emit(supply, supply.advance(at_us))
        self._plan_crossing(supply)

    # -- what customers do (phones.Surroundings) -------------------------------------------------------------------

    def plan(self, at_us: int, deed: Deed) -> Event:
        """See phones.Surroundings."""
        number = None if self._memory is None else self._memory.planned(at_us, deed)
        return self._put(number, at_us, deed)

    def give_up(self, event: Event) -> None:
        """See phones.Surroundings."""
        event.cancel()
        if self._memory is not None and event.plan is not None:
            self._memory.ended(event.plan)

    def noted(self, phone: Phone, box: str, number: int, message: dict[str, str]) -> None:
        """See phones.Surroundings."""
        if self._memory is not None:
            self._memory.message(phone, box, number, message)

    # -- plans -----------------------------------------------------------------------------------------------------

    def _later(self, at_us: int, action: Action) -> Event:
        event = self.queue.put(at_us, action)
        self._planned()
        return event

    def _put(self, number: int | None, at_us: int, deed: Deed) -> Event:
        event = self._later(at_us, lambda due_us: self._carry_out(number, due_us, deed))
        event.plan = number
        return event

    def _carry_out(self, number: int | None, at_us: int, deed: Deed) -> None:
        if self._memory is not None and number is not None:
            self._memory.ended(number)
        match deed:
            case SetModem():
                self.set_modem_dead(self.supplies[deed.drn], deed.dead)
            case BuyUnasked():
                self._purchases += 1
                self.buy_at_atm(deed.drn, deed.nominal_idr)
            case Bring():
                self._emit(self.supplies[deed.drn], [bytes.fromhex(deed.payload)])
            case SendData():
                self._send_data(self.supplies[deed.drn], at_us)
            case SendProfile():
                self.packets.send_profile(self, self.teller(deed.drn), at_us)
            case BeginDay():
                self._begin_day(deed.day, at_us)
            case _:
                self.phones[deed.phone].do(deed, at_us)

    # -- what survives ---------------------------------------------------------------------------------------------

    def note(self, supply: Supply | TotalSupply) -> None:
        """Something in this meter changes: `keep` will write it down."""
        if self._memory is not None:
            self._memory.meter(supply)

    def keep(self) -> None:
        """Write down what has changed, and let out what may leave only then."""
        if self._memory is not None:
            self._memory.commit(self._state)

    def _state(self) -> dict[str, Any]:
        return {
            "now_us": self.now_us,
            "began_us": self._began_us if self.started else None,
            "seen": self.seen,
            "wires": self.wires.state(),
            "purchases": self._purchases,
            "at_atm": self._at_atm,
            "atm": self.atm.state() if self.atm is not None else self._closed_atm,
        }

    def _restore(self, was: Remembered) -> None:
        """Go on where the file was left; nothing is drawn and nothing happens yet."""
        if was.town:
            self.now_us = was.town["now_us"]
            self.started, self._began_us = was.town["began_us"] is not None, was.town["began_us"] or 0
            self.seen.update(was.town["seen"])
            self._purchases, self._at_atm = was.town["purchases"], was.town["at_atm"]
            self._closed_atm = was.town["atm"]
            self.wires = Wires.of_state(was.town["wires"])
            if self.atm is not None and self._closed_atm is not None:
                self.atm.restore(self._closed_atm, was.latest_tids, was.sales)
        for number, state in was.phones.items():
            messages = (was.messages.get((number, box), []) for box in (INBOX, OUTBOX))
            self.phones[number].restore(state, *messages)
        for drn, supply in self.supplies.items():
            if drn in was.meters:
                supply.restore(was.meters[drn])
            if self.started:
                # Who has no row has only drawn energy: from the beginning on.
                supply.advance(self._began_us)
                self._plan_crossing(supply)
        for drn, total in self.totals.items():
            if drn in was.meters:
                total.restore(was.meters[drn])
        for plan, at_us, deed in was.plans:
            event = self._put(plan, at_us, deed)
            if isinstance(deed, PhoneDeed):
                self.phones[deed.phone].take_up(deed, event)
        for sms in was.outgoing:
            self._send(sms)
