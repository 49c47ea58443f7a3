"""Parts of longer messages: both references of the user data header, SAR TLVs, and headers that make no sense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.parts import Part, part_of
from duaarah.wire.smpp.pdu import PDU


def delivered(payload: bytes, esm_class: int = 0x40, tlvs: tuple = ()) -> PDU:
    return PDU(p.DELIVER_SM, 1, number={"esm_class": esm_class}, short_message=payload, tlvs=tlvs)


@pytest.mark.parametrize(
    ("pdu", "part"),
    [
        (delivered(bytes.fromhex("050003070201") + b"x"), Part(7, 2, 1, b"x")),
        (delivered(bytes.fromhex("06080401020302") + b"x"), Part(0x0102, 3, 2, b"x")),
        (delivered(bytes.fromhex("0a05040b8423f0000307 0202".replace(" ", "")) + b"x"), None),
        (delivered(bytes.fromhex("0b05040b8423f00003070202") + b"x"), Part(7, 2, 2, b"x")),
        (delivered(bytes.fromhex("050003070203") + b"x"), None),
        (delivered(bytes.fromhex("050003070101") + b"x"), None),
        (delivered(bytes.fromhex("050003070201") + b"x", 0), None),
        (delivered(b"x", 0, ((0x020C, b"\1\0"), (0x020E, b"\2"), (0x020F, b"\1"))), Part(256, 2, 1, b"x")),
        (delivered(b"x", 0, ((0x020C, b"\1\0"), (0x020E, b"\2"))), None),
    ],
)
def test_parts(pdu: PDU, part: Part | None) -> None:
    assert part_of(pdu) == part


@given(st.binary(max_size=60))
def test_no_header_raises(payload: bytes) -> None:
    part = part_of(delivered(payload))
    assert part is None or 1 <= part.number <= part.total
