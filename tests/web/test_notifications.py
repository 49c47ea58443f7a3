"""POST /api/v1/notifications/tokens with really signed bodies: what is taken loads once, what is refused moves nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from tests.flows.house import CONFIGURATION, START, VENDING_KEY, WIB, House, Town

from duaarah.audit.models import AuditRecord
from duaarah.clock import operations as clock_operations
from duaarah.core.sts import DecoderKey, derive, issue_electricity_credit, issue_key_change, pan_of, tid_at
from duaarah.headend.models import Command, MeterEvent
from duaarah.messaging.models import Message
from duaarah.project.start import web_command
from duaarah.registry.models import Pairing
from duaarah.vending.models import Channel, LedgerLine, Notification, Payment, TIDSequence, Token, Vend, Wallet
from duaarah.vending.operations import top_up
from duaarah.wiring import keystores
from duaarah.wiring.keystores import wrap_channel_secret

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PATH = "/api/v1/notifications/tokens"
SECRET = bytes(range(200, 232))
PASSPHRASE = "a passphrase for tests"
ENERGY_WH = 33_600
LOCAL = START.astimezone(WIB).replace(tzinfo=None)


@dataclass(frozen=True)
class Answer:
    """What came back: status, the body as JSON, its type."""

    status: int
    content: dict[str, Any]
    type: str

    @property
    def code(self) -> object:
        return self.content.get("title")


class Bank:
    """A channel that sells tokens: makes them with the meter's key, signs what it says of them, and posts it."""

    def __init__(self, town: Town, code: str = "ATM", secret: bytes = SECRET) -> None:
        self.town, self.code, self.secret = town, code, secret
        self.channel = Channel.objects.create(
            code=code, name=code, kind="ELSEWHERE", secret_wrapped=wrap_channel_secret(town.store, code, secret)
        )

    @staticmethod
    def key(house: House) -> DecoderKey:
        return DecoderKey("07", derive(VENDING_KEY, CONFIGURATION, house.meter.pan))

    def token(self, house: House, *, minutes: int = 0, energy_wh: int = ENERGY_WH, rnd: int = 5, tid: int = -1) -> str:
        """20 digits that the house's meter takes."""
        tid = tid if tid >= 0 else tid_at(LOCAL + dt.timedelta(minutes=minutes), 2014)
        return issue_electricity_credit(self.key(house), energy_wh=energy_wh, tid=tid, rnd=rnd, ken=255).digits

    def sale(self, house: House, **changed: object) -> dict[str, object]:
        """A true word about a sale, with some fields changed (None: left out)."""
        said = {
            "notification_id": "sale-1",
            "channel": self.code,
            "drn": house.meter.drn,
            "token": changed.get("token") or self.token(house),
            "amount_idr": 50_000,
            **changed,
        }
        return {name: value for name, value in said.items() if value is not None}

    def headers(self, body: bytes, *, timestamp: str = "", secret: bytes | None = None) -> dict[str, str]:
        """Written here a second time: `v1=` HMAC-SHA-256 over the timestamp, a dot, the body."""
        timestamp = timestamp or str(int(time.time()))
        mac = hmac.new(secret or self.secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {
            "X-Duaarah-Channel": self.code,
            "X-Duaarah-Timestamp": timestamp,
            "X-Duaarah-Signature": f"v1={mac}",
        }

    def post(self, body: dict[str, object] | bytes, **headers: str | None) -> Answer:
        """Post a body (signed as it is); `headers` replace the signed ones, None leaves one out."""
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent: dict[str, str | None] = {**self.headers(octets), **{f"X-Duaarah-{k}": v for k, v in headers.items()}}
        return post(octets, {name: value for name, value in sent.items() if value is not None})


def post(body: bytes, headers: dict[str, str]) -> Answer:
    answer = Client(SERVER_NAME="localhost").post(PATH, body, content_type="application/json", headers=headers)
    return Answer(answer.status_code, json.loads(answer.content), answer.headers["Content-Type"])


def state_of_things() -> dict[str, object]:
    """Everything that a refusal must leave as it was."""
    return {
        "payments": Payment.objects.count(),
        "vends": sorted(Vend.objects.values_list("pk", "state")),
        "tokens": Token.objects.count(),
        "commands": sorted(Command.objects.values_list("pk", "state")),
        "events": MeterEvent.objects.count(),
        "wallets": sorted(Wallet.objects.values_list("pk", "balance_sen")),
        "lines": LedgerLine.objects.count(),
        "notifications": sorted(Notification.objects.values_list("pk", "notification_id")),
        "tids": sorted(TIDSequence.objects.values_list("meter_id", "latest_tid")),
        "messages": Message.objects.count(),
        "deeds": AuditRecord.objects.filter(refused=False).count(),
    }


def refusals() -> list[tuple[str, str, str]]:
    """Actor, verb and code of every refused request."""
    return list(AuditRecord.objects.filter(refused=True).order_by("pk").values_list("actor", "verb", "code"))


def nothing_said() -> None:
    """No audit line holds a secret, a token or a body."""
    lines = repr(list(AuditRecord.objects.values_list()))
    for secret in (SECRET.hex(), "v1=", "notification_id", *Token.objects.values_list("digits", flat=True)):
        assert secret not in lines


@pytest.fixture
def town(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Town(tmp_path)
    monkeypatch.setattr(settings, "KEYSTORE_FILE", tmp_path / "keys")
    monkeypatch.setattr(settings, "KEYSTORE_PASSPHRASE", PASSPHRASE)
    keystores.key_store.cache_clear()
    clock_operations.move(at=START, rate=1, founding=True)
    made.now = START + dt.timedelta(minutes=1)
    yield made
    keystores.key_store.cache_clear()


@pytest.fixture
def bank(town: Town) -> Bank:
    return Bank(town)


REFUSED_HERE, REFUSED_BELOW = "api.token_sold", "vending.take_notification"


def is_refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.type == "application/problem+json"
    assert answer.content.keys() == {"type", "title", "status", "detail"}
    assert (answer.content["type"], answer.content["status"]) == (f"urn:duaarah:{code}", status)


# -- taken ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["single-phase-modem", "three-phase-retrofit"])
@pytest.mark.parametrize("with_idpel", [False, True])
def test_a_token_sold_elsewhere_loads_itself(town: Town, bank: Bank, profile: str, with_idpel: bool) -> None:
    house = town.house(profile=profile)
    before_wh, wallets, lines = house.sim.credit_wh, state_of_things()["wallets"], LedgerLine.objects.count()
    digits = bank.token(house)
    customer = house.meter.customer
    assert customer is not None

    sale = bank.sale(
        house, token=digits, idpel=customer.idpel if with_idpel else None, sold_at="x", energy_wh=ENERGY_WH
    )
    answer = bank.post(sale)

    assert (answer.status, answer.content) == (202, {"status": "accepted"})
    vend, command = Vend.objects.get(), Command.objects.get()
    assert (vend.state, vend.origin, vend.payment, vend.phone) == ("ISSUED", "ELSEWHERE", None, house.pairing.phone)
    assert (vend.encoded_wh, vend.tid, vend.command_id) == (ENERGY_WH, tid_at(LOCAL, 2014), command.pk)
    assert (command.kind, command.state, command.meter_id) == ("LOAD_CREDIT", "QUEUED", house.meter.pk)
    stored = Notification.objects.get()
    assert (stored.notification_id, stored.amount_idr, stored.vend_id) == ("sale-1", 50_000, vend.pk)

    town.run()
    vend.refresh_from_db()
    assert (vend.state, vend.result, Command.objects.get().state) == ("LOADED", "accept", "ACKED")
    assert house.sim.credit_wh == before_wh + ENERGY_WH
    (receipt,) = town.words_to(house)
    assert receipt.startswith("Terisi 33,6 kWh")
    assert receipt.endswith("Token " + " ".join(digits[i : i + 4] for i in range(0, 20, 4)) + ".")
    assert (state_of_things()["wallets"], LedgerLine.objects.count(), refusals()) == (wallets, lines, [])
    nothing_said()


def test_a_meter_without_two_way_service_gets_no_command(town: Town, bank: Bank) -> None:
    house = town.house()
    Pairing.objects.all().delete()
    assert bank.post(bank.sale(house)).status == 202
    vend = Vend.objects.get()
    # Nobody was told: it stands among those for whom a number is wanted.
    assert (vend.state, vend.command, vend.phone) == ("ISSUED", None, "") and vend.digits_sent_at is None
    assert Command.objects.count() == 0


def test_our_next_token_has_a_higher_tid_than_the_one_sold_elsewhere(town: Town, bank: Bank) -> None:
    house = town.house()
    assert bank.post(bank.sale(house, token=bank.token(house, minutes=60))).status == 202
    bought = top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="r",
        token_source=town.source,
        now=town.now,
    )
    assert bought.vend.tid == tid_at(LOCAL + dt.timedelta(minutes=60), 2014) + 1


def test_the_same_body_again_is_the_same_sale(town: Town, bank: Bank) -> None:
    house = town.house()
    sale = bank.sale(house)
    assert bank.post(sale).status == 202
    before = state_of_things()
    assert [(a.status, a.content) for a in (bank.post(sale), bank.post(sale))] == [(200, {"status": "duplicate"})] * 2
    assert state_of_things() == before
    town.run()
    before, before_wh = state_of_things(), house.sim.credit_wh
    answer = bank.post(sale)
    assert (answer.status, answer.content) == (200, {"status": "duplicate"})
    town.run()
    assert (state_of_things(), house.sim.credit_wh) == (before, before_wh)
    assert Vend.objects.get().state == "LOADED" and len(town.words_to(house)) == 1
    assert refusals() == []


@pytest.mark.parametrize("other_id", [False, True])
def test_the_same_sale_told_at_once_from_two_threads_is_one_sale(town: Town, bank: Bank, other_id: bool) -> None:
    house = town.house()
    sales = [bank.sale(house), bank.sale(house, notification_id="sale-2" if other_id else "sale-1")]
    together = threading.Barrier(2)
    answers: list[Answer] = []

    def tell(sale: dict[str, object]) -> None:
        try:
            together.wait(30)
            answers.append(bank.post(sale))
        finally:
            connection.close()

    threads = [threading.Thread(target=tell, args=(sale,)) for sale in sales]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [202, 409] if other_id else set(statuses) <= {200, 202} and len(statuses) == 2
    assert (Vend.objects.count(), Command.objects.count(), Token.objects.count()) == (1, 1, 1)
    assert [code for *_, code in refusals()] == (["token_known"] if other_id else [])


def test_a_timestamp_may_be_nearly_five_minutes_off(town: Town, bank: Bank) -> None:
    house = town.house()
    body = json.dumps(bank.sale(house)).encode()
    for offset_s, status in ((-290, 202), (290, 200)):
        assert post(body, bank.headers(body, timestamp=str(int(time.time()) + offset_s))).status == status


# -- nobody authentic ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Signature": None},
        {"Signature": ""},
        {"Signature": "v1="},
        {"Signature": "v1=" + "0" * 64},
        {"Signature": "v1=é" + "0" * 63},
        {"Timestamp": None},
        {"Timestamp": "1"},
        {"Timestamp": "now"},
        {"Timestamp": "9" * 5_000},
        {"Timestamp": "-1"},
        {"Timestamp": "1e9"},
    ],
    ids=lambda headers: ascii(headers)[:40],
)
def test_without_a_fitting_signature_nothing_happens(town: Town, bank: Bank, headers: dict[str, str | None]) -> None:
    house = town.house()
    before = state_of_things()
    is_refused(bank.post(bank.sale(house), **headers), 401, "signature_refused")
    assert state_of_things() == before
    assert refusals() == [("claimed:ATM", REFUSED_HERE, "signature_refused")]
    nothing_said()


