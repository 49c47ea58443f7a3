# SPDX-License-Identifier: Apache-2.0
"""Push setup (40), TCP-UDP setup (41), GSM diagnostic (47): how the meter reaches the head end."""

from __future__ import annotations

from collections.abc import Callable

from duaarah.core.obis import LOGICAL_DEVICE_NAME, Obis
from duaarah.sim.meter.objects.base import CosemObject, array, constant, enum, stored, u8, u16, u32
from duaarah.wire.dlms.apdu import SUCCESS
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure

_SMS, _COSEM_APDU = 4, 0  # transport service and message of a push setup's destination (IEC 62056-6-2, 4.4.8)
_NEVER = octets(bytes.fromhex("ffffffffffffffffff800000"))


def push_setup(number: int, *names: tuple[int, Obis], push: Callable[[], None] | None = None) -> CosemObject:
    """Class 40: what a push of this kind carries, where it goes, how often it is tried. `push` sends one now."""

    def now(_parameter: Data | None) -> tuple[int, Data | None]:
        assert push is not None
        push()
        return SUCCESS, None

    items = [(1, LOGICAL_DEVICE_NAME), *names]
    listed = [
        structure(u16(class_id), octets(obis.to_octets()), Data(Tag.INTEGER, 2), u16(0)) for class_id, obis in items
    ]
    return CosemObject(
        40,
        0,
        Obis(0, number, 25, 9, 0),
        {
            2: stored(array(listed)),
            3: stored(structure(enum(_SMS), octets(b""), enum(_COSEM_APDU))),
            4: stored(array([])),
            5: stored(u16(0)),
            6: stored(u8(0)),
            7: stored(u16(0)),
        },
        {} if push is None else {1: now},
    )


def tcp_setup(port: int) -> CosemObject:
    """Class 41."""
    return CosemObject(
        41,
        0,
        Obis(0, 0, 25, 0, 0),
        {
            2: constant(u16(port)),
            3: constant(octets(Obis(0, 0, 25, 1, 0).to_octets())),
            4: constant(u16(576)),
            5: constant(u8(4)),
            6: stored(u16(180)),
        },
    )


def gsm_diagnostic() -> CosemObject:
    """Class 47: a home network on LTE, a good signal, one cell."""
    cell = structure(u32(0x01A2B3), u16(0x0101), u8(18), u8(99), u16(510), u16(10), u32(1_850))
    return CosemObject(
        47,
        0,
        Obis(0, 0, 25, 6, 0),
        {
            2: constant(Data(Tag.VISIBLE_STRING, "SIM-NET")),
            3: constant(enum(1)),
            4: constant(enum(0)),
            5: constant(enum(6)),
            6: constant(cell),
            7: constant(array([])),
            8: constant(_NEVER),
        },
    )
