"""The host dies by SIGKILL between any two steps: the bank's advice, or its reversal, then gets the one truth."""

from __future__ import annotations

import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from duaarah.registry.models import Pairing
from duaarah.vending.models import Deposit, LedgerLine, Payment, Token, Vend
from duaarah.vending.ppob_models import BillPayment, Registration
from tests.flows.house import House, Town
from tests.flows.killable import FOLDER, Point, arm, fired
from tests.flows.ppob_client import Client
from tests.flows.ppob_host import partner, set_clock
from tests.flows.ppob_killable import ADVICE, PAYMENT, PURCHASE

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
FILLED_IDR = 100_000_000
NUMBER = "5351126110001"
FEE_IDR = 1_218_000


class Host:
    """The worker as a process that can be started again on its port."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.folder = folder / "kill"
        self.folder.mkdir()
        self._environment = {
            **os.environ,
            FOLDER: str(self.folder),
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "DUAARAH_DATABASE_URL": conninfo,
            "DUAARAH_DATA": str(folder),
            "DUAARAH_KEYSTORE": str(folder / "keys"),
            "DUAARAH_KEYSTORE_PASSPHRASE": "a passphrase for tests",
            "DUAARAH_PPOB": f"127.0.0.1:{self.port}",
            "DUAARAH_LOG_LEVEL": "WARNING",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Client:
        """Start it and sign on."""
        command = [sys.executable, "-m", "tests.flows.ppob_killable"]
        self.process = subprocess.Popen(command, env=self._environment, cwd=ROOT)
        deadline_s = time.monotonic() + 30
        while True:
            try:
                client = Client(self.port)
                break
            except OSError:
                assert time.monotonic() < deadline_s and self.process.poll() is None, "The host does not start."
                time.sleep(0.05)
        assert client.sign_on() == "0000"
        return client

    def died(self) -> None:
        """Wait for its death by its own hand."""
        assert self.process is not None
        assert self.process.wait(20) == -signal.SIGKILL

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(15) == 0


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    made = Town(tmp_path)
    set_clock(made.now)
    partner(filled_idr=FILLED_IDR)
    return made


@pytest.fixture
def house(town: Town) -> House:
    made = town.house(wallet_idr=0)
    Pairing.objects.all().delete()
    return made


@pytest.fixture
def host(database: str, town: Town, tmp_path: Path) -> Iterator[Host]:
    made = Host(database, tmp_path)
    yield made
    made.stop()


def spent_idr() -> int:
    connections["default"].close()
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0
    return FILLED_IDR - Deposit.objects.get().balance_sen // 100


def answer_or_none(client: Client) -> str | None:
    try:
        answer = client.read()
    except OSError:
        return None
    return str(answer.fields["39"]) if answer is not None else None


@pytest.mark.parametrize("point", PURCHASE, ids=lambda point: point.name)
def test_a_purchase_and_then_its_advice(host: Host, house: House, point: Point) -> None:
    client = host.start()
    asked = client.purchase(client.ask("2100", client.inquiry(house.meter.drn)))
    time.sleep(0.2)  # the inquiry's own answer is over
    arm(host.folder, point)
    client.send("2200", asked)
    host.died()
    assert fired(host.folder, point)
    before = answer_or_none(client)
    assert before in (None, "0000") and (before == "0000") <= (point.arrow == "answered")
    again = host.start()
    first = again.ask("2220", again.advice(asked))
    second = again.ask("2221", again.advice(asked))
    assert (first.fields["39"], first.fields["48"]) == (second.fields["39"], second.fields["48"])
    if first.fields["39"] == "0000":
        assert spent_idr() == 102_500
        assert Token.objects.get().digits == first.fields["48"]["token"]
        assert again.ask("2200", asked).fields["48"] == first.fields["48"]
    else:
        assert first.fields["39"] == "0063" and spent_idr() == 0
        # Told so, the bank gave the money back: the purchase cannot come to life any more.
        assert again.code("2200", asked) == "0098"
        assert (Payment.objects.count(), Token.objects.count(), spent_idr()) == (0, 0, 0)
    # Before the money was committed there is no sale; after it there is one, whatever died.
    assert Vend.objects.count() == int(point.name not in ("purchase-read", "T1-money-booked-and-not-committed"))


@pytest.mark.parametrize("point", ADVICE, ids=lambda point: point.name)
def test_an_advice_that_dies_is_asked_again(host: Host, house: House, point: Point) -> None:
    client = host.start()
    asked = client.purchase(client.ask("2100", client.inquiry(house.meter.drn)))
    arm(host.folder, point)
    client.send("2220", client.advice(asked))
    host.died()
    again = host.start()
    assert again.code("2221", again.advice(asked)) == "0063"
    assert again.code("2200", asked) == "0098"
    assert (Payment.objects.count(), spent_idr()) == (0, 0)


@pytest.mark.parametrize("point", PAYMENT, ids=lambda point: point.name)
def test_a_fee_and_its_reversal(host: Host, town: Town, point: Point) -> None:
    Registration.objects.create(
        number=NUMBER,
        kind="PB",
        transaction_name="PEMASANGAN BARU",
        registered_date=town.now.date(),
        expires_date=town.now.date() + dt.timedelta(days=7),
        idpel="531000000018",
        name="CONTOH",
        unit="53511",
        details_idr=[FEE_IDR],
    )
    client = host.start()
    found = client.ask("2100", client.about("504", {"registration_no": NUMBER, "transaction_code": "000"}))
    payment: dict[str, Any] = client.about(
        "504", found.fields["48"], **{"4": f"3600{FEE_IDR:012d}", "62": found.fields["62"]}
    )
    reversal = {**payment, "56": f"2200{payment['11']}{payment['12']}4510017"}
    reversing = "reversal" in point.name
    if reversing:
        assert client.code("2200", payment) == "0000"
    arm(host.folder, point)
    client.send("2400" if reversing else "2200", reversal if reversing else payment)
    host.died()
    again = host.start()
    if not reversing:
        # The same payment, said again: it is one.
        assert again.code("2200", payment) == "0000"
        assert (spent_idr(), BillPayment.objects.count()) == (FEE_IDR + 2_500, 1)
    code = again.code("2401", reversal)
    assert code == ("0094" if point.name == "reversal-committed" else "0000")
    assert again.code("2401", reversal) == "0094"
    assert again.code("2200", payment) == "0094"
    assert spent_idr() == 0 and Registration.objects.get().paid_id is None
