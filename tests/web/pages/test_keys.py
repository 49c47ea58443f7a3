"""Keys on the operators' pages: registers and record, a change asked for by one person and approved by another."""

from __future__ import annotations

import re

import pytest
from django.db import transaction
from tests.flows.house import VENDING_KEY, House, Town
from tests.web.pages.conftest import SignIn

from duaarah.audit import operations as audit
from duaarah.audit.models import AuditRecord
from duaarah.core.sts import KeyRegister
from duaarah.headend.models import Command
from duaarah.people.models import Approval, Login, Membership, Unit
from duaarah.registry.models import Meter
from duaarah.vending.models import KeyChange, Vend

pytestmark = pytest.mark.slow
NEW_KEY = bytes(range(101, 121))


@pytest.fixture(autouse=True)
def second_register(town: Town) -> None:
    register = KeyRegister(register_id="next", dkga="04", sgc="999901", krn=2, kt=2, ken=101, base_date=2014)
    town.store.add(register, NEW_KEY)


def test_registers_their_dates_their_meters_and_the_record_but_no_key(sign_in: SignIn, town: Town) -> None:
    with transaction.atomic():
        audit.record(
            at=town.now,
            actor="command:custodian",
            verb="keystore.add",
            subject="next",
            detail={"krn": 2, "sgc": "999901"},
        )
        audit.record_refusal(
            at=town.now, actor="command:x", verb="keystore.approve", subject="next", code="same_person"
        )
    meters = list(Meter.objects.order_by("pk"))
    Meter.objects.filter(pk=meters[0].pk).update(ken=97)
    Meter.objects.filter(pk=meters[1].pk).update(sts_register="gone")
    page = sign_in("pln").get("/operasi/kunci/").content.decode()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert re.search(
        r"test SGC 999901 · KRN 1 · KT 2 KEN 255: until 24 Nov 2045 20:15 WIB makes tokens 2 04 · 2014", text
    ), text
    assert re.search(
        r"next SGC 999901 · KRN 2 · KT 2 KEN 101: until 17 Sep 2026 03:11 WIB makes tokens 0 04 · 2014", text
    ), text
    # KEN 97 allows TIDs below 98 x 65,536 minutes.
    assert re.search(r"Runs out within twelve months test · KEN 97 19 Mar 2026 02:07 WIB 1 meters", text), text
    assert "1 meters use the register gone" in text
    assert "keystore.add next command:custodian krn=2 sgc=999901" in text
    assert "keystore.approve next refused: same_person command:x" in text
    assert VENDING_KEY.hex() not in page and NEW_KEY.hex() not in page


def test_one_asks_another_approves_the_meter_changes(sign_in: SignIn, town: Town, household: House) -> None:
    one, two = sign_in("pln"), sign_in("dataop")
    path = f"/operasi/meter/{household.meter.drn}/kunci/"
    look = one.get(path, {"register": "next"}).content.decode()
    assert re.search(r"SMS, both ways, without retries</dt>\s*<dd class=\"sum\">6</dd>", look)
    assert Approval.objects.count() == 0
    assert one.post(path, {"register": "next", "ea": "07", "reason": "KRN 2"}).status_code == 302
    approval = Approval.objects.get()
    decide = f"/operasi/kunci/persetujuan/{approval.pk}/"
    assert "somebody else decides" in one.get("/operasi/kunci/persetujuan/").content.decode()
    one.post(decide, {"decision": "yes"})
    assert KeyChange.objects.count() == 0 and Command.objects.count() == 0
    assert AuditRecord.objects.filter(refused=True, verb="people.decide_approval").count() == 1
    assert "Approve and begin" in two.get("/operasi/kunci/persetujuan/").content.decode()
    answer = two.post(decide, {"decision": "yes"})
    assert (answer.status_code, answer["Location"]) == (302, path)
    live = two.get(path).content.decode()
    assert "Parts of the new key under way" in live and f'hx-get="{path}jejak/"' in live
    town.run()
    done = two.get(f"{path}jejak/").content.decode()
    assert "Changed: the meter has proven its new key" in done and done.count('class="done"') == 5
    digits = KeyChange.objects.get().parts.values_list("digits", flat=True)
    assert not [d for d in digits if d in done + live]
    assert Meter.objects.get(pk=household.meter.pk).krn == 2


