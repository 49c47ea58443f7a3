"""Two sessions back to back, bytes as the network cuts them, and octets that a stranger may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.errors import LocalProtocolError, MalformedPDU, RemoteProtocolError
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.session import UNANSWERED, Answered, LinkDead, Request, Session, State, Unanswered


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


WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=15)
TLVS = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=30)), max_size=4).map(tuple)


@given(WORD, WORD, st.binary(max_size=254), TLVS, st.integers(0, 255), st.integers(1, 0x7FFFFFFF))
def test_what_is_encoded_is_decoded(
    source: str, destination: str, payload: bytes, tlvs: tuple, coding: int, sequence: int
) -> None:
    text = {"source_addr": source, "destination_addr": destination}
    pdu = PDU(p.DELIVER_SM, sequence, 0, text, {"data_coding": coding}, payload, tlvs)
    read = p.decode(p.encode(pdu))
    assert {name: value for name, value in read.text.items() if value} == {k: v for k, v in text.items() if v}
    assert read.number["data_coding"] == coding and read.short_message == payload and read.tlvs == tlvs
    assert read.sequence == sequence


@given(st.lists(st.tuples(st.sampled_from("sadtu"), st.integers(1, 40)), max_size=60), st.integers(1, 4))
def test_whatever_happens_every_message_ends_once_and_the_window_holds(steps: list, window: int) -> None:
    esme, smsc = bound_pair(window)
    smsc.window = 1_000
    to_smsc, to_esme, asked = bytearray(), bytearray(), []
    sent, now_s = 0, 1.0
    ended: list[object] = []

    def told(events: list) -> None:
        ended.extend(e.token for e in events if isinstance(e, Answered | Unanswered) and e.token is not None)

    for what, size in steps:
        now_s += 0.5
        if what == "s" and esme.free:
            to_smsc += submit(esme, sent := sent + 1, bytes(size), now_s)
        elif what == "a" and asked:
            to_esme += smsc.respond(asked.pop(size % len(asked)).pdu, message_id="x")
        elif what == "d" and smsc.state is State.BOUND:
            to_esme += smsc.send_message(p.DELIVER_SM, None, now_s, text={}, number={}, short_message=bytes(size))
        elif what == "t":
            told(esme.tick(now_s)[0])
        elif what == "u" and smsc.state is State.BOUND and size > 38:
            to_esme += smsc.unbind(now_s)
        got, answer = smsc.receive(bytes(to_smsc[:size]), now_s)
        del to_smsc[:size]
        to_esme += answer
        asked += [e for e in got if isinstance(e, Request) and e.pdu.command == p.SUBMIT_SM]
        got, answer = esme.receive(bytes(to_esme[:size]), now_s)
        del to_esme[:size]
        to_smsc += answer
        told(got)
        assert 0 <= esme.outstanding <= window and esme.outstanding == sent - len(ended)
    told(esme.lost())
    assert sorted(ended) == list(range(1, sent + 1)) and esme.outstanding == 0


def test_an_unbind_from_the_peer_is_answered_when_nothing_waits() -> None:
    esme, smsc = bound_pair()
    (request,), _ = smsc.receive(submit(esme, 1), 1)
    events, reply = esme.receive(smsc.unbind(2), 2)
    assert (events, reply, esme.state, esme.free) == ([], b"", State.DRAINING, 0)
    events, reply = esme.receive(smsc.respond(request.pdu, message_id="m"), 3)
    assert [type(e) for e in events] == [Answered, Request] and esme.state is State.CLOSED
    assert p.decode(reply) == PDU(p.UNBIND | p.RESPONSE, 1)


def test_a_late_response_is_still_told_when_asked_for() -> None:
    esme = Session(keep_late=True)
    smsc = Session()
    (request,), _ = smsc.receive(esme.bind(system_id="a", password="b", address_range="", now_s=0), 0)
    esme.receive(smsc.respond(request.pdu), 0)
    (asked,), _ = smsc.receive(submit(esme, "late", now_s=1), 1)
    assert esme.tick(30)[0] == [Unanswered("late")]
    (answer,), _ = esme.receive(smsc.respond(asked.pdu, message_id="m"), 31)
    assert answer.token == "late" and esme.outstanding == 0
    assert esme.receive(smsc.respond(asked.pdu, message_id="m"), 32)[0] == []


def keeping(window: int) -> tuple[Session, Session]:
    esme, smsc = Session(window=window, keep_late=True), Session()
    (request,), _ = smsc.receive(esme.bind(system_id="a", password="b", address_range="", now_s=0), 0)
    esme.receive(smsc.respond(request.pdu), 0)
    return esme, smsc


def test_what_stayed_unanswered_keeps_its_place_until_the_response_or_a_new_connection() -> None:
    esme, smsc = keeping(3)
    (asked,), _ = smsc.receive(submit(esme, "late", now_s=1), 1)
    assert esme.tick(12)[0] == [Unanswered("late")] and (esme.outstanding, esme.free) == (0, 2)
    submit(esme, "other", now_s=12)
    assert esme.free == 1
    esme.receive(smsc.respond(asked.pdu, message_id="m"), 13)
    assert esme.free == 2


def test_half_of_the_window_unanswered_ends_the_link_when_nothing_waits_any_more() -> None:
    esme, smsc = keeping(4)
    for number in (1, 2):
        submit(esme, number, now_s=1)
    (asked,), _ = smsc.receive(submit(esme, 3, now_s=8), 8)
    assert esme.tick(12)[0] == [Unanswered(1), Unanswered(2)]
    # One still waits: nothing new, and not yet the end.
    assert esme.free == 0 and esme.outstanding == 1
    esme.receive(smsc.respond(asked.pdu, message_id="m"), 13)
    assert esme.tick(13)[0] == [LinkDead(UNANSWERED)]
    assert esme.lost() == []


def test_a_response_of_another_command_is_no_answer() -> None:
    esme, smsc = bound_pair()
    (asked,), _ = smsc.receive(submit(esme, 1), 1)
    wrong = p.encode(PDU(p.ENQUIRE_LINK | p.RESPONSE, asked.pdu.sequence))
    assert esme.receive(wrong, 1) == ([], b"") and esme.outstanding == 1
    (answer,), _ = esme.receive(smsc.respond(asked.pdu, message_id="m"), 2)
    assert answer.token == 1


@pytest.mark.parametrize("status", [0, p.ESME_RINVCMDID])
def test_a_bind_that_is_nacked_is_refused(status: int) -> None:
    esme = Session()
    esme.bind(system_id="a", password="b", address_range="", now_s=0)
    (answer,), _ = esme.receive(p.encode(PDU(p.GENERIC_NACK, 1, status)), 0)
    assert answer.pdu.command == p.BIND_TRANSCEIVER | p.RESPONSE and answer.pdu.status == (status or 0xFF)
    assert esme.state is State.OPEN


def test_a_malformed_response_is_not_answered_and_leaves_its_message_unanswered() -> None:
    esme, smsc = bound_pair()
    (asked,), _ = smsc.receive(submit(esme, 1), 1)
    head = p.HEADER.pack(20, p.SUBMIT_SM | p.RESPONSE, 0, asked.pdu.sequence)
    assert esme.receive(head + b"noen", 2) == ([], b"") and esme.outstanding == 1
    assert esme.tick(12)[0] == [Unanswered(1)]


def test_who_answers_enquire_link_late_but_speaks_is_not_dead() -> None:
    esme, smsc = bound_pair()
    assert esme.tick(40)[1]
    esme.receive(smsc.send_message(p.DELIVER_SM, 1, 45, text={}, number={}, short_message=b"x"), 45)
    assert esme.tick(51) == ([], b"")
    # And is asked again when it falls silent.
    assert p.decode(esme.tick(76)[1]).command == p.ENQUIRE_LINK


def test_what_came_whole_before_the_framing_was_lost_is_told() -> None:
    esme, smsc = bound_pair()
    (asked,), _ = smsc.receive(submit(esme, 1), 1)
    oversized = (70_000).to_bytes(4, "big") + bytes(12)
    (answer,), _ = esme.receive(smsc.respond(asked.pdu, message_id="m") + oversized, 2)
    assert answer.token == 1
    with pytest.raises(RemoteProtocolError):
        esme.tick(2)
    assert esme.lost() == []


def test_validity_is_relative() -> None:
    assert p.relative_validity(24 * 3600) == "000001000000000R"
    assert p.relative_validity(90) == "000000000130000R"
