"""A longer text in parts: together they are it, none is longer than the air takes, and no character is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.smsparts import UDHI, one_sms, split
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.parts import part_of
from duaarah.wire.smpp.pdu import PDU

GSM_TEXT = st.lists(st.sampled_from([b"a", b"0", b"\x1be", b"\x1b<"]), max_size=700).map(b"".join)
UCS2_TEXT = st.text(st.sampled_from("aé☃😀"), max_size=400).map(lambda text: text.encode("utf-16-be"))


@given(
    st.one_of(
        st.tuples(GSM_TEXT, st.just(0)),
        st.tuples(UCS2_TEXT, st.just(8)),
        st.tuples(st.binary(max_size=900), st.just(4)),
    ),
    st.integers(0, 0xFFFF),
)
def test_what_is_split_is_joined_and_no_character_is_cut(text: tuple[bytes, int], reference: int) -> None:
    payload, coding = text
    pieces = split(payload, data_coding=coding, reference=reference)
    if one_sms(len(payload), coding):
        assert pieces == [payload]
        return
    parts = [part_of(PDU(p.DELIVER_SM, 1, number={"esm_class": UDHI}, short_message=piece)) for piece in pieces]
    found = [part for part in parts if part is not None]
    assert [(part.reference, part.total, part.number) for part in found] == [
        (reference, len(pieces), number) for number in range(1, len(pieces) + 1)
    ]
    assert b"".join(part.octets for part in found) == payload
    for piece, part in zip(pieces, found, strict=True):
        # On the air: septets are packed behind a header of seven octets.
        octets = 7 + -(-len(part.octets) * 7 // 8) if coding == 0 else len(piece)
        assert octets <= 140
        if coding == 0:
            assert not part.octets.endswith(b"\x1b")
        if coding == 8:
            part.octets.decode("utf-16-be")


def test_a_text_has_255_parts_at_most() -> None:
    assert len(split(bytes(133 * 255), data_coding=4, reference=1)) == 255
    with pytest.raises(ValueError, match="255"):
        split(bytes(133 * 255 + 1), data_coding=4, reference=1)
