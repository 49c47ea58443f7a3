"""What happens when a bucket is empty is the plan's data: borrow, block, bill. A token never waits."""

from __future__ import annotations

import pytest
from tests.sms.shop import MONTH, NOW, Shop

from duaarah.core.smsplan import Bucket, Decision, Overflow, Verdict
from duaarah.registry.models import Meter
from duaarah.sms.package.operations import subscribe
from duaarah.sms.package.queries import next_segment
from duaarah.sms.package.statement import operator_statement

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(database: str) -> Shop:
    return Shop()


def full(shop: Shop, **policy: Overflow) -> Meter:
    """A meter whose three data SMS are gone."""
    shop.terms(**policy)
    meter = shop.meter()
    subscribe(meter=meter, plan=shop.plan, from_month_date=MONTH, actor="test", now=NOW)
    shop.receive(meter, "METER_DATA", 3)
    return meter


@pytest.mark.parametrize(
    ("policy", "decision"),
    [
        (Overflow.BORROW, Decision(Verdict.SEND_BORROWED, Bucket.FAULT)),
        (Overflow.BLOCK, Decision(Verdict.WAIT, None)),
        (Overflow.BILL, Decision(Verdict.SEND_BILLED, None)),
    ],
)
def test_the_fourth_data_sms_by_policy(shop: Shop, policy: Overflow, decision: Decision) -> None:
    meter = full(shop, data_overflow=policy)
    assert next_segment(meter_id=meter.pk, bucket=Bucket.DATA, month_date=MONTH) == decision
    assert next_segment(meter_id=meter.pk, bucket=Bucket.TOKEN, month_date=MONTH) == Decision(
        Verdict.SEND, Bucket.TOKEN
    )


@pytest.mark.parametrize(
    ("policy", "borrowed", "extra", "extra_idr"),
    [(Overflow.BORROW, 1, 0, 0), (Overflow.BILL, 0, 1, 350), (Overflow.BLOCK, 0, 1, 350)],
)
def test_the_statement_lists_where_the_fourth_went(
    shop: Shop, policy: Overflow, borrowed: int, extra: int, extra_idr: int
) -> None:
    meter = full(shop, data_overflow=policy)
    shop.receive(meter, "METER_DATA")
    (row,) = operator_statement(operator_id=shop.operator.pk, month_date=MONTH)
    assert (row.data_sms, row.borrowed_sms, row.extra_sms, row.extra_idr) == (4, borrowed, extra, extra_idr)


def test_the_21st_token_sms_borrows_and_a_meter_without_package_has_no_policy(shop: Shop) -> None:
    meter = full(shop)
    shop.send(meter, "RECEIPT", 20)
    assert next_segment(meter_id=meter.pk, bucket=Bucket.TOKEN, month_date=MONTH) == Decision(
        Verdict.SEND_BORROWED, Bucket.FAULT
    )
    assert next_segment(meter_id=shop.meter().pk, bucket=Bucket.DATA, month_date=MONTH) is None
