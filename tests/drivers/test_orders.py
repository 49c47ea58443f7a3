"""Orders as each kind of meter writes them: octets, and what the simulated meter, written apart, does with them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from tests.core.test_order import fields_of

from duaarah import drivers
from duaarah.core.order import READS, Order, OrderKind
from duaarah.sim.meter.models import MODELS
from duaarah.sim.meter.orders import Ordered, Refusal, perform
from duaarah.wire.dlms import apdu

NOW = datetime(2026, 2, 16, 1, 0, tzinfo=UTC)
KINDS = sorted(MODELS)


def told(kind: str, order: Order, ordered: Ordered, now: datetime = NOW) -> str:
    request = apdu.decode(drivers.encode_order(drivers.profile(kind), order, 5))
    assert isinstance(request, (apdu.ActionRequest, apdu.SetRequest))
    assert request.invoke_octet == apdu.SERVICE_CONFIRMED | 5
    return perform(ordered, request, now, MODELS[kind].power_step_w)


@pytest.mark.parametrize("kind", KINDS)
def test_the_relay_and_the_limits(kind: str) -> None:
    ordered, until = Ordered(), NOW + timedelta(hours=6)
    told(kind, Order(kind=OrderKind.RELAY_OPEN), ordered)
    assert ordered.held_open
    told(kind, Order(kind=OrderKind.RELAY_CLOSE), ordered)
    assert not ordered.held_open
    told(kind, Order(kind=OrderKind.POWER_LIMIT, limit_w=1300), ordered)
    told(kind, Order(kind=OrderKind.TEMPORARY_SUPPLY, limit_w=5500, until_at=until), ordered)
    assert (ordered.limit_w, ordered.limit_in_force_w) == (1300, 5500)
    ordered.tick(until - timedelta(seconds=1))
    assert ordered.limit_in_force_w == 5500
    ordered.tick(until)
    assert ordered.limit_in_force_w == 1300
    told(kind, Order(kind=OrderKind.TEMPORARY_DISCONNECT, until_at=until), ordered)
    ordered.tick(until - timedelta(seconds=1))
    assert ordered.held_open
    ordered.tick(until)
    assert not ordered.held_open


@pytest.mark.parametrize("kind", KINDS)
def test_the_rest(kind: str) -> None:
    ordered = Ordered(tampered=True)
    told(kind, Order(kind=OrderKind.CLEAR_TAMPER), ordered)
    told(kind, Order(kind=OrderKind.TARIFF, tariff=7), ordered)
    told(kind, Order(kind=OrderKind.CLOCK, clock_at=NOW + timedelta(seconds=90)), ordered)
    assert (ordered.tampered, ordered.tariff, ordered.clock_offset_s) == (False, 7, 90)
    assert told(kind, Order(kind=OrderKind.CLEAR_CREDIT), ordered) == "clear_credit"
    assert told(kind, Order(kind=OrderKind.PUSH_NOW), ordered) == "push_data"
    assert told(kind, Order(kind=OrderKind.DAY_SUMMARY, day=2026_02_15), ordered) == "push_day:20260215"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "order",
    [
        Order(kind=OrderKind.POWER_LIMIT, limit_w=200_000),
        Order(kind=OrderKind.TEMPORARY_SUPPLY, limit_w=1300, until_at=NOW),
        Order(kind=OrderKind.TEMPORARY_DISCONNECT, until_at=NOW - timedelta(seconds=1)),
        Order(kind=OrderKind.CLOCK, clock_at=NOW + timedelta(minutes=16)),
    ],
    ids=lambda order: order.kind,
)
def test_what_a_meter_refuses_changes_nothing(kind: str, order: Order) -> None:
    ordered = Ordered()
    with pytest.raises(Refusal):
        told(kind, order, ordered)
    assert ordered == Ordered()


def test_a_number_between_two_steps_and_an_order_that_a_kind_lacks() -> None:
    with pytest.raises(drivers.OrderUnsupported):
        drivers.encode_order(drivers.profile("three-phase-modem"), Order(kind=OrderKind.POWER_LIMIT, limit_w=1305), 0)
    single = drivers.profile("single-phase-modem")
    lacks = replace(single, orders=MappingProxyType({OrderKind.CLOCK: single.orders[OrderKind.CLOCK]}))
    with pytest.raises(drivers.OrderUnsupported):
        drivers.encode_order(lacks, Order(kind=OrderKind.RELAY_OPEN), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_each_order_fits_one_sms(kind: str) -> None:
    keys = drivers.Keys(bytes(16), bytes(range(16)))
    for order_kind in set(OrderKind) - READS:
        fields: dict[str, Any] = fields_of(order_kind)
        plain = drivers.encode_order(drivers.profile(kind), Order(kind=order_kind, **fields), 0)
        frame = drivers.frame(
            drivers.profile(kind), plain, keys=keys, system_title=b"DUAHES01", counter=1, to_meter=True
        )
        assert len(frame) <= 140
