"""The real process of a town, killed with -9 in the middle of a busy day: nothing is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.sim.town.test_memory import _code, _warning
from tests.sim.town.test_server import ACCOUNTS, BY_NUMBER, Platform
from tests.sim.town.test_town import _frame, _report, _token

from duaarah.core.intent import LowCredit, MeterRegister, TokenResult
from duaarah.drivers import Keys, encode_read, profile, unframe
from duaarah.net.dlms_client import ReadFailed, ReadLink, read_registers
from duaarah.net.jsonport import ControlFailed, call
from duaarah.sim.smsc.server import SMSC
from duaarah.sim.town.sms import BINARY, GSM7, Outgoing
from duaarah.sim.town.world import READER_TITLE, START, TownMeter, make_world
from duaarah.wire.smpp.pdu import PDU

ROOT = Path(__file__).parents[3]
WORLD = make_world(7, 50)
RATE = 3600  # an hour a second
KILLS = 6


class Bank(ThreadingHTTPServer):
    """The platform's ear for notifications: silent (503) until `open` is set; keeps every body by its id."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: dict[str, list[bytes]] = defaultdict(list)
        self.taken: set[str] = set()
        self.open = False


class _Handler(BaseHTTPRequestHandler):
    server: Bank

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = json.loads(body)["notification_id"]
        self.server.bodies[name].append(body)
        if self.server.open:
            self.server.taken.add(name)
        self.send_response(202 if self.server.open else 503)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Process:
    """`sim town --state` as an operating system sees it."""

    def __init__(self, state: Path, smpp_port: int, bank_port: int) -> None:
        self._command = [sys.executable, "-m", "duaarah", "sim", "town", "--seed", "7", "--meters", "50"]
        self._command += ["--smsc", f"127.0.0.1:{smpp_port}", "--smsc-password", "b", "--no-radio-faults"]
        self._command += ["--notify-url", f"http://127.0.0.1:{bank_port}", "--state", str(state)]
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    async def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, env=environment
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        self.port = json.loads(line)["control_port"]

    async def kill(self, number: int = signal.SIGKILL) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        await self._process.wait()

    async def ask(self, op: str, **content: Any) -> dict[str, Any]:
        return await asyncio.to_thread(call, self.port, {"op": op, **content})


