"""Books per legal entity: packages never touch PLN's, a token costs the same with any package; corrections by two people."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from django.db import transaction
from tests.flows.house import START, Town
from tests.vending.test_deposit import balances, bank

from duaarah.audit.models import AuditRecord
from duaarah.people.models import Login, Organisation
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Pairing
from duaarah.sms.models import IssuedInvoice, IssuedLine, IssuedShare, PackagePlan
from duaarah.sms.package.operations import Share, Terms, set_terms, subscribe
from duaarah.vending.models import Account, Channel, Deposit, LedgerEntry, LedgerLine, Payment, Quote, Vend, Wallet
from duaarah.vending.operations import (
    book_connection_fee,
    book_invoices,
    give_compensation,
    pay_share,
    receive_invoice_payment,
    request_write_off,
    reverse_entry,
    top_up,
    write_off,
)
from duaarah.vending.operations.accounts import AmountTooHigh
from duaarah.vending.operations.books import book
from duaarah.vending.operations.corrections import CorrectionRefused
from duaarah.vending.operations.issue import record_outcome
from duaarah.vending.operations.top_up import DepositTooLow, OneWay, take_payment
from duaarah.vending.ports import Refused

pytestmark = pytest.mark.slow
FEBRUARY = dt.date(2026, 2, 1)


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


@pytest.fixture
def plan(town: Town) -> PackagePlan:
    data = Organisation.objects.create(code="DOX", name="Data", kind="DATA_OPERATOR")
    made = PackagePlan.objects.create(code="P28", name="P28", slot="BASE", operator=town.operator, data_operator=data)
    shares = [Share(of=of, party=town.operator, parts=10_000) for of in ("SMS", "EXTRA", "INQUIRY")]
    shares += [Share(of="MARGIN", party=town.operator, parts=2_500), Share(of="MARGIN", party=data, parts=7_500)]
    set_terms(plan=made, valid_from_date=FEBRUARY, terms=Terms(), shares=shares, actor="test", now=START)
    return made


def invoiced(
    town: Town, plan: PackagePlan, parts: dict[Organisation, int], corrects: IssuedInvoice | None = None
) -> IssuedInvoice:
    """An invoice as the package's own verb writes it."""
    terms = plan.terms.get()
    sequence = corrects.sequence + 1 if corrects else 1
    row = IssuedInvoice.objects.create(
        number=f"OPS-202602-{sequence:02d}",
        operator=town.operator,
        month_date=FEBRUARY,
        sequence=sequence,
        corrects=corrects,
        reason="x" if corrects else "",
        total_idr=sum(parts.values()),
        open_sms=0,
        digest="0" * 64,
        issued_by="t",
        issued_at=START,
    )
    total = sum(parts.values())
    IssuedLine.objects.create(
        invoice=row, terms=terms, plan="P28", of="PACKAGE", count=1, price_idr=total, amount_idr=total
    )
    for party, amount_idr in parts.items():
        IssuedShare.objects.create(
            invoice=row, terms=terms, plan="P28", of="MARGIN", party=party, parts=1, amount_idr=amount_idr
        )
    return row


def test_a_nominal_buys_the_same_with_and_without_two_way_service_and_with_any_package(
    town: Town, plan: PackagePlan
) -> None:
    one_way, two_way, packaged = (town.house() for _ in range(3))
    Pairing.objects.filter(meter=one_way.meter).delete()
    subscribe(meter=packaged.meter, plan=plan, from_month_date=FEBRUARY, actor="t", now=START)
    buyers = (OneWay(meter=one_way.meter), two_way.pairing, packaged.pairing)
    for number, buyer in enumerate(buyers):
        top_up(
            pairing=buyer,
            amount_idr=100_000,
            channel=town.channel,
            reference=f"r{number}",
            token_source=town.source,
            now=town.now,
        )
    lines = Quote.objects.order_by("pk").values(
        *("rate_idr_per_kwh", "ppj_rate", "ppn_rate", "stamp_sen", "instalment_sen", "ppj_sen", "ppn_sen"),
        *("stroom_sen", "rounding_sen", "energy_wh"),
    )
    assert lines[0] == lines[1] == lines[2] and lines[0]["energy_wh"] > 0
    booked = [
        sorted(LedgerLine.objects.filter(entry__reference=f"issued:{vend}").values_list("account__code", "amount_sen"))
        for vend in Vend.objects.order_by("pk").values_list("pk", flat=True)
    ]
    assert booked[0] == booked[1] == booked[2] and len(booked) == 3
    assert len(set(Vend.objects.values_list("encoded_wh", flat=True))) == 1


