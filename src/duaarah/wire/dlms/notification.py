# SPDX-License-Identifier: Apache-2.0
"""What a meter says unasked: Data-Notification and Event-Notification (IEC 62056-5-3, 9.5, tags 0x0F and 0xC2).

The date-time of a Data-Notification is found absent (length 0, or no octet at all before the body), bare (0C and 12
octets), with a type tag in front (09 0C, 19).
"""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.core.obis import Obis
from duaarah.wire.dlms import axdr
from duaarah.wire.dlms.data import Data, Reader, Tag
from duaarah.wire.dlms.datetime import OCTETS, DateTime
from duaarah.wire.dlms.errors import Malformed, Unencodable

DATA_NOTIFICATION, DATA_NOTIFICATION_CONFIRM, EVENT_NOTIFICATION = 0x0F, 0x10, 0xC2
# Long-Invoke-Id-And-Priority: 24 bits of number, and whether the sender waits for a Data-Notification-Confirm.
LONG_INVOKE_MASK, LONG_CONFIRMED = 0xFFFFFF, 1 << 30
_BODY_TAGS = (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY)


@dataclass(frozen=True, slots=True)
class DataNotification:
    """A push. `long_invoke` is Long-Invoke-Id-And-Priority, 32 bits."""

    long_invoke: int
    date_time: DateTime | None
    body: Data


@dataclass(frozen=True, slots=True)
class EventNotification:
    """An event: when it was, if the meter says so, and the attribute that changed with its value."""

    date_time: DateTime | None
    class_id: int
    obis: Obis
    attribute: int
    value: Data


def encode(apdu: DataNotification | EventNotification) -> bytes:
    """The octets; Unencodable when a field does not fit."""
    stamp = apdu.date_time.to_octets() if apdu.date_time else b""
    try:
        if isinstance(apdu, DataNotification):
            head = bytes((DATA_NOTIFICATION,)) + apdu.long_invoke.to_bytes(4, "big") + bytes((len(stamp),)) + stamp
            return head + axdr.encode(apdu.body)
        head = bytes((EVENT_NOTIFICATION,)) + (b"\x01\x0c" + stamp if stamp else b"\x00")
        head += apdu.class_id.to_bytes(2, "big") + apdu.obis.to_octets()
        return head + apdu.attribute.to_bytes(1, "big", signed=True) + axdr.encode(apdu.value)
    except OverflowError:
        raise Unencodable("A number of the notification does not fit its octets.") from None


def confirmed_by(plain: bytes) -> int | None:
    """The Long-Invoke-Id-And-Priority of a push whose sender waits for a confirmation; None for any other APDU."""
    if len(plain) < 5 or plain[0] != DATA_NOTIFICATION:
        return None
    long_invoke = int.from_bytes(plain[1:5], "big")
    return long_invoke if long_invoke & LONG_CONFIRMED else None


def confirmation(long_invoke: int) -> bytes:
    """Data-Notification-Confirm without a date-time."""
    return bytes((DATA_NOTIFICATION_CONFIRM,)) + long_invoke.to_bytes(4, "big") + b"\x00"


def confirms(plain: bytes) -> int | None:
    """Which push a Data-Notification-Confirm confirms; None when it is none."""
    if len(plain) < 6 or plain[0] != DATA_NOTIFICATION_CONFIRM:
        return None
    return int.from_bytes(plain[1:5], "big")


def read_data_notification(reader: Reader) -> DataNotification:
    """The push behind its tag."""
    long_invoke = int.from_bytes(reader.take(4), "big")
    if reader.peek() in _BODY_TAGS:  # neither 0 nor a tag nor a length of a date-time: the body begins at once
        return DataNotification(long_invoke, None, axdr.read(reader))
    stamp = read_date_time(reader)
    return DataNotification(long_invoke, stamp, axdr.read(reader))


def read_date_time(reader: Reader) -> DateTime | None:
    """The optional date-time in front of a body, in any of its forms."""
    length = reader.octet()
    if length == Tag.OCTET_STRING:  # some makers put the type tag in front; 9 is no length of a date-time
        length = reader.octet()
    elif length == Tag.DATE_TIME:
        length = OCTETS
    if length not in (0, OCTETS):
        raise Malformed(f"The date-time of a notification has 0 or 12 octets, not {length}.")
    return DateTime.from_octets(reader.take(length)) if length else None


def read_event_notification(reader: Reader) -> EventNotification:
    """The event behind its tag."""
    present = reader.octet()
    if present > 1:
        raise Malformed(f"A presence flag is 0 or 1, not {present}.")
    stamp = read_date_time(reader) if present else None
    class_id, obis = int.from_bytes(reader.take(2), "big"), Obis.from_octets(reader.take(6))
    attribute = int.from_bytes(reader.take(1), "big", signed=True)
    return EventNotification(stamp, class_id, obis, attribute, axdr.read(reader))
