"""Tokens bought from P2APST: one purchase a request, whatever dies or is lost; then only advices, and the same token."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError, connection, transaction
from tests.flows.house import Town

from duaarah.audit.models import AuditRecord
from duaarah.net.iso8583 import Line
from duaarah.sim.bank.central import Central, Customer
from duaarah.sim.bank.host_faults import from_request
from duaarah.sim.bank.p2apst import P2APST, made
from duaarah.vending.models import Token, Vend, Wallet
from duaarah.vending.operations import obtain_token, resume_paid, take_payment
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.p2apst import P2APSTTasks
from duaarah.vending.p2apst_models import P2APSTTask
from duaarah.vending.p2apst_ports import TaskMoved
from duaarah.vending.ports import Issued, Refused, TokenRequest, Unknown
from duaarah.wire.iso8583 import Framing
from duaarah.wiring.p2apst import P2APSTMisconfigured, P2APSTSource, P2APSTTerms, terms_of_settings, token_source

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NOMINAL_IDR = 100_000


class Killed(BaseException):
    """The process is gone: nothing of the code after it runs but what `finally` does to a socket."""


class Host:
    """The double in a thread of its own."""

    def __init__(self, framing: Framing) -> None:
        self.double: P2APST = made(7, 10, framing)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self.do(self.double.start())

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def stop(self) -> None:
        self.do(self.double.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def fault(self, **content: Any) -> None:
        self.double.faults.add(from_request({"op": "fault", **content}))

    @property
    def central(self) -> Central:
        return self.double.central

    def sells_for(self, drn: str) -> None:
        first = next(iter(self.central.customers.values()))
        self.central.customers[drn] = Customer(dataclasses.replace(first.meter, drn=drn), first.key)


@pytest.fixture(params=list(Framing))
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    made_host = Host(request.param)
    yield made_host
    made_host.stop()


class Scene:
    """One paid vend whose token comes from the double."""

    def __init__(self, town: Town, host: Host) -> None:
        self.town, self.host = town, host
        house = town.house(wallet_idr=500_000)
        host.sells_for(house.meter.drn)
        self.vend, _ = take_payment(
            pairing=house.pairing, amount_idr=NOMINAL_IDR, channel=town.channel, reference="r1", now=town.now
        )
        self.request = TokenRequest(
            request_id=self.vend.request_id,
            pan=self.vend.pan,
            keys=key_terms(self.vend),
            tid=self.vend.tid,
            rnd=self.vend.rnd,
            energy_wh=self.vend.requested_wh,
        )
        self.source = self.made()

    def made(self, *, line: type[Line] = Line, timeout_s: float = 0.4, port: int | None = None) -> P2APSTSource:
        """A source as another process would have it: nothing is shared but the database."""
        terms = P2APSTTerms(
            host="127.0.0.1",
            port=port or self.host.port,
            partner="PYLP001",
            bank="4510017",
            terminal="DUAARAH",
            framing=self.host.double.framing,
            timeout_s=timeout_s,
        )

        def opened(_: P2APSTTerms) -> Line:
            return line(terms.host, terms.port, framing=terms.framing, timeout_s=terms.timeout_s)

        return P2APSTSource(terms, P2APSTTasks(), lambda: self.town.now, line=opened)

    def obtain(self) -> Issued | Refused | Unknown:
        return self.source.obtain(self.request)

    @property
    def task(self) -> P2APSTTask:
        return P2APSTTask.objects.get(request_id=self.request.request_id)

    @property
    def sold(self) -> int:
        return len(self.host.central.sales)

    def digits(self) -> str:
        (sale,) = self.host.central.sales.values()
        return sale.digits

    def forget_claim(self) -> None:
        """The dead process's claim runs out."""
        P2APSTTask.objects.update(busy_until_at=dt.datetime(2000, 1, 1, tzinfo=dt.UTC))


@pytest.fixture
def scene(database: str, tmp_path: Path, host: Host) -> Scene:
    return Scene(Town(tmp_path), host)


def settled(scene: Scene, answer: Issued | Refused | Unknown) -> None:
    """Whatever happened before, it is this one token and no second sale."""
    assert isinstance(answer, Issued) and answer.digits == scene.digits() and scene.sold == 1
    (sale,) = scene.host.central.sales.values()
    assert answer.encoded_wh == sale.energy_wh
    assert (scene.task.state, scene.task.code, scene.task.busy_until_at) == ("ISSUED", "0000", None)


