"""The whole way in: each framing and protection around one push, the captured frames cut and altered, known mistakes."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.wire.dlms.test_vectors import AIDON, SALZBURG, UDP_FRAMES, UDP_KEYS

from duaarah.core.obis import Obis
from duaarah.wire.dlms import apdu, axdr, ciphering, gbt, hdlc, mbus, wrapper
from duaarah.wire.dlms.apdu import DataNotification, EventNotification
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.errors import AuthFailed, DlmsError, Incomplete, Malformed, UnknownApdu, UnknownFraming
from duaarah.wire.dlms.link import Framing
from duaarah.wire.dlms.protection import ReadKeys
from duaarah.wire.dlms.receive import Received, receive

KEYS = ciphering.Keys(bytes(range(16)), bytes(range(16, 32)))
READ = ReadKeys(KEYS.encryption_key, KEYS.authentication_key)
UDP_READ = ReadKeys(UDP_KEYS.encryption_key, UDP_KEYS.authentication_key)
TITLE = b"DUA\x00\x00\x00\x00\x01"
STAMP = DateTime(2026, 7, 11, 6, 0, 30, 0, 0, -420, 0)
BODY = Data(
    Tag.ARRAY, tuple(structure(octets(bytes(12)), Data(Tag.UNSIGNED, n), Data(Tag.LONG, -n)) for n in range(40))
)
PUSH = DataNotification(7, STAMP, BODY)
CIPHERED = ciphering.protect(apdu.encode(PUSH), keys=KEYS, system_title=TITLE, counter=9)


def wrapped(payload: bytes) -> bytes:
    return wrapper.wrap(wrapper.Wrapped(1, 16, payload))


def in_hdlc(payload: bytes, size: int = 120) -> bytes:
    return hdlc.encode_message(payload, destination=b"\x03", source=b"\x02\x23", size=size)


BLOCKS = gbt.split(CIPHERED, size=100)
LINES = {
    "raw": (CIPHERED, Framing.RAW, 1),
    "wrapper": (wrapped(CIPHERED), Framing.WRAPPER, 1),
    "short": (b"\x01\x10" + CIPHERED, Framing.SHORT, 1),
    "hdlc segments": (in_hdlc(CIPHERED), Framing.HDLC, 8),
    "hdlc, octets behind the APDU": (in_hdlc(CIPHERED + b"\x00\x00", 900), Framing.HDLC, 1),
    "mbus": (mbus.encode(CIPHERED, source=1, destination=103), Framing.MBUS, 4),
    "mbus, octets behind the APDU": (mbus.encode(CIPHERED + b"\x00", source=1, destination=103), Framing.MBUS, 4),
    "blocks": (b"".join(BLOCKS), Framing.RAW, 1),
    "blocks in wrappers": (b"".join(map(wrapped, reversed(BLOCKS))), Framing.WRAPPER, len(BLOCKS)),
    "blocks in hdlc": (b"".join(in_hdlc(block) for block in BLOCKS), Framing.HDLC, len(BLOCKS)),
    "blocks in short": (b"\x01\x10" + b"".join(BLOCKS), Framing.SHORT, 1),
    "parts in hdlc without segmentation": (
        b"".join(hdlc.encode(hdlc.HdlcFrame(b"\x03", b"\x21", 0x13, CIPHERED[at : at + 300])) for at in (0, 300, 600)),
        Framing.HDLC,
        3,
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_one_push_in_every_framing(name: str) -> None:
    line, framing, frames = LINES[name]
    for asked in (None, framing):
        received = receive(line, asked, READ)
        assert (received.framing, len(received.frames)) == (framing, frames)
        assert [frame.crc_ok for frame in received.frames] == [True if framing in ("hdlc", "mbus") else None] * frames
        (opened,) = received.opened
        assert (opened.apdu, opened.counter, opened.system_title) == (PUSH, 9, TITLE)


def test_several_whole_apdus_stay_several() -> None:
    other = ciphering.protect(apdu.encode(DataNotification(8, None, BODY)), keys=KEYS, system_title=TITLE, counter=10)
    for line in (wrapped(CIPHERED) + wrapped(other), in_hdlc(CIPHERED) + in_hdlc(other)):
        assert [one.counter for one in receive(line, None, READ).opened] == [9, 10]


VECTORS = [(AIDON, ReadKeys()), (SALZBURG, ReadKeys()), *((bytes.fromhex(one[0]), UDP_READ) for one in UDP_FRAMES)]
ALL = [*VECTORS, *((line, READ) for line, _, _ in LINES.values())]


def _plain(received: Received) -> object:
    return [one.apdu for one in received.opened]


@pytest.mark.parametrize(("line", "keys"), ALL)
def test_every_cut_is_refused_as_incomplete(line: bytes, keys: ReadKeys) -> None:
    whole = _plain(receive(line, None, keys))
    for end in range(1, len(line)):
        try:
            got = receive(line[:end], None, keys)
        except Incomplete:
            continue
        except (UnknownFraming, UnknownApdu, Malformed) as error:
            # Two octets of a short wrapper are not yet one; a cut between parts that do not say so is no APDU.
            assert end < 4 or b"\x7e\xa1" in line, (end, error)
            continue
        # Only whole frames behind a whole message may be missing: octets behind the APDU, a closing flag.
        assert _plain(got) == whole, end


@settings(max_examples=300)
@given(st.sampled_from(ALL), st.integers(0, 10_000), st.integers(0, 7))
@example((SALZBURG, ReadKeys()), 0, 7)
def test_an_altered_bit_raises_only_own_errors(one: tuple[bytes, ReadKeys], position: int, bit: int) -> None:
    line = bytearray(one[0])
    line[position % len(line)] ^= 1 << bit
    try:
        received = receive(bytes(line), None, one[1])
    except DlmsError as error:
        assert error.code in ("malformed", "incomplete", "unknown_apdu", "unknown_framing", "crc", "auth_failed")
        return
    if one[1] is not VECTORS[0][1] and one[1] is not VECTORS[1][1]:
        # What was proven by its tag is what was sent; addresses, titles of nobody and tails are not part of it.
        assert _plain(received) == _plain(receive(one[0], None, one[1]))


@given(st.binary(max_size=200), st.sampled_from([None, *Framing]))
def test_random_octets_raise_only_own_errors(line: bytes, framing: Framing | None) -> None:
    try:
        receive(line, framing, READ)
    except DlmsError as error:
        assert error.code in (
            "malformed",
            "incomplete",
            "unknown_apdu",
            "unknown_framing",
            "crc",
            "auth_failed",
            "key_missing",
        )


def test_encryption_alone_with_a_wrong_key_is_no_apdu() -> None:
    stream = bytearray(CIPHERED)
    at = 1 + 1 + 8 + 3  # tag, title with its length, length of the body in three octets
    stream[at] = 0x20
    # The tag at the end is not announced by this control octet: it decrypts to noise behind the APDU.
    assert receive(bytes(stream), None, READ).opened[0].apdu == PUSH
    assert receive(bytes(stream), None, ReadKeys(KEYS.encryption_key)).opened[0].apdu == PUSH
    with pytest.raises(AuthFailed):
        receive(bytes(stream), None, ReadKeys(bytes(16)))


@pytest.mark.parametrize(
    ("head", "stamp"),
    [
        ("0f00000007" + "00", None),
        ("0f00000007", None),
        ("0f00000007" + "0c" + STAMP.to_octets().hex(), STAMP),
        ("0f00000007" + "090c" + STAMP.to_octets().hex(), STAMP),
        ("0f00000007" + "19" + STAMP.to_octets().hex(), STAMP),
    ],
)
def test_the_date_time_of_a_push_in_all_its_forms(head: str, stamp: DateTime | None) -> None:
    line = bytes.fromhex(head) + axdr.encode(BODY)
    assert receive(line, None, ReadKeys()).opened[0].apdu == DataNotification(7, stamp, BODY)


def test_an_event_notification_and_its_octets() -> None:
    event = EventNotification(STAMP, 1, Obis(0, 0, 96, 11, 0), 2, Data(Tag.UNSIGNED, 40))
    line = apdu.encode(event)
    assert line.hex() == "c2010c" + STAMP.to_octets().hex() + "000100" + "00600b00ff02" + "1128"
    assert receive(line, None, ReadKeys()).opened[0].apdu == event
    silent = EventNotification(None, 1, Obis(0, 0, 96, 11, 0), 2, Data(Tag.NULL, None))
    assert apdu.encode(silent).hex() == "c200" + "0001" + "0000600b00ff" + "02" + "00"
    assert receive(apdu.encode(silent), None, ReadKeys()).opened[0].apdu == silent
    # The same, protected by the service's own form.
    inner = ciphering.protect(line, keys=KEYS, system_title=TITLE, counter=3)[10:]
    opened = receive(b"\xca" + inner, None, ReadKeys(KEYS.encryption_key, KEYS.authentication_key, TITLE)).opened[0]
    assert (opened.apdu, opened.counter, opened.system_title) == (event, 3, TITLE)


NAME = bytes.fromhex("0100010800ff")


def test_a_body_without_an_apdu() -> None:
    line = axdr.encode(structure(octets(NAME), Data(Tag.LONG, 5)))
    assert receive(line, None, ReadKeys()).opened[0].apdu == structure(octets(NAME), Data(Tag.LONG, 5))


def test_names_with_tag_and_length_exchanged() -> None:
    right = structure(octets(NAME), Data(Tag.DOUBLE_LONG_UNSIGNED, 5), octets(NAME), Data(Tag.LONG, 6))
    line = apdu.encode(DataNotification(1, STAMP, right)).replace(b"\x09\x06" + NAME, b"\x06\x09" + NAME)
    assert b"\x06\x09" in line
    assert receive(line, None, ReadKeys()).opened[0].apdu == DataNotification(1, STAMP, right)


def test_attribute_descriptors_without_tags() -> None:
    line = bytes.fromhex("0f00000001" + "00" + "0102" + ("0202" + "0003" + NAME.hex() + "02" + "0600000005") * 2)
    row = structure(Data(Tag.LONG_UNSIGNED, 3), octets(NAME), Data(Tag.UNSIGNED, 2), Data(Tag.DOUBLE_LONG_UNSIGNED, 5))
    expected = DataNotification(1, None, Data(Tag.ARRAY, (row, row)))
    assert receive(line, None, ReadKeys()).opened[0].apdu == expected


def test_layers_have_an_end() -> None:
    line = apdu.encode(PUSH)
    for counter in range(5):
        line = ciphering.protect(line, keys=KEYS, system_title=TITLE, counter=counter)
    with pytest.raises(Malformed):
        receive(line, None, READ)
