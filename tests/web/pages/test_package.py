"""The package on pages: what is left, statement, invoice in two looks, records compared and decided, files without formulas."""

from __future__ import annotations

import datetime as dt
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from openpyxl import load_workbook
from tests.flows.house import START, House, Town
from tests.web.pages.conftest import SignIn

from duaarah.clock import operations as clock_operations
from duaarah.people.models import AccountHolder, Customer, Membership, Organisation
from duaarah.sms.models import (
    IssuedInvoice,
    OutboundSegment,
    PackagePlan,
    Reconciliation,
    RecordFile,
    RecordFormat,
)
from duaarah.sms.operations import SegmentOrder, enqueue_segments
from duaarah.sms.package.files import compare_waiting
from duaarah.sms.package.operations import Share, Terms, set_terms, subscribe

pytestmark = pytest.mark.slow
FEBRUARY = dt.date(2026, 2, 1)
MARCH_2 = START.replace(month=3, day=2)
HEAD = "message_id;time;destination;class;price"


@pytest.fixture
def plan(town: Town, household: House) -> PackagePlan:
    """The seed's package with three quarters of the Rp200 to the data operator; the household and one site have it."""
    data = Organisation.objects.create(code="DOX", name="Data", kind="DATA_OPERATOR")
    made = PackagePlan.objects.create(code="P28", name="P28", slot="BASE", operator=town.operator, data_operator=data)
    shares = [Share(of=of, party=town.operator, parts=10_000) for of in ("SMS", "EXTRA", "INQUIRY")]
    shares += [Share(of="MARGIN", party=town.operator, parts=2_500), Share(of="MARGIN", party=data, parts=7_500)]
    set_terms(plan=made, valid_from_date=FEBRUARY, terms=Terms(), shares=shares, actor="test", now=START)
    for house in town.houses[:2]:
        subscribe(meter=house.meter, plan=made, from_month_date=FEBRUARY, actor="test", now=START)
    RecordFormat.objects.create(operator=town.operator)
    return made


def sent(town: Town, house: House, count: int, message_class: str = "RECEIPT") -> list[int]:
    from django.db import transaction

    order = SegmentOrder(
        bind_id=town.bind.pk,
        meter_id=house.meter.pk,
        message_class=message_class,
        priority=0,
        retry=False,
        source="3123",
        destination="6281200000001",
        data_coding=0,
        payload=b"x",
        validity_s=60,
        registered=False,
        correlation=None,
    )
    with transaction.atomic():
        return enqueue_segments([order] * count, now=START)


def settle(ids: list[int]) -> None:
    from django.db import connection

    from duaarah.workers import links_sql

    with connection.cursor() as cursor:
        cursor.execute(links_sql.BOOK.format(kind="SETTLE", moved="= ANY(%(ids)s)"), {"ids": ids})


def test_a_household_sees_what_is_left_and_when_the_next_month_begins(
    sign_in: SignIn, town: Town, household: House, plan: PackagePlan
) -> None:
    sent(town, household, 6)
    page = sign_in("household").get("/rumah/").content.decode()
    for words in ("14 of 20", "5 of 5", "3 of 3", "A new month begins on 1 Mar 2026"):
        assert words in page, words
    without = sign_in("fleet").get(f"/rumah/meter/{town.houses[2].meter.drn}/").content.decode()
    assert "This meter has no SMS package" in without and "of 20" not in without


def test_the_fleet_is_listed_by_the_least_left_and_what_has_no_package_comes_last(
    sign_in: SignIn, town: Town, plan: PackagePlan
) -> None:
    subscribe(meter=town.houses[2].meter, plan=plan, from_month_date=FEBRUARY, actor="test", now=START)
    extra = town.house()
    Customer.objects.filter(pk=extra.meter.customer.pk).update(holder=town.houses[1].holder)
    sent(town, town.houses[2], 9)
    page = sign_in("fleet").get("/armada/?urut=sms").content.decode()
    order = re.findall(r'name="meter" value="(\d+)"', page)
    assert order == [town.houses[2].meter.drn, town.houses[1].meter.drn, extra.meter.drn]
    assert "19 / 28" in page and "28 / 28" in page and "no package" in page
    book = load_workbook(io.BytesIO(body(sign_in("fleet").get("/armada/?urut=sms&unduh=xlsx"))))
    left = {row[1]: row[5:7] for row in book.active.iter_rows(min_row=2, values_only=True)}
    assert left[town.houses[2].meter.drn] == (19, 28) and left[extra.meter.drn] == (None, None)


