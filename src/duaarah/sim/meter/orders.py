# SPDX-License-Identifier: Apache-2.0
"""What a simulated meter does when it is ordered: relay, limits, temporary supply, tamper, tariff, clock.

Written from the makers' side: addresses are soldered in here, not read from the drivers' files.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from duaarah.core.obis import TOKEN_CREDIT, Obis
from duaarah.sim.meter.models import RETROFIT_CREDIT
from duaarah.wire.dlms import apdu
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.errors import DlmsError

RELAY, LIMITER, CLOCK = Obis(0, 0, 96, 3, 10), Obis(0, 0, 17, 0, 0), Obis(0, 0, 1, 0, 0)
TEMPORARY_SUPPLY, TEMPORARY_DISCONNECT = Obis(0, 0, 128, 61, 0), Obis(0, 0, 128, 61, 1)
ALARM_REGISTER, TARIFF, PUSH_DATA = Obis(0, 0, 97, 98, 0), Obis(0, 0, 96, 14, 0), Obis(0, 6, 25, 9, 0)
PUSH_DAY = Obis(0, 7, 25, 9, 0)
LIMIT_W_MAX = 100_000
CLOCK_STEP_S_MAX = 15 * 60


@dataclass(slots=True)
class Ordered:
    """
    Non-volatile: what the meter was ordered. `limit_w` None is no limit; `held_open` is the relay as ordered from afar,
    whatever the credit; times are seconds since 1970. `clock_offset_s` is how far its clock was moved.
    """

    held_open: bool = False
    held_open_until_s: int | None = None
    limit_w: int | None = None
    temporary_limit_w: int | None = None
    temporary_until_s: int | None = None
    tampered: bool = False
    tariff: int = 0
    clock_offset_s: int = 0

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def tick(self, now: datetime) -> None:
        """The meter's own clock ends what is temporary; no message is needed for that."""
        now_s = self.clock(now)
        if self.held_open_until_s is not None and now_s >= self.held_open_until_s:
            self.held_open, self.held_open_until_s = False, None
        if self.temporary_until_s is not None and now_s >= self.temporary_until_s:
            self.temporary_limit_w, self.temporary_until_s = None, None

    def clock(self, now: datetime) -> int:
        """The meter's own time in seconds since 1970."""
        return int(now.timestamp()) + self.clock_offset_s

    @property
    def limit_in_force_w(self) -> int | None:
        """The temporary limit while there is one, else the agreed one; None: no limit."""
        return self.temporary_limit_w if self.temporary_limit_w is not None else self.limit_w


class Refusal(Exception):
    """The meter does not do it; `result` is the Data-Access-Result or Action-Result."""

    def __init__(self, result: int) -> None:
        super().__init__(result)
        self.result = result


def perform(ordered: Ordered, request: apdu.ActionRequest | apdu.SetRequest, now: datetime, step_w: int) -> str:
    """
    Do it; returns what the meter has to do besides: "", "clear_credit", "push_data" or "push_day:" and the day. Raises Refusal.

    `step_w` is one step of this model's power numbers.
    """
    method = isinstance(request, apdu.ActionRequest)
    number = request.method if isinstance(request, apdu.ActionRequest) else request.attribute
    value = request.parameter if isinstance(request, apdu.ActionRequest) else request.value
    if not method and getattr(request, "selector", None) is not None:
        raise Refusal(apdu.OBJECT_UNDEFINED)
    match (request.class_id, request.obis, method, number):  # class ids by IEC 62056-6-2
        case (70, obis, True, 1 | 2) if obis == RELAY:
            ordered.held_open, ordered.held_open_until_s = number == 1, None
        case (71, obis, False, 4) if obis == LIMITER:
            ordered.limit_w = _limit(value, step_w)
        case (1, obis, False, 2) if obis == TEMPORARY_SUPPLY:
            limit, until = _pair(value)
            ordered.temporary_limit_w, ordered.temporary_until_s = _limit(limit, step_w), _coming(ordered, until, now)
            ordered.held_open, ordered.held_open_until_s = False, None
        case (1, obis, False, 2) if obis == TEMPORARY_DISCONNECT:
            ordered.held_open_until_s = _coming(ordered, value, now)
            ordered.held_open = True
        case (1, obis, False, 2) if obis == ALARM_REGISTER:
            if _whole(value, Tag.DOUBLE_LONG_UNSIGNED) != 0:
                raise Refusal(apdu.OTHER_REASON)
            ordered.tampered = False
        case (1, obis, False, 2) if obis == TARIFF:
            ordered.tariff = _whole(value, Tag.UNSIGNED)
        case (8, obis, False, 2) if obis == CLOCK:
            _set_clock(ordered, value, now)
        case (112, obis, True, 2) if obis == TOKEN_CREDIT:
            return _cleared(value)
        case (3, obis, True, 1) if obis == RETROFIT_CREDIT:
            return "clear_credit"
        case (40, obis, True, 1) if obis == PUSH_DATA:
            return "push_data"
        case (40, obis, True, 1) if obis == PUSH_DAY:
            return f"push_day:{_whole(value, Tag.DOUBLE_LONG_UNSIGNED)}"
        case _:
            raise Refusal(apdu.OBJECT_UNDEFINED)
    return ""


def _cleared(value: Data | None) -> str:
    if _whole(value, Tag.DOUBLE_LONG) != 0:
        raise Refusal(apdu.OTHER_REASON)
    return "clear_credit"


def _whole(value: Data | None, tag: Tag) -> int:
    if value is None or value.tag is not tag:
        raise Refusal(apdu.TYPE_UNMATCHED)
    return int(value.value)


def _limit(value: Data | None, step_w: int) -> int:
    limit_w = _whole(value, Tag.DOUBLE_LONG_UNSIGNED) * step_w
    if not 0 < limit_w <= LIMIT_W_MAX:
        raise Refusal(apdu.OTHER_REASON)
    return limit_w


def _pair(value: Data | None) -> tuple[Data, Data]:
    if value is None or value.tag is not Tag.STRUCTURE or len(value.value) != 2:
        raise Refusal(apdu.TYPE_UNMATCHED)
    return value.value[0], value.value[1]


def _instant(value: Data | None) -> datetime:
    if value is None or value.tag is not Tag.OCTET_STRING:
        raise Refusal(apdu.TYPE_UNMATCHED)
    try:
        at = DateTime.from_octets(value.value).to_instant()
    except DlmsError:
        raise Refusal(apdu.TYPE_UNMATCHED) from None
    if at is None:
        raise Refusal(apdu.OTHER_REASON)
    return at


def _coming(ordered: Ordered, value: Data | None, now: datetime) -> int:
    """An end that lies ahead on the meter's own clock."""
    until_s = int(_instant(value).timestamp())
    if until_s <= ordered.clock(now):
        raise Refusal(apdu.OTHER_REASON)
    return until_s


def _set_clock(ordered: Ordered, value: Data | None, now: datetime) -> None:
    """A step of more than a quarter of an hour by radio is an error, or an attack on what is temporary."""
    step_s = int(_instant(value).astimezone(UTC).timestamp()) - ordered.clock(now)
    if abs(step_s) > CLOCK_STEP_S_MAX:
        raise Refusal(apdu.OTHER_REASON)
    ordered.clock_offset_s += step_s
