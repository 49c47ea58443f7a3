"""Books, sales, channels and corrections on pages; the till of a gerai: sell, print, close the day."""

from __future__ import annotations

import datetime as dt
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from openpyxl import load_workbook
from tests.flows.house import START, House, Town
from tests.web.pages.conftest import SignIn

from duaarah.audit.models import AuditRecord
from duaarah.people.models import Login, Membership, Unit
from duaarah.registry.models import Pairing
from duaarah.vending.ledger_models import TillClosing
from duaarah.vending.models import Channel, Deposit, LedgerEntry, Payment, Vend
from duaarah.vending.operations import (
    fill_deposit,
    set_channel_limits,
    set_channel_terms,
    settle_due,
    take_payment,
    top_up,
)
from duaarah.vending.operations.books import book

pytestmark = pytest.mark.slow
DAYS = "?dari=2026-02-16&sampai=2026-02-16"
REFERENCE = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def kasir(town: Town, sign_in: SignIn) -> Client:
    client = sign_in("gerai")
    channel = Channel.objects.get(code="G1")
    set_channel_terms(
        channel=channel, from_date=dt.date(2026, 1, 1), admin_idr=2_500, commission_idr=1_000, actor="t", now=town.now
    )
    fill_deposit(channel=channel, amount_idr=300_000, reference="f1", actor="t", now=town.now)
    return client


def sell(client: Client, house: House, nominal_idr: int = 100_000, reference: str = REFERENCE) -> str:
    form = {"meter": house.meter.drn, "nominal": nominal_idr, "reference": reference}
    return str(client.post("/gerai/jual/", form)["Location"])


