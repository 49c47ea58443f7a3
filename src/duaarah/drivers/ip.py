# SPDX-License-Identifier: Apache-2.0
"""What a session asks of a kind of meter: the range of its load profile, its rows by name, the call that wakes it."""

from __future__ import annotations

from datetime import datetime

from duaarah.core.obis import Obis
from duaarah.core.units import UnitError, to_whole
from duaarah.drivers.kinds import ProfileAddress
from duaarah.wire.dlms import apdu, axdr
from duaarah.wire.dlms.axdr import INTEGER_TAGS, Data, Tag
from duaarah.wire.dlms.datetime import OCTETS, DateTime
from duaarah.wire.dlms.errors import DlmsError, Malformed
from duaarah.wire.dlms.profile_buffer import expand

PROFILE_CLASS, BY_RANGE = 7, 1
_CLOCK = Obis(0, 0, 1, 0, 0)
ProfileRow = tuple[datetime, dict[str, int]]


def wake_up(wake: tuple[int, Obis, int]) -> bytes:
    """The plain, unconfirmed ACTION that makes a modem connect or listen (IEC 62056-6-2, class 29, connect)."""
    class_id, obis, method = wake
    return apdu.encode(apdu.ActionRequest(0, class_id, obis, method, Data(Tag.INTEGER, 0)))


def range_selection(first_at: datetime, last_at: datetime) -> Data:
    """The range_descriptor of selective access 1 by the clock, both ends included, every column."""
    clock = axdr.structure(
        Data(Tag.LONG_UNSIGNED, 8),
        axdr.octets(_CLOCK.to_octets()),
        Data(Tag.INTEGER, 2),
        Data(Tag.LONG_UNSIGNED, 0),
    )
    ends = [axdr.octets(DateTime.from_instant(at).to_octets()) for at in (first_at, last_at)]
    return axdr.structure(clock, *ends, Data(Tag.ARRAY, ()))


def profile_rows(address: ProfileAddress, buffer: Data) -> list[ProfileRow]:
    """
    The rows of a buffer: the instant, and each named column in the unit of its name. What is no number is left out.

    Raises:
        Malformed: a buffer that is none, or a row without an instant.
    """
    found: list[ProfileRow] = []
    for row in expand(buffer, period_s=address.period_s):
        if not row or row[0].tag not in (Tag.OCTET_STRING, Tag.DATE_TIME) or len(row[0].value) != OCTETS:
            raise Malformed("A row of the profile has no clock.")
        try:
            at = DateTime.from_octets(row[0].value).to_instant()
        except DlmsError:
            at = None
        if at is None:
            raise Malformed("The clock of a row names no instant.")
        values: dict[str, int] = {}
        for column, cell in zip(address.columns, row[1:], strict=False):
            if column is not None and cell.tag in INTEGER_TAGS:
                try:
                    values[column[0]] = to_whole(int(cell.value), column[1])
                except UnitError:
                    continue
        found.append((at, values))
    return found