def test_a_token_is_bought_once_and_told_again(scene: Scene) -> None:
    first = scene.obtain()
    settled(scene, first)
    assert scene.obtain() == first and scene.sold == 1
    assert AuditRecord.objects.filter(verb="vending.p2apst_send").count() == 1
    assert scene.digits() not in scene.task.purchase and f"{scene.task.pk:012d}" in scene.task.purchase


def test_a_lost_answer_is_asked_for_by_advice(scene: Scene) -> None:
    scene.host.fault(phase="purchase", lose=True)
    assert isinstance(scene.obtain(), Unknown)
    assert (scene.task.state, scene.task.code, scene.sold) == ("SENT", "no_answer", 1)
    settled(scene, scene.obtain())


def test_a_lost_advice_is_repeated_and_then_it_waits(scene: Scene) -> None:
    scene.host.fault(phase="purchase", lose=True)
    assert isinstance(scene.obtain(), Unknown)
    scene.host.fault(phase="advice", lose=True)
    scene.host.fault(phase="advice_repeat", lose=True)
    assert isinstance(scene.obtain(), Unknown) and scene.task.advices == 2
    # From now on only repeats: an advice, were one sent, would be refused.
    scene.host.fault(phase="advice", code="0063", times="always")
    settled(scene, scene.obtain())


def test_the_repeat_follows_at_once(scene: Scene) -> None:
    scene.host.fault(phase="purchase", lose=True)
    assert isinstance(scene.obtain(), Unknown)
    scene.host.fault(phase="advice", lose=True)
    settled(scene, scene.obtain())


def test_a_late_answer_to_the_purchase_counts(scene: Scene) -> None:
    class Patient(Line):
        """One connection over both calls, so that the late answer comes to the second."""

        kept: Line | None = None

        def open(self) -> None:
            if Patient.kept is None:
                super().open()
                Patient.kept = self
            else:
                self.__dict__.update(Patient.kept.__dict__)

        def close(self) -> None:
            pass

    scene.host.fault(phase="purchase", delay_s=0.6)
    scene.host.fault(phase="advice", lose=True)
    scene.source = scene.made(line=Patient)
    assert isinstance(scene.obtain(), Unknown)
    settled(scene, scene.obtain())
    assert scene.task.advices == 0
    assert Patient.kept is not None
    Line.close(Patient.kept)


class DiesAfterSending(Line):
    def receive(self, wanted: Any) -> Any:
        if self._sent_a_purchase:
            time.sleep(0.1)
            raise Killed
        return super().receive(wanted)

    _sent_a_purchase = False

    def send(self, mti: str, fields: Any) -> None:
        super().send(mti, fields)
        self._sent_a_purchase = mti == "2200"


class DiesBeforeSending(Line):
    def send(self, mti: str, fields: Any) -> None:
        if mti == "2200":
            raise Killed
        super().send(mti, fields)


class DiesBeforeTheRow(Line):
    def receive(self, wanted: Any) -> Any:
        answer = super().receive(wanted)
        if answer is not None and answer.mti == "2110":
            raise Killed
        return answer


@pytest.mark.parametrize("line", [DiesAfterSending, DiesBeforeSending, DiesBeforeTheRow])
def test_a_process_that_dies_is_taken_over_and_never_buys_twice(scene: Scene, line: type[Line]) -> None:
    with pytest.raises(Killed):
        scene.made(line=line).obtain(scene.request)
    busy = scene.obtain()
    assert isinstance(busy, Unknown) and "already" in busy.reason
    scene.forget_claim()
    answer = scene.obtain()
    if line is DiesBeforeSending:
        # The row says that it may have left; P2APST says that it did not come.
        assert answer == Refused("p2apst_0063", "P2APST refuses: no such payment, or failed.")
        assert (scene.sold, scene.task.state, scene.task.code) == (0, "REFUSED", "0063")
        assert scene.obtain() == answer
    else:
        settled(scene, answer)


@pytest.mark.parametrize("sell", [True, False])
def test_0068_holds_the_money_until_the_advice(scene: Scene, sell: bool) -> None:
    scene.host.fault(phase="purchase", code="0068", sell=sell)
    assert isinstance(scene.obtain(), Unknown) and scene.task.code == "0068"
    for code in ("0005", "0088", "0090", "0068", "0046", "7777"):
        scene.host.fault(phase="advice", code=code)
        scene.host.fault(phase="advice_repeat", code=code)
        assert isinstance(scene.obtain(), Unknown), code
        scene.host.double.faults.clear()
    answer = scene.obtain()
    if sell:
        settled(scene, answer)
    else:
        assert isinstance(answer, Refused) and scene.task.code == "0063"