@pytest.mark.parametrize("offset_s", [-310, 310, -86_400])
def test_a_timestamp_more_than_five_minutes_off_is_refused(town: Town, bank: Bank, offset_s: int) -> None:
    house = town.house()
    before = state_of_things()
    body = json.dumps(bank.sale(house)).encode()
    is_refused(post(body, bank.headers(body, timestamp=str(int(time.time()) + offset_s))), 401, "signature_refused")
    assert state_of_things() == before
    assert refusals() == [("claimed:ATM", REFUSED_HERE, "signature_refused")]


@pytest.mark.parametrize("forgery", ["secret", "body", "timestamp", "unprefixed", "upper"])
def test_a_forged_request_is_refused(town: Town, bank: Bank, forgery: str) -> None:
    house = town.house()
    before = state_of_things()
    body = json.dumps(bank.sale(house)).encode()
    headers = bank.headers(body, secret=bytes(32) if forgery == "secret" else None)
    if forgery == "body":
        body = body.replace(b"50000", b"99999")
    elif forgery == "timestamp":
        headers["X-Duaarah-Timestamp"] = str(int(headers["X-Duaarah-Timestamp"]) + 1)
    elif forgery == "unprefixed":
        headers["X-Duaarah-Signature"] = headers["X-Duaarah-Signature"].removeprefix("v1=")
    elif forgery == "upper":
        headers["X-Duaarah-Signature"] = headers["X-Duaarah-Signature"].upper()
    is_refused(post(body, headers), 401, "signature_refused")
    assert state_of_things() == before
    assert refusals() == [("claimed:ATM", REFUSED_HERE, "signature_refused")]


