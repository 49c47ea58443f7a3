# SPDX-License-Identifier: Apache-2.0
"""Push bodies that break A-XDR in ways that known meters do, read after the standard's reading has failed.

Octet-string names with tag and length exchanged (06 09 for 09 06, some Landis+Gyr firmware), and structures that begin
with an attribute descriptor without type tags: class (2), OBIS (6), attribute (1), then the value with its tag.
Such an attribute is given back as an unsigned, so that nobody takes it for a scaler.
"""

from __future__ import annotations

import re

from duaarah.wire.dlms import axdr, notification
from duaarah.wire.dlms.data import DEPTH_MAX, Data, Reader, Tag
from duaarah.wire.dlms.errors import DlmsError, Malformed
from duaarah.wire.dlms.notification import DataNotification

_EXCHANGED = re.compile(rb"\x06\x09([\x00-\x0f].{4}\xff)", re.DOTALL)
_DESCRIPTOR = re.compile(rb"\x00[\x01-\x7f][\x00-\x0f].{4}\xff[\x01-\x14]", re.DOTALL)
_DESCRIPTOR_OCTETS = 9


def data_notification(octets: bytes) -> DataNotification | None:
    """The push in these octets by one of the known mistakes, None when none of them explains it."""
    repaired = _EXCHANGED.sub(b"\x09\x06" + rb"\1", octets)
    for candidate, untagged in ((repaired, False), (octets, True)):
        if candidate == octets and not untagged:
            continue
        reader = Reader(candidate)
        reader.octet()
        try:
            if untagged:
                push = _untagged(reader)
            else:
                push = notification.read_data_notification(reader)
            reader.end()
        except DlmsError:
            continue
        return push
    return None


def _untagged(reader: Reader) -> DataNotification:
    long_invoke = int.from_bytes(reader.take(4), "big")
    stamp = None if reader.peek() in (Tag.ARRAY, Tag.STRUCTURE) else notification.read_date_time(reader)
    return DataNotification(long_invoke, stamp, _read(reader, 0))


def _read(reader: Reader, depth: int) -> Data:
    """A value as `axdr.read`, but a structure may begin with a descriptor; it is given back with the tags it lacks."""
    tag = reader.peek()
    if tag not in (Tag.ARRAY, Tag.STRUCTURE):
        return axdr.read(reader, depth)
    if depth >= DEPTH_MAX:
        raise Malformed(f"Values nest at most {DEPTH_MAX} deep.")
    reader.octet()
    count = reader.length()
    reader.count_elements(count)
    elements: list[Data] = []
    head = reader.octets[reader.position : reader.position + _DESCRIPTOR_OCTETS]
    if tag == Tag.STRUCTURE and _DESCRIPTOR.fullmatch(head):
        head = reader.take(_DESCRIPTOR_OCTETS)
        elements += [
            Data(Tag.LONG_UNSIGNED, int.from_bytes(head[:2], "big")),
            Data(Tag.OCTET_STRING, head[2:8]),
            Data(Tag.UNSIGNED, head[8]),
        ]
        count -= 1
    elements += [_read(reader, depth + 1) for _ in range(count)]
    return Data(Tag(tag), tuple(elements))