@pytest.mark.parametrize("code", ["0005", "0063", "0098", "0047"])
def test_a_definite_failure_of_the_purchase_is_refused(scene: Scene, code: str) -> None:
    scene.host.fault(phase="purchase", code=code)
    answer = scene.obtain()
    assert isinstance(answer, Refused) and answer.code == f"p2apst_{code}"
    assert (scene.task.state, scene.task.code, scene.sold) == ("REFUSED", code, 0)
    taken = scene.host.double.taken
    assert scene.obtain() == answer and scene.host.double.taken == taken


@pytest.mark.parametrize("code", ["0063", "0098"])
def test_two_answers_to_an_advice_give_the_money_back(scene: Scene, code: str) -> None:
    scene.host.fault(phase="purchase", code="0068")
    scene.host.fault(phase="advice", code=code)
    assert isinstance(scene.obtain(), Unknown)
    answer = scene.obtain()
    assert isinstance(answer, Refused) and answer.code == f"p2apst_{code}"


@pytest.mark.parametrize("code", ["0014", "0068", "0090"])
def test_nothing_was_bought_when_the_inquiry_fails(scene: Scene, code: str) -> None:
    scene.host.fault(phase="inquiry", code=code)
    answer = scene.obtain()
    assert isinstance(answer, Refused) and answer.code == f"p2apst_{code}" and scene.task.purchase == ""


@pytest.mark.parametrize(
    "fault",
    [
        {"phase": "inquiry", "lose": True},
        {"phase": "inquiry", "close": True},
        {"phase": "inquiry", "garbage": True},
        {"phase": "network", "lose": True},
        {"phase": "network", "code": "0006"},
    ],
)
def test_before_the_purchase_everything_may_be_tried_again(scene: Scene, fault: dict[str, Any]) -> None:
    scene.host.fault(**fault)
    assert isinstance(scene.obtain(), Unknown) and scene.task.state == "OPEN"
    settled(scene, scene.obtain())


@pytest.mark.parametrize("fault", [{"close": True}, {"garbage": True}, {"repeat": 3}])
def test_a_line_that_breaks_after_the_purchase(scene: Scene, fault: dict[str, Any]) -> None:
    scene.host.fault(phase="purchase", **fault)
    answer = scene.obtain()
    settled(scene, answer if isinstance(answer, Issued) else scene.obtain())


def test_nobody_there(scene: Scene) -> None:
    scene.source = scene.made(port=1)
    assert isinstance(scene.obtain(), Unknown) and scene.task.code == "line_down"
    scene.source = scene.made()
    settled(scene, scene.obtain())


def test_a_meter_that_p2apst_does_not_know(scene: Scene) -> None:
    scene.host.central.customers.pop(scene.vend.drn)
    answer = scene.obtain()
    assert isinstance(answer, Refused) and answer.code == "p2apst_0014"


def test_an_answer_for_another_sum_or_meter_is_not_believed(scene: Scene) -> None:
    scene.host.fault(phase="purchase", lose=True)
    assert isinstance(scene.obtain(), Unknown)
    (sale,) = scene.host.central.sales.values()
    right = sale.private
    for wrong in (
        {"meter_no": "99999999999"},
        {"token": "1234567890123456789x"},
        {"kwh": {"minor": "1", "value": "0000000000"}},
        {"kwh": {"minor": "9", "value": "0000000001"}},
        {"kwh": {"minor": "1", "value": "00000 0672"}},
    ):
        sale.private = {**right, **wrong}
        assert isinstance(scene.obtain(), Unknown) and scene.task.code == "not_whole"
    sale.private = right
    settled(scene, scene.obtain())


def test_two_that_ask_at_once_buy_once(scene: Scene) -> None:
    scene.host.fault(phase="purchase", delay_s=0.2)
    answers: list[Issued | Refused | Unknown] = []

    def ask() -> None:
        try:
            answers.append(scene.made(timeout_s=2).obtain(scene.request))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(type(one).__name__ for one in answers) == ["Issued", "Unknown", "Unknown", "Unknown"]
    settled(scene, scene.obtain())