@pytest.mark.parametrize(
    ("claimed", "named"),
    [
        (None, ""),
        ("", ""),
        ("NOBODY", "NOBODY"),
        ("atm", "atm"),
        ("SMS", "SMS"),  # ours, sells nothing elsewhere
        ("A" * 21, ""),
        ("x" * 5_000, ""),
        ("ATM\x00", ""),
        ("é", ""),
        ("ATM 12345678901234567890", ""),
    ],
)
def test_an_unknown_channel_learns_nothing_and_is_named_only_where_it_may_be_one(
    town: Town, bank: Bank, claimed: str | None, named: str
) -> None:
    house = town.house()
    before = state_of_things()
    answer = bank.post(bank.sale(house, channel=claimed or ""), Channel=claimed)
    is_refused(answer, 401, "signature_refused")
    forged = bank.post(bank.sale(house), Signature="v1=" + "0" * 64)
    assert answer.content == forged.content
    assert state_of_things() == before
    assert refusals()[0] == (f"claimed:{named}", REFUSED_HERE, "signature_refused") and len(refusals()) == 2


@pytest.mark.parametrize("change", [{"active": False}, {"secret_wrapped": None}, {"kind": "WALLET"}], ids=str)
def test_a_channel_that_may_not_notify_is_refused(town: Town, bank: Bank, change: dict[str, object]) -> None:
    house = town.house()
    sale = bank.sale(house)
    assert bank.post(sale).status == 202
    Channel.objects.filter(code="ATM").update(**change)
    before = state_of_things()
    for said in (sale, bank.sale(house, notification_id="sale-2")):
        is_refused(bank.post(said), 401, "signature_refused")
    assert state_of_things() == before
    assert refusals() == [("claimed:ATM", REFUSED_HERE, "signature_refused")] * 2