def body(response: object) -> bytes:
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


def test_no_cell_of_a_file_is_a_formula_in_either_kind(
    sign_in: SignIn, town: Town, household: House, plan: PackagePlan
) -> None:
    Customer.objects.filter(pk=household.meter.customer.pk).update(name='=HYPERLINK("x")')
    client = sign_in("dataop")
    path = f"/data/paket/{town.operator.code}/rekening/"
    text = body(client.get(f"{path}?unduh=csv"))
    assert text.startswith(b"\xef\xbb\xbf") and b'"\'=HYPERLINK(""x"")"' in text
    response = client.get(f"{path}?unduh=xlsx")
    assert response["Content-Disposition"] == 'attachment; filename="rekening-OPS-2026-02.xlsx"'
    sheet = load_workbook(io.BytesIO(body(response))).active
    rows = list(sheet.iter_rows())
    assert [c.value for c in rows[0]][:3] == ["Month", "Meter", "Customer number (idpel)"]
    (mine,) = [row for row in rows[1:] if row[1].value == household.meter.drn]
    assert (mine[3].value, mine[3].data_type, mine[1].data_type) == ('\'=HYPERLINK("x")', "s", "s")
    assert (mine[12].value, mine[15].value) == (28, 10_000)
    assert not [c for row in rows for c in row if c.data_type == "f"]


def test_a_statement_of_a_customer_has_his_meters_only(
    sign_in: SignIn, town: Town, household: House, plan: PackagePlan
) -> None:
    settle(sent(town, household, 2))
    page = sign_in("dataop").get(f"/data/paket/pelanggan/{household.holder.pk}/").content.decode()
    assert household.meter.drn in page and town.houses[1].meter.drn not in page
    own = body(sign_in("household").get("/rumah/paket/?unduh=csv")).decode("utf-8-sig").splitlines()
    assert len(own) == 2 and own[1].split(";")[1:2] + own[1].split(";")[5:6] == [household.meter.drn, "2"]


def test_an_invoice_needs_a_second_look_an_ended_month_and_the_right(
    sign_in: SignIn, town: Town, plan: PackagePlan
) -> None:
    client, path = sign_in("dataop"), "/data/paket/OPS/tagihan/?bulan=2026-02"
    assert "the month is still running" in client.get(path).content.decode()
    seen = re.search(r'name="seen" value="(\w+)"', client.get(f"{path}&tinjau=1").content.decode())
    assert seen is None
    clock_operations.move(at=MARCH_2, rate=1)
    page = client.get(f"{path}&tinjau=1").content.decode()
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen is not None and "Issue this invoice?" in page and "Rp 20,000" in page
    Membership.objects.filter(login__username="dataop").update(role="VIEWER")
    assert client.post(path, {"seen": seen[1]}).status_code == 403
    Membership.objects.filter(login__username="dataop").update(role="OPERATOR")
    assert "has changed since you looked" in client.post(path, {"seen": "x"}, follow=True).content.decode()
    assert IssuedInvoice.objects.count() == 0
    page = client.post(path, {"seen": seen[1]}, follow=True).content.decode()
    for words in ("OPS-202602-01", "Rp 19,600", "Rp 300", "Rp 100", "75 %"):
        assert words in page, words
    assert "says the same" in client.post(path, {"seen": seen[1]}, follow=True).content.decode()
    assert IssuedInvoice.objects.get().total_idr == 20_000


