# SPDX-License-Identifier: Apache-2.0
"""Plays over SMS: the pre-established association, one protected APDU a message, the answer a message as well."""

from __future__ import annotations

from duaarah.core.intent import DataBlock, LoadCredit, SetLowCreditThreshold, TokenResult
from duaarah.core.order import Order, OrderKind
from duaarah.stage.comply.bench import Bench
from duaarah.stage.comply.cases_prepay import ENERGY_WH, SLACK_WH
from duaarah.stage.comply.plays import play
from duaarah.stage.comply.pushes import Push
from duaarah.stage.comply.sms import SmsTalk
from duaarah.stage.comply.target import Failed

TRIAL_THRESHOLD_WH = 6_000


def _talk(bench: Bench) -> SmsTalk:
    assert isinstance(bench.sms, SmsTalk)
    return bench.sms


async def _block(bench: Bench) -> DataBlock:
    """The register block, asked for."""
    talk = _talk(bench)
    payload, _ = talk.framed(Order(kind=OrderKind.PUSH_NOW))
    push = await talk.answer(payload, lambda push: isinstance(push.report, DataBlock), timeout_s=talk.target.push_s)
    if push is None or not isinstance(push.report, DataBlock):
        raise Failed(f"No register block within {talk.target.push_s:g} s.")
    return push.report


@play("sms.block")
async def block(bench: Bench) -> str:
    report = await _block(bench)
    return f"{report.used_wh} Wh used, {report.balance_wh} Wh left."


@play("sms.token")
async def token(bench: Bench) -> str:
    before_wh = (await _block(bench)).balance_wh
    digits = bench.token(ENERGY_WH, uses_up=True)
    result = await _talk(bench).token(LoadCredit(digits))
    if result.result != "accept":
        raise Failed(f"A fresh token is refused ({result.result}): is the decoder key the meter's, is --tid needed?")
    added_wh = result.balance_wh - before_wh
    if not ENERGY_WH - SLACK_WH <= added_wh <= ENERGY_WH or result.energy_wh != ENERGY_WH:
        raise Failed(f"A token of {ENERGY_WH} Wh: the meter says {result.energy_wh} Wh and has {added_wh} Wh more.")
    bench.notes["sms_token"] = digits
    return f"{result.energy_wh} Wh, {result.balance_wh} Wh left."


async def _refused(bench: Bench, digits: str, what: str, *expected: str) -> str:
    before_wh = (await _block(bench)).balance_wh
    result = await _talk(bench).token(LoadCredit(digits))
    if result.energy_wh > 0 or result.balance_wh > before_wh:
        raise Failed(f"{what} added {result.balance_wh - before_wh} Wh.")
    if result.result not in expected:
        raise Failed(f"{what} is answered {result.result}, not {' or '.join(expected)}.")
    return f"The meter says {result.result}."


@play("sms.used")
async def used(bench: Bench) -> str:
    return await _refused(bench, bench.notes["sms_token"], "The same token under a new counter", "used", "old")


@play("sms.wrong_key")
async def wrong_key(bench: Bench) -> str:
    digits = bench.foreign_token(ENERGY_WH)
    return await _refused(bench, digits, "A token of another meter's key", "crc", "key_expired", "ddtk")


async def _nothing(bench: Bench, payload: bytes, what: str) -> None:
    talk = _talk(bench)

    def result(push: Push) -> bool:
        return isinstance(push.report, TokenResult)

    if await talk.answer(payload, result, timeout_s=talk.target.quiet_s) is not None:
        raise Failed(f"The meter answers {what}.")


@play("sms.replay")
async def replay(bench: Bench) -> str:
    talk = _talk(bench)
    payload, counter = talk.framed(LoadCredit(bench.foreign_token(ENERGY_WH)))
    first = await talk.answer(payload, lambda push: isinstance(push.report, TokenResult), timeout_s=talk.target.push_s)
    if first is None:
        raise Failed(f"No result of the token of counter {counter}.")
    await _nothing(bench, payload, "the same message a second time")
    return f"The second one was dropped (silence of {talk.target.quiet_s:g} s)."


@play("sms.tag")
async def tag(bench: Bench) -> str:
    payload, _ = _talk(bench).framed(LoadCredit(bench.token(ENERGY_WH)))
    await _nothing(bench, payload[:-1] + bytes((payload[-1] ^ 1,)), "a message with a changed authentication tag")
    return "It was dropped."


@play("sms.threshold")
async def threshold(bench: Bench) -> str:
    result = await _talk(bench).order(SetLowCreditThreshold(TRIAL_THRESHOLD_WH))
    if result != "success":
        raise Failed(f"A threshold of {TRIAL_THRESHOLD_WH} Wh is answered {result}.")
    return f"{TRIAL_THRESHOLD_WH} Wh: success. It stays so."


@play("sms.relay")
async def relay(bench: Bench) -> str:
    talk = _talk(bench)
    opened = await talk.order(Order(kind=OrderKind.RELAY_OPEN))
    closed = await talk.order(Order(kind=OrderKind.RELAY_CLOSE))
    if (opened, closed) != ("success", "success"):
        raise Failed(f"To open is answered {opened}, to close {closed}.")
    return "Opened and closed."


@play("sms.counters")
async def counters(bench: Bench) -> str:
    assert bench.pushes is not None
    await _block(bench)
    await _block(bench)
    seen = [push.counter for push in bench.pushes.all]
    twice = sorted({counter for counter in seen if seen.count(counter) > 1})
    if twice:
        raise Failed(
            f"Several messages came under the invocation counter {twice[0]}: one nonce, or doubled on the way."
        )
    return f"{len(seen)} messages, counters {min(seen)} to {max(seen)}."
