# SPDX-License-Identifier: Apache-2.0
"""From an order to the plain APDU that a kind of meter understands: a confirmed SET or ACTION, all of it by data."""

from __future__ import annotations

from duaarah.core.order import Order
from duaarah.core.units import UnitError, to_raw
from duaarah.drivers.kinds import OrderValue, Profile
from duaarah.wire.dlms import apdu, axdr
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.datetime import DateTime

INVOKE_MASK = 0x0F


class OrderUnsupported(Exception):
    """This kind of meter does not know the order, or its numbers cannot say it."""

    code = "order_unsupported"
    retryable = False


def encode_order(profile: Profile, order: Order, invoke_id: int) -> bytes:
    """The plain confirmed request. Raises OrderUnsupported."""
    address = profile.orders.get(order.kind)
    if address is None:
        raise OrderUnsupported(f"A meter of the kind {profile.name} does not know the order {order.kind}.")
    elements = tuple(_value(value, order) for value in address.values)
    parameter = axdr.structure(*elements) if address.structure else elements[0]
    invoke_octet = apdu.SERVICE_CONFIRMED | (invoke_id & INVOKE_MASK)
    if address.method:
        return apdu.encode(apdu.ActionRequest(invoke_octet, address.class_id, address.obis, address.number, parameter))
    return apdu.encode(apdu.SetRequest(invoke_octet, address.class_id, address.obis, address.number, parameter))


def _value(value: OrderValue, order: Order) -> Data:
    if value.field is None:
        return Data(value.tag, value.constant)
    given = getattr(order, value.field)
    if value.tag is Tag.OCTET_STRING:
        return axdr.octets(DateTime.from_instant(given).to_octets())
    try:
        return Data(value.tag, to_raw(given, value.scaler))
    except UnitError:
        raise OrderUnsupported(f"This kind of meter cannot write {given}: its step is 10^{value.scaler}.") from None
