# SPDX-License-Identifier: Apache-2.0
"""IZIN: the holder lets another phone read or buy, for a while, and takes it back. Giving authority needs the PIN."""

from __future__ import annotations

import datetime as dt

from duaarah.messaging.addressing import meter_name
from duaarah.people.operations import PINLocked, PINRefused, check_pin
from duaarah.registry.delegations import DAYS_DEFAULT, DelegationRefused, delegate, end_delegation
from duaarah.registry.models import Pairing
from duaarah.texting.grammar import ENDS, Asked
from duaarah.texting.reply import Reply

WORDS = {"READ": "BACA", "BUY": "BELI"}


def permit(asked: Asked, pairing: Pairing, phone: str, now: dt.datetime) -> Reply:
    """IZIN <number> BACA|BELI [days] <PIN>, IZIN <number> HAPUS <PIN>."""
    customer = pairing.meter.customer
    if asked.phone is None or asked.right is None or asked.pin is None or customer is None:
        return Reply("permit_how", {}, "permit_how")
    try:
        check_pin(holder=customer.holder, pin=asked.pin, now=now)
    except PINLocked as error:
        return Reply("pin_locked", {}, error.code)
    except PINRefused as error:
        return Reply("permit_pin", {}, error.code)
    actor, other = f"phone:...{phone[-3:]}", f"...{asked.phone[-3:]}"
    values = {"phone": other, "meter": meter_name(pairing)}
    if asked.right == ENDS:
        end_delegation(meter=pairing.meter, phone=asked.phone, actor=actor, now=now)
        return Reply("permit_ended", values, "permit_ended")
    days = DAYS_DEFAULT if asked.count is None else asked.count
    try:
        delegate(
            meter=pairing.meter,
            phone=asked.phone,
            right=asked.right,
            days=days,
            own_phone=pairing.phone,
            actor=actor,
            now=now,
        )
    except DelegationRefused as error:
        return Reply("permit_refused", {}, error.code)
    return Reply("permit_given", {**values, "verb": WORDS[asked.right], "days": str(days)}, "permit_given")
