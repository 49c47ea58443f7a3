# SPDX-License-Identifier: Apache-2.0
"""`sim ppob`: a script of steps against any P2APST, or against our own host; one JSON line a step."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from typing import Any

from duaarah.sim.bank.ppob import FAULTS, PPOB, Conduct, Done, NotConnected
from duaarah.sim.bank.ppob_messages import NETWORK_CODES, PRODUCTS, Customer, StepRefused, Terms
from duaarah.wire.iso8583 import Framing, Message, meaning, verdict

STEPS = {
    "connect": "a new connection",
    "sign_on": "2800 with code 001",
    "echo": "2800 with code 301",
    "sign_off": "2800 with code 002",
    "network": '2800 with any code: {"step": "network", "code": "201"}',
    "inquiry": "2100",
    "purchase": "2200 of a token; nominal_idr",
    "pay": "2200 of a registration or of bills",
    "again": "the last 2200, word for word",
    "advice": "2220",
    "advice_repeat": "2221",
    "reversal": "2400",
    "reversal_repeat": "2401",
    "wait": '{"step": "wait", "seconds": 1}',
}
_OPTIONS = {"product", "meter", "idpel", "registration", "nominal_idr", "option", "code", "seconds"}
_CONDUCT = {"delay_s", "repeat", "faults"}
SECONDS_MAX = 3600
WE = Terms()
LINE_OCTETS_MAX = 1 << 16
REPEAT_MAX = 1000


class WrongStep(ValueError):
    """A line of the script that means nothing, in a sentence."""

    code = "wrong_step"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`./duaarah sim ppob`"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    steps = "\n".join(f"  {name:<16}{text}" for name, text in STEPS.items())
    faults = "\n".join(f"  {name:<16}{text}" for name, text in FAULTS.items())
    parser.epilog = (
        f"steps:\n{steps}\n\nWithout steps, JSON lines are read from stdin, such as\n"
        '  {"step": "purchase", "nominal_idr": 100000, "repeat": 2, "delay_s": 0.5, "faults": ["split"]}\n\n'
        f"faults of a step:\n{faults}"
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="such as: sign_on inquiry purchase advice sign_off")
    parser.add_argument("--connect", required=True, metavar="HOST:PORT")
    parser.add_argument("--framing", choices=[str(one) for one in Framing], default=str(Framing.LENGTH2))
    parser.add_argument("--product", choices=list(PRODUCTS), default="prepaid")
    parser.add_argument("--meter", default="", help="meter number, 11 digits")
    parser.add_argument("--idpel", default="", help="IDPEL, 12 digits")
    parser.add_argument("--registration", default="", help="registration number, 13 digits")
    parser.add_argument("--nominal", type=int, default=100_000, help="of a token, in rupiah (default: %(default)s)")
    parser.add_argument("--partner", default=WE.partner, help="our id, 7 characters (default: %(default)s)")
    parser.add_argument("--bank", default=WE.bank, help="bank code, 7 digits (default: %(default)s)")
    parser.add_argument("--terminal", default=WE.terminal)
    parser.add_argument("--trace", type=int, default=1, help="first trace number")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds to wait for an answer")
    parser.add_argument("--seed", type=int, default=1, help="of what the faults draw")


def run(args: argparse.Namespace) -> int:
    """0 if every step was answered (with any code), 1 if one was not, 2 for wrong usage."""
    host, _, port = args.connect.rpartition(":")
    problem = _usage(args, host, port)
    if problem:
        print(f"./duaarah sim ppob: {problem}", file=sys.stderr)
        return 2
    client = PPOB(
        host.strip("[]"),
        int(port),
        framing=Framing(args.framing),
        terms=Terms(args.partner, args.bank, args.terminal),
        timeout_s=args.timeout,
        seed=args.seed,
        first_trace=args.trace,
    )
    return asyncio.run(_run(client, _script(args), args))


def _usage(args: argparse.Namespace, host: str, port: str) -> str | None:
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        return "--connect is HOST:PORT."
    if not args.timeout > 0:
        return "--timeout is more than 0."
    if not 0 < args.trace < 10**12:
        return "--trace has 1 to 12 digits."
    for name, value, width in (("partner", args.partner, 7), ("bank", args.bank, 7)):
        if len(value) != width or not value.isascii():
            return f"--{name} has {width} characters."
    if len(args.terminal) > 16 or not args.terminal.isascii():
        return "--terminal has at most 16 characters."
    digits = (("meter", args.meter, 11), ("idpel", args.idpel, 12), ("registration", args.registration, 13))
    wrong = next((f"--{name} has {width} digits." for name, value, width in digits if not _number(value, width)), None)
    if wrong or not 0 < args.nominal < 10**12:
        return wrong or "--nominal is a positive number of rupiah."
    unknown = next((step for step in args.steps if step.replace("-", "_") not in STEPS), None)
    return f"There is no step {unknown}; there are {', '.join(STEPS)}." if unknown else None


def _number(value: str, width: int) -> bool:
    return value == "" or (len(value) == width and value.isascii() and value.isdigit())


async def _script(args: argparse.Namespace) -> AsyncIterator[dict[str, Any] | WrongStep]:
    """The steps, one after the other; a line that cannot be read is in its place as an error."""
    if args.steps:
        for step in args.steps:
            yield {"step": step.replace("-", "_")}
        return
    async for line in _lines():
        if line.strip():
            try:
                yield _checked(json.loads(line))
            except WrongStep as error:
                yield error
            except (ValueError, RecursionError):
                yield WrongStep("The line is not JSON.")


async def _lines() -> AsyncIterator[bytes]:
    """Standard input. Where it may wait for somebody the loop reads it, so that Ctrl-C ends the wait."""
    stdin = sys.stdin.buffer
    mode = os.fstat(stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stdin.isatty()):
        for line in stdin:
            yield line
        return
    reader = asyncio.StreamReader(limit=LINE_OCTETS_MAX)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stdin)
    try:
        while line := await reader.readline():
            yield line
    finally:
        transport.close()


def _checked(step: Any) -> dict[str, Any]:
    """Raises WrongStep."""
    if not isinstance(step, dict) or step.get("step") not in STEPS:
        raise WrongStep(f"A line is an object whose step is one of {', '.join(STEPS)}.")
    if unknown := sorted(set(step) - _OPTIONS - _CONDUCT - {"step"}):
        raise WrongStep(f"A step has no {unknown[0]}.")
    if not isinstance(step.get("faults", []), list) or not set(step.get("faults", [])) <= set(FAULTS):
        raise WrongStep(f"faults is a list of {', '.join(FAULTS)}.")
    whole = {"repeat": REPEAT_MAX, "nominal_idr": 10**12 - 1}
    for name, most in whole.items():
        value = step.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
            raise WrongStep(f"{name} is a whole number from 1 to {most}.")
    for name in ("delay_s", "seconds"):
        value = step.get(name, 0)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= SECONDS_MAX:
            raise WrongStep(f"{name} is a number from 0 to {SECONDS_MAX}.")
    for name, width in (("meter", 11), ("idpel", 12), ("registration", 13), ("code", 3), ("option", 1)):
        if name in step and not (isinstance(step[name], str) and _number(step[name], width)):
            raise WrongStep(f"{name} has {width} digits.")
    if step.get("product", "prepaid") not in PRODUCTS:
        raise WrongStep(f"product is one of {', '.join(PRODUCTS)}.")
    return step


async def _run(client: PPOB, script: AsyncIterator[dict[str, Any] | WrongStep], args: argparse.Namespace) -> int:
    failed = False
    try:
        await client.open()
        async for step in script:
            record = await _taken(client, step, args)
            failed = failed or record["error"] is not None
            print(json.dumps(record), flush=True)
    except NotConnected as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
    finally:
        await client.close()
    return 1 if failed else 0


async def _taken(client: PPOB, step: dict[str, Any] | WrongStep, args: argparse.Namespace) -> dict[str, Any]:
    """One step as a record: what was sent, what came, and what a client does about it."""
    if isinstance(step, WrongStep):
        return _record("?", None, client, error=step.code, text=str(step))
    try:
        done = await _take(client, step, args)
    except (NotConnected, StepRefused) as error:
        return _record(step["step"], None, client, error=error.code, text=str(error))
    if done is None or done.answers or "lose" in step.get("faults", []):
        return _record(step["step"], done, client)
    why = f"The connection ended: {client.link.ended}." if client.link.ended else "No answer came in time."
    return _record(step["step"], done, client, error="no_answer", text=why)


async def _take(client: PPOB, step: dict[str, Any], args: argparse.Namespace) -> Done | None:
    name = step["step"]
    conduct = Conduct(float(step.get("delay_s", 0)), step.get("repeat", 1), frozenset(step.get("faults", ())))
    if name == "wait":
        await asyncio.sleep(step.get("seconds", 1))
        return None
    if name == "connect":
        await client.reconnect()
        return None
    if name == "network" or name in NETWORK_CODES:
        return await client.network(NETWORK_CODES.get(name, step.get("code", "301")), conduct)
    if name == "inquiry":
        return await client.inquiry(_customer(step, args), conduct)
    if name == "purchase":
        return await client.pay(step.get("nominal_idr", args.nominal), conduct, option=step.get("option", "0"))
    if name == "pay":
        return await client.pay(None, conduct)
    if name == "again":
        return await client.again(conduct)
    if name.startswith("advice"):
        return await client.advice(conduct, repeated=name == "advice_repeat")
    return await client.reversal(conduct, repeated=name == "reversal_repeat")


def _customer(step: dict[str, Any], args: argparse.Namespace) -> Customer:
    """Whom an inquiry is about: what the step says, else what the command line says."""
    if "meter" in step or "idpel" in step or "registration" in step:
        numbers = (step.get("meter", ""), step.get("idpel", ""), step.get("registration", ""))
    else:
        numbers = (args.meter, args.idpel, args.registration)
    return Customer(step.get("product", args.product), *numbers)


def _record(
    name: str, done: Done | None, client: PPOB, *, error: str | None = None, text: str | None = None
) -> dict[str, Any]:
    answer = done.answer if done is not None else None
    code = answer.fields.get("39") if answer is not None else None
    strays, client.link.strays = client.link.strays, []
    return {
        "step": name,
        "sent": done.sent.kind if done is not None else None,
        "trace": done.sent.fields.get("11") if done is not None else None,
        "code": code,
        "meaning": meaning(code) if code is not None else None,
        "verdict": str(verdict(_phase(name), code)) if code is not None else None,
        "answers": len(done.answers) if done is not None else 0,
        "answer": _shown(answer),
        "strays": [_shown(stray) for stray in strays],
        "elapsed_ms": round(done.elapsed_s * 1000, 1) if done is not None else None,
        "error": error,
        "message": text,
    }


def _phase(name: str) -> str:
    if name in ("purchase", "pay", "again"):
        return "payment"
    return "network" if name in NETWORK_CODES else name


def _shown(message: Message | None) -> dict[str, Any] | None:
    return None if message is None else {"mti": message.mti, "kind": message.kind, "fields": message.fields}
