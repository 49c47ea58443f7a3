# SPDX-License-Identifier: Apache-2.0
"""
The town as an object: SMS in, SMS out, events by business time; no socket and no clock of its own.

Every instant enters as town microseconds. What is wrong in a normal day happens here: a frame in thirty (and the
first one of a certain meter) is lost on the radio before it reaches its modem, and one modem is without network for two
hours and keeps its pushes until then, while its customer buys at the ATM and in the end keys the digits in.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from duaarah.core import gsm7
from duaarah.core.sts import DecoderKey, Result, decode
from duaarah.sim.bank.atm import ATM
from duaarah.sim.bank.notify import BankError
from duaarah.sim.town.clock import MINUTE_US, Action, Event, EventQueue, instant_of
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.phones import Phone
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.world import TownMeter, World

GSM7, BINARY, UCS2 = 0, 4, 8
LOST_ONE_IN = 30
ATM_ONE_IN = 3
WITHOUT_NETWORK_BUYS_IDR = 50_000
WITHOUT_NETWORK_BUYS_AFTER_MINUTES = 10


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An SMS that a modem or a phone sends to the short code."""

    source: str
    payload: bytes = field(repr=False)
    data_coding: int


class UnknownInTown(Exception):
    """There is no such meter or phone in the town."""

    code = "unknown_in_town"


