# SPDX-License-Identifier: Apache-2.0
"""
The ATM double: it sells a real STS token for a meter of the town and tells the platform by a signed notification.

Its price is its own small sum (nominal, less 3 % PBJT, at the group's rate), not the platform's: what counts for the
platform is the energy that the token itself carries.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Protocol

from duaarah.core.sts import DecoderKey, issue_electricity_credit, tid_at, tid_not_reserved
from duaarah.sim.bank.notify import QUEUED_MAX, BankError, Notifier, Outcome
from duaarah.sim.town.world import TownMeter, World

WIB = timezone(timedelta(hours=7))
PBJT_FACTOR = Decimal("1.03")
NOMINAL_MAX_IDR = 100_000_000
KEPT_SALES = 10_000
RANDOM_FIELD = 16
_WH_PER_STEP = 100
_RATES_IDR_PER_KWH = {
    ("R-1", 450): Decimal("415"),
    ("R-1", 900): Decimal("605"),
    ("R-1M", 900): Decimal("1352"),
    ("R-1", 1300): Decimal("1444.70"),
    ("R-1", 2200): Decimal("1444.70"),
    ("R-2", 3500): Decimal("1699.53"),
    ("R-2", 5500): Decimal("1699.53"),
    ("R-3", 6600): Decimal("1699.53"),
    ("B-2", 6600): Decimal("1444.70"),
    ("B-2", 10600): Decimal("1444.70"),
}


@dataclass(frozen=True, slots=True)
class Sale:
    """One token sold. The digits are worth money: they are not printed."""

    notification_id: str
    drn: str
    digits: str = field(repr=False)
    tid: int
    energy_wh: int
    amount_idr: int
    body: bytes = field(repr=False)


class Ledger(Protocol):
    """Where an ATM writes down what must outlive it; without one it forgets."""

    def issued(self, drn: str, tid: int) -> None:
        """A token of this TID was made: the meter's latest."""

    def sold(self, sale: Sale) -> None:
        """A token was sold, and the platform is to be notified."""

    def answered(self, notification_id: str, outcome: Outcome) -> None:
        """The platform has answered for good. Called from any thread."""

    def after(self, action: Callable[[], None]) -> None:
        """Do something once all of that is written down."""


def energy_for(nominal_idr: int, meter: TownMeter) -> int:
    """What a nominal buys at the ATM: kWh cut to one decimal, in Wh. Raises BankError."""
    rate = _RATES_IDR_PER_KWH.get((meter.tariff_group, meter.contracted_va))
    if rate is None or not 0 < nominal_idr <= NOMINAL_MAX_IDR:
        raise BankError("The ATM sells nothing for this nominal and tariff.")
    energy_wh = int(Decimal(nominal_idr) / PBJT_FACTOR / rate * 10) * _WH_PER_STEP
    if energy_wh == 0:
        raise BankError("The nominal is too small for a token.")
    return energy_wh


