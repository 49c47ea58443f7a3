"""Vendors by the command line: the key shown once, all in the audit chain, nothing made on refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from duaarah.audit.models import AuditRecord
from duaarah.clock.queries import now
from duaarah.people.models import Login
from duaarah.vending.models import Channel, ChannelTerms, Deposit
from duaarah.vending.operations.vendors import vendor_of_key
from duaarah.vending.vendor_models import VendorKey

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NEW = ["new", "till", "--channel", "TOKO", "--scope", "vend"]


def vendors(database: str, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", "vendors", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "DUAARAH_DATABASE_URL": database},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_made_filled_listed_and_revoked(database: str) -> None:
    Login.objects.create_user("toko")
    wanted = [*NEW, "--scope", "free_issue", "--login", "toko", "--channel-name", "Toko Listrik"]
    status, out, _ = vendors(database, *wanted)
    made = json.loads(out)
    assert (status, made["channel"], made["scopes"], made["login"]) == (0, "TOKO", ["free_issue", "vend"], "toko")
    key = vendor_of_key(made["key"], now())
    assert key is not None and key.pk == made["id"] and made["key"].encode() not in bytes(key.digest)

    for _ in range(2):
        filled = json.loads(vendors(database, "fill", "TOKO", "--amount", "500000", "--reference", "bank-1")[1])
    assert filled["deposit_sen"] == Deposit.objects.get().balance_sen == 50_000_000
    terms = ["terms", "TOKO", "--from", "2026-01-01", "--admin", "2500", "--commission", "1000"]
    assert vendors(database, *terms)[0] == 0 and ChannelTerms.objects.get().admin_idr == 2_500
    assert "not rewritten" in vendors(database, *terms)[2]

    listed = vendors(database, "list")[1]
    assert made["key"] not in listed
    assert [line.get("deposit_sen", line.get("id")) for line in map(json.loads, listed.splitlines())] == [
        50_000_000,
        made["id"],
    ]
    assert vendors(database, "revoke", str(made["id"]))[0] == 0
    assert vendor_of_key(made["key"], now()) is None
    assert vendors(database, "revoke", str(made["id"]))[0] == 1
    assert list(AuditRecord.objects.order_by("id").values_list("verb", flat=True)) == [
        "vending.open_vendor",
        "vending.make_vendor_key",
        "vending.fill_deposit",
        "vending.set_channel_terms",
        "vending.revoke_vendor_key",
    ]
    assert made["key"] not in repr(list(AuditRecord.objects.values_list()))


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (NEW, 1, "There is no channel TOKO"),
        ([*NEW[:3], "SMS", "--scope", "vend"], 1, "keeps no deposit"),
        ([*NEW[:3], "SMS", "--scope", "vend", "--channel-name", "x"], 1, "keeps no deposit"),
        ([*NEW[:3], "BANK", "--scope", "free_issue"], 1, "names the person"),
        ([*NEW[:3], "BANK", "--scope", "vend", "--login", "x"], 1, "Nobody signs in as x"),
        ([*NEW[:3], "BANK", "--scope", "all"], 2, "invalid choice"),
        (["fill", "BANK", "--amount", "0", "--reference", "r"], 1, "positive amount"),
        (["fill", "BANK", "--amount", "1", "--reference", "r" * 41], 1, "1 to 40 characters"),
        (["fill", "NO", "--amount", "1", "--reference", "r"], 1, "There is no channel NO"),
        (["terms", "BANK", "--from", "2026-01-01", "--admin", "1", "--commission", "2"], 1, "part of the admin fee"),
        (["revoke", "7"], 1, "There is no living key 7"),
    ],
)
def test_what_is_refused_makes_nothing(database: str, arguments: list[str], status: int, words: str) -> None:
    Channel.objects.create(code="SMS", name="SMS", kind="WALLET")
    Channel.objects.create(code="BANK", name="Bank", kind="DEPOSIT")
    found = vendors(database, *arguments)
    assert (found[0], found[1]) == (status, "") and words in found[2], found
    assert VendorKey.objects.count() == Deposit.objects.count() == ChannelTerms.objects.count() == 0
    assert Channel.objects.count() == 2 and AuditRecord.objects.count() == 0
