"""
One kill point for each arrow of a top-up: the process that stands there dies by SIGKILL, and nothing is lost or doubled.

Everything is real: workers and web under the supervisor, PostgreSQL with fsync, the SMSC, meters and phones on sockets.
Each case has a meter of its own; what it must not touch (all other meters and wallets) is compared as well.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
from psycopg.conninfo import conninfo_to_dict

from duaarah.clock.queries import now
from duaarah.headend.models import Command
from duaarah.notices.operations import issue_reply_code
from duaarah.project import supervisor
from duaarah.project.database import EmbeddedCluster
from duaarah.project.start import web_command
from duaarah.project.supervisor import ChildSpec
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sim.town.world import START, TownMeter, World
from duaarah.sms.models import Bind, InboundSms, OutboundSegment, PackageEntry
from duaarah.stage.opening import move_both, open_stage
from duaarah.stage.processes import Processes
from duaarah.vending.models import LedgerLine, Payment, Token, Vend, Wallet
from tests.flows.killable import FOLDER, POINTS, Point, arm, fired

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
NOMINAL_IDR = 20_000
METERS = 60
WAIT_S = 60
AFTER_T1 = next(p for p in POINTS if p.arrow == "T1 committed")


class Stage(Processes):
    """The stage with workers that can be killed at a point."""

    world: World
    cluster_of_test: EmbeddedCluster
    kill_folder: Path
    turn = 0

    def children(self) -> list[ChildSpec]:
        environment = {FOLDER: str(self.kill_folder), "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        children = [
            ChildSpec(name, [sys.executable, "-m", "tests.flows.killable", name], environment)
            for name in ("links", "headend", "messenger", "sweeper")
        ]
        web = [*web_command("127.0.0.1", self.web_port, 2)[:-1], "tests.flows.killable_web:application"]
        return [*children, ChildSpec("web", web, environment)]

    def next_meter(self) -> TownMeter:
        """A household with money that no case has used yet."""
        homes = [m for m in self.world.meters if m.site is None and m.holder.wallet_idr >= NOMINAL_IDR]
        self.turn += 1
        return homes[self.turn - 1]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="duaarah-kill-"))
    folder.chmod(0o755)
    patch = pytest.MonkeyPatch()
    patch.setattr(supervisor, "CRASHES_MAX", 1_000)
    patch.setattr(supervisor, "BACKOFF_S", (0.1,))
    patch.setenv("DUAARAH_LOG_LEVEL", "WARNING")
    cluster = EmbeddedCluster(folder / "cluster")
    cluster.start()
    default = connections["default"]
    default.close()
    default.close_pool()
    before = dict(default.settings_dict)
    parts = conninfo_to_dict(cluster.conninfo("duaarah"))
    patch.setenv("DUAARAH_DATABASE_URL", cluster.conninfo("duaarah"))
    default.settings_dict.update(
        NAME="duaarah", USER=parts["user"], PASSWORD=parts["password"], HOST=parts["host"], PORT=""
    )
    environment = dict(os.environ)
    made = Stage(folder / "stage", 5, METERS, None, radio_faults=False, segment_lease_s=6)
    made.cluster_of_test, made.kill_folder = cluster, folder / "kill"
    made.kill_folder.mkdir()
    try:
        _open(made)
        yield made
    finally:
        made.close()
        default.close()
        default.close_pool()
        default.settings_dict.clear()
        default.settings_dict.update(before)
        cluster.stop()
        patch.undo()
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
        shutil.rmtree(folder, ignore_errors=True)


def _open(stage: Stage) -> None:
    stage.open_database()
    stage.world = open_stage(stage, before_start=lambda _: Bind.objects.update(response_timeout_s=3))
    move_both(stage.town, START.replace(minute=5), 1)


def _until(what: str, holds: Callable[[], bool], seconds: float = WAIT_S) -> None:
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def _buy(stage: Stage, meter: TownMeter, purchase: str = "sms") -> None:
    if purchase == "atm":
        stage.town("buy_at_atm", drn=meter.drn, nominal_idr=NOMINAL_IDR)
        return
    row = Meter.objects.get(drn=meter.drn)
    pairing = pairing_of_meter(meter_id=row.pk, at=now())
    assert pairing is not None
    with transaction.atomic():
        code = issue_reply_code(pairing=pairing, nominal_idr=NOMINAL_IDR, now=now()).code
    stage.town("send", **{"from": meter.holder.phone, "text": f"ISI {NOMINAL_IDR} {code}"})


def _elsewhere(stage: Stage, meter: TownMeter) -> dict[str, Any]:
    """All that this purchase must not touch."""
    meters = [m for m in stage.town("meters")["meters"] if m["drn"] != meter.drn]
    wallets = Wallet.objects.exclude(pk=_wallet(meter).pk)
    return {
        "energy_wh": {m["drn"]: m["token_energy_wh"] for m in meters},
        "wallets": sorted(wallets.values_list("holder_id", "balance_sen")),
        "vends": Vend.objects.exclude(drn=meter.drn).count(),
    }


def _wallet(meter: TownMeter) -> Wallet:
    row = Meter.objects.select_related("customer").get(drn=meter.drn)
    assert row.customer is not None
    return Wallet.objects.get(holder_id=row.customer.holder_id)


def _receipts(stage: Stage, meter: TownMeter) -> list[str]:
    return [m["text"] for m in stage.town("phone", msisdn=meter.holder.phone)["inbox"] if "Token " in m["text"]]


def _settled(stage: Stage, meter: TownMeter) -> bool:
    """The vend is closed, the customer has his receipt, and nothing is open any more."""
    return (
        Vend.objects.filter(drn=meter.drn, state="LOADED").exists()
        and bool(_receipts(stage, meter))
        and not InboundSms.objects.filter(state="RECEIVED").exists()
        and not OutboundSegment.objects.filter(state__in=["QUEUED", "SUBMITTING"]).exists()
        and not Command.objects.filter(state__in=["QUEUED", "SENT"]).exists()
        and stage.town("status")["busy"] == 0
    )


def _check(
    stage: Stage, meter: TownMeter, wallet_before_sen: int, elsewhere: dict[str, Any], repeated_by_network: int
) -> None:
    vend = Vend.objects.get(drn=meter.drn)
    token = Token.objects.get(vend=vend)
    inside = stage.town("meter", drn=meter.drn)
    assert (inside["tokens_accepted"], inside["tokens_distinct"]) == (1, 1)
    assert inside["token_energy_wh"] == token.energy_wh == vend.encoded_wh
    wallet = _wallet(meter)
    paid_here = vend.origin == "OURS"
    assert Payment.objects.filter(meter__drn=meter.drn).count() == int(paid_here)
    assert wallet_before_sen - wallet.balance_sen == (NOMINAL_IDR * 100 if paid_here else 0)
    assert Command.objects.get(meter__drn=meter.drn).state == "ACKED"
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0
    receipts = _receipts(stage, meter)
    again = OutboundSegment.objects.filter(meter__drn=meter.drn, message_class="RECEIPT", retry=True).count()
    # A second copy goes out only where nobody can know whether the first did, and is marked as a retry.
    assert len(set(receipts)) == 1 and 1 <= len(receipts) <= 1 + again + repeated_by_network
    assert "".join(receipts[0].split("Token ")[1].strip(".").split()) == token.digits
    assert _elsewhere(stage, meter) == elsewhere


def _case(stage: Stage, between: Callable[[TownMeter], None], *, repeated_by_network: int = 0) -> Vend:
    """One purchase with a disaster in it, from a quiet town to a quiet town; how it ended."""
    meter = stage.next_meter()
    elsewhere = _elsewhere(stage, meter)
    wallet_sen = _wallet(meter).balance_sen
    between(meter)
    _until("the purchase", lambda: _settled(stage, meter))
    _check(stage, meter, wallet_sen, elsewhere, repeated_by_network)
    return Vend.objects.get(drn=meter.drn)


def _links_lost(stage: Stage) -> int:
    """How often the platform's link went down, by its own log."""
    return (stage.folder / "platform.log").read_text().count("bind down")


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_a_process_dies_and_nothing_is_lost_or_doubled(stage: Stage, point: Point) -> None:
    def kill(meter: TownMeter) -> None:
        if point.process == "sweeper":
            if "obtain" in point.name:
                arm(stage.kill_folder, AFTER_T1)
            else:
                stage.town("fault", drn=meter.drn, lose_next_answer=1)
        arm(stage.kill_folder, point)
        _buy(stage, meter, point.purchase)
        if point.process == "sweeper" and "obtain" in point.name:
            _until("the messenger's death", lambda: fired(stage.kill_folder, AFTER_T1))
            # The sweeper shall come before the messenger is back.
            with connections["default"].cursor() as cursor:
                cursor.execute("UPDATE vending_vend SET obtain_not_before_at = clock_timestamp() WHERE state = 'PAID'")
        _until(f"the kill at '{point.arrow}'", lambda: fired(stage.kill_folder, point))

    vend = _case(stage, kill)
    assert vend.state == "LOADED"
    # A meter that had taken the token before says so when it comes again.
    assert vend.result in ("accept", "used")
    (stage.kill_folder / f"{point.name}.fired").unlink()
    (stage.kill_folder / f"{AFTER_T1.name}.fired").unlink(missing_ok=True)


