"""Each fault switch of the SMSC, seen by a client that is nothing but a socket, and by the platform's own session."""

from __future__ import annotations

import time

import pytest
from tests.sim.smsc.peers import METER, running

from duaarah.net.jsonport import ControlFailed
from duaarah.sim.smsc.faults import FaultRefused, Faults, from_words
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.session import Answered, LinkDead, Request, Session, State

SECOND = "000000000001000R"


def test_the_next_n_are_throttled_and_nothing_of_them_is_delivered() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        smsc.ask("fault", throttle=2, throttle_status="0x14")
        for payload in (b"1", b"2", b"3"):
            platform.submit(payload)
        assert [platform.next().status for _ in range(3)] == [p.ESME_RMSGQFUL, p.ESME_RMSGQFUL, 0]
        assert town.deliver().payload == b"3" and town.nothing()
        assert smsc.ask("stats")["segments"] == {"platform": 1, "town": 0}
        assert smsc.ask("throttle", n=1) == {"ok": True}
        platform.submit()
        assert platform.next().status == p.ESME_RMSGQFUL
        smsc.ask("fault", reset=True, throttle=1)
        platform.submit()
        assert platform.next().status == p.ESME_RTHROTTLED


def test_statuses_by_script_come_in_their_order() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        assert smsc.ask("fault", statuses="0x45,0,8")["set"] == {"statuses": "0x45,0x0,0x8"}
        for payload in (b"1", b"2", b"3", b"4"):
            platform.submit(payload)
        assert [platform.next().status for _ in range(4)] == [0x45, 0, 8, 0]
        assert [town.deliver().payload for _ in range(2)] == [b"2", b"4"]


def test_a_message_without_response_is_taken_counted_and_delivered() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        smsc.ask("fault", noresp=1)
        platform.submit(b"silent")
        assert town.deliver().payload == b"silent" and platform.nothing()
        second = platform.submit(b"heard")
        answer = platform.next()
        assert (answer.sequence, answer.text["message_id"]) == (second, "0000000002")
        assert smsc.ask("stats")["segments"]["platform"] == 2


def test_half_a_response_then_the_end() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        smsc.ask("fault", cut=1)
        platform.submit(b"taken")
        with pytest.raises(EOFError):
            platform.next()
        # A bind_transceiver_resp of 29 octets, and 13 of 27.
        assert len(b"".join(platform.reads)) == 29 + 13
        assert town.deliver().payload == b"taken"
        assert smsc.ask("stats")["bound"] == ["town"]


def test_half_a_deliver_then_the_end_and_it_comes_again_on_the_next_bind() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        smsc.ask("fault", noresp=1, cut=1)
        platform.submit(b"important")
        with pytest.raises(EOFError):
            town.next()
        again = smsc.client()
        again.bind("town", address_range="^62")
        assert again.deliver().payload == b"important" and again.nothing()


def test_the_server_asks_to_unbind_and_takes_no_more() -> None:
    with running() as smsc:
        platform, _town = smsc.pair()
        assert smsc.ask("unbind", account="platform") == {"ok": True, "binds": 1}
        asked = platform.next()
        assert asked.command == p.UNBIND
        platform.submit(b"too late")
        assert platform.next().status == p.ESME_RINVBNDSTS
        platform.ack(asked)
        with pytest.raises(EOFError):
            platform.next()
        assert smsc.ask("stats")["segments"]["platform"] == 0


def test_an_early_receipt_comes_before_its_response() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        smsc.ask("fault", receipts="early")
        sequence = platform.submit(receipt=True)
        town.deliver()
        first, second = platform.next(), platform.next()
        assert (first.command, second.command, second.sequence) == (p.DELIVER_SM, p.SUBMIT_SM | p.RESPONSE, sequence)
        told = receipt.parse(first)
        assert told is not None and second.text["message_id"] in told.message_ids


def test_late_lost_doubled_and_shuffled_receipts() -> None:
    with running(seed=3) as smsc:
        platform, town = smsc.pair()

        def receipts(n: int, m: int) -> list[str]:
            """The ids of m receipts for n messages, as numbers within them."""
            asked = []
            for _ in range(n):
                platform.submit(receipt=True)
                town.deliver()
                asked.append(platform.next().text["message_id"])
            found = [receipt.parse(platform.deliver()) for _ in range(m)]
            assert platform.nothing()
            return [str(next(i for i, a in enumerate(asked) if r and a in r.message_ids)) for r in found]

        # The town acknowledges before the platform reads: keep receipts away from the responses.
        smsc.ask("fault", receipt_delay_s=0.4)
        began_s = time.monotonic()
        assert receipts(1, 1) == ["0"] and time.monotonic() - began_s >= 0.4
        smsc.ask("fault", receipt_lose=1)
        assert receipts(2, 1) == ["1"]
        smsc.ask("fault", receipt_double=1)
        assert receipts(2, 3) == ["0", "0", "1"]
        smsc.ask("fault", reset=True, receipt_shuffle=8)
        order = receipts(8, 8)
        assert sorted(order) == list("01234567") and order != list("01234567")