class Operator(Platform):
    """
    A platform in small: warns the customer of each meter that is low, sends tokens, and sends a frame again under a new
    counter until the meter has answered for its token.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.frames_of: dict[bytes, set[bytes]] = defaultdict(set)  # meter's nonce (title, counter) -> payloads
        self.warning = True
        self.warned: dict[str, str] = {}  # drn -> code
        self.replies: Counter[tuple[str, str]] = Counter()
        self.tokens: dict[str, str] = {}  # drn -> its latest token, unanswered
        self.results: dict[tuple[str, int], str] = {}
        self.highest: dict[str, int] = Counter()
        self.low: Counter[str] = Counter()
        self.issued: dict[str, list[str]] = defaultdict(list)
        self.order: dict[str, list[int]] = defaultdict(list)

    def on_deliver(self, pdu: PDU) -> None:
        super().on_deliver(pdu)
        source = pdu.text["source_addr"]
        if pdu.number["data_coding"] != BINARY:
            self.replies[source, pdu.payload.decode("ascii")] += 1
            return
        meter = BY_NUMBER[source]
        protected = unframe(profile(meter.profile), pdu.payload)
        if not self.frames_of[protected.system_title + protected.counter.to_bytes(4, "big")]:
            self.order[meter.drn].append(protected.counter)
        self.frames_of[protected.system_title + protected.counter.to_bytes(4, "big")].add(pdu.payload)
        report = _report(meter, Outgoing(source, pdu.payload, BINARY))
        if isinstance(report, LowCredit):
            self.low[meter.drn] += 1
            if self.warning and meter.drn not in self.warned:
                self.warned[meter.drn] = _code(len(self.warned))
                self._text(meter, _warning(meter, self.warned[meter.drn]))
        elif isinstance(report, TokenResult):
            self.results[meter.drn, report.command_counter] = report.result
            if report.result in ("accept", "used"):
                self.tokens.pop(meter.drn, None)

    def _text(self, meter: TownMeter, text: bytes) -> None:
        self.esme.submit(
            "text",
            source="3123",
            destination=meter.holder.phone,
            short_message=text,
            data_coding=GSM7,
            validity_s=60,
            registered=False,
        )

    def sell(self, meter: TownMeter) -> None:
        """A new token for this meter, unless its latest is still on its way."""
        if meter.drn not in self.tokens:
            digits = _token(meter, energy_wh=100, minutes=5 * len(self.issued[meter.drn]))
            self.tokens[meter.drn] = digits
            self.issued[meter.drn].append(digits)
        self.load(meter, self.tokens[meter.drn])

    def load(self, meter: TownMeter, digits: str) -> int:
        """Under the next counter."""
        self.highest[meter.drn] += 1
        if self.esme.free > 20:
            self.send(meter, _frame(meter, digits, self.highest[meter.drn]))
        return self.highest[meter.drn]


async def _until(fulfilled: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(30):
            while True:
                answer = fulfilled()
                if answer if isinstance(answer, bool) else await answer:
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"never: {what}")


async def _busy_day(town: Process, operator: Operator, dice: random.Random) -> list[tuple[str, str]]:
    """Kill and restart while frames and texts flow; returns business time before each kill and after it."""
    times = []
    anchor = START.replace(hour=6).isoformat()
    for kill in range(KILLS + 1):
        status = await town.ask("clock", anchor=anchor, rate=RATE)
        assert status["restored"] == (kill > 0)
        times.append((anchor, status["now"]))
        for _ in range(dice.randrange(8, 40)):
            for meter in dice.sample(WORLD.meters, 5):
                operator.sell(meter)
            await asyncio.sleep(dice.uniform(0.01, 0.04))
        if kill < KILLS:
            anchor = (await town.ask("status"))["now"] if kill % 2 else START.isoformat()  # or an anchor long past
            await town.kill()
            await town.start()
    return times


async def _settle(town: Process, operator: Operator) -> None:
    """The evening: everything that is under way comes to its end."""
    await town.ask("clock", anchor=START.replace(hour=23).isoformat(), rate=1)

    async def quiet() -> bool:
        for drn in list(operator.tokens):
            operator.load(next(meter for meter in WORLD.meters if meter.drn == drn), operator.tokens[drn])
        await asyncio.sleep(0.3)
        status = await town.ask("status")
        return not operator.tokens and status["busy"] == 0

    await _until(quiet, "the town is quiet")
    operator.warning = False  # who is warned now answers after the end of the test
    await town.ask("clock", anchor=START.replace(hour=23, minute=50).isoformat(), rate=1)
    await _until(quiet, "the last answers")


def _on_stage(state: Path, play: Callable[[Process, Operator, Bank], Awaitable[None]]) -> None:
    async def run() -> None:
        smsc = SMSC(ACCOUNTS)
        smpp_port, _ = await smsc.start()
        operator, bank = Operator(smpp_port), Bank()
        listening = threading.Thread(target=bank.serve_forever, args=(0.01,), daemon=True)
        listening.start()
        running = asyncio.create_task(operator.esme.run())
        town = Process(state, smpp_port, bank.server_address[1])
        try:
            await _until(lambda: operator.esme.bound, "the platform is bound")
            await town.start()
            await play(town, operator, bank)
        finally:
            await town.kill()
            await operator.esme.stop()
            running.cancel()
            await smsc.control.stop()
            bank.shutdown()
            bank.server_close()

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_busy_day_with_kills_loses_nothing_and_does_nothing_twice(tmp_path: Path, seed: int) -> None:
    async def play(town: Process, operator: Operator, bank: Bank) -> None:
        times = await _busy_day(town, operator, random.Random(seed))
        assert all(earlier <= later for (_, earlier), (_, later) in pairwise(times))
        bank.open = True  # until now no notification was answered for good
        await _settle(town, operator)
        meters = {row["drn"]: row for row in (await town.ask("meters"))["meters"]}

        # No accepted token was lost, none was credited twice, and none is taken again.
        assert sum(len(tokens) for tokens in operator.issued.values()) > 100
        for meter in WORLD.meters:
            tokens, row = operator.issued[meter.drn], meters[meter.drn]
            assert row["tokens_accepted"] == row["tokens_distinct"] == len(tokens)
            assert row["token_energy_wh"] == 100 * len(tokens)
        again = [(meter.drn, operator.load(meter, operator.issued[meter.drn][-1])) for meter in WORLD.meters[:20]]
        await _until(lambda: all(key in operator.results for key in again), "the tokens that were sent again")
        assert {operator.results[key] for key in again} == {"used"}

        # No counter of a meter ever stood over two different frames; none is missing: no push was lost.
        assert {len(payloads) for payloads in operator.frames_of.values()} == {1}
        for counters in operator.order.values():
            assert sorted(counters) == list(range(1, len(counters) + 1))

        # Each warning led to one purchase: one reply (an SMS may come twice) or one at the ATM.
        sold = [json.loads(bodies[0]) for bodies in bank.bodies.values()]
        replied = {text for _, text in operator.replies if text.startswith("ISI 50000 ")}
        by_reply = {drn for drn, code in operator.warned.items() if f"ISI 50000 {code}" in replied}
        assert len(operator.warned) > 15 and len(replied) == len(by_reply)
        assert Counter(row["drn"] for row in sold) == Counter(set(operator.warned) - by_reply)

        # Every notification came, each time with the same bytes, and no TID was sold twice.
        status = await town.ask("status")
        assert status["atm_sold"] == len(sold) == len(bank.taken) > 3
        assert all(len(set(bodies)) == 1 for bodies in bank.bodies.values())
        assert len({(row["drn"], row["tid"]) for row in sold}) == len(sold)

        # What customers ask of their own accord was asked, each question once (or its SMS came twice).
        asked = {(question.phone, question.text) for question in WORLD.questions}
        late = {(q.phone, q.text) for q in WORLD.questions if q.minute >= 6 * 60}
        assert late <= {key for key in operator.replies if not key[1].startswith("ISI 50000 ")} <= asked

    _on_stage(tmp_path / "town.db", play)


@pytest.mark.slow
def test_notifications_sent_before_a_kill_come_again_with_the_same_id_and_bytes(tmp_path: Path) -> None:
    async def play(town: Process, operator: Operator, bank: Bank) -> None:
        await town.ask("clock", anchor=START.replace(hour=6).isoformat(), rate=1)
        sales = [await town.ask("buy_at_atm", drn=meter.drn, nominal_idr=50_000) for meter in WORLD.meters[:3]]
        ids = {sale["notification_id"] for sale in sales}
        await _until(lambda: set(bank.bodies) == ids, "the notifications")
        await town.kill()
        sent = {name: len(bodies) for name, bodies in bank.bodies.items()}
        await town.start()
        await _until(lambda: all(len(bank.bodies[name]) > sent[name] for name in ids), "the notifications, again")
        bank.open = True
        await _until(lambda: bank.taken == ids, "the answers")

        async def quiet() -> bool:
            return (await town.ask("status"))["busy"] == 0

        await _until(quiet, "nothing is owed")
        await asyncio.sleep(0.2)
        await town.kill()
        sent = {name: len(bodies) for name, bodies in bank.bodies.items()}
        await town.start()
        later = await town.ask("buy_at_atm", drn=WORLD.meters[0].drn, nominal_idr=50_000)
        assert later["tid"] > sales[0]["tid"]
        await _until(lambda: later["notification_id"] in bank.taken, "the new notification")
        assert all(len(set(bodies)) == 1 for bodies in bank.bodies.values())
        assert {name: len(bank.bodies[name]) for name in ids} == sent

    _on_stage(tmp_path / "town.db", play)


@pytest.mark.slow
def test_what_is_due_leaves_the_town_without_anybody_asking(tmp_path: Path) -> None:
    async def play(town: Process, operator: Operator, bank: Bank) -> None:
        operator.warning = False
        await town.ask("clock", anchor=START.isoformat(), rate=100_000)  # a day in 0.9 s
        await _until(lambda: operator.low.total() >= 20 and operator.replies.total() >= 10, "warnings and questions")
        await town.kill()
        await town.start()
        before, after = await town.ask("status"), await town.ask("status")
        assert before["now"] == after["now"] and before["restored"]  # time stands until the clock is set

    _on_stage(tmp_path / "town.db", play)


@pytest.mark.slow
def test_a_meter_that_was_read_never_answers_under_the_same_counter_again(tmp_path: Path) -> None:
    meter = WORLD.meters[0]
    known = profile(meter.profile)

    async def read(town: Process, counter: int) -> int:
        """Reads; the counter of the meter's latest answer is one more for each."""
        link = ReadLink(
            host="127.0.0.1",
            port=(await town.ask("read_port", drn=meter.drn))["port"],
            client_sap=known.link.client_sap,
            server_sap=known.link.server_sap,
            keys=Keys(meter.ek, meter.ak),
            system_title=READER_TITLE,
            meter_title=meter.system_title,
        )
        request = [encode_read(known, MeterRegister.TOKEN_ENERGY_WH, counter)]
        return len(await asyncio.to_thread(read_registers, link, request, counter=counter))

    async def play(town: Process, operator: Operator, bank: Bank) -> None:
        for counter in (1, 2, 3):
            assert await read(town, counter) == 1
        await town.kill()
        await town.start()
        with pytest.raises(ReadFailed):
            await read(town, 3)  # a replay
        assert await read(town, 4) == 1
        await town.ask("power", drn=meter.drn, on=False)
        await _until(lambda: bool(operator.order[meter.drn]), "the last gasp")
        assert operator.order[meter.drn] == [5]

    _on_stage(tmp_path / "town.db", play)


@pytest.mark.slow
def test_a_second_town_on_the_same_file_and_a_file_of_another_town_are_refused_with_a_sentence(tmp_path: Path) -> None:
    async def refused(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "duaarah", "sim", "town", *arguments),
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        _, said = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 2
        return said.decode()

    async def play(town: Process, operator: Operator, bank: Bank) -> None:
        state = str(tmp_path / "town.db")
        assert "in use by another town" in await refused("--seed", "7", "--meters", "50", "--state", state)
        await town.kill(signal.SIGTERM)
        said = await refused("--seed", "8", "--meters", "50", "--state", state)
        assert "seed 7 with 50 meters, not to that of seed 8 with 50." in said
        with pytest.raises(ControlFailed):
            await town.ask("status")

    _on_stage(tmp_path / "town.db", play)
