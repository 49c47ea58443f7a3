"""`sts issue --register` and `sts rollover plan` on a platform: audited, only within a register's life, from its meters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.ceremonies import House
from tests.flows.house import Town

from duaarah.audit.models import AuditRecord

pytestmark = pytest.mark.slow
PAN = "600727000000000009"
TIMES = ("--from", "2026-01-01T00:00", "--until", "2031-01-01T00:00")


@pytest.fixture
def house(database: str, tmp_path: Path) -> House:
    return House(database, tmp_path)


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    (folder := tmp_path / "town").mkdir()
    return Town(folder)


def sts(house: House, *arguments: str, **more: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "duaarah", "sts", *arguments]
    environment = {**house.environment, **more}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    for secret in house.secrets:
        assert secret not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def issue(house: House, at: str, **more: str) -> tuple[int, str, str]:
    order = ("--register", "pln", "--pan", PAN, "--ea", "07", "--amount", "25.6", "--at", at, "--json")
    return sts(house, "issue", *order, **more)


def test_a_register_makes_tokens_only_within_its_life_and_each_is_audited(house: House) -> None:
    house.prepared()
    house.done("combine", "pln")
    status, out, _ = issue(house, "2026-07-11T00:30")
    assert status == 1 and json.loads(out)["error"] == "register_not_active"
    for name in ("ani", "budi"):
        house.done("activate", "pln", "--operator", name, *TIMES)
    status, out, error = issue(house, "2026-07-11T00:30")
    made = json.loads(out)
    assert status == 0, error
    assert (len(made["token"]), made["requested"], made["encoded"]) == (20, "25.6", "25.6")
    status, out, _ = issue(house, "2031-01-01T00:00")
    assert status == 1 and json.loads(out)["error"] == "register_expired"
    line = AuditRecord.objects.get(verb="sts.issue")
    assert (line.subject, line.detail["register"], line.detail["tid"]) == (PAN, "pln", made["tid"])
    assert made["token"] not in str(list(AuditRecord.objects.values()))
    status, out, _ = sts(house, "decode", made["token"], "--register", "pln", "--pan", PAN, "--ea", "07", "--json")
    assert status == 0 and json.loads(out)["amount"] == "25.6"


def test_without_the_audit_chain_no_token_is_given(house: House) -> None:
    house.prepared()
    house.done("combine", "pln")
    for name in ("ani", "budi"):
        house.done("activate", "pln", "--operator", name, *TIMES)
    away = "postgresql://nobody@127.0.0.1:1/nothing"
    status, out, error = issue(house, "2026-07-11T00:30", DUAARAH_DATABASE_URL=away, DUAARAH_POOL_TIMEOUT_S="1")
    assert status == 1 and "Traceback" not in error
    assert json.loads(out)["error"] == "audit_unwritten"


def test_a_rollover_is_planned_from_the_platforms_meters(town: Town, tmp_path: Path, database: str) -> None:
    meters = [town.house().meter for _ in range(2)]
    house = House(database, tmp_path)
    status, out, error = sts(house, "rollover", "plan", "--to-krn", str(meters[0].krn + 1), "--json")
    assert status == 0, error
    rows = [json.loads(line) for line in out.splitlines()]
    assert sorted(row["pan"] for row in rows) == sorted(meter.pan for meter in meters)
    assert {row["tokens"] for row in rows} == {2 if meters[0].ea == "07" else 4}