@pytest.mark.parametrize(
    ("form", "words", "tagged"),
    [
        ("both", b" submit date:", True),
        ("tlv", b"", True),
        ("text", b" done date:", False),
        ("tight", b" submitdate:", False),
        ("short", b" stat:DELIVRD", False),
    ],
)
@pytest.mark.parametrize(
    ("ids", "response", "told"),
    [
        ("padded", "0000043981", "0000043981"),
        ("unpadded", "0000043981", "43981"),
        ("hex-decimal", "abcd", "43981"),
        ("decimal-hex", "43981", "abcd"),
        ("upper-lower", "0000ABCD", "0000abcd"),
    ],
)
def test_receipts_in_every_dialect(form: str, words: bytes, tagged: bool, ids: str, response: str, told: str) -> None:
    with running(first_number=43_981) as smsc:
        platform, town = smsc.pair()
        smsc.ask("fault", receipt_form=form, ids=ids)
        platform.submit(receipt=True)
        assert platform.next().text["message_id"] == response
        town.deliver()
        pdu = platform.deliver()
        value = pdu.tlv(p.TLV_RECEIPTED_MESSAGE_ID)
        assert value == (told.encode() + b"\0" if tagged else None) and words in pdu.payload
        assert (pdu.payload == b"") == (form == "tlv")
        assert pdu.payload.startswith(f"id:{told} ".encode()) or form == "tlv"
        parsed = receipt.parse(pdu)
        assert parsed is not None and parsed.state == 2
        assert set(receipt.id_keys(response)) & set(parsed.message_ids)


def test_single_octets_and_one_piece() -> None:
    with running() as smsc:
        platform, _town = smsc.pair()
        smsc.ask("fault", chunks="octets")
        platform.reads.clear()
        platform.submit()
        assert platform.next().text["message_id"] == "0000000001"
        assert len(platform.reads) > 10 and sum(map(len, platform.reads)) == 27
        smsc.ask("fault", chunks="joined")
        platform.reads.clear()
        for _ in range(5):
            platform.submit()
        assert [platform.next().text["message_id"] for _ in range(5)] == [f"{n:010d}" for n in range(2, 7)]
        assert [len(piece) for piece in platform.reads] == [5 * 27]


def test_unknown_tlvs_and_commands_are_nothing_to_the_platforms_session() -> None:
    with running() as smsc:
        _platform, town = smsc.pair()
        smsc.ask("fault", unknown_tlv=1, unknown_command=1)
        smsc.ask("mo", **{"from": "3123", "to": METER, "hex": "c0ffee"})
        session = Session()
        session.state = State.BOUND
        events: list[object] = []
        replies = b""
        while not events:
            got, answer = session.receive(town.octets(1), 0)
            events += got
            replies += answer
        (request,) = events
        assert isinstance(request, Request) and request.pdu.payload == b"\xc0\xff\xee"
        assert request.pdu.tlvs == ((0x1400, b"nobody knows"),)
        assert p.decode(replies).command == p.GENERIC_NACK


def test_an_oversized_pdu_ends_the_platforms_session() -> None:
    with running() as smsc:
        platform, _town = smsc.pair()
        smsc.ask("fault", oversize=1)
        platform.submit()
        head = platform.octets(16)
        assert int.from_bytes(head[:4], "big") == 70_000 and len(platform.octets(69_984)) == 69_984
        with pytest.raises(Exception, match="70000 octets is not taken"):
            Session().receive(head, 0)


def test_enquire_link_unanswered_once_then_answered() -> None:
    with running() as smsc:
        platform, _town = smsc.pair()
        smsc.ask("fault", enquire_silent=1)
        session = Session(enquire_link_s=10, response_timeout_s=5)
        session.state = State.BOUND
        session.tick(0)
        _, question = session.tick(11)
        platform.socket.sendall(question)
        assert platform.nothing()
        assert session.tick(20)[0] == [LinkDead()]
        platform.send(p.ENQUIRE_LINK)
        assert platform.next().command == p.ENQUIRE_LINK | p.RESPONSE


def test_binds_are_refused_n_times_then_granted() -> None:
    with running() as smsc:
        smsc.ask("fault", bind_refuse=2)
        client = smsc.client()
        assert [client.bind().status for _ in range(3)] == [p.ESME_RBINDFAIL, p.ESME_RBINDFAIL, 0]
        smsc.ask("fault", bind_refuse=1, bind_status="0x0F")
        session = Session()
        other = smsc.client()
        other.socket.sendall(session.bind(system_id="platform", password="a", address_range="", now_s=0))
        (answered,) = session.receive(p.encode(other.next()), 0)[0]
        assert isinstance(answered, Answered) and answered.pdu.status == 0x0F and session.state is State.OPEN


