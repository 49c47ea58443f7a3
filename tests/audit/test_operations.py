"""The audit record: joined to its deed, append-only, chained by one sealer at a time, and what `verify` finds."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from duaarah.audit.models import AuditRecord, AuditSeal
from duaarah.audit.operations import GENESIS, ChainBroken, chain_hash, record, record_refusal, seal, verify
from duaarah.audit.queries import chain, unsealed_count

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
AT = dt.datetime(2026, 2, 16, 8, 0, tzinfo=dt.timezone(dt.timedelta(hours=7)))
RECORDS, SEALS = "audit_auditrecord", "audit_auditseal"


def deed(number: int) -> None:
    """One committed line; every third one a refusal."""
    with transaction.atomic():
        if number % 3:
            record(at=AT, actor="tests", verb="tests.deed", subject=f"thing:{number}", detail={"number": number})
        else:
            record_refusal(at=AT, actor="tests", verb="tests.deed", subject=f"thing:{number}", code="refused")


def sealed(count: int) -> list[AuditSeal]:
    for number in range(1, count + 1):
        deed(number)
    assert seal() == count
    return list(chain())


def as_thief(conninfo: str, *statements: str) -> None:
    """Somebody with the database's superuser switches the triggers off and changes the past."""
    with psycopg.connect(conninfo) as thief:
        thief.execute("SET session_replication_role = replica")
        for statement in statements:
            thief.execute(statement)


def content() -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    return (
        list(AuditRecord.objects.order_by("id").values_list()),
        [(position, record_id, bytes(octets)) for position, record_id, octets in AuditSeal.objects.values_list()],
    )


@pytest.mark.parametrize("write", [record, record_refusal])
def test_a_record_outside_a_transaction_raises(database: str, write: Callable[..., None]) -> None:
    with pytest.raises(transaction.TransactionManagementError):
        write(at=AT, actor="a", verb="v", subject="s", **({"code": "c"} if write is record_refusal else {}))
    assert AuditRecord.objects.count() == 0


def test_a_record_shares_the_fate_of_its_deed(database: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(at=AT, actor="a", verb="v", subject="s")
        raise ZeroDivisionError
    assert AuditRecord.objects.count() == 0


def test_what_is_recorded(database: str) -> None:
    with transaction.atomic():
        record(at=AT, actor="a" * 100, verb="v", subject="s" * 200, reason="r" * 500, detail={"n": 1})
        record_refusal(at=AT, actor="a", verb="v", subject="s", code="too_late")
    done, refused = AuditRecord.objects.order_by("id")
    assert (len(done.actor), len(done.subject), len(done.reason)) == (80, 120, 400)
    assert (done.refused, done.code, done.detail, done.at) == (False, "", {"n": 1}, AT)
    assert (refused.refused, refused.code, refused.detail) == (True, "too_late", {})


def test_seal_chains_every_record_to_the_one_before(database: str) -> None:
    assert seal() == 0
    first = sealed(3)
    deed(4)
    assert unsealed_count() == 1
    assert (seal(), seal(), unsealed_count()) == (1, 0, 0)

    links = list(chain())
    assert [link.position for link in links] == [1, 2, 3, 4]
    assert [link.record.subject for link in links] == ["thing:1", "thing:2", "thing:3", "thing:4"]
    assert [bytes(link.hash) for link in links[:3]] == [bytes(link.hash) for link in first]
    previous = GENESIS
    for link in links:
        assert bytes(link.hash) == chain_hash(previous, link.record) != previous
        previous = bytes(link.hash)
    assert verify(chain()) == 4


def test_an_empty_chain_holds(database: str) -> None:
    assert verify(chain()) == 0


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'other'",
        "verb = 'other'",
        "subject = 'other'",
        "reason = 'other'",
        "code = 'other'",
        "refused = NOT refused",
        "at = at + interval '1 microsecond'",
        "correlation = gen_random_uuid()",
        """detail = '{"number": 9}'""",
    ],
)
def test_every_changed_field_of_a_record_is_found(database: str, change: str) -> None:
    links = sealed(5)
    as_thief(database, f"UPDATE {RECORDS} SET {change} WHERE id = {links[2].record_id}")
    with pytest.raises(ChainBroken, match=rf"position 3 \(record {links[2].record_id}\)") as broken:
        verify(chain())
    assert (broken.value.position, broken.value.code) == (3, "chain_broken")


@pytest.mark.parametrize("position", [1, 3, 5])
def test_a_removed_record_is_found(database: str, position: int) -> None:
    links = sealed(5)
    as_thief(database, f"DELETE FROM {RECORDS} WHERE id = {links[position - 1].record_id}")
    with pytest.raises(ChainBroken) as broken:
        verify(chain())
    assert broken.value.position == position


