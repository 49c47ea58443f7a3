"""Keys and limits of operators by the command line: the key shown once, all in the audit chain, nothing made on refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from duaarah.audit.models import AuditRecord
from duaarah.people.models import OperatorKey, Organisation
from duaarah.people.operator_keys import operator_of_key
from duaarah.vending.sts_models import STSLimit

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NEW = ["new", "till", "--organisation", "PLN", "--scope", "sts:issue", "--register", "pln-2014"]


def operators(database: str, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", "operators", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "DUAARAH_DATABASE_URL": database},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_made_limited_listed_and_revoked(database: str) -> None:
    status, out, _ = operators(database, *NEW, "--organisation-name", "PLN Persero")
    made = json.loads(out)
    assert (status, made["organisation"], made["scopes"], made["registers"]) == (0, "PLN", ["sts:issue"], ["pln-2014"])
    key = operator_of_key(made["key"])
    assert key is not None and key.pk == made["id"] and made["key"].encode() not in bytes(key.digest)

    limit = ["limit", "--organisation", "PLN", "--per", "day"]
    assert operators(database, *limit, "--tokens", "5", "--value", "10.5")[0] == 0
    assert operators(database, *limit, "--tokens", "7")[0] == 0
    row = STSLimit.objects.get()
    assert (row.tokens_max, row.value_max, row.active) == (7, None, True)
    assert operators(database, *limit, "--tokens", "7", "--off")[0] == 0

    listed = operators(database, "list")[1]
    assert made["key"] not in listed
    assert [("id" in line, line.get("active")) for line in map(json.loads, listed.splitlines())] == [
        (True, None),
        (False, False),
    ]
    assert operators(database, "revoke", str(made["id"]))[0] == 0
    assert operator_of_key(made["key"]) is None
    assert operators(database, "revoke", str(made["id"]))[0] == 1
    assert list(AuditRecord.objects.order_by("id").values_list("verb", flat=True)) == [
        "people.found_organisation",
        "people.make_operator_key",
        *["vending.set_sts_limit"] * 3,
        "people.revoke_operator_key",
    ]
    assert made["key"] not in repr(list(AuditRecord.objects.values_list()))


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (NEW, 1, "There is no organisation PLN"),
        (["limit", "--per", "day", "--tokens", "1"], 1, "names a key register"),
        (["limit", "--per", "day", "--register", "r"], 1, "at least one number"),
        (["limit", "--per", "day", "--register", "r", "--tokens", "-1"], 1, "not below zero"),
        (["limit", "--per", "day", "--key", "9", "--tokens", "1"], 1, "There is no key 9"),
        (["limit", "--per", "day", "--unit", "u", "--tokens", "1"], 1, "--unit needs --organisation"),
        (["limit", "--per", "day", "--register", "r", "--value", "0.000001"], 2, "at most 5 decimals"),
        (["limit", "--per", "week", "--register", "r", "--tokens", "1"], 2, "invalid choice"),
        ([*NEW[:-4], "--scope", "sts:all", "--register", "r"], 2, "invalid choice"),
    ],
)
def test_what_is_refused_makes_nothing(database: str, arguments: list[str], status: int, words: str) -> None:
    found = operators(database, *arguments)
    assert (found[0], found[1]) == (status, "") and words in found[2], found
    assert OperatorKey.objects.count() == STSLimit.objects.count() == Organisation.objects.count() == 0
    assert AuditRecord.objects.count() == 0