def text(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.content.decode()


def test_a_token_is_sold_printed_and_the_day_closed(kasir: Client, town: Town, household: House) -> None:
    Pairing.objects.filter(meter=household.meter).delete()
    assert kasir.get("/")["Location"] == "/gerai/"
    page = text(kasir, f"/gerai/jual/?meter={household.meter.customer.idpel}&nominal=100000")
    assert "Rp 102,500" in page and "67.2 kWh" in page and household.holder.name not in page
    reference = re.search(r'name="reference" value="([^"]+)"', page)
    assert reference is not None
    # Sent twice, it is one sale.
    slips = {sell(kasir, household, reference=reference[1]) for _ in range(2)}
    vend = Vend.objects.get()
    assert slips == {f"/gerai/struk/{vend.pk}/"} and Payment.objects.count() == 1
    slip = text(kasir, slips.pop())
    digits = vend.token.digits
    assert " ".join(digits[i : i + 4] for i in range(0, 20, 4)) in slip and "Rp 102,500" in slip
    assert "Rp 197,500" in text(kasir, "/gerai/")
    assert "Rp 102,500" in text(kasir, "/gerai/tutup/")
    wrong = kasir.post("/gerai/tutup/", {"counted": "100000", "seen": "102500", "note": ""}, follow=True)
    assert "say why" in wrong.content.decode() and TillClosing.objects.count() == 0
    right = kasir.post("/gerai/tutup/", {"counted": "100.000", "seen": "102500", "note": "short"}, follow=True)
    assert "Closed and signed" in right.content.decode()
    assert TillClosing.objects.get().counted_idr == 100_000


def test_a_till_that_cannot_sell_says_so_and_nothing_moves(kasir: Client, town: Town, household: House) -> None:
    before = Deposit.objects.get().balance_sen
    set_channel_limits(
        channel=Channel.objects.get(code="G1"),
        from_date=START.date(),
        purchase_idr=200_000,
        day_idr=None,
        actor="t",
        now=town.now,
    )
    for form, words in (
        ({"meter": "99999999999"}, "no meter or customer"),
        ({"meter": household.meter.drn, "nominal": 100_000, "reference": "x"}, "not complete"),
        ({"meter": household.meter.drn, "nominal": 33, "reference": REFERENCE}, "Choose one of the nominals"),
        ({"meter": household.meter.drn, "nominal": 250_000, "reference": REFERENCE}, "at once or in a day"),
    ):
        assert words in kasir.post("/gerai/jual/", form, follow=True).content.decode()
    sell(kasir, household, 200_000)
    form = {"meter": household.meter.drn, "nominal": 100_000, "reference": REFERENCE[:-1] + "2"}
    assert "float is too low" in kasir.post("/gerai/jual/", form, follow=True).content.decode()
    assert Deposit.objects.get().balance_sen == before - 20_250_000
    assert AuditRecord.objects.filter(refused=True, verb="vending.take_payment").count() == 2


def test_a_viewer_and_a_cashier_of_another_shop_do_not_sell(
    kasir: Client, town: Town, household: House, sign_in: SignIn
) -> None:
    slip = sell(kasir, household)
    Membership.objects.filter(login__username="gerai").update(role="VIEWER")
    assert kasir.post("/gerai/jual/", {"meter": household.meter.drn}).status_code == 403
    assert kasir.post("/gerai/tutup/", {"counted": "1", "seen": "1"}).status_code == 403
    other = Unit.objects.create(organisation=town.operator, code="G2", name="Gerai Dua")
    Channel.objects.create(code="G2", name="Gerai Dua", kind="DEPOSIT", organisation=town.operator, unit=other)
    login = Login.objects.create_user("g2")
    Membership.objects.create(login=login, unit=other, role="OPERATOR")
    client = Client(headers={"accept-language": "en"})
    client.force_login(login)
    assert client.get(slip).status_code == 404
    # Naming the other till in the address opens one's own.
    assert "Gerai Dua" in text(client, "/gerai/?kasir=G1")
    for path in ("/seluler/", "/seluler/buku/", "/operasi/"):
        assert client.get(path).status_code == 403


def test_plns_books_drill_down_to_the_purchase(sign_in: SignIn, town: Town, household: House) -> None:
    top_up(
        pairing=household.pairing,
        amount_idr=100_000,
        channel=town.channel,
        reference="r1",
        token_source=town.source,
        now=town.now,
    )
    client = sign_in("pln")
    page = text(client, f"/operasi/buku/{DAYS}")
    assert "Stroom (energy)" in page and "akun=pln%3Astroom" in page
    account = text(client, f"/operasi/buku/akun/{DAYS}&akun=pln%3Astroom")
    entry = LedgerEntry.objects.get(kind="TOKEN_ISSUED")
    assert f"/operasi/buku/entri/{entry.pk}/" in account
    page = text(client, f"/operasi/buku/entri/{entry.pk}/")
    assert f"/operasi/meter/{household.meter.drn}/" in page and "67.2 kWh" in page
    sheet = client.get(f"/operasi/buku/{DAYS}&unduh=xlsx")
    rows = load_workbook(io.BytesIO(b"".join(sheet))).worksheets[0].iter_rows(min_row=2, values_only=True)
    assert round(sum(row[5] for row in rows), 2) == 0
    for path in ("/operasi/buku/?dari=x", "/operasi/buku/akun/?akun=no:such", "/operasi/buku/?buku=dataop"):
        assert client.get(path).status_code == 404


def test_nobody_reads_the_books_of_another_entity(sign_in: SignIn, town: Town) -> None:
    with transaction.atomic():
        book(
            kind=LedgerEntry.Kind.INVOICE,
            reference="x",
            at=town.now,
            vend_id=None,
            lines_sen={"dataop/receivable:OPS": 700, "dataop/revenue": -700},
            entity="dataop",
        )
    entry = LedgerEntry.objects.get(reference="x").pk
    pln, data, mobile = (sign_in(role) for role in ("pln", "dataop", "mobile"))
    assert "Revenue" in text(data, f"/data/buku/{DAYS}") and "Opsel" in text(data, f"/data/buku/entri/{entry}/")
    assert "dataop" not in text(pln, f"/operasi/buku/{DAYS}")
    for client, path in (
        (pln, f"/operasi/buku/entri/{entry}/"),
        (pln, "/operasi/buku/akun/?akun=dataop/revenue"),
        (mobile, f"/seluler/buku/entri/{entry}/"),
        (mobile, "/seluler/buku/?buku=dataop"),
        (data, "/data/buku/akun/?akun=wallet"),
    ):
        assert client.get(path).status_code == 404, path
    assert data.get("/operasi/buku/").status_code == 403
    assert "/operasi/buku/" not in text(data, "/operasi/meter/")


def test_sales_and_channels_are_files_too(kasir: Client, sign_in: SignIn, household: House) -> None:
    sell(kasir, household)
    client = sign_in("pln")
    assert "67.2" in text(client, f"/operasi/buku/penjualan/{DAYS}")
    made = {kind: b"".join(client.get(f"/operasi/buku/penjualan/{DAYS}&unduh={kind}")) for kind in ("csv", "pdf")}
    assert "100000,00" in made["csv"].decode("utf-8-sig") and made["pdf"].startswith(b"%PDF-")
    tokens = client.get(f"/operasi/buku/penjualan/{DAYS}&unduh=token")
    rows = list(load_workbook(io.BytesIO(b"".join(tokens))).worksheets[0].iter_rows(values_only=True))
    assert len(rows) == 2 and rows[1][3] == household.meter.drn
    page = text(client, f"/operasi/buku/kanal/{DAYS}")
    assert "Gerai Satu" in page and "/operasi/buku/kanal/G1/" in page
    assert b"G1" in b"".join(client.get(f"/operasi/buku/kanal/{DAYS}&unduh=csv"))


def test_a_file_is_compared_and_its_lines_resolved_by_two_people(
    kasir: Client, sign_in: SignIn, town: Town, household: House
) -> None:
    sell(kasir, household)
    channel = Channel.objects.get(code="G1")
    take_payment(pairing=household.pairing, amount_idr=50_000, channel=channel, reference="r2", now=town.now)
    settle_due(now=town.now + dt.timedelta(days=1))
    client = sign_in("pln")
    assert "Settled at cut-off" in text(client, "/operasi/buku/kanal/G1/")
    content = f"reference;meter;nominal;time\nzz;{household.meter.drn};20000;2026-02-16 08:00:00\n".encode()
    sent = {"day": "2026-02-16", "file": SimpleUploadedFile("g1.csv", content)}
    made = client.post("/operasi/buku/kanal/G1/", sent)["Location"]
    page = text(client, made)
    assert "zz" in page and "r2" in page and "Return Rp 50,000 to the deposit" in page
    lines = dict(re.findall(r'<b class="mono">([^<]+)</b>.*?name="line" value="(\d+)"', page, re.DOTALL))
    explained = {"line": lines["zz"], "how": "EXPLAINED", "reason": "=cmd()"}
    assert "No money has moved" in client.post(f"{made}putuskan/", explained, follow=True).content.decode()
    asked = {"line": lines["r2"], "how": "REFUND", "reason": "never sold"}
    assert "second person" in client.post(f"{made}putuskan/", asked, follow=True).content.decode()
    before = Deposit.objects.get().balance_sen
    waits = text(client, "/operasi/buku/koreksi/")
    action = re.search(r"G1 · r2.*?You asked for it", waits, re.DOTALL)
    assert action is not None
    second = Login.objects.create_user("second")
    Membership.objects.create(login=second, unit=Unit.objects.get(code="pln"), role="APPROVER")
    other = Client(headers={"accept-language": "en"})
    other.force_login(second)
    path = re.search(r'action="(/operasi/buku/koreksi/\d+/)"', text(other, "/operasi/buku/koreksi/"))
    assert path is not None
    assert "second person" in client.post(path[1], {"decision": "yes"}, follow=True).content.decode()
    assert Deposit.objects.get().balance_sen == before
    for words in ("Booked.", "second person"):
        assert words in other.post(path[1], {"decision": "yes"}, follow=True).content.decode()
    assert Deposit.objects.get().balance_sen == before + 5_000_000
    csv = b"".join(client.get(f"{made}?unduh=csv")).decode("utf-8-sig")
    assert "'=cmd()" in csv and "Returned to the deposit" in csv
    for wrong in ({"day": "", "file": SimpleUploadedFile("x", b"x")}, {"day": "2026-02-16"}):
        answer = client.post("/operasi/buku/kanal/G1/", wrong, follow=True).content.decode()
        assert "Nothing was compared." in answer
    bad = {"day": "2026-02-16", "file": SimpleUploadedFile("x.csv", b"a;b\n")}
    answer = client.post("/operasi/buku/kanal/G1/", bad, follow=True).content.decode()
    assert "does not name the columns" in answer


def test_a_claim_is_written_off_by_two_people_on_the_page(sign_in: SignIn, town: Town) -> None:
    with transaction.atomic():
        book(
            kind=LedgerEntry.Kind.TILL_CLOSED,
            reference="c",
            at=town.now,
            vend_id=None,
            lines_sen={"till-difference:1": 500_000, "float:1": -500_000},
        )
    client = sign_in("pln")
    form = {"account": "till-difference:1", "amount": "5.000", "reason": "Lost"}
    assert "second person" in client.post("/operasi/buku/koreksi/", form, follow=True).content.decode()
    for wrong in ({"account": "pln:nothing"}, {"amount": "x"}, {"amount": "6000"}, {"reason": ""}):
        page = client.post("/operasi/buku/koreksi/", {**form, **wrong}, follow=True).content.decode()
        assert "No money has moved." in page
    second = Login.objects.create_user("second")
    Membership.objects.create(login=second, unit=Unit.objects.get(code="pln"), role="APPROVER")
    other = Client(headers={"accept-language": "en"})
    other.force_login(second)
    page = text(other, "/operasi/buku/koreksi/")
    path = re.search(r'action="(/operasi/buku/koreksi/\d+/)"', page)
    assert path is not None
    other.post(path[1], {"decision": "yes"})
    assert "Written off" in text(client, f"/operasi/buku/{DAYS}")
