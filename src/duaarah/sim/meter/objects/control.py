# SPDX-License-Identifier: Apache-2.0
"""Disconnect control (70), Limiter (71), Script table (9), Activity calendar (20), Single action schedule (22).

Scripts run when they are called; schedules and calendars are kept and told, and nobody runs them.
"""

from __future__ import annotations

from collections.abc import Callable

from duaarah.core.obis import Obis
from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.objects.base import CosemObject, array, computed, constant, enum, stored, u8, u16, u32
from duaarah.wire.dlms.apdu import OBJECT_UNDEFINED, SUCCESS, TYPE_UNMATCHED
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure

RELAY, LIMITER = Obis(0, 0, 96, 3, 10), Obis(0, 0, 17, 0, 0)
DISCONNECTED, CONNECTED, READY = 0, 1, 2
AGREED_W = 1_300  # while nobody has ordered a limit
_NEVER = octets(bytes.fromhex("ffffffffffffffffff800000"))
_NO_SCRIPT = structure(octets(bytes(6)), u16(0))


def relay(meter: SimMeter) -> CosemObject:
    """Class 70: open and close by the utility; a meter without credit is ready, not connected."""

    def state() -> Data:
        if meter.relay_closed:
            return enum(CONNECTED)
        return enum(DISCONNECTED if meter.held_open else READY)

    def switch(*, closed: bool) -> tuple[int, Data | None]:
        meter.switch_relay(closed=closed)
        return SUCCESS, None

    return CosemObject(
        70,
        0,
        RELAY,
        {
            2: computed(lambda: Data(Tag.BOOLEAN, meter.relay_closed)),
            3: computed(state),
            4: constant(enum(4)),
        },
        {1: lambda _: switch(closed=False), 2: lambda _: switch(closed=True)},
    )


Action = tuple[int, Obis, int, Callable[[], None]]


def scripts(obis: Obis, *actions: Action) -> CosemObject:
    """Class 9: script 1, 2, ... each one method call (class, logical name, method, what it does)."""

    def execute(parameter: Data | None) -> tuple[int, Data | None]:
        if parameter is None or parameter.tag is not Tag.LONG_UNSIGNED:
            return TYPE_UNMATCHED, None
        if not 1 <= parameter.value <= len(actions):
            return OBJECT_UNDEFINED, None
        actions[parameter.value - 1][3]()
        return SUCCESS, None

    told = []
    for number, (class_id, name, method, _) in enumerate(actions, start=1):
        call = structure(
            enum(2), u16(class_id), octets(name.to_octets()), Data(Tag.INTEGER, method), Data(Tag.NULL, None)
        )
        told.append(structure(u16(number), array([call])))
    return CosemObject(9, 0, obis, {2: constant(array(told))}, {1: execute})


def relay_scripts(meter: SimMeter) -> CosemObject:
    """Script 1 disconnects, script 2 reconnects."""
    return scripts(
        Obis(0, 0, 10, 0, 106),
        (70, RELAY, 1, lambda: meter.switch_relay(closed=False)),
        (70, RELAY, 2, lambda: meter.switch_relay(closed=True)),
    )


def limiter(meter: SimMeter) -> CosemObject:
    """Class 71. The threshold is as ordered, by SMS or here; the simulated load has no power that could exceed it."""

    def threshold() -> Data:
        limit_w = meter.ordered.limit_w
        return u32((AGREED_W if limit_w is None else limit_w) // meter.model.power_step_w)

    monitored = structure(u16(3), octets(Obis(1, 0, 1, 7, 0).to_octets()), Data(Tag.INTEGER, 2))
    profile = structure(u16(0), _NEVER, u32(0))
    return CosemObject(
        71,
        0,
        LIMITER,
        {
            2: stored(monitored),
            3: computed(lambda: u32((meter.ordered.limit_in_force_w or AGREED_W) // meter.model.power_step_w)),
            4: computed(threshold),
            5: stored(u32(1_300)),
            6: stored(u32(60)),
            7: stored(u32(60)),
            8: stored(profile),
            9: stored(array([])),
            10: constant(Data(Tag.BOOLEAN, False)),
            11: stored(structure(_NO_SCRIPT, _NO_SCRIPT)),
        },
    )


def calendar() -> CosemObject:
    """Class 20: one season, one week, one day; the passive half is written and activated."""
    name, week = octets(b"A"), octets(b"W")
    season = structure(name, _NEVER, week)
    days = structure(week, *(u8(1) for _ in range(7)))
    day = structure(u8(1), array([structure(octets(bytes(4)), octets(Obis(0, 0, 10, 0, 100).to_octets()), u16(1))]))
    active = {2: constant(name), 3: constant(array([season])), 4: constant(array([days])), 5: constant(array([day]))}
    passive = {6: stored(name), 7: stored(array([season])), 8: stored(array([days])), 9: stored(array([day]))}
    made = CosemObject(20, 0, Obis(0, 0, 13, 0, 0), {**active, **passive, 10: stored(_NEVER)})

    def activate(_parameter: Data | None) -> tuple[int, Data | None]:
        for number in (2, 3, 4, 5):
            read = made.attributes[number + 4].read
            assert read is not None
            value = read()
            assert isinstance(value, Data)
            made.attributes[number] = constant(value)
        return SUCCESS, None

    made.methods[1] = activate
    return made


def schedule(obis: Obis, script: int) -> CosemObject:
    """Class 22: when a script runs; midnight of every day until somebody writes another time."""
    midnight = structure(octets(bytes(4)), octets(b"\xff\xff\xff\xff\xff"))
    runs = structure(octets(Obis(0, 0, 10, 0, 108).to_octets()), u16(script))
    return CosemObject(22, 0, obis, {2: stored(runs), 3: stored(enum(1)), 4: stored(array([midnight]))})