def test_after_all_these_deaths_the_network_and_the_ledger_agree(stage: Stage) -> None:
    """What is settled was counted; what the network counted beyond that is held as unknown, once, for a person."""
    stats = stage.smsc("stats")
    counted = sum(stats["segments"].values())
    settled = PackageEntry.objects.filter(kind="SETTLE").count()
    held = PackageEntry.objects.filter(kind="HOLD").exclude(
        segment_id__in=PackageEntry.objects.filter(kind__in=["SETTLE", "RELEASE"], segment__isnull=False).values(
            "segment_id"
        )
    )
    assert settled <= counted <= settled + held.count()
    assert held.count() == OutboundSegment.objects.filter(state="AMBIGUOUS").count()
    reserved = PackageEntry.objects.filter(kind="RESERVE").count()
    assert reserved == OutboundSegment.objects.count()
    read = InboundSms.objects.exclude(state="RECEIVED").count()
    assert PackageEntry.objects.filter(kind="SETTLE", inbound__isnull=False).count() == read


@pytest.mark.parametrize("after", ["Payment", "Token"])
def test_postgresql_dies_in_the_middle_of_a_top_up(stage: Stage, after: str) -> None:
    model = {"Payment": Payment, "Token": Token}[after]

    killed: list[bool] = []

    def kill(meter: TownMeter) -> None:
        before = model.objects.count()
        _buy(stage, meter)
        _until(after, lambda: model.objects.count() > before)
        stage.cluster_of_test.kill()
        killed.append(True)
        connections["default"].close()
        connections["default"].close_pool()
        time.sleep(0.5)
        stage.cluster_of_test.restart()

    vend = _case(stage, kill)
    assert killed == [True] and vend.state == "LOADED" and vend.result in ("accept", "used")


