# SPDX-License-Identifier: Apache-2.0
"""
Customers with phones: what they do when an SMS comes. They read only what stands in the text, as people do.

Each phone has its own seeded dice, so that a customer behaves the same in every run of the same seed.
"""

from __future__ import annotations

import random
import re
from collections import deque
from typing import Protocol

from duaarah.sim.town.clock import MINUTE_US, Action, Event, instant_of
from duaarah.sim.town.world import TownMeter

KEPT_MESSAGES = 200
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

    def later(self, at_us: int, action: Action) -> Event:
        """Do something when business time gets there."""

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
        self._dice = random.Random(f"duaarah phone {seed} {number}")
        self._planned: dict[str, Event] = {}  # one purchase a meter at a time
        self._tried: tuple[str, int] | None = None  # the latest purchase by SMS: meter, nominal
        self._answered: deque[str] = deque(maxlen=KEPT_MESSAGES)
        self._loaded: deque[str] = deque(maxlen=KEPT_MESSAGES)

    def receive(self, text: str, at_us: int) -> None:
        """An SMS came: note it, and plan what its reader does."""
        self.inbox.append({"at": instant_of(at_us).isoformat(), "text": text})
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
        self.outbox.append({"at": instant_of(at_us).isoformat(), "text": text})
        self._around.send_text(self.number, text)

    def _meter_named_in(self, text: str) -> str:
        """A text names the site's alias, or the meter's number with its middle left out."""
        for meter in self.meters:
            name = meter.site.alias if meter.site else f"{meter.drn[:2]}...{meter.drn[-3:]}"
            if re.search(rf"{re.escape(name)}(?!\d)", text):
                return meter.drn
        return self.meters[0].drn

    def _plan_purchase(self, reply: str, nominal_idr: int, drn: str, at_us: int) -> None:
        """He answers exactly what the text offers, or goes to the ATM; a newer warning replaces an unanswered one."""
        if reply in self._answered:
            return
        self._answered.append(reply)
        if (earlier := self._planned.pop(drn, None)) is not None:
            earlier.cancel()
        due_us = at_us + self._dice.randint(*REPLY_MINUTES) * MINUTE_US

        def buy(now_us: int) -> None:
            self._planned.pop(drn, None)
            if self._around.prefers_atm():
                self._around.buy_at_atm(drn, nominal_idr)
            else:
                self._tried = (drn, nominal_idr)
                self.send(reply, now_us)

        self._planned[drn] = self._around.later(due_us, buy)

    def _plan_atm(self, at_us: int) -> None:
        """His wallet is empty: he walks to the ATM for what he wanted."""
        if self._tried is None:
            return
        drn, nominal_idr = self._tried
        self._tried = None
        if drn in self._planned:
            return

        def buy(_now_us: int) -> None:
            self._planned.pop(drn, None)
            self._around.buy_at_atm(drn, nominal_idr)

        self._planned[drn] = self._around.later(at_us + TO_THE_ATM_MINUTES * MINUTE_US, buy)

    def _plan_keypad(self, digits: str, at_us: int) -> None:
        """He walks to the meter and types, unless a receipt says meanwhile that it has loaded."""

        def type_in(now_us: int) -> None:
            drn = self._around.meter_of_token(self.meters, digits)
            if drn is not None and digits not in self._loaded:
                self._around.key_in(drn, digits, now_us)

        self._around.later(at_us + TO_THE_METER_MINUTES * MINUTE_US, type_in)
