# SPDX-License-Identifier: Apache-2.0
"""Pushes out of a stream: any cut, any number, gaps, blocks, noise; what is too large is refused by its header."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms import gbt, hdlc
from duaarah.wire.dlms.errors import BadChecksum, DlmsError, Malformed, TooLong, UnknownFraming
from duaarah.wire.dlms.hdlc import HdlcFrame
from duaarah.wire.dlms.link import Framing
from duaarah.wire.dlms.push_stream import PushReader

APDUS = [b"\x0f" + bytes([n]) * (n * 90) for n in range(1, 5)]
METER, CLIENT = b"\x03", b"\x21"


def wrapped(apdu: bytes) -> bytes:
    return bytes.fromhex("000100010010") + len(apdu).to_bytes(2, "big") + apdu


def framed(apdu: bytes) -> bytes:
    return hdlc.encode_message(apdu, destination=CLIENT, source=METER, size=128)


@pytest.mark.parametrize("carry", [wrapped, framed])
@pytest.mark.parametrize("step", [1, 7, 300, 100_000])
def test_every_cut_gives_the_same_messages(carry: object, step: int) -> None:
    line = b"".join(carry(apdu) for apdu in APDUS)  # type: ignore[operator]
    reader, found = PushReader(), []
    for start in range(0, len(line), step):
        found += reader.receive(line[start : start + step])
    assert [one.apdu for one in found] == APDUS and not reader.waiting
    if carry is wrapped:
        assert b"".join(one.raw for one in found) == line
        assert {(one.framing, one.source, one.destination) for one in found} == {
            (Framing.WRAPPER, b"\x00\x01", b"\x00\x10")
        }


def test_an_answer_goes_back_in_the_sender_s_framing() -> None:
    [push] = PushReader().receive(wrapped(b"\x0fpush"))
    assert push.answer(b"\x10ok").hex() == "0001001000010003" + b"\x10ok".hex()
    [push] = PushReader().receive(framed(b"\x0fpush"))
    [answer] = PushReader().receive(push.answer(b"\x10" + bytes(300)))
    assert (answer.destination, answer.source, answer.apdu) == (METER, CLIENT, b"\x10" + bytes(300))


def test_blocks_in_wrappers_and_in_hdlc_become_one_apdu() -> None:
    apdu = b"\x0f" + bytes(range(256)) * 3
    for carry in (wrapped, framed):
        line = b"".join(carry(block) for block in gbt.split(apdu, size=200))
        reader = PushReader()
        assert reader.receive(line[:500]) == [] and reader.waiting
        [push] = reader.receive(line[500:])
        assert push.apdu == apdu and not reader.waiting


def test_noise_between_hdlc_frames_is_passed_over_and_a_damaged_frame_counted() -> None:
    damaged = bytearray(framed(b"\x0fdamaged"))
    damaged[12] ^= 1
    reader = PushReader()
    found = reader.receive(framed(b"\x0fone") + b"\x00noise" + bytes(damaged) + b"\x11" + framed(b"\x0ftwo"))
    assert [one.apdu for one in found] == [b"\x0fone", b"\x0ftwo"] and reader.damaged >= 1


def test_frames_without_information_say_nothing() -> None:
    connect = hdlc.encode(HdlcFrame(METER, CLIENT, 0x93, b""))
    assert [one.apdu for one in PushReader().receive(connect + framed(b"\x0fx"))] == [b"\x0fx"]


def test_too_large_is_refused_when_its_header_is_here() -> None:
    with pytest.raises(TooLong):
        PushReader(1_000).receive(bytes.fromhex("0001000100100400"))
    blocks = [wrapped(block) for block in gbt.split(bytes(5_000), size=100)]
    reader = PushReader(1_000)
    with pytest.raises(TooLong):
        for block in blocks:
            reader.receive(block)
    reader = PushReader(1_000)
    with pytest.raises(TooLong):
        reader.receive(framed(bytes([0x0F]) * 5_000))


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(UnknownFraming):
        PushReader().receive(b"GET / HTTP/1.1\r\n")
    with pytest.raises(Malformed):
        PushReader().receive(bytes.fromhex("0002"))
    with pytest.raises(Malformed):
        PushReader().receive(bytes.fromhex("0001000100100000"))


@given(st.binary(max_size=400), st.sampled_from([b"", b"\x7e", b"\x7e\xa0", b"\x00\x01\x00\x01\x00\x10\x00"]))
def test_random_octets_raise_only_the_package_s_errors(octets: bytes, head: bytes) -> None:
    reader = PushReader()
    try:
        for octet in head + octets:
            reader.receive(bytes([octet]))
    except DlmsError:
        pass
    assert len(reader._buffer) < 20_000


def test_altered_hdlc_never_yields_another_apdu() -> None:
    dice, line = random.Random(5), framed(b"\x0f" + bytes(200))
    for _ in range(300):
        altered = bytearray(line)
        altered[dice.randrange(len(line))] ^= 1 << dice.randrange(8)
        try:
            found = PushReader().receive(bytes(altered))
        except DlmsError:
            continue
        assert [one.apdu for one in found] in ([], [b"\x0f" + bytes(200)])


def test_a_line_of_damaged_frames_only_is_given_up() -> None:
    damaged = bytearray(framed(b"\x0fdamaged"))
    damaged[4] ^= 1
    with pytest.raises(BadChecksum):
        PushReader().receive(bytes(damaged) * 40)
    assert PushReader().receive((bytes(damaged) * 20 + framed(b"\x0fx")) * 3)[-1].apdu == b"\x0fx"