def test_a_mobile_operator_sees_its_own_invoices_and_sums_and_no_meter(
    sign_in: SignIn, town: Town, household: House, plan: PackagePlan
) -> None:
    clock_operations.move(at=MARCH_2, rate=1)
    data = sign_in("dataop")
    page = data.get("/data/paket/OPS/tagihan/?bulan=2026-02&tinjau=1").content.decode()
    found = re.search(r'name="seen" value="(\w+)"', page)
    assert found is not None
    data.post("/data/paket/OPS/tagihan/?bulan=2026-02", {"seen": found[1]})
    mobile = sign_in("mobile")
    # Of another operator it sees nothing.
    assert mobile.get("/seluler/tagihan/OPS-202602-01/").status_code == 404
    assert "No package is sold yet" in mobile.get("/seluler/paket/?bulan=2026-02").content.decode()
    Membership.objects.filter(login__username="mobile").update(unit=town_unit(town))
    own = mobile.get("/seluler/paket/?bulan=2026-02").content.decode()
    assert "OPS-202602-01" in own and "Rp 20,000" in own
    assert mobile.get("/seluler/tagihan/OPS-202602-01/").status_code == 200
    assert household.meter.drn not in own and household.holder.name not in own


def town_unit(town: Town) -> object:
    from duaarah.people.models import Unit

    return Unit.objects.create(organisation=town.operator, code="u", name="u")


def bring(client: Client, text: str) -> object:
    file = SimpleUploadedFile("feb.csv", text.encode(), content_type="text/csv")
    return client.post("/data/rekonsiliasi/", {"operator": "OPS", "month": "2026-02", "file": file}, follow=True)


def doubtful(town: Town, house: House) -> list[int]:
    """Two ambiguous segments to one number in one minute: no record says by itself which is which."""
    ids = sent(town, house, 2)
    OutboundSegment.objects.filter(pk__in=ids).update(state="AMBIGUOUS", submitted_at=START)
    return ids


def test_records_are_brought_compared_read_and_a_doubtful_one_is_decided_by_its_record(
    sign_in: SignIn, town: Town, household: House, plan: PackagePlan
) -> None:
    first, second = doubtful(town, household)
    clock_operations.move(at=MARCH_2, rate=1)
    client = sign_in("dataop")
    rows = (f"{HEAD}\r\n77;2026-02-16 08:00:30;081200000001;P2A;350\r\n", "=1;2026-02-16 09:00:00;08129;P2A;350\r\n")
    page = bring(client, "".join(rows)).content.decode()
    assert "Waits for its turn" in page and "3 lines" in page
    file = RecordFile.objects.get()
    live = client.get(f"/data/rekonsiliasi/berkas/{file.pk}/", headers={"hx-request": "true"})
    same = client.get(
        f"/data/rekonsiliasi/berkas/{file.pk}/", headers={"hx-request": "true", "if-none-match": live["ETag"]}
    )
    assert (live.status_code, same.status_code) == (200, 304)
    assert compare_waiting(now=MARCH_2) == 1
    made = Reconciliation.objects.get()
    path = f"/data/rekonsiliasi/{made.pk}/"
    assert path in client.get(f"/data/rekonsiliasi/berkas/{file.pk}/").content.decode()
    page = client.get(f"{path}?daftar=UNDECIDED").content.decode()
    assert "several records could be it" in page and "…001" in page and "6281200000001" not in page
    assert (
        "A row that cannot be read" not in client.get(f"{path}?daftar=THEIRS_ONLY").content.decode().split("<table")[1]
    )
    lines = {x.segment_id: x.pk for x in made.lines.filter(list="UNDECIDED")}
    decide = f"{path}putuskan/"
    for form in (
        {"line": lines[first], "record": "3", "reason": "r"},
        {"line": lines[first], "record": "2", "reason": " "},
        {"line": "0", "record": "none", "reason": "r"},
    ):
        assert "Nothing was changed" in client.post(decide, form, follow=True).content.decode()
    assert OutboundSegment.objects.filter(state="AMBIGUOUS").count() == 2
    client.post(decide, {"line": lines[first], "record": "2", "reason": "its reference"})
    taken = client.post(decide, {"line": lines[second], "record": "2", "reason": "r"}, follow=True).content.decode()
    assert "another SMS&#x27;s already" in taken
    client.post(decide, {"line": lines[second], "record": "none", "reason": "not in their list"})
    assert list(OutboundSegment.objects.order_by("pk").values_list("state", "smsc_message_id")) == [
        ("ACCEPTED", "77"),
        ("CANCELLED", ""),
    ]
    text = body(client.get(f"{path}?unduh=csv")).decode("utf-8-sig").splitlines()
    assert len(text) == 1 + made.lines.count() and text[0].startswith("List;Line of the file")


