# SPDX-License-Identifier: Apache-2.0
"""
`bench dlms`, figures of a lossy network: daily summaries complete at 24 h, and how long a token's confirmation takes.

The platform's own verbs on a database, simulated meters, and the simulated SMSC's fault switches (`lose`, one seeded die),
joined in one process under a business clock that jumps from event to event: leases and pauses last what they last in operation,
nothing waits for the machine. Both ways lose; an SMS takes 2 s and a drawn time more, LATENCY_S on average.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import random
import statistics
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection

from duaarah.clock import operations as clock_operations
from duaarah.core.smsplan import daily_plan
from duaarah.headend.models import Command, MeterEvent
from duaarah.headend.operations import claim_and_send, end_leases
from duaarah.headend.operations.missing_days import ask_missing_days
from duaarah.notices.operations import take_frame
from duaarah.registry.models import Meter, Pairing
from duaarah.sim.smsc.faults import Faults
from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.packages import FAULT_SMS, data_minute
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.world import START, World, make_world
from duaarah.sms.models import Bind
from duaarah.stage.registration import make_keys, register_world
from duaarah.vending.models import Channel, Vend
from duaarah.vending.operations import top_up
from duaarah.wiring.drivers import DriverDirectory
from duaarah.wiring.keystores import MeterKeyring
from duaarah.wiring.token_sources import OwnKeys

METERS, DAYS = 200, 4
LOSE = 0.05
LEAST_S, LATENCY_S = 2.0, 6.0
# As in operation: DUAARAH_COMMAND_LEASE_S, DUAARAH_COMMAND_BACKOFF_S, and the chore's schedule.
LEASE_S, BACKOFF_S, CHORE_S = 180, 60, 600
TOKENS_A_DAY = 1.0  # a meter; far more than people buy, for figures that stand
NOMINAL_IDR = 20_000
TURNS_MAX = 50
Record = dict[str, Any]

_SEGMENTS = """
UPDATE sms_outboundsegment SET state = 'ACCEPTED' WHERE state = 'QUEUED' RETURNING id, destination, data_coding, payload
"""
_INBOUND = """
INSERT INTO sms_inboundsms (bind_id, kind, source, destination, data_coding, esm_class, payload, digest, received_at, arrived_at,
    state, attempts, outcome)
