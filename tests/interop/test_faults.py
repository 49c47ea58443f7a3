"""
The links worker against an SMSC that nobody here wrote, and that misbehaves in every way we know of.

All accounts misbehave at the same time, each by its own switches; then each is compared: what node-smpp counted at its socket
against what our rows say. One process and one database for all of them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from tests.conftest import fresh_database
from tests.interop.conftest import PASSWORD, NodeSMSC
from tests.sms.linkbench import Bench
from tests.sms.test_tls import certificate

from duaarah.sms.console import ambiguous, parked
from duaarah.sms.models import Bind, InboundSms, OutboundSegment, PackageEntry, Receipt
from duaarah.sms.operations import SegmentOrder, enqueue_segments, judge_stale_segments, match_parked_receipts
from duaarah.wire.smpp import pdu as p

pytestmark = pytest.mark.slow
NOW = dt.datetime(2026, 2, 16, 8, 0, tzinfo=dt.UTC)
SEGMENTS, WINDOW = 6, 4
SETTLE_S = 40


@dataclass(frozen=True)
class Case:
    """Switches of the SMSC, fields of the bind's row, and how the six segments end."""

    name: str
    switches: dict[str, Any] = field(default_factory=dict)
    bind: dict[str, Any] = field(default_factory=dict)
    delivered: int = SEGMENTS
    accepted: int = 0
    refused: int = 0
    # (at least, at most): a connection that breaks takes what was on it.
    ambiguous: tuple[int, int] = (0, 0)
    binds: int = 1
    parked: int = 0


CASES = [
    Case("plain"),
    Case("throttle", {"throttle": 2}),
    Case("full", {"full": 2}),
    Case("nack", {"nack": 1}, delivered=5, refused=1),
    Case("noresp", {"noresp": 1}, delivered=5, ambiguous=(1, 1)),
    # The whole window swallowed: half of it ends the link, and never more than the window is out.
    Case("hole", {"noresp": 99}, delivered=0, ambiguous=(6, 6), binds=2),
    Case("dropmid", {"drop_mid": 1}, delivered=5, ambiguous=(1, 4), binds=2),
    Case("unbind", {"unbind_at": 3}, binds=2),
    Case("oversized", {"oversized_at": 3}, ambiguous=(0, 3), binds=2),
    Case("early", {"receipts": "early"}),
    Case("late", {"receipts": "late"}),
    Case("shuffled", {"receipts": "shuffled", "of": SEGMENTS}),
    Case("duplicated", {"receipts": "duplicated"}),
    Case("hex", {"ids": "hex"}, {"id_base": "HEX_RESPONSE"}),
    Case("decimal", {"ids": "decimal"}, {"id_base": "DEC_RESPONSE"}),
    Case("hexearly", {"ids": "hex", "receipts": "early"}, {"id_base": "ANY"}),
    Case("text", {"dialect": "text"}),
    Case("tlvonly", {"dialect": "tlv"}),
    Case("noid", {"dialect": "none"}, delivered=0, accepted=SEGMENTS, parked=SEGMENTS),
    Case("split", {"split": True}),
    Case("coalesce", {"coalesce": True}),
    Case("foreigntlv", {"tlv": True}),
    Case("mute", {"mute": 1}, {"enquire_link_s": 1}, binds=2),
    Case("dropmo", {"drop_mo": 1}, ambiguous=(0, 4), binds=2),
    Case("rebind", {"refuse": 2, "refuse_status": p.ESME_RBINDFAIL}, {"bind_refusals_max": 1}),
    Case("tls", {}, {"tls": True}),
    Case("pair", {}, {"kind": "TX", "bind_group": "pair"}, binds=2),
]
BY_NAME = {case.name: case for case in CASES}


@dataclass
class World:
    """What both sides say when all is over."""

    smsc: NodeSMSC
    bench: Bench
    account: dict[str, dict[str, Any]] = field(default_factory=dict)

    def rows(self, name: str) -> list[OutboundSegment]:
        return list(OutboundSegment.objects.filter(bind__name=name).order_by("id"))


def phone(number: int) -> str:
    return f"62811{number:07d}"


def enqueue(bind: Bind, number: int, count: int = SEGMENTS) -> None:
    orders = [
        SegmentOrder(
            bind_id=bind.pk,
            meter_id=None,
            message_class="WARNING",
            priority=4,
            retry=False,
            source="3123",
            destination=phone(number),
            data_coding=4,
            payload=f"{bind.name}-{one:03d}".encode(),
            validity_s=600,
            registered=True,
            correlation=None,
        )
        for one in range(count)
    ]
    with transaction.atomic():
        enqueue_segments(orders, now=NOW)


