"""Pages for tokens from elsewhere: files and their rows, digits that reach nobody, a wrong meter, standing key approvals."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from openpyxl import load_workbook
from tests.flows.house import House, Town
from tests.vending.batchbank import SECRET, FileBank
from tests.web.pages.conftest import SignIn
from tests.web.pages.test_keys import second_register as second_register

from duaarah.audit.models import AuditRecord
from duaarah.people.models import Approval, Membership
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Pairing
from duaarah.vending.batch_models import Correction, KeyRoll, TokenBatch, TokenPhone
from duaarah.vending.models import Token, Vend, Wallet
from duaarah.vending.operations import Sale, take_notification, top_up
from duaarah.vending.operations.batches import load_batch, receive_batch

pytestmark = pytest.mark.slow


def bring(town: Town, bank: FileBank, content: bytes) -> TokenBatch:
    said = {"channel": bank.channel, "file_name": "sold.csv", "content": content, "secret": SECRET, "actor": "t"}
    made, _ = receive_batch(**said, now=town.now)
    load_batch(batch_id=made.pk, reader=town.source, now=town.now)
    return made


def buy(town: Town, house: House) -> Vend:
    pairing = pairing_of_meter(meter_id=house.meter.pk, at=town.now)
    assert pairing is not None
    said = {"pairing": pairing, "amount_idr": 20_000, "channel": town.channel, "token_source": town.source}
    return top_up(**said, reference="r1", now=town.now).vend


def test_files_and_rows_are_shown_filtered_and_exported_without_digits(
    sign_in: SignIn, town: Town, household: House
) -> None:
    bank, client = FileBank(town), sign_in("pln")
    assert "No channel has sent a file yet." in client.get("/operasi/token-luar/").content.decode()
    made = bring(town, bank, bank.file([bank.row(household, 1), bank.row(household, 2, token="9" * 20)]))
    bring(town, bank, bank.file([bank.row(household, 3)], batch="B2", total=1))
    page = client.get("/operasi/token-luar/").content.decode()
    assert "ATM B1" in page and "the sum of its trailer is not that of its rows" in page
    path = f"/operasi/token-luar/{made.pk}/"
    rows = client.get(path).content.decode()
    assert "Taken: loads itself" in rows and "the digits are no credit token of this meter" in rows
    only = client.get(path, {"status": "REFUSED"}).content.decode()
    assert "sale-2" in only and "sale-1" not in only
    for address in ("/operasi/token-luar/", path):
        text = b"".join(client.get(address, {"unduh": "csv"}).streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
        book = load_workbook(io.BytesIO(b"".join(client.get(address, {"unduh": "xlsx"}).streaming_content)))  # type: ignore[attr-defined]
        values = [str(cell) for row in book.worksheets[0].iter_rows(values_only=True) for cell in row]
        assert len(text.splitlines()) == 3 and book.worksheets[0].max_row == 3
        for digits in (Token.objects.get().digits, "9" * 20):
            assert digits not in page + rows + text and digits not in values
    assert sign_in("household").get(path).status_code == 403


def test_a_number_is_written_down_and_the_digits_go(sign_in: SignIn, town: Town, household: House) -> None:
    Pairing.objects.filter(meter=household.meter).delete()
    bank, client = FileBank(town), sign_in("pln")
    bring(town, bank, bank.file([bank.row(household, 1)]))
    path = "/operasi/token-luar/tanpa-nomor/"
    assert household.meter.drn in client.get(path).content.decode()
    assert "Digits that reach nobody: 1" in client.get("/operasi/token-luar/").content.decode()
    wrong = client.post(path, {"drn": household.meter.drn, "phone": "123"}, follow=True).content.decode()
    assert "not an Indonesian mobile number" in wrong and not TokenPhone.objects.exists()
    done = client.post(path, {"drn": household.meter.drn, "phone": "081299990001"}, follow=True).content.decode()
    assert "Nobody waits for digits." in done
    town.now += dt.timedelta(minutes=1)
    town.run()
    assert len(town.inbox["6281299990001"]) == 1
    Membership.objects.update(role="VIEWER")
    assert client.post(path, {"drn": household.meter.drn, "phone": "081299990002"}).status_code == 403


def test_one_asks_another_agrees_and_the_money_is_back(sign_in: SignIn, town: Town, household: House) -> None:
    one, two, vend = sign_in("pln"), sign_in("dataop"), buy(town, household)
    path = f"/operasi/pembelian/{vend.pk}/salah-meter/"
    assert path in one.get(f"/operasi/meter/{household.meter.drn}/").content.decode()
    assert "Look at what will happen" in one.get(path).content.decode()
    assert "blank token" in one.get(path, {"ke": ""}).content.decode() and Approval.objects.count() == 0
    assert one.get(path, {"ke": "00000000000"}).status_code == 404
    one.post(path, {"ke": "", "reason": " "})
    assert Approval.objects.count() == 0
    one.post(path, {"ke": "", "reason": "typed the neighbour's number"})
    approval = Approval.objects.get()
    assert "Bought for the wrong meter" in two.get("/operasi/kunci/persetujuan/").content.decode()
    decide = f"/operasi/kunci/persetujuan/{approval.pk}/"
    one.post(decide, {"decision": "yes"})
    assert not Correction.objects.exists()
    answer = two.post(decide, {"decision": "yes"})
    assert (answer.status_code, answer["Location"]) == (302, path)
    assert "The meter is asked to give up the token" in two.get(path).content.decode()
    town.run()
    assert "The money is back" in two.get(path).content.decode()
    assert Wallet.objects.get(holder=household.holder).balance_sen == 20_000_000
    assert "This purchase is closed." in one.get(path).content.decode()


def test_what_cannot_be_taken_back_says_why_and_an_unsent_blank_is_given_up(
    sign_in: SignIn, town: Town, household: House
) -> None:
    one, two, bank = sign_in("pln"), sign_in("dataop"), FileBank(town)
    sale = Sale(
        notification_id="s", digest=bytes(32), drn=household.meter.drn, idpel=None, digits=bank.token(household, 9),
        amount_idr=50_000,
    )  # fmt: skip
    elsewhere, _ = take_notification(channel=bank.channel, sale=sale, reader=town.source, now=town.now)
    path = f"/operasi/pembelian/{elsewhere.pk}/salah-meter/"
    assert "its seller gives the money back" in one.get(path).content.decode()
    assert one.post(path, {"ke": "", "reason": "x"}).status_code == 409
    assert AuditRecord.objects.filter(refused=True, code="sold_elsewhere").count() == 1
    vend = buy(town, household)
    path = f"/operasi/pembelian/{vend.pk}/salah-meter/"
    one.post(path, {"ke": town.houses[1].meter.drn, "reason": "x"})
    two.post(f"/operasi/kunci/persetujuan/{Approval.objects.get().pk}/", {"decision": "yes"})
    made = Correction.objects.get()
    assert made.to_meter == town.houses[1].meter
    said = two.post(f"/operasi/salah-meter/{made.pk}/akhiri/", follow=True).content.decode()
    assert "its token goes on to the meter" in said and "Not taken back" in said
    again = two.post(f"/operasi/salah-meter/{made.pk}/akhiri/", follow=True).content.decode()
    assert "This purchase is closed." in again


def test_a_register_is_left_behind_by_two_and_the_purchase_brings_the_key(
    sign_in: SignIn, town: Town, household: House
) -> None:
    one, two, path = sign_in("pln"), sign_in("dataop"), "/operasi/kunci/tertinggal/"
    assert "No register is left behind." in one.get(path).content.decode()
    form = {"from": "test", "to": "next", "ea": "07", "reason": "KRN 2"}
    assert one.post(path, {**form, "to": "none"}).status_code == 404
    assert one.post(path, {**form, "reason": ""}).status_code == 409
    assert "Choose two registers." in one.post(path, {**form, "to": "test"}).content.decode()
    assert one.post(path, form).status_code == 302
    assert "New keys with the next purchase" in two.get("/operasi/kunci/persetujuan/").content.decode()
    answer = two.post(f"/operasi/kunci/persetujuan/{Approval.objects.get().pk}/", {"decision": "yes"})
    assert (answer.status_code, answer["Location"]) == (302, path)
    vend = buy(town, household)
    assert vend.waits_for_id is not None
    page = two.get(path).content.decode()
    assert "Meters left behind" in page and "End it" in page
    assert "KRN 2" in two.get(f"/operasi/meter/{household.meter.drn}/kunci/").content.decode()
    two.post(f"{path}{KeyRoll.objects.get().pk}/akhiri/")
    assert KeyRoll.objects.get().ended_at is not None
    said = two.post(f"{path}{KeyRoll.objects.get().pk}/akhiri/", follow=True).content.decode()
    assert "It has ended already." in said