def test_one_channel_cannot_speak_for_another(town: Town, bank: Bank) -> None:
    house = town.house()
    other = Bank(town, "PPOB", bytes(range(100, 132)))
    before = state_of_things()
    # Signed by PPOB as PPOB for ATM's sale; and by PPOB's secret as ATM.
    is_refused(other.post(bank.sale(house)), 401, "signature_refused")
    is_refused(other.post(bank.sale(house), Channel="ATM"), 401, "signature_refused")
    assert state_of_things() == before
    assert [actor for actor, *_ in refusals()] == ["channel:PPOB", "claimed:ATM"]


def test_nothing_is_read_of_what_nobody_authentic_sent(town: Town, bank: Bank) -> None:
    """A forger does not learn from the answers what a good body looks like."""
    house = town.house()
    before = state_of_things()
    bodies = (b"{", b"[]", b"", json.dumps(bank.sale(house, token="1")).encode())
    answers = [bank.post(body, Signature="v1=" + "0" * 64) for body in bodies]
    for answer in answers:
        is_refused(answer, 401, "signature_refused")
        assert answer.content == answers[0].content
    assert state_of_things() == before
    assert refusals() == [("claimed:ATM", REFUSED_HERE, "signature_refused")] * len(bodies)


# -- authentic, and wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{}",
        b"[" * 50_000,
        b'{"amount_idr": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
