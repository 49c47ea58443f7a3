# SPDX-License-Identifier: Apache-2.0
"""
`bench ppob`: inquiry, purchase, token and ledger over TCP, all durable: the answer is counted, and nothing before it.

The host is a worker process, the database another, this process the banks: all on the machine's cores at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection

from duaarah.clock import operations as clock_operations
from duaarah.clock.queries import now as business_now
from duaarah.core.sts import KeyRegister, luhn_digit, pan_of
from duaarah.keystore import FileKeyStore
from duaarah.people.models import AccountHolder, Customer
from duaarah.project.supervisor import die_with_parent
from duaarah.registry.models import Meter
from duaarah.sim.town.world import START
from duaarah.stage.bench_ppob_client import BANK, Banks
from duaarah.stage.processes import HOST, Processes
from duaarah.vending.operations import fill_deposit, set_channel_terms
from duaarah.vending.operations.ppob import new_partner

METERS = 500
PARTNERS = 4
IN_FLIGHT = 16
PACED_PER_S = 50
PATIENCE_S = 60
DEPOSIT_IDR = 10**12
NOMINAL_IDR = 20_000
Record = dict[str, Any]


def run(processes: Processes, seconds: int) -> Iterator[Record]:
    """Yields the bench's JSON records: purchases a second at full speed, then the answer times at a steady pace."""
    numbers = _register(processes)
    partners = [_partner(f"BENCH{number:02d}") for number in range(PARTNERS)]
    port = _free_port()
    environment = {**os.environ, "DUAARAH_PPOB": f"{HOST}:{port}"}
    command = [sys.executable, "-m", "duaarah", "worker", "bank"]
    connection.close()
    with contextlib.ExitStack() as ends:
        ends.callback(_end, subprocess.Popen(command, env=environment, preexec_fn=die_with_parent))
        _until_open(port)
        banks = Banks(HOST, port, partners, numbers, nominal_idr=NOMINAL_IDR)
        full = asyncio.run(banks.at_full_speed(seconds, in_flight=IN_FLIGHT))
        paced = asyncio.run(banks.paced(seconds, per_s=PACED_PER_S))
    _check(full.purchases + paced.purchases)
    common = {
        "bench": "ppob",
        "cores": os.cpu_count(),
        "meters": METERS,
        "partners": PARTNERS,
        "load": os.getloadavg()[0],
    }
    yield {
        **common,
        "figure": "purchases_per_s",
        "value": round(full.purchases / full.seconds, 1),
        "unit": "1/s",
        "in_flight": IN_FLIGHT,
        "purchases": full.purchases,
    }
    for name, answers in (("purchase", paced.purchase_ms), ("inquiry", paced.inquiry_ms)):
        for percent in (50, 99):
            value = _percentile(answers, percent)
            figure = f"{name}_answer_p{percent}_ms"
            yield {**common, "figure": figure, "value": value, "unit": "ms", "at_per_s": PACED_PER_S}


def _percentile(answers_ms: list[float], percent: int) -> float:
    ranked = sorted(answers_ms)
    return round(ranked[min(len(ranked) - 1, len(ranked) * percent // 100)], 1)


def _register(processes: Processes) -> list[str]:
    """Meters without two-way service, their customers and the key; their numbers."""
    # By day: the cut-off window is about midnight.
    clock_operations.move(at=START + dt.timedelta(hours=9), rate=1, founding=True)
    store = FileKeyStore.create(processes.folder / "keys.duaarah", processes.passphrase)
    register = KeyRegister(register_id="bench", dkga="04", sgc="999901", krn=1, kt=2, ken=255, base_date=2014)
    store.add(register, bytes(range(1, 21)))
    holder = AccountHolder.objects.create(name="Contoh", kind="HOUSEHOLD", language="id")
    meters, customers = [], []
    for number in range(METERS):
        head = f"98{number:08d}"
        drn = head + luhn_digit(head)
        customers.append(Customer(idpel=f"53511{number:07d}", name=f"Contoh {number}", holder=holder))
        meters.append(
            Meter(
                **{"drn": drn, "pan": pan_of(drn), "profile": "single-phase-modem", "tariff_group": "R-1"},
                **{"region": "Depok", "contracted_va": 1300, "low_credit_threshold_wh": 5_000},
                **{"sts_register": "bench", "sgc": "999901", "ti": "01", "krn": 1, "kt": 2, "ken": 255},
                **{"base_date": 2014, "dkga": "04", "ea": "07"},
                system_title=b"DUA\x03" + number.to_bytes(4, "big"),
                dlms_keys_wrapped=b"",
            )
        )
    for meter, customer in zip(meters, Customer.objects.bulk_create(customers), strict=True):
        meter.customer = customer
    Meter.objects.bulk_create(meters)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return [meter.drn for meter in meters]


def _partner(code: str) -> str:
    at = business_now()
    made = new_partner(
        code=code,
        name=code,
        banks=[BANK],
        switchers=[],
        products=["502"],
        networks=[],
        access=None,
        actor="bench",
        now=at,
    )
    said: dict[str, Any] = {"channel": made.channel, "actor": "bench", "now": at}
    set_channel_terms(from_date=dt.date(2026, 1, 1), admin_idr=2_500, commission_idr=1_000, **said)
    fill_deposit(amount_idr=DEPOSIT_IDR, reference="bench", **said)
    return code


def _check(purchases: int) -> None:
    """One payment, one token and two entries a purchase; every rupiah is somewhere."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW fsync")
        assert cursor.fetchone()[0] == "on"
        cursor.execute(
            "SELECT (SELECT count(*) FROM vending_payment), (SELECT count(DISTINCT digits) FROM vending_token),"
            " (SELECT count(*) FROM vending_vend WHERE state = 'ISSUED'),"
            " (SELECT count(*) FROM vending_ledgerentry WHERE vend_id IS NOT NULL),"
            " (SELECT sum(amount_sen) FROM vending_ledgerline),"
            " (SELECT count(*) FROM vending_ppobmessage WHERE kind = 'prepaid_purchase_response' AND code = '0000')"
        )
        found = cursor.fetchone()
    if found != (purchases, purchases, purchases, 2 * purchases, 0, purchases):
        raise AssertionError(f"{purchases} purchases were answered, but the database has {found}.")


def _until_open(port: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError("The host does not start.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        number: int = probe.getsockname()[1]
    return number


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
