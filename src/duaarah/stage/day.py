# SPDX-License-Identifier: Apache-2.0
"""One simulated day: wait until nothing moves, then carry the business clock forward to whatever is due next."""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import Any

from django.db import connection

from duaarah import drivers
from duaarah.clock.queries import now as business_now
from duaarah.core.intent import MeterRegister
from duaarah.net.dlms_client import ReadLink, read_registers
from duaarah.sim.town.world import READER_TITLE, START, World
from duaarah.stage import breaks
from duaarah.stage.invariants import FromOutside, broken, figures, lease_broken
from duaarah.stage.opening import move_both, open_stage
from duaarah.stage.processes import Processes
from duaarah.vending.operations.sweep import UNCONFIRMED_S

DAY = dt.timedelta(days=1)
QUIET_S_MAX = 60
PATIENT_ATTEMPTS = 2
LEASE_LIMIT_S = 120
_REGISTERS = (MeterRegister.TOKEN_ENERGY_WH, MeterRegister.TOKENS_ACCEPTED, MeterRegister.TOKENS_DISTINCT)

# Open work that ends by itself within seconds. A command that was tried more than twice belongs to a silent modem: only
# business time helps it.
_OPEN = """
SELECT (SELECT count(*) FROM sms_outboundsegment WHERE state IN ('QUEUED', 'SUBMITTING'))
    + (SELECT count(*) FROM sms_inboundsms WHERE state = 'RECEIVED')
    + (SELECT count(*) FROM messaging_message WHERE state = 'QUEUED' AND due_at <= %s)
    + (SELECT count(*) FROM vending_vend WHERE state = 'PAID')
    + (SELECT count(*) FROM vending_vend WHERE state = 'ISSUED' AND digits_sent_at IS NULL AND issued_at <= %s)
    + (SELECT count(*) FROM headend_command WHERE state IN ('QUEUED', 'SENT') AND attempts <= %s
        AND (lease_until_at IS NULL OR lease_until_at < clock_timestamp() + interval '1 hour'))
"""


def run_once(processes: Processes, *, break_name: str | None) -> dict[str, Any]:
    """The day of `demo --once` on an opened database; returns the record of CONTRACTS.md. The caller closes."""
    _say("starting links, workers and web ...")
    world = open_stage(processes)
    breaks.plant(break_name, lambda faults: _fault_all(processes, world, faults))
    _say(f"the day begins for {len(world.meters)} meters ...")
    outlived = _play(processes, world, break_name)
    breaks.plant_at_end(break_name)
    return _verdict(processes, world, outlived)


def _say(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)


def _fault_all(processes: Processes, world: World, faults: dict[str, object]) -> None:
    for meter in world.meters:
        processes.town("fault", drn=meter.drn, **faults)


def _play(processes: Processes, world: World, break_name: str | None) -> bool:
    """The day itself; whether some lease was seen to outlive its limit (it may be healed by the evening)."""
    outlived = False
    end = START + DAY
    move_both(processes.town, START + dt.timedelta(minutes=5), 1)
    told_hour = -1
    while True:
        _wait_quiet(processes)
        outlived = outlived or lease_broken(LEASE_LIMIT_S)
        now = business_now()
        due = _next_due(processes, now)
        if due is None or due >= end:
            break
        hour = due.astimezone(START.tzinfo).hour
        if hour != told_hour and hour % 3 == 0:
            _say(f"{hour:02d}.00 WIB")
            told_hour = hour
        if due > now:
            move_both(processes.town, due + dt.timedelta(milliseconds=200), 1)
        if break_name == "double-load" and _loaded_after_retry():
            _fault_all(processes, world, {"lose_next_answer": 0})
            break_name = None
    _wait_quiet(processes)
    return outlived


def _loaded_after_retry() -> bool:
    from duaarah.headend.models import Command

    return Command.objects.filter(state="ACKED", attempts__gte=2).exists()


def _next_due(processes: Processes, now: dt.datetime) -> dt.datetime | None:
    """The next business instant at which the town or the platform has something to do by itself."""
    times = []
    town = processes.town("status")["next_due_at"]
    if town:
        times.append(dt.datetime.fromisoformat(town))
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(issued_at) FROM vending_vend WHERE state = 'ISSUED' AND digits_sent_at IS NULL")
        issued_at = cursor.fetchone()[0]
        cursor.execute("SELECT min(due_at) FROM messaging_message WHERE state = 'QUEUED'")
        message_at = cursor.fetchone()[0]
    if issued_at is not None:
        times.append(issued_at + dt.timedelta(seconds=UNCONFIRMED_S))
    if message_at is not None:
        times.append(message_at)
    return min(times) if times else None


def _wait_quiet(processes: Processes) -> None:
    """Until three looks in a row find nothing open, or for a minute at most: what is then open is in the verdict."""
    deadline_s = time.monotonic() + QUIET_S_MAX
    calm = 0
    while calm < 3 and time.monotonic() < deadline_s:
        calm = calm + 1 if _quiet(processes) else 0
        time.sleep(0.04)


def _quiet(processes: Processes) -> bool:
    town = processes.town("status")
    if town["busy"]:
        return False
    due = town["next_due_at"]
    if due and dt.datetime.fromisoformat(due) <= dt.datetime.fromisoformat(town["now"]):
        return False
    now = business_now()
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [now, now - dt.timedelta(seconds=UNCONFIRMED_S), PATIENT_ATTEMPTS])
        if cursor.fetchone()[0]:
            return False
    return processes.smsc_control is None or processes.smsc("stats")["pending"] == 0


def _verdict(processes: Processes, world: World, outlived: bool) -> dict[str, Any]:
    _say("reading the meters over DLMS ...")
    accepted_wh = double_credits = 0
    for meter in world.meters:
        energy_wh, accepted, distinct = _read(processes, meter)
        accepted_wh += energy_wh
        double_credits += accepted - distinct
    segments = None
    if processes.smsc_control is not None:
        segments = sum(processes.smsc("stats")["segments"].values())
    record = figures(FromOutside(accepted_wh, double_credits, segments))
    names = broken(record, lease_outlived=outlived or lease_broken(LEASE_LIMIT_S))
    return {
        "seed": processes.seed,
        "meters": processes.meters,
        **record,
        "ok": not names,
        "broken": names,
    }


def _read(processes: Processes, meter: Any) -> tuple[int, int, int]:
    """Energy accepted from tokens, tokens accepted, distinct tokens: asked of the meter itself, over TCP."""
    profile = drivers.profile(meter.profile)
    link = ReadLink(
        host="127.0.0.1",
        port=int(processes.town("read_port", drn=meter.drn)["port"]),
        client_sap=profile.link.client_sap,
        server_sap=profile.link.server_sap,
        keys=drivers.Keys(meter.ek, meter.ak),
        system_title=READER_TITLE,
        meter_title=meter.system_title,
    )
    requests = [drivers.encode_read(profile, register, number) for number, register in enumerate(_REGISTERS)]
    raw = read_registers(link, requests, counter=1)
    energy_wh, accepted, distinct = (
        drivers.register_value(profile, register, value) for register, value in zip(_REGISTERS, raw, strict=True)
    )
    return energy_wh, accepted, distinct
