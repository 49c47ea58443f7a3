"""
The host against a table typed from the reference (cases.toml), over TCP, byte by byte: the messages are built and read by
octets.py alone, which shares nothing with the host.
"""

from __future__ import annotations

import ast
import datetime as dt
import itertools
import socket
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum

from duaarah.vending.models import Channel, Deposit, LedgerLine, Payment, Token
from duaarah.vending.operations import ppob
from duaarah.vending.operations.settlement import settle_due
from duaarah.vending.ppob_models import BillPayment, PPOBPartner, Registration
from duaarah.wire.iso8583 import Framing
from tests.conformance_ppob import octets
from tests.conformance_ppob.world import BANK, BP_IDR, WIB, Source, World
from tests.conftest import fresh_database
from tests.flows.ppob_host import host, set_clock
from tests.wire.iso8583.samples import SAMPLES

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
TABLE = tomllib.loads((HERE / "cases.toml").read_text())
CASES: list[dict[str, Any]] = TABLE["case"]
# The list of the reference, each code once.
CODES = [
    *("0000", "0004", "0005", "0006", "0008", "0009", "0011", "0012", "0013", "0014", "0015", "0016", "0077", "0030"),
    *("0031", "0032", "0033", "0041", "0042", "0045", "0046", "0047", "0048", "0063", "0068", "0083", "0088", "0089"),
    *("0090", "0092", "0093", "0094", "0097", "0098"),
]
# Each case has a day of its own; prices are loaded for all of 2024.
FIRST_DAY = dt.datetime(2024, 2, 1, 8, 0, tzinfo=WIB)
SENT = "20260216080000"
ADMIN_SEN = "0000250000"
_TRACES = itertools.count(1)


