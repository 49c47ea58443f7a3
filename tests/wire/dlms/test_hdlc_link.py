"""The HDLC link: frames, both stations back to back, noise on the line, lost answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duaarah.wire.dlms import hdlc
from duaarah.wire.dlms.errors import DlmsError, OutOfOrder, TooLong, Unencodable
from duaarah.wire.dlms.hdlc_link import (
    DISC,
    DM,
    SNRM,
    UA,
    Frame,
    FrameReader,
    HdlcLink,
    LinkApdu,
    LinkDown,
    LinkEvent,
    LinkUp,
    client_address,
    encode,
    logical_of,
    server_address,
)

CLIENT, METER = client_address(1), server_address(1, 17)


def test_a_frame_as_the_books_write_it() -> None:
    # SNRM from client 16 to logical device 1 without parameters.
    assert encode(Frame(server_address(1), client_address(16), SNRM)).hex() == "7ea0070321930f017e"
    assert encode(Frame(client_address(16), server_address(1), UA)).hex()[:12] == "7ea007210373"


@pytest.mark.parametrize(
    ("address", "octets", "logical"),
    [
        (client_address(16), "21", 16),
        (server_address(1), "03", 1),
        (server_address(1, 17), "0223", 1),
        (server_address(1, 0x1234), "00024869", 1),
        (server_address(0x90), "02200001", 0x90),
    ],
)
def test_addresses(address: bytes, octets: str, logical: int) -> None:
    assert address.hex() == octets and logical_of(address) == logical


def test_addresses_that_do_not_fit() -> None:
    for bad in (lambda: client_address(128), lambda: server_address(1, 1 << 14)):
        with pytest.raises(Unencodable):
            bad()
    with pytest.raises(TooLong):
        encode(Frame(CLIENT, METER, 0x10, bytes(2_040)))


def test_an_unsegmented_frame_is_read_by_the_frame_reader_of_pushes() -> None:
    octets = encode(Frame(CLIENT, METER, 0x10, b"\xe6\xe7\x00\x0f\x01"))
    assert hdlc.decode(octets) == hdlc.HdlcFrame(CLIENT, METER, 0x10, b"\x0f\x01")


@given(
    st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=5), st.binary(max_size=10), st.integers(1, 9)
)
def test_frames_come_out_of_any_stream(bodies: list[tuple[bytes, bool]], noise: bytes, cut: int) -> None:
    frames = [Frame(CLIENT, METER, 0x10, body, more) for body, more in bodies]
    noise = noise.replace(b"\x7e", b"")
    stream = noise + b"".join(map(encode, frames))
    reader = FrameReader()
    got = [frame for start in range(0, len(stream), cut) for frame in reader.feed(stream[start : start + cut])]
    assert [(frame.information, frame.segmented, frame.poll) for frame in got] == [
        (body, more, True) for body, more in bodies
    ]


def test_a_spoilt_frame_is_counted_and_passed_over() -> None:
    good = encode(Frame(CLIENT, METER, 0x10, b"abc"))
    reader = FrameReader()
    for at in (4, 7, len(good) - 2):
        bad = bytearray(good)
        bad[at] ^= 0x10
        assert [frame.information for frame in reader.feed(bytes(bad) + good)] == [b"abc"]
    assert reader.bad >= 3


class Pair:
    """A client's link and a meter's; `lose` frames of the meter are lost on the way."""

    def __init__(self, client_max: int = 128, meter_max: int = 128) -> None:
        self.client = HdlcLink(CLIENT, METER, information_max=client_max)
        self.meter = HdlcLink(server_address(1), None, information_max=meter_max)
        self.lose = 0

    def run(self, *, echo: bool = True) -> tuple[list[LinkEvent], list[LinkEvent]]:
        at_meter: list[LinkEvent] = []
        at_client: list[LinkEvent] = []
        while octets := self.client.take():
            for event in self.meter.receive(octets):
                at_meter.append(event)
                if echo and isinstance(event, LinkApdu):
                    self.meter.send(event.apdu[::-1])
            answer = self.meter.take()
            if self.lose and answer:
                self.lose -= 1
                self.client.repeat()
                continue
            at_client += self.client.receive(answer)
        return at_meter, at_client


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=1500), st.integers(16, 600), st.integers(16, 600))
def test_an_apdu_of_any_length_goes_to_and_fro(octets: bytes, client_max: int, meter_max: int) -> None:
    pair = Pair(client_max, meter_max)
    pair.client.connect()
    assert pair.run() == ([LinkUp(CLIENT)], [LinkUp(METER)])
    for _ in range(3):
        pair.client.send(octets)
        assert pair.run() == ([LinkApdu(octets, 1)], [LinkApdu(octets[::-1], 1)])
    pair.client.disconnect()
    assert pair.run() == ([LinkDown()], [LinkDown()])


@given(st.integers(1, 3))
def test_a_lost_answer_is_asked_for_again_and_nothing_is_done_twice(lose: int) -> None:
    pair = Pair()
    pair.client.connect()
    pair.run()
    pair.lose = lose
    pair.client.send(b"token")
    assert pair.run() == ([LinkApdu(b"token", 1)], [LinkApdu(b"nekot", 1)])


def test_what_does_not_fit_the_state_is_refused() -> None:
    pair = Pair()
    with pytest.raises(OutOfOrder):
        pair.client.send(b"early")
    with pytest.raises(OutOfOrder):
        pair.meter.connect()
    with pytest.raises(OutOfOrder):
        pair.meter.disconnect()
    pair.client.connect()
    pair.run()
    with pytest.raises(OutOfOrder):
        pair.client.connect()
    pair.client.send(b"one")
    with pytest.raises(OutOfOrder):
        pair.client.send(b"two")


def test_a_meter_without_a_link_says_so() -> None:
    pair = Pair()
    assert pair.meter.receive(encode(Frame(METER, CLIENT, 0x00, b"\xe6\xe6\x00\xc0"))) == []
    (frame,) = FrameReader().feed(pair.meter.take())
    assert frame.control == DM
    assert pair.meter.receive(encode(Frame(METER, CLIENT, DISC))) == [LinkDown()]
    # Another meter's frames on the same line are not ours.
    assert pair.meter.receive(encode(Frame(server_address(2), CLIENT, SNRM))) == []
    assert pair.meter.take() != b"" and pair.meter.take() == b""


@given(st.binary(max_size=120), st.booleans())
def test_random_octets_raise_only_dlms_errors(octets: bytes, framed: bool) -> None:
    pair = Pair()
    pair.client.connect()
    pair.run()
    line = encode(Frame(METER, CLIENT, octets[0] & 0xEF, octets[1:])) if framed and octets else octets
    try:
        pair.meter.receive(line)
        pair.client.receive(encode(Frame(CLIENT, METER, 0x10, octets)))
    except DlmsError as error:
        assert error.code in ("malformed", "too_long")
