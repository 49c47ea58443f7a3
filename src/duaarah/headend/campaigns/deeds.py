# SPDX-License-Identifier: Apache-2.0
"""What a campaign can do to a meter: any order; other packages add deeds of their own under other names."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from duaarah.core.order import DANGEROUS, READS, Order, OrderError, OrderKind
from duaarah.headend.operations.orders import OrderRefused, OrderUnsupported, check_order, queue_order
from duaarah.headend.ports import Driver, OrderNotForThis
from duaarah.registry.models import Meter
from duaarah.sms.models import Priority


class UnknownDeed(OrderRefused):
    """No deed of this name, or its fields are wrong."""

    code = "unknown_deed"


class Deed(Protocol):
    """One deed with its values, the same for every meter."""

    @property
    def dangerous(self) -> bool:
        """Whether a second person has to agree to the campaign."""
        ...

    def fits(self, profile: str) -> bool:
        """Whether this kind of meter can be told."""
        ...

    def begin(self, *, meter: Meter, request_id: uuid.UUID, reason: str, actor: str, now: dt.datetime) -> int | None:
        """Joining: begin it for one meter, once for a request id; its command's id, if it has one. Raises OrderRefused."""
        ...


@dataclass(frozen=True)
class OrderDeed:
    """An order as a deed. It goes behind tokens and single orders, also where it switches."""

    order: Order
    driver: Driver

    @property
    def dangerous(self) -> bool:
        """See Deed."""
        return self.order.kind in DANGEROUS

    def fits(self, profile: str) -> bool:
        """See Deed."""
        try:
            if self.order.kind in READS:
                self.driver.check_read(profile=profile)
            else:
                self.driver.check_order(profile=profile, order=self.order)
        except OrderNotForThis:
            return False
        return True

    def begin(self, *, meter: Meter, request_id: uuid.UUID, reason: str, actor: str, now: dt.datetime) -> int:
        """See Deed."""
        check_order(meter=meter, order=self.order, driver=self.driver, now=now)
        verb = "headend.run_campaigns"
        return queue_order(meter, self.order, request_id, verb, reason, actor, now, priority=Priority.DATA)


Make = Callable[[dict[str, Any], Driver], Deed]
_OTHERS: dict[str, Make] = {}


def add_deed(kind: str, make: Make) -> None:
    """
    Make another deed known, e.g. a key rotation; `make` gets the campaign's values.

    Called by the module that owns the deed when it is loaded. Raises ValueError for a name that is taken.
    """
    if kind in set(OrderKind) or _OTHERS.get(kind, make) is not make:
        raise ValueError(f"A deed {kind} is there already.")
    _OTHERS[kind] = make


def deed_of(kind: str, values: dict[str, Any], driver: Driver) -> Deed:
    """The deed of a campaign. Raises UnknownDeed."""
    if kind in _OTHERS:
        return _OTHERS[kind](values, driver)
    try:
        return OrderDeed(Order.of_values(kind, values), driver)
    except OrderError as error:
        raise UnknownDeed(str(error)) from error


__all__ = ["Deed", "OrderDeed", "OrderUnsupported", "UnknownDeed", "add_deed", "deed_of"]
