"""Messages on a stream that splits and joins them as it likes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.iso8583 import Deframer, FrameEmpty, FrameTooLong, FrameUnfit, Framing, frame

PAYLOAD = st.text(st.characters(min_codepoint=0, max_codepoint=254), min_size=1, max_size=300)


@given(st.sampled_from(Framing), st.lists(PAYLOAD, max_size=8), st.data())
def test_split_and_joined_anywhere(framing: Framing, messages: list[str], data: st.DataObject) -> None:
    stream = b"".join(frame(message, framing) for message in messages)
    deframer = Deframer(framing)
    got: list[str] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += deframer.feed(stream[:size])
        stream = stream[size:]
    assert got == messages and deframer.pending == 0


def test_the_bytes_themselves() -> None:
    assert frame("2800", Framing.LENGTH2) == b"\x00\x042800"
    assert frame("2800\xfe", Framing.FF) == b"2800\xfe\xff"
    assert frame("\xff" * 258, Framing.LENGTH2)[:2] == b"\x01\x02"


def test_what_a_framing_cannot_carry() -> None:
    with pytest.raises(FrameUnfit):
        frame("28\xff00", Framing.FF)
    with pytest.raises(FrameUnfit):
        frame("€", Framing.LENGTH2)
    with pytest.raises(FrameTooLong):
        frame("x" * 65536, Framing.LENGTH2)
    assert len(frame("x" * 65535, Framing.LENGTH2)) == 65537
    for framing in Framing:
        with pytest.raises(FrameEmpty):
            frame("", framing)


@pytest.mark.parametrize("framing", Framing)
def test_too_long_ends_the_stream_after_what_came_before(framing: Framing) -> None:
    deframer = Deframer(framing, octets_max=10)
    assert deframer.feed(frame("x" * 10, framing)) == ["x" * 10]
    with pytest.raises(FrameTooLong) as caught:
        deframer.feed(frame("first", framing) + frame("x" * 11, framing) + frame("last", framing))
    assert caught.value.messages == ["first"]
    with pytest.raises(FrameTooLong) as again:
        deframer.feed(frame("more", framing))
    assert again.value.messages == []


def test_an_endless_message_is_noticed_before_its_end() -> None:
    deframer = Deframer(Framing.FF, octets_max=100)
    assert deframer.feed(b"x" * 100) == []
    with pytest.raises(FrameTooLong):
        deframer.feed(b"x")
    with pytest.raises(FrameTooLong):
        Deframer(Framing.LENGTH2, octets_max=100).feed(b"\x00\x65")


@pytest.mark.parametrize(("framing", "octets"), [(Framing.FF, b"\xff"), (Framing.LENGTH2, b"\x00\x00")])
def test_an_empty_frame_is_no_message(framing: Framing, octets: bytes) -> None:
    with pytest.raises(FrameEmpty) as caught:
        Deframer(framing).feed(frame("one", framing) + octets)
    assert caught.value.messages == ["one"]