class Stage:
    """One host for all cases, its far side and its clock."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.source = Source(self.world.keys)
        self.framing, self.port = "", 0
        self.now = FIRST_DAY

    def clock(self, at: dt.datetime) -> None:
        """Business time is `at`. The host asks for it every 50 ms, and never lets it step back."""
        self.now = at
        set_clock(at)
        time.sleep(0.06)

    def next_day(self) -> None:
        """Eight in the morning of a day on which nothing happened yet."""
        self.clock((self.now + dt.timedelta(days=1)).replace(hour=8, minute=0))


@pytest.fixture(scope="module")
def stage(
    request: pytest.FixtureRequest, cluster_conninfo: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with fresh_database(cluster_conninfo):
        made = Stage(tmp_path_factory.mktemp("conformance"))
        made.clock(FIRST_DAY)
        with host(made.source, framing=Framing(request.param)) as running:
            made.framing, made.port = request.param, running.port
            yield made


class Peer:
    """A bank as the reference describes it, with what it remembers of its own inquiries."""

    def __init__(self, stage: Stage, *, filled_idr: int) -> None:
        self.stage, self.framing = stage, stage.framing
        self.filled_idr = filled_idr
        self.partner = stage.world.partner(filled_idr=filled_idr, now=stage.now)
        PPOBPartner.objects.filter(pk=self.partner.pk).update(banks=[BANK, "4510018"])
        self.code = self.partner.code
        self.meter: Any = None
        self.registration: Any = None
        self.idpel = ""
        self.found: dict[int, str] = {}
        self.bill: dict[int, str] = {}
        self.paid: dict[int, str] = {}
        self.tokens: list[str] = []
        self.buffer = b""
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.stage.port), timeout=20)
        self.buffer = b""

    def ask(self, text: str) -> tuple[str, dict[int, str]]:
        self.socket.sendall(octets.framed(text, self.framing))
        while True:
            whole, self.buffer = octets.unframed(self.buffer, self.framing)
            if whole is not None:
                return octets.parse(whole)
            more = self.socket.recv(65536)
            assert more, "The host has closed the connection."
            self.buffer += more

    # -- what it says --------------------------------------------------------------------------------------------------

    def head(self, product: str, change: dict[str, str]) -> dict[int, str]:
        partner = change.get("partner", self.code)
        return {
            2: f"99{product}",
            11: f"{next(_TRACES):012d}",
            12: SENT,
            26: "6021",
            32: change.get("bank", BANK),
            33: partner,
            41: "0000000000LOKET1",
        }

    def network(self, code: str, change: dict[str, str]) -> tuple[str, dict[int, str]]:
        partner = change.get("partner", self.code)
        return "2800", {12: SENT, 33: partner, 40: code, 41: "0000000000LOKET1", 48: partner}

    def inquiry(self, change: dict[str, str], *, by_idpel: bool = False) -> tuple[str, dict[int, str]]:
        values = {
            "switcher": change.get("switcher", self.code),
            "meter": "0" * 11 if by_idpel else change.get("meter", self.meter.drn),
            "idpel": change.get("idpel", self.meter.customer.idpel) if by_idpel else "0" * 12,
            "flag": change.get("flag", "1" if by_idpel else "0"),
        }
        text = octets.write(octets.PREPAID_ASKED, values)
        return "2100", {**self.head("502", change), 48: text[: len(text) - int(change.get("cut48", 0))]}

    def purchase(self, change: dict[str, str]) -> tuple[str, dict[int, str]]:
        values = octets.read(octets.PREPAID_FOUND, self.found[48])
        values |= {"switcher": self.code, "option": change.get("option", "0")}
        values |= {name: change[name] for name in ("pln_ref", "switcher_ref", "admin") if name in change}
        amount = f"{change.get('currency', '360')}0{int(change.get('amount', 100_000)):012d}"
        text = octets.write(octets.PREPAID_BUY, values)
        return "2200", {**self.head("502", change), 4: amount, 48: text, 62: self.found[62]}

    def advice(self, change: dict[str, str], mti: str) -> tuple[str, dict[int, str]]:
        _, fields = self.purchase(change)
        values = octets.read(octets.PREPAID_BUY, fields[48])
        return mti, {**fields, 48: octets.write(octets.PREPAID_ADVICE, values)}

    def bill_inquiry(self, change: dict[str, str]) -> tuple[str, dict[int, str]]:
        number = change.get("registration", self.registration.number)
        values = {"switcher": self.code, "registration": number, "transaction": "000"}
        return "2100", {**self.head("504", change), 48: octets.write(octets.BILL_ASKED, values)}

    def bill_payment(self, change: dict[str, str]) -> tuple[str, dict[int, str]]:
        values = octets.read(octets.BILL_FOUND, self.bill[48])
        values["pln_ref"] = change.get("pln_ref", values["pln_ref"])
        amount = f"3600{int(change.get('amount', BP_IDR)):012d}"
        return "2200", {
            **self.head("504", change),
            4: amount,
            48: octets.write(octets.BILL_FOUND, values),
            62: self.bill[62],
        }

    def reversal(self, change: dict[str, str], mti: str, product: str) -> tuple[str, dict[int, str]]:
        """Of the last payment, or of one that was never sent."""
        paid = self.paid or {**self.bill_payment({})[1]}
        trace = change.get("original_trace", paid[11])
        original = f"2200{trace}{paid[12]}{paid[32]}"
        kept = {bit: paid[bit] for bit in (4, 48, 62) if bit in paid}
        return mti, {**self.head(product, change), **kept, 56: original}

    def postpaid_inquiry(self, change: dict[str, str]) -> tuple[str, dict[int, str]]:
        values = {"switcher": self.code, "idpel": self.idpel}
        return "2100", {**self.head("501", change), 48: octets.write(octets.POSTPAID_ASKED, values)}

    def postpaid_payment(self, change: dict[str, str]) -> tuple[str, dict[int, str]]:
        """Field 48 of the inquiry's answer goes back as it came, and says that its one bill is paid."""
        text = self.bill[48]
        fields = {**self.head("501", change), 4: f"3600{150_000:012d}", 48: text[:20] + "1" + text[20:]}
        return "2200", fields

    def say(self, what: str, change: dict[str, str]) -> tuple[str, dict[int, str]]:
        """Send one message; its MTI and fields as answered."""
        messages: dict[str, Callable[[], tuple[str, dict[int, str]]]] = {
            "sign-on": lambda: self.network("001", change),
            "sign-off": lambda: self.network("002", change),
            "echo": lambda: self.network("301", change),
            "inquiry": lambda: self.inquiry(change),
            "inquiry by idpel": lambda: self.inquiry(change, by_idpel=True),
            "purchase": lambda: self.purchase(change),
            "purchase again": lambda: ("2200", {**self.paid, **self._changed_amount(change)}),
            "advice": lambda: self.advice(change, "2220"),
            "advice again": lambda: self.advice(change, "2221"),
            "prepaid reversal": lambda: self.reversal(change, "2400", "502"),
            "nt-inquiry": lambda: self.bill_inquiry(change),
            "nt-payment": lambda: self.bill_payment(change),
            "nt-reversal": lambda: self.reversal(change, "2400", "504"),
            "nt-reversal again": lambda: self.reversal(change, "2401", "504"),
            "pp-inquiry": lambda: self.postpaid_inquiry(change),
            "pp-payment": lambda: self.postpaid_payment(change),
            "pp-reversal": lambda: self.reversal(change, "2400", "501"),
        }
        mti, fields = messages[what]()
        answer = self.ask(octets.build(mti, fields))
        self._remember(what, fields, answer[1])
        return answer

    def _changed_amount(self, change: dict[str, str]) -> dict[int, str]:
        return {4: f"3600{int(change['amount']):012d}"} if "amount" in change else {}

    def _remember(self, what: str, asked: dict[int, str], answered: dict[int, str]) -> None:
        if what in ("purchase", "nt-payment", "pp-payment"):
            self.paid = asked
        if answered.get(39) != "0000":
            return
        if what.startswith("inquiry"):
            self.found = answered
        if what in ("nt-inquiry", "pp-inquiry"):
            self.bill = answered
        if len(answered.get(48, "")) == octets.width(octets.PREPAID_SOLD):
            self.tokens.append(octets.read(octets.PREPAID_SOLD, answered[48])["token"])


