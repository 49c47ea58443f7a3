# SPDX-License-Identifier: Apache-2.0
"""What the town's customers do with meters, phones and the ATM: the deeds of phones.Surroundings that need no plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable

from duaarah.core.sts import DecoderKey, Result, decode
from duaarah.sim.bank.atm import ATM
from duaarah.sim.bank.notify import BankError
from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.sms import Outgoing, written
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.totals import TotalSupply
from duaarah.sim.town.world import TownMeter

ATM_ONE_IN = 3


class Customers(ABC):
    """Part of the Town, which brings the meters and the way out."""

    supplies: dict[str, Supply]
    seen: Counter[str]
    atm: ATM | None
    now_us: int
    _purchases: int
    _at_atm: int

    @abstractmethod
    def supply(self, drn: str) -> Supply:
        """A meter, drawn up to now."""

    @abstractmethod
    def note(self, supply: Supply | TotalSupply) -> None:
        """Something in this meter changes."""

    @abstractmethod
    def _emit(self, supply: Supply, pushes: Iterable[bytes]) -> None: ...

    @abstractmethod
    def _plan_crossing(self, supply: Supply) -> None: ...

    @abstractmethod
    def _leave(self, sms: Outgoing) -> None: ...

    def send_text(self, source: str, text: str) -> None:
        """See phones.Surroundings."""
        self._leave(written(source, text))

    def buy_at_atm(self, drn: str, nominal_idr: int) -> None:
        """See phones.Surroundings. The ATM refuses by saying so on its screen."""
        if self.atm is None:
            return
        self._at_atm += 1
        try:
            self.atm.buy(drn, nominal_idr, instant_of(self.now_us))
        except BankError:
            self.seen["atm_refused"] += 1

    def use_up(self, drn: str) -> int:
        """Heavy use at once: the credit falls just under the threshold, and from there to nothing; what is left, in Wh."""
        supply = self.supply(drn)
        left_mwh = supply.sim.credit_mwh
        threshold_mwh = supply.sim.threshold_wh * 1000
        drawn_mwh = left_mwh - threshold_mwh + 1 if left_mwh >= threshold_mwh else left_mwh
        self.note(supply)
        self._emit(supply, supply.sim.consume(drawn_mwh, instant_of(self.now_us)))
        self._plan_crossing(supply)
        left_wh: int = supply.sim.credit_wh
        return left_wh

    def key_in(self, drn: str, digits: str, at_us: int) -> str:
        """See phones.Surroundings; the meter's word."""
        supply = self.supply(drn)
        self.note(supply)
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
            key, ken = self.key_of(meter)
            if decode(digits, key, kt=meter.sts.kt, ken=ken).result is Result.ACCEPT:
                return meter.drn
        return None

    def key_of(self, meter: TownMeter) -> tuple[DecoderKey, int]:
        """The decoder key and KEN that a meter has now."""
        sim = self.supplies[meter.drn].sim
        return sim.decoder_key, sim.ken