VALUES (%s, 'BINARY', %s, '3123', 4, 0, %s, sha256(%s), clock_timestamp(), %s, 'RECEIVED', 0, '') RETURNING id
"""
# Machine time stands still beside the business clock: what it would have ended is ended by hand, at its business instant.
_END = """
UPDATE headend_command SET lease_until_at = clock_timestamp() - interval '1 second'
WHERE id = ANY(%s) AND state = 'SENT' AND attempts = %s
"""
_PUT_OFF = "UPDATE headend_command SET not_before_at = 'infinity' WHERE id = ANY(%s) AND state = 'QUEUED' RETURNING id"
_DUE = "UPDATE headend_command SET not_before_at = clock_timestamp() WHERE id = %s AND state = 'QUEUED'"


class LossyTown:
    """Events by business time; everything that moves in them is real but the line."""

    def __init__(self, world: World, keys: MeterKeyring, source: OwnKeys, *, lose: float, seed: int) -> None:
        self.now = START
        self._end = START
        self._keys, self._source, self._driver = keys, source, DriverDirectory()
        self._faults = Faults(seed)
        self._faults.set({"lose": lose})
        self._dice = random.Random(f"duaarah loss {seed}")
        self._heap: list[tuple[dt.datetime, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._bind = Bind.objects.get()
        self._channel = Channel.objects.get(code="SMS")
        self._leased: set[tuple[int, int]] = set()
        self.supplies = {meter.msisdn: Supply(world, meter) for meter in world.meters}
        self.minutes = {meter.msisdn: data_minute(world.seed, meter) for meter in world.meters}
        for supply in self.supplies.values():
            supply.sim.set_plan(daily_plan(FAULT_SMS))
        self._pairings = {pairing.sim.msisdn: pairing for pairing in Pairing.objects.select_related("sim", "meter")}
        self.bought: dict[int, dt.datetime] = {}
        self.sms = [0, 0]

    # -- time ----------------------------------------------------------------------------------------------------------

    def at(self, instant: dt.datetime, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (instant, next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self.at(self.now + dt.timedelta(seconds=seconds), act)

    def run(self, days: int) -> None:
        """So many days, and the day after the last one, in which its summaries come."""
        self._end = START + dt.timedelta(days=days + 1)
        for msisdn in self.supplies:
            self.supplies[msisdn].advance(0)
            self.supplies[msisdn].sim.close_day(START)
            for _ in range(round(TOKENS_A_DAY * days)):
                self.at(START + dt.timedelta(seconds=self._dice.uniform(3_600, days * 86_400)), self._buyer(msisdn))
            for day in range(1, days + 1):
                midnight = START + dt.timedelta(days=day)
                self.at(midnight, self._closer(msisdn))
                self.at(midnight + dt.timedelta(minutes=self.minutes[msisdn]), self._teller(msisdn))
        for number in range(days * 86_400 // CHORE_S + 86_400 // CHORE_S):
            self.at(START + dt.timedelta(seconds=CHORE_S * (number + 1)), self._chore)
        while self._heap and self._heap[0][0] <= self._end:
            self.now, _, act = heapq.heappop(self._heap)
            act()

    # -- what happens --------------------------------------------------------------------------------------------------

    def _us(self) -> int:
        return (self.now - START) // dt.timedelta(microseconds=1)

    def _closer(self, msisdn: str) -> Callable[[], None]:
        def act() -> None:
            supply = self.supplies[msisdn]
            self._up(msisdn, supply.advance(self._us()))
            supply.sim.close_day(instant_of(self._us()))

        return act

    def _teller(self, msisdn: str) -> Callable[[], None]:
        return lambda: self._up(msisdn, self.supplies[msisdn].sim.report(instant_of(self._us())))

    def _buyer(self, msisdn: str) -> Callable[[], None]:
        def act() -> None:
            outcome = top_up(
                pairing=self._pairings[msisdn],
                amount_idr=NOMINAL_IDR,
                channel=self._channel,
                reference=f"loss:{next(self._numbers)}",
                token_source=self._source,
                now=self.now,
            )
            self.bought[outcome.vend.pk] = self.now
            self._turn()

        return act

    def _chore(self) -> None:
        ask_missing_days(driver=self._driver, now=self.now)
        end_leases(now=self.now, backoff_s=BACKOFF_S)
        self._turn()

    # -- the line ------------------------------------------------------------------------------------------------------

    def _delay_s(self) -> float:
        return LEAST_S + self._dice.expovariate(1 / (LATENCY_S - LEAST_S))

    def _up(self, msisdn: str, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.sms[0] += 1
            if not self._faults.loses("3123"):
                self.after(self._delay_s(), lambda payload=payload: self._arrive(msisdn, payload))  # type: ignore[misc]

    def _arrive(self, msisdn: str, payload: bytes) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_INBOUND, [self._bind.pk, msisdn, payload, payload, self.now])
            inbound_id = cursor.fetchone()[0]
        take_frame(inbound_id=inbound_id, driver=self._driver, keys=self._keys, now=self.now)
        self._turn()

    def _down(self, msisdn: str, payload: bytes) -> None:
        supply = self.supplies[msisdn]
        self._up(msisdn, supply.advance(self._us()))
        self._up(msisdn, supply.sim.receive_sms(payload, instant_of(self._us())))

    def _turn(self) -> None:
        """The head end and the link, until nothing is due."""
        for _ in range(TURNS_MAX):
            if not claim_and_send(driver=self._driver, keys=self._keys, now=self.now, lease_s=LEASE_S):
                return
            self._carry()
            for command_id, attempts in Command.objects.filter(state="SENT").values_list("pk", "attempts"):
                if (command_id, attempts) not in self._leased:
                    self._leased.add((command_id, attempts))
                    self.after(LEASE_S, self._ender(command_id, attempts))

    def _carry(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SEGMENTS)
            segments = sorted(cursor.fetchall())
        for _, destination, data_coding, payload in segments:
            if data_coding != 4 or destination not in self.supplies:
                continue  # a customer's text: counted elsewhere
            self.sms[1] += 1
            if not self._faults.loses(destination):
                down = (destination, bytes(payload))
                self.after(self._delay_s(), lambda down=down: self._down(*down))  # type: ignore[misc]

    def _ender(self, command_id: int, attempts: int) -> Callable[[], None]:
        """A lease that nobody's answer ended; then the pause, which doubles."""

        def act() -> None:
            with connection.cursor() as cursor:
                cursor.execute(_END, [[command_id], attempts])
            end_leases(now=self.now, backoff_s=BACKOFF_S)
            with connection.cursor() as cursor:
                cursor.execute(_PUT_OFF, [[command_id]])
                if cursor.fetchone() is not None:
                    self.after(BACKOFF_S * 2 ** (attempts - 1), lambda: self._due(command_id))
            self._turn()

        return act

    def _due(self, command_id: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_DUE, [command_id])
        self._turn()


