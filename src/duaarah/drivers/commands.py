# SPDX-License-Identifier: Apache-2.0
"""From what we want of a meter to the plain APDU its kind understands."""

from __future__ import annotations

from duaarah.core.intent import (
    Command,
    LoadCredit,
    MeterRegister,
    SetLowCreditThreshold,
    SetReportingPlan,
    TransferKeys,
)
from duaarah.core.order import Order
from duaarah.core.smsplan import Overflow, ReportingPlan
from duaarah.core.units import to_raw, to_whole
from duaarah.drivers.kinds import Profile
from duaarah.drivers.orders import encode_order
from duaarah.wire.dlms import apdu, axdr

INVOKE_MASK = 0x0F
# The last number of a reporting plan: two bits for each policy, one for the daily summary.
_POLICY = {Overflow.BLOCK: 0, Overflow.BORROW: 1, Overflow.BILL: 2}
_DATA_POLICY_SHIFT, _DAILY = 2, 0x10


class NotOverSms(Exception):
    """An intent that this bearer cannot carry: SMS takes unconfirmed ACTION only, a GET needs a connection."""

    code = "not_over_sms"
    retryable = False


def encode_command(profile: Profile, intent: Command, invoke_id: int) -> bytes:
    """
    The plain APDU of a command for one SMS.

    A token is an unconfirmed ACTION: its answer is a push, which says more than an ACTION-Response could. A setting or an
    order is a confirmed SET or ACTION: its answer is the response of the same invoke-id.
    """
    if isinstance(intent, SetLowCreditThreshold):
        return _encode_threshold(profile, intent, invoke_id)
    if isinstance(intent, SetReportingPlan):
        return _encode_plan(profile, intent.plan, invoke_id)
    if isinstance(intent, Order):
        return encode_order(profile, intent, invoke_id)
    if isinstance(intent, TransferKeys):
        return _encode_keys(profile, intent, invoke_id)
    if not isinstance(intent, LoadCredit):
        raise NotOverSms("Registers are read over a connection; SMS carries no GET.")
    gateway = profile.token
    digits = bytes.fromhex(intent.token) if gateway.bcd else intent.token.encode("ascii")
    return apdu.encode(
        apdu.ActionRequest(
            apdu.PRIORITY_HIGH | (invoke_id & INVOKE_MASK),
            gateway.class_id,
            gateway.obis,
            gateway.method,
            axdr.octets(digits),
        )
    )


def _encode_threshold(profile: Profile, intent: SetLowCreditThreshold, invoke_id: int) -> bytes:
    address = profile.threshold
    raw = to_raw(intent.threshold_wh, address.scaler)
    invoke_octet = apdu.SERVICE_CONFIRMED | (invoke_id & INVOKE_MASK)
    value = axdr.Data(address.tag, raw)
    return apdu.encode(apdu.SetRequest(invoke_octet, address.class_id, address.obis, address.attribute, value))


def _encode_plan(profile: Profile, plan: ReportingPlan, invoke_id: int) -> bytes:
    """Bit n - 1 of the first number is day n of the month."""
    address = profile.plan
    days = sum(1 << (day - 1) for day in plan.block_days)
    policies = _POLICY[plan.fault_overflow] | _POLICY[plan.data_overflow] << _DATA_POLICY_SHIFT
    small = (plan.fault_sms, plan.data_sms, policies | (_DAILY if plan.daily else 0))
    if address.octets:
        value = axdr.octets(days.to_bytes(4, "big") + bytes(small))
    else:
        value = axdr.structure(
            axdr.Data(axdr.Tag.DOUBLE_LONG_UNSIGNED, days), *(axdr.Data(axdr.Tag.UNSIGNED, n) for n in small)
        )
    invoke_octet = apdu.SERVICE_CONFIRMED | (invoke_id & INVOKE_MASK)
    return apdu.encode(apdu.SetRequest(invoke_octet, address.class_id, address.obis, address.attribute, value))


def key_transfer(intent: TransferKeys) -> axdr.Data:
    """The parameter of class 64, method 2: [{key id (0 unicast encryption, 2 authentication), wrapped key}]."""
    pairs = ((0, intent.encryption_wrapped), (2, intent.authentication_wrapped))
    items = (axdr.structure(axdr.Data(axdr.Tag.ENUM, key_id), axdr.octets(wrapped)) for key_id, wrapped in pairs)
    return axdr.Data(axdr.Tag.ARRAY, tuple(items))


def _encode_keys(profile: Profile, intent: TransferKeys, invoke_id: int) -> bytes:
    invoke_octet = apdu.SERVICE_CONFIRMED | (invoke_id & INVOKE_MASK)
    request = apdu.ActionRequest(invoke_octet, *profile.key_transfer, key_transfer(intent))
    return apdu.encode(request)


def encode_read(profile: Profile, register: MeterRegister, invoke_id: int) -> bytes:
    """The plain GET-Request-Normal (confirmed) of one register, for a connection."""
    address = profile.registers[register]
    invoke_octet = apdu.PRIORITY_HIGH | apdu.SERVICE_CONFIRMED | (invoke_id & INVOKE_MASK)
    return apdu.encode(apdu.GetRequest(invoke_octet, address.class_id, address.obis, address.attribute))


def register_value(profile: Profile, register: MeterRegister, raw: int) -> int:
    """The raw value of a GET-Response in the unit that ends the register's name."""
    return to_whole(raw, profile.registers[register].scaler)