def test_what_is_no_sale_at_all_is_a_bad_request(town: Town, bank: Bank, body: bytes) -> None:
    town.house()
    before = state_of_things()
    is_refused(bank.post(body), 400, "bad_request")
    assert state_of_things() == before
    assert refusals() == [("channel:ATM", REFUSED_HERE, "bad_request")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", "1" * 19),
        ("token", "1" * 21),
        ("token", "1234567890123456789A"),
        ("token", "1234 5678 9012 3456 7890"),
        ("token", "12345678901234567890\n"),
        ("token", "٠١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦٧٨٩"),
        ("token", 12345678901234567890),
        ("token", ["1" * 20]),
        ("drn", "9900000001"),
        ("drn", "990000000١٦"),
        ("drn", 99_000_000_016),
        ("drn", "' OR 1=1 --"),
        ("idpel", "53511"),
        ("idpel", 535_110_000_001),
        ("amount_idr", 0),
        ("amount_idr", -50_000),
        ("amount_idr", 100_000_001),
        ("amount_idr", 50_000.5),
        ("amount_idr", 50_000.0),
        ("amount_idr", "50000"),
        ("amount_idr", True),
        ("amount_idr", {}),
        ("notification_id", ""),
        ("notification_id", "x" * 65),
        ("notification_id", "with space"),
        ("notification_id", "nul\x00"),
        ("notification_id", 1),
        ("energy_wh", "1"),
        ("tid", 1 << 24),
        ("sold_at", "x" * 41),
        ("channel", "x" * 21),
        ("channel", "\ud800"),
    ],
    ids=lambda part: str(part)[:14].encode("ascii", "backslashreplace").decode(),
)
def test_a_wrong_field_is_a_bad_request_that_names_the_field_only(
    town: Town, bank: Bank, name: str, value: object
) -> None:
    house = town.house()
    before = state_of_things()
    answer = bank.post({**bank.sale(house), name: value})
    is_refused(answer, 400, "bad_request")
    assert answer.content["detail"] == f"These fields are missing or wrong: {name}."
    assert state_of_things() == before
    assert refusals() == [("channel:ATM", REFUSED_HERE, "bad_request")]
    assert str(value) not in repr(list(AuditRecord.objects.values_list())) or str(value) in ("", "0", "1", "{}", "True")


def test_missing_fields_are_named(town: Town, bank: Bank) -> None:
    town.house()
    before = state_of_things()
    answer = bank.post(b'{"notification_id": "n"}')
    is_refused(answer, 400, "bad_request")
    assert answer.content["detail"] == "These fields are missing or wrong: amount_idr, channel, drn, token."
    assert state_of_things() == before


def test_a_body_that_is_too_large_is_not_read(town: Town, bank: Bank) -> None:
    house = town.house()
    before = state_of_things()
    is_refused(bank.post({**bank.sale(house), "more": "x" * 65_536}), 413, "body_too_large")
    assert state_of_things() == before
    assert refusals() == [("claimed:ATM", REFUSED_HERE, "body_too_large")]


def test_an_unknown_meter_is_refused(town: Town, bank: Bank) -> None:
    house = town.house()
    before = state_of_things()
    is_refused(bank.post(bank.sale(house, drn="99999999999")), 404, "meter_unknown")
    assert state_of_things() == before
    assert refusals() == [("channel:ATM", REFUSED_BELOW, "meter_unknown")]


def test_a_meter_of_another_customer_reads_like_an_unknown_one(town: Town, bank: Bank) -> None:
    house, other = town.house(), town.house()
    assert other.meter.customer is not None
    before = state_of_things()
    answers = [
        bank.post(bank.sale(house, **w)) for w in ({"idpel": other.meter.customer.idpel}, {"drn": "99999999999"})
    ]
    for answer in answers:
        is_refused(answer, 404, "meter_unknown")
    assert answers[0].content == answers[1].content
    assert state_of_things() == before
    assert refusals() == [("channel:ATM", REFUSED_BELOW, "meter_unknown")] * 2


def test_a_token_for_another_meter_is_refused(town: Town, bank: Bank) -> None:
    house, other = town.house(), town.house()
    assert house.meter.pan != other.meter.pan == pan_of(other.meter.drn)
    before = state_of_things()
    is_refused(bank.post(bank.sale(house, token=bank.token(other))), 422, "token_not_for_meter")
    assert state_of_things() == before
    assert refusals() == [("channel:ATM", REFUSED_BELOW, "token_not_for_meter")]
    # Neither the sale nor its id is spent.
    assert bank.post(bank.sale(other)).status == 202


@pytest.mark.parametrize("kind", ["digits", "beyond", "key_change"])
def test_digits_that_are_no_credit_token_of_this_meter_are_refused(town: Town, bank: Bank, kind: str) -> None:
    house = town.house()
    good = bank.token(house)
    digits = {
        "digits": good[:-1] + str((int(good[-1]) + 1) % 10),
        "beyond": "9" * 20,
        "key_change": issue_key_change(bank.key(house), bank.key(house), CONFIGURATION, rollover=False).tokens[0],
    }[kind]
    before = state_of_things()
    is_refused(bank.post(bank.sale(house, token=digits)), 422, "token_not_for_meter")
    assert state_of_things() == before
    assert refusals() == [("channel:ATM", REFUSED_BELOW, "token_not_for_meter")]
    assert digits not in repr(list(AuditRecord.objects.values_list()))


