"""Every page as every role: what is not his is refused, nothing is learnt and nothing moves."""

from __future__ import annotations

import pytest
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.vending.models import Payment, Vend

pytestmark = pytest.mark.slow
PAGES = {
    # page: roles that see it; others get what is named (302 = to the sign-in page)
    "/rumah/": {"household", "fleet"},
    "/rumah/pengaturan/": {"household", "fleet"},
    "/rumah/meter/{drn}/": {"household"},
    "/rumah/meter/{drn}/sekarang/": {"household"},
    "/rumah/meter/{drn}/isi/": {"household"},
    "/armada/": {"household", "fleet"},
    "/operasi/": {"pln", "dataop"},
    "/operasi/meter/": {"pln", "dataop"},
    "/operasi/meter/{drn}/": {"pln", "dataop"},
    "/operasi/pesan/": {"pln", "dataop"},
}
ROLES = ("nobody", "household", "fleet", "pln", "dataop", "mobile")


@pytest.mark.parametrize("role", ROLES)
def test_the_permission_table(sign_in: SignIn, household: House, role: str) -> None:
    client = sign_in(role)
    for page, allowed in PAGES.items():
        path = page.format(drn=household.meter.drn)
        response = client.get(path)
        if role in allowed:
            assert response.status_code == 200, path
        elif role == "nobody":
            assert (response.status_code, response["Location"]) == (302, f"/masuk/?next={path}"), path
        else:
            assert response.status_code in (403, 404), path
            page = response.content.decode()
            assert household.meter.customer is not None
            for learnt in (household.meter.customer.idpel, household.holder.name, household.pairing.phone, "kWh"):
                assert learnt not in page, path


@pytest.mark.parametrize("role", ["nobody", "fleet", "pln", "mobile"])
def test_nobody_buys_for_anothers_meter(sign_in: SignIn, town: Town, household: House, role: str) -> None:
    client = sign_in(role)
    reference = "00000000-0000-4000-8000-000000000001"
    for path, form in (
        (f"/rumah/meter/{household.meter.drn}/isi/", {"nominal": "50000", "reference": reference}),
        ("/armada/isi/laksanakan/", {"nominal": "50000", "meter": [household.meter.drn], "batch": reference}),
    ):
        assert client.post(path, form).status_code in (302, 403, 404)
    assert Payment.objects.count() == 0 and Vend.objects.count() == 0


def test_anothers_token_does_not_exist(sign_in: SignIn, household: House) -> None:
    mine = sign_in("household")
    reference = "00000000-0000-4000-8000-000000000001"
    mine.post(f"/rumah/meter/{household.meter.drn}/isi/", {"nominal": "50000", "reference": reference})
    vend = Vend.objects.get()
    other = sign_in("fleet").get(f"/rumah/token/{vend.pk}/")
    assert other.status_code == 404 and vend.token.digits not in other.content.decode()
    assert mine.get(f"/rumah/token/{vend.pk}/").status_code == 200


def test_headers_and_a_wrong_password(sign_in: SignIn) -> None:
    client = sign_in("nobody")
    page = client.post("/masuk/", {"username": "household", "password": "wrong", "next": "//elsewhere.example/"})
    assert page.status_code == 401
    assert b"do not fit together" in page.content
    assert page["Content-Security-Policy"].startswith("default-src 'self'") and page["X-Frame-Options"] == "DENY"
