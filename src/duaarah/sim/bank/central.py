# SPDX-License-Identifier: Apache-2.0
"""
The books of the P2APST double: customers, registrations and bills, and what was sold under which reference.

Pure: messages in, messages out; time is what field 12 says. It remembers a sale by partner, trace number and time, so
that the same request and every advice about it bring the same token. Its memory is the process's: a restart forgets.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from duaarah.core.sts import DecoderKey, issue_electricity_credit, tid_at, tid_not_reserved
from duaarah.sim.bank.atm import PBJT_FACTOR, energy_for
from duaarah.sim.bank.notify import BankError
from duaarah.sim.town.world import TownMeter, World

NOMINAL_MIN_IDR, NOMINAL_MAX_IDR, NOMINAL_STEP_IDR = 20_000, 50_000_000, 1_000
ADMIN_SEN = 250_000
CURRENCY = "360"
HOURS_OF_CAP = 720
UNSOLD_MAX = 9
_SEN = 100
_WH_PER_STEP = 100


class Refusal(Exception):
    """A response code other than 0000."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Customer:
    """A prepaid customer and his meter's key, which never leaves."""

    meter: TownMeter
    key: DecoderKey = field(repr=False)
    latest_tid: int = -1
    unsold_idr: list[int] = field(default_factory=list)
    sold_wh: dict[str, int] = field(default_factory=dict)

    @property
    def max_kwh(self) -> int:
        """720 hours of the contracted power."""
        return self.meter.contracted_va * HOURS_OF_CAP // 1000


@dataclass
class Debt:
    """A registration (non-taglis) or an IDPEL's bills (postpaid). `paid_as` is the reference of its payment."""

    number: str
    name: str
    idpel: str
    transaction_name: str
    bills_idr: list[int]
    paid_as: tuple[str, ...] | None = None
    settled: bool = False

    @property
    def total_idr(self) -> int:
        return sum(self.bills_idr)


@dataclass
class Sale:
    """One purchase as it was asked for and answered. `digits` are worth money: they are not printed."""

    asked: dict[str, Any] = field(repr=False)
    private: dict[str, Any] = field(repr=False)
    unsold: dict[str, Any] = field(repr=False)
    drn: str
    nominal_idr: int
    energy_wh: int
    tid: int
    digits: str = field(repr=False)


