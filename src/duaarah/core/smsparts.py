# SPDX-License-Identifier: Apache-2.0
"""
A text that is longer than one SMS, cut into parts (3GPP TS 23.040 9.2.3.24.8).

A part has a user data header with a 16-bit reference: seven octets, which take eight septets.
"""

from __future__ import annotations

_GSM, _UCS2, _ESCAPE = 0, 8, 0x1B
GSM_WHOLE, GSM_PART, OCTETS_WHOLE, OCTETS_PART = 160, 152, 140, 133
PARTS_MAX = 255
# The bit of esm_class that says that a header stands before the text.
UDHI = 0x40


def one_sms(octets: int, data_coding: int) -> bool:
    """Whether so many octets (septets, unpacked, for data_coding 0) fit one SMS."""
    return octets <= (GSM_WHOLE if data_coding == _GSM else OCTETS_WHOLE)


def split(payload: bytes, *, data_coding: int, reference: int) -> list[bytes]:
    """
    The short_messages of a text: itself when it fits one SMS, else parts with their header (their esm_class has the bit UDHI).

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
    head = bytes((6, 8, 4)) + reference.to_bytes(2, "big") + bytes((len(pieces),))
    return [head + bytes((number,)) + piece for number, piece in enumerate(pieces, 1)]
