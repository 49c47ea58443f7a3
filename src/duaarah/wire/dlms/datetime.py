# SPDX-License-Identifier: Apache-2.0
"""The COSEM date-time of 12 octets (IEC 62056-6-2, 4.1.6.1): wildcards, deviation and clock status included.

Real clocks send nonsense; the twelve octets are kept as they are, and only `to_instant` judges them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from duaarah.wire.dlms.errors import Malformed, Unencodable

OCTETS = 12
ANY = 0xFF
YEAR_ANY = 0xFFFF
DEVIATION_ANY = -0x8000
STATUS_INVALID, STATUS_DOUBTFUL, STATUS_SUMMER, STATUS_ANY = 0x01, 0x02, 0x80, 0xFF


@dataclass(frozen=True, slots=True)
class DateTime:
    """The fields as sent; 0xFF (0xFFFF, -0x8000) = not specified. `deviation_min` is local time to UTC: WIB is -420."""

    year: int
    month: int
    day: int
    weekday: int
    hour: int
    minute: int
    second: int
    hundredths: int
    deviation_min: int
    status: int

    @classmethod
    def from_octets(cls, octets: bytes) -> DateTime:
        """Read twelve octets, whatever they say."""
        if len(octets) != OCTETS:
            raise Malformed(f"A date-time has 12 octets, not {len(octets)}.")
        return cls(
            int.from_bytes(octets[0:2], "big"),
            octets[2],
            octets[3],
            octets[4],
            octets[5],
            octets[6],
            octets[7],
            octets[8],
            int.from_bytes(octets[9:11], "big", signed=True),
            octets[11],
        )

    @classmethod
    def from_instant(cls, instant: datetime) -> DateTime:
        """The local time of an aware instant, in its own offset, with a clean status."""
        offset = instant.utcoffset()
        if offset is None:
            raise Unencodable("A date-time is made from an aware instant.")
        if offset % timedelta(minutes=1):
            raise Unencodable("A deviation is a whole number of minutes.")
        return cls(
            instant.year,
            instant.month,
            instant.day,
            instant.isoweekday(),
            instant.hour,
            instant.minute,
            instant.second,
            instant.microsecond // 10_000,
            -(offset // timedelta(minutes=1)),
            0,
        )

    def to_octets(self) -> bytes:
        """The twelve octets."""
        try:
            return (
                self.year.to_bytes(2, "big")
                + bytes((self.month, self.day, self.weekday, self.hour, self.minute, self.second, self.hundredths))
                + self.deviation_min.to_bytes(2, "big", signed=True)
                + bytes((self.status,))
            )
        except (OverflowError, ValueError) as error:
            raise Unencodable("A field of the date-time does not fit its octets.") from error

    def to_instant(self) -> datetime | None:
        """The aware instant, or None when a needed field, or the deviation, is absent or the clock calls it invalid."""
        if self.deviation_min == DEVIATION_ANY:
            return None
        if self.status != STATUS_ANY and self.status & STATUS_INVALID:
            return None
        hundredths = 0 if self.hundredths == ANY else self.hundredths
        second = 0 if self.second == ANY else self.second
        try:
            return datetime(
                self.year,
                self.month,
                self.day,
                self.hour,
                self.minute,
                second,
                hundredths * 10_000,
                timezone(-timedelta(minutes=self.deviation_min)),
            )
        except ValueError:
            return None

    def to_iso(self) -> str | None:
        """ISO 8601 for people and scripts, whatever the status says; without an offset when there is no deviation."""
        try:
            local = datetime(  # noqa: DTZ001 the meter's local time, as it says it
                self.year,
                self.month,
                self.day,
                self.hour,
                self.minute,
                0 if self.second == ANY else self.second,
                0 if self.hundredths == ANY else self.hundredths * 10_000,
            )
        except ValueError:
            return None
        if self.deviation_min != DEVIATION_ANY and abs(self.deviation_min) < 24 * 60:
            local = local.replace(tzinfo=timezone(-timedelta(minutes=self.deviation_min)))
        return local.isoformat()
