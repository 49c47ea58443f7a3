"""An invoice is issued once, as it was looked at, and never edited; what is decided later is a correction."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import ProgrammingError, connection, transaction
from django.db.utils import InternalError
from tests.sms.shop import MONTH, NOW, WIB, Shop

from duaarah.audit.models import AuditRecord
from duaarah.core.smsplan import Overflow
from duaarah.sms.models import IssuedInvoice, IssuedLine, IssuedShare, PackageEntry
from duaarah.sms.package.invoices import InvoiceRefused, digest_of, issue_invoice, latest_issued
from duaarah.sms.package.operations import subscribe
from duaarah.sms.package.statement import invoice

pytestmark = pytest.mark.slow
AFTER = dt.datetime(2026, 4, 2, 9, 0, tzinfo=WIB)


@pytest.fixture
def shop(database: str) -> Shop:
    made = Shop()
    made.terms(data_overflow=Overflow.BILL)
    return made


def seen(shop: Shop) -> str:
    return digest_of(invoice(operator_id=shop.operator.pk, month_date=MONTH))


def issue(shop: Shop, digest: str, *, now: dt.datetime = AFTER, reason: str = "") -> IssuedInvoice:
    return issue_invoice(
        operator=shop.operator, month_date=MONTH, seen_digest=digest, reason=reason, actor="test", now=now
    )


def sold_with_extras(shop: Shop) -> list[int]:
    """A meter past its data by two received SMS, and one sent that is open; the id of that one."""
    meter = shop.meter()
    subscribe(meter=meter, plan=shop.plan, from_month_date=MONTH, actor="test", now=NOW)
    shop.receive(meter, "METER_DATA", 5)
    return shop.send(meter, "METER_DATA")


def test_an_invoice_is_what_was_looked_at_and_its_change_is_a_correction(shop: Shop) -> None:
    open_ids = sold_with_extras(shop)
    first = issue(shop, seen(shop))
    assert (first.number, first.total_idr, first.open_sms) == ("OPX-202603-01", 10_700, 1)
    assert list(first.lines.values_list("of", "count", "price_idr", "amount_idr")) == [
        ("PACKAGE", 1, 10_000, 10_000),
        ("EXTRA", 2, 350, 700),
    ]
    assert list(first.shares.order_by("pk").values_list("of", "party__code", "amount_idr")) == [
        ("SMS", "OPX", 9_800),
        ("MARGIN", "OPX", 50),
        ("MARGIN", "DOX", 150),
        ("EXTRA", "OPX", 700),
    ]
    shop.outcome("SETTLE", open_ids)
    second = issue(shop, seen(shop), reason="one more SMS was settled")
    assert (second.number, second.total_idr, second.corrects, second.open_sms) == ("OPX-202603-02", 11_050, first, 0)
    assert latest_issued(operator_id=shop.operator.pk, month_date=MONTH) == second
    told = AuditRecord.objects.filter(verb="sms.issue_invoice").order_by("pk").values_list("detail", flat=True)
    assert [(d["number"], d["corrects"]) for d in told] == [("OPX-202603-01", None), ("OPX-202603-02", first.number)]


@pytest.mark.parametrize(
    ("code", "now", "digest"),
    [("not_over", NOW, None), ("changed", AFTER, "0" * 64)],
)
def test_a_refused_one_is_audited_and_nothing_is_written(
    shop: Shop, code: str, now: dt.datetime, digest: str | None
) -> None:
    sold_with_extras(shop)
    with pytest.raises(InvoiceRefused) as refused:
        issue(shop, digest or seen(shop), now=now)
    assert refused.value.code == code
    assert (IssuedInvoice.objects.count(), IssuedLine.objects.count()) == (0, 0)
    assert AuditRecord.objects.filter(refused=True).values_list("verb", "code").get() == ("sms.issue_invoice", code)


def test_the_same_again_an_empty_month_and_a_correction_without_a_reason_are_refused(shop: Shop) -> None:
    with pytest.raises(InvoiceRefused, match="Nothing was sold"):
        issue(shop, seen(shop))
    open_ids = sold_with_extras(shop)
    issue(shop, seen(shop))
    with pytest.raises(InvoiceRefused, match="says the same"):
        issue(shop, seen(shop), reason="again")
    shop.outcome("SETTLE", open_ids)
    with pytest.raises(InvoiceRefused, match="says why"):
        issue(shop, seen(shop), reason="  ")
    assert IssuedInvoice.objects.count() == 1


@pytest.mark.parametrize("table", [IssuedInvoice, IssuedLine, IssuedShare])
def test_no_issued_row_is_changed_or_deleted(shop: Shop, table: type) -> None:
    sold_with_extras(shop)
    issue(shop, seen(shop))
    before = list(table.objects.order_by("pk").values())
    name = table._meta.db_table
    for sql in (f"UPDATE {name} SET id = id", f"DELETE FROM {name}", f"TRUNCATE {name} CASCADE"):
        refused = pytest.raises((ProgrammingError, InternalError))
        with refused, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert list(table.objects.order_by("pk").values()) == before


def test_traffic_of_a_month_reads_its_index(shop: Shop) -> None:
    # Of 20,000 lines in twenty months one month is wanted: planned by PostgreSQL itself, nothing switched off.
    meter = shop.meter()
    shop.receive(meter, "METER_DATA")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "INSERT INTO sms_packageentry (kind, inbound_id, meter_id, message_class, counts, retry, at, month_date)"
            " SELECT 'SETTLE', 1000000 + n, %s, 'METER_DATA', true, false, now(),"
            " ('2024-01-01'::date + (n %% 20) * interval '1 month')::date FROM generate_series(1, 20000) n",
            [meter.pk],
        )
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("ANALYZE sms_packageentry")
    plan = PackageEntry.objects.filter(kind="SETTLE", month_date=MONTH).values_list("at", "message_class").explain()
    # Which of the two that begin with the month or hold it is a tie for the planner; all lines are read by neither.
    assert "Seq Scan" not in plan and ("sms_package_kind_month" in plan or "sms_package_month_meter" in plan)
