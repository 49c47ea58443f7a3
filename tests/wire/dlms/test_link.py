"""HDLC, M-Bus, wrapper, blocks: many frames put together, each damage found, each cut incomplete."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms import gbt, hdlc, link, mbus
from duaarah.wire.dlms.errors import DlmsError, Incomplete, Malformed, Unencodable
from duaarah.wire.dlms.hdlc import HdlcFrame
from duaarah.wire.dlms.link import DamagedFrames, Framing

ADDRESSES = [b"\x03", b"\x02\x23", b"\x00\x02\x04\x07"]
BODIES = st.binary(min_size=1, max_size=600)


@given(BODIES, st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES), st.integers(4, 200))
def test_an_apdu_in_hdlc_segments(apdu: bytes, destination: bytes, source: bytes, size: int) -> None:
    line = hdlc.encode_message(apdu, destination=destination, source=source, size=size)
    found = hdlc.scan(line)
    assert hdlc.messages(found) == [apdu]
    assert [one.segmented for one in found] == [True] * (len(found) - 1) + [False]
    assert {(one.frame.destination, one.frame.source) for one in found if one.frame} == {(destination, source)}
    # Each frame is counted with both its flags, also a shared one.
    assert sum(one.length for one in found) == len(line) + len(found) - 1


def test_an_hdlc_frame_octet_by_octet() -> None:
    # SNRM from client 16 to server 1, as it stands in many manuals.
    frame = HdlcFrame(b"\x03", b"\x21", 0x93, b"")
    assert hdlc.encode(frame).hex() == "7ea0070321930f017e"
    assert hdlc.decode(hdlc.encode(frame)) == frame
    carrying = HdlcFrame(b"\x03", b"\x21", 0x13, b"\xd8\x01\x02")
    assert hdlc.decode(hdlc.encode(carrying)) == carrying
    with pytest.raises(Unencodable):
        hdlc.encode(HdlcFrame(b"\x03", b"\x21", 0x13, bytes(2040)))


def test_gaps_repeated_flags_and_frames_without_information() -> None:
    empty = hdlc.encode(HdlcFrame(b"\x03", b"\x21", 0x73, b""))
    one = hdlc.encode_message(b"first apdu", destination=b"\x03", source=b"\x21", size=6)
    two = hdlc.encode_message(b"second", destination=b"\x03", source=b"\x21", size=60)
    for gap in (b"", b"\x7e\x7e", b"\xff\xff\xff", b"\x00\x7e"):
        line = empty + gap + one + gap + two + gap
        assert hdlc.messages(hdlc.scan(line)) == [b"first apdu", b"second"], gap


def test_the_llc_header_may_be_missing() -> None:
    frame = hdlc.encode(HdlcFrame(b"\x03", b"\x21", 0x13, b"\x0f\x00"), llc=b"")
    assert hdlc.messages(hdlc.scan(frame)) == [b"\x0f\x00"]


@given(BODIES, st.integers(4, 200), st.data())
def test_no_altered_octet_of_hdlc_passes(apdu: bytes, size: int, data: st.DataObject) -> None:
    line = bytearray(hdlc.encode_message(apdu, destination=b"\x03", source=b"\x02\x23", size=size))
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = hdlc.scan(bytes(line))
        assert not all(one.crc_ok for one in found) or hdlc.messages(found) != [apdu]
    except DlmsError as error:
        assert error.code in ("malformed", "incomplete")


@given(BODIES, st.integers(1, 200))
def test_an_apdu_in_mbus_frames(apdu: bytes, size: int) -> None:
    parts = -(-len(apdu) // size)
    if parts > mbus.SEGMENTS_MAX:
        with pytest.raises(Unencodable):
            mbus.encode(apdu, source=1, destination=103, size=size)
        return
    line = mbus.encode(apdu, source=1, destination=103, size=size)
    frames = mbus.scan(b"\x10\x40\xf0\x30\x16" + line)
    assert mbus.messages(frames) == [apdu]
    assert [frame.ci for frame in frames] == [*range(parts - 1), 0x10 | (parts - 1)]
    assert {(frame.source, frame.destination, frame.crc_ok) for frame in frames} == {(1, 103, True)}


def test_an_mbus_frame_octet_by_octet() -> None:
    assert mbus.encode(b"\x0f\x01", source=1, destination=0x67).hex() == "68070768" + "53ff1001670f01" + "da" + "16"


def test_mbus_segments_must_be_whole_and_in_order() -> None:
    line = mbus.encode(bytes(range(90)), source=1, destination=103, size=30)
    frames = mbus.scan(line)
    for wrong in (frames[:2], frames[1:], [frames[0], frames[2]], [frames[1], frames[0], frames[2]]):
        with pytest.raises(Incomplete):
            mbus.messages(wrong)
    with pytest.raises(Malformed):
        mbus.messages([mbus.MbusFrame(11, True, 0x72, 1, 103, b"")])


@given(BODIES, st.data())
def test_no_altered_octet_of_mbus_passes(apdu: bytes, data: st.DataObject) -> None:
    line = bytearray(mbus.encode(apdu, source=1, destination=103, size=100))
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        frames = mbus.scan(bytes(line))
        assert not all(frame.crc_ok for frame in frames) or mbus.messages(frames) != [apdu]
    except DlmsError as error:
        assert error.code in ("malformed", "incomplete")


@given(st.binary(max_size=600), st.integers(1, 200), st.randoms(use_true_random=False))
def test_blocks_come_in_any_order_and_doubled(apdu: bytes, size: int, order: object) -> None:
    blocks = gbt.split(apdu, size=size)
    shuffled = [*blocks, blocks[0]]
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert gbt.join(shuffled) == apdu
    assert gbt.join([b"".join(blocks)]) == apdu
    if len(blocks) > 1:
        with pytest.raises(Incomplete):
            gbt.join(blocks[:-1])
        with pytest.raises(Incomplete):
            gbt.join(blocks[1:])


def test_blocks_octet_by_octet_and_what_is_none() -> None:
    assert [block.hex() for block in gbt.split(b"\x0f\x01\x02", size=2)] == [
        "e04100010000020f01",
        "e08100020000" + "0102",
    ]
    with pytest.raises(Malformed):
        gbt.join([bytes.fromhex("e08100010000010f"), bytes.fromhex("e0810001000001c4")])
    with pytest.raises(Malformed):
        gbt.join([bytes.fromhex("e08100010000010f" + "ffff")])
    assert gbt.join([bytes.fromhex("e08100010000010f" + "ffff")], tail_ok=True) == b"\x0f"


def test_damaged_frames_are_listed_and_nothing_is_taken() -> None:
    line = bytearray(hdlc.encode_message(bytes(range(100)), destination=b"\x03", source=b"\x21", size=40))
    second = hdlc.scan(bytes(line))[0].length - 1
    line[second + 20] ^= 0x04
    with pytest.raises(DamagedFrames) as refused:
        link.carried(bytes(line), Framing.HDLC)
    assert refused.value.code == "crc"
    assert [(frame.framing, frame.crc_ok) for frame in refused.value.frames] == [
        (Framing.HDLC, True),
        (Framing.HDLC, False),
        (Framing.HDLC, True),
    ]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("7ea0", [Framing.HDLC]),
        ("6805056853ff100167", [Framing.MBUS]),
        ("1040f0301668", [Framing.MBUS]),
        ("00010001", [Framing.WRAPPER]),
        ("00", [Framing.WRAPPER]),
        ("0f00000001", [Framing.RAW]),
        ("0110db08", [Framing.SHORT]),
        ("0f01db08", [Framing.RAW, Framing.SHORT]),
        ("abab", []),
        ("", []),
    ],
)
def test_what_the_first_octets_may_be(octets: str, expected: list[Framing]) -> None:
    assert link.candidates(bytes.fromhex(octets)) == expected


@given(
    st.sampled_from(Framing),
    st.sampled_from(["", "7ea0", "68", "6806066853ff10", "0001", "e0"]),
    st.binary(max_size=80),
)
def test_random_octets_raise_only_own_errors(framing: Framing, head: str, octets: bytes) -> None:
    try:
        link.carried(bytes.fromhex(head) + octets, framing)
    except DlmsError as error:
        assert error.code in ("malformed", "incomplete", "crc")
