# SPDX-License-Identifier: Apache-2.0
"""Plays: tokens, relay, limit and threshold over a session; pushes; power cuts and the keypad."""

from __future__ import annotations

from datetime import datetime

from duaarah.core.intent import DailySummary, DataBlock, LastGasp, LowCredit, PowerRestored, SetReportingPlan
from duaarah.core.obis import Obis
from duaarah.core.order import OrderKind
from duaarah.core.smsplan import COUNT_MAX, ReportingPlan
from duaarah.drivers import encode_command
from duaarah.stage.comply.bench import Bench
from duaarah.stage.comply.cases_data import RELAY, SHARE_PERCENT
from duaarah.stage.comply.plays import ENERGY, associated, manage, play
from duaarah.stage.comply.probe import Heard, Probe
from duaarah.stage.comply.pushes import Push
from duaarah.stage.comply.target import Failed, NotRun
from duaarah.wire.dlms.axdr import Data, Tag, octets

ENERGY_WH = 1_000
SLACK_WH = 50  # what a load may take meanwhile, and what the smallest step of a register hides
LIMITER, PUSH_SETUP = Obis(0, 0, 17, 0, 0), Obis(0, 6, 25, 9, 0)
WRONG_TOKENS = 3
STORED_TIDS, SMALL_WH = 50, 100
PUSHES = 3
DAY_S = 86_400
DAILY = ReportingPlan((), COUNT_MAX, COUNT_MAX, daily=True)
_ZERO = Data(Tag.INTEGER, 0)


async def _enter(bench: Bench, probe: Probe, token: str) -> Heard:
    gateway = bench.target.profile.token
    raw = bytes.fromhex(token) if gateway.bcd else token.encode("ascii")
    return await probe.act(gateway.class_id, gateway.obis, gateway.method, octets(raw))


async def _entered(bench: Bench, probe: Probe, token: str) -> tuple[int, Heard]:
    """The Wh that a token added, and what the meter said."""
    before_wh = await bench.credit_wh(probe)
    heard = await _enter(bench, probe, token)
    return await bench.credit_wh(probe) - before_wh, heard


@play("token.accept")
async def accept(bench: Bench) -> str:
    token = bench.token(ENERGY_WH, uses_up=True)
    async with bench.manager() as probe:
        await associated(probe)
        added_wh, heard = await _entered(bench, probe, token)
    if heard.refused:
        raise Failed(
            "A fresh token is refused. Was one of this minute used in an earlier run (then give --tid), "
            "and is the decoder key the meter's?"
        )
    if not ENERGY_WH - SLACK_WH <= added_wh <= ENERGY_WH:
        raise Failed(f"A token of {ENERGY_WH} Wh added {added_wh} Wh.")
    bench.notes["token"] = token
    return f"It added {added_wh} Wh."


async def _adds_nothing(bench: Bench, token: str, what: str) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        added_wh, heard = await _entered(bench, probe, token)
    if added_wh > 0:
        raise Failed(f"{what} added {added_wh} Wh.")
    return f"Nothing was added; the meter answers {'a refusal' if heard.refused else 'success'}."


@play("token.used")
async def used(bench: Bench) -> str:
    return await _adds_nothing(bench, bench.notes["token"], "The same token, entered a second time,")


@play("token.wrong_key")
async def wrong_key(bench: Bench) -> str:
    return await _adds_nothing(bench, bench.foreign_token(ENERGY_WH), "A token of another meter's key")


@play("token.altered")
async def altered(bench: Bench) -> str:
    return await _adds_nothing(bench, bench.altered_token(ENERGY_WH), "A token with one digit changed")


@play("token.result")
async def result(bench: Bench) -> str:
    tokens = {"used": bench.notes["token"], "foreign": bench.foreign_token(ENERGY_WH)}
    async with bench.manager() as probe:
        await associated(probe)
        for what, token in tokens.items():
            added_wh, heard = await _entered(bench, probe, token)
            if added_wh <= 0 and not heard.refused:
                raise Failed(f"A {what} token added nothing and is answered as a success.")
    return "Refusals are told as refusals."


@play("token.malformed")
async def malformed(bench: Bench) -> str:
    gateway = bench.target.profile.token
    short = bytes(9) if gateway.bcd else b"1" * 19
    letters = b"\xab" * 10 if gateway.bcd else b"ABCDEFGHIJKLMNOPQRST"
    async with bench.manager() as probe:
        await associated(probe)
        before_wh = await bench.credit_wh(probe)
        for parameter in (octets(short), octets(letters), Data(Tag.DOUBLE_LONG_UNSIGNED, 1)):
            if not (await probe.act(gateway.class_id, gateway.obis, gateway.method, parameter)).refused:
                raise Failed("What is no token is answered as a success.")
        if await bench.credit_wh(probe) > before_wh:
            raise Failed("What is no token added credit.")
    return "All three are refused."