# -- what is brought about ---------------------------------------------------------------------------------------------------


def _keep(peer: Peer, count: int) -> None:
    for reference in Payment.objects.filter(channel=peer.partner.channel).order_by("-pk")[:count]:
        ppob.keep_unsold(
            channel=peer.partner.channel,
            reference=reference.reference,
            reason="The customer left.",
            actor="test",
            now=peer.stage.now,
        )


def _other_partner(peer: Peer) -> None:
    other = Peer(peer.stage, filled_idr=1_000_000)
    peer.code, peer.socket, peer.buffer = other.code, other.socket, b""
    assert peer.say("sign-on", {})[1][39] == "0000"


def _postpaid(peer: Peer) -> None:
    ppob.new_postpaid_bill(
        idpel=peer.idpel,
        period="202601",
        reads=[0, 100, 0, 0, 0, 0],
        name="CONTOH PELANGGAN",
        unit="53511",
        segment="R1",
        contracted_va=1_300,
        due_date=dt.date(2026, 2, 20),
        read_date=dt.date(2026, 2, 1),
        bill_idr=150_000,
        actor="test",
        now=peer.stage.now,
    )


def _settle(peer: Peer) -> None:
    peer.stage.clock(peer.stage.now + dt.timedelta(days=1))
    settle_due(now=peer.stage.now)


def _lose(peer: Peer) -> None:
    """A purchase whose answer is never read: the line breaks first; the host goes on by itself."""
    mti, fields = peer.purchase({})
    peer.paid = fields
    # A second line hears when the purchase is done: the host answers one reference in order.
    peer.socket.sendall(octets.framed(octets.build(mti, fields), peer.framing))
    peer.socket.shutdown(socket.SHUT_WR)
    peer.socket.settimeout(20)
    while peer.socket.recv(65536):
        pass
    peer.connect()
    assert peer.say("sign-on", {})[1][39] == "0000"


def _partner(peer: Peer, **values: Any) -> None:
    PPOBPartner.objects.filter(pk=peer.partner.pk).update(**values)


def _registration(peer: Peer, **values: Any) -> None:
    Registration.objects.filter(pk=peer.registration.pk).update(**values)


SITUATIONS: dict[str, Callable[[Peer], object]] = {
    "blocked": lambda peer: _partner(peer, state=PPOBPartner.State.BLOCKED),
    "inactive": lambda peer: Channel.objects.filter(pk=peer.partner.channel_id).update(active=False),
    "access in the afternoon": lambda peer: _partner(peer, access_from=dt.time(13), access_until=dt.time(18)),
    "prepaid only": lambda peer: _partner(peer, products=["502"]),
    "cut-off": lambda peer: peer.stage.clock(peer.stage.now.replace(hour=23, minute=45)),
    "much later": lambda peer: peer.stage.clock(peer.stage.now + dt.timedelta(days=3)),
    "source silent": lambda peer: setattr(peer.stage.source, "says", "UNKNOWN"),
    "source refuses": lambda peer: setattr(peer.stage.source, "says", "REFUSE"),
    "source speaks": lambda peer: setattr(peer.stage.source, "says", "ISSUE"),
    "kept unsold": lambda peer: _keep(peer, 1),
    "both kept unsold": lambda peer: _keep(peer, 2),
    "new connection": lambda peer: peer.connect(),
    "other partner": _other_partner,
    "expired registration": lambda peer: _registration(peer, expires_date=peer.stage.now.date() - dt.timedelta(days=1)),
    "counter only": lambda peer: _registration(peer, counter_only=True),
    "postpaid bill": _postpaid,
    "settled": _settle,
    "purchase unheard": _lose,
}
# What is settled before there is a peer.
METERS = {"450 VA": {"contracted_va": 450}, "tariff without a price": {"tariff_group": "B-1"}}
DEPOSITS = {"deposit of 102499": 102_499}


