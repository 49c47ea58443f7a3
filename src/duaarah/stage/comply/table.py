# SPDX-License-Identifier: Apache-2.0
"""Sets the table as the command line says: keys, counter, listener, SMSC; plays the script; writes what came of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from duaarah.core.obis import Obis
from duaarah.core.replay import COUNTER_MAX
from duaarah.core.sts import DecoderKey, STSError
from duaarah.drivers import Keys, UnknownProfile, profile
from duaarah.stage.comply import cases_data, cases_prepay, cases_session, cases_sms, report
from duaarah.stage.comply.bench import Bench, Case, Outcome, Verdict, run, script
from duaarah.stage.comply.plays import PLAYS
from duaarah.stage.comply.pushes import Pushes
from duaarah.stage.comply.sms import SmppLine, SmsAccount, SmsTalk, arrived
from duaarah.stage.comply.target import OWN_TITLE, Counter, Failed, Target
from duaarah.wire.dlms.errors import DlmsError

INVOCATION_COUNTER = Obis(0, 0, 43, 1, 0)
COUNTER_LEFT_MIN = 1 << 20
_EPOCH_S = 1_577_836_800  # 2020: eight counters a second of it stay under 32 bits until 2037
_MODULES = (cases_data, cases_prepay, cases_session, cases_sms)  # imported for their plays
_MARKS = {"pass": "pass   ", "fail": "FAIL   ", "not_run": "not run"}


class TableError(Exception):
    """The table cannot be set like this; the sentence says why."""

    code = "table"
    retryable = False


def _place(text: str, name: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise TableError(f"{name} is HOST:PORT, not {text}.")
    return host.strip("[]"), int(port)


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TableError(f"{path.name} cannot be read as JSON: {error}") from None
    if not isinstance(kept, dict):
        raise TableError(f"{path.name} is not a JSON object.")
    return kept


def target_of(args: argparse.Namespace) -> Target:
    """The meter as the command line describes it. Raises TableError."""
    kept = _read(args.keys)
    state = _read(args.state if args.state is not None and args.state.exists() else None)
    try:
        keys = decoder_key = title = None
        if "encryption_key" in kept:
            keys = Keys(bytes.fromhex(kept["encryption_key"]), bytes.fromhex(kept["authentication_key"]))
        if "decoder_key" in kept:
            octets = bytes.fromhex(kept["decoder_key"])
            decoder_key = DecoderKey("11" if len(octets) == 16 else "07", octets)
        if "system_title" in kept:
            title = bytes.fromhex(kept["system_title"])
        host, port = _place(args.target, "The meter") if args.target else ("", 0)
        return Target(
            host=host,
            port=port,
            name=args.target or args.msisdn,
            profile=profile(args.profile),
            keys=keys,
            own_title=args.title or OWN_TITLE,
            meter_title=title,
            password=kept.get("password", args.password).encode() or None,
            decoder_key=decoder_key,
            manager_sap=args.manager_sap,
            reader_sap=args.reader_sap,
            public_sap=args.public_sap,
            hdlc=args.hdlc or args.over_hdlc,
            over_hdlc=args.over_hdlc,
            physical=args.physical,
            control=_place(args.control, "--control") if args.control else None,
            timeout_s=args.timeout_s,
            push_s=args.push_s,
            pause_s=args.pause_s,
            spends_old=args.spend_old,
            quiet_s=args.quiet_s,
            nominal_mv=args.nominal_v * 1000,
            tid=args.tid if args.tid is not None else _later_tid(state),
        )
    except (ValueError, KeyError, DlmsError, STSError, UnknownProfile) as error:
        raise TableError(f"The meter's keys or profile are wrong: {error}") from None


def _later_tid(state: dict[str, Any]) -> int | None:
    """After the last one that was spent, when that is later than now; None: by the clock."""
    kept = state.get("tid")
    if not isinstance(kept, int):
        return None
    fresh = Bench(Target(host="", port=0, profile=profile("single-phase-modem")), counter=Counter(0)).tid
    return max(kept, fresh)


def chosen(args: argparse.Namespace) -> list[Case]:
    """The cases of the script for the bearers that are there. Raises TableError."""
    try:
        cases = script(args.script.read_text("utf-8") if args.script is not None else None)
    except (OSError, ValueError, KeyError) as error:
        raise TableError(f"The script cannot be read: {error}") from None
    unknown = [case.id for case in cases if case.id not in PLAYS]
    if unknown:
        raise TableError(f"Nobody can play {', '.join(unknown)}; there are {', '.join(sorted(PLAYS))}.")
    bearers = {bearer for bearer, there in (("ip", args.target), ("sms", args.sms)) if there}
    cases = [case for case in cases if case.bearer in bearers]
    if args.only:
        # What a chosen case builds on is played too.
        wanted = {case.id for case in cases if case.id in args.only or case.id.split(".")[0] in args.only}
        for case in reversed(cases):
            wanted |= set(case.after) if case.id in wanted else set()
        cases = [case for case in cases if case.id in wanted]
    if not cases:
        raise TableError("No case of the script is chosen.")
    return cases


async def _counter(args: argparse.Namespace, target: Target) -> Counter:
    """Our invocation counter: as given, as kept, as the meter says in public, or by the clock; the highest counts."""
    state = _read(args.state if args.state is not None and args.state.exists() else None)
    if args.counter is not None:
        value = args.counter - 1
    else:
        value = int(state.get("counter", 0))
        told = await _told_counter(target) if target.host else None
        if told is not None and told < COUNTER_MAX - COUNTER_LEFT_MIN:
            value = max(value, told)
        elif not value:
            value = (int(time.time()) - _EPOCH_S) * 8
    if not 0 <= value < COUNTER_MAX - COUNTER_LEFT_MIN:
        raise TableError("The invocation counter is near its end: the meter needs new keys first.")
    return Counter(value, _keeper(args.state))


def _keeper(path: Path | None) -> Any:
    def keep(value: int) -> None:
        if path is not None:
            fresh = path.with_suffix(path.suffix + ".new")
            kept = _read(path) if path.exists() else {}
            fresh.write_text(json.dumps({**kept, "counter": value}))
            fresh.replace(path)

    return keep


async def _told_counter(target: Target) -> int | None:
    try:
        async with Bench(target, counter=Counter(0)).public() as probe:
            if await probe.associate() is not None:
                return None
            return int((await probe.get(1, INVOCATION_COUNTER)).value)
    except (OSError, TimeoutError, DlmsError, Failed, TypeError, ValueError):
        return None


async def _reach(target: Target) -> None:
    """Raises OSError when nobody listens there: that is no meter that fails."""
    try:
        async with asyncio.timeout(target.timeout_s):
            _, writer = await asyncio.open_connection(target.host, target.port)
    except TimeoutError:
        raise OSError(f"Nobody answers at {target.name}.") from None
    writer.close()
    await writer.wait_closed()


async def _played(args: argparse.Namespace, target: Target, cases: list[Case], out: Any) -> Outcome:
    def told(verdict: Verdict) -> None:
        named = f" [{verdict.defect}]" if verdict.defect else ""
        print(f"{_MARKS[verdict.result]}  {verdict.case.id:<22} {verdict.reason}{named}", file=out, flush=True)

    if target.host:
        await _reach(target)
    async with AsyncExitStack() as stack:
        counter = await _counter(args, target)
        pushes = Pushes(target.profile, target.keys) if target.keys is not None and (args.listen or args.sms) else None
        talk = None
        if pushes is not None and args.listen:
            await pushes.listen(*_place(args.listen, "--listen"))
            stack.push_async_callback(pushes.close)
        if pushes is not None and args.sms:
            host, port = _place(args.sms, "--sms")
            user, _, password = args.sms_account.partition(":")
            account = SmsAccount(
                host=host,
                port=port,
                system_id=user,
                password=password,
                short_code=args.short_code,
                msisdn=args.msisdn,
            )
            line = SmppLine(account, arrived(target.profile, pushes))
            stack.push_async_callback(line.close)
            await line.open(10.0)
            talk = SmsTalk(target, counter, pushes, line.send)
        over_ip = pushes if args.listen else None
        bench = Bench(target, counter=counter, pushes=over_ip if talk is None else pushes, sms=talk)
        outcome = await run(bench, cases, PLAYS, told)
        if args.state is not None:
            kept = _read(args.state) if args.state.exists() else {}
            args.state.write_text(json.dumps({**kept, "tid": bench.tid}))
        return outcome


def play(args: argparse.Namespace) -> int:
    """The whole of `comply`. Raises TableError."""
    if not args.target and not args.sms:
        raise TableError("Give the meter's HOST:PORT, or --sms HOST:PORT of an SMSC.")
    cases, target = chosen(args), target_of(args)
    for path in args.report:
        if path.suffix not in (".html", ".json"):
            raise TableError(f"A report is .html or .json, not {path.name}.")
    out = sys.stderr if args.json else sys.stdout
    try:
        outcome = asyncio.run(_played(args, target, cases, out))
        for path in args.report:
            report.write(outcome, path)
    except OSError as error:
        raise TableError(str(error)) from None
    told = report.record(outcome)
    found = f"; defects: {', '.join(outcome.defects)}" if outcome.defects else ""
    counts = f"{told['passed']} passed, {told['failed']} failed, {told['not_run']} not run"
    print(f"{told['verdict']}, {told['score']} of 100: {counts}{found}", file=out)
    if args.json:
        print(json.dumps(told))
    return 1 if outcome.failed or not told["passed"] else 0
