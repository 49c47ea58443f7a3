"""The operator's page of banks: partners, purchases whose money is held, the journal without tokens, block and ask again."""

from __future__ import annotations

import pytest
from tests.flows.house import House, Town
from tests.flows.ppob_host import partner
from tests.web.pages.conftest import SignIn

from duaarah.audit.models import AuditRecord
from duaarah.registry.models import Pairing
from duaarah.vending.models import Token, Vend
from duaarah.vending.operations.ppob import Caller, admit, inquire, purchase
from duaarah.vending.operations.ppob.codes import PPOBRefused
from duaarah.vending.operations.ppob.journal import Line, keep_lines
from duaarah.vending.operations.ppob.sale import Named
from duaarah.vending.operations.sweep import resume_paid
from duaarah.vending.ports import Unknown
from duaarah.vending.ppob_models import PPOBPartner

pytestmark = pytest.mark.slow


class Away:
    def obtain(self, _: object) -> Unknown:
        return Unknown("away")


def held(town: Town, house: House) -> str:
    """A purchase whose token nobody has; its PLN reference."""
    Pairing.objects.filter(meter=house.meter).delete()
    made = partner(filled_idr=1_000_000)
    gate = admit(
        Caller(partner=made.code, switcher=made.code, bank="4510017", product="502"), phase="purchase", now=town.now
    )
    found = inquire(gate=gate, number=house.meter.drn, by_idpel=False, now=town.now)
    named = Named(
        pln_ref=found.pln_ref,
        switcher_ref=found.switcher_ref,
        meter_no=found.customer.meter_no,
        idpel=found.customer.idpel,
    )
    with pytest.raises(PPOBRefused):
        purchase(
            gate=gate,
            named=named,
            amount_idr=50_000,
            admin_idr=2_500,
            option="0",
            token_source=Away(),
            now=town.now,
        )
    lines = [
        Line(
            at=town.now,
            partner_id=made.pk,
            peer="192.0.2.1 5",
            incoming=True,
            kind="prepaid_advice_request",
            trace="000000000007",
            pln_ref=found.pln_ref,
            text="2220...",
        )
    ]
    keep_lines(lines)
    return found.pln_ref


def test_a_held_purchase_is_asked_for_again(town: Town, household: House, sign_in: SignIn) -> None:
    reference, client = held(town, household), sign_in("pln")
    page = client.get("/operasi/bank/").content.decode()
    assert reference in page and "Money held, no token yet" in page and "PYLP001" in page and "Let in" in page
    vend = Vend.objects.get()
    assert resume_paid(token_source=town.source, now=town.now) == 0
    assert client.post(f"/operasi/bank/tanya/{vend.pk}/").status_code == 302
    assert resume_paid(token_source=town.source, now=town.now) == 1
    assert Token.objects.count() == 1
    assert AuditRecord.objects.filter(verb="vending.ask_again").count() == 1
    assert "Money held" not in client.get("/operasi/bank/").content.decode()
    client.post(f"/operasi/bank/tanya/{vend.pk}/")
    assert AuditRecord.objects.filter(verb="vending.ask_again").count() == 1


def test_a_partner_its_journal_and_its_block(town: Town, household: House, sign_in: SignIn) -> None:
    reference, client = held(town, household), sign_in("pln")
    page = client.get("/operasi/bank/PYLP001/").content.decode()
    assert "prepaid_advice_request" in page and "000000000007" in page and "947,500" in page
    assert "prepaid_advice_request" in client.get(f"/operasi/bank/PYLP001/?ref={reference.lower()}").content.decode()
    assert "prepaid_advice_request" not in client.get("/operasi/bank/PYLP001/?ref=0").content.decode()
    assert client.get("/operasi/bank/PYLP001/?before=x").status_code == 200
    assert client.get("/operasi/bank/NOBODY1/").status_code == 404
    client.post("/operasi/bank/PYLP001/ubah/", {"to": "block", "reason": " "})
    assert PPOBPartner.objects.get().state == "ACTIVE"
    client.post("/operasi/bank/PYLP001/ubah/", {"to": "block", "reason": "Deposit in dispute"})
    assert PPOBPartner.objects.get().state == "BLOCKED"
    assert "Blocked" in client.get("/operasi/bank/").content.decode()
    client.post("/operasi/bank/PYLP001/ubah/", {"to": "unblock", "reason": "Settled"})
    assert PPOBPartner.objects.get().state == "ACTIVE"
    assert list(AuditRecord.objects.filter(verb__endswith="block_partner").values_list("reason", flat=True)) == [
        "Deposit in dispute",
        "Settled",
    ]


@pytest.mark.parametrize("role", ["household", "dataop", "mobile", "gerai"])
def test_banks_are_the_utilitys_business(town: Town, sign_in: SignIn, role: str) -> None:
    partner()
    client = sign_in(role)
    for path in ("/operasi/bank/", "/operasi/bank/PYLP001/"):
        assert client.get(path).status_code in (403, 404)
    assert client.post("/operasi/bank/PYLP001/ubah/", {"to": "block", "reason": "x"}).status_code in (403, 404)
    assert PPOBPartner.objects.get().state == "ACTIVE"
