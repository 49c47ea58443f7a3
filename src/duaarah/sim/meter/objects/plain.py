# SPDX-License-Identifier: Apache-2.0
"""Data (1), Register (3), Extended Register (4), Clock (8): what the meter is and measures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from duaarah.core.obis import LOGICAL_DEVICE_NAME, Obis
from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.models import DATA_CLASS, REGISTER_CLASS, TOKEN_ENERGY, TOKENS_ACCEPTED, TOKENS_DISTINCT
from duaarah.sim.meter.objects.base import Attribute, CosemObject, array, computed, constant, enum, stored, u8, u16, u32
from duaarah.sim.meter.view import MWH_PER_WH
from duaarah.wire.dlms.apdu import SUCCESS, TYPE_UNMATCHED
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.errors import DlmsError

CLOCK = Obis(0, 0, 1, 0, 0)
ENERGY_IMPORT = Obis(1, 0, 1, 8, 0)
INVOCATION_COUNTER = Obis(0, 0, 43, 1, 0)
_WH, _W, _V, _A, _HZ, _COUNT = 30, 27, 35, 33, 44, 255
_MAX_DEMAND = Obis(1, 0, 1, 6, 0)
# Measured values of a quiet house: OBIS, value, scaler, unit. The simulator has no network calculation behind a meter.
_MEASURED = (
    (Obis(1, 0, 1, 7, 0), 350, 0, _W),
    (Obis(1, 0, 32, 7, 0), 2204, -1, _V),
    (Obis(1, 0, 31, 7, 0), 159, -2, _A),
    (Obis(1, 0, 14, 7, 0), 5000, -2, _HZ),
    (Obis(1, 0, 13, 7, 0), 980, -3, _COUNT),
    (Obis(1, 0, 2, 8, 0), 0, 0, _WH),
)
_OTHER_PHASES = (
    (Obis(1, 0, 52, 7, 0), 2211, -1, _V),
    (Obis(1, 0, 51, 7, 0), 0, -2, _A),
    (Obis(1, 0, 72, 7, 0), 2198, -1, _V),
    (Obis(1, 0, 71, 7, 0), 0, -2, _A),
)
_COUNTS = (Obis(1, 0, 32, 32, 0), Obis(1, 0, 32, 36, 0), Obis(0, 0, 96, 7, 21), Obis(0, 0, 96, 15, 0))


class Clock:
    """The meter's clock: the world's time and the seconds by which it is wrong."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.offset = timedelta()

    def now(self) -> datetime:
        """The meter's idea of now."""
        return self._now() + self.offset

    def read(self) -> Data:
        """time, as an octet-string of 12."""
        return octets(DateTime.from_instant(self.now().replace(microsecond=0)).to_octets())

    def write(self, value: Data) -> int:
        """Set the clock; a time without a deviation is the meter's local one."""
        try:
            stamp = DateTime.from_octets(value.value)
        except (DlmsError, TypeError):
            return TYPE_UNMATCHED
        zone = self._now().utcoffset() or timedelta()
        deviation_min = -int(zone.total_seconds()) // 60 if stamp.deviation_min == -0x8000 else stamp.deviation_min
        instant = DateTime(
            stamp.year, stamp.month, stamp.day, stamp.weekday, stamp.hour, stamp.minute, stamp.second,
            stamp.hundredths, deviation_min, stamp.status,
        ).to_instant()  # fmt: skip
        if instant is None:
            return TYPE_UNMATCHED
        self.offset = instant - self._now()
        return SUCCESS

    def shift(self, parameter: Data | None) -> tuple[int, Data | None]:
        """shift_time: -900 to 900 seconds."""
        if parameter is None or parameter.tag is not Tag.LONG or not -900 <= parameter.value <= 900:
            return TYPE_UNMATCHED, None
        self.offset += timedelta(seconds=parameter.value)
        return SUCCESS, None

    def cosem(self) -> CosemObject:
        """Class 8."""

        def zone() -> Data:
            return Data(Tag.LONG, -int((self._now().utcoffset() or timedelta()).total_seconds()) // 60)

        summer = octets(bytes.fromhex("ffffffffffffffffff800000"))
        return CosemObject(
            8,
            0,
            CLOCK,
            {
                2: Attribute(self.read, self.write),
                3: computed(zone),
                4: constant(u8(0)),
                5: constant(summer),
                6: constant(summer),
                7: constant(Data(Tag.INTEGER, 0)),
                8: constant(Data(Tag.BOOLEAN, False)),
                9: constant(enum(1)),
            },
            {6: self.shift},
            public=True,
        )


def data(obis: Obis, attribute: Attribute, *, public: bool = False) -> CosemObject:
    """Class 1."""
    return CosemObject(DATA_CLASS, 0, obis, {2: attribute}, public=public)


def scaler_unit(scaler: int, unit: int) -> Data:
    """{scaler, unit}"""
    return structure(Data(Tag.INTEGER, scaler), enum(unit))


def register(obis: Obis, attribute: Attribute, scaler: int = 0, unit: int = _COUNT) -> CosemObject:
    """Class 3."""
    return CosemObject(REGISTER_CLASS, 0, obis, {2: attribute, 3: constant(scaler_unit(scaler, unit))})


def identity(meter: SimMeter, firmware: Callable[[], bytes]) -> list[CosemObject]:
    """Who the meter is."""
    name = f"DUA{meter.config.drn:0>13}".encode("ascii")
    server_name = structure(u16(meter.model.server_sap), octets(name))
    return [
        data(LOGICAL_DEVICE_NAME, constant(octets(name)), public=True),
        data(Obis(0, 0, 96, 1, 0), constant(octets(meter.config.drn.encode("ascii")))),
        data(INVOCATION_COUNTER, computed(lambda: u32(meter.link.received_counter)), public=True),
        data(Obis(1, 0, 0, 2, 0), computed(lambda: octets(firmware()))),
        CosemObject(17, 0, Obis(0, 0, 41, 0, 0), {2: constant(array([server_name]))}),
    ]


def measured(meter: SimMeter, clock: Clock) -> list[CosemObject]:
    """What the meter counts and measures, and the maker's audit of tokens."""
    objects = [
        register(ENERGY_IMPORT, computed(lambda: u32(meter.used_mwh // MWH_PER_WH)), 0, _WH),
        register(TOKEN_ENERGY, computed(lambda: Data(Tag.LONG64_UNSIGNED, meter.token_energy_wh)), 0, _WH),
        data(TOKENS_ACCEPTED, computed(lambda: u32(meter.tokens_accepted))),
        data(TOKENS_DISTINCT, computed(lambda: u32(meter.tokens_distinct))),
        CosemObject(
            4,
            0,
            _MAX_DEMAND,
            {
                2: constant(u32(1_300)),
                3: constant(scaler_unit(0, _W)),
                4: constant(u8(0)),
                5: computed(clock.read),
            },
        ),
    ]
    phases = _OTHER_PHASES if meter.model.name.startswith("three") else ()
    shown = _MEASURED + phases
    objects += [register(obis, constant(u32(value)), scaler, unit) for obis, value, scaler, unit in shown]
    objects += [data(obis, constant(u32(0))) for obis in _COUNTS]
    objects += [data(Obis(0, 0, 97, 98, number), stored(u32(0))) for number in (0, 10)]
    return objects
