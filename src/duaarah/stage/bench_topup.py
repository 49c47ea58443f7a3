# SPDX-License-Identifier: Apache-2.0
"""`bench topup`: purchases from wallets, loaded by simulated meters over SMPP and acknowledged, all durable."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection

from duaarah.clock.queries import now as business_now
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sim.town.world import START
from duaarah.stage.opening import move_both, open_stage
from duaarah.stage.processes import Processes
from duaarah.vending.models import Channel, Vend
from duaarah.vending.operations import top_up
from duaarah.wiring.keystores import key_store
from duaarah.wiring.token_sources import OwnKeys

PACED_PER_S = 20
DRAIN_S = 60
NOMINAL_IDR = 20_000


def run(processes: Processes, seconds: int) -> Iterator[dict[str, Any]]:
    """Yields the bench's JSON records: throughput at full speed, then the median delay at 20 purchases a second."""
    open_stage(processes)
    move_both(processes.town, START.replace(minute=5), 1)
    with connection.cursor() as cursor:
        # Money without end: the bench measures the protocol, not the wallets.
        cursor.execute("UPDATE vending_wallet SET balance_sen = 100000000000")
        cursor.execute(
            "INSERT INTO vending_wallet (holder_id, balance_sen) SELECT id, 100000000000 FROM people_accountholder"
            " ON CONFLICT DO NOTHING"
        )
    bought, seconds_taken = _buy(seconds, per_s=None, threads=2, offset=0)
    figures = {"bench": "topup", "cores": os.cpu_count(), "meters": processes.meters}
    yield {**figures, "figure": "top_ups_per_s", "value": round(bought / seconds_taken, 1), "unit": "1/s"}
    first = Vend.objects.order_by("-pk").values_list("pk", flat=True)[0]
    _buy(max(5, seconds // 2), per_s=PACED_PER_S, threads=1, offset=bought)
    yield {**figures, "figure": "payment_to_answer_median_s", "value": _median_s(first), "unit": "s", "at_per_s": 20}


def _buy(seconds: int, *, per_s: int | None, threads: int, offset: int) -> tuple[int, float]:
    """Buy for so long, then wait until every meter has answered; purchases, and seconds from first to last answer."""
    meters = list(Meter.objects.order_by("pk").values_list("pk", flat=True))
    channel = Channel.objects.get(code="SMS")
    source = OwnKeys(key_store())
    started_s = time.monotonic()
    counts = [0] * threads

    def buyer(number: int) -> None:
        turn = 0
        while (elapsed_s := time.monotonic() - started_s) < seconds:
            if per_s is not None and turn >= elapsed_s * per_s:
                time.sleep(0.002)
                continue
            index = (turn * threads + number) % len(meters)
            pairing = pairing_of_meter(meter_id=meters[index], at=business_now())
            assert pairing is not None
            reference = f"bench:{offset}:{number}:{turn}"
            top_up(
                pairing=pairing,
                amount_idr=NOMINAL_IDR,
                channel=channel,
                reference=reference,
                token_source=source,
                now=business_now(),
            )
            turn += 1
        counts[number] = turn
        connection.close()

    workers = [threading.Thread(target=buyer, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    deadline_s = time.monotonic() + DRAIN_S
    while Vend.objects.exclude(state="LOADED").exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return sum(counts), time.monotonic() - started_s


def _median_s(after_pk: int) -> float:
    delays = [
        (closed - paid).total_seconds()
        for paid, closed in Vend.objects.filter(pk__gt=after_pk, state="LOADED").values_list("paid_at", "closed_at")
        if closed is not None
    ]
    return round(statistics.median(delays), 3)