@pytest.mark.parametrize("close_the_gap", [False, True])
def test_a_record_removed_with_its_seal_is_found(database: str, close_the_gap: bool) -> None:
    links = sealed(5)
    as_thief(
        database,
        f"DELETE FROM {SEALS} WHERE position = 3",
        f"DELETE FROM {RECORDS} WHERE id = {links[2].record_id}",
        *([f"UPDATE {SEALS} SET position = position - 1 WHERE position > 3"] if close_the_gap else []),
    )
    with pytest.raises(ChainBroken) as broken:
        verify(chain())
    assert broken.value.position == 3


def test_reordered_records_are_found(database: str) -> None:
    links = sealed(5)
    second, fourth = links[1].record_id, links[3].record_id
    as_thief(
        database,
        f"UPDATE {SEALS} SET record_id = -1 WHERE position = 2",
        f"UPDATE {SEALS} SET record_id = {second} WHERE position = 4",
        f"UPDATE {SEALS} SET record_id = {fourth} WHERE position = 2",
    )
    with pytest.raises(ChainBroken) as broken:
        verify(chain())
    assert broken.value.position == 2


def test_an_inserted_seal_is_found(database: str) -> None:
    links = sealed(3)
    deed(4)
    late = AuditRecord.objects.latest("id")
    AuditSeal.objects.create(position=4, record=late, hash=bytes(links[2].hash))
    with pytest.raises(ChainBroken) as broken:
        verify(chain())
    assert broken.value.position == 4


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {RECORDS} SET actor = 'other'",
        f"DELETE FROM {RECORDS}",
        f"TRUNCATE {RECORDS} CASCADE",
        f"UPDATE {SEALS} SET position = position + 10",
        f"DELETE FROM {SEALS}",
        f"TRUNCATE {SEALS}",
    ],
)
def test_the_tables_are_append_only(database: str, statement: str) -> None:
    sealed(2)
    before = content()
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(statement)
    assert content() == before


def test_a_record_that_commits_late_is_sealed_later_and_the_order_stays(database: str) -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow_deed() -> None:
        try:
            with transaction.atomic():
                record(at=AT, actor="slow", verb="tests.deed", subject="thing:slow")
                begun.set()
                assert finish.wait(30)
        finally:
            connection.close()

    slow = threading.Thread(target=slow_deed)
    slow.start()
    assert begun.wait(30)
    deed(1)
    assert seal() == 1
    before = content()[1]
    finish.set()
    slow.join()
    assert unsealed_count() == 1
    assert seal() == 1

    first, second = chain()
    assert (first.record.subject, second.record.subject) == ("thing:1", "thing:slow")
    assert second.record_id < first.record_id
    assert content()[1][:1] == before
    assert verify(chain()) == 2


def test_more_than_one_batch_is_sealed_in_turns(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duaarah.audit.operations.SEAL_BATCH_MAX", 4)
    for number in range(10):
        deed(number)
    assert [seal() for _ in range(4)] == [4, 4, 2, 0]
    assert verify(chain()) == 10


def test_concurrent_sealers_make_one_chain(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duaarah.audit.operations.SEAL_BATCH_MAX", 5)
    for number in range(60):
        deed(number)
    counts: list[int] = []
    errors: list[Exception] = []
    together = threading.Barrier(3)

    def sealer() -> None:
        try:
            together.wait(30)
            while count := seal():
                counts.append(count)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    sealers = [threading.Thread(target=sealer) for _ in range(3)]
    for thread in sealers:
        thread.start()
    for thread in sealers:
        thread.join()

    assert errors == []
    assert sum(counts) == 60 and unsealed_count() == 0
    assert list(AuditSeal.objects.order_by("position").values_list("position", flat=True)) == list(range(1, 61))
    assert verify(chain()) == 60


def test_the_second_sealer_waits_for_the_first(database: str) -> None:
    """A first sealer that has not committed: the second one neither seals the same records nor leaves a gap."""
    for number in range(3):
        deed(number)
    answers: list[int] = []
    with psycopg.connect(database) as first:
        first.execute("SELECT pg_advisory_xact_lock(%s)", [0x44554101])

        def second_sealer() -> None:
            try:
                answers.append(seal())
            finally:
                connection.close()

        second = threading.Thread(target=second_sealer)
        second.start()
        second.join(0.3)
        assert second.is_alive() and answers == [] and AuditSeal.objects.count() == 0
        first.rollback()
        second.join(30)
    assert answers == [3]


def command(database: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "duaarah", "audit", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "DUAARAH_DATABASE_URL": database,
            "DUAARAH_DATA": str(folder),
            "DUAARAH_LOG_LEVEL": "WARNING",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_verify(database: str, tmp_path: Path) -> None:
    links = sealed(3)
    deed(4)
    done = command(database, tmp_path, "verify")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"ok": True, "sealed": 3, "unsealed": 1}), done.stderr

    as_thief(database, f"UPDATE {RECORDS} SET reason = 'other' WHERE id = {links[1].record_id}")
    done = command(database, tmp_path, "verify")
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["ok"], answer["error"]) == (False, "chain_broken")
    assert answer["message"] == f"The audit chain breaks at position 2 (record {links[1].record_id})."

    assert command(database, tmp_path, "forget").returncode == 2