@pytest.mark.parametrize("change", [{"amount_idr": 100_000}, {"sold_at": "2026-02-16"}, {"token": "other"}], ids=str)
def test_the_same_id_with_another_body_is_a_conflict(town: Town, bank: Bank, change: dict[str, object]) -> None:
    house = town.house()
    assert bank.post(bank.sale(house)).status == 202
    if "token" in change:
        change = {"token": bank.token(house, minutes=7)}
    before = state_of_things()
    is_refused(bank.post(bank.sale(house, **change)), 409, "notification_conflict")
    assert state_of_things() == before
    assert refusals() == [("channel:ATM", REFUSED_BELOW, "notification_conflict")]
    nothing_said()


@pytest.mark.parametrize("loaded", [False, True])
def test_the_same_digits_under_another_id_or_channel_are_known(town: Town, bank: Bank, loaded: bool) -> None:
    house = town.house()
    other = Bank(town, "PPOB", bytes(range(100, 132)))
    digits = bank.token(house)
    assert bank.post(bank.sale(house, token=digits)).status == 202
    if loaded:
        town.run()
    before = state_of_things()
    is_refused(bank.post(bank.sale(house, token=digits, notification_id="sale-2")), 409, "token_known")
    is_refused(other.post(other.sale(house, token=digits)), 409, "token_known")
    assert state_of_things() == before
    assert [(actor, code) for actor, _, code in refusals()] == [
        ("channel:ATM", "token_known"),
        ("channel:PPOB", "token_known"),
    ]
    nothing_said()


@pytest.mark.parametrize("same_digits", [True, False])
def test_a_token_with_the_tid_of_one_that_we_sold_is_known(town: Town, bank: Bank, same_digits: bool) -> None:
    house = town.house()
    vend = top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="r",
        token_source=town.source,
        now=town.now,
    ).vend
    ours = Token.objects.get().digits
    digits = ours if same_digits else bank.token(house, tid=vend.tid, energy_wh=50_000, rnd=1)
    assert (digits == ours) is same_digits
    before = state_of_things()
    is_refused(bank.post(bank.sale(house, token=digits)), 409, "token_known")
    assert state_of_things() == before
    assert refusals() == [("channel:ATM", REFUSED_BELOW, "token_known")]
    town.run()
    assert Vend.objects.get().state == "LOADED"


# -- the real web process ------------------------------------------------------------------------------------------------


def test_the_web_process_takes_and_refuses(town: Town, bank: Bank, database: str, tmp_path: Path) -> None:
    house = town.house()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path / "web.log").open("w")
    web = subprocess.Popen(
        web_command("127.0.0.1", port, 2),
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "DUAARAH_DATABASE_URL": database,
            "DUAARAH_DATA": str(tmp_path),
            "DUAARAH_KEYSTORE": str(tmp_path / "keys"),
            "DUAARAH_KEYSTORE_PASSPHRASE": PASSPHRASE,
            "DUAARAH_LOG_LEVEL": "WARNING",
        },
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}{PATH}"

    def tell(body: bytes, headers: dict[str, str]) -> Answer:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Answer(answer.status, json.load(answer), answer.headers["Content-Type"])
        except urllib.error.HTTPError as error:
            return Answer(error.code, json.load(error), error.headers["Content-Type"])

    try:
        deadline_s = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline_s and web.poll() is None, (tmp_path / "web.log").read_text()
                time.sleep(0.1)
        body = json.dumps(bank.sale(house)).encode()
        before = state_of_things()
        is_refused(tell(body, bank.headers(body, secret=bytes(32))), 401, "signature_refused")
        assert state_of_things() == before
        assert refusals() == [("claimed:ATM", REFUSED_HERE, "signature_refused")]

        accepted, again = tell(body, bank.headers(body)), tell(body, bank.headers(body))
        assert (accepted.status, accepted.content) == (202, {"status": "accepted"})
        assert (again.status, again.content) == (200, {"status": "duplicate"})
        assert (Vend.objects.get().state, Command.objects.get().kind) == ("ISSUED", "LOAD_CREDIT")
        assert len(refusals()) == 1
    finally:
        web.terminate()
        try:
            web.wait(15)
        finally:
            web.kill()
            log.close()
    town.run()
    assert Vend.objects.get().state == "LOADED" and len(town.words_to(house)) == 1
    assert Token.objects.get().digits not in (tmp_path / "web.log").read_text()
