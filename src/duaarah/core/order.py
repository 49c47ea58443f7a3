# SPDX-License-Identifier: Apache-2.0
"""What a meter can be ordered to do besides taking tokens: the kinds of order, their fields and their rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

POWER_LIMIT_W_MAX = 10_000_000
TARIFF_MAX = 99


class OrderError(ValueError):
    """An order that cannot exist."""

    code = "bad_order"
    retryable = False


class OrderKind(StrEnum):
    """What is ordered, whatever its address in any kind of meter."""

    RELAY_OPEN = "relay_open"
    RELAY_CLOSE = "relay_close"
    POWER_LIMIT = "power_limit"
    TEMPORARY_SUPPLY = "temporary_supply"
    TEMPORARY_DISCONNECT = "temporary_disconnect"
    CLEAR_TAMPER = "clear_tamper"
    CLEAR_CREDIT = "clear_credit"
    TARIFF = "tariff"
    CLOCK = "clock"
    PUSH_NOW = "push_now"
    DAY_SUMMARY = "day_summary"
    READ_METER = "read_meter"
    READ_PROFILE = "read_profile"


# The fields that each kind needs; the others stay None.
ORDER_FIELDS = MappingProxyType(
    {
        OrderKind.RELAY_OPEN: (),
        OrderKind.RELAY_CLOSE: (),
        OrderKind.POWER_LIMIT: ("limit_w",),
        OrderKind.TEMPORARY_SUPPLY: ("limit_w", "until_at"),
        OrderKind.TEMPORARY_DISCONNECT: ("until_at",),
        OrderKind.CLEAR_TAMPER: (),
        OrderKind.CLEAR_CREDIT: (),
        OrderKind.TARIFF: ("tariff",),
        OrderKind.CLOCK: ("clock_at",),
        OrderKind.PUSH_NOW: (),
        OrderKind.DAY_SUMMARY: ("day",),
        OrderKind.READ_METER: (),
        OrderKind.READ_PROFILE: ("from_at", "to_at"),
    }
)
# What is read needs a connection: SMS carries no GET.
READS = frozenset({OrderKind.READ_METER, OrderKind.READ_PROFILE})
# What somebody could do harm with: a second person has to agree.
DANGEROUS = frozenset(
    {
        OrderKind.RELAY_OPEN,
        OrderKind.RELAY_CLOSE,
        OrderKind.POWER_LIMIT,
        OrderKind.TEMPORARY_SUPPLY,
        OrderKind.TEMPORARY_DISCONNECT,
        OrderKind.CLEAR_CREDIT,
    }
)
# A newer order of a slot takes the place of an older one that is still open: the latest will counts.
SLOTS = MappingProxyType(
    {
        OrderKind.RELAY_OPEN: "relay",
        OrderKind.RELAY_CLOSE: "relay",
        OrderKind.TEMPORARY_DISCONNECT: "relay",
        OrderKind.POWER_LIMIT: "limit",
        OrderKind.TEMPORARY_SUPPLY: "temporary",
        OrderKind.CLEAR_TAMPER: "tamper",
        OrderKind.CLEAR_CREDIT: "credit",
        OrderKind.TARIFF: "tariff",
        OrderKind.CLOCK: "clock",
        OrderKind.PUSH_NOW: "push",
        OrderKind.DAY_SUMMARY: "day",
        OrderKind.READ_METER: "read",
        OrderKind.READ_PROFILE: "profile",
    }
)


_FIELDS = ("limit_w", "until_at", "tariff", "clock_at", "from_at", "to_at", "day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """
    One order. `limit_w` is active power; what ends in `_at` an aware instant in whole seconds; `tariff` an index; `day` the
    local day as a number, year month day: its summary is sent again.

    A temporary supply has its own limit and ends by the meter's own clock; so does a temporary disconnection.
    """

    kind: OrderKind
    limit_w: int | None = None
    until_at: datetime | None = None
    tariff: int | None = None
    clock_at: datetime | None = None
    day: int | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None

    def __post_init__(self) -> None:
        for name in _FIELDS:
            if (getattr(self, name) is None) == (name in ORDER_FIELDS[self.kind]):
                raise OrderError(
                    f"The order {self.kind} has exactly: {', '.join(ORDER_FIELDS[self.kind]) or 'no field'}."
                )
        if self.limit_w is not None and not 0 < self.limit_w <= POWER_LIMIT_W_MAX:
            raise OrderError(f"A power limit is 1 to {POWER_LIMIT_W_MAX} W.")
        if self.tariff is not None and not 0 <= self.tariff <= TARIFF_MAX:
            raise OrderError(f"A tariff index is 0 to {TARIFF_MAX}.")
        if self.day is not None:
            _check_day(self.day)
        for at in (self.until_at, self.clock_at, self.from_at, self.to_at):
            if at is not None and (at.tzinfo is None or at.microsecond):
                raise OrderError("An instant of an order is aware and in whole seconds.")
        if self.from_at is not None and self.to_at is not None and self.from_at > self.to_at:
            raise OrderError("A range begins before it ends.")

    def values(self) -> dict[str, Any]:
        """The fields as JSON values, the kind left out."""
        found = {name: getattr(self, name) for name in ORDER_FIELDS[self.kind]}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()}

    @classmethod
    def of_values(cls, kind: str, values: dict[str, Any]) -> Order:
        """What `values` gave. Raises OrderError, also for an unknown kind or a field of the wrong type."""
        try:
            read: dict[str, Any] = {
                name: datetime.fromisoformat(value).astimezone(UTC) if name.endswith("_at") else int(value)
                for name, value in values.items()
            }
            return cls(kind=OrderKind(kind), **read)
        except OrderError:
            raise
        except (TypeError, ValueError) as error:
            raise OrderError(f"This is no order: {error}.") from error


def day_number(day: date) -> int:
    """A day as an order carries it."""
    return day.year * 10_000 + day.month * 100 + day.day


def _check_day(day: int) -> None:
    try:
        date(day // 10_000, day // 100 % 100, day % 100)
    except ValueError:
        raise OrderError(f"{day} is no day.") from None