class ATM:
    """
    Sells; `outcomes` maps a notification id to what the platform last said, `sold` keeps the sales in order.
    `latest_tids` are those of tokens that each meter had before the first day.
    """

    def __init__(
        self,
        world: World,
        notifier: Notifier,
        channel: str,
        *,
        latest_tids: Mapping[str, int] | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        # The bank's centre follows every key change; how it learns of them is no part of the simulation.
        self.key_of: Callable[[TownMeter], tuple[DecoderKey, int]] = self._first_key
        self.sold: deque[Sale] = deque(maxlen=KEPT_SALES)
        self.outcomes: dict[str, Outcome] = {}
        self.sold_wh = 0
        self.sold_count = 0
        self._world = world
        self._meters: Mapping[str, TownMeter] = {meter.drn: meter for meter in world.meters}
        self._keys: dict[str, DecoderKey] = {}
        self._latest_tid: dict[str, int] = dict(latest_tids or {})
        self._notifier = notifier
        self._channel = channel
        self._dice = random.Random(f"duaarah atm {world.seed}")
        self._rolls = 0
        self._ledger = ledger
        self._unwritten = 0
        self._unanswered: list[Sale] = []
        if ledger is not None:
            for drn, tid in self._latest_tid.items():
                ledger.issued(drn, tid)

    @property
    def pending(self) -> int:
        """Notifications that the platform has not answered for good yet."""
        return self._notifier.pending + self._unwritten + len(self._unanswered)

    def buy(
        self, drn: str, nominal_idr: int, now: datetime, *, done: Callable[[Sale, Outcome], None] | None = None
    ) -> Sale:
        """Sell a token and notify in the background. Raises BankError: unknown meter, nominal or tariff, too busy."""
        self._check_room()
        sale = self._issue(self._meter(drn), nominal_idr, now)
        self.sold.append(sale)
        self.sold_wh += sale.energy_wh
        self.sold_count += 1
        if self._ledger is not None:
            self._ledger.sold(sale)
        self._notify(sale, done)
        return sale

    def repeat_latest(self) -> Sale:
        """Send the latest notification once more, word for word."""
        if not self.sold:
            raise BankError("Nothing was sold yet.")
        self._check_room()
        self._notify(self.sold[-1], None)
        return self.sold[-1]

    def forge(
        self, drn: str, nominal_idr: int, now: datetime, *, done: Callable[[Sale, Outcome], None] | None = None
    ) -> Sale:
        """A notification of a token nobody sold, under a signature that does not fit. It counts as no sale."""
        self._check_room()
        sale = self._issue(self._meter(drn), nominal_idr, now)
        self._notify(sale, done, forged=True)
        return sale

    def _check_room(self) -> None:
        if self.pending >= QUEUED_MAX:
            raise BankError("Too many notifications are waiting.")

    def _meter(self, drn: str) -> TownMeter:
        try:
            return self._meters[drn]
        except KeyError:
            raise BankError("The ATM knows no meter of this number.") from None

    def _first_key(self, meter: TownMeter) -> tuple[DecoderKey, int]:
        if meter.drn not in self._keys:
            self._keys[meter.drn] = self._world.decoder_key(meter)
        return self._keys[meter.drn], meter.sts.ken

    def _issue(self, meter: TownMeter, nominal_idr: int, now: datetime) -> Sale:
        energy_wh = energy_for(nominal_idr, meter)
        local = now.astimezone(WIB).replace(tzinfo=None)
        tid = tid_at(local, meter.sts.base_date)
        if meter.drn in self._latest_tid:
            tid = tid_not_reserved(max(tid, self._latest_tid[meter.drn] + 1))
        self._latest_tid[meter.drn] = tid
        self._rolls += 1
        if self._ledger is not None:
            self._ledger.issued(meter.drn, tid)
        key, ken = self.key_of(meter)
        token = issue_electricity_credit(
            key, energy_wh=energy_wh, tid=tid, rnd=self._dice.randrange(RANDOM_FIELD), ken=ken
        )
        notification_id = f"{self._channel}-{meter.drn}-{tid}"
        content = {
            "notification_id": notification_id,
            "channel": self._channel,
            "drn": meter.drn,
            "idpel": meter.idpel,
            "token": token.digits,
            "amount_idr": nominal_idr,
            "energy_wh": token.encoded_wh,
            "sold_at": local.isoformat(timespec="seconds") + "+07:00",
            "tid": tid,
        }
        body = json.dumps(content, separators=(",", ":")).encode("ascii")
        return Sale(notification_id, meter.drn, token.digits, tid, token.encoded_wh, nominal_idr, body)

    def _notify(self, sale: Sale, done: Callable[[Sale, Outcome], None] | None, *, forged: bool = False) -> None:
        def took(outcome: Outcome) -> None:
            if not forged:
                self._remember(sale.notification_id, outcome)
            if done is not None:
                done(sale, outcome)

        if self._ledger is None:
            self._notifier.send(sale.body, took, forged=forged)
            return

        def leave() -> None:
            self._unwritten -= 1
            self._notifier.send(sale.body, took, forged=forged)

        # The platform must not hear of a sale that a kill could take back: its TID would be sold again.
        self._unwritten += 1
        self._ledger.after(leave)

    def _remember(self, notification_id: str, outcome: Outcome) -> None:
        self.outcomes[notification_id] = outcome
        while len(self.outcomes) > KEPT_SALES:
            self.outcomes.pop(next(iter(self.outcomes)))
        if self._ledger is not None and outcome.final:
            self._ledger.answered(notification_id, outcome)

    # -- what survives ---------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The totals and how often the dice fell; sales and TIDs are in the ledger."""
        return {"sold_wh": self.sold_wh, "sold_count": self.sold_count, "rolls": self._rolls}

    def restore(
        self, state: Mapping[str, Any], latest_tids: Mapping[str, int], sales: Iterable[tuple[Sale, Outcome | None]]
    ) -> None:
        """Take up what the ledger of a former ATM holds, on a new one."""
        self.sold_wh, self.sold_count = state["sold_wh"], state["sold_count"]
        for _ in range(state["rolls"]):
            self._dice.randrange(RANDOM_FIELD)
        self._rolls = state["rolls"]
        for drn, tid in latest_tids.items():
            self._latest_tid[drn] = max(tid, self._latest_tid.get(drn, 0))
        for sale, outcome in sales:
            self.sold.append(sale)
            if outcome is None:
                self._unanswered.append(sale)
            else:
                self.outcomes[sale.notification_id] = outcome

    def notify_unanswered(self) -> None:
        """Send again, word for word, what nobody has answered for good before the restart."""
        again, self._unanswered = self._unanswered, []
        for sale in again:
            self._notify(sale, None)
