# SPDX-License-Identifier: Apache-2.0
"""
Parts of a longer message: by user data header (3GPP TS 23.040 9.2.3.24.1 and .8) or by SAR TLVs (SMPP 5.3.2.22-24).

Ours have a user data header with a 16-bit reference: seven octets, which take eight septets.
"""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.pdu import PDU

_SHORT, _LONG = 0x00, 0x08
_GSM, _UCS2, _ESCAPE = 0, 8, 0x1B
GSM_WHOLE, GSM_PART, OCTETS_WHOLE, OCTETS_PART = 160, 152, 140, 133
PARTS_MAX = 255


@dataclass(frozen=True, slots=True)
class Part:
    """One of `total` parts, `number` from 1; `octets` is the text without its header."""

    reference: int
    total: int
    number: int
    octets: bytes


def part_of(pdu: PDU) -> Part | None:
    """The part that a deliver_sm carries; None for a message that is whole, or whose numbers make no sense."""
    payload = pdu.payload
    if pdu.number.get("esm_class", 0) & p.ESM_UDHI and payload:
        end = 1 + payload[0]
        found = _by_header(payload[1:end])
        body = payload[end:]
    else:
        tags = (p.TLV_SAR_REFERENCE, p.TLV_SAR_TOTAL, p.TLV_SAR_NUMBER)
        values = [int.from_bytes(value, "big") for tag in tags if (value := pdu.tlv(tag))]
        found = (values[0], values[1], values[2]) if len(values) == len(tags) else None
        body = payload
    if found is None:
        return None
    reference, total, number = found
    if total < 2 or not 1 <= number <= total <= 255 or reference > 0xFFFF:
        return None
    return Part(reference, total, number, body)


def one_sms(octets: int, data_coding: int) -> bool:
    """Whether so many octets (septets, unpacked, for data_coding 0) fit one SMS."""
    return octets <= (GSM_WHOLE if data_coding == _GSM else OCTETS_WHOLE)


def split(payload: bytes, *, data_coding: int, reference: int) -> list[bytes]:
    """
    The short_messages of a text: itself when it fits one SMS, else parts with their header (their esm_class has ESM_UDHI).

    No character is cut: no escape from its septet, no UCS-2 character, no surrogate pair.

    Raises:
        ValueError: more than 255 parts.
    """
    if one_sms(len(payload), data_coding):
        return [payload]
    room = {_GSM: GSM_PART, _UCS2: OCTETS_PART - 1}.get(data_coding, OCTETS_PART)
    pieces, start = [], 0
    while start < len(payload):
        end = start + room
        if end < len(payload) and data_coding == _GSM and payload[end - 1] == _ESCAPE:
            end -= 1
        elif end < len(payload) and data_coding == _UCS2 and 0xD8 <= payload[end - 2] <= 0xDB:
            end -= 2
        pieces.append(payload[start:end])
        start = end
    if len(pieces) > PARTS_MAX:
        raise ValueError(f"A text has at most {PARTS_MAX} parts.")
    head = bytes((6, _LONG, 4)) + reference.to_bytes(2, "big") + bytes((len(pieces),))
    return [head + bytes((number,)) + piece for number, piece in enumerate(pieces, 1)]


def _by_header(header: bytes) -> tuple[int, int, int] | None:
    """(reference, total, number) of the first concatenation element; others are stepped over."""
    position = 0
    while position + 2 <= len(header):
        element, length = header[position], header[position + 1]
        content = header[position + 2 : position + 2 + length]
        if element == _SHORT and len(content) == length == 3:
            return content[0], content[1], content[2]
        if element == _LONG and len(content) == length == 4:
            return int.from_bytes(content[:2], "big"), content[2], content[3]
        position += 2 + length
    return None
