"""A month in rows and rupiah: statement, invoice, shares, and the file a spreadsheet opens."""

from __future__ import annotations

import pytest
from tests.sms.shop import MONTH, NOW, Shop

from duaarah.core.smsplan import Overflow
from duaarah.people.models import AccountHolder, Customer
from duaarah.registry.models import Meter
from duaarah.sms.package.operations import subscribe
from duaarah.sms.package.statement import (
    InvoiceLine,
    StatementRow,
    as_csv,
    customer_statement,
    invoice,
    operator_statement,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(database: str) -> Shop:
    return Shop()


def sold(shop: Shop) -> Meter:
    meter = shop.meter()
    subscribe(meter=meter, plan=shop.plan, from_month_date=MONTH, actor="test", now=NOW)
    return meter


def test_the_rp200_of_each_package_goes_where_the_data_says(shop: Shop) -> None:
    terms = shop.terms()
    for _ in range(3):
        sold(shop)
    made = invoice(operator_id=shop.operator.pk, month_date=MONTH)
    assert made.lines == (InvoiceLine(terms.pk, "P28", "PACKAGE", 3, 10_000, 30_000),)
    assert [(s.of, s.party, s.amount_idr) for s in made.shares] == [
        ("SMS", "OPX", 29_400),
        ("MARGIN", "OPX", 150),
        ("MARGIN", "DOX", 450),
    ]
    assert sum(s.amount_idr for s in made.shares) == made.total_idr == 30_000


def test_extras_are_billed_when_settled_and_inquiries_at_the_premium_price(shop: Shop) -> None:
    shop.terms(data_overflow=Overflow.BILL)
    meter = sold(shop)
    shop.receive(meter, "METER_DATA", 5)
    shop.receive(meter, "CUSTOMER_MO", 2)
    shop.send(meter, "RECEIPT", 1)
    made = invoice(operator_id=shop.operator.pk, month_date=MONTH)
    assert [(x.of, x.count, x.price_idr, x.amount_idr) for x in made.lines] == [
        ("PACKAGE", 1, 10_000, 10_000),
        ("EXTRA", 2, 350, 700),
        ("INQUIRY", 2, 1_000, 2_000),
    ]
    assert [(s.of, s.party, s.amount_idr) for s in made.shares[3:]] == [
        ("EXTRA", "OPX", 700),
        ("INQUIRY", "OPX", 1_333),
        ("INQUIRY", "DOX", 667),
    ]
    assert (made.open_sms, sum(s.amount_idr for s in made.shares)) == (1, made.total_idr)
    (row,) = operator_statement(operator_id=shop.operator.pk, month_date=MONTH)
    assert (row.data_sms, row.extra_sms, row.open_sms, row.extra_idr, row.total_idr) == (5, 2, 1, 700, 10_700)


def test_an_extra_that_is_held_costs_nothing_until_it_is_decided(shop: Shop) -> None:
    shop.terms(token_sms=1, fault_sms=0, data_sms=0, meter_fault_sms=0)
    meter = sold(shop)
    ids = shop.send(meter, count=2)
    shop.outcome("SETTLE", ids[:1])
    assert [x.of for x in invoice(operator_id=shop.operator.pk, month_date=MONTH).lines] == ["PACKAGE"]
    shop.outcome("SETTLE", ids[1:])
    assert [x.of for x in invoice(operator_id=shop.operator.pk, month_date=MONTH).lines] == ["PACKAGE", "EXTRA"]


def test_a_holder_sees_only_his_meters_and_no_cell_is_a_formula(shop: Shop) -> None:
    shop.terms()
    holder = AccountHolder.objects.create(name="Contoh", kind="HOUSEHOLD", language="id")
    customer = Customer.objects.create(idpel="535110000001", name="=Contoh", holder=holder)
    meter, _other = sold(shop), sold(shop)
    Meter.objects.filter(pk=meter.pk).update(customer=customer)
    rows = customer_statement(holder_id=holder.pk, month_date=MONTH)
    assert [row.drn for row in rows] == [meter.drn]
    assert as_csv(rows, StatementRow).decode("utf-8-sig").splitlines() == [
        "month;drn;idpel;customer;plans;token_sms;fault_sms;data_sms;borrowed_sms;extra_sms;retries_sms;open_sms;"
        "left_sms;package_idr;extra_idr;total_idr",
        f"2026-03;{meter.drn};535110000001;'=Contoh;P28;0;0;0;0;0;0;0;28;10000;0;10000",
    ]