def test_an_invoice_is_booked_once_in_the_books_of_its_parties_and_never_in_plns(town: Town, plan: PackagePlan) -> None:
    first = invoiced(town, plan, {town.operator: 600, plan.data_operator: 400})
    assert [book_invoices(now=START) for _ in range(2)] == [1, 0]
    assert balances() == {
        "DOX/receivable:OPS": 100_000,
        "DOX/revenue": -40_000,
        "DOX/payable:OPS": -60_000,
        "OPS/receivable:DOX": 60_000,
        "OPS/revenue": -60_000,
    }
    invoiced(town, plan, {town.operator: 500, plan.data_operator: 450}, corrects=first)
    assert book_invoices(now=START) == 1
    found = balances()
    assert (found["DOX/receivable:OPS"], found["DOX/payable:OPS"], found["DOX/revenue"]) == (95_000, -50_000, -45_000)
    assert found["OPS/receivable:DOX"] == 50_000
    assert not LedgerEntry.objects.filter(book="PLN").exists()


def test_an_invoice_is_paid_and_its_share_paid_on_never_more_than_is_owed(town: Town, plan: PackagePlan) -> None:
    invoiced(town, plan, {town.operator: 600, plan.data_operator: 400})
    book_invoices(now=START)
    said = {"data_operator": plan.data_operator, "actor": "t", "now": START}
    for _ in range(2):
        receive_invoice_payment(payer=town.operator, amount_idr=1_000, reference="p1", **said)
        pay_share(party=town.operator, amount_idr=600, reference="s1", **said)
    assert balances() == {"DOX/cash": 40_000, "DOX/revenue": -40_000, "OPS/cash": 60_000, "OPS/revenue": -60_000}
    for pay in (
        lambda: receive_invoice_payment(payer=town.operator, amount_idr=1, reference="p2", **said),
        lambda: pay_share(party=town.operator, amount_idr=1, reference="s2", **said),
    ):
        with pytest.raises(AmountTooHigh):
            pay()
    assert AuditRecord.objects.filter(refused=True, code="amount_too_high").count() == 2


def test_a_compensation_is_a_token_without_money_from_plns_expense(town: Town) -> None:
    house = town.house(wallet_idr=50_000)
    said = {"meter": house.meter, "amount_idr": 14_447, "token_source": town.source, "now": town.now}
    first = give_compensation(reference="2026-01", **said)
    again = give_compensation(reference="2026-01", **said)
    assert first.digits is not None and (again.digits, again.repeated) == (first.digits, True)
    quote = Quote.objects.get()
    assert (quote.ppj_sen, quote.ppn_sen, quote.stamp_sen, quote.instalment_sen) == (0, 0, 0, 0)
    assert quote.stroom_sen == 1_444_700 and quote.energy_wh == 10_000
    assert balances()["pln:compensation"] == 1_444_700 and balances()["pln:stroom"] == -1_444_700
    assert Wallet.objects.get().balance_sen == 5_000_000
    town.run()
    assert Vend.objects.get().state == "LOADED"


def test_a_compensation_without_a_token_is_no_expense(town: Town) -> None:
    house = town.house(wallet_idr=0)
    channel = Channel.objects.create(code="TMP", name="TMP", kind="COMPENSATION")
    vend, _ = take_payment(pairing=house.pairing, amount_idr=14_447, channel=channel, reference="2026-01", now=town.now)
    record_outcome(vend_id=vend.pk, answer=Refused("no_key", "None."), now=town.now)
    assert balances() == {} and Payment.objects.count() == 1


