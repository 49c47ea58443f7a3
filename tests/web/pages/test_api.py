"""The API of account holders: a key opens its holder's meters, a reference buys once, every refusal leaves a line."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from tests.flows.house import START, House, Town
from tests.web.pages.conftest import SignIn

from duaarah.audit.models import AuditRecord
from duaarah.people.keys import KEYS_MAX, TooManyKeys, make_key, revoke_key
from duaarah.people.models import APIKey
from duaarah.vending.models import Payment, Vend, Wallet
from duaarah.web.shared import buying

pytestmark = pytest.mark.slow


@pytest.fixture
def key(town: Town, household: House, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(buying, "key_store", lambda: town.store)
    return make_key(holder=household.holder, name="till", now=START)


def call(key: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    client, headers = Client(), {"authorization": f"Bearer {key}"}
    if body is None:
        response = client.get(f"/api/v1{path}", headers=headers)
    else:
        response = client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers)
    return response.status_code, response.json()


def test_read_a_meter_buy_and_list_its_tokens(town: Town, household: House, key: str) -> None:
    drn = household.meter.drn
    town.use(household, 1_200)
    town.run()
    status, meters = call(key, "/meters")
    assert (status, [m["drn"] for m in meters]) == (200, [drn])
    assert meters[0]["balance_wh"] == 4_800 and meters[0]["low"] and meters[0]["supply"] == "nyala"

    order = {"nominal_idr": 50_000, "reference": "order-1"}
    first = call(key, f"/meters/{drn}/top-ups", order)
    again = call(key, f"/meters/{drn}/top-ups", order)
    assert (first[0], again[0]) == (201, 200) and first[1]["token"] == again[1]["token"]
    assert Wallet.objects.get(holder=household.holder).balance_sen == 15_000_000

    town.run()
    status, tokens = call(key, f"/meters/{drn}/tokens")
    assert [(t["state"], t["energy_wh"], t["amount_idr"]) for t in tokens] == [("LOADED", 33_600, 50_000)]
    assert call(key, f"/meters/{drn}")[1]["balance_wh"] == 38_400


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"nominal_idr": 12_345, "reference": "x"}, 422, "wrong_nominal"),
        ({"nominal_idr": 1_000_000, "reference": "x"}, 402, "wallet_too_low"),
        ({"nominal_idr": "50000", "reference": "x"}, 400, "bad_request"),
        ({"nominal_idr": 50_000}, 400, "bad_request"),
        ({"nominal_idr": 50_000, "reference": "a b"}, 400, "bad_request"),
    ],
)
def test_a_refused_order_says_why_moves_nothing_and_leaves_one_line(
    household: House, key: str, body: dict[str, Any], status: int, code: str
) -> None:
    before = AuditRecord.objects.filter(refused=True).count()
    answer = call(key, f"/meters/{household.meter.drn}/top-ups", body)
    assert (answer[0], answer[1]["title"]) == (status, code)
    assert Payment.objects.count() == 0
    assert Wallet.objects.get(holder=household.holder).balance_sen == 20_000_000
    assert AuditRecord.objects.filter(refused=True).count() == before + 1


def test_a_reference_used_otherwise_and_anothers_meter_are_refused(town: Town, household: House, key: str) -> None:
    drn, other = household.meter.drn, town.houses[1].meter.drn
    call(key, f"/meters/{drn}/top-ups", {"nominal_idr": 20_000, "reference": "r"})
    assert call(key, f"/meters/{drn}/top-ups", {"nominal_idr": 50_000, "reference": "r"})[0] == 409
    for path, body in (
        (f"/meters/{other}", None),
        (f"/meters/{other}/tokens", None),
        (f"/meters/{other}/top-ups", {"nominal_idr": 20_000, "reference": "r2"}),
    ):
        status, answer = call(key, path, body)
        assert (status, answer["title"]) == (404, "meter_unknown")
    assert Vend.objects.count() == 1


def test_a_wrong_or_revoked_key_opens_nothing(household: House, key: str) -> None:
    for wrong in ("", "da_", key[:-1], "x" * 200):
        assert call(wrong, "/meters")[0] == 401
    assert revoke_key(holder=household.holder, key_id=APIKey.objects.get().pk, now=START)
    assert not revoke_key(holder=household.holder, key_id=APIKey.objects.get().pk, now=START)
    status, answer = call(key, f"/meters/{household.meter.drn}/top-ups", {"nominal_idr": 20_000, "reference": "r"})
    assert (status, answer["title"]) == (401, "key_refused") and Payment.objects.count() == 0
    assert AuditRecord.objects.filter(code="key_refused").count() == 5


def test_keys_are_made_and_revoked_on_the_page(household: House, sign_in: SignIn) -> None:
    client = sign_in("household")
    page = client.post("/rumah/kunci/", {"name": "till"}).content.decode()
    found = re.search(r"da_[\w-]{43}", page)
    assert found is not None and call(found[0], "/meters")[0] == 200
    assert found[0] not in client.get("/rumah/pengaturan/").content.decode()
    other = sign_in("fleet")
    number = str(APIKey.objects.get().pk)
    other.post("/rumah/kunci/", {"revoke": number})
    assert call(found[0], "/meters")[0] == 200
    client.post("/rumah/kunci/", {"revoke": number})
    assert call(found[0], "/meters")[0] == 401


def test_ten_keys_at_most(household: House) -> None:
    for number in range(KEYS_MAX):
        make_key(holder=household.holder, name=str(number), now=START)
    with pytest.raises(TooManyKeys):
        make_key(holder=household.holder, name="one more", now=START)
    assert APIKey.objects.count() == KEYS_MAX
