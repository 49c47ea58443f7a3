"""Limits, credit line and the end of a gerai's day: what was sold is closed once, the difference stands in the books."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from tests.flows.house import Town
from tests.vending.test_deposit import balances

from duaarah.audit.models import AuditRecord
from duaarah.people.models import Login, Unit
from duaarah.vending.ledger_models import ClosedEntry, TillClosing
from duaarah.vending.models import Channel, Deposit, Payment
from duaarah.vending.operations import (
    close_till,
    fill_deposit,
    set_channel_limits,
    set_channel_terms,
    set_credit,
    take_payment,
)
from duaarah.vending.operations.deposit import CreditInUse
from duaarah.vending.operations.issue import record_outcome
from duaarah.vending.operations.till import ClosingRefused, open_till
from duaarah.vending.operations.top_up import ChannelLimitPassed, DepositTooLow
from duaarah.vending.ports import Refused

pytestmark = pytest.mark.slow


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


@pytest.fixture
def gerai(town: Town) -> Channel:
    town.house(wallet_idr=0)
    unit = Unit.objects.create(organisation=town.operator, code="G1", name="Gerai 1")
    channel = Channel.objects.create(code="G1", name="Gerai 1", kind="DEPOSIT", organisation=town.operator, unit=unit)
    set_channel_terms(
        channel=channel, from_date=dt.date(2026, 1, 1), admin_idr=2_500, commission_idr=1_000, actor="t", now=town.now
    )
    fill_deposit(channel=channel, amount_idr=500_000, reference="f1", actor="t", now=town.now)
    return channel


def sell(town: Town, channel: Channel, reference: str, amount_idr: int = 50_000) -> int:
    vend, _ = take_payment(
        pairing=town.houses[0].pairing, amount_idr=amount_idr, channel=channel, reference=reference, now=town.now
    )
    return vend.pk


def test_limits_at_once_and_in_a_day_are_dated_and_a_refund_gives_room(town: Town, gerai: Channel) -> None:
    set_channel_limits(
        channel=gerai,
        from_date=town.now.date(),
        purchase_idr=100_000,
        day_idr=150_000,
        actor="t",
        now=town.now,
    )
    with pytest.raises(ChannelLimitPassed):
        sell(town, gerai, "big", 200_000)
    vend = sell(town, gerai, "r1", 100_000)
    sell(town, gerai, "r2")
    before = balances()
    with pytest.raises(ChannelLimitPassed):
        sell(town, gerai, "r3", 20_000)
    assert balances() == before and Payment.objects.count() == 2
    assert AuditRecord.objects.filter(refused=True, code="channel_limit").count() == 2
    record_outcome(vend_id=vend, answer=Refused("no_key", "None."), now=town.now)
    sell(town, gerai, "r4", 100_000)
    town.now += dt.timedelta(days=1)
    sell(town, gerai, "r5", 100_000)
    with pytest.raises(IntegrityError), transaction.atomic():
        gerai.limits.create(from_date=gerai.limits.get().from_date)
    with pytest.raises(ValueError):
        set_channel_limits(
            channel=gerai, from_date=dt.date(2026, 3, 1), purchase_idr=0, day_idr=None, actor="t", now=town.now
        )


def test_a_limit_of_the_day_holds_when_many_sell_at_once(town: Town, gerai: Channel) -> None:
    set_channel_limits(
        channel=gerai, from_date=town.now.date(), purchase_idr=None, day_idr=100_000, actor="t", now=town.now
    )
    houses = [town.house(wallet_idr=0) for _ in range(5)]
    start, sold = threading.Barrier(5), []

    def run(number: int) -> None:
        try:
            start.wait(30)
            take_payment(
                pairing=houses[number].pairing,
                amount_idr=50_000,
                channel=gerai,
                reference=f"r{number}",
                now=town.now,
            )
            sold.append(number)
        except ChannelLimitPassed:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sold) == 2 and Deposit.objects.get().day_sen == 10_000_000


def test_a_credit_line_lets_the_deposit_go_below_zero_and_no_further(town: Town, gerai: Channel) -> None:
    set_credit(channel=gerai, credit_idr=100_000, actor="t", now=town.now)
    sell(town, gerai, "r1", 500_000)
    assert Deposit.objects.get().balance_sen == -250_000
    with pytest.raises(DepositTooLow):
        sell(town, gerai, "r2", 100_000)
    sell(town, gerai, "r3")
    with pytest.raises(CreditInUse):
        set_credit(channel=gerai, credit_idr=50_000, actor="t", now=town.now)
    assert Deposit.objects.get().credit_sen == 10_000_000
    assert AuditRecord.objects.filter(refused=True, code="credit_in_use").count() == 1


def test_the_day_ends_with_counted_cash_and_the_difference_is_booked(town: Town, gerai: Channel) -> None:
    login = Login.objects.create_user("kasir")
    sell(town, gerai, "r1")
    vend = sell(town, gerai, "r2", 100_000)
    refused = sell(town, gerai, "r3", 20_000)
    record_outcome(vend_id=refused, answer=Refused("no_key", "None."), now=town.now)
    till = open_till(channel=gerai)
    assert (till.sales, till.expected_idr, till.commission_idr) == (3, 155_000, 2_000)
    said = {"channel": gerai, "seen_idr": 155_000, "signed_by": login, "now": town.now}
    with pytest.raises(ClosingRefused) as missing:
        close_till(counted_idr=150_000, note=" ", **said)
    assert missing.value.code == "note"
    row = close_till(counted_idr=150_000, note="Rp5.000 short", **said)
    assert (row.sequence, row.sales, row.signed_by) == (1, 3, f"login:{login.pk}")
    found, g = balances(), gerai.pk
    assert (found[f"OPS/till:{g}"], found[f"OPS/till-difference:{g}"]) == (15_000_000, 500_000)
    # The float in the gerai's books is the deposit in PLN's.
    assert found[f"OPS/float:{g}"] == Deposit.objects.get().balance_sen == -found[f"deposit:{g}"]
    assert (found[f"OPS/commission-receivable:{g}"], found["OPS/commission"]) == (200_000, -200_000)
    with pytest.raises(ClosingRefused) as again:
        close_till(counted_idr=150_000, note="x", **said)
    assert again.value.code == "nothing"
    # A refund after the closing comes off the next one.
    record_outcome(vend_id=vend, answer=Refused("no_key", "None."), now=town.now)
    assert open_till(channel=gerai).expected_idr == -102_500
    assert AuditRecord.objects.filter(refused=True, verb="vending.close_till").count() == 2


def test_what_was_sold_while_the_cash_was_counted_is_counted_again(town: Town, gerai: Channel) -> None:
    login = Login.objects.create_user("kasir")
    sell(town, gerai, "r1")
    seen = open_till(channel=gerai).expected_idr
    sell(town, gerai, "r2")
    with pytest.raises(ClosingRefused) as changed:
        close_till(channel=gerai, counted_idr=seen, seen_idr=seen, note="", signed_by=login, now=town.now)
    assert changed.value.code == "changed" and TillClosing.objects.count() == 0
    assert ClosedEntry.objects.count() == 0


def test_a_channel_without_a_shop_has_no_till(town: Town) -> None:
    login = Login.objects.create_user("kasir")
    with pytest.raises(ClosingRefused):
        close_till(channel=town.channel, counted_idr=0, seen_idr=0, note="", signed_by=login, now=town.now)
