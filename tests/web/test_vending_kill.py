"""The process dies by SIGKILL at each step of a sale; whoever sends it again, or asks, finds one token and one debit, or none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.flows.house import Town
from tests.web.test_vending_interface import caller as caller
from tests.web.test_vending_interface import order
from tests.web.test_vending_interface import town as town
from tests.web.vendors import Caller, money_agrees

from duaarah.vending.models import Deposit, Payment, Token, Vend
from duaarah.vending.operations import resume_paid
from duaarah.vending.vendor_models import VendorMessage
from duaarah.web.api import vending

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

# One request in a process of its own, which kills itself around one call of the code that ships.
PROGRAM = """
import importlib, os, signal, sys
module, name, when, secret, body = sys.argv[1:]
import django
django.setup()
from django.test import Client
owner = importlib.import_module(module)
call = getattr(owner, name)
def deadly(*args, **kwargs):
    if when == "after":
        call(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, deadly)
Client(SERVER_NAME="localhost").post("/api/v1/vending/vend", body, content_type="application/json",
    headers={"authorization": f"Bearer {secret}"})
"""
VERBS = "duaarah.vending.operations"
# the call, before or after it; whether the sale is paid, and whether it has its token, by then
POINTS = [
    (f"{VERBS}.vendors.sale", "claim", "after", 0, 0),
    (f"{VERBS}.top_up", "debit_channel", "after", 0, 0),
    (f"{VERBS}.vendors.sale", "obtain_token", "before", 1, 0),
    (f"{VERBS}.top_up", "record_outcome", "before", 1, 0),
    (f"{VERBS}.issue", "queue_command", "after", 1, 0),
    (f"{VERBS}.top_up", "record_outcome", "after", 1, 1),
    ("duaarah.web.api.vending", "_sold", "before", 1, 1),
]


@pytest.mark.parametrize("then", ["again", "advice", "sweeper"])
@pytest.mark.parametrize(
    ("module", "name", "when", "paid", "made"), POINTS, ids=lambda value: str(value).rpartition(".")[2]
)
def test_killed_there(
    town: Town,
    caller: Caller,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    name: str,
    when: str,
    paid: int,
    made: int,
    then: str,
) -> None:
    # The other process opens the file; this one asks with the store that wrote it, not with one kept for a process.
    monkeypatch.setattr(vending, "key_store", lambda: town.store)
    house = town.house(wallet_idr=0)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, module, name, when, caller.plain, json.dumps(order(house))],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "DUAARAH_DATABASE_URL": database,
            "DUAARAH_KEYSTORE": str(tmp_path / "keys"),
            "DUAARAH_KEYSTORE_PASSPHRASE": "a passphrase for tests",
            "DUAARAH_VENDING_API": "loopback",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = (VendorMessage.objects.count(), Payment.objects.count(), Token.objects.count())
    assert found == (paid, paid, made)
    assert Deposit.objects.get().balance_sen == 100_000_000 - paid * 10_250_000
    before = list(Vend.objects.values_list("tid", "rnd", "request_id"))

    if then == "advice":
        told = caller.call("advice/m-1", {})[1]
        assert (told["status"], told["kind"]) == (("sold", "vend") if paid else ("failed", "closed"))
        assert caller.call("vend", order(house))[0] == (200 if paid else 409)
        assert Token.objects.count() == paid
        return money_agrees()
    if then == "sweeper":
        # Machine time goes on: whoever held the sale has had his time.
        Vend.objects.update(obtain_not_before_at="2000-01-01T00:00:00Z")
        assert resume_paid(token_source=town.source, now=town.now) == (paid and not made)
        assert Token.objects.count() == paid
    status, sold = caller.call("vend", order(house))
    assert (status, sold["status"]) == (200 if paid else 201, "sold")
    assert caller.call("vend", order(house))[1]["token"] == caller.call("advice/m-1")[1]["token"] == sold["token"]
    assert (Payment.objects.count(), Token.objects.count(), Deposit.objects.get().balance_sen) == (1, 1, 89_750_000)
    after = list(Vend.objects.values_list("tid", "rnd", "request_id"))
    assert not paid or after == before
    town.run()
    assert house.sim.credit_wh == 6_000 + 67_200
    money_agrees()