def _play(world: World, pin: str) -> None:
    """Everybody at once, from the first row to the last receipt."""
    binds = []
    for case in CASES:
        world.smsc.ask("fault", account=case.name, switches=case.switches)
        port = world.smsc.tls_port if case.name == "tls" else world.smsc.port
        fields = {"port": port, "system_id": case.name, "window": WINDOW, "response_timeout_s": 1, "tls_pin": pin}
        bind = world.bench.bind(case.name, **fields | case.bind)
        if case.name == "pair":
            world.bench.bind("pair-rx", **fields | case.bind | {"kind": "RX"})
        binds.append(bind)
    for number, bind in enumerate(binds):
        enqueue(bind, number)
        for one in range(2):
            sms = {"source_addr": f"62899{number:07d}", "destination_addr": "3123", "short_message": f"SALDO {one}"}
            world.smsc.ask("mo", account=bind.name, key=f"mo {one}", fields=sms)
    deadline_s = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline_s and not _quiet(world):
        time.sleep(0.2)
    world.account = {case.name: world.smsc.ask("account", account=case.name) for case in CASES}


def _quiet(world: World) -> bool:
    """The sweeper's part; whether nothing is under way on either side."""
    with connection.cursor() as cursor:
        # As the lease does later: what its link gave up is judged.
        cursor.execute(
            "UPDATE sms_outboundsegment SET lease_until_at = now() - interval '1 s'"
            " WHERE state = 'SUBMITTING' AND submitted_at < clock_timestamp() - interval '4 s'"
        )
    judge_stale_segments(now=NOW)
    match_parked_receipts()
    if OutboundSegment.objects.filter(state__in=["QUEUED", "SUBMITTING"]).exists():
        return False
    accounts = [(case, world.smsc.ask("account", account=case.name)) for case in CASES]
    settled = all(not account["pending"] and account["binds"] >= case.binds for case, account in accounts)
    whole = [case.name for case in CASES if not case.parked and not case.ambiguous[1]]
    waiting = Receipt.objects.filter(segment=None, bind__name__in=whole).exists()
    return settled and not waiting and sum(a["receipts"] for _, a in accounts) <= Receipt.objects.count()


@pytest.fixture(scope="module")
def world(node_modules: Path, cluster_conninfo: str) -> Iterator[World]:
    patch = pytest.MonkeyPatch()
    patch.setattr("duaarah.workers.links_rows.unwrap_bind_password", lambda name, wrapped: PASSWORD)
    with tempfile.TemporaryDirectory() as folder, fresh_database(cluster_conninfo) as conninfo:
        _, der = certificate(Path(folder))
        smsc = NodeSMSC(node_modules, str(Path(folder) / "server.pem"), script="faults.js", account=())
        try:
            with Bench(conninfo, binds_max=40) as bench:
                world = World(smsc, bench)
                _play(world, hashlib.sha256(der).hexdigest())
                yield world
        finally:
            smsc.close()
            patch.undo()


def socket_and_rows_agree(account: dict[str, Any], rows: list[OutboundSegment]) -> None:
    """What was sent is there, what is there was sent or is listed as unknown, and nothing is there twice."""
    taken = account["taken"]
    assert len(taken) == len(set(taken))
    assert len(account["submit_ms"]) == len(taken) + account["refused"]
    sent = {bytes(row.payload).decode() for row in rows if row.state in ("ACCEPTED", "DELIVERED")}
    unknown = {bytes(row.payload).decode() for row in rows if row.state == "AMBIGUOUS"}
    assert sent <= set(taken) <= sent | unknown


def ledger_and_rows_agree(rows: list[OutboundSegment]) -> None:
    """Each segment is reserved once and ends once, as its state says."""
    booked: dict[int, list[str]] = {row.pk: [] for row in rows}
    entries = PackageEntry.objects.filter(segment__in=rows).order_by("id")
    for segment, kind in entries.values_list("segment_id", "kind"):
        booked[segment].append(kind)
    ends = {"ACCEPTED": ["SETTLE"], "DELIVERED": ["SETTLE"], "REFUSED": ["RELEASE"], "AMBIGUOUS": ["HOLD"]}
    assert booked == {row.pk: ["RESERVE", *ends[row.state]] for row in rows}