def run(folder: Any, passphrase: str, *, seed: int = 7, meters: int = METERS, days: int = DAYS) -> Iterator[Record]:
    """Yields the bench's JSON records; on a migrated, empty database."""
    world = make_world(seed, meters)
    clock_operations.move(at=START, rate=1, founding=True)
    store = make_keys(world, folder / "keys.duaarah", passphrase)
    register_world(world, store, host="127.0.0.1", port=1, user="x", password="x")
    Meter.objects.update(reporting_plan=daily_plan(FAULT_SMS).values())
    with connection.cursor() as cursor:
        # Money without end: the bench measures the protocol, not the wallets.
        cursor.execute("UPDATE vending_wallet SET balance_sen = 100000000000")
        cursor.execute(
            "INSERT INTO vending_wallet (holder_id, balance_sen) SELECT id, 100000000000 FROM people_accountholder"
            " ON CONFLICT DO NOTHING"
        )
    town = LossyTown(world, MeterKeyring(store), OwnKeys(store), lose=LOSE, seed=seed)
    town.run(days)
    common = {"bench": "dlms", "cores": 1, "seed": seed, "meters": meters, "days": days, "lost_percent": 100 * LOSE}
    yield from ({**common, **record} for record in _figures(town, meters, days))


def _figures(town: LossyTown, meters: int, days: int) -> Iterator[Record]:
    in_time, first = 0, 0
    for day in range(days):
        date, midnight = (START + dt.timedelta(days=day)).date(), START + dt.timedelta(days=day + 1)
        events = MeterEvent.objects.filter(kind="DAILY_SUMMARY", data__day_date=date.isoformat())
        in_time += events.filter(arrived_at__lt=midnight + dt.timedelta(days=1)).values("meter").distinct().count()
        first += events.filter(arrived_at__lt=midnight + dt.timedelta(hours=3)).values("meter").distinct().count()
    wanted = meters * days
    yield {"figure": "daily_complete_24h_percent", "value": round(100 * in_time / wanted, 3), "unit": "%"}
    yield {"figure": "daily_complete_unasked_percent", "value": round(100 * first / wanted, 3), "unit": "%"}
    asked = Command.objects.filter(kind="DAY_SUMMARY")
    yield {"figure": "questions_per_100_days", "value": round(100 * asked.count() / wanted, 2), "unit": "1"}
    delays = sorted(
        (closed - town.bought[pk]).total_seconds() if state == "LOADED" and closed is not None else float("inf")
        for pk, state, closed in Vend.objects.filter(pk__in=town.bought).values_list("pk", "state", "closed_at")
    )
    p99_s = delays[-(-len(delays) * 99 // 100) - 1]
    counts = {"tokens": len(delays), "sms_from_meters": town.sms[0], "sms_to_meters": town.sms[1]}
    yield {"figure": "token_confirmed_median_s", "value": round(statistics.median(delays), 1), "unit": "s", **counts}
    yield {"figure": "token_confirmed_p99_s", "value": round(p99_s, 1), "unit": "s", **counts}
    confirmed = sum(delay < float("inf") for delay in delays)
    yield {"figure": "tokens_confirmed_percent", "value": round(100 * confirmed / len(delays), 3), "unit": "%"}
