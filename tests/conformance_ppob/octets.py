"""
P2APST's messages by hand: field widths typed here from the reference, no codec of the platform. The second opinion of
the conformance table: what it builds, the host must read; what the host answers must have these widths.
"""

from __future__ import annotations

from collections.abc import Mapping

# Bit: digits of its length field, and its width where that is fixed.
FIELDS: dict[int, tuple[int, int]] = {
    2: (2, 0),
    4: (0, 16),
    11: (0, 12),
    12: (0, 14),
    15: (0, 8),
    26: (0, 4),
    32: (2, 0),
    33: (2, 0),
    39: (0, 4),
    40: (0, 3),
    41: (0, 16),
    48: (3, 0),
    56: (2, 0),
    62: (3, 0),
    63: (3, 0),
}

Layout = tuple[tuple[str, int], ...]
_HEAD: Layout = (("switcher", 7), ("meter", 11), ("idpel", 12), ("flag", 1))
_REFS: Layout = (("pln_ref", 32), ("switcher_ref", 32))
_WHO: Layout = (("name", 25), ("segment", 4), ("daya", 9))
_LINES: Layout = tuple(
    part for name in ("admin", "stamp", "ppn", "ppj", "angsuran") for part in ((f"{name}_minor", 1), (name, 10))
)
PREPAID_ASKED: Layout = _HEAD  # 31
PREPAID_ADVICE: Layout = (*_HEAD, *_REFS)  # 95
PREPAID_FOUND: Layout = (*_HEAD, *_REFS, *_WHO, ("admin_minor", 1), ("admin", 10))  # 144
PREPAID_BUY: Layout = (*PREPAID_FOUND, ("option", 1))  # 145
PREPAID_SOLD: Layout = (
    *(*_HEAD, *_REFS, ("receipt", 8), *_WHO, ("option", 1), *_LINES),
    *(("power_minor", 1), ("power", 12), ("kwh_minor", 1), ("kwh", 10), ("token", 20)),
)  # 241
BILL_ASKED: Layout = (("switcher", 7), ("registration", 13), ("transaction", 3))  # 23
BILL_FOUND: Layout = (
    *(*BILL_ASKED, ("transaction_name", 25), ("registered", 8), ("expires", 8), ("idpel", 12), ("name", 25), *_REFS),
    *(("unit", 5), ("address", 35), ("phone", 15)),
    *(("total_minor", 1), ("total", 17), ("bill_minor", 1), ("bill", 17), ("admin_minor", 1), ("admin", 10)),
)  # 267
UNIT: Layout = (("distribution", 2), ("unit", 5), ("phone", 15), ("max_kwh", 5), ("unsold", 1))  # 28 + 11n
UNSOLD = 11
POSTPAID_ASKED: Layout = (("switcher", 7), ("idpel", 12))  # 19


def width(layout: Layout) -> int:
    return sum(octets for _, octets in layout)


def write(layout: Layout, values: Mapping[str, str]) -> str:
    """The fields of a layout side by side; each must have its width."""
    parts = [(name, octets, values[name]) for name, octets in layout]
    assert all(len(value) == octets for _, octets, value in parts), parts
    return "".join(value for *_, value in parts)


def read(layout: Layout, text: str) -> dict[str, str]:
    """The fields of a layout; the text must be as wide as the layout."""
    assert len(text) == width(layout), (len(text), width(layout), text)
    found, at = {}, 0
    for name, octets in layout:
        found[name] = text[at : at + octets]
        at += octets
    return found


def build(mti: str, fields: Mapping[int, str]) -> str:
    """MTI, one bitmap of 16 hex digits, the fields in order of their bits."""
    bits = sum(1 << (64 - bit) for bit in fields)
    parts = []
    for bit in sorted(fields):
        digits, fixed = FIELDS[bit]
        assert not fixed or len(fields[bit]) == fixed, (bit, fields[bit])
        parts.append((f"{len(fields[bit]):0{digits}d}" if digits else "") + fields[bit])
    return f"{mti}{bits:016X}" + "".join(parts)


def parse(text: str) -> tuple[str, dict[int, str]]:
    """The other way; every character belongs to a field."""
    mti, bits, at = text[:4], int(text[4:20], 16), 20
    fields = {}
    for bit in (bit for bit in range(1, 65) if bits >> (64 - bit) & 1):
        digits, fixed = FIELDS[bit]
        octets = int(text[at : at + digits]) if digits else fixed
        at += digits
        fields[bit] = text[at : at + octets]
        assert len(fields[bit]) == octets
        at += octets
    assert at == len(text), text[at:]
    return mti, fields


def framed(message: str, framing: str) -> bytes:
    octets = message.encode("latin-1")
    return octets + b"\xff" if framing == "ff" else len(octets).to_bytes(2, "big") + octets


def unframed(buffer: bytes, framing: str) -> tuple[str | None, bytes]:
    """The first whole message, and what is left."""
    if framing == "ff":
        whole, end, rest = buffer.partition(b"\xff")
        return (whole.decode("latin-1"), rest) if end else (None, buffer)
    length = int.from_bytes(buffer[:2], "big") + 2
    if len(buffer) < max(length, 2):
        return None, buffer
    return buffer[2:length].decode("latin-1"), buffer[length:]
