# SPDX-License-Identifier: Apache-2.0
"""The names of ledger accounts and entries in a reader's language."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.people.models import Organisation
from duaarah.vending.models import Channel

ACCOUNTS = {
    "wallet": gettext_lazy("Customers' wallets"),
    "deposit": gettext_lazy("Deposit"),
    "vending:pending": gettext_lazy("Paid, token to come"),
    "cash:received": gettext_lazy("Cash received, held for deposits and wallets"),
    "cash": gettext_lazy("Cash"),
    "pln:stroom": gettext_lazy("Stroom (energy)"),
    "pln:ppj": gettext_lazy("Street lighting tax (PPJ)"),
    "pln:ppn": gettext_lazy("VAT (PPN)"),
    "pln:stamp": gettext_lazy("Stamp duty"),
    "pln:instalment": gettext_lazy("Instalments of arrears"),
    "pln:rounding": gettext_lazy("Rounding"),
    "pln:bp": gettext_lazy("Connection fees (BP)"),
    "pln:compensation": gettext_lazy("Compensation given (TMP)"),
    "pln:write_off": gettext_lazy("Written off"),
    "write_off": gettext_lazy("Written off"),
    "pln:refunds": gettext_lazy("Refunds to channels"),
    "pln:collected": gettext_lazy("Collected at cut-off"),
    "channel:admin": gettext_lazy("Admin fees"),
    "commission": gettext_lazy("Commission"),
    "commission-due": gettext_lazy("Commission due"),
    "commission-receivable": gettext_lazy("Commission to come"),
    "revenue": gettext_lazy("Revenue"),
    "receivable": gettext_lazy("To be received"),
    "payable": gettext_lazy("To be paid"),
    "float": gettext_lazy("Float"),
    "till": gettext_lazy("Cash in the till"),
    "till-difference": gettext_lazy("Difference of the till"),
}
OF_CHANNELS = ("deposit", "commission", "commission-due", "commission-receivable", "float", "till", "till-difference")


class AccountNames:
    """Looks the channels and organisations up once, for a whole page."""

    def __init__(self) -> None:
        self._channels = {str(pk): name for pk, name in Channel.objects.values_list("pk", "name")}
        self._parties = dict(Organisation.objects.values_list("code", "name"))

    def __call__(self, code: str) -> str:
        """`deposit:3` -> `Deposit · Bank`; what has no words here keeps its code."""
        name = code.rpartition("/")[2]
        if name in ACCOUNTS:
            return str(ACCOUNTS[name])
        base, _colon, of = name.partition(":")
        if base not in ACCOUNTS:
            return code
        if base == "wallet":
            return _("Wallet %(number)s") % {"number": of}
        whose = self._channels if base in OF_CHANNELS else self._parties
        return f"{ACCOUNTS[base]} · {whose.get(of, of)}"