def _bring_about(peer: Peer, what: str) -> None:
    """A situation, or a message that is answered as it says (0000 where it says nothing)."""
    if what in METERS or what in DEPOSITS:
        return
    if what in SITUATIONS:
        SITUATIONS[what](peer)
        return
    name, _, code = what.partition(":")
    assert peer.say(name, {})[1][39] == (code or "0000"), what


def _last(peer: Peer, case: dict[str, Any]) -> tuple[str, dict[int, str]]:
    change = case.get("change", {})
    if case["say"].startswith("inquiry and purchase"):
        assert peer.say("inquiry", {})[1][39] == "0000"
        return peer.say("purchase", {**change, **({"option": "1"} if "unsold" in case["say"] else {})})
    return peer.say(case["say"], change)


# -- what stands in the end --------------------------------------------------------------------------------------------------

PRICE_SEN, BILL_SEN = 102_500 * 100, (BP_IDR + 2_500) * 100
# Payments, tokens, and what of the deposit is gone.
EFFECTS = {
    "nothing": (0, 0, 0),
    "token": (1, 1, PRICE_SEN),
    "held": (1, 0, PRICE_SEN),
    "back": (1, 0, 0),
    "two back": (2, 2, 0),
}


def _stands(peer: Peer, effect: str) -> None:
    channel = peer.partner.channel
    gone_sen = peer.filled_idr * 100 - Deposit.objects.get(channel=channel).balance_sen
    booked_sen = LedgerLine.objects.filter(account__code=f"deposit:{channel.pk}").aggregate(n=Sum("amount_sen"))["n"]
    assert -booked_sen == peer.filled_idr * 100 - gone_sen
    payments, bills = Payment.objects.filter(channel=channel), BillPayment.objects.filter(channel=channel)
    if effect.startswith("bill"):
        (bill,) = bills
        back = effect == "bill back"
        assert (bill.reversed_at is not None, payments.count()) == (back, 0)
        assert gone_sen == (0 if back else (bill.amount_idr + bill.admin_idr) * 100)
        return
    tokens = Token.objects.filter(vend__payment__in=payments).count()
    resold = payments.count() - 1 if effect == "token" else 0
    assert (payments.count() - resold, tokens, gone_sen, bills.count()) == (*EFFECTS[effect], 0)


def _name(value: Any) -> str:
    return value if isinstance(value, str) else f"{value['phase']} {value['code']}: {value['what']}"


@pytest.mark.parametrize(
    ("stage", "case"),
    [*(("length2", case) for case in CASES), *(("ff", case) for case in CASES[::5])],
    indirect=["stage"],
    ids=_name,
)
def test_the_host_answers_as_the_table_says(stage: Stage, case: dict[str, Any]) -> None:
    stage.next_day()
    stage.source.says = "ISSUE"
    given = case.get("given", [])
    filled_idr = next((DEPOSITS[name] for name in given if name in DEPOSITS), 10_000_000)
    peer = Peer(stage, filled_idr=filled_idr)
    peer.meter = stage.world.meter(**next((METERS[name] for name in given if name in METERS), {}))
    peer.registration = stage.world.registration(now=stage.now)
    peer.idpel = peer.registration.idpel
    try:
        for what in (*given, *case.get("first", []), *case.get("then", [])):
            _bring_about(peer, what)
        before = list(peer.tokens)
        mti, fields = _last(peer, case)
        assert (mti, fields.get(39)) == (case["answer"], case["code"])
        for bit, name in ((48, "w48"), (62, "w62")):
            if name in case:
                assert len(fields[bit]) == case[name], (bit, fields.get(bit))
        if case.get("same_token"):
            assert before[0] == peer.tokens[-1]
        _stands(peer, case.get("effect", "nothing"))
    finally:
        peer.socket.close()


def test_every_code_of_the_list_is_in_the_table_or_has_a_reason() -> None:
    never = {one["code"] for one in TABLE["never"]}
    assert {case["code"] for case in CASES} | never == set(CODES)
    assert not {case["code"] for case in CASES} & never


def test_widths_of_the_reference() -> None:
    layouts = {
        octets.PREPAID_ASKED: 31,
        octets.PREPAID_ADVICE: 95,
        octets.PREPAID_FOUND: 144,
        octets.PREPAID_BUY: 145,
        octets.PREPAID_SOLD: 241,
        octets.BILL_ASKED: 23,
        octets.BILL_FOUND: 267,
        octets.UNIT: 28,
        octets.POSTPAID_ASKED: 19,
    }
    assert {layout: octets.width(layout) for layout in layouts} == layouts


def test_the_builder_shares_nothing_with_the_host() -> None:
    tree = ast.parse((HERE / "octets.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"__future__", "collections.abc"}


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_builder_writes_the_references_samples(kind: str) -> None:
    assert octets.build(*octets.parse(SAMPLES[kind])) == SAMPLES[kind]