def test_the_smsc_drops_every_link_in_the_middle_of_a_top_up(stage: Stage) -> None:
    def drop(meter: TownMeter) -> None:
        _buy(stage, meter)
        for _ in range(5):
            time.sleep(0.05)
            stage.smsc("drop")

    lost_before = _links_lost(stage)
    # An SMSC whose delivery was cut off before its acknowledgement delivers again, to phones as well.
    vend = _case(stage, drop, repeated_by_network=5)
    assert _links_lost(stage) > lost_before
    assert vend.state == "LOADED" and vend.result in ("accept", "used")


def test_the_smsc_dies_with_all_that_it_held_in_the_middle_of_a_top_up(stage: Stage) -> None:
    def kill(meter: TownMeter) -> None:
        before = OutboundSegment.objects.filter(message_class="METER_FRAME").count()
        stage.town("fault", drn=meter.drn, lose_next_answer=1)
        _buy(stage, meter)
        _until("the frame", lambda: OutboundSegment.objects.filter(message_class="METER_FRAME").count() > before)
        stage.kill_smsc()
        time.sleep(1)
        stage.restart("smsc")

    lost_before = _links_lost(stage)
    vend = _case(stage, kill)
    assert _links_lost(stage) > lost_before
    # The first answer was lost on purpose: the meter had the token already when it came a second time.
    assert (vend.state, vend.result, vend.command.state, vend.command.attempts > 1) == ("LOADED", "used", "ACKED", True)
