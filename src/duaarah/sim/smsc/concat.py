# SPDX-License-Identifier: Apache-2.0
"""A text in parts, as a phone sends it: by UDH with an 8 or 16 bit reference (3GPP TS 23.040, 9.2.3.24), or SAR TLVs."""

from __future__ import annotations

from duaarah.core import gsm7

SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER = 0x020C, 0x020E, 0x020F
WAYS = ("udh8", "udh16", "sar")
_UDHI = 0x40

Part = tuple[int, bytes, tuple[tuple[int, bytes], ...]]


class ConcatRefused(ValueError):
    """No such way, or too long for 255 parts."""

    code = "concat_refused"


def encoded(text: str) -> tuple[int, bytes]:
    """(data_coding, octets): the default alphabet where it suffices, else UCS2."""
    try:
        return 0, gsm7.encode(text)
    except ValueError:
        return 8, text.encode("utf-16-be")


def parts(payload: bytes, *, data_coding: int, way: str, reference: int) -> list[Part]:
    """(esm_class, short_message, TLVs) of each part, in order; a text that fits one message is one part by the same way."""
    if way not in WAYS:
        raise ConcatRefused(f"Parts go by {', '.join(WAYS)}.")
    # 153 and 152 septets, or 134 and 133 octets; UCS2 keeps to whole characters.
    room = (152 if way == "udh16" else 153) if data_coding == 0 else (132 if way == "udh16" else 134)
    pieces = [payload[start : start + room] for start in range(0, len(payload), room)] or [b""]
    total = len(pieces)
    if total > 255:
        raise ConcatRefused("A message has 255 parts at most.")
    found: list[Part] = []
    for number, piece in enumerate(pieces, 1):
        if way == "sar":
            tlvs = (
                (SAR_REFERENCE, (reference & 0xFFFF).to_bytes(2, "big")),
                (SAR_TOTAL, bytes([total])),
                (SAR_NUMBER, bytes([number])),
            )
            found.append((0, piece, tlvs))
        elif way == "udh8":
            found.append((_UDHI, bytes([5, 0, 3, reference & 0xFF, total, number]) + piece, ()))
        else:
            header = bytes([6, 8, 4]) + (reference & 0xFFFF).to_bytes(2, "big") + bytes([total, number])
            found.append((_UDHI, header + piece, ()))
    return found
