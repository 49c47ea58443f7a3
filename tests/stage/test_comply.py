"""The compliance bench against simulated meters, in one loop over real sockets: each defect by its name, a sound one none."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from duaarah.cli import comply as command
from duaarah.core.sts import DecoderKey, Result, decode
from duaarah.drivers import profile
from duaarah.sim.meter import alone
from duaarah.sim.meter.defects import DEFECTS
from duaarah.sim.meter.lab import Lab
from duaarah.sim.smsc.server import SMSC
from duaarah.stage.comply import cases_data, cases_prepay, cases_session, cases_sms, report
from duaarah.stage.comply.bench import Bench, Case, Outcome, Verdict, run, script
from duaarah.stage.comply.plays import PLAYS
from duaarah.stage.comply.pushes import Pushes
from duaarah.stage.comply.sms import SmppLine, SmsAccount, SmsTalk, arrived
from duaarah.stage.comply.table import TableError, chosen, target_of
from duaarah.stage.comply.target import Counter, Target
from tests.cli.schema import faults, load
from tests.sim.meter.meters import KINDS

MODULES = (cases_data, cases_prepay, cases_session, cases_sms)
IP, SMS = ([case for case in script() if case.bearer == bearer] for bearer in ("ip", "sms"))


def meter_arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    alone.add_arguments(parser)
    return parser.parse_args(("--port", "0", "--control-port", "0", *words))


def comply_arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def target(lab: Lab, args: argparse.Namespace, **other: Any) -> Target:
    config = lab.device.meter.config
    known: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": lab.server.port,
        "profile": profile(args.kind),
        "keys": config.keys,
        "meter_title": config.system_title,
        "password": b"reader00",
        "decoder_key": config.decoder.key,
        "hdlc": True,
        "control": ("127.0.0.1", lab.control_port),
        "push_s": 5.0,
    }
    # No defect is of old tokens alone: only the sound meters have to take 50 of them.
    return Target(**{**known, **other})


async def played(
    args: argparse.Namespace, *, cases: list[Case] = IP, clock_s: float = 0, bearer: str = "udp", **other: Any
) -> Outcome:
    """A whole run over IP."""
    pushes = Pushes(profile(args.kind), alone._config(args).keys)
    args.push = f"{bearer}:127.0.0.1:{await pushes.listen('127.0.0.1', 0)}"
    try:
        async with alone.lab(args, tick_s=0.02) as lab:
            lab.set_clock({"offset_s": clock_s})
            bench = Bench(target(lab, args, **other), counter=Counter(0), pushes=pushes)
            return await run(bench, cases, PLAYS)
    finally:
        await pushes.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_meter_passes_every_case(kind: str) -> None:
    outcome = asyncio.run(played(meter_arguments("--kind", kind), bearer="tcp", spends_old=True))
    assert [(verdict.case.id, verdict.reason) for verdict in outcome.verdicts if verdict.result != "pass"] == []
    assert (outcome.verdict, outcome.score, outcome.defects, len(outcome.verdicts)) == ("fit", 100, [], len(IP))


@pytest.mark.parametrize("name", DEFECTS)
def test_each_defect_is_found_by_its_name(name: str) -> None:
    waits = {"silent_on_malformed": {"timeout_s": 0.3}, "late_push": {"push_s": 0.3}}.get(name, {})
    outcome = asyncio.run(played(meter_arguments("--defect", name), **waits))
    assert outcome.defects == [name]
    assert outcome.score < 100 and all(verdict.reason for verdict in outcome.failed)
    grave = max(verdict.case.weight for verdict in outcome.failed) == 5
    assert outcome.verdict == ("unfit" if grave else "remarks")


def test_a_meter_that_takes_an_old_token_is_told_so() -> None:
    """`double_credit` forgets every identifier; without the case of used tokens before it, the old one shows it."""
    chosen_ids = ("assoc.hls", "token.accept", "token.old")
    cases = [dataclasses.replace(case, after=()) for case in IP if case.id in chosen_ids]
    outcome = asyncio.run(played(meter_arguments("--defect", "double_credit"), cases=cases, spends_old=True))
    assert [(verdict.case.id, verdict.reason) for verdict in outcome.failed] == [
        ("token.old", "A token older than the 50 that came after it added 1000 Wh.")
    ]


def test_a_failure_shows_its_frames_and_never_a_password() -> None:
    outcome = asyncio.run(played(meter_arguments("--defect", "accepts_any_password", "--password", "reader00")))
    (verdict,) = outcome.failed
    assert [frame[:2] for frame in verdict.frames] == ["> ", "< "]
    assert "hidden" in verdict.frames[0] and verdict.frames[1].startswith("< 61")
    assert all(not each.frames for each in outcome.verdicts if each.result != "fail")


@pytest.mark.parametrize(
    "words",
    [
        ("--pdu-max", "256"),
        ("--general-blocks",),
        ("--association-version", "0"),
        ("--load-w", "5000"),
        ("--password", "other000"),
    ],
)
def test_sound_meters_of_other_makes_pass_too(words: tuple[str, ...]) -> None:
    args = meter_arguments(*words)
    outcome = asyncio.run(played(args, password=args.password.encode()))
    assert [(verdict.case.id, verdict.reason) for verdict in outcome.failed] == []


@pytest.mark.parametrize("name", [None, "reuses_counter", "blocks_out_of_order", "pdu_too_big", "double_credit"])
def test_over_hdlc_the_same_is_found(name: str | None) -> None:
    args = meter_arguments(*(("--defect", name) if name else ()))
    outcome = asyncio.run(played(args, over_hdlc=True))
    assert outcome.defects == ([name] if name else [])
    assert name or (outcome.score, outcome.verdict) == (100, "fit")


def test_there_are_defects_enough_and_each_has_its_case() -> None:
    assert len(DEFECTS) >= 15
    assert {case.finds for case in IP} - {None} == set(DEFECTS)
    assert [case.id for case in script() if case.id not in PLAYS] == []
    assert set(PLAYS) == {case.id for case in script()}


def test_the_same_meter_may_be_judged_again() -> None:
    """What a run leaves behind fails no case of the next one, when tokens and counters go on."""

    async def twice() -> list[Outcome]:
        args = meter_arguments()
        pushes = Pushes(profile(args.kind), alone._config(args).keys)
        args.push = f"udp:127.0.0.1:{await pushes.listen('127.0.0.1', 0)}"
        counter, outcomes, tid = Counter(0), [], 6_000_000
        async with alone.lab(args, tick_s=0.02) as lab:
            for _ in range(2):
                bench = Bench(target(lab, args, tid=tid), counter=counter, pushes=pushes)
                outcomes.append(await run(bench, IP, PLAYS))
                tid = bench.tid
        await pushes.close()
        return outcomes

    assert [[verdict.case.id for verdict in outcome.failed] for outcome in asyncio.run(twice())] == [[], []]


def test_a_meter_with_a_wrong_clock_fails_that_case_alone() -> None:
    outcome = asyncio.run(played(meter_arguments(), clock_s=300))
    assert [verdict.case.id for verdict in outcome.failed] == ["clock.right"]
    assert outcome.failed[0].reason.startswith("The clock is ") and outcome.defects == []


def test_what_the_table_does_not_have_is_not_judged() -> None:
    bare = {"keys": None, "password": None, "decoder_key": None, "control": None, "hdlc": False}
    outcome = asyncio.run(played(meter_arguments(), **bare))
    judged = [verdict.case.id for verdict in outcome.verdicts if verdict.result != "not_run"]
    assert judged == ["assoc.public", "assoc.public_limited", "assoc.release"]
    assert outcome.failed == []
    assert {verdict.reason for verdict in outcome.verdicts if verdict.case.id == "token.lockout"} == {
        "there is no control port: nobody cuts the power or types for us"
    }


def test_wrong_keys_fail_the_association_and_what_builds_on_it_is_not_run() -> None:
    keys = type(alone._config(meter_arguments()).keys)(bytes(16), bytes(16))
    outcome = asyncio.run(played(meter_arguments(), keys=keys, control=None))
    assert [verdict.case.id for verdict in outcome.failed] == ["assoc.hls"]
    assert outcome.defects == []


def test_no_meter_is_a_failure_in_words_and_names_no_defect() -> None:
    nowhere = Target(host="127.0.0.1", port=1, profile=profile(KINDS[0]), password=b"x")
    outcome = asyncio.run(run(Bench(nowhere, counter=Counter(0)), IP, PLAYS))
    assert outcome.defects == [] and outcome.score == 0
    assert all(verdict.reason.startswith("The meter cannot be reached") for verdict in outcome.failed)


# -- over SMS ----------------------------------------------------------------------------------------------------------


async def talked(args: argparse.Namespace) -> Outcome:
    """A run over SMS without an SMSC: what one says, the other hears at once."""
    lab = alone.lab(args)
    pushes = Pushes(profile(args.kind), lab.device.meter.config.keys)
    config = lab.device.meter.config
    aim = Target(
        host="",
        port=0,
        profile=profile(args.kind),
        keys=config.keys,
        decoder_key=config.decoder.key,
        push_s=2.0,
        quiet_s=0.02,
    )
    counter, arrive = Counter(0), arrived(profile(args.kind), pushes)

    def send(payload: bytes) -> None:
        for answer in lab.device.meter.receive_sms(payload, lab.clock.now()):
            arrive(answer)

    bench = Bench(aim, counter=counter, pushes=pushes, sms=SmsTalk(aim, counter, pushes, send))
    return await run(bench, SMS, PLAYS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_meter_passes_over_sms(kind: str) -> None:
    outcome = asyncio.run(talked(meter_arguments("--kind", kind)))
    assert [(verdict.case.id, verdict.reason) for verdict in outcome.verdicts if verdict.result != "pass"] == []


@pytest.mark.parametrize("name", ["double_credit", "accepts_wrong_key_token", "accepts_replay", "push_counter_stuck"])
def test_defects_are_found_over_sms_too(name: str) -> None:
    assert asyncio.run(talked(meter_arguments("--defect", name))).defects == [name]


def test_over_an_smsc_with_both_ends_bound() -> None:
    async def whole() -> Outcome:
        smsc = SMSC({"duaarah": "demo", "town": "demo"})
        port, _ = await smsc.start()
        args = meter_arguments("--smsc", f"127.0.0.1:{port}")
        async with alone.lab(args) as lab:
            pushes = Pushes(profile(args.kind), lab.device.meter.config.keys)
            account = SmsAccount(
                host="127.0.0.1",
                port=port,
                system_id="duaarah",
                password="demo",
                short_code="3123",
                msisdn=args.msisdn,
            )
            line = SmppLine(account, arrived(profile(args.kind), pushes))
            await line.open(5.0)
            aim, counter = target(lab, args, quiet_s=0.1), Counter(0)
            bench = Bench(aim, counter=counter, pushes=pushes, sms=SmsTalk(aim, counter, pushes, line.send))
            outcome = await run(bench, SMS, PLAYS)
            await line.close()
        await smsc.stop()
        return outcome

    outcome = asyncio.run(whole())
    assert (outcome.score, outcome.defects) == (100, [])


# -- reports and the command -------------------------------------------------------------------------------------------


def test_a_report_fits_its_schema_and_escapes_what_the_meter_said(tmp_path: Path) -> None:
    outcome = asyncio.run(played(meter_arguments("--defect", "relay_lies")))
    evil = Case("data.objects", "a title", "a clause", 1, finds="<b>")
    outcome.verdicts.append(Verdict(evil, "fail", "<script>alert(1)</script>", 1, "<b>"))
    assert faults(report.record(outcome), load("comply")) == []
    page, told = tmp_path / "r.html", tmp_path / "r.json"
    report.write(outcome, page)
    report.write(outcome, told)
    text = page.read_text()
    assert "<script" not in text and "&lt;script&gt;" in text and "http" not in text
    assert json.loads(told.read_text())["defects"] == ["relay_lies", "<b>"]
    with pytest.raises(ValueError, match=r"\.html or \.json"):
        report.write(outcome, tmp_path / "r.pdf")


@pytest.mark.parametrize(
    "words",
    [("nowhere",), ("127.0.0.1:99999",), ("127.0.0.1:1", "--profile", "nobody"), ("127.0.0.1:1", "--only", "x")],
)
def test_a_table_that_cannot_be_set_is_said_in_a_sentence(words: tuple[str, ...]) -> None:
    args = comply_arguments(*words)
    with pytest.raises(TableError):
        chosen(args)
        target_of(args)


def test_nobody_at_the_port_is_wrong_usage_and_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(comply_arguments("127.0.0.1:1")) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("duaarah: ")


def test_wrong_tokens_are_surely_wrong() -> None:
    key = DecoderKey("07", bytes.fromhex("0ABC12DEF3456789"))
    aim = Target(host="", port=0, profile=profile(KINDS[0]), decoder_key=key, tid=6_000_000)
    bench = Bench(aim, counter=Counter(0))
    for tid in range(6_000_000, 6_000_200):
        bench.tid = tid
        right = bench.token(1_000)
        wrong = [bench.foreign_token(1_000), bench.altered_token(1_000)]
        assert decode(right, key).result is Result.ACCEPT
        assert [decode(token, key).result for token in wrong] == [Result.CRC, Result.CRC]
        assert sum(a != b for a, b in zip(wrong[1], right, strict=True)) == 1
    assert bench.token(1_000) == right  # not spent


def test_a_chosen_case_brings_what_it_builds_on() -> None:
    cases = chosen(comply_arguments("127.0.0.1:1", "--only", "push.low_credit"))
    assert [case.id for case in cases] == ["assoc.hls", "threshold.kept", "push.asked", "push.low_credit"]


@pytest.mark.slow
def test_two_processes_as_a_person_starts_them(tmp_path: Path) -> None:
    """A process each: the command lines, the key file made by one and read by the other, exit codes."""
    keys, environment = tmp_path / "lab.json", {**os.environ, "PYTHONUNBUFFERED": "1"}
    base = [sys.executable, "-m", "duaarah"]
    meter = subprocess.Popen(
        [*base, "sim", "meter", "--port", "0", "--keys", str(keys), "--defect", "double_credit"],
        stdout=subprocess.PIPE,
        env=environment,
    )
    try:
        assert meter.stdout is not None
        port = json.loads(meter.stdout.readline())["port"]
        words = [f"127.0.0.1:{port}", "--keys", str(keys), "--report", str(tmp_path / "r.html"), "--json"]
        done = subprocess.run([*base, "comply", *words], capture_output=True, text=True, env=environment, timeout=60)
    finally:
        meter.send_signal(signal.SIGTERM)
        meter.wait(10)
    told = json.loads(done.stdout)
    assert (done.returncode, told["defects"], told["failed"]) == (1, ["double_credit"], 1)
    assert "FAIL     token.used" in done.stderr and meter.returncode == 0
    assert keys.stat().st_mode & 0o077 == 0
    secrets = json.loads(keys.read_text())
    assert not any(secrets[name] in done.stdout + done.stderr for name in ("encryption_key", "decoder_key"))
