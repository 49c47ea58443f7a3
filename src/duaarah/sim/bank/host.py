# SPDX-License-Identifier: Apache-2.0
"""One request to the P2APST double, one answer: the phases of each product over the books of central.py."""

from __future__ import annotations

from typing import Any

from duaarah.sim.bank.central import Central, Debt, Refusal, amount, local_time
from duaarah.sim.bank.host_faults import NONE, Fault
from duaarah.wire.iso8583 import ISOError, Message, packaged, shortcomings

_SEN = 100
OK = "0000"
_PUBLIC = ("2", "4", "11", "12", "15", "26", "32", "33", "40", "41", "56")


def answer_mti(mti: str) -> str:
    """2200 is answered by 2210, 2221 by 2231."""
    return f"{mti[:2]}{int(mti[2]) + 1}{mti[3]}"


def target_of(message: Message) -> str:
    """Whom a message is about: meter, IDPEL, registration number or, on the network, the code."""
    private = message.fields.get("48", {})
    number = private.get("registration_no") or private.get("meter_no", "")
    if private.get("id_flag") == "1" or not number.strip("0"):
        number = private.get("idpel", number)
    return str(number or message.fields.get("40", ""))


def phase_of(message: Message) -> str:
    return packaged("pln2003").mti[message.mti][0]


class Desk:
    """One connection's view: whether its partner has signed on."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self.signed_on: set[str] = set()

    def answer(self, message: Message, fault: Fault = NONE) -> tuple[str, dict[str, Any]]:
        """MTI and fields of the answer. A forced code leaves the books alone unless the fault says `sell`."""
        fields = {n: message.fields[n] for n in _PUBLIC if n in message.fields}
        fields |= {n: message.fields[n] for n in ("48", "62") if n in message.fields}
        if fault.code is not None and not fault.sell:
            return answer_mti(message.mti), {**fields, "39": fault.code}
        try:
            fields |= self._answered(message)
            fields["39"] = OK
        except Refusal as refusal:
            fields["39"] = refusal.code
        if fault.code is not None:
            # What the request said comes back, not what was found: the token must come by advice.
            fields |= {n: message.fields[n] for n in ("48", "62") if n in message.fields}
            fields["39"] = fault.code
        return answer_mti(message.mti), fields

    def bad(self, error: ISOError) -> tuple[str, dict[str, Any]] | None:
        """0030 for a message that could be read but for its private fields; None: nobody knows what to answer."""
        if error.partial is None:
            return None
        fields = {n: error.partial.fields[n] for n in _PUBLIC if n in error.partial.fields}
        return answer_mti(error.partial.mti), {**fields, "39": "0030"}

    def _answered(self, message: Message) -> dict[str, Any]:
        if shortcomings(message):
            raise Refusal("0030")
        phase, fields = phase_of(message), message.fields
        local_time(fields["12"])
        if fields["33"] in self._central.blocked:
            raise Refusal("0006")
        if phase == "network":
            return self._network(message.kind, fields)
        if fields["33"] not in self.signed_on:
            raise Refusal("0011")
        if self._central.cut_off and phase in ("inquiry", "payment"):
            raise Refusal("0090")
        product = message.kind.split("_", 1)[0]
        verbs = {"prepaid": self._prepaid, "nontaglis": self._nontaglis, "postpaid": self._postpaid}
        if product not in verbs:
            raise Refusal("0033")
        return verbs[product](phase.removesuffix("_repeat"), fields)

    def _network(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        if kind == "network_sign_on_request":
            self.signed_on.add(fields["33"])
        elif kind == "network_sign_off_request":
            self.signed_on.discard(fields["33"])
        elif kind != "network_echo_request":
            raise Refusal("0030")
        return {}

    def _prepaid(self, phase: str, fields: dict[str, Any]) -> dict[str, Any]:
        if phase == "inquiry":
            private, unsold = self._central.inquire(fields)
            return {"48": private, "62": unsold}
        if phase not in ("payment", "advice"):
            raise Refusal("0030")
        sale = self._central.purchase(fields) if phase == "payment" else self._central.advise(fields)
        return {"48": sale.private, "62": sale.unsold}

    def _nontaglis(self, phase: str, fields: dict[str, Any]) -> dict[str, Any]:
        number = fields["48"]["registration_no"]
        debt = self._debt(phase, number, fields)
        private, asked = fields["48"], fields["48"]
        if phase == "inquiry":
            total_sen = debt.total_idr * _SEN
            private = {
                **{name: asked[name] for name in ("switcher_id", "registration_no", "transaction_code")},
                "transaction_name": debt.transaction_name[:25].ljust(25),
                "registration_date": fields["12"][:8],
                "expiry_date": fields["12"][:8],
                "idpel": debt.idpel,
                "name": debt.name[:25].ljust(25),
                "pln_ref": (fields["11"] + fields["12"] + number).ljust(32, "0")[:32],
                "switcher_ref": f"SW{asked['switcher_id']}{fields['12']}".ljust(32, "0"),
                "unit": debt.idpel[:5],
                "unit_address": "JL. CONTOH NO. 1".ljust(35),
                "unit_phone": "123".ljust(15),
                "total": amount(total_sen, 17),
                "pln_bill": amount(total_sen, 17),
                "admin": amount(0, 10),
            }
        return {"48": private, "62": {"details": [amount(bill_idr * _SEN, 17) for bill_idr in debt.bills_idr]}}

    def _postpaid(self, phase: str, fields: dict[str, Any]) -> dict[str, Any]:
        debt = self._debt(phase, fields["48"]["idpel"], fields)
        if phase != "inquiry":
            return {"48": fields["48"]}
        return {"48": {"switcher_id": fields["48"]["switcher_id"], "idpel": debt.idpel, **_bills(debt, fields)}}

    def _debt(self, phase: str, number: str, fields: dict[str, Any]) -> Debt:
        if phase == "inquiry":
            return self._central.debt(number)
        if phase == "payment":
            return self._central.settle_debt(number, fields)
        if phase == "reversal":
            return self._central.reverse(number, fields)
        raise Refusal("0030")


def _bills(debt: Debt, fields: dict[str, Any]) -> dict[str, Any]:
    """The customer and at most four of his bills."""
    reads = {f"{end}_read_{n}": "0" * 8 for n in (1, 2, 3) for end in ("previous", "current")}
    shown = debt.bills_idr[:4]
    return {
        "bill_status": str(len(shown)),
        "outstanding": f"{len(debt.bills_idr):02d}",
        "switcher_ref": f"SW{fields['33']}{fields['12']}".ljust(32, "0")[:32],
        "name": debt.name[:25].ljust(25),
        "unit": debt.idpel[:5],
        "unit_phone": "123".ljust(15),
        "segment": "R1  ",
        "daya": "000001300",
        "admin": "000002500",
        "bills": [
            {
                "period": fields["12"][:6],
                "due_date": fields["12"][:6] + "20",
                "read_date": fields["12"][:6] + "01",
                "bill": f"{bill_idr:011d}",
                "incentive": "D000000000",
                "vat": "0" * 10,
                "penalty": "0" * 10,
                **reads,
            }
            for bill_idr in shown
        ],
    }