@dataclass
class Central:
    """`deposit_idr` None: no limit. `purchases` counts what was sold, not what was asked."""

    customers: dict[str, Customer]
    debts: dict[str, Debt] = field(default_factory=dict)
    sales: dict[tuple[str, ...], Sale] = field(default_factory=dict, repr=False)
    references: dict[str, str] = field(default_factory=dict, repr=False)
    reversed: set[tuple[str, ...]] = field(default_factory=set)
    deposit_idr: dict[str, int] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    cut_off: bool = False

    # -- prepaid -------------------------------------------------------------------------------------------------------

    def inquire(self, fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Fields 48 and 62 of the answer. Raises Refusal."""
        asked = fields["48"]
        customer = self._customer(asked["id_flag"], asked["meter_no"], asked["idpel"])
        reference = _digest("pln", *key_of(fields), customer.meter.drn)[:32]
        self.references[reference] = customer.meter.drn
        switcher_ref = f"SW{asked['switcher_id']}{fields['12'][:8]}" + _digest("switcher", *key_of(fields))
        meter = customer.meter
        private = {
            "switcher_id": asked["switcher_id"],
            "meter_no": meter.drn,
            "idpel": meter.idpel,
            "id_flag": asked["id_flag"],
            "pln_ref": reference,
            "switcher_ref": switcher_ref[:32],
            "name": meter.holder.name.upper()[:25].ljust(25),
            "segment": meter.tariff_group.replace("-", "")[:4].ljust(4),
            "daya": f"{meter.contracted_va:09d}",
            "admin": amount(ADMIN_SEN, 10),
        }
        return private, self._unsold(customer)

    def purchase(self, fields: dict[str, Any]) -> Sale:
        """The sale, new or the one that this reference had before. Raises Refusal."""
        key = key_of(fields)
        before = self.sales.get(key)
        if before is not None:
            if _request_of(fields) != _request_of(before.asked):
                raise Refusal("0092")
            return before
        asked = fields["48"]
        customer = self._customer(asked["id_flag"], asked["meter_no"], asked["idpel"])
        if self.references.get(asked["pln_ref"]) != customer.meter.drn:
            raise Refusal("0098")
        if asked["admin"] != amount(ADMIN_SEN, 10):
            raise Refusal("0045")
        nominal_idr = nominal_of(fields["4"])
        energy_wh = self._priced(customer, nominal_idr, fields["12"][:6])
        self._pay(fields["33"], nominal_idr)
        sale = self._sell(customer, nominal_idr, energy_wh, fields)
        self.sales[key] = sale
        return sale

    def advise(self, fields: dict[str, Any]) -> Sale:
        """What became of a purchase. Raises Refusal: 0063 there was none, 0098 another PLN reference, 0097 another sum."""
        sale = self.sales.get(key_of(fields))
        if sale is None:
            raise Refusal("0063")
        if fields["48"]["pln_ref"] != sale.private["pln_ref"]:
            raise Refusal("0098")
        if nominal_of(fields["4"]) != sale.nominal_idr:
            raise Refusal("0097")
        return sale

    def _customer(self, id_flag: str, meter_no: str, idpel: str) -> Customer:
        if id_flag == "0":
            found = self.customers.get(meter_no)
        else:
            found = next((one for one in self.customers.values() if one.meter.idpel == idpel), None)
        if found is None:
            raise Refusal("0014")
        return found

    def _priced(self, customer: Customer, nominal_idr: int, month: str) -> int:
        """Wh that the nominal buys. Raises Refusal: too little, too much, no denomination, above the month's cap."""
        if nominal_idr < NOMINAL_MIN_IDR:
            raise Refusal("0041")
        if nominal_idr > NOMINAL_MAX_IDR:
            raise Refusal("0042")
        if nominal_idr % NOMINAL_STEP_IDR:
            raise Refusal("0013")
        try:
            energy_wh = energy_for(nominal_idr, customer.meter)
        except BankError:
            raise Refusal("0013") from None
        if customer.sold_wh.get(month, 0) + energy_wh > customer.max_kwh * 1000:
            raise Refusal("0047")
        return energy_wh

    def _pay(self, partner: str, amount_idr: int) -> None:
        left_idr = self.deposit_idr.get(partner)
        if left_idr is not None:
            if left_idr < amount_idr:
                raise Refusal("0046")
            self.deposit_idr[partner] = left_idr - amount_idr

    def _sell(self, customer: Customer, nominal_idr: int, energy_wh: int, fields: dict[str, Any]) -> Sale:
        meter, asked = customer.meter, fields["48"]
        tid = tid_at(local_time(fields["12"]), meter.sts.base_date)
        if tid <= customer.latest_tid:
            tid = tid_not_reserved(customer.latest_tid + 1)
        rnd = int(_digest("rnd", *key_of(fields))[0], 16)
        token = issue_electricity_credit(customer.key, energy_wh=energy_wh, tid=tid, rnd=rnd, ken=meter.sts.ken)
        customer.latest_tid = tid
        month = fields["12"][:6]
        customer.sold_wh[month] = customer.sold_wh.get(month, 0) + token.encoded_wh
        if asked["option"] == "1" and nominal_idr in customer.unsold_idr:
            customer.unsold_idr.remove(nominal_idr)
        nominal_sen = nominal_idr * _SEN
        stroom_sen = int((nominal_sen / PBJT_FACTOR).quantize(Decimal(1), ROUND_HALF_UP))
        same = ("switcher_id", "meter_no", "idpel", "id_flag", "pln_ref", "switcher_ref")
        customer_data = ("name", "segment", "daya", "option", "admin")
        private = {
            **{name: asked[name] for name in same},
            "receipt_no": _digest("receipt", *key_of(fields))[:8],
            **{name: asked[name] for name in customer_data},
            "stamp": amount(0, 10),
            "ppn": amount(0, 10),
            "ppj": amount(nominal_sen - stroom_sen, 10),
            "angsuran": amount(0, 10),
            "power_purchase": amount(stroom_sen, 12),
            "kwh": {"minor": "1", "value": f"{token.encoded_wh // _WH_PER_STEP:010d}"},
            "token": token.digits,
        }
        unsold = self._unsold(customer)
        return Sale(fields, private, unsold, meter.drn, nominal_idr, token.encoded_wh, tid, token.digits)

    def _unsold(self, customer: Customer) -> dict[str, Any]:
        return {
            "distribution": customer.meter.idpel[:2],
            "unit": customer.meter.idpel[:5],
            "phone": "123".ljust(15),
            "max_kwh": f"{customer.max_kwh:05d}",
            "unsold": [f"{nominal_idr:011d}" for nominal_idr in customer.unsold_idr[:UNSOLD_MAX]],
        }

    # -- registrations and bills ---------------------------------------------------------------------------------------

    def debt(self, number: str) -> Debt:
        """An unpaid debt. Raises Refusal: 0015 there is none, 0088 it was paid."""
        found = self.debts.get(number)
        if found is None:
            raise Refusal("0015")
        if found.paid_as is not None:
            raise Refusal("0088")
        return found

    def settle_debt(self, number: str, fields: dict[str, Any]) -> Debt:
        """Pay it, or find it paid by this same request. Raises Refusal."""
        found, key = self.debts.get(number), key_of(fields)
        if found is not None and found.paid_as == key:
            return found
        found = self.debt(number)
        if nominal_of(fields["4"]) != found.total_idr:
            raise Refusal("0013")
        self._pay(fields["33"], found.total_idr)
        found.paid_as = key
        return found

    def reverse(self, number: str, fields: dict[str, Any]) -> Debt:
        """Undo the payment that field 56 names. Raises Refusal: 0063 no such payment, 0094 done before, 0012 settled."""
        found = self.debts.get(number)
        original = fields["56"]
        key = (fields["33"], original[4:16], original[16:30])
        if found is not None and key in self.reversed:
            raise Refusal("0094")
        if found is None or found.paid_as != key or original[:4] != "2200":
            raise Refusal("0063")
        if found.settled:
            raise Refusal("0012")
        found.paid_as = None
        self.reversed.add(key)
        if fields["33"] in self.deposit_idr:
            self.deposit_idr[fields["33"]] += found.total_idr
        return found


def central_of(world: World, debts: Iterable[Debt] = ()) -> Central:
    """The town's meters as P2APST's customers; tokens are made with the keys those meters left the factory with."""
    customers = {meter.drn: Customer(meter, world.decoder_key(meter)) for meter in world.meters}
    return Central(customers, {debt.number: debt for debt in debts})


def amount(value: int, width: int) -> dict[str, str]:
    """An amount with two decimals implied."""
    return {"minor": "2", "value": f"{value:0{width}d}"}


def key_of(fields: dict[str, Any]) -> tuple[str, ...]:
    """A request's reference: partner, trace number, local time."""
    return fields["33"], fields["11"], fields["12"]


def nominal_of(text: str) -> int:
    """Whole rupiah of field 4. Raises Refusal 0013."""
    minor, value = int(text[3]), int(text[4:])
    if text[:3] != CURRENCY or value % 10**minor:
        raise Refusal("0013")
    return value // 10**minor


def local_time(text: str) -> dt.datetime:
    """Field 12 as a naive local instant. Raises Refusal 0030."""
    try:
        return dt.datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - WIB by definition
    except ValueError:
        raise Refusal("0030") from None


def _request_of(fields: dict[str, Any]) -> tuple[Any, ...]:
    return fields["2"], fields["4"], fields["48"]


def _digest(*words: str) -> str:
    return hashlib.sha256("|".join(words).encode()).hexdigest().upper()
