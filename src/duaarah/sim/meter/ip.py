# SPDX-License-Identifier: Apache-2.0
"""A meter with a packet modem: each day's load profile as one confirmed push over TCP, the same octets until it is confirmed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from duaarah.core.obis import Obis
from duaarah.core.replay import COUNTER_MAX
from duaarah.sim.meter.link import Dropped
from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.view import MWH_PER_WH
from duaarah.wire.dlms import apdu, notification
from duaarah.wire.dlms.apdu import DataNotification
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.notification import LONG_CONFIRMED, LONG_INVOKE_MASK

PERIOD_S = 900
ROWS_A_DAY = 86_400 // PERIOD_S
DAYS_KEPT = 7
WIB = timezone(timedelta(hours=7))
PROFILE_SETUP = Obis(0, 20, 25, 9, 0)
_OK, _POWERED_OFF = 0x00, 0x04  # profile status: bit 2 = the supply was away at the interval's end
_NO_VOLTAGE, _MV_PER_STEP = 0xFFFF, 100
_Row = tuple[int, int, int, int]


class ProfileSender:
    """
    Non-volatile: the quarter-hours of the days that are not told, and the push that waits for its confirmation.

    A row is {clock, status, energy register in Wh} at the interval's end, and the mean voltage (0.1 V) in it; midnight belongs to
    the day that it ends. The row before a day's first comes along with it: from there its first energy counts.
    """

    def __init__(self, meter: SimMeter) -> None:
        self._meter = meter
        self._rows: deque[_Row] = deque(maxlen=DAYS_KEPT * ROWS_A_DAY)
        self._before: _Row | None = None
        self._waiting: bytes | None = None
        self._waiting_day: date | None = None
        self._long_invoke = 0
        self.days_told = 0

    def begin(self, at: datetime) -> None:
        """The register where the profile begins: no interval ends here."""
        if int(at.timestamp()) % PERIOD_S == 0 and self._before is None and not self._rows:
            self._before = self._row(at, None)

    def interval(self, end_at: datetime, voltage_mv: int | None = None, *, supplied: bool = True) -> None:
        """The register at the end of a quarter of an hour; `supplied`: there was supply, as far as others than the meter know."""
        self._rows.append(self._row(end_at, voltage_mv, supplied=supplied))

    def _row(self, end_at: datetime, voltage_mv: int | None, *, supplied: bool = True) -> _Row:
        status = _OK if self._meter.powered and supplied else _POWERED_OFF
        steps = _NO_VOLTAGE if voltage_mv is None else round(voltage_mv / _MV_PER_STEP)
        return int(end_at.timestamp()), status, self._meter.used_mwh // MWH_PER_WH, steps

    def registers_wh(self) -> dict[int, int]:
        """The register at each interval's end (seconds of Unix time) that is not told yet, the one before them first."""
        before = () if self._before is None else (self._before,)
        return {row[0]: row[2] for row in (*before, *self._rows)}

    def measured(self, voltages_mv: Mapping[int, int]) -> None:
        """The mean voltages of intervals by their ends (seconds of Unix time); of an interval that is told none is taken."""
        for number, (end_s, status, used_wh, _) in enumerate(self._rows):
            if end_s in voltages_mv:
                self._rows[number] = end_s, status, used_wh, round(voltages_mv[end_s] / _MV_PER_STEP)

    def due(self, now: datetime) -> bytes | None:
        """The wrapped push of the oldest day that is over and not told; None when there is none, or no way to send it."""
        if self._meter.faults.modem_dead or not self._meter.powered:
            return None
        if self._waiting is None:
            today = now.astimezone(WIB).date()
            day = next((_day(row[0]) for row in self._rows if _day(row[0]) < today), None)
            if day is not None and self._meter.link.sent_counter < COUNTER_MAX:
                self._waiting, self._waiting_day = self._sealed(day, now), day
        return self._waiting

    def receive(self, payload: bytes) -> bool:
        """A wrapped answer of the head end: whether it confirms what waits, which is then told and forgotten."""
        try:
            plain, _ = self._meter.link.open_tcp(payload)
        except Dropped as dropped:
            self._meter.dropped[dropped.code] += 1
            return False
        if self._waiting_day is None or notification.confirms(plain) != self._long_invoke:
            return False
        while self._rows and _day(self._rows[0][0]) <= self._waiting_day:
            self._before = self._rows.popleft()
        self._waiting = self._waiting_day = None
        self.days_told += 1
        return True

    def _sealed(self, day: date, now: datetime) -> bytes:
        meter = self._meter
        self._long_invoke = LONG_CONFIRMED | (meter.link.sent_counter + 1) & LONG_INVOKE_MASK
        rows = [row for row in self._rows if _day(row[0]) == day]
        if self._before is not None and self._before[0] == rows[0][0] - PERIOD_S:
            rows.insert(0, self._before)
        body = structure(
            octets(f"DUA{meter.config.drn:0>13}".encode("ascii")),
            octets(PROFILE_SETUP.to_octets()),
            Data(Tag.ARRAY, tuple(_written(*row) for row in rows)),
        )
        push = DataNotification(self._long_invoke, DateTime.from_instant(now), body)
        return meter.link.seal_tcp_long(apdu.encode(push))

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": [list(row) for row in self._rows],
            "before": None if self._before is None else list(self._before),
            "waiting": self._waiting.hex() if self._waiting is not None else None,
            "day": self._waiting_day.isoformat() if self._waiting_day is not None else None,
            "long_invoke": self._long_invoke,
            "days_told": self.days_told,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former `state()`."""
        self._rows.extend(tuple(row) for row in state["rows"])
        self._before = None if state["before"] is None else tuple(state["before"])
        if state["waiting"] is not None:
            self._waiting, self._waiting_day = bytes.fromhex(state["waiting"]), date.fromisoformat(state["day"])
        self._long_invoke = state["long_invoke"]
        self.days_told = state["days_told"]


def _day(end_s: int) -> date:
    return datetime.fromtimestamp(end_s - 1, WIB).date()


def _written(end_s: int, status: int, used_wh: int, steps: int) -> Data:
    clock = DateTime.from_instant(datetime.fromtimestamp(end_s, UTC).astimezone(WIB)).to_octets()
    register, voltage = Data(Tag.DOUBLE_LONG_UNSIGNED, used_wh), Data(Tag.LONG_UNSIGNED, steps)
    return structure(octets(clock), Data(Tag.UNSIGNED, status), register, voltage)