class Town:
    """`send` takes what modems and phones send; `planned` is told when something was put into the queue."""

    def __init__(
        self,
        world: World,
        *,
        send: Callable[[Outgoing], None],
        planned: Callable[[], None] = lambda: None,
        atm: ATM | None = None,
        radio_faults: bool = True,
    ) -> None:
        self.world = world
        self.queue = EventQueue()
        self.atm = atm
        self.now_us = 0
        self.started = False
        self.radio_faults = radio_faults
        self.seen: Counter[str] = Counter()
        self.supplies = {meter.drn: Supply(world, meter) for meter in world.meters}
        self.phones: dict[str, Phone] = {}
        self._send = send
        self._planned = planned
        self._by_sim = {supply.known.msisdn: supply for supply in self.supplies.values()}
        # Where in the first three the ATM's turn falls is the seed's.
        self._purchases, self._at_atm = world.seed % ATM_ONE_IN, 0
        for holder, meters in _meters_by_phone(world).items():
            self.phones[holder] = Phone(holder, meters, world.seed, self)

    # -- the day ---------------------------------------------------------------------------------------------------

    def start(self, at_us: int) -> None:
        """Business time begins: loads draw from here on, and the day's own events are planned."""
        if self.started:
            return
        self.started = True
        self.now_us = at_us
        for supply in self.supplies.values():
            supply.advance(at_us)
            self._plan_crossing(supply)
        midnight_us = at_us // DAY_US * DAY_US
        self._plan_day(midnight_us)
        dead = self.world.dead_modem
        if dead is not None and self.radio_faults and midnight_us + dead.from_minute * MINUTE_US >= at_us:
            supply = self.supplies[dead.drn]
            self.later(midnight_us + dead.from_minute * MINUTE_US, lambda _: self.set_modem_dead(supply, True))
            self.later(midnight_us + dead.to_minute * MINUTE_US, lambda _: self.set_modem_dead(supply, False))
            if self.atm is not None:
                buys_us = midnight_us + (dead.from_minute + WITHOUT_NETWORK_BUYS_AFTER_MINUTES) * MINUTE_US
                self.later(buys_us, lambda _: self._buy_unasked(dead.drn))

    def run(self, now_us: int, limit: int) -> int:
        """Do up to `limit` events that are due; returns how many were done."""
        self.now_us = max(self.now_us, now_us)
        return self.queue.run(now_us, limit)

    def _plan_day(self, midnight_us: int) -> None:
        for question in self.world.questions:
            due_us = midnight_us + question.minute * MINUTE_US
            if due_us >= self.now_us:
                phone, text = self.phones[question.phone], question.text
                self.later(due_us, lambda at_us, phone=phone, text=text: phone.send(text, at_us))  # type: ignore[misc]

    # -- SMS -------------------------------------------------------------------------------------------------------

    def receive(self, destination: str, payload: bytes, data_coding: int, now_us: int) -> str:
        """One SMS from the network: `frame`, `lost`, `text` or `unknown`, for the counters."""
        self.now_us = max(self.now_us, now_us)
        kind = "unknown"
        if (supply := self._by_sim.get(destination)) is not None:
            kind = self._receive_frame(supply, payload)
        elif (phone := self.phones.get(destination)) is not None:
            kind = "text"
            phone.receive(_text(payload, data_coding), self.now_us)
        self.seen[kind] += 1
        return kind

    def _receive_frame(self, supply: Supply, payload: bytes) -> str:
        supply.frames += 1
        if supply.modem_dead or self._lost(supply):
            supply.lost_frames += 1
            return "lost"
        self._emit(supply, supply.advance(self.now_us))
        self._emit(supply, supply.sim.receive_sms(payload, instant_of(self.now_us)))
        self._plan_crossing(supply)
        return "frame"

    def _lost(self, supply: Supply) -> bool:
        """The same frame of the same meter is lost in every run of a seed, in whatever order meters are served."""
        if not self.radio_faults:
            return False
        if supply.known.drn == self.world.lossy_drn and supply.frames == 1:
            return True
        name = f"{self.world.seed} {supply.known.drn} {supply.frames}".encode("ascii")
        return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") % LOST_ONE_IN == 0

    def _emit(self, supply: Supply, pushes: Iterable[bytes]) -> None:
        for payload in pushes:
            if supply.modem_dead:
                supply.held.append(payload)
            else:
                self._send(Outgoing(supply.known.msisdn, payload, BINARY))

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

    def set_modem_dead(self, supply: Supply, dead: bool) -> None:
        """A modem without network drops what comes and holds what its meter says, until it is back."""
        supply.modem_dead = dead
        if not dead:
            held = list(supply.held)
            supply.held.clear()
            self._emit(supply, held)

    def set_power(self, drn: str, on: bool) -> None:
        """The network takes a meter's supply away, or brings it back. Raises UnknownInTown."""
        supply = self.supply(drn)
        now = instant_of(self.now_us)
        self._emit(supply, supply.sim.power_restored(now) if on else supply.sim.power_cut(now))
        self._plan_crossing(supply)

    def _plan_crossing(self, supply: Supply) -> None:
        if supply.crossing is not None:
            supply.crossing.cancel()
            supply.crossing = None
        due_us = supply.next_crossing_us()
        if due_us is not None:
            supply.crossing = self.later(due_us, lambda at_us: self._cross(supply, at_us))

    def _cross(self, supply: Supply, at_us: int) -> None:
        supply.crossing = None
        self._emit(supply, supply.advance(at_us))
        self._plan_crossing(supply)

    # -- what customers do (phones.Surroundings) -------------------------------------------------------------------

    def later(self, at_us: int, action: Action) -> Event:
        """See phones.Surroundings."""
        event = self.queue.put(at_us, action)
        self._planned()
        return event

    def send_text(self, source: str, text: str) -> None:
        """See phones.Surroundings. What the GSM alphabet does not have goes as UCS2, as a handset does."""
        try:
            self._send(Outgoing(source, gsm7.encode(text), GSM7))
        except gsm7.NotInAlphabet:
            self._send(Outgoing(source, text.encode("utf-16-be"), UCS2))

    def buy_at_atm(self, drn: str, nominal_idr: int) -> None:
        """See phones.Surroundings. The ATM refuses by saying so on its screen."""
        if self.atm is None:
            return
        self._at_atm += 1
        try:
            self.atm.buy(drn, nominal_idr, instant_of(self.now_us))
        except BankError:
            self.seen["atm_refused"] += 1

    def _buy_unasked(self, drn: str) -> None:
        """A purchase that no warning led to."""
        self._purchases += 1
        self.buy_at_atm(drn, WITHOUT_NETWORK_BUYS_IDR)

    def use_up(self, drn: str) -> int:
        """Heavy use at once: the credit falls just under the threshold, and from there to nothing; what is left, in Wh."""
        supply = self.supply(drn)
        left_mwh = supply.sim.state()["credit_mwh"]
        threshold_mwh = supply.known.threshold_wh * 1000
        drawn_mwh = left_mwh - threshold_mwh + 1 if left_mwh >= threshold_mwh else left_mwh
        self._emit(supply, supply.sim.consume(drawn_mwh, instant_of(self.now_us)))
        self._plan_crossing(supply)
        left_wh: int = supply.sim.credit_wh
        return left_wh

    def key_in(self, drn: str, digits: str, at_us: int) -> str:
        """See phones.Surroundings; the meter's word."""
        supply = self.supply(drn)
        result, pushes = supply.sim.keypad(digits, instant_of(max(at_us, self.now_us)))
        self.seen[f"keypad_{result}"] += 1
        self._emit(supply, pushes)
        self._plan_crossing(supply)
        return str(result)

    def prefers_atm(self) -> bool:
        """See phones.Surroundings."""
        self._purchases += 1
        return self.atm is not None and self._purchases // ATM_ONE_IN > self._at_atm

    def meter_of_token(self, meters: list[TownMeter], digits: str) -> str | None:
        """See phones.Surroundings."""
        if len(meters) == 1:
            return meters[0].drn
        for meter in meters:
            key: DecoderKey = self.world.decoder_key(meter)
            if decode(digits, key, kt=meter.sts.kt, ken=meter.sts.ken).result is Result.ACCEPT:
                return meter.drn
        return None


def _meters_by_phone(world: World) -> dict[str, list[TownMeter]]:
    by_phone: dict[str, list[TownMeter]] = {}
    for meter in world.meters:
        by_phone.setdefault(meter.holder.phone, []).append(meter)
    return by_phone


def _text(payload: bytes, data_coding: int) -> str:
    if data_coding == UCS2:
        return payload.decode("utf-16-be", errors="replace")
    return gsm7.decode(payload) if data_coding == GSM7 else payload.decode("latin-1")