def test_how_an_operator_writes_is_said_on_a_page(sign_in: SignIn, town: Town, plan: PackagePlan) -> None:
    client, path = sign_in("dataop"), "/data/rekonsiliasi/format/OPS/"
    names = ("message_id", "at", "destination", "price", "class")
    fields = {f"{name}_column": name for name in names}
    good = {**fields, "delimiter": ",", "encoding": "latin-1", "at_format": "%d.%m.%y %H%M%S", "zone": "Asia/Makassar"}
    wrong = client.post(path, {**good, "zone": "x", "classes": ""}, follow=True).content.decode()
    assert "This time zone is not known. Nothing was changed." in wrong
    page = client.post(path, {**good, "classes": "A = RECEIPT, WARNING\nB=NOTICE"}, follow=True).content.decode()
    assert "Kept. The next file is read like this." in page
    row = RecordFormat.objects.get()
    assert (row.zone, row.at_column, row.classes) == (
        "Asia/Makassar",
        "at",
        {"A": ["RECEIPT", "WARNING"], "B": ["NOTICE"]},
    )
    assert "A = RECEIPT, WARNING" in client.get(path).content.decode()


def test_messages_and_sims_and_traffic_are_files_too(
    sign_in: SignIn, town: Town, household: House, plan: PackagePlan
) -> None:
    settle(sent(town, household, 2))
    client = sign_in("dataop")
    sms = body(client.get("/data/pesan/?unduh=csv")).decode("utf-8-sig").splitlines()
    assert len(sms) == 3 and "…001" in sms[1] and "6281200000001" not in "".join(sms)
    assert household.pairing.sim.iccid.encode() in body(client.get("/data/sim/?unduh=csv"))
    traffic = load_workbook(io.BytesIO(body(client.get("/data/lalu-lintas/?unduh=xlsx")))).active
    assert list(traffic.iter_rows(min_row=2, values_only=True)) == [
        ("2026-02-16", "Receipt of a top-up, or its digits", 2, 0)
    ]


def test_a_wrong_form_or_file_is_a_sentence_and_nothing_is_kept(sign_in: SignIn, plan: PackagePlan) -> None:
    client = sign_in("dataop")
    assert "The file is empty" in bring(client, " ").content.decode()
    assert "Choose the operator" in client.post("/data/rekonsiliasi/", {}, follow=True).content.decode()
    Membership.objects.filter(login__username="dataop").update(role="VIEWER")
    assert bring(client, HEAD).status_code == 403
    assert RecordFile.objects.count() == 0


def test_an_operators_page_lists_a_comparison_without_a_form(
    sign_in: SignIn, town: Town, household: House, plan: PackagePlan
) -> None:
    doubtful(town, household)
    bring(sign_in("dataop"), f"{HEAD}\r\n77;2026-02-16 08:00:30;081200000001;P2A;350\r\n")
    compare_waiting(now=START)
    made, mobile = Reconciliation.objects.get(), sign_in("mobile")
    assert mobile.get(f"/seluler/rekonsiliasi/{made.pk}/").status_code == 404
    Membership.objects.filter(login__username="mobile").update(unit=town_unit(town))
    page = mobile.get(f"/seluler/rekonsiliasi/{made.pk}/").content.decode()
    assert "not decided yet" in page and "putuskan" not in page
    assert f"/seluler/rekonsiliasi/{made.pk}/" in mobile.get("/seluler/rekonsiliasi/").content.decode()


def test_holders_are_not_mixed(sign_in: SignIn, plan: PackagePlan) -> None:
    assert sign_in("dataop").get("/data/paket/pelanggan/999999/").status_code == 404
    assert sign_in("dataop").get("/data/paket/TIDAK/tagihan/").status_code == 404
    assert AccountHolder.objects.count() == 3
