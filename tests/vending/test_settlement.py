"""Cut-off: each entry of a channel is settled once, late ones on the next day, and the books say the same as the rows."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from tests.flows.house import START, WIB, Town
from tests.vending.test_deposit import balances, bank

from duaarah.audit.models import AuditRecord
from duaarah.vending.ledger_models import SettledEntry, Settlement
from duaarah.vending.models import Channel, Deposit, LedgerEntry
from duaarah.vending.operations import pay_commission, settle_due, take_payment, top_up
from duaarah.vending.operations.accounts import AmountTooHigh
from duaarah.vending.operations.issue import record_outcome
from duaarah.vending.operations.policy import cutoff_at, settled_from, settlement_day
from duaarah.vending.operations.settlement import settle
from duaarah.vending.ports import Refused

pytestmark = pytest.mark.slow
DAY = START.date()
OVER = dt.datetime(2026, 2, 17, 0, 30, tzinfo=WIB)


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def buy(town: Town, channel: Channel, reference: str, amount_idr: int = 100_000) -> None:
    house = town.houses[0] if town.houses else town.house(wallet_idr=0)
    top_up(
        pairing=house.pairing,
        amount_idr=amount_idr,
        channel=channel,
        reference=reference,
        token_source=town.source,
        now=town.now,
    )


def test_the_window_is_data_and_wib(database: str) -> None:
    assert cutoff_at(DAY) == dt.datetime(2026, 2, 16, 23, 30, tzinfo=WIB)
    assert settled_from(DAY) == OVER
    before, after = cutoff_at(DAY) - dt.timedelta(microseconds=1), cutoff_at(DAY)
    assert (settlement_day(before), settlement_day(after)) == (DAY, DAY + dt.timedelta(days=1))


def test_a_day_is_settled_once_and_not_before_its_window_is_over(town: Town) -> None:
    channel = bank(town)
    buy(town, channel, "r1")
    buy(town, channel, "r2", 50_000)
    assert settle_due(now=OVER - dt.timedelta(seconds=1)) == 0
    with pytest.raises(ValueError):
        settle(channel=channel, day_date=DAY, now=OVER - dt.timedelta(seconds=1))
    assert [settle_due(now=OVER) for _ in range(2)] == [1, 0]
    row = Settlement.objects.get()
    assert (row.purchases, row.filled_sen, row.sold_sen, row.commission_sen) == (2, 100_000_000, 15_500_000, 200_000)
    assert row.deposit_sen == Deposit.objects.get().balance_sen
    found = balances()
    assert found["pln:collected"] == 15_300_000
    assert found[f"commission-due:{channel.pk}"] == -200_000 and f"commission:{channel.pk}" not in found
    assert found["cash:received"] == 100_000_000 - 15_300_000
    assert settle(channel=channel, day_date=DAY, now=OVER) == (row, False)
    assert AuditRecord.objects.filter(verb="vending.settle").count() == 1
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        Settlement.objects.update(sold_sen=0)


def test_what_is_booked_late_is_in_the_next_day(town: Town) -> None:
    channel = bank(town)
    buy(town, channel, "r1")
    assert settle_due(now=OVER) == 1
    buy(town, channel, "late")  # of the day before by its clock, committed after the settlement
    town.now = cutoff_at(DAY) + dt.timedelta(minutes=5)
    buy(town, channel, "in the window")
    assert settle_due(now=OVER + dt.timedelta(days=1)) == 1
    rows = list(Settlement.objects.order_by("day_date").values_list("day_date", "purchases", "sold_sen"))
    assert rows == [(DAY, 1, 10_250_000), (DAY + dt.timedelta(days=1), 2, 20_500_000)]
    # A day without sales is settled too, and books nothing.
    assert settle_due(now=OVER + dt.timedelta(days=2)) == 1
    last = Settlement.objects.latest("day_date")
    assert (last.entries, last.sold_sen, last.entry) == (0, 0, None)
    assert last.deposit_sen == Deposit.objects.get().balance_sen
    with pytest.raises(ValueError, match="order"):
        settle(channel=channel, day_date=DAY + dt.timedelta(days=4), now=OVER + dt.timedelta(days=9))


def test_a_refund_of_another_day_comes_off_its_own(town: Town) -> None:
    channel, house = bank(town), town.house(wallet_idr=0)
    said = {"pairing": house.pairing, "amount_idr": 100_000, "channel": channel}
    vend, _ = take_payment(reference="r1", now=town.now, **said)
    settle_due(now=OVER)
    record_outcome(vend_id=vend.pk, answer=Refused("no_key", "None."), now=OVER)
    settle_due(now=OVER + dt.timedelta(days=1))
    sold = list(Settlement.objects.order_by("day_date").values_list("sold_sen", flat=True))
    assert sold == [10_250_000, -10_250_000]
    assert "pln:collected" not in balances() and balances()["cash:received"] == 100_000_000


def test_two_at_once_settle_once(town: Town) -> None:
    channel = bank(town)
    buy(town, channel, "r1")
    start, made = threading.Barrier(4), []

    def run() -> None:
        try:
            start.wait(30)
            made.append(settle_due(now=OVER))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [0, 0, 0, 1]
    assert LedgerEntry.objects.filter(kind="SETTLEMENT").count() == 1
    assert SettledEntry.objects.count() == Settlement.objects.get().entries == 3


def test_a_crash_in_the_middle_leaves_nothing_settled(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = bank(town)
    buy(town, channel, "r1")

    def die(**_: object) -> None:
        raise SystemExit

    from duaarah.audit import operations as audit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(audit, "record", die)
        settle_due(now=OVER)
    assert (Settlement.objects.count(), SettledEntry.objects.count()) == (0, 0)
    assert settle_due(now=OVER) == 1


def test_commission_is_paid_once_and_not_more_than_is_due(town: Town) -> None:
    channel = bank(town)
    buy(town, channel, "r1")
    settle_due(now=OVER)
    said = {"channel": channel, "actor": "t", "now": OVER}
    with pytest.raises(AmountTooHigh):
        pay_commission(amount_idr=1_001, reference="c1", into_deposit=False, **said)
    assert AuditRecord.objects.filter(refused=True, code="amount_too_high").count() == 1
    before = Deposit.objects.get().balance_sen
    assert [pay_commission(amount_idr=400, reference="c1", into_deposit=True, **said) for _ in range(2)] == [
        True,
        False,
    ]
    assert Deposit.objects.get().balance_sen == before + 40_000
    assert pay_commission(amount_idr=600, reference="c2", into_deposit=False, **said)
    assert f"commission-due:{channel.pk}" not in balances()
    # Paid into the deposit, it is filled money of the next settlement, not a sale.
    settle_due(now=OVER + dt.timedelta(days=1))
    last = Settlement.objects.latest("day_date")
    assert (last.filled_sen, last.sold_sen, last.deposit_sen) == (40_000, 0, Deposit.objects.get().balance_sen)