@pytest.mark.parametrize("name", BY_NAME)
def test_nothing_is_lost_and_nothing_doubled(world: World, name: str) -> None:
    case, account, rows = BY_NAME[name], world.account[name], world.rows(name)
    state = Counter(row.state for row in rows)
    assert sum(state.values()) == SEGMENTS
    assert case.ambiguous[0] <= state["AMBIGUOUS"] <= case.ambiguous[1]
    assert state["REFUSED"] == case.refused and state["ACCEPTED"] == case.accepted
    # A broken connection takes from the delivered what it made ambiguous.
    assert SEGMENTS - case.refused - case.accepted - state["AMBIGUOUS"] == state["DELIVERED"]
    if case.ambiguous[0] == case.ambiguous[1]:
        assert state["DELIVERED"] == case.delivered
    socket_and_rows_agree(account, rows)
    assert account["most_in_flight"] <= WINDOW and account["binds"] >= case.binds


@pytest.mark.parametrize("name", BY_NAME)
def test_the_ledger_says_the_same(world: World, name: str) -> None:
    rows = world.rows(name)
    ledger_and_rows_agree(rows)
    listed = {row.pk for row in ambiguous() if row.bind.name == name}
    assert listed == {row.pk for row in rows if row.state == "AMBIGUOUS"}


@pytest.mark.parametrize("name", BY_NAME)
def test_what_came_in_is_here_once_and_acknowledged(world: World, name: str) -> None:
    account = world.account[name]
    number = list(BY_NAME).index(name)
    inbound = InboundSms.objects.filter(source=f"62899{number:07d}")
    assert sorted(bytes(sms.payload) for sms in inbound) == [b"SALDO 0", b"SALDO 1"]
    assert {status for _, status in account["acked"]} == {0} and account["pending"] == 0
    assert {key for key, _ in account["acked"] if key.startswith("mo ")} == {"mo 0", "mo 1"}
    receipts = Receipt.objects.filter(bind__name__in=[name, f"{name}-rx"])
    acked = sum(key.startswith("receipt ") for key, _ in account["acked"])
    # A receipt that was redelivered is one more row, and moves nothing.
    assert receipts.count() >= acked >= account["receipts"]
    waiting = sum(receipt.bind.name == name for receipt in parked())
    # The receipt of a lost response is there for the person who decides.
    lost = sum(row.state == "AMBIGUOUS" for row in world.rows(name))
    assert BY_NAME[name].parked <= waiting <= BY_NAME[name].parked + lost


def test_a_receipt_without_an_id_stands_there_with_its_words(world: World) -> None:
    assert [receipt.text for receipt in parked() if not receipt.message_ids] == ["Pesan terkirim."] * SEGMENTS


def test_throttled_ones_came_again_and_only_those(world: World) -> None:
    for name in ("throttle", "full"):
        assert world.account[name]["refused"] == 2
        assert sorted(row.attempts for row in world.rows(name)) == [1, 1, 1, 1, 2, 2]


def test_a_wrong_password_raises_the_alarm_and_stops(world: World) -> None:
    world.smsc.ask("fault", account="locked", switches={"refuse": 99})
    bind = world.bench.bind("locked", port=world.smsc.port, system_id="locked", bind_refusals_max=2)
    world.bench.until(lambda: Bind.objects.get(pk=bind.pk).state == "STOPPED")
    assert "0xe" in Bind.objects.get(pk=bind.pk).state_reason
    time.sleep(1)
    assert world.smsc.ask("account", account="locked")["binds_refused"] == 2


def _paced(world: World, name: str) -> tuple[int, float]:
    """(most in any second, messages a second) of 250 messages at 100 a second, by the arrivals at the SMSC's socket."""
    bind = world.bench.bind(name, port=world.smsc.port, system_id=name, tps_max=100, window=10)
    world.bench.up(bind)
    enqueue(bind, 98, 125)
    enqueue(bind, 99, 125)
    world.bench.until(lambda: len(world.smsc.ask("account", account=name)["submit_ms"]) == 250)
    account = world.smsc.ask("account", account=name)
    assert account["most_in_flight"] <= 10
    at_ms = account["submit_ms"]
    most = max(sum(start <= at < start + 1_000 for at in at_ms) for start in at_ms)
    return most, 249_000 / (at_ms[-1] - at_ms[0])


def test_pace_and_window_at_the_smscs_socket(world: World) -> None:
    """Within 5 % of the cap; a machine that stops the SMSC for a moment makes its arrivals bunch, so the best of three."""
    Bind.objects.update(active=False)
    world.bench.until(lambda: not Bind.objects.filter(state="UP").exists())
    tried = []
    for number in range(3):
        tried.append(_paced(world, f"pace{number}"))
        if tried[-1][0] <= 105 and tried[-1][1] >= 95:
            return
        Bind.objects.update(active=False)
    raise AssertionError(tried)
