# SPDX-License-Identifier: Apache-2.0
"""Parts of a longer message: by user data header (3GPP TS 23.040 9.2.3.24.1 and .8) or by SAR TLVs (SMPP 5.3.2.22-24)."""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.pdu import PDU

_SHORT, _LONG = 0x00, 0x08


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
