# SPDX-License-Identifier: Apache-2.0
"""What was read of a meter over a connection, as a page shows it: a name in words, a figure, its unit."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from duaarah.headend.models import MeterRead
from duaarah.registry.models import Meter

PROFILE_SHOWN = 96
NAMES = {
    "credit_left_wh": gettext_lazy("Credit"),
    "token_energy_wh": gettext_lazy("Energy of all tokens"),
    "tokens_accepted": gettext_lazy("Tokens accepted"),
    "tokens_distinct": gettext_lazy("Different tokens"),
    "power_w": gettext_lazy("Power"),
    "frequency_mhz": gettext_lazy("Frequency"),
    "power_factor_permille": gettext_lazy("Power factor"),
    "energy_import_wh": gettext_lazy("Energy taken"),
    "voltage_mv": gettext_lazy("Voltage"),
    "current_ma": gettext_lazy("Current"),
    "relay_closed": gettext_lazy("Relay"),
    "limit_w": gettext_lazy("Power limit"),
}
# The last word of a name: the unit that is shown, and the power of ten up to it.
_UNITS = {"wh": ("kWh", 3), "w": ("W", 0), "mhz": ("Hz", 3), "mv": ("V", 3), "ma": ("A", 3), "permille": ("", 3)}
_PHASE = re.compile(r"_l([123])_")


def figure(name: str, value: int, comma: str) -> str:
    """A whole number in the unit of its name as a figure with its unit, exactly."""
    if name == "relay_closed":
        return _("switched on") if value else _("switched off")
    unit, power = _UNITS.get(name.rpartition("_")[2], ("", 0))
    whole, rest = divmod(abs(value), 10**power)
    digits = f"{rest:0{power}d}".rstrip("0") if power else ""
    return f"{'-' if value < 0 else ''}{whole}{comma + digits if digits else ''} {unit}".strip()


def label(name: str) -> str:
    """A value's name in words; one that a maker's profile alone knows stays as it is."""
    phase = _PHASE.search(name)
    words = NAMES.get(_PHASE.sub("_", name), name)
    return f"{words} L{phase[1]}" if phase else str(words)


def shown_read(meter_id: int) -> dict[str, Any] | None:
    """The latest reading of registers: when, and its figures."""
    found = MeterRead.objects.filter(meter_id=meter_id).exclude(values={}).order_by("-pk").first()
    if found is None:
        return None
    comma = _comma()
    figures = [(label(name), figure(name, value, comma)) for name, value in found.values.items()]
    return {"at": found.read_at, "figures": figures}


def shown_profile(meter: Meter) -> dict[str, Any] | None:
    """The latest reading of the load profile: when, its columns and its newest rows."""
    found = MeterRead.objects.filter(meter_id=meter.pk).exclude(rows=[]).order_by("-pk").first()
    if found is None:
        return None
    comma, names = _comma(), sorted({name for _at, values in found.rows for name in values})
    rows = [
        (
            dt.datetime.fromisoformat(at),
            [figure(name, values[name], comma) if name in values else "-" for name in names],
        )
        for at, values in found.rows[-PROFILE_SHOWN:]
    ]
    return {"at": found.read_at, "names": [label(name) for name in names], "rows": rows}


def _comma() -> str:
    return "." if (get_language() or "id").startswith("en") else ","
