"""The town's end of the SMPP link without a socket: order, repetition, and when an SMS is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from duaarah.sim.town import link as module
from duaarah.sim.town.link import ATTEMPTS_MAX, TownLink
from duaarah.sim.town.sms import BINARY, GSM7, Outgoing
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.pdu import PDU


class Air:
    """Stands where the ESME is: notes what is submitted and acknowledged."""

    def __init__(self, window: int = 50) -> None:
        self.window = window
        self.submitted: list[Any] = []
        self.acked: list[PDU] = []

    @property
    def free(self) -> int:
        return self.window - len(self.submitted)

    def submit(self, token: Any, **_: object) -> None:
        self.submitted.append(token)

    def ack(self, pdu: PDU) -> None:
        self.acked.append(pdu)


def _link(
    receive: Callable[[str, bytes, int], object] = lambda *_: None, window: int = 50
) -> tuple[TownLink, Air, list[int]]:
    settled: list[int] = []
    link = TownLink(host="", port=0, system_id="", password="", receive=receive, settled=settled.append)
    air = Air(window)
    link.esme = air  # type: ignore[assignment]
    return link, air, settled


def _sms(source: str, text: bytes, row: int | None = None) -> Outgoing:
    return Outgoing(source, text, GSM7, row)


def _answer(link: TownLink, air: Air, status: int = p.ESME_ROK) -> bytes:
    """The oldest submitted one is answered; its text."""
    token = air.submitted.pop(0)
    link.on_response(token, status, "1")
    payload: bytes = token.sms.payload
    return payload


def test_messages_of_one_source_go_one_after_the_other_and_others_do_not_wait() -> None:
    link, air, settled = _link()
    for row, (source, text) in enumerate((("a", b"a1"), ("a", b"a2"), ("b", b"b1"), ("a", b"a3")), start=1):
        link.send(_sms(source, text, row))
    assert [token.sms.payload for token in air.submitted] == [b"a1", b"b1"] and link.busy == 4
    assert [_answer(link, air) for _ in range(4)] == [b"a1", b"b1", b"a2", b"a3"]
    assert (link.busy, sorted(settled)) == (0, [1, 2, 3, 4])


def test_throttling_and_a_lost_link_keep_the_order_of_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "THROTTLED_S", 0)

    async def play() -> None:
        link, air, settled = _link()
        for row, text in enumerate((b"a1", b"a2", b"a3"), start=1):
            link.send(_sms("a", text, row))
        assert _answer(link, air, p.ESME_RTHROTTLED) == b"a1"
        assert air.submitted == [] and settled == []
        await asyncio.sleep(0.01)
        link.on_ambiguous(air.submitted.pop(0))
        assert [_answer(link, air) for _ in range(3)] == [b"a1", b"a2", b"a3"]
        assert (link.busy, settled) == (0, [1, 2, 3])

    asyncio.run(play())


@pytest.mark.parametrize("row", [None, 9])
def test_what_stands_in_the_file_is_never_given_up(row: int | None) -> None:
    link, air, settled = _link()
    link.send(_sms("a", b"a1", row))
    link.send(_sms("a", b"a2"))
    for _ in range(ATTEMPTS_MAX):
        assert air.submitted[0].sms.payload == b"a1"
        link.on_ambiguous(air.submitted.pop(0))
    assert air.submitted[0].sms.payload == (b"a2" if row is None else b"a1")
    assert (link.counts["given_up"], settled) == (int(row is None), [])


def test_a_refusal_for_good_ends_it_and_the_window_bounds_what_is_in_flight() -> None:
    link, air, settled = _link(window=2)
    for row in (1, 2, 3):
        link.send(_sms(str(row), b"x", row))
    assert (len(air.submitted), link.busy) == (2, 3)
    _answer(link, air, 0x0B)
    assert (settled, link.counts["refused"], len(air.submitted), link.busy) == ([1], 1, 2, 2)


def test_an_sms_is_acknowledged_only_when_its_effect_is_kept() -> None:
    def fails(*_: object) -> None:
        raise OSError("no space left")

    pdu = PDU(
        p.DELIVER_SM,
        1,
        text={"source_addr": "3123", "destination_addr": "628110"},
        number={"esm_class": 0, "data_coding": 0},
        short_message=b"x",
    )
    link, air, _ = _link(receive=fails)
    with pytest.raises(OSError, match="no space"):
        link.on_deliver(pdu)
    assert air.acked == []
    link, air, _ = _link(receive=lambda *_: air.acked[:] and pytest.fail("acknowledged before"))
    link.on_deliver(pdu)
    assert air.acked == [pdu]


def test_a_frame_past_one_sms_goes_in_parts_and_is_settled_with_the_last() -> None:
    link, air, settled = _link()
    frame = bytes(range(256)) * 2
    link.send(Outgoing("a", frame, BINARY, 7))
    link.send(Outgoing("a", b"behind", BINARY, 8))
    carried = b""
    for number in range(1, 5):
        (token,) = air.submitted
        assert settled == [] and (token.esm_class, token.payload[:3], token.payload[4:6]) == (
            0x40,
            bytes([5, 0, 3]),
            bytes([4, number]),
        )
        carried += token.payload[6:]
        _answer(link, air)
    assert carried == frame and settled == [7] and link.busy == 1
    # Sent again after a restart, the parts are the same.
    again, other, _ = _link()
    again.send(Outgoing("a", frame, BINARY, 7))
    assert other.submitted[0].payload[3] == token.payload[3]
