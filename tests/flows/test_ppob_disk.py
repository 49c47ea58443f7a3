"""PostgreSQL dies in the middle of sales: whatever was answered is on the disk, the rest is one truth by advice."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from psycopg.conninfo import conninfo_to_dict

from duaarah.project.database import EmbeddedCluster
from duaarah.registry.models import Pairing
from duaarah.vending.models import Deposit, LedgerLine, Payment, Token
from tests.flows.house import Town
from tests.flows.ppob_host import partner, set_clock
from tests.flows.test_ppob_killed import Host

pytestmark = pytest.mark.slow
FILLED_IDR = 100_000_000
HOUSES = 6


@pytest.fixture
def cluster() -> Iterator[tuple[EmbeddedCluster, Path]]:
    """A database of its own, with fsync, and Django's connection to it."""
    folder = Path(tempfile.mkdtemp(prefix="duaarah-disk-"))
    folder.chmod(0o755)
    made = EmbeddedCluster(folder / "cluster")
    made.start()
    default = connections["default"]
    before = dict(default.settings_dict)
    parts = conninfo_to_dict(made.conninfo("duaarah"))
    _drop()
    default.settings_dict.update(
        NAME="duaarah", USER=parts["user"], PASSWORD=parts["password"], HOST=parts["host"], PORT=""
    )
    try:
        call_command("migrate", interactive=False, verbosity=0)
        yield made, folder
    finally:
        _drop()
        default.settings_dict.clear()
        default.settings_dict.update(before)
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _drop() -> None:
    connections["default"].close()
    connections["default"].close_pool()


def test_what_was_answered_is_on_the_disk(cluster: tuple[EmbeddedCluster, Path]) -> None:
    database, folder = cluster
    town = Town(folder)
    set_clock(town.now)
    houses = [town.house(wallet_idr=0) for _ in range(HOUSES)]
    Pairing.objects.all().delete()
    partner(filled_idr=FILLED_IDR)
    host = Host(database.conninfo("duaarah"), folder)
    client = host.start()
    answered: dict[str, str] = {}
    asked: list[dict[str, Any]] = []

    def sell() -> None:
        """Until the host does not answer any more."""
        turn = 0
        while turn < 10_000:
            try:
                found = client.ask("2100", client.inquiry(houses[turn % HOUSES].meter.drn))
                purchase = client.purchase(found, 20_000)
                asked.append(purchase)
                sold = client.ask("2200", purchase)
            except (OSError, AssertionError):
                return
            if sold.fields["39"] == "0000":
                answered[purchase["48"]["pln_ref"]] = sold.fields["48"]["token"]
            turn += 1

    seller = threading.Thread(target=sell)
    seller.start()
    deadline_s = time.monotonic() + 30
    while len(answered) < 40 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    database.kill()
    assert host.process is not None
    host.process.kill()
    host.process.wait()
    seller.join(30)
    _drop()
    database.restart()
    assert len(answered) >= 40
    again = host.start()
    # Those that nobody answered are asked for; the others have what they had.
    for purchase in asked:
        reference = purchase["48"]["pln_ref"]
        answer = again.ask("2220", again.advice(purchase))
        assert answer.fields["39"] in (("0000",) if reference in answered else ("0000", "0063", "0098"))
        if reference in answered:
            assert answer.fields["48"]["token"] == answered[reference]
    tokens = Token.objects.count()
    assert len(answered) <= tokens == Payment.objects.count() <= len(asked)
    assert FILLED_IDR - Deposit.objects.get().balance_sen // 100 == tokens * 22_500
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0
    again.close()
    host.stop()
