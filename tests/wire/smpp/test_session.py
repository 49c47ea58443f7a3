"""Two sessions back to back, bytes as the network cuts them, and octets that a stranger may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.errors import LocalProtocolError, MalformedPDU, RemoteProtocolError
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.session import Answered, LinkDead, Request, Session, State, Unanswered


def bound_pair(window: int = 2) -> tuple[Session, Session]:
    esme, smsc = Session(window=window), Session(window=window)
    (request,), _ = smsc.receive(esme.bind(system_id="a", password="b", address_range="", now_s=0), 0)
    assert isinstance(request, Request) and request.pdu.text["password"] == "b"
    (granted,), _ = esme.receive(smsc.respond(request.pdu, system_id="mc"), 0)
    assert isinstance(granted, Answered) and esme.state is smsc.state is State.BOUND
    return esme, smsc


def submit(esme: Session, token: object, payload: bytes = b"hello", now_s: float = 1) -> bytes:
    text = {"source_addr": "3123", "destination_addr": "62811000001"}
    return esme.send_message(p.SUBMIT_SM, token, now_s, text=text, number={"data_coding": 4}, short_message=payload)


@given(st.binary(max_size=140), st.integers(1, 60))
def test_a_message_arrives_whole_however_it_is_cut(payload: bytes, cut: int) -> None:
    esme, smsc = bound_pair()
    octets = submit(esme, 7, payload) + submit(esme, 8, b"second")
    events = []
    for start in range(0, len(octets), cut):
        got, _ = smsc.receive(octets[start : start + cut], 1)
        events += got
    assert [event.pdu.payload for event in events] == [payload, b"second"]
    answers, _ = esme.receive(b"".join(smsc.respond(e.pdu, message_id="x1") for e in reversed(events)), 1)
    assert [(a.token, a.pdu.text["message_id"]) for a in answers] == [(8, "x1"), (7, "x1")]


def test_the_window_is_never_exceeded() -> None:
    esme, _ = bound_pair(window=2)
    submit(esme, 1)
    submit(esme, 2)
    assert esme.free == 0
    with pytest.raises(LocalProtocolError):
        submit(esme, 3)


def test_what_stays_unanswered_is_said_to_be_so() -> None:
    esme, _ = bound_pair()
    submit(esme, "late", now_s=1)
    assert esme.tick(5)[0] == []
    assert esme.tick(11)[0] == [Unanswered("late")]
    submit(esme, "lost", now_s=12)
    assert esme.lost() == [Unanswered("lost")] and esme.state is State.CLOSED


def test_a_silent_link_is_asked_and_then_declared_dead() -> None:
    esme, smsc = bound_pair()
    _, question = esme.tick(40)
    events, answer = smsc.receive(question, 40)
    assert events == [] and esme.receive(answer, 40) == ([], b"")
    _, question = esme.tick(80)
    assert question and esme.tick(91)[0] == [LinkDead()]


def test_unknown_commands_and_unbound_messages_are_answered_not_fatal() -> None:
    smsc = Session()
    events, reply = smsc.receive(p.HEADER.pack(16, 0x00010200, 0, 9), 0)
    assert events == [] and p.decode(reply) == PDU(p.GENERIC_NACK, 9, p.ESME_RINVCMDID)
    early = p.encode(PDU(p.SUBMIT_SM, 3, text={"source_addr": "1"}))
    _, reply = smsc.receive(early, 0)
    assert p.decode(reply).status == p.ESME_RINVBNDSTS


def test_an_impossible_length_ends_the_link() -> None:
    with pytest.raises(RemoteProtocolError):
        Session().receive(b"\xff\xff\xff\xff" + bytes(12), 0)


@given(st.binary(max_size=80))
def test_random_octets_raise_only_the_codecs_own_error(octets: bytes) -> None:
    framed = (16 + len(octets)).to_bytes(4, "big") + p.SUBMIT_SM.to_bytes(4, "big") + bytes(8) + octets
    for candidate in (octets, framed):
        try:
            decoded = p.decode(candidate)
        except MalformedPDU:
            continue
        assert isinstance(decoded, PDU)


@pytest.mark.parametrize(
    ("text", "tlvs", "key", "state"),
    [
        (b"id:00ab sub:001 dlvrd:001 submit date:1 done date:2 stat:DELIVRD err:000 text:x", (), "ab", 2),
        (b"id: 171 stat:UNDELIV", (), "ab", 5),
        (b"", ((p.TLV_RECEIPTED_MESSAGE_ID, b"AB\0"), (p.TLV_MESSAGE_STATE, b"\x03")), "171", 3),
    ],
)
def test_receipts_of_every_dialect(text: bytes, tlvs: tuple, key: str, state: int) -> None:
    pdu = PDU(p.DELIVER_SM, 1, number={"esm_class": 0x04}, short_message=text, tlvs=tlvs)
    found = receipt.parse(pdu)
    assert receipt.is_receipt(pdu) and found is not None
    assert key in found.message_ids and found.state == state
    assert receipt.parse(PDU(p.DELIVER_SM, 1, short_message=b"hello")) is None


def test_validity_is_relative() -> None:
    assert p.relative_validity(24 * 3600) == "000001000000000R"
    assert p.relative_validity(90) == "000000000130000R"
