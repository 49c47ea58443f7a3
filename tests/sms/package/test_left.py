"""What is sold, dated; what is spent and left of it, by the ledger's own rows."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import ProgrammingError, transaction
from tests.sms.shop import MONTH, NOW, WIB, Shop

from duaarah.audit.models import AuditRecord
from duaarah.core.smsplan import Bucket, Overflow, Settlement
from duaarah.sms.models import PackageTerms, RevenueShare, Subscription
from duaarah.sms.package.operations import PackageRefused, Terms, end_subscription, set_terms, subscribe
from duaarah.sms.package.queries import Spent, meter_month, meter_months, spent

pytestmark = pytest.mark.slow
APRIL = dt.date(2026, 4, 1)


@pytest.fixture
def shop(database: str) -> Shop:
    return Shop()


def sold(shop: Shop) -> object:
    shop.terms()
    meter = shop.meter()
    subscribe(meter=meter, plan=shop.plan, from_month_date=MONTH, actor="test", now=NOW)
    return meter


def test_the_seeds_package_holds_28_and_is_spent_by_bucket(shop: Shop) -> None:
    meter = sold(shop)
    shop.send(meter, "RECEIPT", 2)
    shop.send(meter, "METER_FRAME")
    shop.receive(meter, "METER_PUSH")
    shop.receive(meter, "METER_FAULT", 3)
    shop.receive(meter, "FAULT_MO")
    shop.receive(meter, "METER_DATA", 2)
    shop.receive(meter, "CUSTOMER_MO", 4)
    shop.send(meter, "NOTICE", 3)
    found = meter_month(meter.pk, MONTH)
    assert found is not None
    assert sum(found.budget.counts.values()) == 28
    assert {bucket: part.used for bucket, part in found.spent.items()} == {
        Bucket.TOKEN: 4,
        Bucket.FAULT: 4,
        Bucket.DATA: 2,
    }
    assert found.settlement[Bucket.FAULT] == Settlement(own=4, borrowed=0, billed=0, left=1)
    assert found.left == 28 - 10


def test_a_released_segment_comes_back_a_held_one_does_not(shop: Shop) -> None:
    meter = sold(shop)
    ids = shop.send(meter, count=3)
    shop.outcome("SETTLE", ids[:1])
    shop.outcome("RELEASE", ids[1:2])
    assert spent(MONTH)[meter.pk] == {Bucket.TOKEN: Spent(used=2, settled=1)}
    # A late response cannot take back what was released.
    shop.outcome("SETTLE", ids[1:2])
    assert spent(MONTH)[meter.pk] == {Bucket.TOKEN: Spent(used=2, settled=1)}


def test_a_segment_belongs_to_the_wib_month_of_its_reservation(shop: Shop) -> None:
    meter = sold(shop)
    late = dt.datetime(2026, 3, 31, 23, 59, 59, tzinfo=WIB)
    ids = shop.send(meter, at=late)
    shop.send(meter, at=dt.datetime(2026, 3, 31, 17, 0, tzinfo=dt.UTC))
    shop.outcome("SETTLE", ids)
    assert spent(MONTH)[meter.pk] == {Bucket.TOKEN: Spent(1, 1)}
    assert spent(APRIL)[meter.pk] == {Bucket.TOKEN: Spent(1, 0)}


def test_prices_and_counts_change_by_month_and_old_months_keep_theirs(shop: Shop) -> None:
    meter = sold(shop)
    shop.terms(since=APRIL, token_sms=30, package_price_idr=14_000)
    before, after = meter_month(meter.pk, MONTH), meter_month(meter.pk, APRIL)
    assert before is not None and after is not None
    assert (before.budget.counts[Bucket.TOKEN], before.sold[0].package_price_idr) == (20, 10_000)
    assert (after.budget.counts[Bucket.TOKEN], after.sold[0].package_price_idr) == (30, 14_000)
    with pytest.raises(ProgrammingError), transaction.atomic():
        PackageTerms.objects.update(package_price_idr=1)


def test_a_daily_data_package_adds_its_sms_and_its_data_policy(shop: Shop) -> None:
    meter = sold(shop)
    daily = shop.new_plan("DAILY", "DATA")
    shop.terms(
        daily,
        token_sms=0,
        fault_sms=0,
        meter_fault_sms=0,
        data_sms=28,
        block_days=tuple(range(1, 29)),
        data_overflow=Overflow.BILL,
    )
    subscribe(meter=meter, plan=daily, from_month_date=MONTH, actor="test", now=NOW)
    found = meter_month(meter.pk, MONTH)
    assert found is not None
    assert [found.budget.counts[bucket] for bucket in Bucket] == [20, 5, 31]
    assert found.budget.overflow[Bucket.DATA] is Overflow.BILL
    assert [part.slot for part in found.sold] == ["BASE", "DATA"]


def test_another_base_package_at_the_same_time_is_refused_and_audited(shop: Shop) -> None:
    meter = sold(shop)
    fleet = shop.new_plan("FLEET", "BASE")
    shop.terms(fleet)
    before = Subscription.objects.count()
    with pytest.raises(PackageRefused) as refused:
        subscribe(meter=meter, plan=fleet, from_month_date=APRIL, actor="test", now=NOW)
    assert refused.value.code == "subscribed"
    assert Subscription.objects.count() == before
    assert AuditRecord.objects.filter(refused=True).values_list("verb", "code").get() == ("sms.subscribe", "subscribed")
    end_subscription(subscription_id=Subscription.objects.get().pk, end_month_date=APRIL, actor="test", now=NOW)
    subscribe(meter=meter, plan=fleet, from_month_date=APRIL, actor="test", now=NOW)
    assert [m.sold[0].plan_id for m in meter_months(MONTH)] == [shop.plan.pk]
    assert [m.sold[0].plan_id for m in meter_months(APRIL)] == [fleet.pk]


@pytest.mark.parametrize(
    ("since", "values", "code"),
    [
        (dt.date(2026, 4, 2), {}, "not_a_month"),
        (dt.date(2026, 2, 1), {}, "back_dated"),
        (MONTH, {}, "terms_exist"),
        (APRIL, {"token_overflow": Overflow.BLOCK}, "bad_sms_plan"),
        (APRIL, {"block_days": (1, 31)}, "bad_sms_plan"),
        (APRIL, {"meter_fault_sms": 6}, "bad_sms_plan"),
    ],
)
def test_terms_that_cannot_be_are_refused(shop: Shop, since: dt.date, values: dict[str, object], code: str) -> None:
    shop.terms()
    with pytest.raises(PackageRefused) as refused:
        shop.terms(since=since, **values)
    assert refused.value.code == code
    assert (PackageTerms.objects.count(), RevenueShare.objects.count()) == (1, 6)
    assert AuditRecord.objects.filter(refused=True).values_list("code", flat=True).get() == code


def test_shares_that_are_not_the_whole_are_refused(shop: Shop) -> None:
    with pytest.raises(PackageRefused) as refused:
        set_terms(plan=shop.plan, valid_from_date=MONTH, terms=Terms(), shares=shop.shares()[1:], actor="test", now=NOW)
    assert refused.value.code == "shares"
    assert PackageTerms.objects.count() == 0


def test_only_this_operators_meters_are_in_its_month(shop: Shop) -> None:
    meter = sold(shop)
    assert [m.meter_id for m in meter_months(MONTH, operator_id=shop.operator.pk)] == [meter.pk]
    assert meter_months(MONTH, operator_id=shop.data_operator.pk) == []
