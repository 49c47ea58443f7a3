# SPDX-License-Identifier: Apache-2.0
"""The host's answers as fields of PLN's messages, and what its requests say: widths, minor units, padding."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from duaarah.vending.operations.ppob import (
    Customer,
    Found,
    PostpaidFound,
    PPOBRefused,
    Receipt,
    RegistrationFound,
    Said,
)
from duaarah.vending.operations.ppob.codes import BAD_MESSAGE
from duaarah.vending.ppob_models import PostpaidBill

Fields = dict[str, Any]
CURRENCY = "360"
_SEN_MINOR = "2"
_FIELD_56 = (4, 12, 14, 7)


def bad(reason: str) -> PPOBRefused:
    """A message that says nothing possible."""
    return PPOBRefused(BAD_MESSAGE, reason)


# -- what requests say -------------------------------------------------------------------------------------------------


def amount_idr(field_4: str) -> int:
    """Whole rupiah of field 4: currency 360, the minor unit, 12 digits. Raises PPOBRefused 0030."""
    if field_4[:3] != CURRENCY:
        raise bad("The currency is not rupiah.")
    return _whole_idr(field_4[3], field_4[4:])


def whole_idr(amount: Any) -> int:
    """Whole rupiah of an amount in field 48. Raises PPOBRefused 0030."""
    return _whole_idr(amount["minor"], amount["value"])


def _whole_idr(minor: str, value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise bad("An amount is no number.")
    whole, part = divmod(int(value), 10 ** int(minor))
    if part:
        raise bad("An amount has parts of a rupiah.")
    return whole


def check_time(field_12: str) -> None:
    """Raises PPOBRefused 0030 for what is no local time."""
    try:
        dt.datetime.strptime(field_12, "%Y%m%d%H%M%S")  # noqa: DTZ007 - local time, only its form is looked at
    except ValueError:
        raise bad("Field 12 is no time.") from None


def said(fields: Fields) -> Said:
    """What names this request."""
    return Said(trace=fields["11"], sent=fields["12"], bank=_bank(fields["32"]))


def _bank(code: str) -> str:
    """As field 56 writes it: 7 characters."""
    return code.rjust(_FIELD_56[3], "0")[: _FIELD_56[3]]


def original(field_56: str) -> Said:
    """The payment that a reversal names: MTI, trace, time, bank. Raises PPOBRefused 0030."""
    if len(field_56) != sum(_FIELD_56):
        raise bad("Field 56 has not its 37 characters.")
    mti, rest = field_56[:4], field_56[4:]
    if mti != "2200":
        raise bad("Field 56 names no payment.")
    return Said(trace=rest[:12], sent=rest[12:26], bank=_bank(rest[26:]))


def periods(private: Fields) -> list[str]:
    """The months that a postpaid payment pays: the first of those it shows, as many as its status says."""
    shown = [bill["period"] for bill in private["bills"]]
    status = private.get("payment_status", "")
    return shown[: int(status)] if status.isdigit() and 0 < int(status) < len(shown) else shown


# -- what answers say --------------------------------------------------------------------------------------------------


def sen(value: int, width: int) -> dict[str, str]:
    """An amount in 1/100 rupiah."""
    return {"minor": _SEN_MINOR, "value": f"{value:0{width}d}"}


def text(value: str, width: int) -> str:
    """Padded to its width; what a printer of the channel may not know is a question mark."""
    return value.encode("ascii", "replace").decode("ascii")[:width].ljust(width)


def _customer(switcher: str, id_flag: str, customer: Customer, pln_ref: str, switcher_ref: str) -> Fields:
    return {
        "switcher_id": switcher,
        "meter_no": customer.meter_no,
        "idpel": customer.idpel,
        "id_flag": id_flag,
        "pln_ref": pln_ref,
        "switcher_ref": switcher_ref,
    }


def _described(customer: Customer) -> Fields:
    return {
        "name": text(customer.name.upper(), 25),
        "segment": text(customer.segment.replace("-", ""), 4),
        "daya": f"{customer.contracted_va:09d}",
    }


def prepaid_found(found: Found, asked: Fields, unit_phone: str) -> Fields:
    """Fields 48 and 62 of a prepaid inquiry's answer."""
    head = _customer(asked["switcher_id"], asked["id_flag"], found.customer, found.pln_ref, found.switcher_ref)
    idpel = found.customer.idpel
    return {
        "48": {**head, **_described(found.customer), "admin": sen(found.admin_idr * 100, 10)},
        "62": {
            "distribution": idpel[:2],
            "unit": idpel[:5],
            "phone": text(unit_phone, 15),
            "max_kwh": f"{min(found.max_kwh, 99_999):05d}",
            "unsold": [f"{nominal_idr:011d}" for nominal_idr in found.unsold_idr],
        },
    }