def test_the_rows_cannot_lie(scene: Scene) -> None:
    tasks = P2APSTTasks()
    claimed = tasks.claim(scene.request.request_id, busy_s=60, now=scene.town.now)
    assert claimed is not None and claimed.nominal_idr == NOMINAL_IDR
    for change in ({"state": "SENT"}, {"state": "ISSUED"}, {"state": "REFUSED"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            P2APSTTask.objects.update(**change)
    tasks.sending(claimed.number, purchase="2200", now=scene.town.now)
    with pytest.raises(TaskMoved):
        tasks.sending(claimed.number, purchase="2200", now=scene.town.now)
    tasks.ended(claimed.number, refused="0063", now=scene.town.now)
    tasks.ended(claimed.number, refused="0063", now=scene.town.now)
    with pytest.raises(TaskMoved):
        tasks.ended(claimed.number, refused=None, now=scene.town.now)
    tasks.unanswered(claimed.number, code="0068", advices=1)
    assert (scene.task.state, scene.task.code, scene.task.advices) == ("REFUSED", "0063", 0)


def test_the_whole_way_of_a_vend(scene: Scene) -> None:
    """Paid here, bought there: the sweeper goes on after a lost answer, and the books end once."""
    scene.host.fault(phase="purchase", lose=True)
    asked = obtain_token(vend=scene.vend, token_source=scene.source, now=scene.town.now)
    assert asked.digits is None and Vend.objects.get().state == "PAID"
    Vend.objects.update(obtain_not_before_at=dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
    assert resume_paid(token_source=scene.source, now=scene.town.now) == 1
    assert Token.objects.get().digits == scene.digits() and Vend.objects.get().state == "ISSUED"


def test_a_refused_vend_is_paid_back(scene: Scene) -> None:
    before_sen = Wallet.objects.get().balance_sen
    scene.host.fault(phase="purchase", code="0047")
    obtain_token(vend=scene.vend, token_source=scene.source, now=scene.town.now)
    assert Vend.objects.get().state == "REFUNDED" and Wallet.objects.get().balance_sen > before_sen


def configured(settings: Any, **changes: str) -> None:
    """Django's settings with a P2APST in them."""
    words = {"ADDRESS": "127.0.0.1:8583", "PARTNER": "PYLP001", "BANK": "4510017", "TERMINAL": "X", "FRAMING": "ff"}
    for name, value in (words | changes).items():
        settings.setattr(django_settings, f"P2APST_{name}", value)


def test_the_settings_choose_the_source(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert token_source(scene.town.source) is scene.town.source
    configured(monkeypatch, ADDRESS=f"127.0.0.1:{scene.host.port}", FRAMING=str(scene.host.double.framing))
    chosen = token_source(scene.town.source)
    assert isinstance(chosen, P2APSTSource)
    settled(scene, chosen.obtain(scene.request))


@pytest.mark.parametrize(
    "change",
    [
        {"ADDRESS": "8583"},
        {"ADDRESS": "host:0"},
        {"ADDRESS": "host:x"},
        {"PARTNER": ""},
        {"BANK": "451"},
        {"TERMINAL": "x" * 17},
        {"FRAMING": "tpdu"},
    ],
)
def test_a_wrong_setting_is_a_sentence(change: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    configured(monkeypatch, **change)
    with pytest.raises(P2APSTMisconfigured, match="DUAARAH_P2APST"):
        terms_of_settings()


@pytest.mark.parametrize("point", ["before the row", "before sending", "after sending", "before the end"])
def test_sigkill_at_each_step(scene: Scene, database: str, point: str) -> None:
    words = [point, str(scene.request.request_id), str(scene.host.port), str(scene.host.double.framing)]
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.wiring.killable_p2apst", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "DUAARAH_DATABASE_URL": database, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )
    assert child.stdout is not None and child.stdout.readline().strip() == point
    until_s = time.monotonic() + 10
    while point in ("after sending", "before the end") and not scene.sold and time.monotonic() < until_s:
        time.sleep(0.02)
    child.kill()
    assert child.wait(10) == -9
    child.stdout.close()
    assert scene.task.state == ("OPEN" if point == "before the row" else "SENT")
    scene.forget_claim()
    answer = scene.obtain()
    if point == "before sending":
        assert isinstance(answer, Refused) and (scene.task.code, scene.sold) == ("0063", 0)
    else:
        settled(scene, answer)