def test_transmitter_and_receiver_share_the_work() -> None:
    with running() as smsc:
        sender, taker, town = smsc.client(), smsc.client(), smsc.client()
        assert sender.bind(command=p.BIND_TRANSMITTER, address_range="^3123$").command == 0x80000002
        assert taker.bind(command=p.BIND_RECEIVER, address_range="^3123$").command == 0x80000001
        town.bind("town", address_range="^62")
        taker.submit()
        assert taker.next().status == p.ESME_RINVBNDSTS
        sender.submit(b"down", receipt=True)
        assert sender.next().status == 0
        assert town.deliver().payload == b"down"
        assert receipt.is_receipt(taker.deliver())
        smsc.ask("mo", **{"from": METER, "to": "3123", "text": "SALDO"})
        assert taker.deliver().payload == b"SALDO" and sender.nothing()


def test_a_late_deliver_sm_resp_brings_it_again_under_a_new_sequence_number() -> None:
    with running() as smsc:
        smsc.ask("fault", redeliver_s=0.3)
        platform, town = smsc.pair()
        platform.submit(b"twice")
        platform.next()
        first, second = town.next(), town.next()
        assert first.sequence != second.sequence and first.payload == second.payload == b"twice"
        town.ack(second)
        assert town.nothing(0.8)


def test_what_cannot_be_delivered_expires_and_says_so() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        smsc.ask("fault", unreachable=f"^{METER}$")
        platform.submit(b"stale", receipt=True, validity=SECOND)
        platform.next()
        told = receipt.parse(platform.deliver())
        assert told is not None and (told.state, b"stat:EXPIRED" in told.text.encode()) == (3, True)
        smsc.ask("fault", unreachable="")
        assert town.nothing() and smsc.ask("stats")["expired"] == 1 and smsc.ask("stats")["pending"] == 0
        smsc.ask("fault", unreachable=f"^{METER}$")
        platform.submit(b"in time", validity="000000000100000R")
        platform.next()
        assert town.nothing()
        smsc.ask("fault", unreachable="")
        assert town.deliver().payload == b"in time"


@pytest.mark.parametrize("way", ["udh8", "udh16", "sar"])
def test_parts_in_any_order_and_twice(way: str) -> None:
    text = "".join(chr(ord("a") + n % 26) for n in range(400))
    with running() as smsc:
        platform, _town = smsc.pair()
        asked = {"from": METER, "to": "3123", "text": text, "concat": way, "reference": 0x1234, "order": [3, 1, 1, 2]}
        assert smsc.ask("mo", **asked) == {"parts": 3, "sent": 4}
        parts = {}
        came = []
        for pdu in (platform.deliver() for _ in range(4)):
            if way == "sar":
                number, piece = (pdu.tlv(0x020F) or b"")[0], pdu.payload
                assert (pdu.tlv(0x020C), pdu.tlv(0x020E)) == (b"\x12\x34", b"\x03") and pdu.number["esm_class"] == 0
            else:
                head = pdu.payload[0] + 1
                assert pdu.number["esm_class"] == 0x40
                assert pdu.payload[1:-1].startswith(b"\0\3\x34\3" if way == "udh8" else b"\x08\4\x12\x34\3")
                number, piece = pdu.payload[head - 1], pdu.payload[head:]
            parts[number] = piece
            came.append(number)
        assert came == [3, 1, 1, 2]
        assert b"".join(parts[n] for n in (1, 2, 3)).decode() == text
        with pytest.raises(ControlFailed, match="parts from 1 to 3"):
            smsc.ask("mo", **{**asked, "order": [1, 4]})
        assert platform.nothing()


def test_shares_fall_by_the_seed() -> None:
    def falls(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.set({"lose": "0.05"})
        return [faults.loses("1") for _ in range(2000)]

    assert falls(7) == falls(7) != falls(8)
    assert 70 <= sum(falls(7)) <= 130
    with running(seed=7) as smsc:
        platform, town = smsc.pair()
        smsc.ask("fault", lose=0.5, double=0.5)
        dice = Faults(7)
        dice.set({"lose": 0.5, "double": 0.5})
        expected = []
        for n in range(20):
            platform.submit(bytes([n]))
            platform.next()
            if not dice.falls("lose"):
                expected += [bytes([n])] * (1 + dice.falls("double"))
        assert [town.deliver().payload for _ in expected] == expected and town.nothing()
        assert smsc.ask("stats")["lost"] == dice.done["lose"]


@pytest.mark.parametrize(
    "word", ["nothing=1", "throttle=-1", "throttle=1.5", "ids=roman", "unreachable=(", "statuses=x"]
)
def test_a_wrong_switch_turns_nothing(word: str) -> None:
    faults = Faults()
    with pytest.raises(FaultRefused, match="is no fault; the switches are throttle"):
        faults.set({"noresp": 3, **from_words([word])})
    assert faults.shown() == {"seed": 1, "set": {}, "done": {}}


def test_a_refused_bind_and_an_unknown_number_move_nothing() -> None:
    with running() as smsc:
        client = smsc.client()
        client.send(p.BIND_TRANSCEIVER, text={"system_id": "platform", "password": "wrong"})
        assert client.next() == PDU(p.BIND_TRANSCEIVER | p.RESPONSE, 1, p.ESME_RINVPASWD, text={"system_id": ""})
        assert smsc.ask("stats")["bound"] == []
