"""Orders: their fields, their rules, and that they survive being written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.order import DANGEROUS, ORDER_FIELDS, SLOTS, Order, OrderError, OrderKind

UNTIL = datetime(2026, 2, 17, 18, 0, tzinfo=timezone(timedelta(hours=7)))


def fields_of(kind: OrderKind) -> dict[str, Any]:
    values = {"limit_w": 1300, "until_at": UNTIL, "tariff": 3, "clock_at": UNTIL, "day": 20260216}
    values |= {"from_at": UNTIL, "to_at": UNTIL}
    return {name: values[name] for name in ORDER_FIELDS[kind]}


@pytest.mark.parametrize("kind", OrderKind)
def test_every_kind_is_written_down_and_read_again(kind: OrderKind) -> None:
    order = Order(kind=kind, **fields_of(kind))
    assert Order.of_values(kind, order.values()) == order
    assert kind in SLOTS and kind.value.upper().__len__() <= 20


@pytest.mark.parametrize("kind", OrderKind)
def test_a_field_too_many_or_too_few(kind: OrderKind) -> None:
    for name in ORDER_FIELDS[kind]:
        with pytest.raises(OrderError):
            Order(kind=kind, **{key: value for key, value in fields_of(kind).items() if key != name})
    other = "tariff" if kind is not OrderKind.TARIFF else "limit_w"
    with pytest.raises(OrderError):
        Order(kind=kind, **{**fields_of(kind), other: 5})


@pytest.mark.parametrize("limit_w", [0, -1, 10_000_001])
def test_limits(limit_w: int) -> None:
    with pytest.raises(OrderError):
        Order(kind=OrderKind.POWER_LIMIT, limit_w=limit_w)


@pytest.mark.parametrize("at", [datetime(2026, 2, 17), datetime(2026, 2, 17, microsecond=1, tzinfo=UTC)])  # noqa: DTZ001
def test_instants_are_aware_and_whole(at: datetime) -> None:
    with pytest.raises(OrderError):
        Order(kind=OrderKind.TEMPORARY_DISCONNECT, until_at=at)


def test_what_could_harm_needs_two() -> None:
    assert {kind.value for kind in OrderKind if kind not in DANGEROUS} == {
        "clear_tamper",
        "tariff",
        "clock",
        "push_now",
        "day_summary",
        "read_meter",
        "read_profile",
    }


@given(st.text(max_size=20), st.dictionaries(st.sampled_from(["limit_w", "until_at", "x"]), st.text(max_size=20)))
def test_what_is_no_order_is_refused(kind: str, values: dict[str, str]) -> None:
    with pytest.raises(OrderError):
        Order.of_values(f"{kind}!", values)
