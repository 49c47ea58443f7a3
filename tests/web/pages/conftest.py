"""A small town behind the pages, and somebody signed in for each role."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from tests.flows.house import START, House, Town

from duaarah.clock import operations as clock_operations
from duaarah.people.models import AccountHolder, Login, Membership, Organisation, Unit
from duaarah.project import urls
from duaarah.registry.models import Site
from duaarah.vending.models import Channel
from duaarah.vending.operations.deposit import open_gerai
from duaarah.web.gerai import till
from duaarah.web.shared import buying, fresh
from duaarah.web.utility import approvals, communication, dlms_keys, keys
from duaarah.wiring import registers

# All pages are imported before a test puts another key_store in its module's place: a page that was first imported then
# would keep that test's keys for the rest of the process.
assert urls.urlpatterns

SignIn = Callable[[str], Client]


@pytest.fixture
def town(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """Three houses: two of a company (with sites), one household; the pages use the town's keys."""
    made = Town(tmp_path)
    clock_operations.move(at=START, rate=1, founding=True)
    for module in (approvals, buying, communication, dlms_keys, keys, registers, till):
        monkeypatch.setattr(module, "key_store", lambda: made.store)
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["testserver"])
    monkeypatch.setattr(fresh, "SHARED_FOR_S", 0.0)
    Channel.objects.create(code="WEB", name="Web", kind="WALLET")
    for number in range(3):
        made.house(wallet_idr=500_000 if number else 200_000)
    company = made.houses[1].holder
    AccountHolder.objects.filter(pk=company.pk).update(kind="COMPANY")
    second = made.houses[2].meter.customer
    second.holder = company
    second.save()
    for house, alias in zip(made.houses[1:], ("BTS001", "BB001"), strict=True):
        Site.objects.create(holder=company, meter=house.meter, alias=alias, name=alias, kind="BTS")
    return made


@pytest.fixture
def household(town: Town) -> House:
    return town.houses[0]


@pytest.fixture
def sign_in(town: Town) -> SignIn:
    """A client for `household`, `fleet`, `pln`, `dataop`, `mobile`, `gerai` or `nobody`."""

    def signed(role: str) -> Client:
        client = Client(headers={"accept-language": "en"})
        if role == "nobody":
            return client
        if (known := Login.objects.filter(username=role).first()) is not None:
            client.force_login(known)
            return client
        holder = {"household": town.houses[0].holder, "fleet": town.houses[1].holder}.get(role)
        login = Login.objects.create_user(role, holder=holder)
        if role == "gerai":
            unit, _ = Unit.objects.get_or_create(organisation=town.operator, code="G1", defaults={"name": "Gerai Satu"})
            if not unit.channels.exists():
                open_gerai(code="G1", name="Gerai Satu", unit=unit, actor="test", now=town.now)
            Membership.objects.create(login=login, unit=unit, role="OPERATOR")
        kinds = {"pln": "UTILITY", "dataop": "DATA_OPERATOR", "mobile": "MOBILE_OPERATOR"}
        if role in kinds:
            organisation, _ = Organisation.objects.get_or_create(
                code=role, defaults={"name": role, "kind": kinds[role]}
            )
            unit = Unit.objects.create(organisation=organisation, code=role, name=role)
            Membership.objects.create(login=login, unit=unit, role="OPERATOR")
        client.force_login(login)
        return client

    return signed
