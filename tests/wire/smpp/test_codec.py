"""The PDU codec: every command and every TLV there and back, and octets of strangers that only raise its own error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.errors import MalformedPDU, RemoteProtocolError, SMPPError
from duaarah.wire.smpp.parts import part_of
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.session import Session

COMMANDS = {
    0x80000000,  # generic_nack
    *(0x01, 0x80000001, 0x02, 0x80000002, 0x09, 0x80000009),  # the three binds
    *(0x04, 0x80000004, 0x05, 0x80000005),  # submit_sm, deliver_sm
    *(0x06, 0x80000006, 0x15, 0x80000015),  # unbind, enquire_link
}
# Tables 5-7 of SMPP 3.4: every optional parameter that a submit_sm or deliver_sm may carry, and two of nobody.
TLVS_OF_MESSAGES = (
    *(0x0005, 0x0006, 0x0007, 0x0008, 0x000D, 0x000E, 0x000F, 0x0010, 0x0017, 0x0019, 0x001D, 0x001E, 0x0030),
    *(0x0201, 0x0202, 0x0203, 0x0204, 0x0205, 0x020A, 0x020B, 0x020C, 0x020D, 0x020E, 0x020F, 0x0210),
    *(0x0302, 0x0303, 0x0304, 0x0381, 0x0420, 0x0421, 0x0422, 0x0423, 0x0424, 0x0425, 0x0426, 0x0427, 0x0428),
    *(0x0501, 0x1201, 0x1203, 0x1204, 0x130C, 0x1380, 0x1383),
    *(0x1501, 0x3FFF),
)
TLV_LIST = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4).map(tuple)


def words(longest: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=longest)


@st.composite
def pdus(draw: st.DrawFn, command: int) -> PDU:
    """Any PDU of a command that the specification allows."""
    layout = p._FIELDS[command]
    message = draw(st.binary(max_size=254)) if command in (p.SUBMIT_SM, p.DELIVER_SM) else b""
    return PDU(
        command,
        draw(st.integers(0, 0xFFFFFFFF)),
        draw(st.integers(0, 0xFFFFFFFF)),
        {name: draw(words(longest)) for name, longest in layout if longest},
        {name: draw(st.integers(0, 255)) for name, longest in layout if not longest},
        message,
        draw(TLV_LIST),
    )


def test_these_are_all_commands() -> None:
    assert set(p._FIELDS) == COMMANDS


@pytest.mark.parametrize("command", sorted(COMMANDS), ids=hex)
@given(data=st.data())
def test_every_command_there_and_back(command: int, data: st.DataObject) -> None:
    pdu = data.draw(pdus(command))
    octets = p.encode(pdu)
    assert p.decode(octets) == pdu
    # In the middle of others, however it is cut, it is the same one: encoded again it is the same octets.
    assert p.encode(p.decode(octets)) == octets


@pytest.mark.parametrize("tag", TLVS_OF_MESSAGES, ids=hex)
def test_every_tlv_is_kept_with_its_octets(tag: int) -> None:
    for content in (b"", b"\0", b"\xff" * 255, bytes(range(256)) * 3):
        pdu = PDU(p.DELIVER_SM, 7, tlvs=((0x1501, b"before"), (tag, content), (0x1502, b"behind")))
        found = p.decode(p.encode(pdu)).tlvs
        assert found == pdu.tlvs
    assert p.decode(p.encode(PDU(p.SUBMIT_SM, 1, tlvs=((p.TLV_MESSAGE_PAYLOAD, b"x" * 900),)))).payload == b"x" * 900


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=120), st.integers(0, 0xFFFFFFFF))
def test_random_bodies_of_every_command_raise_only_the_codecs_own_error(command: int, body: bytes, status: int) -> None:
    octets = p.HEADER.pack(16 + len(body), command, status, 1) + body
    try:
        decoded = p.decode(octets)
    except MalformedPDU as error:
        assert error.sequence == 1
        return
    # What reads a delivery goes on with it: nothing there raises either.
    if receipt.is_receipt(decoded):
        receipt.parse(decoded)
    part_of(decoded)


@given(st.binary(max_size=100))
def test_random_octets_raise_only_the_codecs_own_error(octets: bytes) -> None:
    with contextlib.suppress(MalformedPDU):
        p.decode(octets)


@given(st.sampled_from(sorted(COMMANDS)), st.data())
def test_a_flipped_or_cut_pdu_raises_only_the_codecs_own_error(command: int, data: st.DataObject) -> None:
    octets = bytearray(p.encode(data.draw(pdus(command))))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    cut = octets[: data.draw(st.integers(0, len(octets)))]
    for candidate in (bytes(octets), bytes(cut), len(cut).to_bytes(4, "big") + bytes(cut[4:])):
        try:
            p.decode(candidate)
        except MalformedPDU:
            continue


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_a_session_takes_any_octets_and_raises_only_its_own_error(chunks: list[bytes]) -> None:
    session = Session()
    try:
        for number, chunk in enumerate(chunks):
            session.receive(chunk, number)
            session.tick(number)
    except SMPPError as error:
        assert isinstance(error, RemoteProtocolError)


@pytest.mark.parametrize(
    "pdu",
    [
        PDU(0x0103, 1),
        PDU(p.SUBMIT_SM, 1, text={"source_addr": "1" * 21}),
        PDU(p.SUBMIT_SM, 1, text={"source_addr": "1\0"}),
        PDU(p.SUBMIT_SM, 1, number={"dest_addr_ton": 256}),
        PDU(p.SUBMIT_SM, 1, number={"dest_addr_ton": -1}),
        PDU(p.SUBMIT_SM, 1, short_message=bytes(255)),
        PDU(p.SUBMIT_SM, 1, tlvs=((1, bytes(65_536)),)),
        PDU(p.SUBMIT_SM, 1, tlvs=((65_536, b""),)),
        PDU(p.SUBMIT_SM, -1),
        PDU(p.SUBMIT_SM, 1 << 32),
        PDU(p.SUBMIT_SM, 1, 1 << 32),
    ],
)
def test_what_is_no_pdu_is_not_written(pdu: PDU) -> None:
    with pytest.raises(MalformedPDU):
        p.encode(pdu)
