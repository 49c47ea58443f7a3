"""Vendors on the operators' pages: deposits, keys, latest use, a key ended after a second look, a free issue decided."""

from __future__ import annotations

import re

import pytest
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn
from tests.web.vendors import vendor

from duaarah.people.models import Approval, Login, Membership, Unit
from duaarah.vending.models import Token
from duaarah.vending.operations.vendors import request_free_issue, sell
from duaarah.vending.vendor_models import FreeIssue, VendorKey

pytestmark = pytest.mark.slow


def text_of(page: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode()))


def test_a_vendor_with_its_deposit_keys_and_statement(sign_in: SignIn, town: Town, household: House) -> None:
    caller = vendor()
    sold = sell(
        key=caller.key,
        message_id="m-1",
        meter=household.meter,
        amount_idr=100_000,
        token_source=town.source,
        now=town.now,
    )
    desk = sign_in("pln")
    assert "TOKO TOKO Rp 897,500 1 never" in text_of(desk.get("/operasi/penjual/").content)
    VendorKey.objects.update(used_at=town.now)
    page = desk.get("/operasi/penjual/TOKO/").content
    assert "Deposit Rp 897,500" in text_of(page) and "free_issue statement vend" in text_of(page)
    assert re.search(r"Payment taken, token pending .*m-1 \d+ -Rp 102,500 Rp 897,500", text_of(page))
    assert sold.digits is not None and sold.digits not in page.decode() and caller.plain not in page.decode()
    file = b"".join(desk.get("/operasi/penjual/TOKO/?unduh=csv"))  # type: ignore[arg-type]
    assert b"m-1" in file and b"-102500" in file
    assert desk.get("/operasi/penjual/NOBODY/").status_code == 404


def test_a_key_is_ended_after_a_second_look(sign_in: SignIn, town: Town) -> None:
    caller, desk = vendor(), sign_in("pln")
    path = f"/operasi/penjual/kunci/{caller.key.pk}/cabut/"
    desk.post(path)
    assert VendorKey.objects.get().revoked_at is None
    assert desk.post(path, {"sure": "yes"})["Location"] == "/operasi/penjual/TOKO/"
    assert VendorKey.objects.get().revoked_at is not None
    looker = Login.objects.create_user("looker")
    unit = Unit.objects.filter(organisation__kind="UTILITY").first()
    Membership.objects.create(login=looker, unit=unit, role="VIEWER")
    assert sign_in("looker").post(path, {"sure": "yes"}).status_code == 403


@pytest.mark.parametrize("yes", [True, False])
def test_energy_without_money_waits_for_a_second_person(
    sign_in: SignIn, town: Town, household: House, yes: bool
) -> None:
    one, stranger = sign_in("pln"), sign_in("dataop")
    colleague = Login.objects.create_user("second")
    Membership.objects.create(login=colleague, unit=Unit.objects.get(code="pln"), role="APPROVER")
    two = sign_in("second")
    caller = vendor(person="pln")
    request_free_issue(
        key=caller.key, message_id="f-1", meter=household.meter, energy_wh=10_000, reason="two days off", now=town.now
    )
    path = "/operasi/kunci/persetujuan/"
    shown = text_of(two.get(path).content)
    for words in ("Energy without money · 10.0 kWh", "Worth Rp 14,447", "Vendor TOKO · f-1", "Reason two days off"):
        assert words in shown
    decide = f"{path}{Approval.objects.get().pk}/"
    assert "somebody else decides" in text_of(one.get(path).content)
    # The energy is PLN's to give: the data operator neither sees the request nor decides it.
    assert "f-1" not in text_of(stranger.get(path).content)
    assert stranger.post(decide, {"decision": "yes"}).status_code == 403
    one.post(decide, {"decision": "yes"})
    assert Token.objects.count() == 0
    answer = two.post(decide, {"decision": "yes" if yes else "no"}, follow=True)
    words = "The token is made" if yes else "Refused. Nothing is given."
    assert words in text_of(answer.content)
    assert Token.objects.count() == yes
    assert FreeIssue.objects.get().state == ("MADE" if yes else "ASKED")
    page = text_of(two.get("/operasi/penjual/TOKO/").content)
    assert f"10.0 kWh {'Made' if yes else 'Refused'} two days off" in page
    town.run()
    assert household.sim.credit_wh == 6_000 + 10_000 * yes
