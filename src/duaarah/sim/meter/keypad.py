# SPDX-License-Identifier: Apache-2.0
"""The keypad and display of a meter alone: 20 digits are a token, anything else a code of its maker (`keypad.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from duaarah.core.obis import Obis
from duaarah.sim.meter.device import Device
from duaarah.sim.meter.objects.base import Level
from duaarah.sim.meter.view import MWH_PER_WH
from duaarah.wire.dlms import apdu
from duaarah.wire.dlms.axdr import Data

TOKEN_DIGITS = 20
UNKNOWN = "SALAH"
_MEASURED = {
    "volts": (Obis(1, 0, 32, 7, 0), -1),
    "amperes": (Obis(1, 0, 31, 7, 0), -2),
    "watts": (Obis(1, 0, 1, 7, 0), 0),
}


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((resources.files("duaarah.sim.meter") / "keypad.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Shown:
    """What the display shows, the STS result where a token was entered, and what the meter pushes."""

    display: str
    result: str | None = None
    pushes: tuple[bytes, ...] = ()


class Keypad:
    """The keys of one meter."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._last_wh = 0

    def type(self, keys: str) -> Shown:
        """Type `keys` and enter. A meter without supply shows nothing."""
        meter, now = self._device.meter, self._device.clock.now()
        if not meter.powered:
            return Shown("")
        if len(keys) == TOKEN_DIGITS and keys.isascii() and keys.isdigit():
            before_wh = meter.token_energy_wh
            result, pushes = meter.keypad(keys, now)
            self._last_wh = meter.token_energy_wh - before_wh or self._last_wh
            return Shown(_table()["words"].get(result, UNKNOWN), result, tuple(pushes))
        kind = _table().get(meter.model.name, {"codes": {}})
        if keys in kind["codes"]:
            return Shown(self._figure(kind["codes"][keys]))
        prefix = kind.get("threshold")
        if prefix and keys.startswith(prefix) and keys[len(prefix) :].isdecimal():
            return Shown(self._set_threshold(int(keys[len(prefix) :]) * 1000))
        return Shown(UNKNOWN)

    def _set_threshold(self, energy_wh: int) -> str:
        meter = self._device.meter
        class_id, obis, number = meter.model.threshold
        value = Data(meter.model.threshold_tag, energy_wh // meter.model.energy_step_wh)
        result = meter.write(apdu.SetRequest(0, class_id, obis, number, value), self._device.clock.now())
        return "BENAR" if result == apdu.SUCCESS else UNKNOWN

    def _figure(self, name: str) -> str:
        meter = self._device.meter
        if name in _MEASURED:
            obis, scaler = _MEASURED[name]
            read = self._device.objects[(3, obis)].get(2, None, None, Level.READER)
            assert isinstance(read, Data)
            return _decimal(read.value, -scaler)
        figures = {
            "credit_kwh": lambda: _decimal(meter.credit_wh // 10, 2),
            "total_kwh": lambda: _decimal(meter.used_mwh // MWH_PER_WH // 10, 2),
            "last_kwh": lambda: _decimal(self._last_wh // 10, 2),
            "threshold_kwh": lambda: _decimal(meter.threshold_wh // 10, 2),
            "outages": lambda: "0",
            "drn": lambda: meter.config.drn,
        }
        return figures[name]()


def _decimal(value: int, places: int) -> str:
    """An integer number of 10^-places, as a display writes it."""
    digits = str(value).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits
