"""Arrears are paid off with each purchase: reserved, collected with the token, released with a refund, never too much."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import pytest
from django.db import connection, transaction
from tests.flows.house import Town

from duaarah.audit.models import AuditRecord
from duaarah.vending.ledger_models import Arrears, Instalment
from duaarah.vending.models import LedgerLine, Quote, Vend
from duaarah.vending.operations import arrears, open_arrears, top_up
from duaarah.vending.operations.issue import record_outcome
from duaarah.vending.operations.top_up import obtain_token, price, take_payment
from duaarah.vending.ports import Refused

pytestmark = pytest.mark.slow
DAY = dt.date(2026, 1, 1)


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def owed(town: Town, owner: object, reference: str = "p2tl-1", **terms: int) -> Arrears:
    return open_arrears(
        owner=owner,
        reference=reference,
        title="P2TL",
        terms=arrears.Terms(**terms),
        from_date=DAY,
        actor="t",
        now=town.now,
    )


def figures(row: Arrears) -> tuple[int, int, bool]:
    row.refresh_from_db()
    return row.reserved_idr, row.paid_idr, row.open


def instalments_booked_sen() -> int:
    return -sum(LedgerLine.objects.filter(account__code="pln:instalment").values_list("amount_sen", flat=True))


def test_an_instalment_moves_when_the_token_is_issued_and_no_earlier(town: Town) -> None:
    house = town.house(wallet_idr=500_000)
    row = owed(town, house.meter, total_idr=25_000, amount_idr=10_000)
    said = {"pairing": house.pairing, "amount_idr": 50_000, "channel": town.channel, "now": town.now}
    assert price(house.meter, 50_000, town.now).instalment_sen == 1_000_000
    vend, _ = take_payment(reference="r1", **said)
    assert figures(row) == (10_000, 0, True) and instalments_booked_sen() == 0
    for _ in range(2):  # T2 again after a crash
        obtain_token(vend=vend, token_source=town.source, now=town.now)
    assert figures(row) == (0, 10_000, True) and instalments_booked_sen() == 1_000_000
    for number in (2, 3, 4):
        top_up(reference=f"r{number}", token_source=town.source, **said)
    assert figures(row) == (0, 25_000, False) and instalments_booked_sen() == 2_500_000
    # Order by purchase: 10,000 twice, what is left, nothing.
    quoted = list(Quote.objects.order_by("pk").values_list("instalment_sen", flat=True))
    assert quoted == [1_000_000, 1_000_000, 500_000, 0]
    for quote in Quote.objects.all():
        parts = (quote.stroom_sen, quote.ppj_sen, quote.ppn_sen, quote.stamp_sen, quote.instalment_sen)
        assert sum(parts) == 5_000_000 and quote.energy_wh > 0


def test_a_refund_releases_what_was_reserved(town: Town) -> None:
    house = town.house()
    row = owed(town, house.meter, total_idr=25_000, amount_idr=10_000)
    vend, _ = take_payment(pairing=house.pairing, amount_idr=50_000, channel=town.channel, reference="r1", now=town.now)
    for _ in range(2):
        record_outcome(vend_id=vend.pk, answer=Refused("no_key", "There is none."), now=town.now)
    assert figures(row) == (0, 0, True) and instalments_booked_sen() == 0
    assert Instalment.objects.get().state == "RELEASED"
    # What was collected is given back too, once, by whoever undoes a purchase after its token.
    outcome = top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="r2",
        token_source=town.source,
        now=town.now,
    )
    assert figures(row) == (0, 10_000, True)
    for _ in range(2):
        with transaction.atomic():
            arrears.release(vend_id=outcome.vend.pk)
    assert figures(row) == (0, 0, True)


def test_half_of_a_nominal_stays_energy_and_the_smaller_rank_goes_first(town: Town) -> None:
    house = town.house()
    second = owed(town, house.meter, "a", total_idr=100_000, parts=3_000, rank=2)
    first = owed(town, house.meter.customer, "b", total_idr=100_000, amount_idr=15_000, rank=1)
    lines = price(house.meter, 20_000, town.now)
    # 10,000 of 20,000 may go: all of it to the first.
    assert (lines.instalment_sen, lines.energy_wh > 0) == (1_000_000, True)
    outcome = top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="r1",
        token_source=town.source,
        now=town.now,
    )
    assert outcome.digits is not None
    assert (figures(first)[1], figures(second)[1]) == (15_000, 10_000)


def test_arrears_of_later_days_and_of_others_are_not_collected(town: Town) -> None:
    house, other = town.house(), town.house()
    owed(town, other.meter, total_idr=100_000, amount_idr=15_000)
    open_arrears(
        owner=house.meter,
        reference="later",
        title="x",
        terms=arrears.Terms(total_idr=5_000, amount_idr=5_000),
        from_date=town.now.date() + dt.timedelta(days=1),
        actor="t",
        now=town.now,
    )
    assert price(house.meter, 50_000, town.now).instalment_sen == 0


def test_many_at_once_never_collect_more_than_is_owed(town: Town) -> None:
    house = town.house(wallet_idr=500_000)
    row = owed(town, house.meter, total_idr=25_000, amount_idr=10_000)
    start = threading.Barrier(6)
    errors: list[BaseException] = []

    def buy(number: int) -> None:
        try:
            start.wait(30)
            vend, _ = take_payment(
                pairing=house.pairing,
                amount_idr=50_000,
                channel=town.channel,
                reference=f"r{number}",
                now=town.now,
            )
            if number % 2:
                record_outcome(vend_id=vend.pk, answer=Refused("no_key", "None."), now=town.now)
            else:
                obtain_token(vend=vend, token_source=town.source, now=town.now)
        except BaseException as error:  # shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=buy, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and Vend.objects.filter(state="ISSUED").count() == 3
    reserved, paid, _ = figures(row)
    assert reserved == 0 and paid <= 25_000
    collected = sum(Instalment.objects.filter(state="COLLECTED").values_list("amount_idr", flat=True))
    assert paid == collected and instalments_booked_sen() == paid * 100


def test_a_decision_is_entered_once(town: Town) -> None:
    house, other = town.house(), town.house()
    assert owed(town, house.meter, total_idr=5_000, parts=100) == owed(town, house.meter, total_idr=5_000, parts=100)
    assert AuditRecord.objects.filter(verb="vending.open_arrears").count() == 1
    with pytest.raises(ValueError):
        owed(town, other.meter, total_idr=5_000, parts=100)
    for wrong in (
        {"total_idr": 5},
        {"total_idr": 5, "parts": 1, "amount_idr": 1},
        {"total_idr": 0, "parts": 1},
        {"total_idr": 5, "parts": 10_001},
        {"total_idr": 5, "amount_idr": 0},
    ):
        with pytest.raises(ValueError):
            arrears.Terms(**wrong)
