"""A vendor's program with a key, and what its tests look at."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from django.test import Client
from tests.flows.house import START, Town
from tests.vending.test_deposit import balances as balances

from duaarah.audit.models import AuditRecord
from duaarah.people.models import Login
from duaarah.registry.models import Pairing
from duaarah.vending.models import Channel, Deposit, LedgerLine, Payment, TIDSequence, Token, Vend
from duaarah.vending.operations import fill_deposit, set_channel_terms
from duaarah.vending.operations.vendors import make_vendor_key
from duaarah.vending.operations.vendors.keys import open_vendor
from duaarah.vending.vendor_models import FreeIssue, Replacement, VendorKey, VendorMessage

ALL = ("vend", "free_issue", "statement")
ROOT = Path(__file__).parents[2]


class Caller:
    """A program with a key, calling from an address."""

    def __init__(self, key: VendorKey, plain: str, address: str = "127.0.0.1") -> None:
        self.key, self.plain, self.address = key, plain, address

    def call(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        client = Client(SERVER_NAME="localhost", REMOTE_ADDR=self.address)
        sent = {"authorization": f"Bearer {self.plain}", **headers}
        at = f"/api/v1/vending/{path}"
        if body is None:
            response = client.get(at, headers=sent)
        else:
            octets = body if isinstance(body, bytes) else json.dumps(body).encode()
            response = client.post(at, octets, content_type="application/json", headers=sent)
        if response.status_code >= 400:
            assert response["Content-Type"] == "application/problem+json"
        return response.status_code, response.json() if "json" in response["Content-Type"] else response


def vendor(
    code: str = "TOKO", *, scopes: tuple[str, ...] = ALL, filled_idr: int = 1_000_000, person: str = "toko"
) -> Caller:
    """A vendor with money in its deposit, who charges Rp2,500, Rp1,000 of it his."""
    known = Channel.objects.filter(code=code).exists()
    channel = open_vendor(code=code, name=code, actor="test", now=START)
    if not known:
        terms = {"admin_idr": 2_500, "commission_idr": 1_000, "from_date": dt.date(2026, 1, 1)}
        set_channel_terms(channel=channel, actor="test", now=START, **terms)
        if filled_idr:
            fill_deposit(channel=channel, amount_idr=filled_idr, reference="f1", actor="test", now=START)
    login = Login.objects.filter(username=person).first() or Login.objects.create_user(person)
    made = make_vendor_key(channel=channel, name="till", scopes=scopes, login=login, actor="test", now=START)
    return Caller(*made)


def one_way(town: Town) -> Any:
    """A house whose meter does not talk."""
    house = town.house(wallet_idr=0)
    Pairing.objects.filter(meter=house.meter).delete()
    return house


def state_of_things() -> dict[str, Any]:
    """Everything that a refusal must leave as it was."""
    return {
        "messages": VendorMessage.objects.count(),
        "payments": Payment.objects.count(),
        "vends": sorted(Vend.objects.values_list("pk", "state")),
        "tokens": Token.objects.count(),
        "deposits": sorted(Deposit.objects.values_list("channel_id", "balance_sen")),
        "lines": LedgerLine.objects.count(),
        "tids": sorted(TIDSequence.objects.values_list("meter_id", "latest_tid")),
        "given": sorted(FreeIssue.objects.values_list("pk", "state")),
        "replaced": Replacement.objects.count(),
        "deeds": AuditRecord.objects.filter(refused=False).count(),
    }


def refusals() -> list[tuple[str, str]]:
    return list(AuditRecord.objects.filter(refused=True).order_by("pk").values_list("verb", "code"))


def money_agrees() -> None:
    """Every balance row is the sum of its account, and all books sum to zero."""
    found = balances()
    assert sum(found.values()) == 0
    for channel_id, balance_sen in Deposit.objects.values_list("channel_id", "balance_sen"):
        assert -found.get(f"deposit:{channel_id}", 0) == balance_sen


def nothing_said(*digits: str) -> None:
    """No audit line holds the digits or a key."""
    lines = repr(list(AuditRecord.objects.values_list()))
    assert not [one for one in digits if one in lines] and "dv_" not in lines
