"""The host's verbs: one PLN reference, one token; refused means that nothing moved; late and twice changes nothing."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from tests.flows.house import House, Town

from duaarah.audit.models import AuditRecord
from duaarah.registry.models import Pairing
from duaarah.vending.models import Channel, Deposit, LedgerLine, Payment, Token, Vend
from duaarah.vending.operations import fill_deposit, set_channel_terms
from duaarah.vending.operations.ppob import (
    Caller,
    Gate,
    NotUnsold,
    PPOBRefused,
    Receipt,
    Said,
    admit,
    advise,
    inquire,
    inquire_postpaid,
    inquire_registration,
    keep_unsold,
    new_partner,
    pay_postpaid,
    pay_registration,
    purchase,
    reverse,
    set_partner_state,
)
from duaarah.vending.operations.ppob.inquiry import Found
from duaarah.vending.operations.ppob.sale import Named
from duaarah.vending.operations.settlement import settle
from duaarah.vending.operations.top_up import take_payment
from duaarah.vending.ports import Refused, TokenRequest, Unknown
from duaarah.vending.ppob_models import BillPayment, PostpaidBill, PPOBInquiry, PPOBPartner, Registration, UnsoldToken

pytestmark = pytest.mark.slow
ADMIN_IDR = 2_500
FILLED_IDR = 5_000_000


class Counter:
    """A source that says what it was asked; `says` replaces its answers."""

    def __init__(self, source: Any) -> None:
        self._source, self.asked, self.says = source, [], None

    def obtain(self, request: TokenRequest) -> Any:
        self.asked.append(request)
        return self.says or self._source.obtain(request)


class Bank:
    """One partner and what it says."""

    def __init__(self, town: Town, code: str = "PYLP001", filled_idr: int = FILLED_IDR, products: Any = None) -> None:
        self.town, self.code = town, code
        self.partner = new_partner(
            code=code,
            name="Bank Contoh",
            banks=["4510017"],
            switchers=[],
            products=products or ["501", "502", "504"],
            networks=[],
            access=None,
            actor="t",
            now=town.now,
        )
        self.source = Counter(town.source)
        channel = self.partner.channel
        set_channel_terms(
            channel=channel,
            from_date=dt.date(2026, 1, 1),
            admin_idr=ADMIN_IDR,
            commission_idr=1_000,
            actor="t",
            now=town.now,
        )
        if filled_idr:
            fill_deposit(channel=channel, amount_idr=filled_idr, reference=f"f-{code}", actor="t", now=town.now)

    @property
    def balance_idr(self) -> int:
        return Deposit.objects.get(channel=self.partner.channel).balance_sen // 100

    def gate(self, phase: str, product: str = "502", **said: str) -> Gate:
        caller = Caller(**{"partner": self.code, "switcher": self.code, "bank": "4510017", "product": product, **said})
        return admit(caller, phase=phase, now=self.town.now)

    def inquire(self, house: House, *, by_idpel: bool = False) -> Found:
        assert house.meter.customer is not None
        number = house.meter.customer.idpel if by_idpel else house.meter.drn
        return inquire(gate=self.gate("inquiry"), number=number, by_idpel=by_idpel, now=self.town.now)

    def named(self, found: Found) -> Named:
        return Named(
            pln_ref=found.pln_ref,
            switcher_ref=found.switcher_ref,
            meter_no=found.customer.meter_no,
            idpel=found.customer.idpel,
        )

    def buy(self, found: Found, amount_idr: int = 100_000, **said: Any) -> Receipt:
        return purchase(
            **{
                "gate": self.gate("purchase"),
                "named": self.named(found),
                "amount_idr": amount_idr,
                "admin_idr": ADMIN_IDR,
                "option": "0",
                "token_source": self.source,
                "now": self.town.now,
                **said,
            }
        )

    def advise(self, found: Found, amount_idr: int = 100_000, **said: Any) -> Receipt:
        return advise(
            **{
                "gate": self.gate("advice"),
                "named": self.named(found),
                "amount_idr": amount_idr,
                "token_source": self.source,
                "now": self.town.now,
                **said,
            }
        )


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


@pytest.fixture
def bank(town: Town) -> Bank:
    return Bank(town)


@pytest.fixture
def house(town: Town) -> House:
    """A meter that does not talk."""
    made = town.house(wallet_idr=0)
    Pairing.objects.filter(meter=made.meter).delete()
    return made


def balances() -> dict[str, int]:
    found: dict[str, int] = {}
    for code, amount in LedgerLine.objects.values_list("account__code", "amount_sen"):
        found[code] = found.get(code, 0) + amount
    assert sum(found.values()) == 0
    return {code: amount for code, amount in found.items() if amount}


def refused(code: str, verb: Any, *args: Any, **said: Any) -> None:
    """The verb answers this code and moves nothing."""
    before = balances(), Payment.objects.count(), Vend.objects.count(), Token.objects.count()
    with pytest.raises(PPOBRefused) as caught:
        verb(*args, **said)
    assert caught.value.response == code
    assert (balances(), Payment.objects.count(), Vend.objects.count(), Token.objects.count()) == before


# -- prepaid -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_idpel", [False, True])
def test_inquiry_purchase_and_advice_give_one_token(bank: Bank, house: House, by_idpel: bool) -> None:
    found = bank.inquire(house, by_idpel=by_idpel)
    assert (len(found.pln_ref), len(found.switcher_ref), found.max_kwh, found.admin_idr) == (32, 32, 936, ADMIN_IDR)
    assert (found.customer.meter_no, found.customer.contracted_va) == (house.meter.drn, 1300)
    first = bank.buy(found)
    assert bank.buy(found) == bank.advise(found) == bank.advise(found) == first
    assert (len(first.digits), len(bank.source.asked), Token.objects.count()) == (20, 1, 1)
    parts = first.stamp_sen + first.ppn_sen + first.ppj_sen + first.instalment_sen + first.stroom_sen
    assert parts == 10_000_000
    assert bank.balance_idr == FILLED_IDR - 100_000 - ADMIN_IDR
    assert bank.inquire(house).max_kwh == (936_000 - first.energy_wh) // 1000
    assert "vending:pending" not in balances()


def test_what_differs_from_the_inquiry_is_refused(bank: Bank, house: House, town: Town) -> None:
    found, other = bank.inquire(house), Bank(town, "PYLP002")
    named = bank.named(found)
    for code, change in (
        ("0098", {"pln_ref": "0" * 32}),
        ("0092", {"switcher_ref": "0" * 32}),
        ("0097", {"meter_no": "0" * 11}),
        ("0097", {"idpel": "1" * 12}),
    ):
        said = {name: getattr(named, name) for name in ("pln_ref", "switcher_ref", "meter_no", "idpel")} | change
        refused(code, bank.buy, found, named=Named(**said))
        refused(code, bank.advise, found, named=Named(**said))
    refused("0098", other.buy, found)
    refused("0045", bank.buy, found, admin_idr=0)
    refused("0041", bank.buy, found, 19_999)
    refused("0042", bank.buy, found, 1_000_001)
    refused("0013", bank.buy, found, 30_000)
    bank.buy(found)
    refused("0097", bank.buy, found, 50_000)
    refused("0097", bank.advise, found, 50_000)
    refused("0097", bank.buy, found, option="1")


def test_in_the_cut_off_window_nothing_new_is_sold_and_what_was_sold_is_said_again(
    bank: Bank, house: House, town: Town
) -> None:
    paid, new = bank.inquire(house), bank.inquire(house)
    sold = bank.buy(paid)
    town.now = town.now.replace(hour=23, minute=30)
    refused("0090", bank.buy, new)
    refused("0090", bank.inquire, house)
    # The first answer was lost: a refusal would make the bank give the customer's money back.
    assert bank.buy(paid) == bank.advise(paid) == sold


def test_a_prepaid_purchase_has_no_reversal(bank: Bank, house: House, town: Town) -> None:
    found = bank.inquire(house)
    sold = bank.buy(found)
    refused(
        "0030",
        reverse,
        gate=bank.gate("reversal"),
        product="502",
        pln_ref=found.pln_ref,
        number=found.customer.meter_no,
        original=Said(trace="1", sent="20260216080000", bank="4510017"),
        amount_idr=100_000,
        now=town.now,
    )
    assert bank.advise(found) == sold


def test_an_old_inquiry_is_not_paid_any_more(bank: Bank, house: House, town: Town) -> None:
    found = bank.inquire(house)
    town.now += dt.timedelta(days=1, seconds=1)
    refused("0098", bank.buy, found)


def test_the_cap_of_the_month_counts_what_was_bought_anywhere(bank: Bank, house: House, town: Town) -> None:
    sold_wh = 0
    while True:
        found = bank.inquire(house)
        assert found.max_kwh == (936_000 - sold_wh) // 1000
        if sold_wh + 672_000 > 936_000:
            break
        sold_wh += bank.buy(found, 1_000_000).energy_wh
    assert sold_wh == 672_000
    refused("0047", bank.buy, found, 1_000_000)
    assert AuditRecord.objects.filter(refused=True, code="month_cap").count() == 1
    town.now = town.now.replace(day=1, month=3, hour=0, minute=5) + dt.timedelta(hours=1)
    assert bank.inquire(house).max_kwh == 936


def test_two_purchases_of_one_meter_at_once_do_not_pass_the_cap(bank: Bank, house: House) -> None:
    bought, start = [], threading.Barrier(3)
    said = [bank.inquire(house) for _ in range(3)]

    def buy(found: Found) -> None:
        try:
            start.wait(30)
            bought.append(bank.buy(found, 1_000_000))
        except PPOBRefused as error:
            bought.append(error.response)
        finally:
            connection.close()

    threads = [threading.Thread(target=buy, args=(found,)) for found in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(type(one).__name__) if not isinstance(one, str) else one for one in bought) == [
        "0047",
        "0047",
        "Receipt",
    ]


def test_the_same_purchase_twice_at_once_is_one(bank: Bank, house: House) -> None:
    found, start, said = bank.inquire(house), threading.Barrier(4), []

    def buy() -> None:
        try:
            start.wait(30)
            said.append(bank.buy(found).digits)
        except PPOBRefused as error:
            said.append(error.response)
        finally:
            connection.close()

    threads = [threading.Thread(target=buy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    digits = Token.objects.get().digits
    assert set(said) <= {digits, "0068"} and digits in said
    assert bank.balance_idr == FILLED_IDR - 100_000 - ADMIN_IDR


def test_an_empty_deposit(town: Town, house: House) -> None:
    bank = Bank(town, filled_idr=102_499)
    refused("0046", bank.buy, bank.inquire(house))
    assert AuditRecord.objects.filter(refused=True, code="deposit_too_low").count() == 1


def test_unknown_holds_the_money_and_the_advice_brings_the_token(bank: Bank, house: House) -> None:
    found = bank.inquire(house)
    bank.source.says = Unknown("the module is away")
    for verb in (bank.buy, bank.buy, bank.advise):
        with pytest.raises(PPOBRefused) as caught:
            verb(found)
        assert caught.value.response == "0068"
    assert (Payment.objects.count(), bank.balance_idr) == (1, FILLED_IDR - 100_000 - ADMIN_IDR)
    assert balances()["vending:pending"] == -(100_000 + ADMIN_IDR) * 100
    bank.source.says = None
    assert bank.advise(found) == bank.buy(found)
    assert len({(r.tid, r.rnd, r.request_id) for r in bank.source.asked}) == 1


def test_refused_by_the_source_the_money_is_back_and_the_advice_says_so(bank: Bank, house: House) -> None:
    found = bank.inquire(house)
    bank.source.says = Refused("no_key", "There is none.")
    for verb in (bank.buy, bank.advise, bank.buy):
        with pytest.raises(PPOBRefused) as caught:
            verb(found)
        assert caught.value.response == "0063"
    assert bank.balance_idr == FILLED_IDR and Token.objects.count() == 0


def test_an_advice_before_its_purchase_makes_the_purchase_impossible(bank: Bank, house: House) -> None:
    found = bank.inquire(house)
    for _ in range(2):
        refused("0063", bank.advise, found)
    refused("0098", bank.buy, found)
    assert AuditRecord.objects.filter(verb="vending.ppob_void").count() == 1


def test_a_void_that_comes_between_check_and_payment(bank: Bank, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    found = bank.inquire(house)

    def late(**said: Any) -> Any:
        with pytest.raises(PPOBRefused):
            bank.advise(found)
        return take_payment(**said)

    monkeypatch.setattr(sys.modules["duaarah.vending.operations.ppob.purchase"], "take_payment", late)
    refused("0098", bank.buy, found)
    assert AuditRecord.objects.filter(refused=True, code="inquiry_void").count() == 1


def test_a_number_is_blocked_after_four_inquiries_without_a_purchase(bank: Bank, house: House, town: Town) -> None:
    for _ in range(3):
        bank.inquire(house)
    bank.buy(bank.inquire(house))
    for _ in range(4):
        found = bank.inquire(house)
    refused("0016", bank.inquire, house)
    # Who inquired before may still buy, and that ends the row.
    bank.buy(found)
    for _ in range(4):
        bank.inquire(house)
    refused("0016", bank.inquire, house)
    town.now += dt.timedelta(seconds=3_601)
    bank.inquire(house)


def test_an_unknown_number(bank: Bank) -> None:
    for by_idpel in (False, True):
        with pytest.raises(PPOBRefused) as caught:
            inquire(gate=bank.gate("inquiry"), number="99999999999", by_idpel=by_idpel, now=bank.town.now)
        assert caught.value.response == "0014"


# -- unsold tokens -----------------------------------------------------------------------------------------------------


def keep(bank: Bank, found: Found) -> UnsoldToken:
    return keep_unsold(
        channel=bank.partner.channel,
        reference=f"ppob:{found.pln_ref}",
        reason="The customer left.",
        actor="login:1",
        now=bank.town.now,
    )


def test_an_unsold_token_returns_the_money_and_is_sold_again(bank: Bank, house: House, town: Town) -> None:
    before, first = balances(), bank.inquire(house)
    receipt = bank.buy(first)
    keep(bank, first)
    assert balances() == before and bank.balance_idr == FILLED_IDR
    for verb in (bank.advise, bank.buy):
        refused("0063", verb, first)
    other = Bank(town, "PYLP002")
    found = other.inquire(house)
    assert found.unsold_idr == (100_000,) and found.max_kwh == 936
    refused("0013", other.buy, found, 50_000, option="1")
    again = other.buy(found, option="1")
    assert (again.digits, again.option, again.energy_wh) == (receipt.digits, "1", receipt.energy_wh)
    assert other.buy(found, option="1") == other.advise(found) == again
    assert other.balance_idr == FILLED_IDR - 100_000 - ADMIN_IDR and bank.balance_idr == FILLED_IDR
    # The first buyer's reference stays without a token.
    refused("0063", bank.advise, first)
    assert len(bank.source.asked) + len(other.source.asked) == 1
    assert other.inquire(house).unsold_idr == ()
    keep(other, found)
    refused("0063", other.advise, found)
    assert other.balance_idr == FILLED_IDR
    third = bank.inquire(house)
    assert bank.buy(third, option="1").digits == receipt.digits


def test_what_was_handed_out_is_not_taken_back(bank: Bank, house: House, town: Town) -> None:
    talks, nothing = town.house(wallet_idr=0), bank.inquire(house)
    sent = bank.inquire(talks)
    bank.buy(sent)
    before = balances()
    for found, code in ((sent, "handed_out"), (nothing, "no_payment")):
        with pytest.raises(NotUnsold) as caught:
            keep(bank, found)
        assert caught.value.code == code
        assert AuditRecord.objects.filter(refused=True, code=code).count() == 1
    assert balances() == before


def test_an_unsold_token_of_another_key_is_not_offered(bank: Bank, house: House) -> None:
    found = bank.inquire(house)
    bank.buy(found)
    keep(bank, found)
    type(house.meter).objects.filter(pk=house.meter.pk).update(krn=2)
    again = bank.inquire(house)
    assert again.unsold_idr == ()
    refused("0013", bank.buy, again, option="1")


# -- bills -------------------------------------------------------------------------------------------------------------


def registration(**said: Any) -> Registration:
    return Registration.objects.create(
        **{
            "number": "5351126110001",
            "kind": "PB",
            "transaction_name": "PEMASANGAN BARU",
            "registered_date": dt.date(2026, 2, 1),
            "expires_date": dt.date(2026, 2, 20),
            "idpel": "531000000018",
            "name": "CONTOH PELANGGAN",
            "unit": "53511",
            "details_idr": [1_200_000, 18_000],
            **said,
        }
    )


SAID = Said(trace="000000000043", sent="20260216080000", bank="4510017")


def pay(bank: Bank, found: Any, amount_idr: int = 1_218_000, said: Said = SAID) -> Any:
    return pay_registration(
        gate=bank.gate("purchase", "504"),
        pln_ref=found.pln_ref,
        switcher_ref=found.switcher_ref,
        number=found.registration.number,
        amount_idr=amount_idr,
        said=said,
        now=bank.town.now,
    )


def ask(bank: Bank, number: str = "5351126110001") -> Any:
    return inquire_registration(
        gate=bank.gate("inquiry", "504"), number=number, transaction_code="000", now=bank.town.now
    )


def take_back(bank: Bank, found: Any, original: Said = SAID, amount_idr: int = 1_218_000) -> None:
    reverse(
        gate=bank.gate("reversal", "504"),
        product="504",
        pln_ref=found.pln_ref,
        number=found.registration.number,
        original=original,
        amount_idr=amount_idr,
        now=bank.town.now,
    )


def test_a_connection_fee_is_paid_once_and_taken_back_once(bank: Bank) -> None:
    registration()
    before, found = balances(), ask(bank)
    assert (found.total_idr, found.admin_idr) == (1_218_000, ADMIN_IDR)
    refused("0013", pay, bank, found, 1_218_001)
    for _ in range(2):
        pay(bank, found)
    assert bank.balance_idr == FILLED_IDR - 1_218_000 - ADMIN_IDR
    assert balances()["pln:bp"] == -121_800_000
    refused("0088", ask, bank)
    for code, said in (
        ("0092", {"original": Said(trace="1", sent=SAID.sent, bank=SAID.bank)}),
        ("0097", {"amount_idr": 1}),
    ):
        refused(code, take_back, bank, found, **said)
    take_back(bank, found)
    assert balances() == before and bank.balance_idr == FILLED_IDR
    refused("0094", take_back, bank, found)
    refused("0094", pay, bank, found)
    pay(bank, ask(bank))
    assert BillPayment.objects.filter(reversed_at=None).count() == 1


def test_two_inquiries_of_one_bill_pay_it_once(bank: Bank) -> None:
    registration()
    first, second = ask(bank), ask(bank)
    pay(bank, first)
    refused("0088", pay, bank, second)


def test_a_reversal_that_overtakes_its_payment(bank: Bank) -> None:
    registration()
    found = ask(bank)
    refused("0063", take_back, bank, found)
    assert PPOBInquiry.objects.get(pln_ref=found.pln_ref).voided_at is not None
    refused("0094", pay, bank, found)


def test_a_settled_payment_stands(bank: Bank, town: Town) -> None:
    registration()
    found = ask(bank)
    pay(bank, found)
    settle(channel=bank.partner.channel, day_date=town.now.date(), now=town.now + dt.timedelta(days=1))
    refused("0012", take_back, bank, found)


@pytest.mark.parametrize(
    ("code", "said"),
    [("0048", {"expires_date": dt.date(2026, 2, 15)}), ("0083", {"counter_only": True})],
)
def test_a_registration_that_cannot_be_paid_here(bank: Bank, code: str, said: dict[str, Any]) -> None:
    registration(**said)
    refused(code, ask, bank)
    refused("0015", ask, bank, "9999999999999")


def test_postpaid_months_oldest_first(bank: Bank) -> None:
    for period in ("202601", "202512", "202602"):
        PostpaidBill.objects.create(
            idpel="531000000018",
            period=period,
            name="CONTOH",
            unit="53511",
            segment="R1",
            contracted_va=1300,
            due_date=dt.date(2026, 2, 20),
            read_date=dt.date(2026, 2, 1),
            bill_idr=200_000,
            penalty_idr=3_000,
            reads=[1, 2, 0, 0, 0, 0],
        )
    gate = bank.gate("inquiry", "501")
    found = inquire_postpaid(gate=gate, idpel="531000000018", now=bank.town.now)
    assert [bill.period for bill in found.bills] == ["202512", "202601", "202602"]

    def settle_months(periods: list[str], amount_idr: int) -> None:
        pay_postpaid(
            gate=bank.gate("purchase", "501"),
            reference=found.reference,
            idpel="531000000018",
            periods=periods,
            amount_idr=amount_idr,
            said=SAID,
            now=bank.town.now,
        )

    refused("0013", settle_months, ["202601"], 203_000)
    refused("0013", settle_months, ["202512", "202601"], 406_001)
    refused("0088", settle_months, ["202512", "202503"], 406_000)
    for _ in range(2):
        settle_months(["202512", "202601"], 406_000)
    assert bank.balance_idr == FILLED_IDR - 406_000 - 2 * ADMIN_IDR
    assert balances()["pln:postpaid"] == -40_600_000
    assert PostpaidBill.objects.filter(paid=None).count() == 1
    reverse(
        gate=bank.gate("reversal", "501"),
        product="501",
        pln_ref=found.reference,
        number="531000000018",
        original=SAID,
        amount_idr=406_000,
        now=bank.town.now,
    )
    assert bank.balance_idr == FILLED_IDR and PostpaidBill.objects.filter(paid=None).count() == 3


# -- who may -----------------------------------------------------------------------------------------------------------


def test_who_may_ask_for_what_and_when(bank: Bank, town: Town) -> None:
    def code(phase: str = "inquiry", product: str = "502", **said: str) -> str:
        try:
            bank.gate(phase, product, **said)
        except PPOBRefused as error:
            return error.response
        return "0000"

    assert code() == "0000"
    assert code(partner="PYLP009") == "0032"
    assert code(switcher="PYLP009") == "0032"
    assert code(bank="1") == "0031"
    assert code(product="503") == "0033"
    set_partner_state(code="PYLP001", blocked=True, reason="r", actor="t", now=town.now)
    assert code() == code("network") == code("advice") == "0006"
    set_partner_state(code="PYLP001", blocked=False, reason="r", actor="t", now=town.now)
    PPOBPartner.objects.update(access_from=dt.time(8, 30), access_until=dt.time(17))
    assert code() == "0008"
    PPOBPartner.objects.update(access_from=dt.time(22), access_until=dt.time(8, 1))
    assert code() == "0000"
    PPOBPartner.objects.update(access_from=None, access_until=None)
    Channel.objects.update(active=False)
    assert code() == "0009"
    Channel.objects.update(active=True)
    for at, said in (((23, 29, 59), "0000"), ((23, 30, 0), "0090"), ((0, 29, 59), "0090"), ((0, 30, 0), "0000")):
        town.now = town.now.replace(hour=at[0], minute=at[1], second=at[2])
        assert (code(), bank.gate("purchase").cut_off) == (said, said == "0090")
        assert code("advice") == code("reversal") == code("network") == "0000"


def test_a_partner_that_cannot_be(town: Town, bank: Bank) -> None:
    from duaarah.vending.operations.ppob import PartnerRefused

    said = {"name": "x", "banks": [], "switchers": [], "products": ["502"], "networks": [], "access": None}
    for wrong in ({"code": "PYLP001"}, {"code": "SHORT"}, {"products": ["503"]}, {"networks": ["nowhere"]}):
        with pytest.raises(PartnerRefused):
            new_partner(**{"code": "PYLP003", **said, **wrong}, actor="t", now=town.now)
    assert PPOBPartner.objects.count() == 1
    assert AuditRecord.objects.filter(refused=True, verb="vending.new_partner").count() == 4