def test_a_connection_fee_is_booked_once_from_the_deposit(town: Town) -> None:
    channel = bank(town)
    said = {"channel": channel, "admin_idr": 2_000, "commission_idr": 500, "now": town.now}
    with transaction.atomic():
        book_connection_fee(amount_idr=421_000, reference="n1", **said)
    assert Deposit.objects.get().balance_sen == (1_000_000 - 423_000) * 100
    assert balances()["pln:bp"] == -42_100_000 and balances()[f"commission:{channel.pk}"] == -50_000
    with pytest.raises(DepositTooLow), transaction.atomic():
        book_connection_fee(amount_idr=900_000, reference="n2", **said)
    assert LedgerEntry.objects.filter(kind="CONNECTION_FEE").count() == 1
    # Undone by its mirror, once; the deposit follows.
    entry = LedgerEntry.objects.get(kind="CONNECTION_FEE")
    for expected in (True, False):
        with transaction.atomic():
            assert reverse_entry(entry_id=entry.pk, now=town.now) is expected
    assert Deposit.objects.get().balance_sen == 100_000_000
    assert "pln:bp" not in balances() and balances()[f"deposit:{channel.pk}"] == -100_000_000
    with pytest.raises(CorrectionRefused), transaction.atomic():
        reverse_entry(entry_id=LedgerEntry.objects.get(kind="REVERSAL").pk, now=town.now)


def test_a_write_off_needs_a_second_person_and_is_done_once(town: Town) -> None:
    one, two = Login.objects.create_user("one"), Login.objects.create_user("two")
    with transaction.atomic():
        book(
            kind=LedgerEntry.Kind.TILL_CLOSED,
            reference="c",
            at=town.now,
            vend_id=None,
            lines_sen={"OPS/till-difference:1": 5_000, "OPS/float:1": -5_000},
            entity="OPS",
        )
    said = {"account_code": "OPS/till-difference:1", "requested_by": one, "now": town.now}
    asked = request_write_off(amount_sen=5_000, reason="Lost", **said)
    with pytest.raises(ApprovalRefused):
        write_off(approval_id=asked.pk, actor="login:1", now=town.now)
    with pytest.raises(ApprovalRefused):
        decide_approval(approval_id=asked.pk, approve=True, decided_by=one, now=town.now)
    assert "OPS/write_off" not in balances()
    decide_approval(approval_id=asked.pk, approve=True, decided_by=two, now=town.now)
    entry = write_off(approval_id=asked.pk, actor="login:2", now=town.now)
    assert (entry.book, entry.kind) == ("OPS", "WRITE_OFF")
    assert balances() == {"OPS/write_off": 5_000, "OPS/float:1": -5_000}
    with pytest.raises(ApprovalRefused):
        write_off(approval_id=asked.pk, actor="login:2", now=town.now)
    for wrong in (
        {"amount_sen": 1, "reason": "x"},  # nothing is left of it
        {"amount_sen": 1, "reason": " "},
        {"account_code": "OPS/float:1", "amount_sen": 1, "reason": "x"},
        {"account_code": "no:such", "amount_sen": 1, "reason": "x"},
    ):
        with pytest.raises(CorrectionRefused):
            request_write_off(**{**said, **wrong})
    assert Account.objects.filter(code="no:such").count() == 0
    assert AuditRecord.objects.filter(refused=True, verb="vending.write_off").count() == 6


def test_two_approved_write_offs_of_one_claim_take_it_once(town: Town) -> None:
    one, two = Login.objects.create_user("one"), Login.objects.create_user("two")
    with transaction.atomic():
        book(
            kind=LedgerEntry.Kind.TILL_CLOSED,
            reference="c",
            at=town.now,
            vend_id=None,
            lines_sen={"till-difference:1": 5_000, "float:1": -5_000},
        )
    asked = [
        request_write_off(
            account_code="till-difference:1", amount_sen=amount, reason="x", requested_by=one, now=town.now
        )
        for amount in (5_000, 4_000)
    ]
    for each in asked:
        decide_approval(approval_id=each.pk, approve=True, decided_by=two, now=town.now)
    write_off(approval_id=asked[0].pk, actor="login:2", now=town.now)
    with pytest.raises(AmountTooHigh):
        write_off(approval_id=asked[1].pk, actor="login:2", now=town.now)
    assert balances()["pln:write_off"] == 5_000
