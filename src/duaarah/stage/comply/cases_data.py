# SPDX-License-Identifier: Apache-2.0
"""Plays: identity, clock, registers, access rights and the load profile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from duaarah.core.intent import MeterRegister
from duaarah.core.obis import TOKEN_GATEWAY, Obis
from duaarah.stage.comply.bench import Bench
from duaarah.stage.comply.plays import CLOCK, ENERGY, LOAD_PROFILE, associated, play
from duaarah.stage.comply.probe import Probe
from duaarah.stage.comply.target import Failed, NotRun
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.datetime import DEVIATION_ANY, DateTime
from duaarah.wire.dlms.hls import CURRENT_ASSOCIATION
from duaarah.wire.dlms.initiate import Conformance

SHORT_PDU = 200
RELAY = Obis(0, 0, 96, 3, 10)
WH, WATT, VOLT, AMPERE = 30, 27, 35, 33
_U, _I, _P = Obis(1, 0, 32, 7, 0), Obis(1, 0, 31, 7, 0), Obis(1, 0, 1, 7, 0)
SHARE_PERCENT = 20  # by which a voltage may be off its nominal value, and a power off U x I
BY_RANGE, BY_ENTRY = 1, 2


@play("data.objects")
async def objects(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        listed = (await probe.get(15, CURRENT_ASSOCIATION)).value
    found = {(item.value[0].value, Obis.from_octets(item.value[2].value)) for item in listed}
    credit, threshold = bench.target.profile.registers[MeterRegister.CREDIT_LEFT_WH], bench.target.profile.threshold
    wanted = {
        "clock": (8, CLOCK),
        "energy": (3, ENERGY),
        "load profile": (7, LOAD_PROFILE),
        "token gateway": (115, TOKEN_GATEWAY),
        "relay": (70, RELAY),
        "credit": (credit.class_id, credit.obis),
        "threshold": (threshold.class_id, threshold.obis),
    }
    missing = [name for name, address in wanted.items() if address not in found]
    if missing:
        raise Failed(f"The object list lacks: {', '.join(missing)}.")
    return f"{len(found)} objects."


async def _clock(bench: Bench) -> DateTime:
    async with bench.manager() as probe:
        await associated(probe)
        return DateTime.from_octets((await probe.get(8, CLOCK)).value)


@play("clock.deviation")
async def deviation(bench: Bench) -> str:
    stamp = await _clock(bench)
    if stamp.deviation_min == DEVIATION_ANY:
        raise Failed(f"The clock says {stamp.to_iso()} and no deviation: nobody knows in which zone.")
    return f"{stamp.to_iso()}"


@play("clock.right")
async def right(bench: Bench) -> str:
    at = (await _clock(bench)).to_instant()
    if at is None:
        raise Failed("The clock calls its own time invalid.")
    wrong_s = round(abs((at - datetime.now(UTC)).total_seconds()))
    if wrong_s > bench.target.clock_tolerance_s:
        raise Failed(f"The clock is {wrong_s} s wrong; {bench.target.clock_tolerance_s} s are allowed.")
    return f"{wrong_s} s off."


async def _scaled(probe: Probe, obis: Obis, unit: int) -> int:
    """A register in thousandths of its unit."""
    value = (await probe.get(3, obis)).value
    scaler, told = (item.value for item in (await probe.get(3, obis, 3)).value)
    if told != unit:
        raise Failed(f"{obis} has the unit {told}, not {unit}.")
    if not -6 <= scaler <= 6:
        raise Failed(f"{obis} has the scaler {scaler}.")
    return int(value * 10 ** (scaler + 3)) if scaler >= -3 else int(value // 10 ** (-3 - scaler))


@play("data.scaler")
async def scaler(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        await _scaled(probe, ENERGY, WH)
        voltage_mv, current_ma = await _scaled(probe, _U, VOLT), await _scaled(probe, _I, AMPERE)
        power_mw = await _scaled(probe, _P, WATT)
    nominal_mv = bench.target.nominal_mv
    if abs(voltage_mv - nominal_mv) * 100 > nominal_mv * SHARE_PERCENT:
        raise Failed(f"The voltage reads {voltage_mv / 1000:.1f} V where the mains has {nominal_mv / 1000:.0f} V.")
    apparent_mw = voltage_mv * current_ma // 1000
    if power_mw * 100 > apparent_mw * (100 + SHARE_PERCENT) and power_mw > 50_000:
        raise Failed(f"{power_mw // 1000} W are more than {voltage_mv / 1000:.1f} V times {current_ma / 1000:.2f} A.")
    return f"{voltage_mv / 1000:.1f} V, {current_ma / 1000:.2f} A, {power_mw // 1000} W."


@play("data.rights")
async def rights(bench: Bench) -> str:
    threshold = bench.target.profile.threshold
    where = (threshold.class_id, threshold.obis, threshold.attribute)
    async with bench.manager() as manager:
        await associated(manager)
        before, state = await manager.get(*where), await manager.get(70, RELAY, 3)
    async with bench.reader() as probe:
        await associated(probe)
        wrote = await probe.put(*where, Data(before.tag, before.value + 1))
        switched = await probe.act(70, RELAY, 1, Data(Tag.INTEGER, 0))
    async with bench.manager() as manager:
        await associated(manager)
        moved = [await manager.get(*where) != before, await manager.get(70, RELAY, 3) != state]
        if moved[0]:
            await manager.put(*where, before)
        if moved[1]:
            await manager.act(70, RELAY, 2, Data(Tag.INTEGER, 0))
    if moved[0] or not wrote.refused:
        raise Failed("The reading client writes the threshold.")
    if moved[1] or not switched.refused:
        raise Failed("The reading client switches the relay.")
    return "Both are refused, and nothing has moved."


# -- the load profile --------------------------------------------------------------------------------------------------


def _stamps(rows: Data) -> list[bytes]:
    """The first column, as octets: clocks."""
    return [row.value[0].value for row in rows.value]


async def _rows(bench: Bench, probe: Probe, minimum: int) -> list[bytes]:
    stamps = _stamps(await probe.get(7, LOAD_PROFILE))
    if len(stamps) < minimum:
        raise NotRun(f"the profile has {len(stamps)} rows; {minimum} are needed")
    return stamps


@play("profile.blocks")
async def numbered(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe, pdu_max=SHORT_PDU)
        if Conformance.BLOCK_GET not in probe.conformance:
            raise Failed("The meter does not offer block transfer for GET.")
        await probe.get(7, LOAD_PROFILE)
        numbers = probe.block_numbers
    if not numbers:
        # A meter that sends a long answer whole is found by apdu.pdu_max; there is nothing to number here.
        raise NotRun("the profile came in one APDU")
    if numbers != list(range(1, len(numbers) + 1)):
        raise Failed(f"The blocks are numbered {', '.join(map(str, numbers[:6]))}, ...")
    return f"{len(numbers)} blocks."


@play("profile.rows")
async def rows(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        in_use = (await probe.get(7, LOAD_PROFILE, 7)).value
        period_s = (await probe.get(7, LOAD_PROFILE, 4)).value
        columns = len((await probe.get(7, LOAD_PROFILE, 3)).value)
        whole = await probe.get(7, LOAD_PROFILE)
    if not in_use <= len(whole.value) <= in_use + 1:  # one may have been captured meanwhile
        raise Failed(f"entries_in_use says {in_use}, {len(whole.value)} rows come.")
    if any(len(row.value) != columns for row in whole.value):
        raise Failed(f"A row does not have the {columns} columns of capture_objects.")
    at = [DateTime.from_octets(stamp).to_instant() for stamp in _stamps(whole)]
    gaps = [
        (later - earlier).total_seconds()
        for earlier, later in pairwise(at)
        if earlier is not None and later is not None
    ]
    if any(gap <= 0 or (period_s and gap % period_s) for gap in gaps):
        raise Failed(f"The rows are not whole capture periods of {period_s} s apart.")
    return f"{len(whole.value)} rows of {columns} columns, {period_s} s apart."


def _range(first: bytes, last: bytes) -> Data:
    clock = structure(
        Data(Tag.LONG_UNSIGNED, 8), octets(CLOCK.to_octets()), Data(Tag.INTEGER, 2), Data(Tag.LONG_UNSIGNED, 0)
    )
    return structure(clock, octets(first), octets(last), Data(Tag.ARRAY, ()))


async def _between(probe: Probe, first: bytes, last: bytes) -> list[bytes]:
    return _stamps(await probe.get(7, LOAD_PROFILE, 2, BY_RANGE, _range(first, last)))


@play("profile.range")
async def inclusive(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        stamps = await _rows(bench, probe, 6)
        wanted = stamps[1:5]
        got = await _between(probe, wanted[0], wanted[-1])
    lacking = [stamp for stamp in wanted if stamp not in got]
    if lacking:
        first = DateTime.from_octets(lacking[0]).to_iso()
        raise Failed(f"Of a range of {len(wanted)} rows {len(lacking)} did not come, the first of {first}.")
    return "4 of 4 rows."


@play("profile.outside")
async def outside(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        stamps = await _rows(bench, probe, 6)
        got = await _between(probe, stamps[1], stamps[4])
        late = DateTime.from_instant((datetime.now(UTC) + timedelta(days=400)).replace(microsecond=0)).to_octets()
        future = await _between(probe, late, late)
    strangers = [stamp for stamp in got if stamp in stamps and stamp not in stamps[1:5]]
    if strangers or future:
        raise Failed(f"{len(strangers)} rows of another time, {len(future)} of a time to come.")
    return "None."


@play("profile.entries")
async def entries(bench: Bench) -> str:
    asked = structure(
        Data(Tag.DOUBLE_LONG_UNSIGNED, 2),
        Data(Tag.DOUBLE_LONG_UNSIGNED, 4),
        Data(Tag.LONG_UNSIGNED, 1),
        Data(Tag.LONG_UNSIGNED, 0),
    )
    async with bench.manager() as probe:
        await associated(probe)
        stamps: list[Any] = await _rows(bench, probe, 5)
        got = _stamps(await probe.get(7, LOAD_PROFILE, 2, BY_ENTRY, asked))
        again = await _rows(bench, probe, 5)
    if got not in (stamps[1:4], again[1:4]):
        raise Failed(f"Entries 2 to 4 are asked, {len(got)} rows come that are not these.")
    return "3 of 3 rows."
