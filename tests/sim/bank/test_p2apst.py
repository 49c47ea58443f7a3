"""The PPOB double against the P2APST double, over real sockets and in both framings."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from duaarah.core.sts import MeterDecoder, Result
from duaarah.net.jsonport import call
from duaarah.sim.bank.central import nominal_of
from duaarah.sim.bank.host_faults import FaultRefused, from_request
from duaarah.sim.bank.p2apst import P2APST, handlers, made
from duaarah.sim.bank.ppob import PPOB, WIB, Conduct, Done, NotConnected
from duaarah.sim.bank.ppob_messages import Customer, StepRefused, Terms
from duaarah.wire.iso8583 import Framing, Message, shortcomings

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 2, 16, 10, 0, tzinfo=WIB)
BP = Customer("nontaglis", registration_no="5351126110001")
BILLS = Customer("postpaid", idpel="539988880001")
Value = TypeVar("Value")
Scene = Callable[[P2APST, PPOB], Awaitable[Value]]


def played(scene: Scene[Value], framing: Framing = Framing.LENGTH2, *, timeout_s: float = 1.0) -> Value:
    """A scene between the two, signed on."""

    async def play() -> Value:
        host = made(7, 10, framing)
        port = await host.start()
        client = PPOB("127.0.0.1", port, framing=framing, timeout_s=timeout_s, clock=lambda: NOW)
        await client.open()
        try:
            assert code(await client.network("001")) == "0000"
            return await scene(host, client)
        finally:
            await client.close()
            await host.stop()

    return asyncio.run(play())


def code(done: Done) -> str | None:
    return str(done.answer.fields["39"]) if done.answer is not None else None


def meter_of(host: P2APST, index: int = 0) -> str:
    return list(host.central.customers)[index]


async def order(host: P2APST, op: str, **content: Any) -> dict[str, Any]:
    return await handlers(host)[op]({"op": op, **content})


async def bought(host: P2APST, client: PPOB, conduct: Conduct | None = None, nominal_idr: int = 100_000) -> Done:
    await client.inquiry(Customer(meter_no=meter_of(host)))
    return await client.pay(nominal_idr, conduct)


def token(message: Message | None) -> str:
    assert message is not None
    return str(message.fields["48"]["token"])


@pytest.mark.parametrize("framing", Framing)
def test_a_token_is_bought_and_the_meter_takes_it(framing: Framing) -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        customer = host.central.customers[meter_of(host)]
        asked = await client.inquiry(Customer(meter_no=customer.meter.drn))
        assert asked.answer is not None and shortcomings(asked.answer) == []
        assert asked.answer.fields["48"]["idpel"] == customer.meter.idpel
        by_idpel = await client.inquiry(Customer(idpel=customer.meter.idpel))
        assert by_idpel.answer is not None and by_idpel.answer.fields["48"]["meter_no"] == customer.meter.drn
        done = await client.pay(100_000)
        assert done.answer is not None and (done.answer.kind, code(done)) == ("prepaid_purchase_response", "0000")
        assert shortcomings(done.answer) == []
        private = done.answer.fields["48"]
        lines = [int(private[name]["value"]) for name in ("power_purchase", "ppj", "ppn", "stamp", "angsuran")]
        assert sum(lines) == 100_000 * 100
        decoder = MeterDecoder(customer.key, ken=customer.meter.sts.ken)
        entry = decoder.enter(token(done.answer), now_s=0)
        assert entry.result is Result.ACCEPT
        assert private["kwh"] == {"minor": "1", "value": f"{entry.energy_wh // 100:010d}"}

    played(scene, framing)


@pytest.mark.parametrize("framing", Framing)
def test_a_lost_answer_is_asked_for_and_is_the_same_token(framing: Framing) -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        await order(host, "fault", phase="purchase", lose=True)
        lost = await bought(host, client)
        assert lost.answer is None and (await order(host, "status"))["sold"] == 1
        advised = await client.advice()
        repeated = await client.advice(repeated=True)
        again = await client.again()
        assert [d.answer.mti for d in (advised, repeated, again) if d.answer] == ["2230", "2231", "2210"]
        assert len({token(d.answer) for d in (advised, repeated, again)}) == 1
        assert (await order(host, "status"))["sold"] == 1

    played(scene, framing, timeout_s=0.2)


def test_a_late_answer_is_a_stray() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        await order(host, "fault", phase="payment", delay_s=0.3)
        assert (await bought(host, client)).answer is None
        await asyncio.sleep(0.4)
        (stray,) = client.link.strays
        assert token(stray) == token((await client.advice()).answer)

    played(scene, timeout_s=0.1)


@pytest.mark.parametrize("forced", ["0068", "0005", "0063", "0098"])
@pytest.mark.parametrize("sell", [True, False])
def test_a_forced_code_with_and_without_a_sale(forced: str, sell: bool) -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        await order(host, "fault", target=meter_of(host), phase="purchase", code=forced, sell=sell)
        done = await bought(host, client)
        assert code(done) == forced and done.answer is not None and "token" not in done.answer.fields["48"]
        assert len(host.central.sales) == sell
        advised = await client.advice()
        assert code(advised) == ("0000" if sell else "0063")
        assert not sell or len(token(advised.answer)) == 20

    played(scene)


def test_forced_codes_by_meter_and_phase_and_so_many_times() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        await order(host, "fault", target=meter_of(host, 1), phase="inquiry", code="0014", times=2)
        codes = [code(await client.inquiry(Customer(meter_no=meter_of(host, n)))) for n in (1, 0, 1, 1)]
        assert codes == ["0014", "0000", "0014", "0000"]
        await order(host, "fault", code="0006", times="always")
        assert [code(await client.network("301")) for _ in range(3)] == ["0006"] * 3
        await order(host, "clear")
        assert code(await client.network("301")) == "0000"

    played(scene)


def test_refusals_of_the_books() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        codes = {}
        for nominal_idr in (19_000, 20_500, 51_000_000, 50_000_000, 20_000):
            codes[nominal_idr] = code(await bought(host, client, nominal_idr=nominal_idr))
        assert codes == {19_000: "0041", 20_500: "0013", 51_000_000: "0042", 50_000_000: "0047", 20_000: "0000"}
        await order(host, "set", deposit_idr={"PYLP001": 30_000})
        assert [code(await bought(host, client, nominal_idr=20_000)) for _ in range(2)] == ["0000", "0046"]
        await order(host, "set", cut_off=True, deposit_idr={})
        assert code(await client.network("301")) == "0000"
        assert code(await client.inquiry(Customer(meter_no=meter_of(host)))) == "0090"
        await order(host, "set", cut_off=False, blocked=["PYLP001"])
        assert code(await client.inquiry(Customer(meter_no=meter_of(host)))) == "0006"
        await order(host, "set", blocked=[])
        assert code(await client.inquiry(Customer(meter_no="99999999999"))) == "0014"
        assert code(await client.network("002")) == "0000"
        assert code(await client.inquiry(Customer(meter_no=meter_of(host)))) == "0011"
        assert len(host.central.sales) == 2

    played(scene)


def test_references_must_be_those_of_the_inquiry() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        await client.inquiry(Customer(meter_no=meter_of(host)))
        assert client.told.inquiry is not None
        private = client.told.inquiry.fields["48"]
        private["pln_ref"] = "F" * 32
        assert code(await client.pay(100_000)) == "0098" and host.central.sales == {}
        await bought(host, client)
        assert client.told.sent is not None
        client.told.sent["48"]["pln_ref"] = "F" * 32
        assert code(await client.again()) == "0092"
        assert code(await client.advice()) == "0098" and len(host.central.sales) == 1

    played(scene)


def test_repeated_twinned_split_and_joined_purchases_are_one() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        for number, conduct in enumerate(
            (
                Conduct(repeat=3),
                Conduct(faults=frozenset({"twins"})),
                Conduct(faults=frozenset({"split"})),
                Conduct(faults=frozenset({"join"}), repeat=2),
                Conduct(delay_s=0.01),
            ),
            1,
        ):
            done = await bought(host, client, conduct)
            assert len(done.answers) == conduct.repeat + ("twins" in conduct.faults)
            assert {code(Done(done.sent, [one])) for one in done.answers} == {"0000"}
            assert len({token(one) for one in done.answers}) == 1
            assert len(host.central.sales) == number
        assert [stray.kind for stray in client.link.strays] == ["network_echo_response"]

    played(scene)


def test_tokens_of_one_minute_have_tids_of_their_own() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        for _ in range(5):
            await bought(host, client, nominal_idr=20_000)
        tids = [sale.tid for sale in host.central.sales.values()]
        assert len(set(tids)) == 5 == len({sale.digits for sale in host.central.sales.values()})
        assert "token" not in repr(host.central.sales) and host.central.sales[next(iter(host.central.sales))].digits

    played(scene)


def test_the_same_requests_give_the_same_tokens_in_another_process_of_the_double() -> None:
    async def scene(host: P2APST, client: PPOB) -> list[str]:
        return [token((await bought(host, client, nominal_idr=20_000)).answer) for _ in range(3)]

    assert played(scene) == played(scene)


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize(("fault", "reason"), [("garbage", "bad_mti"), ("bitmap_lie", "bad_field")])
def test_what_cannot_be_read_ends_the_connection_and_is_logged(framing: Framing, fault: str, reason: str) -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        lost = await bought(host, client, Conduct(faults=frozenset({fault})))
        assert lost.answer is None and client.link.ended is not None
        assert [why.split(":")[0] for why in host.ended] == [reason] and host.central.sales == {}
        with pytest.raises(NotConnected):
            await client.advice()
        await client.reconnect()
        assert code(await client.advice()) == "0011"
        await client.network("001")
        assert code(await client.advice()) == "0063"

    played(scene, framing)


def test_a_wrong_width_is_0030_under_the_same_trace() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        done = await bought(host, client, Conduct(faults=frozenset({"wrong_width"})))
        assert code(done) == "0030" and done.answer is not None
        assert done.answer.fields["11"] == done.sent.fields["11"] and host.central.sales == {}

    played(scene)


def test_who_hangs_up_finds_the_token_by_advice() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        gone = await bought(host, client, Conduct(faults=frozenset({"hang_up"})))
        assert gone.answer is None
        await client.reconnect()
        await client.network("001")
        assert len(token((await client.advice()).answer)) == 20

    played(scene)


def test_the_host_too_can_lose_the_line_repeat_itself_and_talk_nonsense() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        await order(host, "fault", phase="purchase", repeat=3)
        first = await bought(host, client)
        await asyncio.sleep(0.05)
        assert [token(first.answer)] * 2 == [token(stray) for stray in client.link.strays]
        await order(host, "fault", phase="purchase", garbage=True)
        assert (await bought(host, client)).answer is None and "no message type" in str(client.link.ended)
        await client.reconnect()
        await client.network("001")
        assert code(await client.advice()) == "0000"
        await order(host, "fault", phase="advice", close=True)
        assert (await client.advice()).answer is None
        await client.reconnect()
        await client.network("001")
        assert (await order(host, "drop"))["dropped"] == 1
        with pytest.raises(NotConnected):
            for _ in range(100):
                await client.network("301")
                await asyncio.sleep(0.01)

    played(scene)


def test_a_connection_fee_is_paid_and_reversed() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        asked = await client.inquiry(BP)
        assert asked.answer is not None and shortcomings(asked.answer) == []
        paid = await client.pay()
        assert paid.sent.kind == "nontaglis_payment_request" and nominal_of(paid.sent.fields["4"]) == 1_218_000
        assert paid.answer is not None and shortcomings(paid.answer) == []
        codes = [code(paid), code(await client.again()), code(await client.inquiry(BP))]
        codes += [code(await client.reversal()), code(await client.reversal(repeated=True))]
        assert codes == ["0000", "0000", "0088", "0000", "0094"]
        assert code(await client.inquiry(BP)) == "0000" and code(await client.pay()) == "0000"
        await order(host, "settle")
        assert code(await client.reversal()) == "0012"
        assert code(await client.inquiry(Customer("nontaglis", registration_no="0000000000000"))) == "0015"

    played(scene)


def test_bills_are_paid_and_reversed() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        asked = await client.inquiry(BILLS)
        assert asked.answer is not None and len(asked.answer.fields["48"]["bills"]) == 2
        paid = await client.pay()
        assert (paid.sent.kind, nominal_of(paid.sent.fields["4"])) == ("postpaid_payment_request", 525_000)
        assert [code(paid), code(await client.reversal())] == ["0000", "0000"]
        await order(host, "debt", number="539988880002", bills_idr=[10_000])
        assert code(await client.inquiry(Customer("postpaid", idpel="539988880002"))) == "0000"

    played(scene)


def test_unsold_tokens_are_told_and_taken() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        await order(host, "unsold", meter=meter_of(host), nominal_idr=20_000)
        asked = await client.inquiry(Customer(meter_no=meter_of(host)))
        assert asked.answer is not None and asked.answer.fields["62"]["unsold"] == ["00000020000"]
        done = await client.pay(20_000, option="1")
        assert done.answer is not None and done.answer.fields["62"]["unsold"] == [] and code(done) == "0000"

    played(scene)


def test_steps_that_cannot_be_taken() -> None:
    async def scene(host: P2APST, client: PPOB) -> None:
        for step in (client.pay(1), client.again(), client.advice(), client.reversal(), client.inquiry(Customer())):
            with pytest.raises(StepRefused):
                await step
        await client.inquiry(BP)
        await client.pay()
        with pytest.raises(StepRefused):
            await client.advice()
        await bought(host, client)
        with pytest.raises(StepRefused):
            await client.reversal()

    played(scene)


@pytest.mark.parametrize(
    "request_",
    [
        {"phase": "dance"},
        {"code": "68"},
        {"code": 68},
        {"lose": 1},
        {"delay_s": -1},
        {"delay_s": True},
        {"repeat": 0},
        {"repeat": 99},
        {"times": 0},
        {"times": "twice"},
        {"meters": "x"},
    ],
)
def test_a_fault_that_means_nothing_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(FaultRefused):
        from_request({"op": "fault", **request_})


def test_nobody_there() -> None:
    async def play() -> None:
        with pytest.raises(NotConnected, match="cannot be reached"):
            await PPOB("127.0.0.1", 1, terms=Terms()).open()

    asyncio.run(play())


# -- as commands -------------------------------------------------------------------------------------------------------


def duaarah(*words: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "duaarah", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        **options,
    )


@pytest.mark.parametrize("framing", Framing)
def test_both_as_commands(framing: Framing) -> None:
    server = duaarah("sim", "p2apst", "--framing", framing, "--meters", "10")
    try:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        call(said["control_port"], {"op": "fault", "phase": "advice", "code": "0068"})
        where = ("--connect", f"127.0.0.1:{said['port']}", "--framing", framing, "--meter", said["meter"])
        steps = ("sign-on", "inquiry", "purchase", "advice", "advice-repeat", "echo", "sign-off")
        client = duaarah("sim", "ppob", *where, *steps)
        out, err = client.communicate(timeout=60)
        records = [json.loads(line) for line in out.splitlines()]
        assert (client.returncode, err) == (0, "")
        assert [r["verdict"] for r in records] == ["ok", "ok", "ok", "pending", "ok", "ok", "ok"]
        assert records[2]["answer"]["fields"]["48"]["token"] == records[4]["answer"]["fields"]["48"]["token"]
        script = (
            '{"step": "sign_on"}\n\n{"step": "dance"}\n{\n{"step": "advice"}\n{"step": "echo", "faults": ["lose"]}\n'
        )
        client = duaarah("sim", "ppob", *where, stdin=subprocess.PIPE)
        out, _ = client.communicate(script, timeout=60)
        errors = [json.loads(line)["error"] for line in out.splitlines()]
        assert (client.returncode, errors) == (1, [None, "wrong_step", "wrong_step", "step_refused", None])
        assert call(said["control_port"], {"op": "status"})["sold"] == 1
        waiting = duaarah("sim", "ppob", *where, stdin=subprocess.PIPE)
        assert waiting.stdin is not None and waiting.stdout is not None
        waiting.stdin.write('{"step": "sign_on"}\n')
        waiting.stdin.flush()
        assert json.loads(waiting.stdout.readline())["code"] == "0000"
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(timeout=10) == 130 and waiting.stderr is not None and waiting.stderr.read() == ""
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=10) == 0
        assert server.stderr is not None and server.stderr.read() == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--connect", "nowhere"],
        ["--connect", "127.0.0.1:0"],
        ["--connect", "127.0.0.1:9", "--meter", "12"],
        ["--connect", "127.0.0.1:9", "--partner", "X"],
        ["--connect", "127.0.0.1:9", "--nominal", "0"],
        ["--connect", "127.0.0.1:9", "--timeout", "0"],
        ["--connect", "127.0.0.1:9", "--trace", "0"],
        ["--connect", "127.0.0.1:9", "dance"],
    ],
)
def test_wrong_usage_is_a_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from duaarah.cli.main import main

    assert main(["sim", "ppob", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_port_that_is_taken_and_a_town_that_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    from duaarah.cli.main import main

    assert main(["sim", "p2apst", "--meters", "0"]) == 2
    assert main(["sim", "p2apst", "--port", "99999"]) == 2
    assert main(["sim", "ppob", "--connect", "127.0.0.1:1", "sign_on"]) == 1
    assert "cannot be reached" in capsys.readouterr().err