def receipt(sold: Receipt, asked: Fields) -> Fields:
    """Field 48 of a purchase's and of an advice's answer; kWh with two decimals."""
    head = _customer(asked["switcher_id"], asked["id_flag"], sold.customer, sold.pln_ref, sold.switcher_ref)
    return {
        "48": {
            **head,
            "receipt_no": sold.receipt_no,
            **_described(sold.customer),
            "option": sold.option,
            "admin": sen(sold.admin_idr * 100, 10),
            "stamp": sen(sold.stamp_sen, 10),
            "ppn": sen(sold.ppn_sen, 10),
            "ppj": sen(sold.ppj_sen, 10),
            "angsuran": sen(sold.instalment_sen, 10),
            "power_purchase": sen(sold.stroom_sen, 12),
            "kwh": sen(sold.energy_wh // 10, 10),
            "token": sold.digits,
        }
    }


def registration(found: RegistrationFound, asked: Fields) -> Fields:
    """Fields 48 and 62 of a non-taglis answer."""
    row = found.registration
    return {
        "48": {
            "switcher_id": asked["switcher_id"],
            "registration_no": row.number,
            "transaction_code": row.transaction_code,
            "transaction_name": text(row.transaction_name, 25),
            "registration_date": f"{row.registered_date:%Y%m%d}",
            "expiry_date": f"{row.expires_date:%Y%m%d}",
            "idpel": text(row.idpel, 12),
            "name": text(row.name.upper(), 25),
            "pln_ref": found.pln_ref,
            "switcher_ref": found.switcher_ref,
            "unit": text(row.unit, 5),
            "unit_address": text(row.unit_address, 35),
            "unit_phone": text(row.unit_phone, 15),
            "total": sen(found.total_idr * 100, 17),
            "pln_bill": sen(found.total_idr * 100, 17),
            "admin": sen(found.admin_idr * 100, 10),
        },
        "62": {"details": [sen(part_idr * 100, 17) for part_idr in row.details_idr]},
    }


def postpaid(found: PostpaidFound, asked: Fields, unit_phone: str) -> Fields:
    """Field 48 of a postpaid inquiry's answer; its switcher reference names the inquiry."""
    first = found.bills[0]
    return {
        "48": {
            "switcher_id": asked["switcher_id"],
            "idpel": asked["idpel"],
            "bill_status": str(len(found.bills)),
            "outstanding": f"{min(found.outstanding, 99):02d}",
            "switcher_ref": found.reference,
            "name": text(first.name.upper(), 25),
            "unit": text(first.unit, 5),
            "unit_phone": text(unit_phone, 15),
            "segment": text(first.segment, 4),
            "daya": f"{first.contracted_va:09d}",
            "admin": f"{found.admin_idr:09d}",
            "bills": _bills(found.bills),
        }
    }


def _bills(bills: Sequence[PostpaidBill]) -> list[Fields]:
    return [
        {
            "period": bill.period,
            "due_date": f"{bill.due_date:%Y%m%d}",
            "read_date": f"{bill.read_date:%Y%m%d}",
            "bill": f"{bill.bill_idr:011d}",
            "incentive": f"{'C' if bill.incentive_idr < 0 else 'D'}{abs(bill.incentive_idr):09d}",
            "vat": f"{bill.vat_idr:010d}",
            "penalty": f"{bill.penalty_idr:010d}",
            **{
                f"{end}_read_{pair + 1}": f"{bill.reads[2 * pair + place]:08d}"
                for pair in range(3)
                for place, end in enumerate(("previous", "current"))
            },
        }
        for bill in bills
    ]
