# SPDX-License-Identifier: Apache-2.0
"""
Customers with phones: what they do when an SMS comes. They read only what stands in the text, as people do.

Each phone has its own seeded dice, so that a customer behaves the same in every run of the same seed.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

from duaarah.sim.town.clock import MINUTE_US, Event, instant_of
from duaarah.sim.town.plans import AnswerWarning, Ask, Deed, PhoneDeed, WalkToATM, WalkToMeter
from duaarah.sim.town.world import TownMeter, World

KEPT_MESSAGES = 200
INBOX, OUTBOX = "in", "out"
REPLY_MINUTES = (2, 20)
TO_THE_ATM_MINUTES = 30
TO_THE_METER_MINUTES = 10

_HINT = re.compile(r"ISI (\d{4,8}) ([A-Z]\d[A-Z])")
_KEY_IN = re.compile(r"(?:Ketik di meter|Key in at the meter): ((?:\d{4} ){4}\d{4})")
_LOADED = re.compile(r"(?:Terisi|Loaded) .*Token ((?:\d{4} ){4}\d{4})")
_WALLET_EMPTY = "VA 888"


class Surroundings(Protocol):
    """What a customer can do in the town."""

    def send_text(self, source: str, text: str) -> None:
        """Send an SMS to the short code."""

    def buy_at_atm(self, drn: str, nominal_idr: int) -> None:
        """Buy a token at the ATM."""

    def key_in(self, drn: str, digits: str, at_us: int) -> object:
        """Type 20 digits at a meter."""

    def plan(self, at_us: int, deed: Deed) -> Event:
        """Have a deed done when business time gets there."""

    def give_up(self, event: Event) -> None:
        """Forget a plan."""

    def noted(self, phone: Phone, box: str, number: int, message: dict[str, str]) -> None:
        """A message came into a box of this phone as its so-many-eth, and what its owner remembers may have changed."""

    def prefers_atm(self) -> bool:
        """Whether the next purchase of the town is one of the third that goes to the ATM."""

    def meter_of_token(self, meters: list[TownMeter], digits: str) -> str | None:
        """Which of these meters a token is for: the customer knows what he bought it for."""


class Phone:
    """One number; `meters` are those whose SMS it gets."""

    def __init__(self, number: str, meters: list[TownMeter], seed: int, around: Surroundings) -> None:
        self.number = number
        self.meters = meters
        self.inbox: deque[dict[str, str]] = deque(maxlen=KEPT_MESSAGES)
        self.outbox: deque[dict[str, str]] = deque(maxlen=KEPT_MESSAGES)
        self._around = around
        self._counts = {INBOX: 0, OUTBOX: 0}
        self._dice = random.Random(f"duaarah phone {seed} {number}")
        self._rolls = 0
        self._planned: dict[str, Event] = {}  # one purchase a meter at a time
        self._tried: tuple[str, int] | None = None  # the latest purchase by SMS: meter, nominal
        self._answered: deque[str] = deque(maxlen=KEPT_MESSAGES)
        self._loaded: deque[str] = deque(maxlen=KEPT_MESSAGES)

    def receive(self, text: str, at_us: int) -> None:
        """An SMS came: note it, and plan what its reader does."""
        self._put(INBOX, self.inbox, text, at_us)
        if loaded := _LOADED.search(text):
            self._loaded.append(loaded[1].replace(" ", ""))
        elif key_in := _KEY_IN.search(text):
            self._plan_keypad(key_in[1].replace(" ", ""), at_us)
        elif _WALLET_EMPTY in text:
            self._plan_atm(at_us)
        elif hint := _HINT.search(text):
            self._plan_purchase(hint[0], int(hint[1]), self._meter_named_in(text), at_us)

    def send(self, text: str, at_us: int) -> None:
        """Write an SMS to the short code."""
        self._put(OUTBOX, self.outbox, text, at_us)
        self._around.send_text(self.number, text)

    def _put(self, name: str, box: deque[dict[str, str]], text: str, at_us: int) -> None:
        box.append({"at": instant_of(at_us).isoformat(), "text": text})
        self._around.noted(self, name, self._counts[name], box[-1])
        self._counts[name] += 1

    def _meter_named_in(self, text: str) -> str:
        """A text names the site's alias, or the meter's number with its middle left out."""
        for meter in self.meters:
            name = meter.site.alias if meter.site else f"{meter.drn[:2]}...{meter.drn[-3:]}"
            if re.search(rf"{re.escape(name)}(?!\d)", text):
                return meter.drn
        return self.meters[0].drn

    # -- what he plans ---------------------------------------------------------------------------------------------

    def _plan_purchase(self, reply: str, nominal_idr: int, drn: str, at_us: int) -> None:
        """He answers exactly what the text offers, or goes to the ATM; a newer warning replaces an unanswered one."""
        if reply in self._answered:
            return
        self._answered.append(reply)
        if (earlier := self._planned.pop(drn, None)) is not None:
            self._around.give_up(earlier)
        self._rolls += 1
        due_us = at_us + self._dice.randint(*REPLY_MINUTES) * MINUTE_US
        self._planned[drn] = self._around.plan(due_us, AnswerWarning(self.number, drn, reply, nominal_idr))

    def _plan_atm(self, at_us: int) -> None:
        """His wallet is empty: he walks to the ATM for what he wanted."""
        if self._tried is None:
            return
        drn, nominal_idr = self._tried
        self._tried = None
        if drn not in self._planned:
            due_us = at_us + TO_THE_ATM_MINUTES * MINUTE_US
            self._planned[drn] = self._around.plan(due_us, WalkToATM(self.number, drn, nominal_idr))

    def _plan_keypad(self, digits: str, at_us: int) -> None:
        """He walks to the meter and types, unless a receipt says meanwhile that it has loaded."""
        self._around.plan(at_us + TO_THE_METER_MINUTES * MINUTE_US, WalkToMeter(self.number, digits))

    def do(self, deed: PhoneDeed, now_us: int) -> None:
        """What was planned is due."""
        match deed:
            case AnswerWarning():
                self._planned.pop(deed.drn, None)
                if self._around.prefers_atm():
                    self._around.buy_at_atm(deed.drn, deed.nominal_idr)
                else:
                    self._tried = (deed.drn, deed.nominal_idr)
                    self.send(deed.reply, now_us)
            case WalkToATM():
                self._planned.pop(deed.drn, None)
                self._around.buy_at_atm(deed.drn, deed.nominal_idr)
            case WalkToMeter():
                drn = self._around.meter_of_token(self.meters, deed.digits)
                if drn is not None and deed.digits not in self._loaded:
                    self._around.key_in(drn, deed.digits, now_us)
            case Ask():
                self.send(deed.text, now_us)

    # -- what survives ---------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What its owner remembers, as JSON values; the messages themselves and the plans are kept elsewhere."""
        return {
            "counts": self._counts,
            "rolls": self._rolls,
            "tried": self._tried,
            "answered": list(self._answered),
            "loaded": list(self._loaded),
        }

    def restore(self, state: dict[str, Any], inbox: Iterable[dict[str, str]], outbox: Iterable[dict[str, str]]) -> None:
        """Take up a former `state()` on a new phone, with its messages in order."""
        self._counts = dict(state["counts"])
        for _ in range(state["rolls"]):  # the dice fall on as they would have
            self._dice.randint(*REPLY_MINUTES)
        self._rolls = state["rolls"]
        self._tried = tuple(state["tried"]) if state["tried"] else None
        self._answered.extend(state["answered"])
        self._loaded.extend(state["loaded"])
        self.inbox.extend(inbox)
        self.outbox.extend(outbox)

    def take_up(self, deed: PhoneDeed, event: Event) -> None:
        """A plan of before the restart is in the town's queue again."""
        if isinstance(deed, AnswerWarning | WalkToATM):
            self._planned[deed.drn] = event


def meters_by_phone(world: World) -> dict[str, list[TownMeter]]:
    """Which meters each phone answers for."""
    by_phone: dict[str, list[TownMeter]] = {}
    for meter in world.meters:
        by_phone.setdefault(meter.holder.phone, []).append(meter)
    return by_phone
