# SPDX-License-Identifier: Apache-2.0
"""What a PPOB (bank, switch, loket) says to a P2APST or to us: the fields of each request, from the answers before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from duaarah.wire.iso8583 import Message

PRODUCTS = {"prepaid": "502", "nontaglis": "504", "postpaid": "501"}
NETWORK_CODES = {"sign_on": "001", "sign_off": "002", "echo": "301"}
MTIS = {
    "inquiry": "2100",
    "purchase": "2200",
    "pay": "2200",
    "advice": "2220",
    "advice_repeat": "2221",
    "reversal": "2400",
    "reversal_repeat": "2401",
}
_REFERENCES = ("switcher_id", "meter_no", "idpel", "id_flag", "pln_ref", "switcher_ref")


class StepRefused(ValueError):
    """A step that cannot be taken now, in a sentence."""

    code = "step_refused"


@dataclass(frozen=True, slots=True)
class Terms:
    """Who speaks: `network` is the PAN's prefix, `category` field 26."""

    partner: str = "PYLP001"
    bank: str = "4510017"
    terminal: str = "LOKET1"
    category: str = "6021"
    network: str = "99"


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom it is about: a meter or an IDPEL (prepaid), a registration number (non-taglis), an IDPEL (postpaid)."""

    product: str = "prepaid"
    meter_no: str = ""
    idpel: str = ""
    registration_no: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What the conversation has come to: the last inquiry's answer, and the last purchase or payment as it was sent."""

    inquiry: Message | None = None
    sent: dict[str, Any] | None = None


def network(terms: Terms, code: str, now: str) -> dict[str, Any]:
    """The fields of a 2800; `now` is YYYYMMDDhhmmss."""
    return {
        "12": now,
        "33": terms.partner,
        "40": code,
        "41": terms.terminal.rjust(16, "0")[:16],
        "48": {"switcher_id": terms.partner},
    }


def _common(terms: Terms, product: str, trace: str, now: str) -> dict[str, Any]:
    return {
        "2": terms.network + PRODUCTS[product],
        "11": trace,
        "12": now,
        "26": terms.category,
        "32": terms.bank,
        "33": terms.partner,
        "41": terms.terminal.rjust(16, "0")[:16],
    }


def inquiry(terms: Terms, customer: Customer, trace: str, now: str) -> dict[str, Any]:
    """The fields of a 2100. Raises StepRefused without a number to ask for."""
    if customer.product == "prepaid":
        if not (customer.meter_no or customer.idpel):
            raise StepRefused("An inquiry needs a meter number or an IDPEL.")
        by_idpel = not customer.meter_no
        private = {
            "switcher_id": terms.partner,
            "meter_no": "0" * 11 if by_idpel else customer.meter_no,
            "idpel": customer.idpel if by_idpel else "0" * 12,
            "id_flag": "1" if by_idpel else "0",
        }
    elif customer.product == "nontaglis":
        if not customer.registration_no:
            raise StepRefused("An inquiry of non-taglis needs a registration number.")
        private = {
            "switcher_id": terms.partner,
            "registration_no": customer.registration_no,
            "transaction_code": "000",
        }
    else:
        if not customer.idpel:
            raise StepRefused("A postpaid inquiry needs an IDPEL.")
        private = {"switcher_id": terms.partner, "idpel": customer.idpel}
    return {**_common(terms, customer.product, trace, now), "48": private}


def payment(terms: Terms, told: Told, amount_idr: int | None, trace: str, now: str, *, option: str) -> dict[str, Any]:
    """The fields of a 2200 after an inquiry. Raises StepRefused without one, or without a nominal for a token."""
    answer = told.inquiry
    if answer is None or answer.fields.get("39") != "0000":
        raise StepRefused("A payment needs an inquiry that was answered 0000.")
    product = answer.kind.split("_", 1)[0]
    private = dict(answer.fields["48"])
    if product == "prepaid":
        if amount_idr is None:
            raise StepRefused("A purchase needs a nominal.")
        private["option"] = option
    elif amount_idr is None:
        amount_idr = _owed_idr(private)
    fields = {**_common(terms, product, trace, now), "4": f"3600{amount_idr:012d}", "48": private}
    return fields | {"62": answer.fields["62"]} if "62" in answer.fields else fields


def _owed_idr(private: dict[str, Any]) -> int:
    if "bills" in private:
        return sum(int(bill["bill"]) for bill in private["bills"])
    total = private["total"]
    return int(total["value"]) // 10 ** int(total["minor"])


def advice(told: Told) -> dict[str, Any]:
    """The fields of a 2220 or 2221: the purchase's own, with the first 95 characters of its field 48."""
    sent = told.sent
    if sent is None or not sent["2"].endswith(PRODUCTS["prepaid"]):
        raise StepRefused("An advice needs a purchase that was sent.")
    return {**sent, "48": {name: sent["48"][name] for name in _REFERENCES}}


def reversal(told: Told) -> dict[str, Any]:
    """The fields of a 2400 or 2401: the payment's own, and field 56 that names it."""
    sent = told.sent
    if sent is None or sent["2"].endswith(PRODUCTS["prepaid"]):
        raise StepRefused("A reversal needs a non-taglis or postpaid payment that was sent.")
    return {**sent, "56": "2200" + sent["11"] + sent["12"] + sent["32"].rjust(7, "0")[:7]}
