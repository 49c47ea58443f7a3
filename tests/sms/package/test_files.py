"""A file of records that was brought to a page: kept, claimed by one, compared once, its octets gone afterwards."""

from __future__ import annotations

import pytest
from django.db import connection
from tests.sms.package.test_reconcile import AFTER, HEAD, PHONE, accepted, ambiguous, sold
from tests.sms.shop import MONTH, NOW, Shop

from duaarah.audit.models import AuditRecord
from duaarah.sms.models import OutboundSegment, Reconciliation, RecordFile, RecordFormat
from duaarah.sms.package.files import ATTEMPTS_MAX, bring_records, compare_waiting
from duaarah.sms.package.records import BadFile

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(database: str) -> Shop:
    made = Shop()
    RecordFormat.objects.create(operator=made.operator, classes={"P2A": ["RECEIPT", "WARNING"]})
    return made


def brought(shop: Shop, content: bytes) -> RecordFile:
    return bring_records(
        operator=shop.operator, month_date=MONTH, name="march.csv", content=content, actor="test", now=NOW
    )


def test_a_file_waits_wakes_its_chore_and_is_compared_once(shop: Shop) -> None:
    accepted(shop, sold(shop), "1")
    file = brought(shop, f"{HEAD}\n1;2026-03-05 09:00:00;{PHONE};P2A;350\n".encode())
    assert (file.state, file.rows) == ("WAITING", 2)
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, queue_name FROM procrastinate_jobs WHERE status = 'todo'")
        assert cursor.fetchall() == [("chores.records", "chores")]
    assert compare_waiting(now=AFTER) == 1
    file.refresh_from_db()
    assert (file.state, bytes(file.content), file.reconciliation.matched) == ("DONE", b"", 1)
    assert compare_waiting(now=AFTER) == 0 and Reconciliation.objects.count() == 1


def test_a_file_that_is_none_fails_with_its_reason_and_moves_nothing(shop: Shop) -> None:
    pk = ambiguous(shop, sold(shop), "6281200000001")
    file = brought(shop, b"id;when\n")
    assert compare_waiting(now=AFTER) == 1
    file.refresh_from_db()
    assert (file.state, file.code, bytes(file.content), file.reconciliation) == ("FAILED", "head", b"", None)
    assert OutboundSegment.objects.get(pk=pk).state == "AMBIGUOUS"


def test_a_dead_workers_file_is_taken_again_when_its_lease_ends_three_times_at_most(shop: Shop) -> None:
    file = brought(shop, f"{HEAD}\n".encode())
    RecordFile.objects.update(state="RUNNING", attempts=1, lease_until_at="2100-01-01T00:00Z")
    assert compare_waiting(now=AFTER) == 0
    RecordFile.objects.update(lease_until_at="2000-01-01T00:00Z")
    assert compare_waiting(now=AFTER) == 1
    file.refresh_from_db()
    assert (file.state, file.attempts) == ("DONE", 2)
    last = brought(shop, f"{HEAD}\n".encode())
    RecordFile.objects.filter(pk=last.pk).update(
        state="RUNNING", attempts=ATTEMPTS_MAX, lease_until_at="2000-01-01T00:00Z"
    )
    assert compare_waiting(now=AFTER) == 1
    last.refresh_from_db()
    assert (last.state, last.code) == ("FAILED", "gave_up")
    assert Reconciliation.objects.count() == 1


@pytest.mark.parametrize("content", [b"", b" \r\n "])
def test_an_empty_file_is_refused_audited_and_not_kept(shop: Shop, content: bytes) -> None:
    with pytest.raises(BadFile):
        brought(shop, content)
    assert RecordFile.objects.count() == 0
    refusal = AuditRecord.objects.get(refused=True)
    assert (refusal.verb, refusal.code) == ("sms.bring_records", "empty")
