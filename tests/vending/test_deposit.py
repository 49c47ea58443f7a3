"""A channel's deposit pays for tokens of any meter, once a reference; nothing of it is lost or doubled; books keep apart."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError
from tests.flows.house import Town

from duaarah.audit.models import AuditRecord
from duaarah.registry.models import Pairing
from duaarah.vending.models import Account, Channel, Deposit, LedgerEntry, LedgerLine, Payment, Vend
from duaarah.vending.operations import fill_deposit, set_channel_terms, top_up
from duaarah.vending.operations.books import book
from duaarah.vending.operations.issue import record_outcome
from duaarah.vending.operations.top_up import DepositTooLow, OneWay, take_payment
from duaarah.vending.ports import Refused

pytestmark = pytest.mark.slow


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def bank(town: Town, *, filled_idr: int = 1_000_000) -> Channel:
    channel = Channel.objects.create(code="BANK", name="Bank", kind="DEPOSIT")
    set_channel_terms(
        channel=channel, from_date=dt.date(2026, 1, 1), admin_idr=2_500, commission_idr=1_000, actor="t", now=town.now
    )
    if filled_idr:
        fill_deposit(channel=channel, amount_idr=filled_idr, reference="f1", actor="t", now=town.now)
    return channel


def balances() -> dict[str, int]:
    found: dict[str, int] = {}
    for code, amount in LedgerLine.objects.values_list("account__code", "amount_sen"):
        found[code] = found.get(code, 0) + amount
    return {code: amount for code, amount in found.items() if amount}


def test_a_meter_without_two_way_service_is_sold_to_from_the_deposit(town: Town) -> None:
    house, channel = town.house(wallet_idr=0), bank(town)
    Pairing.objects.all().delete()
    buyer = OneWay(meter=house.meter)
    said = {"pairing": buyer, "amount_idr": 100_000, "channel": channel, "token_source": town.source, "now": town.now}
    first = top_up(reference="r1", **said)
    again = top_up(reference="r1", **said)
    assert first.digits is not None and (again.digits, again.repeated) == (first.digits, True)
    assert Deposit.objects.get().balance_sen == (1_000_000 - 102_500) * 100
    payment = Payment.objects.get()
    assert (payment.holder, payment.admin_idr, payment.commission_idr) == (None, 2_500, 1_000)
    found = balances()
    assert found[f"deposit:{channel.pk}"] == -Deposit.objects.get().balance_sen
    assert (found["channel:admin"], found[f"commission:{channel.pk}"]) == (-150_000, -100_000)
    assert sum(found.values()) == 0 and "vending:pending" not in found


def test_too_little_in_the_deposit_moves_nothing(town: Town) -> None:
    house, channel = town.house(wallet_idr=0), bank(town, filled_idr=102_499)
    before = balances()
    with pytest.raises(DepositTooLow):
        take_payment(pairing=house.pairing, amount_idr=100_000, channel=channel, reference="r1", now=town.now)
    assert (Vend.objects.count(), Payment.objects.count(), balances()) == (0, 0, before)
    assert AuditRecord.objects.filter(refused=True, code="deposit_too_low").count() == 1


def test_refused_by_the_source_the_money_returns_to_the_deposit(town: Town) -> None:
    house, channel = town.house(wallet_idr=0), bank(town)
    vend, _ = take_payment(pairing=house.pairing, amount_idr=50_000, channel=channel, reference="r1", now=town.now)
    for _ in range(2):
        record_outcome(vend_id=vend.pk, answer=Refused("no_key", "There is none."), now=town.now)
    assert Deposit.objects.get().balance_sen == 100_000_000
    assert balances() == {"cash:received": 100_000_000, f"deposit:{channel.pk}": -100_000_000}


def test_many_at_once_never_overdraw(town: Town) -> None:
    houses, channel = [town.house(wallet_idr=0) for _ in range(6)], bank(town, filled_idr=3 * 102_500)
    start, sold = threading.Barrier(6), []

    def buy(number: int) -> None:
        try:
            start.wait(30)
            take_payment(
                pairing=houses[number].pairing,
                amount_idr=100_000,
                channel=channel,
                reference=f"r{number}",
                now=town.now,
            )
            sold.append(number)
        except DepositTooLow:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=buy, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(sold), Payment.objects.count(), Deposit.objects.get().balance_sen) == (3, 3, 0)


def test_filled_once_a_reference_and_only_where_there_is_a_deposit(town: Town) -> None:
    channel = bank(town, filled_idr=0)
    for _ in range(2):
        fill_deposit(channel=channel, amount_idr=5, reference="f", actor="t", now=town.now)
    assert Deposit.objects.get().balance_sen == 500
    assert AuditRecord.objects.filter(verb="vending.fill_deposit").count() == 1
    for wrong in ({"amount_idr": 0}, {"channel": town.channel}):
        with pytest.raises(ValueError):
            fill_deposit(
                **{"channel": channel, "amount_idr": 5, "reference": "g", "actor": "t", "now": town.now} | wrong
            )


def test_terms_are_dated_and_never_rewritten(town: Town) -> None:
    house, channel = town.house(wallet_idr=0), bank(town)
    set_channel_terms(
        channel=channel, from_date=dt.date(2026, 2, 17), admin_idr=3_000, commission_idr=0, actor="t", now=town.now
    )
    for days, admin_idr in ((0, 2_500), (1, 3_000)):
        vend, _ = take_payment(
            pairing=house.pairing,
            amount_idr=20_000,
            channel=channel,
            reference=f"r{days}",
            now=town.now + dt.timedelta(days=days),
        )
        assert vend.payment is not None
        assert Payment.objects.get(pk=vend.payment_id).admin_idr == admin_idr
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        channel.terms.update(admin_idr=1)
    with pytest.raises(ValueError):
        set_channel_terms(
            channel=channel, from_date=dt.date(2026, 3, 1), admin_idr=1, commission_idr=2, actor="t", now=town.now
        )


def test_no_entry_reaches_into_other_books(database: str, town: Town) -> None:
    said = {"kind": LedgerEntry.Kind.WALLET_FILLED, "at": town.now, "vend_id": None}
    with transaction.atomic():
        book(reference="a", lines_sen={"OPS/cash": 5, "OPS/owed": -5}, entity="OPS", **said)
    assert set(Account.objects.values_list("code", "book")) == {("OPS/cash", "OPS"), ("OPS/owed", "OPS")}
    with pytest.raises(IntegrityError, match="other books"), transaction.atomic():
        book(reference="b", lines_sen={"OPS/cash": 5, "pln:stroom": -5}, **said)
    assert LedgerEntry.objects.count() == 1