@play("token.old")
async def old(bench: Bench) -> str:
    older = bench.token(ENERGY_WH, uses_up=True)
    async with bench.manager() as probe:
        await associated(probe)
        for number in range(1, STORED_TIDS + 1):
            if (await _enter(bench, probe, bench.token(SMALL_WH, uses_up=True))).refused:
                raise Failed(f"Of {STORED_TIDS} fresh tokens the meter refuses number {number}.")
        added_wh, heard = await _entered(bench, probe, older)
    if added_wh > 0:
        raise Failed(f"A token older than the {STORED_TIDS} that came after it added {added_wh} Wh.")
    return f"Nothing was added; the meter answers {'a refusal' if heard.refused else 'success'}."


# -- relay, limit, threshold -------------------------------------------------------------------------------------------


async def _relay(probe: Probe) -> tuple[bool, int]:
    """output_state and control_state."""
    return bool((await probe.get(70, RELAY, 2)).value), int((await probe.get(70, RELAY, 3)).value)


@play("relay.cycle")
async def cycle(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        before = await _relay(probe)
        if not before[0]:
            raise NotRun("the relay is open to begin with: the meter has no credit, or is disconnected")
        opened = await probe.act(70, RELAY, 1, _ZERO)
        state = await _relay(probe)
        closed = await probe.act(70, RELAY, 2, _ZERO)
        after = await _relay(probe)
    if opened.refused or closed.refused:
        raise Failed("The meter refuses to switch its relay.")
    if state != (False, 0):
        raise Failed(f"After a disconnection the meter says output_state {state[0]}, control_state {state[1]}.")
    if after[0] is not True:
        raise Failed(f"After a reconnection the meter says output_state {after[0]}.")
    return "Disconnected (0), connected (1)."


async def _kept(probe: Probe, address: tuple[int, Obis, int], step: int, what: str) -> str:
    """Write another value, read it back, write the old one."""
    before = await probe.get(*address)
    other = Data(before.tag, before.value + step)
    heard = await probe.put(*address, other)
    after = await probe.get(*address)
    await probe.put(*address, before)
    if heard.refused:
        raise Failed(f"The meter refuses {what}.")
    if after.value != other.value:
        raise Failed(f"The meter accepts {what} of {other.value} and keeps {after.value}.")
    return f"{before.value}, then {other.value}, then the old one again."


@play("limiter.kept")
async def limit(bench: Bench) -> str:
    order = bench.target.profile.orders.get(OrderKind.POWER_LIMIT)
    address = (71, LIMITER, 4) if order is None else (order.class_id, order.obis, order.number)
    async with bench.manager() as probe:
        await associated(probe)
        return await _kept(probe, address, 100, "a power limit")


@play("threshold.kept")
async def threshold(bench: Bench) -> str:
    address = bench.target.profile.threshold
    async with bench.manager() as probe:
        await associated(probe)
        return await _kept(probe, (address.class_id, address.obis, address.attribute), 100, "a threshold")


# -- pushes ------------------------------------------------------------------------------------------------------------


async def _pushed(bench: Bench, kind: type, since: int) -> Push:
    assert bench.pushes is not None
    push = await bench.pushes.wait(lambda push: isinstance(push.report, kind), since, bench.target.push_s)
    if push is None:
        came = [each.problem or type(each.report).__name__ for each in bench.pushes.all[since:]]
        raise Failed(f"No {kind.__name__} within {bench.target.push_s:g} s; what came: {', '.join(came) or 'nothing'}.")
    return push


async def _ask_push(bench: Bench, probe: Probe) -> Push:
    assert bench.pushes is not None
    since = len(bench.pushes.all)
    order = bench.target.profile.orders.get(OrderKind.PUSH_NOW)
    address = (40, PUSH_SETUP, 1) if order is None else (order.class_id, order.obis, order.number)
    if (await probe.act(*address, _ZERO)).refused:
        raise Failed("The meter refuses to push.")
    return await _pushed(bench, DataBlock, since)


@play("push.asked")
async def asked(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        push = await _ask_push(bench, probe)
        used_wh = int((await probe.get(3, ENERGY)).value)
        credit_wh = await bench.credit_wh(probe)
    block = push.report
    assert isinstance(block, DataBlock)
    if abs(block.used_wh - used_wh) > SLACK_WH or abs(block.balance_wh - credit_wh) > SLACK_WH:
        raise Failed(
            f"The push says {block.used_wh} Wh used and {block.balance_wh} Wh left, "
            f"the registers {used_wh} and {credit_wh}."
        )
    return f"{block.used_wh} Wh used, {block.balance_wh} Wh left."


@play("push.counters")
async def counters(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        seen = [(await _ask_push(bench, probe)).counter for _ in range(PUSHES)]
    if seen != sorted(set(seen)):
        raise Failed(f"{PUSHES} pushes came under the invocation counters {', '.join(map(str, seen))}.")
    return f"Counters {', '.join(map(str, seen))}."


@play("push.low_credit")
async def low_credit(bench: Bench) -> str:
    assert bench.pushes is not None
    address = bench.target.profile.threshold
    where = (address.class_id, address.obis, address.attribute)
    since = len(bench.pushes.all)
    async with bench.manager() as probe:
        await associated(probe)
        before = await probe.get(*where)
        above_wh = await bench.credit_wh(probe) + ENERGY_WH
        raw = above_wh // 10**address.scaler if address.scaler >= 0 else above_wh * 10**-address.scaler
        heard = await probe.put(*where, Data(before.tag, raw))
        try:
            if heard.refused:
                raise Failed("The meter refuses a threshold above its credit.")
            push = await _pushed(bench, LowCredit, since)
        finally:
            await probe.put(*where, before)
    report = push.report
    assert isinstance(report, LowCredit)
    return f"It warns with {report.remaining_wh} Wh left."


@play("push.daily")
async def daily(bench: Bench) -> str:
    assert bench.pushes is not None
    profile = bench.target.profile
    async with bench.manager() as probe:
        await associated(probe)
        order = encode_command(profile, SetReportingPlan(DAILY), probe.invoke())
        if (await probe.say(probe.seal(order))).refused:
            raise NotRun("the meter takes no reporting plan")
        credit_wh, used_wh = await bench.credit_wh(probe), int((await probe.get(3, ENERGY)).value)
    status = await bench.control(op="status")
    day_date, since = datetime.fromisoformat(status["now"]).date(), len(bench.pushes.all)
    await bench.control(op="clock", offset_s=status["offset_s"] + DAY_S)
    try:
        push = await _pushed(bench, DailySummary, since)
    finally:
        await bench.control(op="clock", offset_s=status["offset_s"])
    told = push.report
    assert isinstance(told, DailySummary)
    if told.day_date != day_date:
        raise Failed(f"The summary of {day_date} says it is that of {told.day_date}.")
    if not 0 <= told.energy_wh <= used_wh + SLACK_WH or abs(told.balance_wh - credit_wh) > SLACK_WH:
        raise Failed(
            f"The summary says {told.energy_wh} Wh and {told.balance_wh} Wh left, the register {credit_wh} Wh left."
        )
    nominal_mv = bench.target.nominal_mv
    voltages_mv = (told.voltage_min_mv, told.voltage_avg_mv, told.voltage_max_mv)
    known_mv = [mv for mv in voltages_mv if mv is not None]
    if known_mv != sorted(known_mv) or any(abs(mv - nominal_mv) * 100 > nominal_mv * SHARE_PERCENT for mv in known_mv):
        raise Failed(f"The summary's voltages are {voltages_mv} mV where the mains has {nominal_mv}.")
    return f"{told.day_date}: {told.energy_wh} Wh, {told.balance_wh} Wh left, {told.outages} outages."


# -- what breaks meters ------------------------------------------------------------------------------------------------


@play("power.kept")
async def power_kept(bench: Bench) -> str:
    probe = await manage(bench)
    credit_wh, energy_wh = await bench.credit_wh(probe), int((await probe.get(3, ENERGY)).value)
    relay, counter = await _relay(probe), bench.seen.counters[-1]
    await bench.control(op="power", on=False)
    try:
        silent = (await probe.try_get(3, ENERGY)).refused
    finally:
        probe.close()
        await bench.control(op="power", on=True)
    if not silent:
        raise Failed("The meter answers without power.")
    async with bench.manager() as probe:
        await associated(probe)
        after_wh, after_energy_wh = await bench.credit_wh(probe), int((await probe.get(3, ENERGY)).value)
        after_relay = await _relay(probe)
    if not credit_wh - SLACK_WH <= after_wh <= credit_wh:
        raise Failed(f"The credit was {credit_wh} Wh before the power cut and is {after_wh} Wh after it.")
    if not energy_wh <= after_energy_wh <= energy_wh + SLACK_WH:
        raise Failed(f"The energy was {energy_wh} Wh before the power cut and is {after_energy_wh} Wh after it.")
    if after_relay != relay:
        raise Failed("The relay is not as it was before the power cut.")
    if bench.seen.counters[-1] <= counter:
        raise Failed("The meter's invocation counter went back in the power cut.")
    return f"{after_wh} Wh of credit, {after_energy_wh} Wh of energy, as before."


@play("power.told")
async def power_told(bench: Bench) -> str:
    assert bench.pushes is not None
    since = len(bench.pushes.all)
    await bench.control(op="power", on=False)
    try:
        await _pushed(bench, LastGasp, since)
    finally:
        await bench.control(op="power", on=True)
    await _pushed(bench, PowerRestored, since)
    return "Both came."


@play("token.lockout")
async def lockout(bench: Bench) -> str:
    for _ in range(WRONG_TOKENS):
        shown = await bench.control(op="keypad", keys=bench.altered_token(ENERGY_WH))
        if shown.get("result") == "accept":
            raise NotRun("the keypad accepts wrong tokens, which other cases judge")
    right = await bench.control(op="keypad", keys=bench.token(ENERGY_WH))
    if right.get("result") == "accept":
        raise Failed(f"After {WRONG_TOKENS} wrong tokens the keypad takes another one at once.")
    return f"The display says {right.get('display')}."
