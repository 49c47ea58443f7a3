# SPDX-License-Identifier: Apache-2.0
"""The token's check sum (IEC 62055-41, 6.3.12): CRC-16 with polynomial A001 reflected, initial FFFF, bytes swapped."""

from __future__ import annotations


def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        rows.append(value)
    return tuple(rows)


_TABLE = _table()


def crc(token_class: int, payload48: int, *, currency: bool = False) -> int:
    """The 16 bits that follow a 48-bit payload; CRC_C (`currency`) runs over one more octet, 01."""
    value = 0xFFFF
    for octet in (token_class << 48 | payload48).to_bytes(7, "big"):
        value = value >> 8 ^ _TABLE[(value ^ octet) & 0xFF]
    if currency:
        value = value >> 8 ^ _TABLE[(value ^ 1) & 0xFF]
    return (value & 0xFF) << 8 | value >> 8
