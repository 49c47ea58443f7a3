"""The process dies by SIGKILL at each step of an order; whoever asks again gets one token, the same 20 digits, counted once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.flows.house import Town
from tests.web.test_sts_interface import NOW_TID, STRANGER, Caller, limit, meter_reads, operator, stranger
from tests.web.test_sts_interface import town as town

from duaarah.core.sts import pan_of
from duaarah.vending.sts_models import PANSequence, STSOrder, STSOutcome, STSUsage
from duaarah.web.api import sts
from duaarah.wiring.token_machine import OwnMachine

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

# One request in a process of its own, which kills itself around one call of the code that ships.
PROGRAM = """
import importlib, json, os, signal, sys
owner_name, name, when, secret, body = sys.argv[1:]
import django
django.setup()
from duaarah.clock import queries
from django.test import Client
module, _, path = owner_name.partition(":")
owner = importlib.import_module(module)
for part in filter(None, path.split(".")):
    owner = getattr(owner, part)
call = getattr(owner, name)
def deadly(*args, **kwargs):
    if when == "after":
        call(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, deadly)
Client(SERVER_NAME="localhost").post("/api/v1/sts/issue", body, content_type="application/json",
    headers={"authorization": f"Bearer {secret}"})
"""
ISSUE = "duaarah.vending.operations.sts_issue"
# the call, before or after it; whether the order is stored by then
POINTS = [
    (f"{ISSUE}:", "spend", "after", 0),
    (f"{ISSUE}:", "next_tid_of_pan", "after", 0),
    (f"{ISSUE}:", "finish_sts", "before", 1),
    ("duaarah.web.api.sts:machine", "make", "before", 1),
    ("duaarah.web.api.sts:machine", "make", "after", 1),
    ("duaarah.web.api.sts:machine", "wrap", "after", 1),
    (f"{ISSUE}:", "finish_sts", "after", 1),
]


@pytest.mark.parametrize(("owner", "name", "when", "orders"), POINTS, ids=lambda value: str(value).rpartition(":")[2])
def test_killed_there(
    town: Town,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    name: str,
    when: str,
    orders: int,
) -> None:
    # The other process opens the file; this one asks with the store that wrote it, not with one kept for a process.
    monkeypatch.setattr(sts, "machine", OwnMachine(lambda: town.store))
    caller: Caller = operator()
    limit(caller, tokens_max=5)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, owner, name, when, caller.plain, json.dumps(stranger())],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "DUAARAH_DATABASE_URL": database,
            "DUAARAH_KEYSTORE": str(tmp_path / "keys"),
            "DUAARAH_KEYSTORE_PASSPHRASE": "a passphrase for tests",
            "DUAARAH_STS_API": "loopback",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    stored = list(STSOrder.objects.values_list("tid", "rnd"))
    outcomes = int(name == "finish_sts" and when == "after")
    assert (len(stored), STSOutcome.objects.count(), PANSequence.objects.count()) == (orders, outcomes, orders)
    assert sum(STSUsage.objects.values_list("tokens", flat=True)) == orders

    status, made = caller.call("issue", stranger())
    assert status == (200 if orders else 201), made
    assert caller.call("tokens/m-1")[1]["token"] == made["token"]
    assert (made["tid"], STSOrder.objects.count(), STSOutcome.objects.count()) == (NOW_TID, 1, 1)
    assert not stored or stored == [(made["tid"], made["rnd"])]
    fields = meter_reads(made["token"], pan_of(STRANGER)).fields
    assert (fields.tid, fields.values["rnd"], fields.values["field"]) == (NOW_TID, made["rnd"], 256)
    assert STSUsage.objects.get().tokens == 1
