# SPDX-License-Identifier: Apache-2.0
"""What a logical device keeps over a power failure beside its SimMeter's own: settings, logs, image, the clock's error.

Load and daily profiles are not kept: they are made again from the register when the device is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from duaarah.sim.meter.device import FRAUD_LOG, RELAY_LOG, STANDARD_LOG, Device
from duaarah.sim.meter.objects.base import Stored
from duaarah.wire.dlms import axdr

_LOGS = (STANDARD_LOG, FRAUD_LOG, RELAY_LOG)


def _settings(device: Device) -> dict[str, Stored]:
    """Every writable attribute that holds a value of its own, by `class/OBIS/attribute`."""
    found = {}
    for (class_id, obis), made in device.objects.items():
        for number, attribute in made.attributes.items():
            keeper = getattr(attribute.write, "__self__", None)
            if isinstance(keeper, Stored):
                found[f"{class_id}/{obis}/{number}"] = keeper
    return found


def state(device: Device) -> dict[str, Any]:
    """As JSON values."""
    return {
        "settings": {name: axdr.encode(keeper.value).hex() for name, keeper in _settings(device).items()},
        "logs": {
            str(obis): [[row.at.isoformat(), *(axdr.encode(cell).hex() for cell in row.cells[1:])] for row in rows]
            for obis in _LOGS
            if (rows := device.profiles[obis].rows)
        },
        "images": device.images.state(),
        "clock_offset_us": device.clock.offset // timedelta(microseconds=1),
    }


def restore(device: Device, kept: dict[str, Any]) -> None:
    """Take up a former `state()`; a setting that this meter no longer has is left out."""
    known = _settings(device)
    for name, octets in kept["settings"].items():
        if name in known:
            known[name].value = axdr.decode(bytes.fromhex(octets))
    for obis in _LOGS:
        for at, *cells in kept["logs"].get(str(obis), []):
            values = (axdr.decode(bytes.fromhex(cell)) for cell in cells)
            device.profiles[obis].add(datetime.fromisoformat(at), *values)
    device.images.restore(kept["images"])
    device.clock.offset = timedelta(microseconds=kept["clock_offset_us"])