def test_no_reason_no_register_and_a_refusal_move_nothing(sign_in: SignIn, household: House) -> None:
    client = sign_in("pln")
    path = f"/operasi/meter/{household.meter.drn}/kunci/"
    assert client.post(path, {"register": "next", "reason": "  "}).status_code == 409
    assert client.post(path, {"register": "none", "reason": "x"}).status_code == 404
    assert client.get(path, {"register": "none"}).status_code == 404
    same = client.post(path, {"register": "test", "reason": "x"})
    assert same.status_code == 409 and "has this key already" in same.content.decode()
    assert AuditRecord.objects.filter(refused=True, code="same_key").count() == 1
    assert "has this key already" in client.get(path, {"register": "test"}).content.decode()
    assert Approval.objects.count() == 0 and Command.objects.count() == 0


def test_a_no_and_a_withdrawal_leave_the_key(sign_in: SignIn, town: Town, household: House) -> None:
    one, two = sign_in("pln"), sign_in("dataop")
    path = f"/operasi/meter/{household.meter.drn}/kunci/"
    one.post(path, {"register": "next", "reason": "KRN 2"})
    two.post(f"/operasi/kunci/persetujuan/{Approval.objects.get().pk}/", {"decision": "no"})
    assert Approval.objects.get().state == "REFUSED" and KeyChange.objects.count() == 0
    one.post(path, {"register": "next", "reason": "again"})
    two.post(f"/operasi/kunci/persetujuan/{Approval.objects.latest('pk').pk}/", {"decision": "yes"})
    two.post(f"/operasi/kunci/{KeyChange.objects.get().pk}/tarik/")
    town.run()
    assert KeyChange.objects.get().state == "WITHDRAWN"
    assert Meter.objects.get(pk=household.meter.pk).krn == 1


def test_an_approval_whose_order_was_refused_is_begun_later_and_no_longer_refused(
    sign_in: SignIn, town: Town, household: House
) -> None:
    one, two = sign_in("pln"), sign_in("dataop")
    path = f"/operasi/meter/{household.meter.drn}/kunci/"
    one.post(path, {"register": "next", "reason": "first"})
    colleague = Login.objects.create_user("colleague")
    Membership.objects.create(login=colleague, unit=Unit.objects.get(code="pln"), role="OPERATOR")
    sign_in("colleague").post(path, {"register": "next", "reason": "second"})
    first, second = Approval.objects.order_by("pk")
    for approval in (first, second):
        two.post(f"/operasi/kunci/persetujuan/{approval.pk}/", {"decision": "yes"})
    second.refresh_from_db()
    assert (second.state, KeyChange.objects.count()) == ("APPROVED", 1)
    assert AuditRecord.objects.filter(refused=True, code="key_change_under_way").count() == 1
    two.post(f"/operasi/kunci/{KeyChange.objects.get().pk}/tarik/")
    late = one.post(f"/operasi/kunci/persetujuan/{second.pk}/", {"decision": "no"}, follow=True).content.decode()
    assert "This needs a second person" in late and "Refused. The meter" not in late
    assert "Approved: begin it" in late
    one.post(f"/operasi/kunci/persetujuan/{second.pk}/", {"decision": "yes"})
    town.run()
    assert list(KeyChange.objects.order_by("pk").values_list("state", flat=True)) == ["WITHDRAWN", "CHANGED"]


def test_who_only_looks_on_may_neither_ask_nor_decide(sign_in: SignIn, household: House) -> None:
    client = sign_in("pln")
    path = f"/operasi/meter/{household.meter.drn}/kunci/"
    client.post(path, {"register": "next", "reason": "KRN 2"})
    other = sign_in("dataop")
    Membership.objects.update(role="VIEWER")
    approval = Approval.objects.get()
    assert other.post(f"/operasi/kunci/persetujuan/{approval.pk}/", {"decision": "yes"}).status_code == 403
    assert other.post(path, {"register": "next", "reason": "x"}).status_code == 403
    assert other.get(path).status_code == 200
    assert KeyChange.objects.count() == 0 and Approval.objects.get().state == "REQUESTED"


def test_a_purchase_that_waits_for_a_key_says_why(sign_in: SignIn, town: Town, household: House) -> None:
    test_one_asks_another_approves_the_meter_changes(sign_in, town, household)
    change = KeyChange.objects.get()
    KeyChange.objects.update(state="CLOSING", closed_at=None)
    household.meter.refresh_from_db()
    reference = "00000000-0000-4000-8000-000000000001"
    sign_in("household").post(f"/rumah/meter/{household.meter.drn}/isi/", {"nominal": "50000", "reference": reference})
    assert Vend.objects.get().waits_for_id == change.pk
    Vend.objects.update(paid_at="2026-02-16T00:00:00Z")
    assert "waits until the meter has proven its new key" in sign_in("pln").get("/operasi/").content.decode()
