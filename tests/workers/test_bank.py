"""The PPOB host over TCP: sign-on, both framings, what is no message, order, slowness, two clients with one id."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.flows.house import House, Town
from tests.flows.ppob_client import Client
from tests.flows.ppob_host import host, partner, set_clock

from duaarah.audit.models import AuditRecord
from duaarah.registry.models import Pairing
from duaarah.vending.models import Deposit, LedgerLine, Payment, Token
from duaarah.vending.ports import TokenRequest, Unknown
from duaarah.vending.ppob_models import PPOBMessage
from duaarah.wire.iso8583 import Framing, encode, frame
from duaarah.workers.bank import address
from duaarah.workers.bank_server import Limits

pytestmark = pytest.mark.slow


class Slow:
    """A source that takes its time, and may not know."""

    def __init__(self, source: Any) -> None:
        self.source, self.delay_s, self.unknown, self.asked = source, 0.0, False, 0

    def obtain(self, request: TokenRequest) -> Any:
        self.asked += 1
        time.sleep(self.delay_s)
        return Unknown("away") if self.unknown else self.source.obtain(request)


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


@pytest.fixture
def source(town: Town) -> Slow:
    return Slow(town.source)


@pytest.fixture
def house(town: Town) -> House:
    made = town.house(wallet_idr=0)
    Pairing.objects.all().delete()
    set_clock(town.now)
    partner()
    return made


@pytest.fixture(params=list(Framing))
def client(request: pytest.FixtureRequest, house: House, source: Slow) -> Iterator[Client]:
    with host(source, framing=request.param, limits=Limits(answer_s=1.0)) as running:
        made = Client(running.port, framing=request.param)
        assert made.sign_on() == "0000"
        yield made
        made.close()


def test_a_purchase_from_sign_on_to_the_journal(client: Client, house: House) -> None:
    found = client.ask("2100", client.inquiry(house.meter.drn))
    assert (found.kind, found.fields["39"]) == ("prepaid_inquiry_response", "0000")
    assert found.fields["62"]["max_kwh"] == "00936" and found.fields["62"]["unit"] == "53511"
    asked = client.purchase(found)
    sold = client.ask("2200", asked)
    assert sold.fields["39"] == "0000" and sold.fields["62"] == asked["62"]
    digits = Token.objects.get().digits
    assert sold.fields["48"]["token"] == digits
    parts = ("stamp", "ppn", "ppj", "angsuran", "power_purchase")
    assert sum(int(sold.fields["48"][part]["value"]) for part in parts) == 10_000_000
    for mti in ("2220", "2221"):
        again = client.ask(mti, client.advice(asked))
        assert (again.mti[2], again.fields["48"]) == ("3", sold.fields["48"])
    lines = list(PPOBMessage.objects.order_by("id"))
    assert [line.direction for line in lines] == ["IN", "OUT"] * 5
    assert not any(digits in line.text for line in lines)
    assert [line.text.count("*" * 20) for line in lines] == [0] * 5 + [1, 0, 1, 0, 1]
    assert {line.code for line in lines if line.direction == "OUT"} == {"0000"}
    assert {line.pln_ref for line in lines[3:]} == {found.fields["48"]["pln_ref"]}
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0


def test_pieces_and_heaps(client: Client, house: House) -> None:
    whole = frame(encode("2100", client.inquiry(house.meter.drn)), client.framing)
    for octet in whole:
        client.raw(bytes((octet,)))
    first = client.read()
    client.raw(whole * 3)
    rest = [client.read() for _ in range(3)]
    assert first is not None and first.fields["39"] == "0000"
    assert [one.fields["39"] for one in rest if one] == ["0000"] * 3


def test_sign_on_first_and_sign_off(client: Client, house: House) -> None:
    assert client.code("2800", client.network("301")) == "0000"
    # What has no name in the dialect has no layout either.
    assert client.code("2800", {**client.network("999"), "48": {"raw": "PYLP001"}}) == "0030"
    assert client.code("2800", {**client.network("201"), "48": {"raw": "PYLP001"}}) == "0000"
    assert client.code("2800", client.network("002")) == "0000"
    assert client.code("2100", client.inquiry(house.meter.drn)) == "0011"
    # Sent together: what comes behind a sign-on waits for it.
    client.send("2800", client.network())
    client.send("2100", client.inquiry(house.meter.drn))
    assert [one.fields["39"] for one in (client.read(), client.read()) if one] == ["0000", "0000"]
    assert AuditRecord.objects.filter(refused=True, code="ppob_0011").count() == 1


def test_messages_that_say_nothing_possible(client: Client, house: House) -> None:
    good = client.inquiry(house.meter.drn)
    found = client.ask("2100", good)
    for code, mti, change in (
        ("0030", "2100", {"48": {**good["48"], "id_flag": "2"}}),
        ("0030", "2100", {"12": "20261323101530"}),
        ("0033", "2100", {"2": "99999", "48": {"raw": "anything"}}),
        ("0031", "2100", {"32": "9999999"}),
        ("0032", "2100", {"33": "NOBODY1"}),
        ("0014", "2100", {"48": {**good["48"], "meter_no": "99999999999"}}),
        ("0030", "2400", {"4": "3600000000100000", "56": "2200", "48": {"raw": "x"}}),
    ):
        assert client.code(mti, {**good, **change}) == code, (code, change)
    for code, change in (
        ("0030", {"4": "8400000000100000"}),
        ("0030", {"4": "3602000010000050"}),
        ("0041", {"4": "3600000000000000"}),
        ("0042", {"4": "3600999999999999"}),
        ("0013", {"4": "3600000000100001"}),
        ("0030", {"48": {**found.fields["48"], "option": "7"}}),
    ):
        assert client.code("2200", {**client.purchase(found), **change}) == code, change
    assert Payment.objects.count() == 0
    # A field that is missing, and one whose width is wrong.
    without = {number: value for number, value in good.items() if number != "26"}
    assert client.code("2100", without) == "0030"
    text = encode("2100", good)
    client.raw(frame(text.replace("031PYLP001", "030PYLP001")[:-1], client.framing))
    answer = client.read()
    assert answer is not None and answer.fields["39"] == "0030"
    # The connection is still good.
    assert client.code("2100", client.inquiry(house.meter.drn)) == "0000"


@pytest.mark.parametrize("lie", ["bitmap", "garbage", "trailing", "short", "mti"])
def test_what_is_no_message_ends_the_connection_with_a_reason(
    client: Client, house: House, lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = client.ask("2100", client.inquiry(house.meter.drn))
    text = encode("2200", client.purchase(found))
    said = {
        "bitmap": text[:4] + "5030040001818101" + text[20:],
        "garbage": "GET / HTTP/1.1\r\n",
        "trailing": text + "0",
        "short": text[:-1],
        "mti": "0200" + text[4:],
    }[lie]
    with caplog.at_level(logging.WARNING):
        client.raw(frame(said, client.framing))
        assert client.read() is None
    assert any("is hung up on" in record.getMessage() for record in caplog.records)
    deadline_s = time.monotonic() + 5
    kinds = {"bad_mti", "bad_bitmap", "short_message", "trailing_bytes", "bad_field"}
    while not PPOBMessage.objects.filter(kind__in=kinds).exists() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert PPOBMessage.objects.filter(kind__in=kinds).count() == 1
    assert Payment.objects.count() == 0


def test_a_slow_source_is_0068_and_the_advice_brings_the_token(client: Client, house: House, source: Slow) -> None:
    found = client.ask("2100", client.inquiry(house.meter.drn))
    asked = client.purchase(found)
    source.delay_s = 1.6
    begun_s = time.monotonic()
    assert client.code("2200", asked) == "0068"
    assert 0.9 < time.monotonic() - begun_s < 1.5
    # The advice waits for the purchase that is still being made.
    answer = client.ask("2220", client.advice(asked))
    assert answer.fields["39"] == "0000"
    assert answer.fields["48"]["token"] == Token.objects.get().digits
    assert (source.asked, Payment.objects.count()) == (1, 1)


def test_unknown_is_held_until_an_advice(client: Client, house: House, source: Slow) -> None:
    asked = client.purchase(client.ask("2100", client.inquiry(house.meter.drn)))
    source.unknown = True
    assert client.code("2200", asked) == client.code("2220", client.advice(asked)) == "0068"
    source.unknown = False
    assert client.code("2221", client.advice(asked)) == "0000"
    assert Deposit.objects.get().balance_sen == (100_000_000 - 102_500) * 100


def test_the_newer_of_two_clients_with_one_id_stays(house: House, source: Slow) -> None:
    with host(source) as running:
        older, newer = Client(running.port), Client(running.port)
        assert older.sign_on() == "0000"
        # An id is not enough: this connection has not signed on.
        assert newer.code("2100", newer.inquiry(house.meter.drn)) == "0011"
        assert older.code("2100", older.inquiry(house.meter.drn)) == "0000"
        assert newer.sign_on() == "0000"
        assert older.read() is None
        assert newer.code("2100", newer.inquiry(house.meter.drn)) == "0000"


def test_one_purchase_said_at_once_over_two_connections_is_one(house: House, source: Slow) -> None:
    partner("PYLP002")
    with host(source) as running:
        first = Client(running.port)
        assert first.sign_on() == "0000"
        asked = first.purchase(first.ask("2100", first.inquiry(house.meter.drn)))
        for _ in range(5):
            first.send("2200", asked)
        answers = [first.read() for _ in range(5)]
        tokens = {one.fields["48"]["token"] for one in answers if one}
        assert tokens == {Token.objects.get().digits} and source.asked == 1
        other = Client(running.port, partner="PYLP002")
        assert other.sign_on() == "0000"
        foreign = {**asked, "33": "PYLP002", "48": {**asked["48"], "switcher_id": "PYLP002"}}
        assert other.code("2200", foreign) == "0098"


def test_who_is_silent_slow_or_one_too_many(house: House, source: Slow) -> None:
    quick = Limits(first_s=0.3, whole_s=0.3, connections_max=2, octets_max=300)
    with host(source, limits=quick) as running:
        silent, slow = Client(running.port), Client(running.port)
        time.sleep(0.05)
        with pytest.raises((ConnectionError, AssertionError)):
            Client(running.port).sign_on()
        assert slow.sign_on() == "0000"
        slow.raw(b"\x00")
        assert silent.read() is None and slow.read() is None
        long = Client(running.port)
        long.raw(b"\x10\x00")
        assert long.read() is None


def test_stopping_answers_what_it_has_taken(house: House, source: Slow) -> None:
    source.delay_s = 0.5
    with host(source) as running:
        client = Client(running.port)
        client.sign_on()
        asked = client.purchase(client.ask("2100", client.inquiry(house.meter.drn)))
        client.send("2200", asked)
        time.sleep(0.2)
    answer = client.read()
    assert answer is not None and answer.fields["39"] == "0000"


def test_many_at_once(town: Town, source: Slow) -> None:
    """Thirty meters bought for over three connections, pipelined; every rupiah and every token is accounted for."""
    set_clock(town.now)
    houses = [town.house(wallet_idr=0) for _ in range(30)]
    Pairing.objects.all().delete()
    codes = [f"PYLP{number:03d}" for number in range(3)]
    for code in codes:
        partner(code)
    said: list[str] = []

    def buy(port: int, code: str, mine: list[House]) -> None:
        client = Client(port, partner=code)
        client.sign_on()
        for house in mine:
            client.send("2100", client.inquiry(house.meter.drn))
        found = [client.read() for _ in mine]
        for one in found:
            assert one is not None
            client.send("2200", client.purchase(one))
        said.extend(one.fields["48"]["token"] for one in (client.read() for _ in mine) if one)

    with host(source) as running:
        threads = [
            threading.Thread(target=buy, args=(running.port, code, houses[number::3]))
            for number, code in enumerate(codes)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(said)) == 30 == Token.objects.count() == Payment.objects.count()
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0
    spent = 3 * 100_000_000 - 30 * 102_500
    assert sum(Deposit.objects.values_list("balance_sen", flat=True)) == spent * 100


def test_where_it_listens() -> None:
    assert address("10.0.0.1:8583") == ("10.0.0.1", 8583, Framing.LENGTH2)
    assert address("[::1]:1,ff") == ("::1", 1, Framing.FF)
    for wrong in ("", "host", "host:99999", "host:1,stx", ":1"):
        with pytest.raises(ValueError):
            address(wrong)
